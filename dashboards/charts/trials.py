"""Sweeps: how good each set of parameters was, beside its neighbours."""

import altair as alt
import polars as pl

from dashboards.charts.style import BLUE, GREY, ORANGE, Picture


def grid(table: pl.DataFrame, across: str, down: str) -> Picture:
    """The best plateau for each pair of values; its figure stands in the square. `table`: the two parameters, plateau, sharpe, net, trades."""
    best = table.sort("plateau", descending=True, nulls_last=True).unique([across, down], keep="first", maintain_order=True)
    shown = best.select(pl.col(across).alias("x"), pl.col(down).alias("y"), "plateau", "sharpe", "net", "trades")
    most = max(0.1, *(abs(value) for value in shown["plateau"].drop_nulls().to_list()))
    axes = (alt.X("x:O", title=across, axis=alt.Axis(labelAngle=0)), alt.Y("y:O", title=down, sort="descending"))
    scale = alt.Scale(domain=[-most, 0, most], range=[ORANGE, "#c9ced6", BLUE], interpolate="rgb")
    told = [alt.Tooltip("x:Q", title=across), alt.Tooltip("y:Q", title=down), alt.Tooltip("plateau:Q", format=".2f"),
            alt.Tooltip("sharpe:Q", format=".2f"), alt.Tooltip("net:Q", format="$,.2f"), alt.Tooltip("trades:Q")]  # fmt: skip
    squares = alt.Chart(shown).mark_rect().encode(*axes, alt.Color("plateau:Q", scale=scale, legend=None), tooltip=told)
    figures = alt.Chart(shown).mark_text(color="#10151c", fontSize=11).encode(*axes, text=alt.Text("plateau:Q", format="+.2f"))
    return alt.layer(squares, figures).properties(height=max(120, 34 * shown["y"].n_unique() + 40))


def line(table: pl.DataFrame, across: str) -> Picture:
    """Sharpe ratio by one parameter's value: of the sessions that were ranked by, and dashed of those kept aside."""
    shown = table.select(pl.col(across).alias("x"), pl.col("sharpe").alias("ranked"), pl.col("later_sharpe").alias("kept aside")).unpivot(
        index="x", variable_name="sessions", value_name="sharpe"
    )  # fmt: skip
    scale = alt.Scale(domain=["ranked", "kept aside"], range=[BLUE, GREY])
    lines: alt.Chart = alt.Chart(shown.drop_nulls("sharpe")).mark_line(point=True).encode(
        alt.X("x:Q", title=across), alt.Y("sharpe:Q", title="Sharpe ratio"),
        alt.Color("sessions:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
        alt.StrokeDash("sessions:N", title=None, scale=alt.Scale(domain=["ranked", "kept aside"], range=[[1, 0], [5, 3]])),
        tooltip=[alt.Tooltip("x:Q", title=across), alt.Tooltip("sessions:N"), alt.Tooltip("sharpe:Q", format=".2f")],
    )  # fmt: skip
    return lines.properties(height=220)
