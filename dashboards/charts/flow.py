"""How orders went: from signals to entries, slippage, latency, one vendor against the other."""

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
    words = alt.Chart(shown).mark_text(align="left", dx=5, color=GREY, fontWeight="bold").encode(x="candidates:Q", y=names, text="candidates:Q")
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


def latency(rows: pl.DataFrame) -> Picture:
    """Each stage from its median to its 99th percentile, milliseconds, log scale. `rows`: stage, orders, p50, p90, p99, longest."""
    shown = rows.with_columns(pl.col("p50", "p90", "p99", "longest").clip(lower_bound=0.01))
    names = ranked(shown["stage"].to_list(), "stage")
    scale = alt.Scale(type="log")
    told = [
        alt.Tooltip("stage:N"),
        alt.Tooltip("orders:Q"),
        *(alt.Tooltip(f"{n}:Q", format=",.2f", title=f"{n}, ms") for n in ("p50", "p90", "p99", "longest")),
    ]
    line = alt.Chart(shown).mark_rule(strokeWidth=3, color=GREY, opacity=0.6).encode(
        alt.X("p50:Q", title="milliseconds", scale=scale, axis=alt.Axis(format="~s", tickCount=6, grid=True)), names, x2="p99:Q", tooltip=told
    )  # fmt: skip
    marks = [
        alt.Chart(shown).mark_point(filled=True, size=90, opacity=1, shape=shape, color=color).encode(x=f"{name}:Q", y=names, tooltip=told)
        for name, shape, color in (("p50", "circle", BLUE), ("p90", "square", VIOLET), ("p99", "triangle-up", ORANGE))
    ]
    return alt.layer(line, *marks).properties(height=rows_high(shown.height, title=True))


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
