"""Runs the engine over bars (a backtest) or over a journal's events (a replay). The same engine as live, fed by something else."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipelines.core.journal import Manifest, Record, decision_of, encode, event_of, manifest
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Decision, Request
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, Event, MarketBar, Tick
from pipelines.core.trading.fills import BarVenue
from pipelines.core.trading.seats import Allocation


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


def rebuild(head: Manifest, strategies: Sequence[Allocation]) -> Engine:
    """The engine as it stood before the first event of a journaled session."""
    return Engine(head.briefing, head.limits, strategies, run=head.run)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a replay parts from what was recorded."""

    seq: int
    recorded: list[str]
    replayed: list[str]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found: how much it compared, and the first difference if there is one."""

    events: int
    decisions: int
    difference: Difference | None


def replay(records: Sequence[Record], strategies: Sequence[Allocation]) -> Replay:
    """Feed a journal's events to a fresh engine and compare every decision with the recorded one, as JSON, byte for byte."""
    engine = rebuild(manifest(records[0]), strategies)
    events = decisions = 0
    pending: list[str] = []
    at_event = 0
    recorded: list[str] = []
    for record in records[1:]:
        if record.kind == "decision":
            recorded.append(encode(decision_of(record)).decode())
        elif record.kind == "event":
            if recorded != pending:
                return Replay(events, decisions, Difference(at_event, recorded, pending))
            decided = engine.process(event_of(record))
            pending, recorded, at_event = [encode(d).decode() for d in decided], [], record.seq
            events, decisions = events + 1, decisions + len(decided)
    if recorded != pending:
        return Replay(events, decisions, Difference(at_event, recorded, pending))
    return Replay(events, decisions, None)
