"""Runs the engine over a recorded session: the same engine as live, fed by something else."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from pipelines.core.backtest.fills import Venue
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Decision, Request
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Band, Command, Event, Halt, Market, MarketBar, MarketTrade, Tick
from pipelines.core.trading.trades import PATIENCE


class Step(Struct, frozen=True, gc=False):
    """One event and what the engine made of it."""

    event: Event
    decisions: list[Decision]


def run(
    engine: Engine, bars: Iterable[Bar], *, equity: float, venue: Venue | None = None, feed: str = "backtest", inside: Sequence[Market] = ()
) -> Iterator[Step]:
    """Every step of a session over these bars (sorted by start, then in arrival order).

    `inside` is what is known of the minutes themselves, in order of time: trades, halts, bands. A minute first fills what waits at its open, then
    does what happens inside it, and at its end the engine sees its bars, as it would live: a decision taken on a bar can only be filled by
    a later minute. Orders meet the regular session only; bars around it move indicators.
    """
    session = _Session(engine, venue or Venue(briefing=engine.briefing), feed)
    opening, close = engine.hours.open, engine.hours.close
    news, over, armed = deque(inside), False, False
    for start, group in groupby(bars, key=attrgetter("start")):
        if not armed:
            armed = True
            yield from session.arm(equity, min(start, opening - MINUTE))
        if start >= close and not over:
            over = True
            yield from session.end(close)
        minute = list(group)
        happened: list[Market] = []
        while news and news[0].at <= start + MINUTE:
            happened.append(news.popleft())
        if opening <= start < close:
            yield from session.market(minute, happened, start)
        else:
            for event in happened:
                if not isinstance(event, MarketTrade):
                    yield from session.inside(event, {})
        yield from session.learn(minute, start + MINUTE)
    if armed and not over:
        yield from session.end(close)


class _Session:
    """The loop between engine and venue."""

    def __init__(self, engine: Engine, venue: Venue, feed: str) -> None:
        self.engine, self.venue, self.feed = engine, venue, feed
        self.trades = any(s.allocation is not None and s.allocation.strategy.needs.trades for s in engine.account.seats.values())

    def arm(self, equity: float, at: int) -> Iterator[Step]:
        """The account is told, and trading allowed."""
        yield from self.exchange(AccountState(equity, equity, 4 * equity, (), at))
        yield from self.exchange(Command("arm", Resume(), "backtest", at))

    def market(self, minute: list[Bar], happened: list[Market], start: int) -> Iterator[Step]:
        """What the minute does to our orders."""
        venue, at = self.venue, start + MINUTE
        bars = {bar.symbol: bar for bar in minute}
        printed = _volumes(minute, happened) if happened else {}
        if venue.waiting:
            for update in venue.open(bars, start, printed):
                yield from self.exchange(update)
            if not happened and venue.impatient:
                # The engine would have lost patience inside this minute, and have protected what it got.
                yield from self.exchange(Tick(start + PATIENCE))
        else:
            venue.open({}, start)
        for event in happened:
            yield from self.inside(event, printed)
        venue.last.update(bars)
        waiting, exits = venue.waiting, venue.exits
        for symbol, bar in bars.items() if waiting or exits else ():
            if (symbol in exits or symbol in waiting) and symbol not in printed:
                for update in venue.trade(bar, at):
                    yield from self.exchange(update)

    def inside(self, event: Market, printed: dict[str, float]) -> Iterator[Step]:
        """One thing that happened inside the minute: to the venue first, then to the engine where it would hear of it."""
        if self.venue.impatient:
            yield from self.exchange(Tick(event.at))
        if isinstance(event, MarketTrade):
            for update in self.venue.print(event.trade, printed[event.trade.symbol]):
                yield from self.exchange(update)
            if not self.trades:
                return
        elif isinstance(event, Halt):
            self.venue.halt(event.symbol, event.halted)
        elif isinstance(event, Band):
            self.venue.bands[event.symbol] = (event.low, event.high)
        yield from self.exchange(event)

    def learn(self, minute: list[Bar], at: int) -> Iterator[Step]:
        """The engine hears of the minute's bars, and that the minute is over."""
        process, feed = self.engine.process, self.feed
        for bar in minute:
            event = MarketBar(bar, feed, at)
            decisions = process(event)
            yield Step(event, decisions)
            if decisions:
                yield from self.answer(decisions, at)
        yield from self.exchange(Tick(at))

    def end(self, at: int) -> Iterator[Step]:
        """The session closes: what waits expires."""
        for update in self.venue.close(at):
            yield from self.exchange(update)

    def exchange(self, event: Event) -> Iterator[Step]:
        """One event, and everything that the broker answers at once to the decisions that follow from it."""
        decisions = self.engine.process(event)
        yield Step(event, decisions)
        if decisions:
            yield from self.answer(decisions, event.at)

    def answer(self, decisions: list[Decision], at: int) -> Iterator[Step]:
        """The broker's words on these requests, and on those that follow from them."""
        queue: deque[Event] = deque(word for decision in decisions if isinstance(decision, Request) for word in self.venue.take(decision, at))
        while queue:
            event = queue.popleft()
            made = self.engine.process(event)
            yield Step(event, made)
            for decision in made:
                if isinstance(decision, Request):
                    queue.extend(self.venue.take(decision, at))


def _volumes(minute: list[Bar], happened: Iterable[Market]) -> dict[str, float]:
    """Shares of the minute, by each symbol whose trades in it are known: as its bar says, or as they add up to."""
    found: dict[str, float] = {}
    for event in happened:
        if isinstance(event, MarketTrade):
            found[event.trade.symbol] = found.get(event.trade.symbol, 0.0) + event.trade.size
    return found | {bar.symbol: bar.volume for bar in minute if bar.symbol in found}
