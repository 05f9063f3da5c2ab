"""The written rule of fills, line by line: what a minute does to an order, what it costs, and when nothing can be had."""

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import CLOSE, briefing_of, day_bars, symbol_brief

from pipelines.core.backtest.costs import FREE, Costs, charged, due
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.run import Step, run
from pipelines.core.briefing import Briefing
from pipelines.core.market.bars import MINUTE, SECOND, Bar, Print
from pipelines.core.market.session import moment
from pipelines.core.market.slippage import Basis, Slippage
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.decisions import Cancel, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Band, Halt, MarketTrade, OrderUpdate
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.core.trading.seats import Allocation


def bar(opening: float, high: float, low: float, close: float, minute: int = 0, volume: float = 1_000) -> Bar:
    return Bar("AAPL", minute * MINUTE, opening, high, low, close, volume, close, 10)


def send(venue: Venue, order: Order) -> None:
    venue.take(Submit(order, Role.ENTRY, "t", "", 0), 0)


def bracket(quantity: int = 10, limit: float | None = None) -> Order:
    return Order("e", "AAPL", Side.BUY, quantity, Shape.BRACKET, limit, 104.0, 98.0)


def minute(venue: Venue, found: Bar) -> list[OrderUpdate]:
    return [*venue.open({found.symbol: found}, found.start), *venue.trade(found, found.start + MINUTE)]


def told(updates: list[OrderUpdate]) -> list[tuple[str, str, int]]:
    return [(u.id, u.status.value, u.filled) for u in updates]


# --- how much


def test_orders_get_a_share_of_the_minutes_volume_and_the_rest_waits_for_the_next() -> None:
    venue = Venue(FREE.model_copy(update={"participation": 0.1}))
    send(venue, Order("x", "AAPL", Side.SELL, 25, Shape.SIMPLE))
    assert told(minute(venue, bar(100, 100, 100, 100, volume=100))) == [("x", "working", 10)]
    assert told(minute(venue, bar(99, 99, 99, 99, 1, volume=109))) == [("x", "working", 20)]
    (done,) = minute(venue, bar(98, 98, 98, 98, 2, volume=1000))
    assert (done.status, done.filled) == (Status.FILLED, 25)
    assert done.average == pytest.approx((10 * 100 + 10 * 99 + 5 * 98) / 25)
    assert not venue.waiting


def test_two_orders_share_the_minute() -> None:
    venue = Venue(FREE.model_copy(update={"participation": 0.1}))
    for name in ("a", "b"):
        send(venue, Order(name, "AAPL", Side.BUY, 8, Shape.SIMPLE))
    assert told(minute(venue, bar(100, 100, 100, 100, volume=100))) == [("a", "filled", 8), ("b", "working", 2)]


def test_a_bracket_protects_only_its_complete_fill() -> None:
    venue = Venue(FREE.model_copy(update={"participation": 0.1}))
    send(venue, bracket(15))
    assert told(minute(venue, bar(100, 100, 90, 95, volume=100))) == [("e", "working", 10)]  # no stop yet, whatever the bar does
    assert told(minute(venue, bar(100, 100, 99, 100, 1, volume=100))) == [("e", "filled", 15), ("e/stop", "working", 0), ("e/target", "working", 0)]


def test_a_stop_that_was_triggered_keeps_selling_and_its_target_is_off() -> None:
    venue = Venue(FREE.model_copy(update={"participation": 0.1}))
    send(venue, bracket(10))
    minute(venue, bar(100, 100, 100, 100, volume=1000))
    assert told(minute(venue, bar(99, 99, 97, 97, 1, volume=60))) == [("e/stop", "working", 6), ("e/target", "canceled", 0)]
    (rest,) = minute(venue, bar(105, 106, 105, 106, 2, volume=1000))
    assert told([rest]) == [("e/stop", "filled", 10)]
    assert rest.average == pytest.approx((6 * 98 + 4 * 105) / 10)


def test_a_target_sold_in_part_takes_its_shares_from_the_stop() -> None:
    venue = Venue(FREE.model_copy(update={"participation": 0.1}))
    send(venue, bracket(10))
    minute(venue, bar(100, 100, 100, 100, volume=1000))
    assert told(minute(venue, bar(100, 105, 100, 104, 1, volume=40))) == [("e/target", "working", 4)]
    assert told(minute(venue, bar(100, 100, 97, 97, 2, volume=1000))) == [("e/stop", "filled", 6), ("e/target", "canceled", 4)]


# --- at what price


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (bar(100, 101, 99.0, 100), None),  # touching is not enough
        (bar(100, 101, 98.99, 100), 99.0),
        (bar(98.5, 99, 98, 98.5), 98.5 * 1.0002),  # it began beyond: it takes, half the spread included
        (bar(98.99, 99, 98, 98.5), 99.0),  # and is never worse than its limit
    ],
)
def test_a_limit_entry_fills_when_the_market_goes_through_it(found: Bar, expected: float | None) -> None:
    venue = Venue(FREE.model_copy(update={"spread": 0.0004}))
    send(venue, bracket(limit=99.0))
    filled = [u for u in minute(venue, found) if u.id == "e"]
    assert [u.average for u in filled] == ([] if expected is None else [pytest.approx(expected)])


@pytest.mark.parametrize("measured", [False, True], ids=["said", "measured"])
def test_a_taking_order_pays_its_own_spread_and_footprint(measured: bool) -> None:
    known = symbol_brief("AAPL", spread=0.001, sigma=0.02, adv=1_000_000.0)
    briefing = briefing_of(["AAPL"]).model_copy(update={"symbols": {"AAPL": known}})
    if measured:  # from our own executions, as the briefing has it
        found = Slippage(impact=0.5, basis=Basis.MEASURED, measured=0.5, low=0.4, high=0.6, executions=300, median_cost=0.001)
        briefing = briefing.model_copy(update={"slippage": found})
    venue = Venue(Costs(impact=None if measured else 0.5, participation=None), briefing)
    send(venue, Order("x", "AAPL", Side.BUY, 10_000, Shape.SIMPLE))
    (fill,) = minute(venue, bar(100, 101, 99, 100))
    assert fill.average == pytest.approx(100 * (1 + 0.001 / 2 + 0.5 * 0.02 * (10_000 / 1_000_000) ** 0.5))
    (charge,) = venue.charges
    assert (charge.spread, charge.impact) == (pytest.approx(10_000 * 0.05), pytest.approx(10_000 * 0.1))


def test_what_is_not_known_of_a_symbol_has_a_plain_default() -> None:
    bare = briefing_of(["AAPL"]).model_copy(update={"symbols": {"AAPL": symbol_brief("AAPL", spread=None, sigma=None, adv=None)}})
    venue = Venue(Costs(spread=0.002), bare)
    send(venue, Order("x", "AAPL", Side.SELL, 10, Shape.SIMPLE))
    assert minute(venue, bar(100, 101, 99, 100))[0].average == pytest.approx(99.9)


@given(
    opening=st.floats(50, 150),
    span=st.floats(0, 20),
    low_first=st.booleans(),
    side=st.sampled_from(Side),
    quantity=st.integers(1, 500),
    volume=st.integers(0, 3000),
)
@settings(deadline=None)
def test_costs_are_never_a_gift_and_fills_never_more_than_there_is(
    opening: float, span: float, low_first: bool, side: Side, quantity: int, volume: int
) -> None:
    venue = Venue(Costs(spread=0.001), briefing_of(["AAPL"]))
    send(venue, Order("x", "AAPL", side, quantity, Shape.SIMPLE))
    minute(venue, bar(opening, opening + span, opening - span, opening + (span if low_first else -span), volume=volume))
    assert sum(charge.shares for charge in venue.charges) == min(quantity, volume // 10)
    assert all(charge.spread >= 0 and charge.impact >= 0 for charge in venue.charges)


# --- when


def test_nothing_fills_in_a_halt_and_the_reopening_decides() -> None:
    venue = Venue(FREE)
    send(venue, bracket())
    minute(venue, bar(100, 100, 100, 100))
    venue.halt("AAPL", True)
    assert minute(venue, bar(90, 110, 90, 100, 1)) == []
    venue.halt("AAPL", False)
    stopped = minute(venue, bar(80, 81, 79, 80, 2))
    assert [(u.id, u.average) for u in stopped if u.status is Status.FILLED] == [("e/stop", 80.0)]


def test_a_band_keeps_prices_inside() -> None:
    venue = Venue(FREE.model_copy(update={"spread": 0.1}))
    venue.bands["AAPL"] = (95.0, 101.0)
    send(venue, Order("x", "AAPL", Side.BUY, 10, Shape.SIMPLE))
    assert minute(venue, bar(102, 103, 102, 103)) == []  # outside: no trade is allowed there
    assert minute(venue, bar(100, 100, 100, 100, 1))[0].average == 101.0  # 105 by the spread, but the band ends at 101


def test_what_waits_at_the_close_expires() -> None:
    venue = Venue(FREE)
    send(venue, bracket())
    minute(venue, bar(100, 100, 100, 100))
    send(venue, Order("x", "AAPL", Side.BUY, 10, Shape.SIMPLE))
    assert told(venue.close(9)) == [("x", "expired", 0), ("e/stop", "expired", 0), ("e/target", "expired", 0)]
    assert minute(venue, bar(90, 110, 90, 100, 1)) == []


# --- trades inside the minute


def prints(*prices: float) -> list[Print]:
    return [Print("AAPL", price, 100, MINUTE + i * SECOND) for i, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((100.0, 104.01, 97.0), ("e/target", 104.0)),  # the target was first, though the bar reached both
        ((100.0, 97.5, 105.0), ("e/stop", 97.5)),  # the stop fills where the market is, not at its price
        ((100.0, 104.0, 98.01), None),  # both only nearly
    ],
)
def test_trades_inside_the_minute_tell_which_exit_was_first(path: tuple[float, ...], expected: tuple[str, float] | None) -> None:
    venue = Venue(FREE)
    send(venue, bracket())
    minute(venue, bar(100, 100, 100, 100))
    venue.open({}, MINUTE, {"AAPL": 300.0})
    filled = [u for trade in prints(*path) for u in venue.print(trade, 300.0) if u.status is Status.FILLED]
    assert [(u.id, u.average) for u in filled] == ([] if expected is None else [expected])


def test_a_trade_that_makes_no_price_fills_nobody() -> None:
    venue = Venue(FREE)
    send(venue, Order("x", "AAPL", Side.BUY, 10, Shape.SIMPLE))
    assert venue.print(Print("AAPL", 100.0, 100, 1, counts=False), 100.0) == []
    assert venue.print(Print("AAPL", 101.0, 100, 2), 100.0)[0].average == 101.0


# --- with the engine


def steps(briefing: Briefing, bars: list[Bar], venue: Venue, *inside: MarketTrade | Halt | Band) -> list[Step]:
    engine = Engine(briefing, Limits(), [Allocation(Momentum(), "v")], run="t")
    return list(run(engine, bars, equity=100_000, venue=venue, inside=inside))


def test_an_entry_filled_in_part_is_cut_and_protected_inside_its_minute(briefing: Briefing, day: Callable[..., list[Bar]]) -> None:
    whole = steps(briefing, day(("AAPL",)), Venue(FREE))
    first = next(s.event.at for s in whole for d in s.decisions if isinstance(d, Submit) and d.role is Role.ENTRY)
    thin = [b if b.start != first else Bar(b.symbol, b.start, b.open, b.high, b.low, b.close, 50.0, b.vwap, b.trades) for b in day(("AAPL",))]
    found = steps(briefing, thin, Venue(FREE.model_copy(update={"participation": 0.1})))
    inside = [d for s in found if first <= s.event.at < first + MINUTE for d in s.decisions]
    assert [d.kind for d in inside] == ["submit", "cancel", "submit"]
    protect = inside[-1]
    assert isinstance(protect, Submit)
    assert (protect.role, protect.order.shape, protect.order.quantity) == (Role.STOP, Shape.OCO, 5)
    assert isinstance(inside[1], Cancel)
    assert protect.at == first + 8 * SECOND


def test_a_halt_in_the_data_stops_entries_and_fills(briefing: Briefing, day: Callable[..., list[Bar]]) -> None:
    bars = day(("AAPL",))
    opening = briefing.hours.open
    halted = Halt("AAPL", True, "T1 news pending", opening + 16 * MINUTE + 1)
    found = steps(briefing, bars, Venue(FREE), halted)
    assert not [s for s in found if isinstance(s.event, OrderUpdate) and s.event.filled and s.event.at > halted.at]
    refused = {d.check.code.value for s in found for d in s.decisions if d.kind == "refused"}  # type: ignore[union-attr]
    assert refused == {"HALTED"}


def test_a_half_day_ends_at_its_real_close(briefing: Briefing) -> None:
    early = briefing.model_copy(update={"close": moment(briefing.hours.open + 210 * MINUTE)})
    found = steps(early, day_bars(), Venue(FREE))
    entries = [d.at for s in found for d in s.decisions if isinstance(d, Submit) and d.role is Role.ENTRY]
    closed = [d.at for s in found for d in s.decisions if isinstance(d, TradeClosed)]
    assert entries
    assert max(entries) < early.hours.close - 15 * MINUTE
    assert max(closed) <= early.hours.close - 13 * MINUTE
    assert max(closed) < int(CLOSE.timestamp()) * 1_000_000_000


# --- fees


def test_fees_are_what_alpaca_charged_for_a_day() -> None:
    """REG 3.82 for sales of $185271.37, TAF 0.31 for 1572 shares sold (docs.alpaca.markets/docs/regulatory-fees, as charged on 2026-09-08)."""
    day = pl.DataFrame({"side": ["sell"], "quantity": [1572], "price": [185_271.37 / 1572]})
    assert due(charged(day, Costs(cat=0.0))) == pytest.approx(3.82 + 0.31)
    assert due(charged(day.with_columns(pl.lit("buy").alias("side")), Costs(cat=0.0))) == 0.0
    assert due(charged(day, Costs(sec=0.0, taf=0.0))) == 0.01


def test_the_activity_fee_has_a_cap_for_each_execution() -> None:
    rows = charged(pl.DataFrame({"side": ["sell", "sell"], "quantity": [1_000_000, 100], "price": [10.0, 10.0]}), Costs())
    assert rows["taf"].to_list() == [9.79, pytest.approx(0.0195)]
