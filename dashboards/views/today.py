"""Today: the session as it goes on, or the last one: what it earned, what it holds, trade by trade, what the gate refused, and the walk back."""

from datetime import datetime, timedelta

import polars as pl
import streamlit as st

from dashboards import book, data, frame, lineage, live, tables, words
from dashboards.book import ENTRY
from dashboards.charts import day, flow
from dashboards.charts.style import drawn, stacked
from dashboards.data import Source, Today
from dashboards.frame import Card
from dashboards.live import Live, Standing
from dashboards.tape import Tape
from pipelines.core.trading.orders import FINAL
from pipelines.core.words import counted

AROUND = 30
"""Minutes shown before the first and after the last deed in a symbol."""


def show() -> None:
    """The page for the chosen session; one that runs is drawn anew by itself, and needs no snapshot."""
    now, picked = live.look(frame.settings()), st.session_state.get("session")
    if now.standing is not Standing.NONE and (now.tape is None or picked in {None, now.tape.session.isoformat()}):
        st.title("Today")
        _running()
        return
    source = frame.opened()
    st.title("Today")
    session = frame.chosen(source, now)
    own = now.tape is not None and now.tape.session == session
    if session not in data.sessions(source) and not own:
        _night(source, now)
        return
    with frame.section():
        if own and session not in data.sessions(source):
            st.info("From the session's journal: the night has not read it in yet. The after_close job does.")
        _session(frame.today(source, session, now))


@st.fragment(run_every=live.EVERY)
def _running() -> None:
    now = live.look(frame.settings())
    if now.tape is None:
        _told(now)
        return
    with frame.section():
        _session(data.running(now.tape), now.tape)


def _told(now: Live) -> None:
    """Without the journal there is only the runner's own word."""
    if frame.settings().runner_url:
        st.info("The session runs elsewhere, and its journal is not in this home: here is what the runner says of itself.")
    else:
        st.info(f"The session's journal cannot be read now: {now.why or 'it has no record yet'}. Here is what the runner says of itself.")
    held = (now.status or {}).get("positions") or {}
    if not held:
        st.caption("Nothing is held." if now.status else "It does not answer either.")
        return
    rows = [(symbol, p["quantity"], p["average"], p["price"], p["quantity"] * (p["price"] - p["average"])) for symbol, p in sorted(held.items())]
    tables.shown(
        pl.DataFrame(rows, schema=["symbol", "shares", "entry", "last", "open"], orient="row"), "held",
        {"symbol": tables.pinned("symbol"), "entry": tables.price("entry"), "last": tables.price("last"), "open": tables.dollars("open P&L")},
    )  # fmt: skip


def _night(source: Source, now: Live) -> None:
    """Before the first bar: what was prepared."""
    found = data.briefing(source, frame.chosen(source, now))
    st.info(
        f"No journal of {words.day(found.session)} yet: the session has not been run, or its journal has not been read in. "
        "`daybot live` trades it; the after_close job reads its journal."
    )
    names = ", ".join(candidate.symbol for candidate in found.watchlist[:10])
    frame.cards([
        Card("Opens", words.clock(found.open)),
        Card("Watchlist", str(len(found.watchlist))),
        Card("Regime", found.regime.name.value.capitalize()),
        Card("Checks passed", f"{sum(c.passed for c in found.checks)} of {len(found.checks)}"),
    ])  # fmt: skip
    st.write(f"At the top of the watchlist: {names}. The Risk page has all of it." if names else "The watchlist is empty.")


def _session(today: Today, running: Tape | None = None) -> None:
    _figures(today)
    with frame.section("Equity by the minute"):
        _curve(today)
    with frame.section("Open positions"):
        _positions(today)
    with frame.section("Chart"):
        _chart(today)
    with frame.section("Orders"):
        _orders(today)
    if running is not None:
        with frame.section("Feeds"):
            _feeds(running)
    with frame.section("Round trips"):
        _trades(today)
    with frame.section("Refusals"):
        _refusals(today)


def _figures(today: Today) -> None:
    f = today.figures
    closed = today.tables["trades"]
    won = int((closed["profit"] > 0).sum())
    frame.cards([
        Card("P&L of the day", words.money(f.profit, signed=True), f"{words.percent(f.fraction, 2, signed=True)} before fees", f.profit >= 0),
        Card("Equity", words.money(f.equity, 0), f"from {words.money(f.start, 0)}"),
        Card("Open positions", str(today.positions.height), f"{words.money(f.open_profit, signed=True)} open" if today.positions.height else "flat"),
        Card("Entries", str(f.entries), f"{counted(closed.height, 'round trip')} closed"),
        Card("Refusals", str(f.refusals), f"of {counted(f.entries + f.refusals, 'signal')}"),
        Card("Win rate", words.percent(f.win_rate, 0),
             f"{won} of {closed.height} won" if closed.height else "no trade closed", meaning="Before fees"),
    ])  # fmt: skip


def _curve(today: Today) -> None:
    curve = today.tables["equity"].sort("at")
    if curve.is_empty():
        st.info("The journal holds no minute of equity: the run has not come to its first bar.")
        return
    marks = words.local(_marks(today, curve), "at")
    shown = words.local(curve.select("at", "equity"), "at")
    drawn(day.equity(shown, marks, today.figures.start or 0.0, _edges(today)), "Equity by the minute, entries and exits on it")


def _edges(today: Today) -> tuple[datetime, datetime]:
    edges = words.local(pl.DataFrame({"at": [today.briefing.open, today.briefing.close]}), "at")["at"].to_list()
    return edges[0], edges[1]


def _marks(today: Today, curve: pl.DataFrame) -> pl.DataFrame:
    """Rows at, symbol, what, words, price, equity: every entry and exit, set on the curve where it happened."""
    return book.marks(today.tables["trades"], today.positions).join_asof(curve.select("at", "equity"), on="at", strategy="nearest")


def _positions(today: Today) -> None:
    if today.positions.is_empty():
        st.caption("None: the book is flat.")
        return
    tables.shown(
        words.local(today.positions, "opened_at").select(
            "symbol", "shares", "value", "open", "r", "opened_at", "entry", "last", "stop", "target", "at_stop"
        ),
        f"positions-{today.briefing.session}",
        {
            "symbol": tables.pinned("symbol"), "opened_at": tables.clock("opened"), "entry": tables.price("entry"), "last": tables.price("last"),
            "stop": tables.price("stop"), "target": tables.price("target"), "open": tables.dollars("open P&L"),
            "value": tables.dollars("value"), "r": tables.number("R", 2, "What is open in units of the risk taken at the entry."),
            "at_stop": tables.dollars("P&L at the stop", "What it will have made if the stop fills at its price."),
        },
        export=today.positions,
    )  # fmt: skip


def _chart(today: Today) -> None:
    """Minutes of one symbol, the held and the traded ones first, then all that were watched."""
    held = today.positions["symbol"].to_list()
    traded = today.tables["orders"].sort("submitted_at", descending=True)["symbol"].unique(maintain_order=True).to_list()
    watched = [candidate.symbol for candidate in today.briefing.watchlist]
    names = list(dict.fromkeys([*held, *traded, *watched]))
    if not names:
        st.caption("No symbol was watched in this session.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    symbol = left.selectbox(
        "Symbol", names, key="symbol", bind="query-params",
        format_func=lambda name: f"{name} · held" if name in held else f"{name} · traded" if name in traded else name,
    )  # fmt: skip
    whole = right.toggle("Whole day", key="whole", help="Else the minutes around what we did in it")
    minutes = today.minutes(symbol)
    if minutes.is_empty():
        st.caption(f"No minutes of {symbol} are known: the lake has none for this session, and the runner saw none.")
        return
    levels = _levels(today, symbol)
    marks = words.local(book.marks(today.tables["trades"], today.positions).filter(pl.col("symbol") == symbol), "at")
    edges, local = _edges(today), words.local(minutes, "timestamp").rename({"timestamp": "at"})
    window = edges if whole or marks.is_empty() else _around(marks, local, edges)
    shown = local.filter(pl.col("at").is_between(*window))
    said = ", ".join(f"{row['name']} {row['price']:.2f}" for row in levels.iter_rows(named=True)) or "nothing held"
    stacked(day.candles(shown, marks.filter(pl.col("at").is_between(*window)), levels, window), f"Minute candles of {symbol}; {said}")
    st.caption("Hollow blue rises, filled orange falls; violet is the session's VWAP; a stop or target far from the prices stands at the edge.")


def _levels(today: Today, symbol: str) -> pl.DataFrame:
    """Rows price, name, label: entry, stop and target of what is held in the symbol."""
    rows = [
        (row[name], name, f"{name} {row[name]:,.2f}")
        for row in today.positions.filter(pl.col("symbol") == symbol).iter_rows(named=True)
        for name in ("entry", "stop", "target")
        if row[name] is not None
    ]
    return pl.DataFrame(rows, schema={"price": pl.Float64, "name": pl.String, "label": pl.String}, orient="row")


def _around(marks: pl.DataFrame, minutes: pl.DataFrame, edges: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    room = pl.duration(minutes=AROUND)
    first, last = marks.select(pl.col("at").min() - room, pl.col("at").max().alias("last") + room).row(0)
    newest = minutes["at"].to_list()[-1]
    ends = max(last, newest) if marks["what"].to_list()[-1] == ENTRY else last  # what is held is followed to now
    # On half hours: a picture whose edges stay is not drawn anew every minute.
    floor, ceiling = (value.replace(minute=value.minute // 30 * 30, second=0, microsecond=0) for value in (first, ends))
    return max(floor, edges[0]), min(ceiling + timedelta(minutes=30), edges[1])


def _orders(today: Today) -> None:
    orders = today.tables["orders"].sort("submitted_at", descending=True)
    if orders.is_empty():
        st.caption("No order was sent in this session.")
        return
    over = pl.col("status").is_in([status.value for status in FINAL])
    working = orders.filter(~over)
    st.caption(f"{counted(working.height, 'order')} working of {orders.height} sent; those that work first")
    shown = pl.concat([working, orders.filter(over)])
    tables.shown(
        words.local(shown, "submitted_at", "updated_at").select(
            "symbol", "role", "side", "quantity", "status", "filled", "average", "limit", "stop", "target", "submitted_at", "updated_at", "reason"
        ),
        f"orders-{today.briefing.session}",
        {
            "symbol": tables.pinned("symbol"), "quantity": "shares", "average": tables.price("price"), "limit": tables.price("limit"),
            "stop": tables.price("stop"), "target": tables.price("target"), "submitted_at": tables.clock("sent"),
            "updated_at": tables.clock("last word"), "reason": tables.long("why"),
        },
        rows=8, export=shown,
    )  # fmt: skip


def _feeds(running: Tape) -> None:
    rows = live.vendors(frame.settings(), running)
    if rows.is_empty():
        st.caption("No feed has said anything yet.")
        return
    sick = rows.filter(pl.col("health") == "NOT HEALTHY")
    if sick.height:
        st.error(
            "; ".join(f"{row['feed']} is not healthy: {row['detail']}" for row in sick.iter_rows(named=True)), icon=":material/signal_disconnected:"
        )
    tables.shown(
        words.local(rows.drop("detail"), "newest"),
        f"feeds-{running.session}",
        {
            "newest": tables.clock("newest bar"), "lag": tables.number("lag, s", 2, "From the end of a minute to the receipt of its bar."),
            "age": tables.number("age, s", 0, "Of the newest bar, by the session's clock."),
        },
        export=rows,
    )  # fmt: skip
    happened = running.happened().sort("at", descending=True, maintain_order=True)
    if happened.is_empty():
        st.caption("No vendor was left, cut off or asked for what it missed.")
        return
    changes = counted(happened.filter(pl.col("what") == "switch").height, "change")
    st.caption(f"{changes} of the vendor that is followed, and what else befell the streams; the newest first")
    tables.shown(
        words.local(happened, "at"), f"feeds-happened-{running.session}", {"at": tables.clock("time"), "detail": tables.long("in words")},
        rows=6, export=happened,
    )  # fmt: skip


def _trades(today: Today) -> None:
    trades = today.tables["trades"].sort("closed_at", descending=True)
    entered = today.tables["orders"].filter(pl.col("role") == "entry").sort("submitted_at")
    if trades.is_empty():
        st.caption("No trade was closed in this session." if today.figures.entries else "No entry was made in this session.")
    else:
        shown = words.local(trades, "opened_at", "closed_at").select(
            "symbol",
            pl.col("side").replace({"buy": "long", "sell": "short"}),
            *("quantity", "profit", "r", "opened_at", "closed_at", "entry", "exit", "reason"),
        )
        tables.shown(
            shown,
            f"trades-{today.briefing.session}",
            {
                "symbol": tables.pinned("symbol"), "quantity": "shares", "opened_at": tables.clock("in"), "closed_at": tables.clock("out"),
                "entry": tables.price("entry"), "exit": tables.price("exit"), "profit": tables.dollars("P&L"),
                "r": tables.number("R", 2, "Profit in units of the risk taken at the entry."), "reason": tables.long("why it ended"),
            },
            export=trades,
        )  # fmt: skip
    if entered.is_empty():
        return
    labels = {
        row["trade"]: f"{row['symbol']} · {words.clock(row['submitted_at'])} · {row['quantity']} shares" for row in entered.iter_rows(named=True)
    }
    picked = st.selectbox(
        "Why this trade?", list(labels), index=None, key="trade", bind="query-params", format_func=labels.__getitem__,
        placeholder="Choose a trade to see how it came about",
    )  # fmt: skip
    if picked is not None:
        lineage.show(picked, today.tables["decisions"], today.tables["orders"])


def _refusals(today: Today) -> None:
    refused = book.refusals(today.tables["decisions"])
    if refused.is_empty():
        st.caption("The gate refused nothing in this session.")
        return
    left, right = st.columns([1, 2])
    stages = book.funnel(today.tables["decisions"], today.figures.entries)
    with left:
        drawn(flow.funnel(stages), f"From {stages['count'][0]} signals to {today.figures.entries} entries")
    with right:
        tables.shown(
            tables.measured(words.local(refused, "at").select("at", "symbol", "code", "value", "limit", "detail")),
            f"refusals-{today.briefing.session}",
            {"at": tables.clock("time"), "code": "limit hit", "value": "measured", "limit": "allowed", "detail": tables.long("in words")},
            rows=8, export=refused.drop("data"),
        )  # fmt: skip


show()
