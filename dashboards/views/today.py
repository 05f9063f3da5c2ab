"""Today: what the session earned, trade by trade, what the gate refused, and the walk back from any order."""

from datetime import datetime

import polars as pl
import streamlit as st

from dashboards import book, charts, data, frame, lineage, words
from dashboards.data import Source, Today
from pipelines.core.briefing import Briefing

GAIN, LOSS = "exit with a gain", "exit with a loss"


def show(source: Source) -> None:
    """The page for the chosen session."""
    session = frame.chosen(source)
    st.title("Today")
    if session not in data.sessions(source):
        _night(source)
        return
    with frame.section():
        today = data.today(source, session)
        _figures(today)
        with frame.section("Equity by the minute"):
            _curve(today, data.briefing(source, session))
        with frame.section("Open positions"):
            _positions(today)
        with frame.section("Round trips"):
            _trades(today)
        with frame.section("Refusals"):
            _refusals(today)


def _night(source: Source) -> None:
    """Before the first bar: what was prepared."""
    found = data.briefing(source, frame.chosen(source))
    st.info(
        f"No journal of {words.day(found.session)} yet: the session has not been run, or its journal has not been read in. "
        "`daybot live` trades it; the after_close job reads its journal."
    )
    names = ", ".join(candidate.symbol for candidate in found.watchlist[:10])
    columns = st.columns(4)
    columns[0].metric("Opens", words.clock(found.open), border=True)
    columns[1].metric("Watchlist", str(len(found.watchlist)), border=True)
    columns[2].metric("Regime", found.regime.name.value.capitalize(), border=True)
    columns[3].metric("Checks passed", f"{sum(c.passed for c in found.checks)} of {len(found.checks)}", border=True)
    st.write(f"At the top of the watchlist: {names}. The Risk page has all of it." if names else "The watchlist is empty.")


def _figures(today: Today) -> None:
    f = today.figures
    closed = today.tables["trades"]
    won = int((closed["profit"] > 0).sum())
    row = st.container(horizontal=True, horizontal_alignment="distribute")
    row.metric(
        "P&L of the day", words.money(f.profit, signed=True), words.percent(f.fraction, 2, signed=True), border=True, width=frame.CARD,
        delta_color="blue" if f.profit >= 0 else "orange", delta_arrow="up" if f.profit >= 0 else "down",
    )  # fmt: skip
    cards = [
        ("Equity", words.money(f.equity, 0), f"from {words.money(f.start, 0)}"),
        ("Open positions", str(today.positions.height), f"{words.money(f.open_profit, signed=True)} open" if today.positions.height else "flat"),
        ("Entries", str(f.entries), f"{words.count(closed.height, 'round trip')} closed"),
        ("Refusals", str(f.refusals), f"of {words.count(f.entries + f.refusals, 'signal')}"),
        ("Win rate", words.percent(f.win_rate, 0), f"{won} of {closed.height} won" if closed.height else "no trade closed"),
    ]
    for label, value, beside in cards:
        row.metric(label, value, words.plain(beside), delta_color="off", delta_arrow="off", border=True, width=frame.CARD)


def _curve(today: Today, briefing: Briefing) -> None:
    curve = today.tables["equity"].sort("at")
    if curve.is_empty():
        st.info("The journal holds no minute of equity: the run ended before its first bar.")
        return
    edges = words.local(pl.DataFrame({"at": [briefing.open, briefing.close]}), "at")["at"].to_list()
    hours: tuple[datetime, datetime] = (edges[0], edges[1])
    marks = words.local(_marks(today.tables["trades"], today.positions, curve), "at")
    picture = charts.equity(words.local(curve.select("at", "equity"), "at"), marks, today.figures.start or 0.0, hours)
    st.altair_chart(picture, width="stretch")


def _marks(trades: pl.DataFrame, held: pl.DataFrame, curve: pl.DataFrame) -> pl.DataFrame:
    """Rows at, symbol, what, words, equity: every entry and exit, set on the curve where it happened."""
    paid = pl.format("{} at {}", pl.col("symbol"), pl.col("entry").round(2))
    earned = pl.format("{} R {}: {}", pl.col("profit").round(2), pl.col("r").round(2).cast(pl.String).fill_null(words.NONE), pl.col("reason"))
    kind = pl.when(pl.col("profit") > 0).then(pl.lit(GAIN)).otherwise(pl.lit(LOSS))
    pieces = [
        trades.select(pl.col("opened_at").alias("at"), "symbol", pl.lit("entry").alias("what"), paid.alias("words")),
        held.select(pl.col("opened_at").alias("at"), "symbol", pl.lit("entry").alias("what"), paid.alias("words")),
        trades.select(pl.col("closed_at").alias("at"), "symbol", kind.alias("what"), earned.alias("words")),
    ]
    return pl.concat(pieces).sort("at").join_asof(curve.select("at", "equity"), on="at", strategy="nearest")


def _positions(today: Today) -> None:
    if today.positions.is_empty():
        st.caption("None: the book was flat when the journal ended.")
        return
    price = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        words.local(today.positions, "opened_at").select(
            "symbol", "shares", "opened_at", "entry", "last", "open", "stop", "target", "at_stop"
        ),
        hide_index=True, width="stretch", placeholder=words.NONE,
        column_config={
            "opened_at": st.column_config.DatetimeColumn("opened", format="HH:mm:ss"), "entry": price, "last": price, "stop": price, "target": price,
            "open": st.column_config.NumberColumn("open P&L", format="dollar"),
            "at_stop": st.column_config.NumberColumn("P&L at the stop", format="dollar"),
        },
    )  # fmt: skip


def _trades(today: Today) -> None:
    trades = today.tables["trades"].sort("closed_at")
    if trades.is_empty():
        st.caption("No trade was closed in this session." if today.figures.entries else "No entry was made in this session.")
    else:
        _table(trades)
    entered = today.tables["orders"].filter(pl.col("role") == "entry").sort("submitted_at")
    if entered.is_empty():
        return
    labels = {
        row["trade"]: f"{row['symbol']} · {words.clock(row['submitted_at'])} · {row['quantity']} shares" for row in entered.iter_rows(named=True)
    }
    picked = st.selectbox(
        "Why this trade?",
        list(labels),
        index=None,
        key="trade",
        bind="query-params",
        format_func=labels.__getitem__,
        placeholder="Choose a trade to see how it came about",
    )
    if picked is not None:
        lineage.show(picked, today.tables["decisions"], today.tables["orders"])


def _table(trades: pl.DataFrame) -> None:
    price = st.column_config.NumberColumn(format="%.2f")
    shown = words.local(trades, "opened_at", "closed_at").select(
        "symbol",
        pl.col("side").replace({"buy": "long", "sell": "short"}),
        *("quantity", "profit", "r", "opened_at", "closed_at", "entry", "exit", "reason"),
    )
    st.dataframe(
        shown, hide_index=True, width="stretch", placeholder=words.NONE, height=min(frame.tall(trades.height), 720),
        column_config={
            "symbol": st.column_config.TextColumn(pinned=True), "quantity": st.column_config.NumberColumn("shares"),
            "opened_at": st.column_config.DatetimeColumn("in", format="HH:mm:ss"),
            "closed_at": st.column_config.DatetimeColumn("out", format="HH:mm:ss"),
            "entry": price, "exit": price, "profit": st.column_config.NumberColumn("P&L", format="dollar"),
            "r": st.column_config.NumberColumn("R", format="%.2f", help="Profit in units of the risk taken at the entry."),
            "reason": st.column_config.TextColumn("why it ended", width="large"),
        },
    )  # fmt: skip


def _refusals(today: Today) -> None:
    refused = book.refusals(today.tables["decisions"])
    if refused.is_empty():
        st.caption("The gate refused nothing in this session.")
        return
    left, right = st.columns([1, 2])
    with left:
        st.altair_chart(charts.funnel(book.funnel(today.tables["decisions"], today.figures.entries)), width="stretch")
    with right:
        st.dataframe(
            words.local(refused, "at").select("at", "symbol", "code", "value", "limit", "detail"),
            hide_index=True, width="stretch",
            column_config={
                "at": st.column_config.DatetimeColumn("time", format="HH:mm:ss"), "code": "limit hit",
                "value": st.column_config.NumberColumn("measured", format="%.4g"), "limit": st.column_config.NumberColumn("allowed", format="%.4g"),
                "detail": st.column_config.TextColumn("in words", width="large"),
            },
        )  # fmt: skip


show(frame.opened())
