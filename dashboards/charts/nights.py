"""The nights: which checks passed, and how the vendors compared."""

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, DASHES, GREY, LINE, ORANGE, VIOLET, Picture, days, ranked

EACH = 30
"""Nights of which each has a point of its own on a line; of one alone there would be no line."""

WIDE = 40
"""Pixels of the numbers of a vertical axis, the same in pictures that stand one under the other."""


def grid(rows: pl.DataFrame) -> Picture:
    """A mark for each check and night: a dot where it passed, a cross where it failed. `rows`: asset, name, severity, session, passed, detail."""
    shown = rows.with_columns(
        pl.format("{} · {}", "asset", "name").alias("check"),
        pl.when("passed").then(pl.lit("passed")).otherwise("severity").alias("verdict"),
    )
    names = shown["check"].unique(maintain_order=True).to_list()
    kinds = ["passed", "advice", "reducing", "blocking"]
    legend = alt.Legend(orient="top", columns=2)
    marks: alt.Chart = alt.Chart(shown).mark_point(filled=True, size=55, opacity=0.9).encode(
        alt.X("session:O", timeUnit="yearmonthdate", title=None, axis=alt.Axis(format="%d %b", labelOverlap=True, labelAngle=0, ticks=False)),
        ranked(names, "check"),
        alt.Color("verdict:N", title=None, scale=alt.Scale(domain=kinds, range=[GREY, BLUE, VIOLET, ORANGE]), legend=legend),
        alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=kinds, range=["circle", "cross", "cross", "cross"]), legend=legend),
        tooltip=[alt.Tooltip("session:T", format="%a %d %b %Y"), alt.Tooltip("check:N"), alt.Tooltip("verdict:N"), alt.Tooltip("detail:N")],
    )  # fmt: skip
    return marks.properties(height=LINE * len(names) + 70)


def vendors(rows: pl.DataFrame) -> list[Picture]:
    """Each vendor's nights, to be stacked: minutes missing, lag, and how far they were apart. `rows`: as `feeds.totals` by session and vendor."""
    names, nights = sorted(rows["vendor"].unique().to_list()), rows["session"]
    told = [alt.Tooltip("session:T", format="%a %d %b %Y"), alt.Tooltip("vendor:N"), alt.Tooltip("missed:Q", format=".2%", title="minutes missing"),
            alt.Tooltip("lag:Q", format=".2f", title="median lag, s"), alt.Tooltip("lag_max:Q", format=".1f", title="worst lag, s")]  # fmt: skip
    both = [alt.Tooltip("session:T", format="%a %d %b %Y"), alt.Tooltip("bp:Q", format=".2f", title="mean distance, bp"),
            alt.Tooltip("bp_max:Q", format=".1f", title="widest, bp")]  # fmt: skip
    point = {"size": 50, "color": GREY} if nights.n_unique() < EACH else False
    legend = alt.Legend(orient="top", symbolType="stroke")

    def line(frame: pl.DataFrame, field: str, title: str, form: str, *, last: bool = False) -> alt.Chart:
        up = alt.Axis(format=form, tickCount=3, minExtent=WIDE, maxExtent=WIDE)
        drawn: alt.Chart = alt.Chart(frame).mark_line(strokeWidth=1.6, point=point, color=GREY)
        return drawn.encode(days(nights, labels=last), alt.Y(f"{field}:Q", title=title, axis=up))

    def by_vendor(field: str, title: str, form: str, *, named: bool) -> Picture:
        key = legend if named else None
        return line(rows, field, title, form).encode(
            alt.Color("vendor:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, ORANGE, VIOLET, GREY]), legend=key),
            alt.StrokeDash("vendor:N", title=None, scale=alt.Scale(domain=names, range=DASHES), legend=key), tooltip=told,
        )  # fmt: skip

    pairs = rows.group_by("session").agg(pl.col("bp").mean(), pl.col("bp_max").max()).sort("session")  # of two vendors each has the same
    return [
        by_vendor("missed", "missing", ".2~%", named=True).properties(height=130),
        by_vendor("lag", "late, s", ".2~f", named=False).properties(height=100),
        line(pairs, "bp", "apart, bp", ".2~f", last=True).encode(tooltip=both).properties(height=120),
    ]
