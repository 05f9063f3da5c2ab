"""Looks at the broker's own account every few seconds, and lets everybody who judges it judge one reading: reconciliation, protection, the close.

It finds what the update stream has lost, and what nobody would ever tell: positions without a stop, trades made by hand, a session that is not flat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from live.brokers.alpaca import AlpacaBroker, account_state
from live.brokers.hearing import Emit, Note
from live.brokers.reading import Standing
from live.clock import SECOND, Clock
from live.guards.closing import Closing
from live.guards.protection import PREFIX, Guard
from live.guards.reconcile import Reconciler
from pipelines.core.errors import BrokerError
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Alarm, Taint
from pipelines.settings import Settings

RISK, REST, SOON = 5 * SECOND, 15 * SECOND, 2 * SECOND
"""Between two looks while something is held or on its way, while nothing is, and after one that is not believed yet."""

SILENCE = 30 * SECOND
"""How long the broker may not tell the account until people are told; and again after each such time."""

AUDIT = 4
"""Every so many looks the executions are read as well."""

BEFORE = 6 * 3600 * SECOND
"""The day's orders are those since so long before the open."""


class Oversight:
    """Of one session. `tick` it; `run` does the looking."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        broker: AlpacaBroker,
        clock: Clock,
        *,
        run: str,
        emit: Emit,
        note: Note,
        record: Note,
        moved: Callable[[], None],
        processed: Callable[[], Awaitable[None]],
    ) -> None:
        """`record` is `note`, but on the disk when it returns; `processed` returns when all events so far have been; `moved` is told when a look
        is over.
        """
        self._engine, self._broker, self._clock = engine, broker, clock
        self._emit, self._moved, self._processed = emit, moved, processed
        self._since = engine.hours.open - BEFORE
        self.reconciler = Reconciler(engine, emit=emit, note=note, ours=self._is_ours)
        known: dict[str, Any] = {"policy": settings.external, "emit": emit}
        self.guard = Guard(
            broker,
            session=engine.briefing.session,
            run=run,
            distance=settings.default_stop_loss,
            record=record,
            ours=self._traded,
            external=lambda: {s: h.quantity for s, h in engine.account.external.items()},
            **known,
        )
        self.closing = Closing(self.guard, hours=engine.hours, buffer=settings.market_close_buffer, ours=self._is_ours, **known)
        self._due = asyncio.Event()
        self._wanted = self._looked = self._looks = 0
        self._doubtful = False
        """The last look has to be repeated soon."""
        self._answered: int | None = None
        self._told, self._said = 0, ""
        self.last: Standing | None = None
        """The newest reading."""

    @property
    def busy(self) -> bool:
        """A look is due or going on."""
        return self._due.is_set()

    @property
    def flat(self) -> bool:
        """The broker itself says that nothing of ours is held and nothing works."""
        return self.last is not None and not self.closing.left(self.last)

    def tick(self, at: int) -> None:
        """Time passed."""
        risk = self._engine.trades or (self.last is not None and (self.last.held or self.last.resting))
        if at - self._looked >= (SOON if self._doubtful else RISK if risk else REST):
            self.hurry()
        if self._due.is_set() and at - self._wanted >= SILENCE:
            self._silent(self._said or "a look at the account has not come to its end")

    def hurry(self) -> None:
        """Something may have been missed: look now."""
        if not self._due.is_set():
            self._wanted = self._clock.now()
        self._due.set()

    async def begin(self) -> Standing:
        """The first reading, which is believed when two agree. Raises BrokerError where the broker does not answer."""
        await self._broker.catch_up(self._since)
        await self._broker.audit(self._since)
        await self._processed()
        before, found = None, await self._broker.standing()
        while before is None or before.held != found.held:
            before, found = found, await self._broker.standing()
        self._took(found)
        self.reconciler.tell(account_state(found))
        return found

    async def run(self) -> None:
        """Look whenever it is due, until cancelled."""
        while True:
            await self._due.wait()
            try:
                await self._look()
            except BrokerError as failed:
                self._silent(str(failed))
            finally:
                self._due.clear()
                self._moved()

    async def _look(self) -> None:
        self._looks += 1
        self._looked = self._clock.now()
        await self._broker.catch_up(self._since)
        if self._looks % AUDIT == 0:
            await self._broker.audit(self._since)
        found = await self._broker.standing()
        await self._processed()
        self._took(found)
        self._doubtful = not self.reconciler.compare(found)
        await self.guard.check(found)
        await self.closing.check(found)

    def _took(self, found: Standing) -> None:
        if self._told:
            self._emit(Alarm("BROKER_ANSWERS", "the broker tells the account again", found.at))
        self.last, self._answered, self._told, self._said = found, found.at, 0, ""

    def _silent(self, said: str) -> None:
        """No account is no news: nothing is concluded from it; but people hear of it, and again, and nothing is entered. `said`: what came."""
        now = self._clock.now()
        self._doubtful, self._said = True, said
        self._answered = now if self._answered is None else self._answered
        since = max(self._answered, self._told)
        if now - since >= SILENCE:
            self._told = now
            lasts = (now - self._answered) // SECOND
            told = f"the broker has not told the account for {lasts} s; protection rests there; what came instead: {said}"
            self._emit(Alarm("BROKER_SILENT", told, now))
            self._emit(Taint("", "the broker does not tell the account", now + SILENCE + REST, now))

    def _is_ours(self, client_id: str) -> bool:
        """An order of this session: sent by the engine or by the guard. Legs and successors have ids of the broker's, but names of ours."""
        return client_id.startswith(PREFIX) or self._broker.words.is_ours(client_id)

    def _traded(self, symbol: str) -> bool:
        return symbol in self._broker.words.symbols
