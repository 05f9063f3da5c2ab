"""Pictures. Two colours that also the colour-blind tell apart, of a lightness that stands on white and on black; the rest is Streamlit's theme."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

import altair as alt
import polars as pl

Picture: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart

BLUE, ORANGE, GREY, VIOLET = "#2f7fc1", "#d9701a", "#8a8f98", "#9b6fc4"
LINE = 18
"""Height in pixels of one row of names."""


def equity(curve: pl.DataFrame, marks: pl.DataFrame, start: float, hours: tuple[datetime, datetime]) -> Picture:
    """Equity by the minute from the open to the close. `curve`: at, equity. `marks`: at, equity, what, symbol, words. New York clock."""
    time = alt.X("at:T", title=None, scale=alt.Scale(domain=list(hours)), axis=alt.Axis(format="%H:%M", tickCount=8, grid=False))
    money = alt.Y("equity:Q", title=None, scale=alt.Scale(zero=False, padding=14), axis=alt.Axis(format="$,.0f"))
    line = alt.Chart(curve).mark_line(color=GREY, strokeWidth=1.6).encode(
        time, money, tooltip=[alt.Tooltip("at:T", format="%H:%M", title="New York"), alt.Tooltip("equity:Q", format="$,.2f")]
    )  # fmt: skip
    base = alt.Chart(pl.DataFrame({"equity": [start]})).mark_rule(color=GREY, strokeDash=[4, 4], opacity=0.7).encode(y="equity:Q")
    kinds = ["entry", "exit with a gain", "exit with a loss"]
    points = alt.Chart(marks).mark_point(filled=True, size=80, opacity=0.95).encode(
        time, money,
        color=alt.Color("what:N", title=None, scale=alt.Scale(domain=kinds, range=[GREY, BLUE, ORANGE]), legend=alt.Legend(orient="top")),
        shape=alt.Shape("what:N", scale=alt.Scale(domain=kinds, range=["triangle-right", "triangle-up", "triangle-down"])),
        tooltip=[
            alt.Tooltip("symbol:N"), alt.Tooltip("what:N", title="mark"), alt.Tooltip("at:T", format="%H:%M:%S", title="New York"),
            alt.Tooltip("words:N", title="why"),
        ],
    )  # fmt: skip
    return alt.layer(base, line, points).properties(height=320)


def funnel(stages: pl.DataFrame) -> Picture:
    """From signals to entries: what each limit stopped. `stages`: stage, count, kind, in their order."""
    axis = alt.Y("stage:N", title=None, sort=stages["stage"].to_list(), axis=alt.Axis(labelLimit=160))
    kinds = alt.Scale(domain=["signals", "refused", "entries"], range=[GREY, ORANGE, BLUE])
    bars = alt.Chart(stages).mark_bar(height=LINE - 4).encode(
        alt.X("count:Q", title=None, axis=None), axis, alt.Color("kind:N", scale=kinds, legend=None), tooltip=["stage", "count"]
    )  # fmt: skip
    words = alt.Chart(stages).mark_text(align="left", dx=5, color=GREY, fontWeight="bold").encode(x="count:Q", y=axis, text="count:Q")
    return alt.layer(bars, words).properties(height=alt.Step(LINE + 8))


def regime(score: float) -> Picture:
    """Where volatility stands in its own past year, over the bands that the rule draws."""
    edges = [0, 25, 75, 95, 100]
    bands = pl.DataFrame({"from": edges[:-1], "to": edges[1:], "name": ["calm", "normal", "elevated", "stressed"], "depth": [0.15, 0.35, 0.65, 1.0]})
    across = alt.X("from:Q", title=None, scale=alt.Scale(domain=[0, 100], nice=False), axis=alt.Axis(values=edges, grid=False))
    up = alt.Scale(domain=[0, 1])  # a scale of its own keeps the axis below the bands
    band = alt.Chart(bands.with_columns(low=0.0, high=0.4)).mark_rect(color=ORANGE).encode(
        across, alt.Y("low:Q", scale=up, axis=None), x2="to:Q", y2="high:Q",
        opacity=alt.Opacity("depth:Q", scale=None), tooltip=["name", "from", "to"],
    )  # fmt: skip
    names = alt.Chart(bands.with_columns(low=0.85)).mark_text(align="left", color=GREY, dx=2).encode(across, y="low:Q", text="name")
    here = pl.DataFrame({"from": [score * 100], "low": [0.48]})
    needle = alt.Chart(here).mark_point(shape="triangle-down", filled=True, size=150, color=BLUE, opacity=1)
    return alt.layer(band, names, needle.encode(across, y="low:Q", tooltip=alt.Tooltip("from:Q", format=".0f"))).properties(height=70)


def shares(sectors: pl.DataFrame, color: str, limit: float | None = None) -> Picture:
    """A bar for each sector's weight, and a line where the limit is. `sectors`: sector, weight."""
    top = max([*sectors["weight"].to_list(), limit or 0.0, 0.01]) * 1.15
    across = alt.X("weight:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=4))
    names = alt.Y("sector:N", title=None, sort=sectors["sector"].to_list(), axis=alt.Axis(labelLimit=170))
    bars = alt.Chart(sectors).mark_bar(height=LINE - 5, color=color).encode(
        across, names, tooltip=["sector", alt.Tooltip("weight:Q", format=".2%")]
    )  # fmt: skip
    layers: list[alt.Chart] = [bars]
    if limit is not None:
        mark = pl.DataFrame({"weight": [limit], "word": [f"limit {limit:.0%}"]})
        layers.append(alt.Chart(mark).mark_rule(color=ORANGE, strokeDash=[4, 3], strokeWidth=2).encode(x=across, tooltip="word"))
    return alt.layer(*layers).properties(height=alt.Step(LINE + 4))


def use(uses: pl.DataFrame, hours: tuple[datetime, datetime]) -> Picture:
    """Each limit's use through the session; at 100 % the gate refuses. `uses`: at (New York), name, value, limit, used."""
    names = uses["name"].unique(maintain_order=True).to_list()
    top = max(1.05, float(uses["used"].max() or 0.0) * 1.05)  # type: ignore[arg-type]  # a float column
    lines = alt.Chart(uses).mark_line(interpolate="step-after", strokeWidth=2).encode(
        alt.X("at:T", title=None, scale=alt.Scale(domain=list(hours)), axis=alt.Axis(format="%H:%M", tickCount=8, grid=False)),
        alt.Y("used:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=5)),
        alt.Color(
            "name:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, ORANGE, GREY, VIOLET]), legend=alt.Legend(orient="top", columns=2)
        ),
        strokeDash=alt.StrokeDash("name:N", scale=alt.Scale(domain=names, range=[[1, 0], [6, 2], [2, 2], [8, 2, 2, 2]]), legend=None),
        tooltip=[alt.Tooltip("at:T", format="%H:%M", title="New York"), "name", alt.Tooltip("used:Q", format=".1%", title="of the limit")],
    )  # fmt: skip
    limit = alt.Chart(pl.DataFrame({"used": [1.0]})).mark_rule(color=ORANGE, strokeDash=[4, 3]).encode(y="used:Q")
    return alt.layer(limit, lines).properties(height=240)


def correlation(cells: pl.DataFrame, order: Sequence[str], *, dark: bool) -> Picture:
    """Who moves with whom, neighbours together. `cells`: a, b, rho."""
    middle = "#20242d" if dark else "#f4f4f2"
    scale = alt.Scale(domain=[-0.8, 0, 0.8], range=[BLUE, middle, ORANGE], clamp=True, interpolate="rgb")
    squares: alt.Chart = alt.Chart(cells).mark_rect().encode(
        alt.X("a:N", title=None, sort=list(order), axis=alt.Axis(labelOverlap=True, ticks=False, domain=False, labelFontSize=10)),
        alt.Y("b:N", title=None, sort=list(order), axis=alt.Axis(labelOverlap=False, ticks=False, domain=False, labelFontSize=10)),
        alt.Color("rho:Q", title="ρ", scale=scale, legend=alt.Legend(orient="top", gradientLength=160, values=[-0.8, 0, 0.8], format="+.1f")),
        tooltip=["a", "b", alt.Tooltip("rho:Q", format="+.2f", title="ρ")],
    )  # fmt: skip
    return squares.properties(height=max(300, 15 * len(order) + 90))


def betas(rows: pl.DataFrame) -> Picture:
    """How far each name moves with the market, which stands at 1. `rows`: symbol, beta."""
    ordered = rows.sort("beta", descending=True)
    names = alt.Y("symbol:N", title=None, sort=ordered["symbol"].to_list(), axis=alt.Axis(labelOverlap=False, labelFontSize=10))
    across = alt.X("beta:Q", title="beta", scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    side = alt.condition("datum.beta > 1", alt.value(ORANGE), alt.value(BLUE))
    stems = alt.Chart(ordered.with_columns(pl.lit(1.0).alias("one"))).mark_rule(strokeWidth=3).encode(
        across, x2="one:Q", y=names, color=side
    )  # fmt: skip
    dots = alt.Chart(ordered).mark_circle(size=55, opacity=1).encode(
        across, names, color=side, tooltip=["symbol", alt.Tooltip("beta:Q", format=".2f")]
    )  # fmt: skip
    one = alt.Chart(pl.DataFrame({"beta": [1.0]})).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x="beta:Q")
    return alt.layer(one, stems, dots).properties(height=max(300, 15 * rows.height + 90))
