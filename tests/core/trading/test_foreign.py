"""Orders that are not ours in an account that is: somebody closes by hand what we hold."""

import pytest
from market import SECTORS, briefing_of

from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Open, Resume
from pipelines.core.trading.decisions import Cancel, Decision, Noticed, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Alarm, Command, Event, FeedStatus, Holding, MarketBar, OrderUpdate, Tick
from pipelines.core.trading.orders import Side, Status

T0 = briefing_of(SECTORS).hours.open + 30 * MINUTE


class Held:
    """An engine that holds ten shares of AAPL at 100, protected."""

    def __init__(self) -> None:
        self.engine = Engine(briefing_of(SECTORS), Limits(), [], run="t")
        self.made: list[Decision] = []
        self.entry = ""
        bar = Bar("AAPL", T0 - MINUTE, 100, 100, 100, 100, 1_000, 100, 5)
        entry = Command("open", Open("AAPL", Side.BUY, 10, None, 97.0, 106.0), "test", T0)
        for event in (
            AccountState(100_000, 100_000, 400_000, (), T0),
            Command("arm", Resume(), "test", T0),
            FeedStatus("iex", True, "", T0),
            MarketBar(bar, "iex", T0),
            entry,
        ):
            self.tell(event)
        submit = next(d for d in self.made if isinstance(d, Submit))
        self.entry = submit.order.id
        self.update(self.entry, Side.BUY, Status.FILLED, 10, 100.0, T0 + SECOND)
        for leg in ("target", "stop"):
            self.update(f"{self.entry}/{leg}", Side.SELL, Status.WORKING, 0, None, T0 + SECOND)

    def tell(self, event: Event) -> list[Decision]:
        made = self.engine.process(event)
        self.made += made
        return made

    def update(self, name: str, side: Side, status: Status, filled: int, average: float | None, at: int) -> list[Decision]:
        return self.tell(OrderUpdate(name, "AAPL", side, status, filled, average, at, f"id of {name}", "fill"))


def codes(made: list[Decision]) -> list[str]:
    return [d.code for d in made if isinstance(d, Noticed)]


def test_a_trade_that_somebody_else_closes_is_over_at_their_price_and_its_exits_go() -> None:
    held, at = Held(), T0 + MINUTE
    assert codes(held.update("by hand", Side.SELL, Status.WORKING, 0, None, at)) == ["FOREIGN_ORDER"]
    assert codes(held.update("by hand", Side.SELL, Status.WORKING, 4, 101.0, at)) == ["CLOSED_OUTSIDE"]
    assert held.update("by hand", Side.SELL, Status.WORKING, 4, 101.0, at) == [], "the same word twice changes nothing"
    held.update("by hand", Side.SELL, Status.FILLED, 10, 101.6, at)
    assert held.engine.portfolio is not None
    assert held.engine.portfolio.quantity("AAPL") == 0
    cancels = held.tell(Tick(at + 6 * SECOND))
    assert [d.id for d in cancels if isinstance(d, Cancel)] == [f"{held.entry}/target"]
    for leg in ("target", "stop"):
        held.update(f"{held.entry}/{leg}", Side.SELL, Status.CANCELED, 0, None, at + 7 * SECOND)
    (closed,) = [d for d in held.made if isinstance(d, TradeClosed)]
    assert (closed.quantity, closed.exit, closed.profit) == (10, pytest.approx(101.6), pytest.approx(16.0))
    assert "not ours" in closed.reason
    assert not [d for d in held.made if isinstance(d, Submit)][1:], "nothing is sold twice"


def test_a_part_that_somebody_else_closes_leaves_the_rest_protected_for_its_size() -> None:
    held, at = Held(), T0 + MINUTE
    held.update("by hand", Side.SELL, Status.FILLED, 4, 101.0, at)
    (cancel,) = [d for d in held.tell(Tick(at + 6 * SECOND)) if isinstance(d, Cancel)]
    assert cancel.reason == "the stop is for 10 of 6 shares"
    for leg in ("target", "stop"):
        held.update(f"{held.entry}/{leg}", Side.SELL, Status.CANCELED, 0, None, at + 7 * SECOND)
    protection = [d.order for d in held.made if isinstance(d, Submit)][-1]
    assert (protection.quantity, protection.stop) == (6, 97.0)


def test_orders_that_open_or_close_what_is_not_ours_leave_our_trades_alone() -> None:
    held, at = Held(), T0 + MINUTE
    held.update("more", Side.BUY, Status.FILLED, 5, 100.0, at)
    held.tell(AccountState(100_000, 98_000, 400_000, (Holding("AAPL", 15, 100.0),), at))
    assert codes(held.update("less", Side.SELL, Status.FILLED, 5, 101.0, at)) == ["FOREIGN_ORDER"]
    assert held.engine.portfolio is not None
    assert held.engine.portfolio.quantity("AAPL") == 10


def test_what_a_watcher_beside_the_engine_found_is_told_on() -> None:
    held = Held()
    assert held.tell(Alarm("NAKED", "AAPL: 10 shares without a stop", T0)) == [Noticed("NAKED", "AAPL: 10 shares without a stop", T0)]
