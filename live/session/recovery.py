"""Going on after a death: a session of today that has a journal is resumed, whatever ended it, so that starting and recovering are one path.

The journal is checked and its torn tail cut off; its events go through a fresh engine, which has to make the same decisions again; what was decided
and has no answer is UNKNOWN, and the broker is asked. Nothing is sent twice: the same ids are the same orders.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from live import journal
from live.journal import Journal
from pipelines import journals, roster
from pipelines.core.backtest.replay import Step, rebuild, steps
from pipelines.core.errors import JournalError
from pipelines.core.journal import Manifest, encode, manifest
from pipelines.core.market.bars import Bar
from pipelines.core.trading.decisions import Decision, StateChanged, Submit, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Action, Alarm, Answer, Event, FeedStatus, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role

BY_HAND = "`daybot flat --direct` closes what is open; then move the journal away, and start again"


@dataclass(slots=True)
class Recovered:
    """A session as it stood when its run died."""

    manifest: Manifest
    engine: Engine
    journal: Journal
    events: int = 0
    state: TradingState = TradingState.ACTIVE
    """The last one that trading was put into; ACTIVE where it never changed from what it began with."""
    sent: dict[str, Submit] = field(default_factory=dict)
    """Orders that were decided, by id."""
    unanswered: dict[str, Submit] = field(default_factory=dict)
    """Those of which nothing was heard."""
    run: dict[str, Any] = field(default_factory=dict)
    """Code and settings of the run that goes on with it."""
    undone: list[Decision] = field(default_factory=list)
    """Decisions that follow from the last events and were not written: nothing of them was sent."""

    @property
    def orders(self) -> list[Order]:
        """All that the broker may know of."""
        return [wish.order for wish in self.sent.values()]

    @property
    def asked(self) -> list[Submit]:
        """Requests whose outcome is unknown; entries that were never sent are not among them."""
        never = {wish.order.id for wish in self._never}
        return [wish for wish in self.unanswered.values() if wish.order.id not in never]

    @property
    def _never(self) -> list[Submit]:
        return [d for d in self.undone if isinstance(d, Submit) and d.role is Role.ENTRY]

    def begin(self, now: int) -> Iterator[Event]:
        """Write down that the session goes on, and from where; the events that it goes on with.

        What was decided and not written is written now. Of it, what reduces risk is sent; an entry is another trade by now, and is refused.
        """
        counts = {"events": self.events, "orders": len(self.sent), "unanswered": len(self.asked), "undone": len(self.undone)}
        self.journal.append("resume", now, {**counts, **self.run})
        for decision in self.undone:
            self.journal.append("decision", now, encode(decision))
        self.journal.barrier()
        unknown = f"{len(self.asked)} requests have no answer" if self.asked else "every request has its answer"
        yield Alarm("RECOVERED", f"the session goes on after {self.events} events and {len(self.sent)} orders; {unknown}", now)
        yield from (FeedStatus(feed, False, "the runner was not there", now) for feed, healthy in self.engine.feeds.items() if healthy)
        yield from (Answer(wish.order.id, Action.SUBMIT, Outcome.REJECTED, now, message="the runner died before it was sent") for wish in self._never)

    def missed(self, history: list[Bar]) -> list[Bar]:
        """The bars that the engine has not seen."""
        seen = {symbol: i.bar.start for symbol, i in self.engine.instruments.items() if i.bar is not None}
        return [bar for bar in history if bar.start > seen.get(bar.symbol, -1)]


def find(folder: Path, session: date, account: str) -> Path | None:
    """The newest journal of this session and account; None where nobody has begun it."""
    found = [path for path in journals.sessions(folder, session) if path.name.startswith(f"{session}-") and path.suffix == ".jsonl"]
    for path in reversed(found):
        head = next(_whole(path), None)
        if head is not None and head.account == account:
            return path
    return None


def heads(folder: Path) -> Iterator[Manifest]:
    """Of the sessions of a home, shadow ones too, the newest first; what cannot be read is left out."""
    found = sorted([*journals.sessions(folder), *journals.sessions(folder / journals.SHADOW)], key=lambda path: path.name, reverse=True)
    return (head for path in found for head in _whole(path))


def unfinished(path: Path) -> bool:
    """The session's last run did not end, or not with everything closed."""
    last = None
    for record in journal.read(path):
        last = record
    return last is None or last.kind != "end" or not last.data["flat"]


def recover(path: Path, *, part: int = 0) -> Recovered:
    """The session as it stood; its journal is open for more. `part`: bytes after which it goes on in another file.

    Raises JournalError where the journal was changed, or where this code does not make the decisions that are in it.
    """
    book = Journal(path, resume=True, part=part)
    records = journal.read(path)
    head = manifest(next(records))
    found = Recovered(head, rebuild(head, roster.restored(head)), book)
    last: Step | None = None
    for step in steps(records, found.engine):
        if last is not None:
            _take(found, last, whole=True)
        last = step
    if last is not None:
        _take(found, last, whole=False)
    return found


def _take(found: Recovered, step: Step, *, whole: bool) -> None:
    """One event of the dead run. Of the last one some decisions may not have been written any more."""
    found.events += 1
    difference = step.difference
    if difference is not None:
        written = len(difference.recorded)
        if whole or difference.replayed[:written] != difference.recorded:
            raise JournalError(
                f"{found.journal.path}: after record {step.seq} this code decides otherwise than the run that died: "
                f"recorded {difference.recorded}, now {difference.replayed}. {BY_HAND}"
            )
        found.undone = step.decided[written:]
    event = step.event
    if isinstance(event, OrderUpdate) or (isinstance(event, Answer) and event.request is Action.SUBMIT and event.outcome is not Outcome.UNKNOWN):
        found.unanswered.pop(event.id.partition("/")[0], None)
    for decision in step.decided:
        if isinstance(decision, StateChanged):
            found.state = decision.after
        elif isinstance(decision, Submit):
            found.sent[decision.order.id] = found.unanswered[decision.order.id] = decision


def _whole(path: Path) -> Iterator[Manifest]:
    """The manifest of a journal, if so much of it was written."""
    try:
        yield manifest(next(journal.read(path)))
    except (StopIteration, JournalError):
        return
