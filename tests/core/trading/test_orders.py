"""Prices on the tick, sizes with their reasons, fills with their written rule, books that add up."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.backtest.costs import FREE
from pipelines.core.backtest.fills import Venue
from pipelines.core.errors import DataError
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.decisions import Submit
from pipelines.core.trading.events import OrderUpdate
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, on_tick
from pipelines.core.trading.portfolio import Portfolio


@given(price=st.decimals("0.0002", "5000", places=6), toward=st.sampled_from([-1, 1]))
def test_a_price_goes_to_the_exchanges_tick_in_the_direction_asked_for(price: Decimal, toward: int) -> None:
    tick = Decimal("0.01") if price >= 1 else Decimal("0.0001")
    found = Decimal(repr(on_tick(float(price), toward)))
    wanted = (price / tick).to_integral_value(ROUND_CEILING if toward > 0 else ROUND_FLOOR) * tick
    # Within a millionth of a tick a price counts as being on it: that is float noise, not a decision.
    assert found == wanted or abs(found - price) <= tick * Decimal("0.000002")


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan")])
def test_what_is_no_price_is_refused(price: float) -> None:
    with pytest.raises(DataError):
        on_tick(price, 1)


def bar(opening: float, high: float, low: float, close: float, minute: int = 0) -> Bar:
    return Bar("AAPL", minute * MINUTE, opening, high, low, close, 1_000, close, 10)


def bracket(venue: Venue, side: Side = Side.BUY) -> None:
    stop, target = (98.0, 104.0) if side is Side.BUY else (102.0, 96.0)
    venue.take(Submit(Order("e", "AAPL", side, 10, Shape.BRACKET, None, target, stop), Role.ENTRY, "t", "", 0), 0)


def minute(venue: Venue, found: Bar) -> list[OrderUpdate]:
    return [*venue.open({found.symbol: found}, found.start), *venue.trade(found, found.start + MINUTE)]


def filled(updates: list[OrderUpdate]) -> dict[str, float | None]:
    return {u.id: u.average for u in updates if u.status is Status.FILLED}


def test_an_entry_fills_at_the_next_open_half_a_spread_against_us() -> None:
    venue = Venue(FREE.model_copy(update={"spread": 0.0004}))
    bracket(venue)
    assert filled(minute(venue, bar(100, 101, 99, 100.5))) == {"e": pytest.approx(100.02)}
    short = Venue(FREE.model_copy(update={"spread": 0.0004}))
    bracket(short, Side.SELL)
    assert filled(minute(short, bar(100, 101, 99, 100.5))) == {"e": pytest.approx(99.98)}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (bar(100, 103.99, 98.01, 103), {}),
        (bar(100, 104.0, 99, 103), {}),  # touching a target is not enough
        (bar(100, 104.01, 99, 104), {"e/target": 104.0}),
        (bar(105, 106, 104.5, 105), {"e/target": 105.0}),  # it opened beyond: the better price
        (bar(100, 101, 98.0, 99), {"e/stop": 98.0}),
        (bar(97, 97.5, 96, 97), {"e/stop": 97.0}),  # it opened beyond: the worse price
        (bar(100, 105, 97, 100), {"e/stop": 98.0}),  # both in one bar: the stop came first
    ],
)
def test_a_bar_fills_exits_by_the_written_rule(after: Bar, expected: dict[str, float]) -> None:
    venue = Venue(FREE)
    bracket(venue)
    minute(venue, bar(100, 100, 100, 100))
    assert filled(minute(venue, after)) == expected


def test_an_entry_in_a_minute_without_a_trade_fills_at_the_last_close() -> None:
    venue = Venue(FREE)
    assert minute(venue, bar(100, 101, 99, 100.5)) == []
    bracket(venue)
    assert filled(venue.open({}, MINUTE)) == {"e": 100.5}


def test_the_bar_of_the_entry_can_stop_it_out_and_cannot_reach_its_target() -> None:
    up, down = Venue(FREE), Venue(FREE)
    bracket(up)
    bracket(down)
    assert filled(minute(up, bar(100, 110, 99, 109))) == {"e": 100.0}
    assert filled(minute(down, bar(100, 101, 97, 98))) == {"e": 100.0, "e/stop": 98.0}


@given(
    fills=st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(-50, 50).filter(bool), st.floats(1, 500)), max_size=40), last=st.floats(1, 500)
)
def test_equity_is_cash_and_positions_whatever_was_filled(fills: list[tuple[str, int, float]], last: float) -> None:
    book, cash, held = Portfolio(start=10_000.0), 10_000.0, {"A": 0, "B": 0}
    for symbol, quantity, price in fills:
        book.fill(symbol, quantity, price)
        cash -= quantity * price
        held[symbol] += quantity
    for symbol in held:
        book.mark(symbol, last)
    assert {s: p.quantity for s, p in book.positions.items()} == {s: q for s, q in held.items() if q}
    assert book.equity == pytest.approx(cash + sum(q * last for q in held.values()), abs=1e-5)
