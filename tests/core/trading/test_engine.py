"""The engine from bars to orders, in the shape of a whole session."""

from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from market import briefing_of

from pipelines.core.backtest.run import run
from pipelines.core.briefing import Briefing
from pipelines.core.journal import DECISION, encode
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.commands import Flatten, Open, Resume
from pipelines.core.trading.decisions import Decision, Refused, StateChanged, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Action, Answer, Command, MarketBar, OrderUpdate, Outcome, Tick
from pipelines.core.trading.orders import Role, Shape, Side, Status
from pipelines.core.trading.seats import Allocation

Day = Callable[..., list[Bar]]


def engine(briefing: Briefing, **limits: float) -> Engine:
    return Engine(briefing, Limits(**limits), [Allocation(Momentum(), "v")], run="t")


def decisions(engine: Engine, bars: Iterable[Bar]) -> list[Decision]:
    return [d for step in run(engine, bars, equity=100_000) for d in step.decisions]


def test_a_breakout_becomes_a_bracket_with_atr_stop_and_target(briefing: Briefing, day: Day) -> None:
    made = decisions(engine(briefing), day())
    entries = [d for d in made if isinstance(d, Submit) and d.role is Role.ENTRY]
    assert entries
    for entry in entries:
        assert entry.lineage is not None
        assert entry.order.stop is not None
        assert entry.order.target is not None
        stop_multiplier = briefing.regime.stop_multiplier
        assert abs(entry.lineage.arrival - entry.order.stop - 1.5 * 2.0 * stop_multiplier) <= 0.01 + 1e-9
        assert abs(entry.order.target - entry.lineage.arrival - 3.0 * 2.0 * stop_multiplier) <= 0.01 + 1e-9
        assert entry.order.quantity * entry.lineage.arrival <= 0.02 * 100_500
        assert entry.lineage.briefing == briefing.version


def test_the_day_ends_flat_fifteen_minutes_before_the_close(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    made = decisions(subject, day())
    assert subject.flat
    assert any(isinstance(d, TradeClosed) for d in made)
    assert [d.reason for d in made if isinstance(d, StateChanged)] == ["resume by backtest", "15 minutes before the close"]
    last = max(d.at for d in made if isinstance(d, Submit) and d.role is Role.ENTRY)
    assert last < briefing.hours.close - 15 * MINUTE


def test_profit_of_the_closed_trades_is_the_profit_of_the_book(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    made = decisions(subject, day())
    assert subject.portfolio is not None
    closed = sum(d.profit for d in made if isinstance(d, TradeClosed))
    assert abs(closed - subject.portfolio.realised) < 1e-6
    assert abs(subject.portfolio.equity - 100_000 - closed) < 1e-6


def test_sector_limit_refuses_the_second_bank_with_its_numbers(briefing: Briefing, brief: Callable[..., object], day: Day) -> None:
    banks = {symbol: brief(symbol, sector="Financials") for symbol in briefing.symbols}
    made = decisions(engine(briefing.model_copy(update={"symbols": banks}), max_sector_exposure=0.025), day())
    refusals = [d for d in made if isinstance(d, Refused)]
    assert refusals
    check = refusals[0].check
    assert (check.code, check.limit, check.passed) == (Code.SECTOR, 0.025, False)
    assert 0.03 < check.value < 0.045
    assert check.detail.startswith("Financials: ")


def test_a_symbol_without_history_is_refused_for_want_of_it(briefing: Briefing, brief: Callable[..., object], day: Day) -> None:
    bare = {"AAPL": brief("AAPL", history=0, atr=None, adv=None, close=None, returns=())}
    made = decisions(engine(briefing.model_copy(update={"symbols": bare})), day(("AAPL",)))
    refusals = [d for d in made if isinstance(d, Refused)]
    assert refusals
    assert {(d.check.code, d.check.value, d.check.limit) for d in refusals} == {(Code.HISTORY, 0, 15)}
    assert not [d for d in made if isinstance(d, Submit)]


def test_flatten_cancels_the_exits_first_and_sells_once_their_shares_are_free(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    bought: Submit | None = None
    for step in run(subject, day(("AAPL",)), equity=100_000):
        for decision in step.decisions:
            if isinstance(decision, Submit) and decision.role is Role.ENTRY:
                bought = decision
        if bought and subject.portfolio and subject.portfolio.quantity("AAPL"):
            break
    assert bought is not None
    at = step.event.at + SECOND
    first = subject.process(Command("c1", Flatten(), "test", at))
    assert [d.kind for d in first] == ["state", "cancel"]
    assert subject.process(Command("c1", Flatten(), "test", at)) == []
    entry = bought.order
    stream = [OrderUpdate(f"{entry.id}/{role}", "AAPL", Side.SELL, Status.CANCELED, 0, None, at, "b", "canceled") for role in ("target", "stop")]
    assert subject.process(stream[0]) == []
    (exit_order,) = [d for d in subject.process(stream[1]) if isinstance(d, Submit)]
    assert (exit_order.order.shape, exit_order.order.side, exit_order.order.quantity) == (Shape.SIMPLE, Side.SELL, entry.quantity)


def test_a_half_filled_entry_is_protected_for_what_was_filled(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    opening = briefing.hours.open
    subject.process(AccountState(100_000, 100_000, 400_000, (), opening))
    subject.process(Command("arm", Resume(), "test", opening))
    entry = next(d for bar in day(("AAPL",)) for d in subject.process(MarketBar(bar, "iex", bar.start + MINUTE)) if isinstance(d, Submit))
    at = entry.at + SECOND
    half = OrderUpdate(entry.order.id, "AAPL", Side.BUY, Status.WORKING, 7, 100.0, at, "b", "partial_fill")
    assert subject.process(half) == []
    (cancel,) = subject.process(Tick(at + 8 * SECOND))
    assert (cancel.kind, cancel.id) == ("cancel", entry.order.id)
    dead = OrderUpdate(entry.order.id, "AAPL", Side.BUY, Status.CANCELED, 7, 100.0, at + 9 * SECOND, "b", "canceled")
    (protect,) = subject.process(dead)
    assert isinstance(protect, Submit)
    assert (protect.order.shape, protect.order.quantity, protect.order.side) == (Shape.OCO, 7, Side.SELL)
    assert (protect.order.stop, protect.order.target) == (entry.order.stop, entry.order.target)


@pytest.mark.parametrize(
    ("status", "filled", "counts"),
    [
        (None, 0, "all"),
        ("unknown", 0, "all"),
        (Status.WORKING, 0, "all"),
        (Status.WORKING, 7, "all"),
        (Status.CANCELED, 7, "7"),
        (Status.CANCELED, 0, "0"),
    ],
)
def test_an_entry_counts_whole_in_every_control_until_it_is_known_what_became_of_it(
    status: Status | str | None, filled: int, counts: str, briefing: Briefing, day: Day
) -> None:
    """Unanswered, UNKNOWN, working and half filled: at the worst case (reliability C5)."""
    subject = engine(briefing)
    opening = briefing.hours.open
    subject.process(AccountState(100_000, 100_000, 400_000, (), opening))
    subject.process(Command("arm", Resume(), "test", opening))
    entry = next(d for bar in day(("AAPL",)) for d in subject.process(MarketBar(bar, "iex", bar.start + MINUTE)) if isinstance(d, Submit))
    order, at = entry.order, entry.at + SECOND
    assert entry.lineage is not None
    assert order.stop is not None
    price, away = entry.lineage.arrival, entry.lineage.arrival - order.stop
    if status == "unknown":
        subject.process(Answer(order.id, Action.SUBMIT, Outcome.UNKNOWN, at))
    elif isinstance(status, Status):
        subject.process(OrderUpdate(order.id, "AAPL", Side.BUY, status, filled, price if filled else None, at, "b", "test"))
    shares = order.quantity if counts == "all" else int(counts)
    used = {check.code: check.value for check in subject.usage(at)}
    for code in (Code.POSITION_SIZE, Code.GROSS, Code.NET):
        assert used.get(code, 0.0) == pytest.approx(shares * price / 100_000), code
    assert used.get(Code.HEAT, 0.0) == pytest.approx(shares * away / 100_000)


def test_the_same_word_of_the_broker_twice_changes_nothing(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    for step in run(subject, day(("AAPL",)), equity=100_000):
        if isinstance(step.event, OrderUpdate) and step.event.filled:
            break
    before = subject.portfolio.quantity("AAPL") if subject.portfolio else 0
    assert before > 0
    assert subject.process(step.event) == []
    assert subject.portfolio is not None
    assert subject.portfolio.quantity("AAPL") == before


def test_the_daily_loss_halts_and_closes_everything(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing, max_daily_loss=0.0001)
    made = decisions(subject, day(drift=0.0))
    halts = [d for d in made if isinstance(d, StateChanged) and d.after == "halted"]
    assert len(halts) == 1
    assert "daily loss" in halts[0].reason
    assert subject.flat
    assert not [d for d in made if isinstance(d, Submit) and d.role is Role.ENTRY and d.at > halts[0].at]


def test_entries_of_one_minute_do_not_wait_for_each_other(day: Day) -> None:
    """Fills of one minute arrive one after the other: the second order must not look forgotten when the first is told."""
    names = tuple(f"S{i:02d}" for i in range(20))
    made = decisions(engine(briefing_of(names), max_sector_exposure=1.0), day(names, seed=6, drift=0.0))
    moments = Counter(d.at for d in made if isinstance(d, Submit) and d.role is Role.ENTRY)
    assert max(moments.values()) == 3
    assert not [d for d in made if d.kind == "cancel" and "not filled in time" in d.reason]


def test_a_word_of_a_fill_without_its_price_books_nothing_until_the_price_comes(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing)
    opening = briefing.hours.open
    subject.process(AccountState(100_000, 100_000, 400_000, (), opening))
    subject.process(Command("arm", Resume(), "test", opening))
    entry = next(d for bar in day(("AAPL",)) for d in subject.process(MarketBar(bar, "iex", bar.start + MINUTE)) if isinstance(d, Submit))
    for average, held in ((None, 0), (100.0, 7)):
        subject.process(OrderUpdate(entry.order.id, "AAPL", Side.BUY, Status.WORKING, 7, average, entry.at + SECOND, "b", "partial_fill"))
        assert subject.portfolio is not None
        assert subject.portfolio.quantity("AAPL") == held


def test_a_wish_before_the_first_price_is_refused_in_words_that_a_journal_keeps(briefing: Briefing) -> None:
    subject = engine(briefing)
    at = briefing.hours.open + 10 * MINUTE
    subject.process(AccountState(100_000.0, 100_000.0, 100_000.0, (), at))
    subject.process(Command("arm", Resume(), "test", at))
    (refused,) = subject.process(Command("c", Open("AAPL", Side.BUY, 5), "test", at))
    assert isinstance(refused, Refused)
    assert DECISION.decode(encode(refused)) == refused


def test_requests_count_against_the_brokers_rate_for_a_minute(briefing: Briefing, day: Day) -> None:
    subject = engine(briefing, max_order_rate=2, max_sector_exposure=1.0)
    bars, opening = day(), briefing.hours.open
    subject.process(AccountState(100_000, 100_000, 400_000, (), opening))
    subject.process(Command("arm", Resume(), "test", opening))
    for bar in bars[:5]:
        subject.process(MarketBar(bar, "iex", bar.start + MINUTE))
    at = opening + 10 * MINUTE

    def ask(symbol: str, at: int) -> Decision:
        price = MarketBar(Bar(symbol, at - SECOND, 100.0, 100.0, 100.0, 100.0, 500.0, 100.0, 5), "iex", at)
        subject.process(price)
        return subject.process(Command(f"{symbol} {at}", Open(symbol, Side.BUY, 1), "test", at))[0]

    made = [ask("AAPL", at), ask("MSFT", at + SECOND), ask("JPM", at + 2 * SECOND)]
    assert [d.kind for d in made] == ["submit", "submit", "refused"]
    assert isinstance(made[2], Refused)
    assert (made[2].check.code, made[2].check.value, made[2].check.limit) == (Code.ORDER_RATE, 2, 2)
    assert ask("JPM", at + MINUTE - 1).kind == "refused"
    assert ask("BAC", at + MINUTE).kind == "submit"  # the first is a minute ago


def test_loss_and_drawdown_count_what_is_open_and_the_drawdown_from_the_days_highest_equity(briefing: Briefing) -> None:
    subject, at = engine(briefing, max_daily_loss=0.0009), briefing.hours.open + 10 * MINUTE

    def price(close: float, after: int) -> list[str]:
        bar = Bar("AAPL", at + after * MINUTE, close, close, close, close, 500.0, close, 5)
        return [d.kind for d in subject.process(MarketBar(bar, "iex", bar.start + MINUTE))]

    subject.process(AccountState(100_000, 100_000, 400_000, (), at))
    subject.process(Command("arm", Resume(), "test", at))
    price(100.0, -1)
    entry = subject.process(Command("c", Open("AAPL", Side.BUY, 10), "test", at))[0]
    assert isinstance(entry, Submit)
    subject.process(OrderUpdate(entry.order.id, "AAPL", Side.BUY, Status.FILLED, 10, 100.0, at, "b", "fill"))
    assert price(110.0, 0) == []
    assert price(90.0, 1) == ["state", "cancel"]
    assert subject.state == "halted"
    used = {check.code: check.value for check in subject.usage(at + 2 * MINUTE)}
    assert used[Code.DAILY_LOSS] == pytest.approx(100 / 100_000)
    assert used[Code.DRAWDOWN] == pytest.approx(200 / 100_100)
