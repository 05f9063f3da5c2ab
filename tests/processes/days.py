"""A whole runner through real days in virtual time, over real sockets of an exchange on the same clock: the same every time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from desk import Books
from floor import floor_settings
from market import briefing_of, symbol_brief

from live import journal
from live.clock import SECOND, LoopClock
from live.journal import Journal
from live.runner import Runner
from live.sim.clock import LoopClock as VenueClock
from live.sim.clock import local
from live.sim.inloop import Hosted, hosting
from live.sim.virtual import VirtualLoop
from live.sim.worlds.world import World
from pipelines.core.backtest.replay import replay
from pipelines.core.briefing import Briefing
from pipelines.core.journal import Manifest
from pipelines.core.market.session import moment
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Instruction, Open
from pipelines.core.trading.decisions import Decision, Noticed, Refused, StateChanged, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Event
from pipelines.core.trading.orders import Side
from pipelines.settings import Settings
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.calendar import previous_session, session_of

LIMITS = Limits(max_position_size=0.5, max_sector_exposure=1.0, max_correlated_exposure=1.0, max_concentration=1.0, max_portfolio_heat=0.2)


class Asleep(LoopClock):
    """A clock that goes on while the loop stood still, as after a suspend: `by` nanoseconds."""

    by = 0

    def now(self) -> int:
        return super().now() + self.by


class Night(VenueClock):
    """The same for the exchange."""

    by = 0

    def now(self) -> int:
        return super().now() + self.by


class Life:
    """An exchange over days, and the runner of one session at a time on it."""

    def __init__(self, hosted: Hosted, settings: Settings, clock: Asleep, venue: Night, symbols: tuple[str, ...]) -> None:
        self.hosted, self.settings, self.clock, self.venue, self.symbols = hosted, settings, clock, venue, symbols
        self.runner: Runner
        self.task: asyncio.Task[None]
        self.events: list[Event] = []
        self.decisions: list[Decision] = []
        self.session: date

    async def begin(self, session: date, **more: Any) -> None:
        """A runner for that session, armed."""
        self.session, self.events, self.decisions = session, [], []
        briefing = self._briefing(session)
        engine, name = Engine(briefing, LIMITS, [], run="test"), f"{session}-01-test.jsonl"
        head = Manifest(session=session, run="test", mode="sim", account="PA", code="", strategies=(), limits=LIMITS, briefing=briefing)
        self.runner = Runner(
            self.settings, engine, Journal(self.settings.journals / name), self.clock, symbols=list(self.symbols), watch=self._watch, **more
        )
        for routes in self.runner.broker.lanes.routes.values():
            for route in routes:
                self.hosted.mount(route._session)  # a synchronous client cannot share its thread with the exchange over a socket
        for history in self.runner.feed._backfill._histories.values():
            assert isinstance(history, Alpaca)
            self.hosted.mount(history._session)
        self.task = asyncio.create_task(self.runner.run(head, []))
        await asyncio.wait_for(self.runner.armed.wait(), 60)

    def _briefing(self, session: date) -> Briefing:
        hours, before = session_of(session), previous_session(session)
        bars = {symbol: self.hosted.core.world.daily(symbol, session).c for symbol in self.symbols}
        briefs = {s: symbol_brief(s, close=float(c[-1]), atr=float(c[-1]) / 50, sector="Unknown") for s, c in bars.items()}
        known = {"session": session, "open": moment(hours.open), "close": moment(hours.close), "data_session": before, "symbols": briefs}
        made = datetime(before.year, before.month, before.day, 23, tzinfo=UTC)
        return briefing_of(self.symbols).model_copy(update=known | {"version": f"{session}-test", "created_at": made})

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        self.events.append(event)
        self.decisions += decisions

    async def until(self, day: date, hour: int, minute: int, second: float = 0) -> None:
        """Let time go on to then, New York."""
        await self.clock.sleep((local(day, hour, minute) + round(second * SECOND) - self.clock.now()) / SECOND)

    async def over(self, within: float = 120) -> None:
        """The session ends by itself. Virtual seconds."""
        async with asyncio.timeout(within):
            await self.task

    def sleep_through(self, seconds: float) -> None:
        """The machine is suspended: the world goes on, the loop does not notice."""
        self.clock.by += round(seconds * SECOND)
        self.venue.by += round(seconds * SECOND)
        self.hosted.core.wake()

    def tell(self, instruction: Instruction, name: str) -> None:
        self.runner.command(instruction, "test", name)

    async def buy(self, symbol: str, quantity: int, name: str) -> None:
        """By hand, with exits far away; and the time that it takes."""
        price = self.runner.engine.instruments[symbol].price
        exits = (round(price * 0.9, 2), round(price * 1.2, 2)) if price > 0 else (None, None)
        self.tell(Open(symbol, Side.BUY, quantity, None, *exits), name)
        await self.clock.sleep(5)

    @property
    def books(self) -> Books:
        return Books(self.hosted)  # type: ignore[arg-type]  # it has books too

    @property
    def codes(self) -> list[str]:
        return [d.code for d in self.decisions if isinstance(d, Noticed)]

    @property
    def refused(self) -> list[str]:
        return [d.check.code.value for d in self.decisions if isinstance(d, Refused)]

    @property
    def closed(self) -> list[TradeClosed]:
        return [d for d in self.decisions if isinstance(d, TradeClosed)]

    @property
    def states(self) -> list[str]:
        return [d.after.value for d in self.decisions if isinstance(d, StateChanged)]

    def protected(self, symbol: str) -> bool:
        """By the venue's books: every share has one stop that can trigger."""
        books = self.books
        rows = [o for o in books.open if o["symbol"] == symbol and o["side"] == "sell" and o["type"] == "stop"]
        return sum(int(o["qty"]) - int(o["filled_qty"]) for o in rows if o["status"] in {"new", "held"}) == books.positions.get(symbol, 0)


def live_through(home: Path, world: World, start: int, play: Callable[[Life], Awaitable[None]], *, symbols: tuple[str, ...], **settings: Any) -> Life:
    """Play it; every journal verifies and replays afterwards."""

    async def run() -> Life:
        clock, venue = Asleep(start), Night(start)
        clock.now()
        async with hosting(world, venue, partial_rate=0.0) as hosted:
            known = floor_settings(hosted.url, home, feed_canary="", **settings)
            life = Life(hosted, known, clock, venue, symbols)
            try:
                await play(life)
            finally:
                if hasattr(life, "task"):
                    life.runner.stop()
                    await asyncio.wait({life.task})
            life.task.result()
            life.last = life.books  # type: ignore[attr-defined]
        return life

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        life = runner.run(run())
    for path in sorted(life.settings.journals.glob("*.jsonl")):
        journal.verify(path)
        assert replay(list(journal.read(path)), ()).difference is None, path.name
    return life
