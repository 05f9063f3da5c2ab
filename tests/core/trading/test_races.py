"""What random days have found, each by itself: both exits filling, brokers that take an order and throw it out, doubts that shorten one another."""

import pytest
from market import SECTORS, briefing_of, day_bars

from pipelines.core.journal import DECISION, encode
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import MANUAL, Open, Resume
from pipelines.core.trading.decisions import Cancel, Decision, Lineage, Noticed, Refused, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, MarketBar, OrderUpdate, Taint
from pipelines.core.trading.orders import PACE, Role, Side, Status
from pipelines.core.trading.trades import AGAIN, TRIES, Stage, Trade

LINEAGE = Lineage("s", "v", "b", "iex", 0, 100.0, 2.0, {}, (), ())


def held(shares: int = 10) -> Trade:
    """A long trade, entered, both exits resting."""
    trade = Trade("t", "s", "AAPL", Side.BUY, shares, 97.0, 106.0, LINEAGE)
    trade.enter("test", 0)
    tell(trade, "t-entry", Side.BUY, Status.FILLED, shares)
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.WORKING, 0)
    assert trade.advance(SECOND) == []
    return trade


def tell(trade: Trade, name: str, side: Side, status: Status, filled: int, price: float = 100.0, at: int = SECOND) -> None:
    trade.update(OrderUpdate(name, "AAPL", side, status, filled, price if filled else None, at, "b", "said"))


def overshot() -> Trade:
    trade = held()
    tell(trade, "t-entry/target", Side.SELL, Status.FILLED, 10, 106.0)
    tell(trade, "t-entry/stop", Side.SELL, Status.FILLED, 10, 97.0)
    return trade


def test_what_both_exits_sold_too_much_is_bought_back_and_counted() -> None:
    trade = overshot()
    noticed, back = trade.advance(2 * SECOND)
    assert noticed.kind == "noticed"
    assert isinstance(back, Submit)
    assert (back.order.side, back.order.quantity, back.role) == (Side.BUY, 10, Role.EXIT)
    assert trade.advance(3 * SECOND) == []
    tell(trade, back.order.id, Side.BUY, Status.FILLED, 10, 98.0)
    (closed,) = trade.advance(4 * SECOND)
    assert isinstance(closed, TradeClosed)
    assert trade.held == 0
    assert closed.profit == pytest.approx(10 * (106 - 100) + 10 * (97 - 98))


def test_no_order_that_buys_back_crosses_zero_at_the_broker() -> None:
    """Four shares of somebody else's are in the same position: the account is six short, not ten, and the broker takes no order through zero."""
    trade = overshot()
    _, back = trade.advance(2 * SECOND, net=-6)
    assert isinstance(back, Submit)
    assert back.order.quantity == 6
    tell(trade, back.order.id, Side.BUY, Status.FILLED, 6)
    (rest,) = trade.advance(3 * SECOND, net=0)
    assert isinstance(rest, Submit)
    assert (rest.order.side, rest.order.quantity) == (Side.BUY, 4)


def test_an_exit_larger_than_what_is_held_is_cancelled() -> None:
    trade = held()
    trade.close("test")
    (cancel,) = trade.advance(2 * SECOND)
    assert isinstance(cancel, Cancel)
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    (leaving,) = trade.advance(3 * SECOND)
    assert isinstance(leaving, Submit)
    tell(trade, "t-entry/stop", Side.SELL, Status.CANCELED, 4)  # the last word of the stop was late
    (cancel,) = trade.advance(4 * SECOND)
    assert isinstance(cancel, Cancel)
    assert cancel.id == leaving.order.id


def test_protection_that_the_venue_throws_out_closes_the_trade_and_is_not_asked_for_again() -> None:
    trade = held()
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.REJECTED, 0)
    (leaving,) = trade.advance(2 * SECOND)
    assert isinstance(leaving, Submit)
    assert (trade.stage, leaving.role, leaving.reason) == (Stage.CLOSING, Role.EXIT, "protection refused")
    tell(trade, leaving.order.id, Side.SELL, Status.REJECTED, 0, at=3 * SECOND)
    assert trade.advance(3 * SECOND) == []
    assert [d.kind for d in trade.advance(3 * SECOND + AGAIN)] == ["submit"]


def test_a_broker_that_ends_protection_at_once_is_asked_again_at_our_pace() -> None:
    trade = held()
    tell(trade, "t-entry/target", Side.SELL, Status.CANCELED, 0)
    tell(trade, "t-entry/stop", Side.SELL, Status.CANCELED, 0)
    (again,) = trade.advance(2 * SECOND)
    assert isinstance(again, Submit)
    for name in (again.order.id, f"{again.order.id}/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    assert trade.advance(2 * SECOND) == []
    assert [d.kind for d in trade.advance(2 * SECOND + PACE)] == ["submit"]


def test_shares_that_come_in_wait_for_no_pace() -> None:
    """The entry was thought over at 5 shares and they are protected; a word that was late says 8."""
    trade = Trade("t", "s", "AAPL", Side.BUY, 10, 97.0, 106.0, LINEAGE)
    trade.enter("test", 0)
    tell(trade, "t-entry", Side.BUY, Status.CANCELED, 5)
    (first,) = trade.advance(SECOND)
    assert isinstance(first, Submit)
    assert (first.order.quantity, first.role) == (5, Role.STOP)
    tell(trade, "t-entry", Side.BUY, Status.CANCELED, 8)
    (second,) = trade.advance(SECOND)
    assert isinstance(second, Submit)
    assert (second.order.quantity, second.role, second.order.stop) == (3, Role.STOP, 97.0)
    assert trade.advance(SECOND) == []


def test_a_target_whose_stop_has_died_gives_its_shares_back_before_they_are_protected_anew() -> None:
    trade = held()
    tell(trade, "t-entry/stop", Side.SELL, Status.CANCELED, 0)
    (cancel,) = trade.advance(2 * SECOND)
    assert isinstance(cancel, Cancel)
    assert cancel.id == "t-entry/target"
    tell(trade, "t-entry/target", Side.SELL, Status.CANCELED, 0)
    (again,) = trade.advance(2 * SECOND)
    assert isinstance(again, Submit)
    assert again.order.quantity == 10


def test_while_a_refused_part_exit_waits_everything_is_protected() -> None:
    trade = held()
    trade.scale_out(0.4, "half")
    assert [d.kind for d in trade.advance(2 * SECOND)] == ["cancel"]
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    kept, leaving = trade.advance(2 * SECOND)
    assert isinstance(kept, Submit)
    assert isinstance(leaving, Submit)
    assert (kept.order.quantity, leaving.order.quantity) == (6, 4)
    trade.refuse(leaving.order.id, 2 * SECOND)
    (more,) = trade.advance(2 * SECOND)
    assert isinstance(more, Submit)
    assert (more.order.quantity, more.role) == (4, Role.STOP)
    assert trade.advance(2 * SECOND + AGAIN - 1) == []
    assert [d.kind for d in trade.advance(2 * SECOND + AGAIN)] == ["cancel", "cancel"]


def test_a_new_wish_to_be_flat_waits_for_no_refused_exit() -> None:
    trade = held()
    trade.scale_out(0.4, "half")
    trade.advance(2 * SECOND)
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    kept, leaving = trade.advance(2 * SECOND)
    assert isinstance(kept, Submit)
    assert isinstance(leaving, Submit)
    trade.refuse(leaving.order.id, 2 * SECOND)
    trade.close("flatten")
    trade.advance(2 * SECOND)
    for name in (kept.order.id, f"{kept.order.id}/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    (out,) = trade.advance(2 * SECOND)
    assert isinstance(out, Submit)
    assert (out.order.quantity, out.role) == (10, Role.EXIT)


def refuse_the_part(trade: Trade, at: int) -> list[Decision]:
    """The broker cancels what it is asked to, and refuses the exit of a part; the protection of everything follows at once. What else was said."""
    cancels = trade.advance(at)
    assert {d.kind for d in cancels} == {"cancel"}
    for order in [o for o in trade.orders.values() if o.live]:
        tell(trade, order.id, Side.SELL, Status.CANCELED, 0, at=at)
    kept, leaving = trade.advance(at)
    assert isinstance(kept, Submit)
    assert isinstance(leaving, Submit)
    trade.refuse(leaving.order.id, at)
    *noticed, more = trade.advance(at)
    assert isinstance(more, Submit)
    assert (kept.order.quantity + more.order.quantity, more.role) == (10, Role.STOP)
    for order in [o for o in trade.orders.values() if o.live]:
        tell(trade, order.id, Side.SELL, Status.WORKING, 0, at=at)
    return noticed


def given_up() -> tuple[Trade, list[Decision], int]:
    """A part of it was refused until it was given up: what was said then, and the time."""
    trade = held()
    trade.scale_out(0.4, "half")
    for number in range(TRIES - 1):
        assert refuse_the_part(trade, 2 * SECOND + number * AGAIN) == []
    at = 2 * SECOND + (TRIES - 1) * AGAIN
    return trade, refuse_the_part(trade, at), at


def test_a_part_that_the_broker_never_sells_is_given_up_in_words_and_everything_stays_protected() -> None:
    trade, (noticed,), at = given_up()
    assert isinstance(noticed, Noticed)
    assert (noticed.code, noticed.numbers) == ("PART_NOT_SOLD", {"shares": 4.0, "held": 10.0})
    assert noticed.detail == "AAPL: 4 of 10 shares were to be sold and stay, protected: 3 exits were refused or came to nothing"
    for later in range(1, 20):
        assert trade.advance(at + later * AGAIN) == []
    assert sum(o.left for o in trade.orders.values() if o.live and o.role is Role.STOP) == 10
    assert (trade.stage, trade.wanted, trade.settled) == (Stage.OPEN, 10, True)


def test_a_part_that_was_given_up_keeps_nobody_from_closing_everything() -> None:
    trade, _, at = given_up()
    trade.close("flatten")
    assert {d.kind for d in trade.advance(at)} == {"cancel"}
    for order in [o for o in trade.orders.values() if o.live]:
        tell(trade, order.id, Side.SELL, Status.CANCELED, 0, at=at)
    for number in range(3 * TRIES):  # and a way out that is refused is asked for again, for ever
        (out,) = trade.advance(at + number * AGAIN)
        assert isinstance(out, Submit)
        assert (out.order.quantity, out.role) == (10, Role.EXIT)
        trade.refuse(out.order.id, at + number * AGAIN)
    (out,) = trade.advance(at + 3 * TRIES * AGAIN)
    assert isinstance(out, Submit)
    tell(trade, out.order.id, Side.SELL, Status.FILLED, 10)
    assert [d.kind for d in trade.advance(at + 3 * TRIES * AGAIN)] == ["closed"]


def test_a_new_wish_to_sell_a_part_is_tried_anew() -> None:
    trade, _, at = given_up()
    assert trade.scale_out(0.4, "half, once more") == 4
    assert [refuse_the_part(trade, at + number * AGAIN) != [] for number in range(1, TRIES + 1)] == [False, False, True]


def test_an_exit_of_a_part_that_sells_something_is_not_given_up() -> None:
    trade = held()
    trade.scale_out(0.8, "most")
    left, at = 8, 2 * SECOND
    while left:
        trade.advance(at)
        for order in [o for o in trade.orders.values() if o.live]:
            tell(trade, order.id, Side.SELL, Status.CANCELED, 0, at=at)
        leaving = next(d for d in trade.advance(at) if isinstance(d, Submit) and d.role is Role.EXIT)
        assert leaving.order.quantity == left
        tell(trade, leaving.order.id, Side.SELL, Status.EXPIRED, 1, at=at)
        assert all(d.kind != "noticed" for d in trade.advance(at))
        left, at = left - 1, at + AGAIN
    assert trade.held == 2


def test_a_broker_that_ends_every_exit_at_once_is_asked_at_our_pace() -> None:
    trade = held()
    trade.close("test")
    trade.advance(2 * SECOND)
    for name in ("t-entry/target", "t-entry/stop"):
        tell(trade, name, Side.SELL, Status.CANCELED, 0)
    (out,) = trade.advance(2 * SECOND)
    assert isinstance(out, Submit)
    tell(trade, out.order.id, Side.SELL, Status.EXPIRED, 3, at=2 * SECOND)
    assert trade.advance(2 * SECOND) == []
    (rest,) = trade.advance(2 * SECOND + PACE)
    assert isinstance(rest, Submit)
    assert rest.order.quantity == 7


def armed() -> Engine:
    engine = Engine(briefing_of(SECTORS), Limits(), [], run="t")
    opening = engine.hours.open
    engine.process(AccountState(100_000, 100_000, 400_000, (), opening))
    engine.process(Command("arm", Resume(), "test", opening))
    for bar in day_bars(("AAPL",))[:10]:
        engine.process(MarketBar(bar, "iex", bar.start + MINUTE))
    return engine


def test_a_shorter_doubt_does_not_end_a_longer_one() -> None:
    engine = armed()
    at = engine.hours.open + 10 * MINUTE
    engine.process(Taint("AAPL", "a trade was cancelled", at + 5 * MINUTE, at))
    engine.process(Taint("AAPL", "feeds disagreed for a moment", at + SECOND, at))
    (refused,) = engine.process(Command("c", Open("AAPL", Side.BUY, 5), "test", at + 2 * SECOND))
    assert isinstance(refused, Refused)
    assert (refused.check.code, refused.check.detail) == (Code.TAINTED, "a trade was cancelled")


def test_a_trade_for_nobody_is_a_persons_and_not_a_second_one() -> None:
    engine = armed()
    at = engine.hours.open + 10 * MINUTE
    (first,) = engine.process(Command("c1", Open("AAPL", Side.BUY, 5, strategy="no such strategy"), "test", at))
    assert isinstance(first, Submit)
    assert first.lineage is not None
    assert first.lineage.strategy == MANUAL
    (second,) = engine.process(Command("c2", Open("AAPL", Side.BUY, 5, strategy="another"), "test", at))
    assert isinstance(second, Refused)
    assert second.check.code is Code.DUPLICATE


@pytest.mark.parametrize("asked", [Open("AAPL", Side.BUY), Open("AAPL", Side.SELL, 5), Open("AAPL", Side.BUY, 5, 100.0)])
def test_an_entry_before_the_symbols_first_price_is_refused_in_words_that_a_journal_can_read_again(asked: Open) -> None:
    """It was written as `null`, and a session that had it could be neither replayed nor gone on with after a death."""
    engine = Engine(briefing_of(SECTORS), Limits(), [], run="test")
    at = engine.hours.open + 10 * MINUTE
    engine.process(AccountState(100_000, 100_000, 400_000, (), at))
    engine.process(Command("arm", Resume(), "test", at))
    decisions = engine.process(Command("one", asked, "test", at))
    assert [decision.kind for decision in decisions] == ["refused"]
    assert [DECISION.decode(encode(decision)) for decision in decisions] == decisions
