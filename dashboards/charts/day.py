"""One session: its equity, the minutes of a symbol with what we did in it, the use of the limits."""

import altair as alt
import polars as pl

from dashboards.book import ENTRY, GAIN, LOSS
from dashboards.charts.style import BLUE, DASHES, GREY, ORANGE, SIDE, VIOLET, Edges, Picture, hours

KINDS, SHAPES, COLORS = [ENTRY, GAIN, LOSS], ["triangle-right", "triangle-up", "triangle-down"], [GREY, BLUE, ORANGE]


def equity(curve: pl.DataFrame, marks: pl.DataFrame, start: float, edges: Edges) -> Picture:
    """Equity by the minute from the open to the close. `curve`: at, equity. `marks`: at, equity, what, symbol, words. New York clock."""
    money = alt.Y("equity:Q", title=None, scale=alt.Scale(zero=False, padding=14), axis=alt.Axis(format="$,.0f", tickCount=5))
    line = alt.Chart(curve).mark_line(color=GREY, strokeWidth=1.6).encode(
        hours(edges), money, tooltip=[alt.Tooltip("at:T", format="%H:%M", title="New York"), alt.Tooltip("equity:Q", format="$,.2f")]
    )  # fmt: skip
    base = alt.Chart(pl.DataFrame({"equity": [start]})).mark_rule(color=GREY, strokeDash=[4, 4], opacity=0.7).encode(y="equity:Q")
    points = (
        alt.Chart(marks)
        .mark_point(filled=True, size=80, opacity=0.95, stroke="white", strokeWidth=0.6)
        .encode(hours(edges), money, **_kinds(), tooltip=_told())
    )
    return alt.layer(base, line, points).properties(height=260)


def candles(minutes: pl.DataFrame, marks: pl.DataFrame, levels: pl.DataFrame, edges: Edges) -> tuple[Picture, Picture]:
    """A symbol's minutes with entries, exits, stop and target; and what was traded in them, to be stacked.

    `minutes`: at, open, high, low, close, volume and, where known, vwap_line. `marks`: at, price, what, symbol, words. `levels`: price, name.
    """
    across = hours(edges, labels=False)
    up = alt.Y("low:Q", title=None, scale=alt.Scale(zero=False, padding=10), axis=alt.Axis(format=",.2f", tickCount=6, minExtent=SIDE))
    rising = alt.condition("datum.close >= datum.open", alt.value(BLUE), alt.value(ORANGE))
    told = [alt.Tooltip("at:T", format="%H:%M", title="New York"), *(alt.Tooltip(f"{n}:Q", format=",.2f") for n in ("open", "high", "low", "close"))]
    shown = [*told, alt.Tooltip("volume:Q", format=",.0f")]
    base = alt.Chart(minutes)
    wick = base.mark_rule(strokeWidth=1).encode(across, up, y2="high:Q", color=rising, tooltip=shown)
    # A falling minute is filled, a rising one hollow: told apart without the colours.
    body = base.mark_bar(size=_wide(edges), strokeWidth=1).encode(
        across, y="open:Q", y2="close:Q", stroke=rising, color=rising, tooltip=shown,
        fillOpacity=alt.condition("datum.close >= datum.open", alt.value(0.15), alt.value(1.0)),
    )  # fmt: skip
    layers: list[alt.Chart] = [wick, body]
    if "vwap_line" in minutes.columns:
        layers.append(base.mark_line(color=VIOLET, strokeWidth=1.3, strokeDash=[5, 2]).encode(
            across, y="vwap_line:Q", tooltip=[alt.Tooltip("vwap_line:Q", format=",.2f", title="VWAP")]))  # fmt: skip
    near, above, below = _reached(levels, minutes)
    rules = alt.Chart(near).encode(y="price:Q")
    dashed = alt.StrokeDash("name:N", scale=alt.Scale(domain=["stop", "target", "entry"], range=[[7, 3], [2, 2], [1, 0]]), legend=None)
    layers.append(rules.mark_rule(color=GREY, strokeWidth=1.4).encode(
        strokeDash=dashed, tooltip=[alt.Tooltip("name:N"), alt.Tooltip("price:Q", format=",.2f")]))  # fmt: skip
    layers.append(rules.mark_text(align="right", dy=-6, color=GREY, fontWeight="bold").encode(x=alt.value("width"), text="label:N"))
    layers += [
        alt.Chart(far)
        .mark_text(align="right", dy=inwards, color=GREY, fontWeight="bold")
        .encode(x=alt.value("width"), y=alt.value(edge), text="label:N")
        for far, edge, inwards in ((above, 0, 8), (below, "height", -8))
    ]
    layers.append(alt.Chart(marks).mark_point(filled=True, size=240, opacity=1, stroke="white", strokeWidth=1.8).encode(
        across, y="price:Q", **_kinds(), tooltip=_told()))  # fmt: skip
    traded = base.mark_bar(size=_wide(edges), opacity=0.55, color=GREY).encode(
        hours(edges), alt.Y("volume:Q", title=None, axis=alt.Axis(format="~s", tickCount=2, grid=False, minExtent=SIDE)), tooltip=shown
    )  # fmt: skip
    return alt.layer(*layers).properties(height=330), traded.properties(height=90)


def _reached(levels: pl.DataFrame, minutes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Levels on the scale of the prices, and those so far above and below that it would press the candles flat: with the way to them."""
    low, high = float(minutes["low"].min() or 0.0), float(minutes["high"].max() or 0.0)  # type: ignore[arg-type]  # float columns
    last, room = minutes["close"].to_list()[-1], high - low
    away = (levels["price"] / last - 1) * 100
    arrow = pl.when(pl.col("price") > last).then(pl.lit("↑")).otherwise(pl.lit("↓"))
    told = levels.with_columns(pl.format("{} {} ({} %)", arrow, "label", pl.Series([f"{by:+.1f}" for by in away], dtype=pl.String)).alias("label"))
    return (
        levels.filter(pl.col("price").is_between(low - room, high + room)),
        told.filter(pl.col("price") > high + room),
        told.filter(pl.col("price") < low - room),
    )


def use(uses: pl.DataFrame, edges: Edges) -> Picture:
    """Each limit's use through the session; at 100 % the gate refuses. `uses`: at (New York), name, value, limit, used."""
    names = sorted(uses["name"].unique().to_list())
    top = max(1.05, float(uses["used"].max() or 0.0) * 1.05)  # type: ignore[arg-type]  # a float column
    legend = alt.Legend(orient="top", columns=2)
    lines = alt.Chart(uses).mark_line(interpolate="step-after", strokeWidth=2).encode(
        hours(edges),
        alt.Y("used:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(format=".0%", tickCount=5)),
        alt.Color("name:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, ORANGE, GREY, VIOLET]), legend=legend),
        strokeDash=alt.StrokeDash("name:N", title=None, scale=alt.Scale(domain=names, range=DASHES), legend=legend),
        tooltip=[
            alt.Tooltip("at:T", format="%H:%M", title="New York"), alt.Tooltip("name:N"), alt.Tooltip("used:Q", format=".1%", title="of the limit")
        ],
    )  # fmt: skip
    limit = alt.Chart(pl.DataFrame({"used": [1.0]})).mark_rule(color=ORANGE, strokeDash=[4, 3]).encode(y="used:Q")
    return alt.layer(limit, lines).properties(height=240)


def _kinds() -> dict[str, object]:
    legend = alt.Legend(orient="top", symbolStrokeWidth=0, symbolSize=90)
    return {
        "color": alt.Color("what:N", title=None, scale=alt.Scale(domain=KINDS, range=COLORS), legend=legend),
        "shape": alt.Shape("what:N", title=None, scale=alt.Scale(domain=KINDS, range=SHAPES), legend=legend),
    }


def _told() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("symbol:N"), alt.Tooltip("what:N", title="mark"), alt.Tooltip("at:T", format="%H:%M:%S", title="New York"),
        alt.Tooltip("words:N", title="why"),
    ]  # fmt: skip


def _wide(edges: Edges) -> alt.ExprRef:
    """Pixels of a candle's body: most of what the picture has for each minute of the window."""
    return alt.ExprRef(f"clamp(0.7 * width / {max((edges[1] - edges[0]).total_seconds() / 60, 1):.0f}, 1.2, 9)")
