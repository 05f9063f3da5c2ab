"""A whole runner on a stepped exchange of known prices, with faults: what the venue's books say in the end, and what was decided on the way."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from desk import Books, now, settings
from market import briefing_of

from live.clock import SECOND, Clock, SteppedClock
from live.journal import Journal
from live.runner import Runner
from live.session import recovery
from live.session.recovery import Recovered
from live.sim.embedded import Exchange
from live.tasks import end
from pipelines.core.journal import Manifest
from pipelines.core.market.session import moment
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Close, Flatten, Instruction, Open
from pipelines.core.trading.decisions import Decision, Noticed, StateChanged, Submit, TradeClosed, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Event, Tick
from pipelines.core.trading.orders import Role, Side
from pipelines.settings import Settings


class Floor:
    """One run of a session; `seconds` pass in steps of which each is done with before the next begins."""

    def __init__(
        self,
        exchange: Exchange,
        known: Settings,
        recovered: Recovered | None = None,
        *,
        symbols: Sequence[str] = ("AAA", "BBB"),
        bounds: dict[str, Any] | None = None,
        clock: Clock | None = None,
        **more: Any,
    ) -> None:
        """`bounds`: other limits than these; `clock`: another than the one that `step` moves; `more` as the runner takes it."""
        self.exchange, self.settings = exchange, known
        self.decisions: list[Decision] = []
        self.events: list[Event] = []
        self.clock = SteppedClock(now(exchange))
        self._before = exchange.clock()["sent"]
        self.dead = asyncio.Event()
        if recovered is None:
            briefing = briefing_of(symbols)
            wide = {"max_position_size": 0.5, "max_sector_exposure": 1.0, "max_correlated_exposure": 1.0, "max_concentration": 1.0}
            limits = Limits(**{**wide, "max_portfolio_heat": 0.2, **(bounds or {})})
            engine = Engine(briefing, limits, [], run="test")
            journal = Journal(known.journals / "2026-11-20-01-test.jsonl")
            self.manifest = Manifest(
                session=briefing.session, run="test", mode="sim", account="PA", code="", strategies=(), limits=limits, briefing=briefing
            )
        else:
            engine, journal, self.manifest = recovered.engine, recovered.journal, recovered.manifest
        self.runner = Runner(known, engine, journal, clock or self.clock, symbols=list(symbols), watch=self._watch, recovered=recovered, **more)
        self.task: asyncio.Task[None] | None = None

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        self.events.append(event)
        self.decisions += decisions

    async def open(self) -> None:
        """Streams up, armed."""
        self.task = asyncio.create_task(self.runner.run(self.manifest, [], conducted=True))
        armed = asyncio.create_task(self.runner.armed.wait())
        dead = asyncio.create_task(self.dead.wait())
        await asyncio.wait({self.task, armed, dead}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        await end([armed, dead])
        if self.task.done():
            self.task.result()

    async def step(self, seconds: float, by: float = 1.0, *, heard: bool = True) -> None:
        """Let time pass; `heard` False where what was sent does not arrive."""
        target = self.clock.now() + round(seconds * SECOND)
        while self.clock.now() < target and not self.dead.is_set():
            ahead = min(round(by * SECOND), target - self.clock.now())
            self.clock.set(self.clock.now() + ahead)
            await asyncio.to_thread(self.exchange.step, ahead / SECOND)
            await self.settle(heard)
            self.runner.emit(Tick(self.clock.now()))
            await self.settle(heard)

    async def step_to(self, hour: int, minute: int, by: float = 60.0, *, heard: bool = True) -> None:
        at = moment(self.clock.now())
        ahead = (hour + 5 - at.hour) * 3600 + (minute - at.minute) * 60 - at.second  # New York is five hours behind in November
        await self.step(ahead, by, heard=heard)

    async def settle(self, heard: bool = True) -> None:
        """All that was sent has arrived, all that follows from it is done, and what that caused to be sent too."""
        asked = -1
        while asked != self.runner.asked and not self.dead.is_set():
            asked = self.runner.asked
            sent = (await asyncio.to_thread(self.exchange.clock))["sent"] if heard else self._before
            settled = asyncio.create_task(
                self.runner.settle(
                    market=sent["market"] + sent["polygon"] - self._before["market"] - self._before["polygon"],
                    trading=sent["trading"] - self._before["trading"],
                    patience=30,
                )
            )
            dead = asyncio.create_task(self.dead.wait())
            await asyncio.wait({settled, dead}, return_when=asyncio.FIRST_COMPLETED)
            if settled.done():
                settled.result()
            await end([task for task in (settled, dead) if not task.done()])

    def tell(self, instruction: Instruction, name: str) -> None:
        self.runner.command(instruction, "test", name)

    def buy(self, symbol: str = "AAA", quantity: int = 100, *, stop: float = 95.0, target: float = 110.0, name: str = "") -> None:
        self.tell(Open(symbol, Side.BUY, quantity, None, stop, target), name or f"open-{symbol}-{len(self.events)}")

    async def held(self, symbol: str = "AAA", quantity: int = 100) -> None:
        """A position with its bracket."""
        self.buy(symbol, quantity)
        await self.step(3)
        assert self.books.positions[symbol] == quantity

    def close(self, symbol: str = "AAA") -> None:
        self.tell(Close(symbol), f"close-{symbol}-{len(self.events)}")

    def flatten(self) -> None:
        self.tell(Flatten(), "flatten")

    # --- what came of it

    @property
    def books(self) -> Books:
        return Books(self.exchange)

    @property
    def codes(self) -> list[str]:
        return [d.code for d in self.decisions if isinstance(d, Noticed)]

    @property
    def entries(self) -> list[Submit]:
        return [d for d in self.decisions if isinstance(d, Submit) and d.role is Role.ENTRY]

    @property
    def closed(self) -> list[TradeClosed]:
        return [d for d in self.decisions if isinstance(d, TradeClosed)]

    @property
    def state(self) -> TradingState:
        return self.runner.engine.state

    @property
    def states(self) -> list[str]:
        return [d.after.value for d in self.decisions if isinstance(d, StateChanged)]

    def protected(self, symbol: str = "AAA") -> bool:
        """By the venue's books: every share has one stop that can trigger, and no exit can take more than there is."""
        books = self.books
        rows = [o for o in books.open if o["symbol"] == symbol and o["side"] == "sell"]
        stops = sum(int(o["qty"]) - int(o["filled_qty"]) for o in rows if o["type"] == "stop" and o["status"] in {"new", "held", "partially_filled"})
        return stops == books.positions.get(symbol, 0)

    # --- the end

    def die(self) -> None:
        """As by kill -9: from now on this run does nothing, and what it has not written is lost."""
        self.runner._leave = self._vanish  # type: ignore[method-assign]
        self.dead.set()

    async def bury(self) -> None:
        """Take the dead run's tasks and sockets away without a word to the journal."""
        if self.task is not None and self.runner.over:
            await asyncio.wait({self.task})  # it is leaving already
        elif self.task is not None:
            await end([self.task])

    async def _vanish(self, tasks: list[asyncio.Task[None]]) -> None:
        await end(tasks)
        await self.runner.feed.close()
        await self.runner.broker.updates.close()
        self.runner.broker.close()
        os.close(self.runner.journal._file)
        self.runner.error = None  # nobody is left to tell


def play(exchange: Exchange, known: Settings, act: Callable[[Floor], Awaitable[None]], **more: Any) -> Floor:
    """Run a session from its arming on, until `act` is done. `more` as the runner takes it."""

    async def run() -> Floor:
        floor = Floor(exchange, known, **more)
        try:
            async with asyncio.timeout(120):
                await floor.open()
                await floor.step(61)  # a bar of every symbol
                await act(floor)
        finally:
            floor.runner.stop()
            if floor.task is not None:
                await asyncio.wait({floor.task})
        if floor.task is not None:
            floor.task.result()
        return floor

    return asyncio.run(run())


def left_behind(exchange: Exchange, known: Settings) -> None:
    """A run with a protected position, killed; and beside it seven shares of somebody else's."""

    async def run() -> None:
        floor = Floor(exchange, known)
        await floor.open()
        await floor.step(61)
        await floor.held()
        order = {"symbol": "BBB", "side": "buy", "qty": "7", "type": "market", "time_in_force": "day"}
        exchange.inject(kind="match.manual", order=order)
        await floor.step(2)
        floor.die()
        await floor.bury()

    asyncio.run(run())


def resumed(exchange: Exchange, known: Settings) -> Floor:
    """A run that goes on with the session that another one has left."""
    path = recovery.find(known.journals, briefing_of(["AAA"]).session, "PA")
    assert path is not None
    return Floor(exchange, known, recovery.recover(path))


def floor_settings(url: str, home: Path, **more: Any) -> Settings:
    return settings(url, home, alpaca_feed="sip", **more)
