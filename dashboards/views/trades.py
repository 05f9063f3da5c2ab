"""Trades: every round trip of a book, and of a chosen one the minutes, the numbers and the walk back to the bars that sized it."""

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import polars as pl
import streamlit as st

from dashboards import book, data, frame, lineage, scoped, tables, words
from dashboards.charts import day
from dashboards.charts.style import stacked
from dashboards.data import Source
from dashboards.frame import Card
from dashboards.scoped import Chosen

Row: TypeAlias = dict[str, Any]
"""A round trip: `core.analytics.books.TRIPS` by name."""

AROUND = timedelta(minutes=30)
OUTCOMES = {"all": None, "gains": True, "losses": False}


def show() -> None:
    """The page for the chosen book and span."""
    source = frame.opened()
    st.title("Trades")
    with frame.section():
        chosen = scoped.bar(source)
        if chosen is None:
            return
        shown = _filtered(chosen.trips)
        _figures(shown)
        picked = _table(shown, chosen)
        if picked is not None:
            with frame.section(f"{picked['symbol']} on {words.day(picked['session'])}"):
                _one(source, picked)


def _filtered(trips: pl.DataFrame) -> pl.DataFrame:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    won = row.segmented_control("Outcome", list(OUTCOMES), default="all", key="won", bind="query-params", required=True)
    side = row.segmented_control("Side", ["all", "long", "short"], default="all", key="side", bind="query-params", required=True)
    regimes = sorted(trips["regime"].drop_nulls().unique().to_list())
    regime = row.selectbox("Regime", [None, *regimes], key="regime", bind="query-params", format_func=lambda r: r or "all", width=140)
    text = row.text_input("Reason contains", key="why", width=200, placeholder="stop, target, trend …")
    kept = []
    if OUTCOMES[won or "all"] is not None:
        kept.append((pl.col("net") > 0) == OUTCOMES[won or "all"])
    if side in {"long", "short"}:
        kept.append(pl.col("side") == ("buy" if side == "long" else "sell"))
    if regime:
        kept.append(pl.col("regime") == regime)
    if text:
        kept.append(pl.col("reason").str.to_lowercase().str.contains(text.lower(), literal=True))
    return trips.filter(*kept) if kept else trips


def _figures(trips: pl.DataFrame) -> None:
    count, net = trips.height, float(trips["net"].sum())
    won = int((trips["net"] > 0).sum())
    r = trips["r"].drop_nulls()
    frame.cards([
        Card("Round trips", f"{count:,}", f"{won:,} with a gain"),
        Card("Net", words.money(net, signed=True), f"after {words.money(float(trips['fees'].sum()))} of fees", net >= 0 if count else None),
        Card("Win rate", words.percent(won / count if count else None, 1), f"{words.money(net / count if count else None, signed=True)} a trip"),
        Card("Mean R", words.ratio(float(r.sum()) / len(r) if len(r) else None), "profit over the risk taken"),
    ])  # fmt: skip


def _table(trips: pl.DataFrame, chosen: Chosen) -> Row | None:
    """The round trips, one of which may be picked: by a press on its row, or by the address."""
    if trips.is_empty():
        st.caption("No round trip is like that in this span.")
        return None
    shown = words.local(trips, "opened_at", "closed_at").select(
        "session", "symbol", pl.col("side").replace({"buy": "long", "sell": "short"}), "quantity", "net", "r", "opened_at", "closed_at", "entry",
        "exit", "mae_r", "mfe_r", "strategy", "regime", "reason",
    )  # fmt: skip
    at = tables.chosen(
        shown, f"trades-{chosen.scope.book}",
        {
            "session": tables.day("session"), "symbol": tables.pinned("symbol"), "quantity": "shares", "net": tables.dollars("net"),
            "r": tables.number("R"), "opened_at": tables.clock("in"), "closed_at": tables.clock("out"), "entry": tables.price("entry"),
            "exit": tables.price("exit"), "mae_r": tables.number("MAE R", 2, "Farthest against the entry while it was held, in R."),
            "mfe_r": tables.number("MFE R", 2, "Farthest for it, in R."), "reason": tables.long("why it ended"),
        },
        rows=12, export=trips,
    )  # fmt: skip
    if at is not None:
        st.query_params["trip"] = f"{trips['session'][at]}.{trips['trade'][at]}"
        return trips.row(at, named=True)
    wanted = st.query_params.get("trip", "")
    found = trips.filter(pl.format("{}.{}", pl.col("session").cast(pl.String), "trade") == wanted) if wanted else trips.clear()
    if found.height:
        return found.row(0, named=True)
    st.caption("Tick a row to see its minutes, its numbers and how it came about.")
    return None


def _one(source: Source, trip: Row) -> None:
    session = trip["session"]
    today = data.today(source, session)
    frame.cards([
        Card("Net", words.money(trip["net"], signed=True), f"{words.ratio(trip['r'])} R", trip["net"] >= 0),
        Card("Entry", words.ratio(trip["entry"]), f"decided at {words.ratio(trip['arrival'])}"),
        Card("Exit", words.ratio(trip["exit"]), str(trip["reason"])[:40]),
        Card("Held", f"{words.ratio(trip['minutes'], 0)} min", f"{trip['quantity']} shares"),
        Card("Worst on the way", f"{words.ratio(trip['mae_r'])} R", f"{words.ratio(trip['mae'])} a share"),
        Card("Best on the way", f"{words.ratio(trip['mfe_r'])} R", f"{words.ratio(trip['mfe'])} a share"),
    ])  # fmt: skip
    _chart(today, trip)
    st.markdown("**How it came about**")
    lineage.show(str(trip["trade"]), today.tables["decisions"], today.tables["orders"])


def _chart(today: data.Today, trip: Row) -> None:
    symbol = str(trip["symbol"])
    minutes = today.minutes(symbol)
    if minutes.is_empty():
        st.caption(f"The lake has no minutes of {symbol} for this session any more; `daybot backfill` or the minute_bars asset fetches them again.")
        return
    own = today.tables["trades"].filter(pl.col("trade") == trip["trade"])
    marks = words.local(book.marks(own, today.positions.clear()), "at")
    local = words.local(minutes, "timestamp").rename({"timestamp": "at"})
    first, last = marks["at"].to_list()[0], marks["at"].to_list()[-1]
    window: tuple[datetime, datetime] = first - AROUND, last + AROUND
    shown = local.filter(pl.col("at").is_between(*window))
    rows = [(trip[name], name, f"{name} {trip[name]:,.2f}") for name in ("entry", "stop", "target") if trip[name] is not None]
    levels = pl.DataFrame(rows, schema={"price": pl.Float64, "name": pl.String, "label": pl.String}, orient="row")
    stacked(day.candles(shown, marks, levels, window), f"Minute candles of {symbol} around the trade")


show()
