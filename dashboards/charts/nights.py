"""The nights: which checks passed."""

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, GREY, LINE, ORANGE, VIOLET, Picture, ranked


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
