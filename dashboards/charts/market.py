"""The market and the book in it: the regime, sectors, betas, what moves together."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, GREY, LINE, ORANGE, Picture, days


def regime(score: float) -> Picture:
    """Where volatility stands in its own past year, over the bands that the rule draws."""
    edges = [0, 25, 75, 95, 100]
    bands = pl.DataFrame({"from": edges[:-1], "to": edges[1:], "name": ["calm", "normal", "elevated", "stressed"], "depth": [0.15, 0.35, 0.65, 1.0]})
    across = alt.X("from:Q", title=None, scale=alt.Scale(domain=[0, 100], nice=False), axis=alt.Axis(values=edges, grid=False))
    up = alt.Scale(domain=[0, 1])  # a scale of its own keeps the axis below the bands
    band = alt.Chart(bands.with_columns(low=0.0, high=0.4)).mark_rect(color=ORANGE).encode(
        across, alt.Y("low:Q", scale=up, axis=None), x2="to:Q", y2="high:Q",
        opacity=alt.Opacity("depth:Q", scale=None), tooltip=["name:N", "from:Q", "to:Q"],
    )  # fmt: skip
    names = alt.Chart(bands.with_columns(low=0.85)).mark_text(align="left", color=GREY, dx=2).encode(across, y="low:Q", text="name:N")
    here = pl.DataFrame({"from": [score * 100], "low": [0.48]})
    needle = alt.Chart(here).mark_point(shape="triangle-down", filled=True, size=150, color=BLUE, opacity=1)
    return alt.layer(band, names, needle.encode(across, y="low:Q", tooltip=alt.Tooltip("from:Q", format=".0f"))).properties(height=70)


def history(series: pl.DataFrame) -> Picture:
    """The regime's score day by day over the bands that the rule draws. `series`: session, score, name."""
    bands = pl.DataFrame({"low": [0.0, 0.25, 0.75, 0.95], "high": [0.25, 0.75, 0.95, 1.0], "depth": [0.0, 0.06, 0.16, 0.3],
                          "name": ["calm", "normal", "elevated", "stressed"]})  # fmt: skip
    bands = bands.with_columns(((pl.col("low") + pl.col("high")) / 2).alias("middle"))
    named = " : ".join(f"datum.value < {high} ? '{name}'" for high, name in bands.select("high", "name").iter_rows()) + " : ''"
    axis = alt.Axis(values=bands["middle"].to_list(), labelExpr=named, grid=False, ticks=False, domain=False)
    up = alt.Y("score:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=axis)
    back = alt.Chart(bands).mark_rect(color=ORANGE).encode(y=alt.Y("low:Q", title=None), y2="high:Q", opacity=alt.Opacity("depth:Q", scale=None))
    told = [alt.Tooltip("session:T", format="%d %b %Y", title="day"), alt.Tooltip("score:Q", format=".0%"), alt.Tooltip("name:N", title="regime"),
            alt.Tooltip("volatility:Q", format=".1%")]  # fmt: skip
    line = alt.Chart(series).mark_line(color=BLUE, strokeWidth=1.6).encode(days(series["session"]), up, tooltip=told)
    return alt.layer(back, line).properties(height=200)


def shares(sectors: pl.DataFrame, color: str, limit: float | None = None) -> Picture:
    """A bar for each sector's weight, and a line where the limit is. `sectors`: sector, weight (fractions)."""
    top = max([*sectors["weight"].to_list(), limit or 0.0, 0.01]) * 1.15
    across = alt.X("weight:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=4))
    names = alt.Y("sector:N", title=None, sort=sectors["sector"].to_list(), axis=alt.Axis(labelLimit=170))
    bars = alt.Chart(sectors).mark_bar(height=LINE - 5, color=color).encode(
        across, names, tooltip=["sector:N", alt.Tooltip("weight:Q", format=".2%")]
    )  # fmt: skip
    layers: list[alt.Chart] = [bars]
    if limit is not None:
        mark = pl.DataFrame({"weight": [limit], "word": [f"limit {limit * 100:g} %"]})
        layers.append(alt.Chart(mark).mark_rule(color=ORANGE, strokeDash=[4, 3], strokeWidth=2).encode(x=across, tooltip="word:N"))
        layers.append(alt.Chart(mark).mark_text(align="right", dx=22, dy=-7, color=ORANGE).encode(x=across, y=alt.value(0), text="word:N"))
    return alt.layer(*layers).properties(height=alt.Step(LINE + 4))


def correlation(cells: pl.DataFrame, order: Sequence[str], *, dark: bool) -> Picture:
    """Who moves with whom, neighbours together. `cells`: a, b, rho."""
    middle = "#20242d" if dark else "#f4f4f2"
    scale = alt.Scale(domain=[-0.8, 0, 0.8], range=[BLUE, middle, ORANGE], clamp=True, interpolate="rgb")
    squares: alt.Chart = alt.Chart(cells).mark_rect().encode(
        alt.X("a:N", title=None, sort=list(order), axis=alt.Axis(labelOverlap=True, ticks=False, domain=False, labelFontSize=10)),
        alt.Y("b:N", title=None, sort=list(order), axis=alt.Axis(labelOverlap=False, ticks=False, domain=False, labelFontSize=10)),
        alt.Color("rho:Q", title="ρ", scale=scale, legend=alt.Legend(orient="top", gradientLength=160, values=[-0.8, 0, 0.8], format="+.1f")),
        tooltip=["a:N", "b:N", alt.Tooltip("rho:Q", format="+.2f", title="ρ")],
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
        across, names, color=side, tooltip=["symbol:N", alt.Tooltip("beta:Q", format=".2f")]
    )  # fmt: skip
    one = alt.Chart(pl.DataFrame({"beta": [1.0]})).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x="beta:Q")
    return alt.layer(one, stems, dots).properties(height=max(300, 15 * rows.height + 90))
