"""A running session as the tools see it: its parts, the commands that were given and what came of each, and what has happened, by number.

It watches every step of the engine from outside. A session that goes on after a death tells it first what its journal holds, so that a key that
was used before is still the same command.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
from pydantic import BaseModel

from live.problems import ToolError, unready
from live.runner import Runner
from live.tools.asks import Ask, plain
from pipelines.core.analytics.session.explain import Walker
from pipelines.core.analytics.session.ledger import Ledger
from pipelines.core.journal import Manifest, Record, decision_of, event_of
from pipelines.core.market.session import moment
from pipelines.core.trading.commands import Instruction
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Answer, Command, Event, MarketBar, MarketQuote, MarketTrade, Outcome, RevisedBar, Tick
from pipelines.settings import Settings

KEPT = 20_000
"""Happenings that the stream can begin again from."""

QUIET = (Tick, MarketBar, MarketTrade, MarketQuote, RevisedBar)
"""Events that are too many to be told."""

PREFIX = "key-"
"""Before every key of a caller: the session's own commands have names without it, and nobody can take one away from them."""


class Caller(NamedTuple):
    """Who asks, as the door knows him."""

    name: str
    """For the journal."""
    model: str = ""
    """The program in whose name a model asks; empty for everybody else."""


@dataclass(slots=True)
class Given:
    """A command that was given: what, and what the engine decided on it (None: not yet)."""

    instruction: Instruction
    decisions: list[Decision] | None = None
    asked: str = ""
    """The request that it came from; empty where an earlier run took it."""
    answer: BaseModel | None = None
    """The final answer: whoever asks again gets the same."""


class Desk:
    """Of one session. `watch` is told of every step, `tell` gives a command."""

    def __init__(self, settings: Settings, runner: Runner, manifest: Manifest, records: Iterable[Record] = ()) -> None:
        """`records` is what an earlier run of this session left in its journal."""
        self.settings, self.runner, self.manifest = settings, runner, manifest
        self.ledger, self.walker = Ledger(manifest), Walker()
        self.given: dict[str, Given] = {}
        self.answers: dict[str, Outcome] = {}
        """The broker's last word on the submission of an order."""
        self.happened: deque[tuple[int, int, str, Event | Decision]] = deque(maxlen=KEPT)
        """Number of the record, time, kind, and what."""
        self.dropped = 0
        """Number of the newest happening that is kept no more."""
        self.shelf: dict[Path, tuple[int, dict[str, pl.DataFrame]]] = {}
        """Journals of other sessions that were read into tables, with the size that they had."""
        self._moved = asyncio.Event()
        self._made = 0
        self._recall(records)

    # --- what goes by

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine. The runner has journaled the event and right after it each decision."""
        seq = self.runner.record
        self._event(seq, event)
        for number, decision in enumerate(decisions, start=1):
            self._decision(seq + number, decision)
        if isinstance(event, Command):
            given = self.given.setdefault(event.id, Given(event.instruction))
            if given.decisions is None:
                given.decisions = list(decisions)
        if decisions or not isinstance(event, QUIET):
            self._stir()

    def _event(self, seq: int, event: Event) -> None:
        self.ledger.on_event(event)
        self.walker.on_event(seq, event)
        if isinstance(event, Answer):
            self.answers[event.id] = event.outcome
        if not isinstance(event, QUIET):
            self._keep(seq, event.at, event)

    def _decision(self, seq: int, decision: Decision) -> None:
        self.ledger.on_decision(seq, decision)
        self.walker.on_decision(seq, decision)
        self._keep(seq, decision.at, decision)

    def _keep(self, seq: int, at: int, what: Event | Decision) -> None:
        if len(self.happened) == KEPT:
            self.dropped = self.happened[0][0]
        self.happened.append((seq, at, what.kind, what))

    def _recall(self, records: Iterable[Record]) -> None:
        """Take in what an earlier run has written: the same steps, read instead of watched."""
        last: Event | None = None
        for record in records:
            if record.kind == "event":
                last = event_of(record)
                self._event(record.seq, last)
                if isinstance(last, Command):
                    self.given.setdefault(last.id, Given(last.instruction, []))
            elif record.kind == "decision":
                decision = decision_of(record)
                self._decision(record.seq, decision)
                if isinstance(last, Command) and (given := self.given[last.id]).decisions is not None:
                    given.decisions.append(decision)
            elif record.kind in {"durable", "sent"}:
                self.ledger.on_stage(record)

    def _stir(self) -> None:
        """Wake whoever waits."""
        self._moved.set()
        self._moved = asyncio.Event()

    # --- waiting

    async def moved(self, seconds: float) -> bool:
        """Return when something happened, or after so many seconds of wall time; whether something did."""
        try:
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True

    # --- commands

    def key(self, key: str | None) -> str:
        """The name of a command: the caller's, or one that nobody has used."""
        if key is not None:
            return PREFIX + key
        self._made += 1
        return f"{PREFIX}{self.runner.clock.now()}-{self._made}"

    async def tell(self, name: str, instruction: Instruction, ask: Ask, who: Caller, wait: float) -> Given:
        """Put the command on the queue, unless it was before, and wait for what the engine decides. `decisions` None: it has not, in that time.

        Raises `ToolError` where the key was used for something else.
        """
        given = self.before(name, ask, instruction)
        if given is None:
            if self.runner.over:
                raise unready("the session is over: nothing is traded any more")
            given = self.given[name] = Given(instruction, asked=_text(ask))
            self.runner.command(instruction, who.name, name)
        await self.until(lambda: given.decisions is not None, wait)
        return given

    def looked(self, tool: str, ask: Ask, who: Caller) -> None:
        """A program that named itself has looked: written down, because a model acts on what it has seen."""
        self.runner.journal.append("looked", self.runner.clock.now(), {"tool": tool, "ask": plain(ask), "who": who.name})

    def before(self, name: str, ask: Ask, instruction: Instruction | None = None) -> Given | None:
        """The command of this name, if it was given; an error if it was another one."""
        given = self.given.get(name)
        if given is None:
            return None
        same = given.asked == _text(ask) if given.asked else instruction is None or given.instruction == instruction
        if not same:
            text = f"expected a new Idempotency-Key for a new request, found {name.removeprefix(PREFIX)!r}, which asked for something else before"
            raise ToolError(422, "KEY_REUSED", "the key was used", text)
        return given

    async def until(self, true: Callable[[], bool], wait: float) -> bool:
        """Wait until it is so, at most so many wall seconds; whether it is."""
        try:
            async with asyncio.timeout(wait):
                while not true():
                    await self._moved.wait()
        except TimeoutError:
            return true()
        return True

    # --- what every answer says

    @property
    def head(self) -> dict[str, Any]:
        """Mode, session and time."""
        return {"mode": self.manifest.label, "session": self.manifest.session, "at": self.now}

    @property
    def now(self) -> datetime:
        """The session's clock."""
        return moment(self.runner.clock.now())

    def frozen(self) -> Ledger:
        """The ledger as it stands, for another thread to read."""
        made = copy(self.ledger)
        made.orders = {name: dict(row) for name, row in self.ledger.orders.items()}
        for name in ("fills", "decisions", "trades", "equity"):
            setattr(made, name, list(getattr(self.ledger, name)))
        return made

    def armed(self) -> None:
        """Raise where nothing can be traded because the account is not known."""
        if self.runner.engine.portfolio is None:
            raise unready("the account is not known yet; ask again in a few seconds, GET /tools/healthcheck says what is missing")


def _text(ask: Ask) -> str:
    """A request as it is compared with another one."""
    return f"{type(ask).__name__} {msgspec.json.encode(plain(ask), order='sorted').decode()}"
