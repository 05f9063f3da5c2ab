"""The engine through any market, any broker and any order of commands: what has to hold holds after every event.

The promises (I1 to I4) are those of the whole product: what is held is protected or on its way out, never more is on its way out than is held,
one order per id, worst-case exposure within the limits at the moment of an entry.
"""

from collections import deque
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from market import SECTORS, briefing_of
from wild import SLOW, Broker, Fate

from pipelines.core.journal import Record, encode, event_of
from pipelines.core.market.bars import MINUTE, SECOND, Bar, Print, Quote
from pipelines.core.risk.limits import Limits
from pipelines.core.trading import events
from pipelines.core.trading.commands import MANUAL, Close, Flatten, Instruction, Manage, Open, Release, Resume, Stand
from pipelines.core.trading.decisions import Decision, Lineage, Refused, Request, StateChanged, Submit, TradeClosed, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, Event, Holding, MarketBar, Tick
from pipelines.core.trading.orders import Role, Side, Status
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Adjust, Enter, Intent, Leave, Strategy, View
from pipelines.core.trading.trades import AGAIN, PATIENCE, Stage

SYMBOLS = tuple(SECTORS)
EQUITY = 100_000.0

POLL = 15 * SECOND
"""How often the broker is asked for every order, as the runner does."""

NAKED = POLL + PATIENCE + 2 * AGAIN + SLOW + 2 * SECOND
"""How long shares may be without protection when every word about them was lost until the next poll."""


class Eager(Strategy):
    """Wants something after almost every bar; what it is follows from the bar alone."""

    name: ClassVar[str] = "eager"
    salt: int = 0

    def on_bar(self, view: View) -> Intent | None:
        pick, close = round(view.bar.close * 100) + self.salt, view.bar.close
        if view.position:
            sign = 1 if view.position > 0 else -1
            wishes: list[Intent | None] = [
                Leave("enough"),
                Adjust("half", scale_out=0.5),
                Adjust("follow", trail=0.8),
                Adjust("tighter", stop=close - sign * 0.7, target=close + sign * 1.5),
            ]
            return (wishes + [None] * 4)[pick % 8]
        if pick % 4 == 3:
            return None
        side = Side.BUY if pick % 2 else Side.SELL
        limit = round(close - side.sign * 0.05, 2) if pick % 5 == 0 else None
        return Enter(side, "why not", limit=limit, stop=0.9 if pick % 3 else None, target=None if pick % 7 else 1.1)


class Keen(Eager):
    """Another one, so that they meet on a symbol."""

    name: ClassVar[str] = "keen"


STRATEGIES = (Allocation(Eager(), "v", 0.7), Allocation(Keen(salt=6), "v", None))

LIMITS = (
    Limits(),
    Limits(
        max_sector_exposure=0.5, max_correlated_exposure=0.5, max_portfolio_heat=0.05, max_concentration=0.5, symbol_losses=50, strategy_losses=500
    ),
    Limits(max_daily_loss=0.0005, max_sector_exposure=0.5, max_position_size=0.1, max_concentration=0.5),
)


class AnyDay(RuleBasedStateMachine):
    """A market, a broker and people, all at once."""

    @initialize(
        limits=st.sampled_from(LIMITS),
        scripts=st.tuples(*[st.lists(st.integers(0, 10), min_size=1, max_size=12)] * 4),
        outside=st.sampled_from([0, 0, 0, 5]),
    )
    def begin(self, limits: Limits, scripts: tuple[list[int], ...], outside: int) -> None:
        self.briefing = briefing_of(SYMBOLS)
        self.limits = limits
        self.engine = self.fresh()
        self.broker = Broker(*(Fate(script) for script in scripts), outside={"XOM": outside} if outside else {})
        self.now = self.briefing.hours.open + 4 * MINUTE
        self.history: list[Event] = []
        self.made: list[bytes] = []
        self.queue: deque[Event] = deque()
        self.busy = False
        self.state = TradingState.REDUCING
        self.prices = dict.fromkeys(SYMBOLS, 100.0)
        self.seen: dict[str, int] = {}
        self.halted: set[str] = set()
        self.tainted: dict[str, int] = {}
        self.bands: dict[str, tuple[float, float]] = {}
        self.feeds: dict[str, bool] = {}
        self.naked: dict[str, int] = {}
        self.raced: set[str] = set()
        self.lost = False
        self.ids: set[str] = set()
        self.closed: dict[str, float] = {}
        self.commands: list[Command] = []
        self.polled = 0
        self.requests = 0
        self.feed(self.account())
        self.command(Resume())
        for _ in range(2):
            self.minute([0] * len(SYMBOLS))

    def fresh(self) -> Engine:
        return Engine(self.briefing, self.limits, STRATEGIES, run="r")

    # --- the loop, as the runner has it

    def feed(self, *said: Event) -> None:
        """Events in, requests out, and what the broker says to them, until nothing follows."""
        self.queue.extend(said)
        if self.busy:
            return
        self.busy, before = True, self.requests
        while self.queue:
            self.process(self.queue.popleft())
            assert self.requests - before < 100, "one event led to hundreds of requests"
        self.busy = False

    def process(self, event: Event) -> None:
        self.history.append(event)
        decisions = self.engine.process(event)
        self.made.append(b"".join(encode(d) for d in decisions))
        for decision in decisions:
            self.judge(decision)
        for decision in decisions:
            if isinstance(decision, Request):
                self.requests += 1
                self.queue.extend(self.broker.take(decision, self.now))
        self.check()

    def wait(self, seconds: int) -> None:
        """Time goes by, second by second; every 15 the broker is asked."""
        for _ in range(seconds):
            self.now += SECOND
            self.feed(*self.broker.time_passes(self.now), Tick(self.now))
            if self.now - self.polled >= POLL and self.engine.trades:
                self.polled = self.now
                self.feed(*self.broker.poll(self.now))

    def account(self) -> AccountState:
        held = {s: self.broker.position(s) for s in SYMBOLS}
        return AccountState(EQUITY, EQUITY, 4 * EQUITY, tuple(Holding(s, n, 100.0) for s, n in held.items() if n), self.now)

    def command(self, instruction: Instruction) -> None:
        self.commands.append(Command(f"c{len(self.commands)}", instruction, "test", self.now))
        self.feed(self.commands[-1])

    # --- what has to hold

    def judge(self, decision: Decision) -> None:
        """Each decision by itself."""
        if isinstance(decision, StateChanged):
            assert decision.before is self.state
            self.state = decision.after
        elif isinstance(decision, TradeClosed):
            assert decision.trade not in self.closed, "a trade is told once"
            self.closed[decision.trade] = decision.profit
        elif isinstance(decision, Refused):
            assert decision.check.detail
            assert not decision.check.passed
        elif isinstance(decision, Submit):
            assert decision.order.id not in self.ids, "I3: one order per id"
            self.ids.add(decision.order.id)
            assert decision.order.quantity >= 1
            if decision.role is Role.ENTRY:
                assert decision.lineage is not None
                self.judge_entry(decision, decision.lineage)

    def judge_entry(self, entry: Submit, lineage: Lineage) -> None:
        """I4 and I5: nothing speaks against it, and at worst it stays within every limit."""
        symbol, at, price = entry.order.symbol, entry.at, lineage.arrival
        assert self.state is TradingState.ACTIVE
        assert symbol not in self.halted
        assert at >= self.tainted.get(symbol, 0)
        assert at - self.seen[symbol] < self.limits.stale_after * SECOND
        assert not self.feeds or any(self.feeds.values())
        assert self.limits.market_open_buffer * MINUTE <= at - self.briefing.hours.open
        assert self.briefing.hours.close - at > self.limits.market_close_buffer * MINUTE
        low, high = self.bands.get(symbol, (0.0, 1e9))
        assert low < price < high
        sign, portfolio, limits = entry.order.side.sign, self.engine.portfolio, self.limits
        assert portfolio is not None
        assert entry.order.stop is not None
        assert (price - entry.order.stop) * sign > 0
        if self.raced:
            return  # two exits of one position filled: what is held is not what anybody wanted
        worth = {s: self.worst(s) * portfolio.prices.get(s, 100.0) for s in SYMBOLS}
        assert worth[symbol] * sign >= 0, "nobody is on the other side"
        worth[symbol] += sign * entry.order.quantity * price
        equity, sizes = portfolio.equity * (1 + 1e-9), {s: abs(v) for s, v in worth.items()}
        regime = self.briefing.regime
        assert sizes[symbol] <= limits.max_position_size * regime.position_multiplier * equity
        assert sum(sizes.values()) <= limits.max_gross_exposure * equity
        assert sum(v for s, v in sizes.items() if SECTORS[s] == SECTORS[symbol]) <= limits.max_sector_exposure * equity
        assert sum(1 for v in sizes.values() if v) <= limits.max_positions

    def worst(self, symbol: str) -> int:
        """Signed shares of the symbol if every entry that lives, or that nobody has heard of again, fills."""
        pending = sum(o.side.sign * o.left for o in self.broker.orders.values() if o.symbol == symbol and o.role is Role.ENTRY and o.live)
        silent = [(o, r) for o, r, _ in self.broker.silent if o.symbol == symbol and r is Role.ENTRY and o.id not in self.broker.orders]
        return self.broker.position(symbol) + pending + sum(o.side.sign * o.quantity for o, _ in silent)

    def check(self) -> None:
        """The whole, after every event."""
        portfolio, trades = self.engine.portfolio, self.engine.trades.values()
        assert portfolio is not None
        assert self.engine.state is self.state
        for symbol in SYMBOLS:
            self.check_protection(symbol)
            assert portfolio.quantity(symbol) == sum(t.held * t.side.sign for t in trades if t.symbol == symbol)
        assert all(symbol in self.raced for symbol in (line.split()[-1] for line in self.broker.excess)), f"I2: {self.broker.excess}"
        profit = sum(self.closed.values()) + sum(t.profit(portfolio.prices.get(t.symbol, 0.0)) for t in trades)
        assert profit == pytest.approx(portfolio.realised + portfolio.open_profit, abs=1e-6)
        self.lost |= portfolio.equity <= EQUITY * (1 - self.limits.max_daily_loss)
        if self.lost:
            assert self.state is TradingState.HALTED
            assert all(t.stage is Stage.CLOSING for t in trades)

    def check_protection(self, symbol: str) -> None:
        """I1: protected, or on the way out, within the patience. I2: and never more than that."""
        held = self.broker.position(symbol) - self.broker.outside.get(symbol, 0)
        way_out = Side.SELL if held > 0 else Side.BUY
        covered = self.broker.leaving(symbol, way_out) if held else 0
        if symbol not in self.raced:
            assert covered <= abs(held), f"I2: {covered} shares of {held} {symbol} on their way out"
        if covered >= abs(held) or symbol in self.raced:
            self.naked.pop(symbol, None)
            return
        since = max(self.naked.setdefault(symbol, self.now), self.broker.refused.get(symbol, 0))
        assert self.now - since <= NAKED, f"I1: {abs(held) - covered} of {held} {symbol} naked for {(self.now - since) / SECOND:.0f} s"

    # --- the market

    @rule(steps=st.lists(st.integers(-60, 60), min_size=len(SYMBOLS), max_size=len(SYMBOLS)))
    def minute(self, steps: list[int]) -> None:
        """A minute with a bar of each symbol that traded; hundredths of a dollar."""
        start = (self.now - self.briefing.hours.open) // MINUTE * MINUTE + self.briefing.hours.open
        self.wait((start + MINUTE - self.now) // SECOND)
        for symbol, step in zip(SYMBOLS, steps, strict=True):
            if step % 13 == 12:
                continue
            self.bar(symbol, round(self.prices[symbol] + step / 100, 2), start)

    @rule(seed=st.integers(0, 1_000), count=st.integers(2, 6))
    def minutes(self, seed: int, count: int) -> None:
        """Some of them; what waits at the broker fills between them."""
        for number in range(count):
            self.minute([(seed * 7919 + number * 104729 + place * 1299709) % 121 - 60 for place in range(len(SYMBOLS))])
            for member in [m for m in self.broker.fillable if m.role in {Role.ENTRY, Role.EXIT}]:
                shares = min(member.left, (seed + number) % 25 + 1)
                self.feed(*self.broker.fill(member, shares, self.prices[member.symbol], self.now))

    def bar(self, symbol: str, close: float, start: int, *, late: bool = False) -> None:
        before = self.prices[symbol]
        bar = Bar(symbol, start, before, max(before, close) + 0.05, min(before, close) - 0.05, close, 2_000 + round(close) % 7 * 100, close, 20)
        if not late:
            self.prices[symbol] = close
            self.seen[symbol] = max(start, self.seen.get(symbol, 0))
        self.feed(MarketBar(bar, "iex", self.now, late))

    @rule(symbol=st.sampled_from(SYMBOLS), kind=st.integers(0, 7), number=st.integers(-60, 60))
    def something_else_is_told(self, symbol: str, kind: int, number: int) -> None:
        """Late and revised bars, trades, quotes, halts, bands, things taken back, feeds."""
        now, price, start = self.now, self.prices[symbol], self.now // MINUTE * MINUTE
        match kind:
            case 0:
                self.bar(symbol, 100 + number / 100, start - (number % 4 + 2) * MINUTE, late=True)
            case 1:
                close = 100 + number / 100
                bar = Bar(symbol, start - (number % 3 + 1) * MINUTE, close, close + 1, close - 1, close, 900, close, 3)
                self.feed(events.RevisedBar(bar, "iex", now))
            case 2:
                self.print(symbol, price + number / 20, counts=number % 3 > 0)
            case 3:
                self.feed(events.MarketQuote(Quote(symbol, price - 0.01, price + 0.01, abs(number), abs(number), now), "iex", now))
            case 4:
                self.halt(symbol, halted=number > 0)
            case 5:
                self.bands[symbol] = (price - abs(number) / 30, price + abs(number) / 30)
                self.feed(events.Band(symbol, *self.bands[symbol], now))
            case 6:
                until = now + abs(number) * 5 * SECOND
                self.tainted[symbol] = max(until, self.tainted.get(symbol, 0)) if number else 0  # over at once: it is taken back
                self.feed(events.Taint(symbol, "a trade was cancelled", until, now))
            case 7:
                feed = "polygon" if number % 2 else "iex"
                self.feeds[feed] = number > -30
                self.feed(events.FeedStatus(feed, self.feeds[feed], "said so", now))

    def print(self, symbol: str, price: float, *, counts: bool) -> None:
        if counts:
            self.prices[symbol], self.seen[symbol] = price, self.now
        self.feed(events.MarketTrade(Print(symbol, price, 100, self.now, counts), "iex", self.now))

    def halt(self, symbol: str, *, halted: bool) -> None:
        (self.halted.add if halted else self.halted.discard)(symbol)
        if not halted:
            self.bands.pop(symbol, None)
        self.feed(events.Halt(symbol, halted, "T1", self.now))

    # --- the broker

    @precondition(lambda self: self.broker.fillable)
    @rule(data=st.data(), most=st.integers(1, 30), away=st.integers(-20, 20))
    def shares_fill(self, data: st.DataObject, most: int, away: int) -> None:
        member = data.draw(st.sampled_from(self.broker.fillable))
        self.feed(*self.broker.fill(member, min(most, member.left), self.prices[member.symbol] + away / 100, self.now))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def both_exits_fill(self, data: st.DataObject) -> None:
        stop = data.draw(st.sampled_from(self.pairs))
        self.raced.add(stop.symbol)
        for member in (*self.broker.group(stop), stop):
            self.feed(*self.broker.fill(member, member.left, self.prices[stop.symbol], self.now, both=True))

    @property
    def pairs(self) -> list[Any]:
        return [o for o in self.broker.fillable if o.role is Role.STOP and any(p.role is Role.TARGET for p in self.broker.group(o))]

    @precondition(lambda self: any(o.live for o in self.broker.orders.values()))
    @rule(data=st.data(), status=st.sampled_from([Status.CANCELED, Status.EXPIRED]))
    def the_broker_ends_an_order(self, data: st.DataObject, status: Status) -> None:
        member = data.draw(st.sampled_from([o for o in self.broker.orders.values() if o.live]))
        self.feed(*self.broker.drop(member, status, self.now))

    @precondition(lambda self: self.broker.later)
    @rule(place=st.integers(0, 20))
    def a_late_word_arrives(self, place: int) -> None:
        self.feed(self.broker.later.pop(place % len(self.broker.later)))

    @rule()
    def the_broker_is_asked(self) -> None:
        self.feed(*self.broker.poll(self.now))

    @rule()
    def the_account_is_told(self) -> None:
        self.feed(self.account())

    @rule(seconds=st.integers(1, 50))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    # --- people

    @rule(
        symbol=st.sampled_from([*SYMBOLS, "ZZZZ"]),
        side=st.sampled_from(Side),
        quantity=st.one_of(st.none(), st.integers(1, 40)),
        limit=st.booleans(),
        who=st.sampled_from([MANUAL, MANUAL, "eager", "nobody"]),
    )
    def somebody_opens(self, symbol: str, side: Side, quantity: int | None, limit: bool, who: str) -> None:
        price = round(self.prices.get(symbol, 50.0) - side.sign * 0.03, 2) if limit else None
        self.command(Open(symbol, side, quantity, price, strategy=who))

    @rule(symbol=st.sampled_from(SYMBOLS), who=st.sampled_from([None, MANUAL, "eager"]))
    def somebody_closes(self, symbol: str, who: str | None) -> None:
        self.command(Close(symbol, who))

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        stop=st.one_of(st.none(), st.integers(-200, 200)),
        aim=st.one_of(st.none(), st.integers(-200, 200)),
        trail=st.one_of(st.none(), st.floats(0.1, 2)),
        share=st.one_of(st.none(), st.floats(0, 1)),
    )
    def somebody_manages(self, symbol: str, stop: int | None, aim: int | None, trail: float | None, share: float | None) -> None:
        prices = [None if away is None else self.prices[symbol] + away / 100 for away in (stop, aim)]
        self.command(Manage(symbol, *prices, trail, share))

    @rule(word=st.sampled_from([Flatten(), Stand(), Resume(), Resume(), Resume(), Release("eager"), Release("nobody")]))
    def somebody_commands(self, word: Instruction) -> None:
        self.command(word)
        if isinstance(word, Flatten):
            assert all(t.stage is Stage.CLOSING for t in self.engine.trades.values())

    @precondition(lambda self: self.commands)
    @rule(place=st.integers(0, 50))
    def a_command_comes_twice(self, place: int) -> None:
        """The same id is the same command, also later, also with another text under it."""
        old = self.commands[place % len(self.commands)]
        before = self.requests, self.state
        decisions = self.engine.process(Command(old.id, Flatten(), "test", self.now))
        self.history.append(Command(old.id, Flatten(), "test", self.now))
        self.made.append(b"".join(encode(d) for d in decisions))
        assert decisions == []
        assert (self.requests, self.state) == before

    # --- the end

    def teardown(self) -> None:
        if not hasattr(self, "engine") or self.busy:
            return  # nothing begun, or something found
        self.end()
        self.once_more()

    def end(self) -> None:
        """Flatten, by a person or by the end of the day: everything goes, and stays gone."""
        self.broker.honest = True
        if len(self.history) % 2:
            self.command(Flatten())
        else:
            self.now = self.briefing.hours.close - self.limits.market_close_buffer * MINUTE
            self.naked.clear()
            self.feed(Tick(self.now))
        assert self.state is not TradingState.ACTIVE
        for _ in range(12):
            self.wait(8)
            for member in [m for m in self.broker.fillable if m.role is Role.EXIT]:
                self.feed(*self.broker.fill(member, member.left, self.prices[member.symbol], self.now))
        self.feed(*self.broker.poll(self.now), Tick(self.now))
        left = {s: self.broker.position(s) for s in SYMBOLS if self.broker.position(s)}
        assert left == self.broker.outside, [t for t in self.engine.trades.values() if t.symbol in left]
        assert [o.id for o in self.broker.orders.values() if o.live] == []
        assert self.engine.flat
        held = self.briefing.hours.close  # nothing begins anew
        self.feed(Tick(held), *self.broker.later, Tick(held))
        assert self.engine.flat
        portfolio = self.engine.portfolio
        assert portfolio is not None
        assert sum(self.closed.values()) == pytest.approx(portfolio.realised, abs=1e-6)

    def once_more(self) -> None:
        """The same events, read back from a journal, give the same decisions."""
        engine = self.fresh()
        for number, (event, made) in enumerate(zip(self.history, self.made, strict=True)):
            read = event_of(Record(number, event.at, "event", _plain(event)))
            assert b"".join(encode(d) for d in engine.process(read)) == made


def _plain(event: Event) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.json.decode(encode(event)))


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(max_examples=15, stateful_step_count=40)


class ManyDays(AnyDay):
    """The same for minutes."""


TestManyDays = pytest.mark.soak(ManyDays.TestCase)
TestManyDays.settings = settings(max_examples=300, stateful_step_count=40)
