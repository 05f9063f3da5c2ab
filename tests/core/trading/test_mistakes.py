"""A strategy's mistake, or a program's, is a refusal that names it with its number; the session goes on, and what is held stays protected."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import briefing_of, day_bars

from pipelines.core.backtest.costs import FREE
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.run import run
from pipelines.core.journal import DECISION, encode
from pipelines.core.market.bars import SECOND, Bar
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Manage, Open, Release
from pipelines.core.trading.decisions import Decision, Kept, Noticed, Refused, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Command
from pipelines.core.trading.orders import Role, Side
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Adjust, Enter, Fill, Intent, Strategy, View

Answer = Callable[[View], Any]

NONE = (math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300, 5e-324)
"""What no price, distance or share can be."""


class Careless(Strategy):
    """Says what it is given, whatever that is."""

    name: ClassVar[str] = "careless"
    answer: Answer

    def on_bar(self, view: View) -> Intent | None:
        found: Intent | None = self.answer(view)
        return found


class Sound(Strategy):
    """Another one on the account, which buys JPM in the thirtieth minute and makes no mistake."""

    name: ClassVar[str] = "sound"

    def on_bar(self, view: View) -> Intent | None:
        due = view.bar.symbol == "JPM" and view.session.minute(view.bar.start) == 30
        return Enter(Side.BUY, "it is time", stop=5.0) if due else None


def flat() -> list[Bar]:
    """Two names at 100 all day."""
    return [Bar(bar.symbol, bar.start, 100.0, 100.01, 99.99, 100.0, 10_000, 100.0, 50) for bar in day_bars(("AAPL", "JPM"))]


def played(answer: Answer, bars: list[Bar], kind: type[Careless] = Careless) -> tuple[Engine, list[Decision]]:
    """A day with both; every decision can be written down and read again."""
    limits = Limits(max_position_size=0.1, risk_per_trade=0.001, max_portfolio_heat=0.5, max_sector_exposure=1, max_correlated_exposure=1)
    engine = Engine(briefing_of(["AAPL", "JPM"]), limits, [Allocation(kind(answer=answer), "v"), Allocation(Sound(), "v")], run="t")
    steps = run(engine, bars, equity=100_000, venue=Venue(FREE, engine.briefing))
    made = [decision for step in steps for decision in step.decisions]
    assert all(DECISION.decode(encode(decision)) == decision for decision in made)
    assert engine.flat
    assert [d.strategy for d in made if isinstance(d, TradeClosed)].count("sound") == 1, "the other one traded as ever"
    return engine, made


def at(minute: int, wish: Intent, *, held: bool) -> Answer:
    """An entry in the twentieth minute where one is to be held, and the wish in its own."""

    def answer(view: View) -> Intent | None:
        now = view.session.minute(view.bar.start)
        if view.bar.symbol != "AAPL":
            return None
        if held and now == 20:
            return Enter(Side.BUY, "first", stop=5.0, target=20.0)
        return wish if now == minute else None

    return answer


DAY = flat()


@pytest.mark.parametrize("value", NONE, ids=repr)
@pytest.mark.parametrize("name", ["limit", "stop", "target"])
@pytest.mark.parametrize("side", list(Side))
def test_an_entry_with_a_price_that_can_be_none_is_refused_with_its_number(name: str, side: Side, value: float) -> None:
    _, made = played(at(25, Enter(side, "a mistake", **{name: value}), held=False), DAY)
    (no,) = [d for d in made if isinstance(d, Refused)]
    assert (no.symbol, no.strategy, no.reason, no.check.code, no.check.origin) == ("AAPL", "careless", "a mistake", Code.SENSE, "order")
    assert no.check.value == (value if math.isfinite(value) else 0.0)
    assert f"expected {name} from 0.0001 on, found {value:g}" == no.check.detail


@pytest.mark.parametrize("value", NONE, ids=repr)
@pytest.mark.parametrize("name", ["stop", "target", "trail", "scale_out"])
def test_a_change_to_what_can_be_none_stays_undone_and_what_else_was_asked_is_done(name: str, value: float) -> None:
    other = {"target": 111.0} if name != "target" else {"stop": 97.0}
    _, made = played(at(40, Adjust("a mistake", **{name: value}, **other), held=True), DAY)
    (kept,) = [d for d in made if isinstance(d, Kept)]
    assert (kept.strategy, kept.symbol, kept.what, kept.reason, kept.check.code) == ("careless", "AAPL", name, "a mistake", Code.SENSE)
    assert kept.wanted == kept.check.value == (value if math.isfinite(value) else 0.0)
    assert f"found {value:g}" in kept.check.detail
    (closed,) = [d for d in made if isinstance(d, TradeClosed) and d.strategy == "careless"]
    assert "before the close" in closed.reason, "its stop was where it had been until the end of the day"


def test_a_trail_that_is_wider_than_the_price_leaves_the_stop_where_it_is() -> None:
    _, made = played(at(40, Adjust("far", trail=250.0), held=True), DAY)
    (closed,) = [d for d in made if isinstance(d, TradeClosed) and d.strategy == "careless"]
    assert "before the close" in closed.reason
    assert not [d for d in made if isinstance(d, Kept)], "a stop below nothing is none, and no mistake"


@pytest.mark.parametrize("junk", ["buy", 1, Enter("up", "no side"), Enter(Side.BUY, None), Adjust("words", stop="low"), [Enter(Side.BUY, "a list")]])  # type: ignore[arg-type]  # that is the mistake
def test_an_answer_that_is_no_wish_stops_the_strategy_and_nobody_else(junk: Any) -> None:
    engine, made = played(at(25, junk, held=True), DAY)
    (told,) = [d for d in made if isinstance(d, Noticed)]
    assert (told.code, told.detail.startswith("careless failed on AAPL: ")) == ("STRATEGY_FAILED", True)
    (closed,) = [d for d in made if isinstance(d, TradeClosed) and d.strategy == "careless"]
    assert "before the close" in closed.reason, "what it held kept its exits"
    assert engine.account.seats["careless"].stopped == told.detail


class Deaf(Careless):
    """Cannot hear of its own fills."""

    def on_fill(self, fill: Fill) -> None:
        raise LookupError(f"{fill.quantity} shares that it knows nothing of")


def test_a_strategy_that_raises_is_told_once_and_enters_no_more_until_a_person_lets_it() -> None:
    def answer(view: View) -> Intent | None:
        now = view.session.minute(view.bar.start)
        if view.bar.symbol != "AAPL" or now < 25:
            return None
        if now in {30, 31, 32}:
            return Enter(Side.BUY, "back again", stop=5.0)
        return Enter(Side.BUY, "first", stop=view.bar.close / (now - 25)) if now == 25 else None

    engine, made = played(answer, DAY)
    told = [d for d in made if isinstance(d, Noticed)]
    assert [(d.code, d.detail) for d in told] == [("STRATEGY_FAILED", "careless failed on AAPL: ZeroDivisionError: float division by zero")]
    refused = [d for d in made if isinstance(d, Refused)]
    assert {d.check.code for d in refused} == {Code.STRATEGY}
    assert refused[0].check.detail == told[0].detail
    engine.process(Command("r", Release("careless"), "test", engine.hours.close))
    assert not engine.account.seats["careless"].stopped
    _, made = played(at(25, Enter(Side.BUY, "first", stop=5.0), held=False), DAY, Deaf)
    assert [d.detail.split(":")[1] for d in made if isinstance(d, Noticed)] == [" LookupError"]
    assert [d for d in made if isinstance(d, TradeClosed) and d.strategy == "careless"], "its fill is booked, and its trade ends as any other"


def test_numbers_of_numpy_are_numbers_and_a_limit_is_put_on_the_tick_that_pays_no_more() -> None:
    wish = Enter(Side.BUY, "arrays", limit=np.float64(100.0199), stop=np.float32(5.0), target=np.int64(20))  # type: ignore[arg-type]  # what arrays give
    _, made = played(at(25, wish, held=False), DAY)
    (order,) = [d.order for d in made if isinstance(d, Submit) and d.role is Role.ENTRY and d.order.symbol == "AAPL"]
    assert (order.limit, order.stop) == (100.01, 95.0)


PRICES = st.none() | st.sampled_from(NONE) | st.floats(allow_nan=True, allow_infinity=True) | st.floats(90, 110)


@settings(max_examples=40)
@given(
    side=st.sampled_from(Side), limit=PRICES, stop=PRICES, target=PRICES, moved=PRICES, aim=PRICES, trail=PRICES, part=PRICES,
    hand=st.tuples(st.none() | st.integers(-5, 500), PRICES, PRICES, PRICES), symbol=st.sampled_from(["AAPL", "JPM", "NONE"]),
)  # fmt: skip
def test_no_number_ends_a_session(
    side: Side, limit: float | None, stop: float | None, target: float | None, moved: float | None, aim: float | None, trail: float | None,
    part: float | None, hand: tuple[int | None, float | None, float | None, float | None], symbol: str,
) -> None:  # fmt: skip
    """Whatever a strategy and a program ask for: decisions that can be read again, a session that ends flat."""

    def answer(view: View) -> Intent | None:
        now = view.session.minute(view.bar.start)
        if view.bar.symbol != "AAPL":
            return None
        if view.position and now % 10 == 0:
            return Adjust("anything", moved, aim, trail, part)
        return Enter(side, "anything", limit, stop, target) if now in {20, 60} else Enter(side, "sound", stop=4.0) if now == 40 else None

    engine, _ = played(answer, DAY)
    fresh = Engine(engine.briefing, engine.limits, [], run="h")
    made: list[Decision] = []
    for step in run(fresh, DAY[:100], equity=100_000, venue=Venue(FREE, fresh.briefing)):
        made += step.decisions
    now = step.event.at + SECOND
    made += fresh.process(Command("o", Open(symbol, side, *hand), "test", now))
    made += fresh.process(Command("m", Manage(symbol, moved, aim, trail, part), "test", now))
    assert all(DECISION.decode(encode(decision)) == decision for decision in made)
    assert [d for d in made if isinstance(d, Submit | Refused)], "an entry is sent or refused, never lost"
