"""A journaled session once more: its events through a fresh engine, every decision compared with the recorded one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.core.journal import Manifest, Record, decision_of, encode, event_of, manifest
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Event
from pipelines.core.trading.seats import Allocation


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


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded event, what the engine makes of it now, and what was recorded that it made."""

    seq: int
    event: Event
    decided: list[Decision]
    recorded: list[Decision]

    @property
    def difference(self) -> Difference | None:
        """None where both are the same as JSON, byte for byte."""
        recorded, replayed = ([encode(decision).decode() for decision in made] for made in (self.recorded, self.decided))
        return None if recorded == replayed else Difference(self.seq, recorded, replayed)


def steps(records: Iterable[Record], engine: Engine) -> Iterator[Step]:
    """Feed a journal's events to an engine that stands before the first of them."""
    last: Step | None = None
    for record in records:
        if record.kind == "decision" and last is not None:
            last.recorded.append(decision_of(record))
        elif record.kind == "event":
            if last is not None:
                yield last
            event = event_of(record)
            last = Step(record.seq, event, engine.process(event), [])
    if last is not None:
        yield last


def replay(records: Sequence[Record], strategies: Sequence[Allocation]) -> Replay:
    """Feed a journal's events to a fresh engine and compare every decision with the recorded one."""
    events = decisions = 0
    for step in steps(records, rebuild(manifest(records[0]), strategies)):
        if step.difference is not None:
            return Replay(events, decisions, step.difference)
        events, decisions = events + 1, decisions + len(step.decided)
    return Replay(events, decisions, None)
