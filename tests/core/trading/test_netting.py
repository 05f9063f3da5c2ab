"""Several strategies on one symbol: the broker has one position, here each keeps its own shares, exits, budget and profit."""

from collections.abc import Callable
from typing import ClassVar

import pytest
from market import briefing_of, day_bars

from pipelines.core.backtest.costs import FREE
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.run import Step, run
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Close
from pipelines.core.trading.decisions import Cancel, Kept, Refused, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Command
from pipelines.core.trading.orders import Role, Shape, Side
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Adjust, Enter, Intent, Leave, Strategy, View
from pipelines.core.trading.trades import Stage


class Timed(Strategy):
    """Enters at one minute, leaves at another."""

    name: ClassVar[str] = "early"
    at: int
    until: int = 1_000
    side: Side = Side.BUY
    stop: float = 5.0

    def on_bar(self, view: View) -> Intent | None:
        minute = view.session.minute(view.bar.start)
        if minute == self.at:
            return Enter(self.side, "it is time", stop=self.stop, target=20.0)
        return Leave("time is up") if minute == self.until and view.position else None


class Later(Timed):
    """The same under another name."""

    name: ClassVar[str] = "late"


def engine(*strategies: Strategy, budgets: tuple[float | None, ...] = (None, None), **limits: float) -> Engine:
    known = {"max_position_size": 0.1, "risk_per_trade": 0.001, "max_sector_exposure": 1.0, "max_portfolio_heat": 0.1, **limits}
    allocations = [Allocation(strategy, "v", budget) for strategy, budget in zip(strategies, budgets, strict=True)]
    return Engine(briefing_of(["AAPL"]), Limits.model_validate(known), allocations, run="t")


def flat(drop: float = 0.0, at: int = 1_000) -> list[Bar]:
    """A day at 100, from a minute on lower by `drop`."""
    bars = []
    for number, bar in enumerate(day_bars(("AAPL",))):
        price = 100.0 - (drop if number >= at else 0.0)
        bars.append(Bar("AAPL", bar.start, price, price + 0.01, price - 0.01, price, 10_000, price, 50))
    return bars


def day(subject: Engine, bars: list[Bar], each: Callable[[Step], None] = lambda step: None) -> list[Step]:
    steps = []
    for step in run(subject, bars, equity=100_000, venue=Venue(FREE, subject.briefing)):
        steps.append(step)
        each(step)
    return steps


def closed(steps: list[Step]) -> dict[str, TradeClosed]:
    return {d.strategy: d for step in steps for d in step.decisions if isinstance(d, TradeClosed)}


def test_the_broker_has_the_sum_and_each_trade_its_own_shares_and_stop() -> None:
    subject = engine(Timed(at=30, stop=5.0), Later(at=40, stop=3.0))
    seen: set[tuple[int, int]] = set()

    def look(step: Step) -> None:
        trades = subject.trades.values()
        assert subject.portfolio is None or subject.portfolio.quantity("AAPL") == sum(t.held for t in trades)
        seen.add((len(trades), sum(t.held for t in trades)))

    steps = day(subject, flat(), look)
    entries = [d for step in steps for d in step.decisions if isinstance(d, Submit) and d.role is Role.ENTRY]
    assert [d.order.stop for d in entries] == [95.0, 97.0]
    assert [d.lineage.strategy for d in entries if d.lineage] == ["early", "late"]
    assert (2, sum(d.order.quantity for d in entries)) in seen
    assert sum(d.order.quantity for d in entries) * 100 <= 0.1 * 100_000  # one symbol, one limit, whoever holds it
    assert closed(steps).keys() == {"early", "late"}


def test_the_stop_of_one_leaves_the_other_whole_and_protected() -> None:
    subject = engine(Timed(at=30, stop=5.0), Later(at=40, stop=3.0))
    own: list[int] = []

    def look(step: Step) -> None:
        held = {t.strategy: t.held for t in subject.trades.values()}
        if held.keys() == {"early"} and step.event.at > subject.hours.open + 101 * MINUTE:
            trade = next(iter(subject.trades.values()))
            own.append(trade.held)
            if trade.stage is Stage.OPEN:
                assert sum(o.left for o in trade.orders.values() if o.live and o.role is Role.STOP) == trade.held

    steps = day(subject, flat(drop=4.0, at=100), look)
    results = closed(steps)
    assert own
    assert set(own) == {results["early"].quantity}
    assert (results["late"].reason, results["early"].reason) == ("stop", "15 minutes before the close")
    assert results["late"].at < results["early"].at


def test_a_person_closes_what_one_strategy_holds_and_nothing_else() -> None:
    """Kill a part, not all (reliability C11)."""
    subject = engine(Timed(at=30), Later(at=40))
    at = subject.hours.open + 60 * MINUTE
    for step in run(subject, flat(), equity=100_000, venue=Venue(FREE, subject.briefing)):
        if step.event.at == at:
            break
    early, late = subject.account.of("AAPL", "early")[0], subject.account.of("AAPL", "late")[0]
    made = subject.process(Command("kill", Close("AAPL", "early"), "test", at))
    assert {(d.kind, d.trade) for d in made if isinstance(d, Cancel | Submit)} == {("cancel", early.id)}
    assert (early.stage, late.stage, late.wanted) == (Stage.CLOSING, Stage.OPEN, late.held)


def test_one_leaves_and_the_others_exits_rest_where_they_are() -> None:
    subject = engine(Timed(at=30, until=60), Later(at=40))
    steps = day(subject, flat())
    sent = [d for step in steps for d in step.decisions if isinstance(d, Submit) and d.trade.endswith("0002")]
    assert [(d.role, d.order.shape) for d in sent] == [(Role.ENTRY, Shape.BRACKET), (Role.EXIT, Shape.SIMPLE)]
    assert sent[-1].at >= subject.hours.close - 15 * MINUTE
    assert closed(steps)["early"].reason == "time is up"


@pytest.mark.parametrize("drop", [0.0, 2.0, 4.0])
def test_profit_is_split_right(drop: float) -> None:
    subject = engine(Timed(at=30, stop=5.0), Later(at=40, stop=3.0))
    results = closed(day(subject, flat(drop=drop, at=100)))
    assert subject.portfolio is not None
    assert sum(c.profit for c in results.values()) == pytest.approx(subject.portfolio.realised)
    for name in ("early", "late"):
        assert results[name].profit == pytest.approx((results[name].exit - 100.0) * results[name].quantity)


def test_each_has_its_own_budget() -> None:
    subject = engine(Timed(at=30), Later(at=40), budgets=(0.02, 0.01))
    steps = day(subject, flat())
    entries = {d.lineage.strategy: d.order.quantity for s in steps for d in s.decisions if isinstance(d, Submit) and d.lineage is not None}
    refused = {d.strategy: d.check.code for step in steps for d in step.decisions if isinstance(d, Refused)}
    # Half of what was wanted is the least that is entered: with a budget below it nothing is.
    assert all(quantity * 100 <= share * 100_000 for share, quantity in ((0.02, entries.get("early", 0)), (0.01, entries.get("late", 0))))
    assert {*entries, *refused} == {"early", "late"}
    assert set(refused.values()) <= {Code.BUDGET}


def test_the_other_side_is_refused_while_somebody_holds_and_taken_after() -> None:
    subject = engine(Timed(at=30, until=60), Later(at=40, side=Side.SELL))
    refusals = [d for step in day(subject, flat()) for d in step.decisions if isinstance(d, Refused)]
    assert [(d.strategy, d.check.code) for d in refusals] == [("late", Code.SELF_CROSS)]
    assert "held the other way by early: one account holds one side" in refusals[0].check.detail
    subject = engine(Timed(at=30, until=60), Later(at=70, side=Side.SELL))
    assert closed(day(subject, flat())).keys() == {"early", "late"}


class Mover(Timed):
    """Moves its stop by a distance from 100 at given minutes, and asks for more in the same wish."""

    moves: dict[int, float]

    def on_bar(self, view: View) -> Intent | None:
        away = self.moves.get(view.session.minute(view.bar.start))
        if away is not None and view.position:
            return Adjust("elsewhere", stop=100 - self.side.sign * away, target=100 + self.side.sign * 12)
        return super().on_bar(view)


@pytest.mark.parametrize("side", list(Side))
def test_a_strategys_stop_goes_further_away_only_within_the_heat_that_the_gate_allows(side: Side) -> None:
    subject = engine(Mover(at=30, until=80, side=side, stop=2.0, moves={40: 4.0, 50: 60.0, 60: 1.0}), budgets=(None,), max_portfolio_heat=0.004)
    where: dict[int, float] = {}
    steps = day(subject, flat(), lambda step: where.update({subject.hours.minute(step.event.at): t.stop for t in subject.trades.values()}))
    kept = [d for step in steps for d in step.decisions if isinstance(d, Kept)]
    assert (where[39], where[45], where[55], where[65]) == tuple(100 - side.sign * away for away in (2.0, 4.0, 4.0, 1.0)), "nearer is never refused"
    (no,) = kept
    assert (no.strategy, no.symbol, no.what, no.wanted, no.reason) == ("early", "AAPL", "stop", 100 - side.sign * 60.0, "elsewhere")
    assert (no.check.code, no.check.limit, no.check.origin, no.check.passed) == (Code.HEAT, 0.004, "MAX_PORTFOLIO_HEAT", False)
    shares = no.check.value * 100_000 / 60
    assert shares == pytest.approx(round(shares)), "what the shares held would lose at that stop, and nothing else is held"
    assert no.check.value > no.check.limit


def test_what_else_is_asked_with_a_stop_too_far_away_is_done() -> None:
    subject = engine(Mover(at=30, until=80, stop=2.0, moves={50: 60.0}), budgets=(None,), max_portfolio_heat=0.004)
    exits = set()
    day(subject, flat(), lambda step: exits.update((t.stop, t.target) for t in subject.trades.values()))
    assert exits == {(98.0, 120.0), (98.0, 112.0)}
