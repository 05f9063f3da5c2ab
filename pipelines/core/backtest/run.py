"""Runs the engine over bars: the same engine as live, fed by something else."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from pipelines.core.backtest.fills import BarVenue
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Decision, Request
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, Event, MarketBar, Tick


@dataclass(frozen=True, slots=True)
class Step:
    """One event and what the engine made of it."""

    event: Event
    decisions: list[Decision]


def run(engine: Engine, bars: Iterable[Bar], *, equity: float, venue: BarVenue | None = None, feed: str = "backtest") -> Iterator[Step]:
    """Every step of a session over these bars (sorted by start, then in arrival order).

    A minute first fills what waits at its open, then moves through the exits, and at its end the engine sees its bars, as it would live:
    a decision taken on a bar can only be filled by a later minute.
    """
    venue = venue or BarVenue()
    opening = engine.hours.open - MINUTE
    yield from _exchange(engine, venue, AccountState(equity, equity, 4 * equity, (), opening))
    yield from _exchange(engine, venue, Command("arm", Resume(), "backtest", opening))
    for start, group in groupby(bars, key=lambda bar: bar.start):
        minute = list(group)
        at = start + MINUTE
        for update in venue.open({bar.symbol: bar for bar in minute}, start):
            yield from _exchange(engine, venue, update)
        for bar in minute:
            for update in venue.trade(bar, at):
                yield from _exchange(engine, venue, update)
        for bar in minute:
            yield from _exchange(engine, venue, MarketBar(bar, feed, at))
        yield from _exchange(engine, venue, Tick(at))


def _exchange(engine: Engine, venue: BarVenue, event: Event) -> Iterator[Step]:
    """One event, and everything that the broker answers at once to the decisions that follow from it."""
    queue: deque[Event] = deque([event])
    while queue:
        now = queue.popleft()
        decisions = engine.process(now)
        yield Step(now, decisions)
        for decision in decisions:
            if isinstance(decision, Request):
                queue.extend(venue.take(decision, now.at))
