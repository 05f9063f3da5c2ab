"""How orders went: from signals to entries, slippage, latency, one vendor against the other."""

import math

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, DASHES, GREY, LINE, ORANGE, VIOLET, Edges, Picture, hours, ranked, rows_high


def funnel(stages: pl.DataFrame) -> Picture:
    """From signals to entries: what each limit stopped. `stages`: stage, count, kind, in their order."""
    axis = alt.Y("stage:N", title=None, sort=stages["stage"].to_list(), axis=alt.Axis(labelLimit=160))
    kinds = alt.Scale(domain=["signals", "refused", "entries"], range=[GREY, ORANGE, BLUE])
    bars = alt.Chart(stages).mark_bar(height=LINE - 4).encode(
        alt.X("count:Q", title=None, axis=None), axis, alt.Color("kind:N", scale=kinds, legend=None), tooltip=["stage:N", "count:Q"]
    )  # fmt: skip
    words = alt.Chart(stages).mark_text(align="left", dx=5, color=GREY, fontWeight="bold").encode(x="count:Q", y=axis, text="count:Q")
    return alt.layer(bars, words).properties(height=alt.Step(LINE + 8))


def steps(rows: pl.DataFrame) -> Picture:
    """From what was wanted to what was filled, with what each limit took. `rows`: step, code, candidates, share."""
    named = pl.when(pl.col("code").is_null()).then(pl.col("step")).otherwise(pl.col("step") + " by " + pl.col("code").fill_null(""))
    shown = rows.with_columns(named.alias("name"))
    kinds = alt.Scale(domain=["wanted", "refused", "reduced", "sent", "filled"], range=[GREY, ORANGE, VIOLET, BLUE, BLUE])
    names = ranked(shown["name"].to_list())
    bars = alt.Chart(shown).mark_bar(height=LINE - 4).encode(
        alt.X("candidates:Q", title=None, axis=None), names, alt.Color("step:N", scale=kinds, legend=None),
        tooltip=[alt.Tooltip("name:N", title="step"), alt.Tooltip("candidates:Q"), alt.Tooltip("share:Q", format=".1%")],
    )  # fmt: skip
    words = (
        alt.Chart(shown)
        .mark_text(align="left", dx=5, color=GREY, fontWeight="bold")
        .encode(x="candidates:Q", y=names, text=alt.Text("candidates:Q", format=","))
    )
    return alt.layer(bars, words).properties(height=rows_high(shown.height) - 30)


def costs(rows: pl.DataFrame, name: str) -> Picture:
    """What orders of each kind cost against their reference price, mean and median. `rows`: the kind, cost_bp, median_bp, orders."""
    shown = rows.select(pl.col(name).cast(pl.String).fill_null("unknown").alias("name"), "cost_bp", "median_bp", "orders")
    names = ranked(shown["name"].to_list())
    told = [alt.Tooltip("name:N", title=name), alt.Tooltip("cost_bp:Q", format="+.2f", title="mean bp"),
            alt.Tooltip("median_bp:Q", format="+.2f", title="median bp"), alt.Tooltip("orders:Q")]  # fmt: skip
    worse = alt.condition("datum.cost_bp > 0", alt.value(ORANGE), alt.value(BLUE))
    bars = alt.Chart(shown).mark_bar(height=LINE - 6).encode(
        alt.X("cost_bp:Q", title="basis points, plus is worse", axis=alt.Axis(format="+.1f", tickCount=5)), names, color=worse, tooltip=told
    )  # fmt: skip
    ticks = alt.Chart(shown).mark_tick(color=GREY, thickness=3, size=LINE).encode(x="median_bp:Q", y=names, tooltip=told)
    return alt.layer(bars, ticks).properties(height=rows_high(shown.height, title=True))


STAGES = {
    "decide": "bar in hand → decided",
    "journal": "→ safe in the journal",
    "send": "→ request on its way",
    "acknowledge": "→ broker's answer",
    "fill": "→ first fill",
    "to_fill": "decision → first fill",
}
"""The stages of `core.analytics.books` in words."""

LEAST = 0.001
"""Milliseconds below which nothing is told apart: the journal's clock has microseconds."""


def latency(rows: pl.DataFrame) -> Picture:
    """Each stage from its median to its 99th percentile, milliseconds, log scale. `rows`: name, orders, p50, p90, p99, longest."""
    ends = ("p50", "p90", "p99")
    shown = rows.with_columns(pl.col(*ends).clip(lower_bound=LEAST))
    names = ranked(shown["name"].to_list())
    least, most = math.floor(math.log10(min(shown["p50"].to_list()))), max(1.0, *shown["p99"].to_list()) * 1.5
    decades = [10.0**power for power in range(least, math.ceil(math.log10(most)) + 1)]
    axis = alt.Axis(labelExpr="datum.value >= 1000 ? datum.value / 1000 + ' s' : datum.value + ' ms'", values=decades)
    across = alt.X("p50:Q", title=None, scale=alt.Scale(type="log", domain=[decades[0], most]), axis=axis)
    told = [alt.Tooltip("name:N", title="stage"), alt.Tooltip("orders:Q"),
            *(alt.Tooltip(f"{n}:Q", format=",.3f", title=f"{n}, ms") for n in (*ends, "longest"))]  # fmt: skip
    line = alt.Chart(shown).mark_rule(strokeWidth=3, color=GREY, opacity=0.6).encode(across, names, x2="p99:Q", tooltip=told)
    kinds = {"half of the orders": (BLUE, "circle"), "90 %": (VIOLET, "square"), "99 %": (ORANGE, "triangle-up")}
    long = shown.unpivot(index=["name", "orders", "longest"], on=ends, variable_name="of", value_name="ms").with_columns(
        pl.col("of").replace_strict(dict(zip(ends, kinds, strict=True)))
    )
    legend = alt.Legend(orient="top", title="at most this long for")
    marks = alt.Chart(long).mark_point(filled=True, size=90, opacity=1).encode(
        x="ms:Q", y=names, tooltip=[alt.Tooltip("name:N", title="stage"), alt.Tooltip("of:N"), alt.Tooltip("ms:Q", format=",.3f")],
        color=alt.Color("of:N", scale=alt.Scale(domain=list(kinds), range=[c for c, _ in kinds.values()]), legend=legend),
        shape=alt.Shape("of:N", scale=alt.Scale(domain=list(kinds), range=[s for _, s in kinds.values()]), legend=legend),
    )  # fmt: skip
    return alt.layer(line, marks).properties(height=rows_high(shown.height) + 72)


def lags(rows: pl.DataFrame, edges: Edges) -> Picture:
    """How late each vendor's slowest bar of the minute was. `rows`: at (New York), vendor, lag."""
    names = sorted(rows["vendor"].unique().to_list())
    legend = alt.Legend(orient="top")
    lines: alt.Chart = alt.Chart(rows).mark_line(strokeWidth=1.6).encode(
        hours(edges), alt.Y("lag:Q", title="seconds after the minute", axis=alt.Axis(tickCount=4)),
        alt.Color("vendor:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, ORANGE, VIOLET]), legend=legend),
        alt.StrokeDash("vendor:N", title=None, scale=alt.Scale(domain=names, range=DASHES), legend=legend),
        tooltip=[alt.Tooltip("at:T", format="%H:%M"), alt.Tooltip("vendor:N"), alt.Tooltip("lag:Q", format=".2f"), alt.Tooltip("bp:Q", format="+.2f"),
                 alt.Tooltip("missing:Q")],
    )  # fmt: skip
    return lines.properties(height=190)
