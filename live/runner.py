"""The live runner: one queue, one consumer. Every event is journaled, then decided on; every decision is durable before it is sent."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from live.brokers.alpaca import AlpacaBroker
from live.brokers.shadow import ShadowBroker
from live.clock import Clock
from live.feeds import choice
from live.feeds.failover import Failover
from live.guards.oversight import Oversight
from live.journal import Journal
from live.raw import Raw
from live.session.ending import Ending
from live.session.morning import Morning
from live.session.pulse import Pulse
from live.session.recovery import Recovered
from live.session.vigil import Vigil
from live.tasks import end
from pipelines.core.errors import DaybotError, FeedError, JournalError
from pipelines.core.journal import Manifest, encode
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.commands import Instruction, Resume, Stand
from pipelines.core.trading.decisions import Decision, Request, Submit, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Command, Event, Tick
from pipelines.settings import Settings

PATIENCE = 15.0
"""Wall seconds that streams may take to come up."""

MEGABYTE = 1_000_000

HOUR = 60 * MINUTE

AWAY = 3.0
"""Seconds between two ticks in the night: every tick is written down."""

CROWD = 512
"""Records at which the journal is written though more events wait: in a flood the queue is not empty for long."""

HAND_OVER = 0.0005
"""Seconds until the loop's thread lets another one go on: one of those sends, and Python's own 5 ms are long where a crowd is worked off."""

NOTED = 5 * MINUTE
"""Between two notes of the journal's head in the file beside it."""

Watch = Callable[[Event, list[Decision]], None]
"""Told of every step, for people: progress, tables, alerts."""


class Runner:
    """One session. Built by `cli.py` from its parts, then `run` until the session is over or `stop` is called."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        journal: Journal,
        clock: Clock,
        *,
        symbols: list[str],
        watch: Watch,
        recovered: Recovered | None = None,
        state: TradingState = TradingState.ACTIVE,
        shadow: bool = False,
        until: int | None = None,
    ) -> None:
        """`recovered` is what an earlier run of this session left behind, with this engine and this journal. `state`: what it arms to; another than
        ACTIVE is kept until a person resumes. `shadow`: nothing is sent.

        `until`: when everything is closed and the session ends, nanoseconds UTC; None: with the market.
        """
        self.engine, self.journal, self.clock = engine, journal, clock
        self._watch, self._recovered, self._state = watch, recovered, state
        self._moved, self._over = asyncio.Event(), asyncio.Event()
        self.error: DaybotError | None = None
        self.armed = asyncio.Event()
        """Set once the account is known, the streams are up and trading is allowed."""
        self.asked = 0
        """Requests made of the broker."""
        self.record = 0
        """Number of the journal's record of the event that is processed; its decisions' follow."""
        self._taken = self._done = self._noted = 0
        """Events that came in, and events that were processed."""
        self.vigil = self._vigil(settings)
        self.queue = self.vigil.inbox
        self.raw = Raw(journal, part=settings.journal_part * MEGABYTE, failed=self.vigil.full)
        trades = any(seat.allocation is not None and seat.allocation.strategy.needs.trades for seat in engine.account.seats.values())
        self.broker = self._broker(settings, shadow=shadow, trades=trades)
        self.feed = self._feed(settings, symbols, trades=trades)
        self.oversight = self._oversight(settings)
        self.morning = Morning(settings, engine.briefing, emit=self.emit, note=self._note)
        self.ending = Ending(engine, self.oversight, self.morning, until=until, quiet=self.queue.empty, command=self.command)
        self._pulse = Pulse(settings.heartbeat, session=f"{engine.briefing.session}", prefix=engine.prefix)

    # --- its parts

    def _vigil(self, settings: Settings) -> Vigil:
        """Who watches our own side."""
        return Vigil(
            settings,
            self.clock,
            ask=lambda: self.broker.time(),
            emit=self.emit,
            hold=lambda reason: self.feed.hold(reason),
            release=lambda: self.feed.release(),
            moved=self._moved.set,
            folder=self.journal.path.parent,
        )

    def _feed(self, settings: Settings, symbols: list[str], *, trades: bool) -> Failover:
        """Who tells the market."""
        return choice.follow(
            settings,
            symbols,
            hours=self.engine.hours,
            clock=self.clock,
            seed=self.journal.path.name,
            emit=self.emit,
            refuse=self._refuse,
            note=self._note,
            heard=self._moved.set,
            trades=trades,
            raw=self.raw.take,
        )

    def _oversight(self, settings: Settings) -> Oversight:
        """Who looks at the broker's account."""
        return Oversight(
            settings,
            self.engine,
            self.broker,
            self.clock,
            run=self.engine.run,
            emit=self.emit,
            note=self._note,
            record=self._record,
            moved=self._moved.set,
            processed=self._processed,
        )

    def _broker(self, settings: Settings, *, shadow: bool, trades: bool) -> AlpacaBroker:
        """Who carries out the requests: Alpaca, or for a shadow session nobody but the backtest's rule for fills."""
        known: dict[str, Any] = {"emit": self.emit, "heard": self._moved.set, "clock": self.clock, "note": self._note, "raw": self.raw.take}
        if shadow:
            return ShadowBroker(settings, briefing=self.engine.briefing, trades=settings.feed_trades or trades, **known)
        return AlpacaBroker(settings, missed=lambda: self.oversight.hurry(), **known)

    # --- what goes in

    def emit(self, event: Event) -> None:
        """The one door in."""
        self._taken += 1
        self.queue.put_nowait(event)

    def command(self, instruction: Instruction, origin: str, command_id: str) -> None:
        """An instruction by a person or a tool; the same id twice is the same instruction."""
        self.emit(Command(command_id, instruction, origin, self.clock.now()))

    async def run(self, manifest: Manifest, history: list[Bar], *, conducted: bool = False) -> None:
        """The whole session, or the rest of one that a run of today left. `history` are the bars of today that were missed.

        `conducted` means that somebody else moves the clock.
        """
        sys.setswitchinterval(HAND_OVER)
        if self._recovered is None:
            self.journal.append("session", self.clock.now(), manifest)
            self.journal.barrier()
        else:
            for event in self._recovered.begin(self.clock.now()):
                self.emit(event)
            self.broker.resume(self._recovered.orders, self._recovered.asked)
        work = [self._consume(), self.oversight.run(), self.feed.follow(), self.broker.run(), *self.vigil.work()]
        if not conducted:
            work.append(self._keep_time())
        tasks = [self._guard(part) for part in work]
        try:
            await self._arm(history)
            self.armed.set()
            await self._over.wait()
        finally:
            await self._leave(tasks)
        if self.error:
            raise self.error

    def stop(self) -> None:
        """End the session now; positions keep the protection that rests at the broker."""
        self.ending.renewed = False
        self._over.set()

    async def settle(self, *, market: int, trading: int, patience: float = 10.0) -> None:
        """Wait until so many messages of each stream have arrived and all that follows from them is done."""

        def settled() -> bool:
            arrived = self.feed.received >= market and self.broker.updates.received >= trading
            return self._over.is_set() or (arrived and self.idle)

        try:
            async with asyncio.timeout(patience):
                while not settled():
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            found = f"{self.feed.received} market and {self.broker.updates.received} trading messages"
            raise FeedError(f"expected {market} market and {trading} trading messages within {patience:.0f} s, found {found}") from None

    @property
    def over(self) -> bool:
        """The session has ended, for whatever reason."""
        return self._over.is_set()

    @property
    def idle(self) -> bool:
        """Nothing queued, nothing on its way."""
        looking = (self.oversight.busy or self.vigil.busy) and not self.broker.waits
        return self.queue.empty() and not (self.broker.busy or self.feed.busy or looking)

    # --- the life of a session

    async def _arm(self, history: list[Bar]) -> None:
        """Streams up, account known, missed bars in; only then may anything be traded."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.broker.updates.listening.wait()
                await self.feed.ready.wait()
        except TimeoutError:
            missing = "market data" if self.broker.updates.listening.is_set() else "order update"
            raise FeedError(f"expected the {missing} stream within {PATIENCE:.0f} s, found none; check the address and the keys") from None
        self.feed.begin(history, {symbol: known.bar.start for symbol, known in self.engine.instruments.items() if known.bar is not None})
        await self.oversight.begin()
        if self._state is TradingState.HALTED:
            self.command(Stand(), "start", "arm")
        elif self._state is TradingState.ACTIVE and not self.engine.briefing.doubts:
            self.command(Resume(), "start", "arm")
        # else the session stays in REDUCING, as it began, until a person has looked and resumes

    async def _consume(self) -> None:
        """The one place where trading state changes."""
        while True:
            event = await self.queue.get()
            self.vigil.heard(event)
            self.broker.witness(event)
            asked, self.record = self.asked, self.journal.append("event", event.at, encode(event))
            decisions = self.engine.process(event)
            if decisions:
                self._carry_out(decisions, event.at)
            if self.queue.empty() or self.journal.waiting >= CROWD:
                self.journal.flush()
            self._done += 1
            self._watch(event, decisions)
            self._moved.set()
            if isinstance(event, Tick):
                self._on_tick(event.at)
            if self.asked != asked:
                await asyncio.sleep(0)  # what was asked goes out before the rest of a crowd is worked off

    def _carry_out(self, decisions: list[Decision], at: int) -> None:
        """Write them down; then, and only when that is on the disk, ask the broker."""
        for decision in decisions:
            self.journal.append("decision", at, encode(decision))
        requests = [decision for decision in decisions if isinstance(decision, Request)]
        if not requests:
            return
        decided = self.clock.now()
        self.journal.barrier()
        durable = self.clock.now()
        for request in requests:
            self.asked += 1
            self.broker.send(request)
        if orders := [request.order.id for request in requests if isinstance(request, Submit)]:  # what execution quality is made of
            self.journal.append("durable", durable, {"ids": orders, "decided": decided})

    async def _processed(self) -> None:
        """Return when all events that have come in until now were processed."""
        target = self._taken
        while self._done < target:
            self._moved.clear()
            await self._moved.wait()

    async def _keep_time(self) -> None:
        """A tick every market second, more slowly an hour away from the session, but no more than twenty a wall second."""
        hours = self.engine.hours
        while True:
            near = hours.open - HOUR <= self.clock.now() <= hours.close + HOUR
            await asyncio.sleep(max((1.0 if near else AWAY) / (self.clock.speed or 1.0), 0.05))
            self.emit(Tick(self.clock.now()))

    def _on_tick(self, at: int) -> None:
        if self.ending.due(at):
            self._over.set()
        self.feed.tick(at)
        self.oversight.tick(at)
        self.vigil.tick(at)
        self.morning.tick(at)
        self.raw.seal()
        if at >= self._noted + NOTED:
            self._noted = at
            self.journal.note()
        self._pulse.beat(self.engine.state)

    async def _leave(self, tasks: list[asyncio.Task[None]]) -> None:
        self._over.set()
        await end(tasks)
        if self.error is None:
            self._pulse.stop()
        await self.feed.close()
        await self.broker.updates.close()
        self.broker.close()
        try:
            await self._seal()
        except JournalError as error:
            self.error = self.error or error

    async def _seal(self) -> None:
        """The last records: frames, how it ended, and the head that says that this is the end."""
        await self.raw.close()
        portfolio = self.engine.portfolio
        self.journal.append(
            "end",
            self.clock.now(),
            {
                "flat": self.engine.flat,
                "state": self.engine.state.value,
                "equity": portfolio.equity if portfolio else None,
                "kept": self.ending.kept,
                "error": str(self.error) if self.error else None,
            },
        )
        self.journal.close()

    def _guard(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run one long task; whatever ends it before the session is over ends the session, with its reason: a part that stopped unseen would leave
        a session that looks alive.
        """
        part: str = work.__qualname__  # type: ignore[attr-defined]  # every coroutine has one; typeshed's protocol does not say so

        async def watched() -> None:
            try:
                await work
                self._stopped(part, None)
            except BaseException as error:  # what is no Exception, as a stranger's cancel is, asyncio would keep to itself
                self._stopped(part, error)
                if not isinstance(error, Exception):
                    raise

        return asyncio.create_task(watched(), name=part)

    def _stopped(self, part: str, why: BaseException | None) -> None:
        """A part has ended, and with it the session; the reason is that, unless we are leaving already."""
        expected = self._over.is_set() and (why is None or isinstance(why, asyncio.CancelledError))
        if isinstance(why, DaybotError):
            self.error = self.error or why
        elif self.error is None and not expected:
            self.error = DaybotError(f"{part} ended" if why is None else f"{part} ended: {type(why).__name__}: {why}")
            self.error.__cause__ = why
        self._over.set()
        self._moved.set()

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        self.journal.append(kind, self.clock.now(), data)

    def _record(self, kind: str, data: dict[str, Any]) -> None:
        """The same, on the disk when it returns: for the guard, who acts past the queue. A disk that takes no more keeps nobody from protecting."""
        self._note(kind, data)
        try:
            self.journal.barrier()
        except JournalError as error:
            self.vigil.full(str(error))

    def _refuse(self, reason: str, message: object) -> None:
        self.journal.append("refused", self.clock.now(), {"reason": reason, "message": repr(message)})


def summary(engine: Engine, label: str) -> dict[str, Any]:
    """Where the session stands, for people and tools. `label`: whose money it is (`Manifest.label`)."""
    portfolio = engine.portfolio
    return {
        "label": label,
        "session": engine.briefing.session.isoformat(),
        "state": engine.state.value,
        "briefing": engine.briefing.version,
        "briefing_made": engine.briefing.created_at.isoformat(),
        "doubts": engine.briefing.doubts,
        "equity": portfolio.equity if portfolio else None,
        "realised": portfolio.realised if portfolio else None,
        "open": portfolio.open_profit if portfolio else None,
        "active": engine.state is TradingState.ACTIVE,
        "feeds": dict(engine.feeds),
        "positions": {s: {"quantity": p.quantity, "average": p.average, "price": portfolio.prices[s]} for s, p in portfolio.positions.items()}
        if portfolio
        else {},
        "trades": {t.symbol: t.stage.value for t in engine.trades.values()},
    }
