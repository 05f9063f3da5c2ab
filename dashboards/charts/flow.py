"""How orders went: from signals to entries, slippage, latency, one vendor against the other."""

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, GREY, LINE, ORANGE, Picture


def funnel(stages: pl.DataFrame) -> Picture:
    """From signals to entries: what each limit stopped. `stages`: stage, count, kind, in their order."""
    axis = alt.Y("stage:N", title=None, sort=stages["stage"].to_list(), axis=alt.Axis(labelLimit=160))
    kinds = alt.Scale(domain=["signals", "refused", "entries"], range=[GREY, ORANGE, BLUE])
    bars = alt.Chart(stages).mark_bar(height=LINE - 4).encode(
        alt.X("count:Q", title=None, axis=None), axis, alt.Color("kind:N", scale=kinds, legend=None), tooltip=["stage:N", "count:Q"]
    )  # fmt: skip
    words = alt.Chart(stages).mark_text(align="left", dx=5, color=GREY, fontWeight="bold").encode(x="count:Q", y=axis, text="count:Q")
    return alt.layer(bars, words).properties(height=alt.Step(LINE + 8))
