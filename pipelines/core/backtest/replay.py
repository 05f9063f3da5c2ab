"""A journaled session once more: its events through a fresh engine, every decision compared with the recorded one."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.core.journal import Manifest, Record, decision_of, encode, event_of, manifest
from pipelines.core.trading.engine import Engine
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
