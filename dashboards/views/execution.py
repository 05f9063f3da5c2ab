"""Execution: what orders cost against the price they were decided at, how fast they were, what never was sent, and one vendor beside the other."""

import polars as pl
import streamlit as st

from dashboards import data, frame, scoped, tables, tape, words
from dashboards.charts import earned, flow, nights
from dashboards.charts.style import Edges, drawn, stacked
from dashboards.data import Source
from dashboards.frame import Card
from dashboards.scoped import Chosen
from pipelines.core.analytics.execution import GROUPS, ExecutionMeasures
from pipelines.core.analytics.session import feeds
from pipelines.core.errors import JournalError
from pipelines.core.words import counted


def show() -> None:
    """The page for the chosen book and span."""
    source = frame.opened()
    st.title("Execution")
    with frame.section():
        chosen = scoped.bar(source)
        if chosen is not None:
            _figures(chosen.execution.numbers)
            with frame.section("Slippage"):
                _slippage(chosen)
            with frame.section("Latency"):
                _latency(chosen)
            with frame.section("From a wish to a fill"):
                _funnel(chosen)
    with frame.section("Vendors, night after night"):
        _nights(source, chosen)
    with frame.section("Vendors in the newest session"):
        _vendors()


def _figures(n: ExecutionMeasures) -> None:
    bp = words.ratio(n.shortfall_bp)
    frame.cards([
        Card("Shortfall", words.money(n.shortfall), f"{bp} bp of {words.money(n.value, 0)}", meaning="Fills, missed shares and fees; plus is worse"),
        Card("Cost of fills", words.money(n.cost), f"{words.ratio(n.cost_bp)} bp", meaning="Against the price each order was decided at"),
        Card("Median order", f"{words.ratio(n.median_bp)} bp", "plus is worse"),
        Card("Fill rate", words.percent(n.fill_rate, 1), f"entries {words.percent(n.entry_fill_rate, 1)}"),
        Card("Time to fill", f"{words.ratio(n.seconds_to_fill, 1)} s", "decision to first fill"),
        Card("Fees", words.money(n.fees), f"{n.filled:,} of {counted(n.orders, 'order')} filled"),
    ])  # fmt: skip


def _slippage(chosen: Chosen) -> None:
    orders = chosen.orders
    filled = orders.drop_nulls("cost_bp")
    if filled.is_empty():
        st.caption("No order of this span was filled.")
        return
    name = st.segmented_control("By", list(GROUPS), default="type", key="cost", bind="query-params", required=True, label_visibility="collapsed")
    rows = chosen.execution.by[name or "type"]
    left, right = st.columns(2)
    with left:
        st.markdown("**Orders** · how many cost how much")
        drawn(earned.spread(filled.select("cost_bp"), "cost_bp", "+.1f", "basis points, plus is worse", worse=True), "Distribution of slippage")
    with right:
        st.markdown(f"**By {name}** · bar: mean, line: median")
        drawn(flow.costs(rows.drop_nulls("cost_bp").head(20), name or "type"), f"Slippage by {name}, in basis points")
    shown = rows.with_columns(pl.col("fill_rate") * 100)
    tables.shown(
        shown, f"slippage-by-{name}-{chosen.scope.book}",
        {
            str(name): tables.pinned(str(name)), "fill_rate": tables.percent("fill rate"), "value": tables.dollars("value"),
            "cost": tables.dollars("cost"), "cost_bp": tables.number("mean bp"), "median_bp": tables.number("median bp"),
            "missed": tables.dollars("missed", "What unfilled shares of entries would have gained until the order ended."),
            "seconds_to_fill": tables.number("seconds to fill", 1), "orders": tables.whole("orders"), "filled": tables.whole("filled"),
        },
        rows=8, export=rows,
    )  # fmt: skip
    st.markdown("**Every order**")
    tables.shown(
        words.local(orders.sort("at", descending=True), "at").select(
            "session", "at", "symbol", "role", "type", "side", "quantity", "filled", "reference", "average", "cost_bp", "cost", "feed", "status",
        ),
        f"orders-{chosen.scope.book}",
        {
            "session": tables.day("session"), "at": tables.clock("decided"), "symbol": tables.pinned("symbol"),
            "reference": tables.price("reference"),
            "average": tables.price("filled at"), "cost_bp": tables.number("bp"), "cost": tables.dollars("cost"), "quantity": tables.whole("shares"),
            "filled": tables.whole("filled"),
        },
        rows=8, export=orders,
    )  # fmt: skip


def _latency(chosen: Chosen) -> None:
    found, orders = chosen.execution.latency, chosen.orders
    if found.is_empty():
        st.caption("No order of this span has its stages written down.")
        return
    stood = orders.filter(pl.col("speed") == 0)
    if stood.height == orders.height:
        waited = words.ratio(chosen.execution.numbers.seconds_to_fill, 1)
        st.info(
            "Not measured: the clock of these sessions stands still while the runner works, as in the accelerated day of `daybot demo` and in a "
            f"backtest. Only the simulated market's own wait is known: {waited} s from the decision to the first fill. "
            "`daybot up` or `daybot live` runs on a clock that goes on.", icon=":material/timer_off:",
        )  # fmt: skip
        return
    rows = found.select(pl.col("stage").replace_strict(flow.STAGES).alias("name"), pl.all().exclude("stage"))
    left, right = st.columns([4, 3])
    with left:
        drawn(flow.latency(rows), "Latency of each stage: median, 90th and 99th percentile, log scale")
    with right:
        numbers = {name: tables.number(f"{name}, ms", 2) for name in ("p50", "p90", "p99", "longest")}
        tables.shown(rows, f"latency-{chosen.scope.book}", {"name": tables.pinned("stage"), **numbers}, export=found)
    st.caption(_measured(orders, stood))


def _measured(orders: pl.DataFrame, stood: pl.DataFrame) -> str:
    """By which clock: what ran faster than time, and what could not be measured."""
    said = "To the broker's answer by the machine's clock, fills by the session's."
    fast = sorted({speed for speed in orders["speed"].drop_nulls().to_list() if speed not in {0.0, 1.0}})
    if fast:
        said += f" Some sessions ran {', '.join(f'{speed:g}' for speed in fast)} times as fast as time: their market waited so much shorter."
    if stood.height:
        said += f" {counted(stood['session'].n_unique(), 'session')} on a clock that stands still while the runner works: left out."
    return said


def _funnel(chosen: Chosen) -> None:
    found = chosen.execution
    if not found.funnel["candidates"].sum():
        st.caption("No wish of this span was written down.")
        return
    left, right = st.columns([2, 3])
    with left:
        drawn(flow.steps(found.funnel), "From what strategies wanted, through each limit, to what was filled")
    with right:
        st.caption(
            "What each limit took away, and what that would have earned; below zero it saved money. A wish repeated within minutes counts once."
        )
        tables.shown(
            tables.measured(found.refused), f"refused-{chosen.scope.book}",
            {
                "code": tables.pinned("limit"), "candidates": tables.whole("wishes"), "shares": tables.whole("shares"),
                "value": "measured", "limit": "allowed", "forgone": tables.dollars("would have earned"), "forgone_r": tables.number("R each"),
            },
            export=found.refused,
        )  # fmt: skip


def _nights(source: Source, chosen: Chosen | None) -> None:
    """What the nights measured of each vendor; of the chosen span where there is one, of any book: prices are nobody's."""
    rows = data.vendors(source)
    if chosen is not None:
        rows = rows.filter(pl.col("session").is_between(chosen.scope.first, chosen.scope.last))
    if rows.is_empty():
        st.caption("No night of this span compared vendors: the after_close job does, of each session that had a feed.")
        return
    each, whole = feeds.totals(rows, "session", "vendor"), feeds.totals(rows, "vendor")
    venue = " One venue (iex) has no trade in many minutes: that is no fault." if whole["vendor"].str.contains("iex").any() else ""
    st.caption(
        "Of each session: the minutes that a vendor did not tell, how late its bars came (median), and how far the closes of both lay apart (mean)."
        + venue
    )
    stacked(nights.vendors(each), f"Missing minutes, lag and distance of each vendor, {counted(each['session'].n_unique(), 'session')}")
    tables.shown(
        whole.with_columns(pl.col("missed", "parted") * 100).select(
            "vendor", "sessions", "minutes", "missing", "missed", "lag", "lag_max", "pairs", "apart", "parted", "bp", "bp_max"
        ),
        "vendors-by-night",
        {
            "vendor": tables.pinned("vendor"), "sessions": tables.whole("sessions"), "minutes": tables.whole("symbol minutes"),
            "missing": tables.whole("missing"), "missed": tables.percent("of them", 2, "Of the minutes in which it was asked and connected."),
            "lag": tables.number("median lag, s", 2, "From the minute's end to its bar."), "lag_max": tables.number("worst lag, s", 1),
            "pairs": tables.whole("told by both"), "apart": tables.whole("too far apart"),
            "parted": tables.percent("of these", 2, "Of the minutes that both told; FEED_DISAGREEMENT_BP says how far is too far."),
            "bp": tables.number("mean distance, bp"), "bp_max": tables.number("widest, bp", 1),
        },
        export=each,
    )  # fmt: skip


def _vendors() -> None:
    """Of the newest session's journal: there each minute is compared as it comes."""
    path = tape.newest(frame.settings())
    if path is None:
        st.caption("No journal in this home: the vendors are compared minute by minute while a session runs.")
        return
    try:
        read = tape.opened(path).follow()
        rows, session = read.vendors(), read.session
    except JournalError as error:
        st.warning(words.plain(str(error)))
        return
    if rows.is_empty():
        st.caption(f"The journal of {words.day(session)} compares nothing: it had one feed, or no minute yet.")
        return
    summed = rows.group_by("vendor", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("minutes"), pl.col("bars", "missing").sum(), pl.col("lag").median().alias("median_lag"),
        pl.col("lag").max().alias("worst_lag"), pl.col("bp").abs().max().alias("worst_bp"), (pl.col("lead").mean() * 100).alias("lead"),
    )  # fmt: skip
    st.caption(f"{words.day(session)}, minute by minute, from its journal")
    drawn(flow.lags(words.local(rows.drop_nulls("lag"), "at"), _edges(read)), "Seconds from each minute's end to the slowest bar, by vendor")
    tables.shown(
        summed, f"vendors-{session}",
        {
            "vendor": tables.pinned("vendor"), "minutes": tables.whole("minutes"), "bars": tables.whole("bars"), "missing": tables.whole("missing"),
            "median_lag": tables.number("median lag, s"), "worst_lag": tables.number("worst lag, s"),
            "worst_bp": tables.number("worst distance, bp", 1, "Of a close from the other vendor's; none with one vendor."),
            "lead": tables.percent("minutes decided on", 0),
        },
        export=rows,
    )  # fmt: skip


def _edges(read: tape.Tape) -> Edges:
    found = read.head.briefing
    edges = words.local(pl.DataFrame({"at": [found.open, found.close]}), "at")["at"].to_list()
    return edges[0], edges[1]


show()
