"""Both vendors' feeds against the simulated exchange over real sockets, in virtual time: minutes take milliseconds and are the same every time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

from live.clock import LoopClock, SteppedClock
from live.feeds import choice
from live.feeds.failover import Failover
from live.sim.clock import SECOND, local
from live.sim.clock import LoopClock as VenueClock
from live.sim.inloop import Hosted, hosting
from live.sim.virtual import VirtualLoop
from live.sim.worlds.generated import GeneratedWorld
from live.tasks import end
from pipelines.core.trading.events import Event, FeedStatus, MarketBar, Taint
from pipelines.settings import Settings, load
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.calendar import session_of
from pipelines.vendors.polygon import Polygon

DAY = date(2026, 11, 20)
SYMBOLS = ("AAPL", "KO", "MSFT", "SPY")
OPEN = session_of(DAY).open
MINUTE = 60 * SECOND


@cache
def world() -> GeneratedWorld:
    """The market of all these tests."""
    return GeneratedWorld(day=DAY, seed=7)


def at(hour: int, minute: int, second: float = 0) -> int:
    """A New York time of the day, nanoseconds UTC."""
    return local(DAY, hour, minute) + round(second * SECOND)


class Stage:
    """What the feed said, and ways to let time go on."""

    def __init__(self, exchange: Hosted, clock: LoopClock) -> None:
        self.exchange, self.clock = exchange, clock
        self.events: list[Event] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
        self.frames: list[tuple[str, bytes, int]] = []
        self.feed: Failover

    async def until(self, hour: int, minute: int, second: float = 0) -> None:
        """Let the market go on to that time."""
        await self.clock.sleep((at(hour, minute, second) - self.clock.now()) / SECOND)

    def inject(self, kind: str, **more: Any) -> str:
        """A fault; its id."""
        return str(self.exchange.inject(kind=kind, **more)["id"])

    @property
    def bars(self) -> list[MarketBar]:
        return [event for event in self.events if isinstance(event, MarketBar)]

    def of(self, symbol: str) -> list[MarketBar]:
        return [event for event in self.bars if event.bar.symbol == symbol]

    def starts(self, symbol: str) -> list[int]:
        """Minutes after the open of which a bar was handed on, in the order in which they were."""
        return [(event.bar.start - OPEN) // MINUTE for event in self.of(symbol)]

    @property
    def taints(self) -> list[Taint]:
        return [event for event in self.events if isinstance(event, Taint)]

    def health(self, vendor: str) -> list[bool]:
        """Each change of a vendor's health."""
        told = [event.healthy for event in self.events if isinstance(event, FeedStatus) and event.feed == vendor and "instead of" not in event.detail]
        return [healthy for n, healthy in enumerate(told) if n == 0 or told[n - 1] != healthy]

    def noted(self, kind: str) -> list[dict[str, Any]]:
        return [data for found, data in self.notes if found == kind]

    @property
    def switches(self) -> list[str]:
        return [note["taken"] for note in self.noted("switch") if "symbol" not in note]

    def tries(self, vendor: str) -> int:
        """Connections that have ended."""
        return sum(note["vendor"] == vendor and note["cause"] != "subscribed" for note in self.noted("connection"))


Play = Callable[[Stage], Awaitable[None]]


def staged(
    home: Path,
    play: Play,
    *,
    symbols: Sequence[str] = SYMBOLS,
    polygon: bool = True,
    feed: str = "sip",
    start: tuple[int, int] = (9, 29),
    exchange: dict[str, Any] | None = None,
    begin: bool = True,
    **settings: Any,
) -> Stage:
    """Play a piece of the day; the stage afterwards."""

    async def run() -> Stage:
        clock, venue = LoopClock(at(*start)), VenueClock(at(*start))
        clock.now()
        async with hosting(world(), venue, **(exchange or {})) as hosted:
            stage = Stage(hosted, clock)
            made = settings_of(home, hosted.url, polygon=polygon, feed=feed, **settings)
            stage.feed = _feed(made, symbols, clock, stage)
            tasks = [asyncio.create_task(stage.feed.follow()), asyncio.create_task(_ticks(stage))]
            try:
                if begin:
                    stage.feed.begin([])
                await play(stage)
            finally:
                await end(tasks)
                await stage.feed.close()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        task.result()
        return stage

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(run())


def settings_of(home: Path, url: str, *, polygon: bool = True, feed: str = "sip", **more: Any) -> Settings:
    """Settings for that exchange, with or without the second vendor."""
    keys = {"alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", "polygon_api_key": "SIM" if polygon else ""}
    return load(**{"daybot_mode": "sim", "daybot_home": home, "alpaca_base_url": url, "alpaca_feed": feed, "polygon_rate": 10_000, **keys, **more})


def _feed(settings: Settings, symbols: Sequence[str], clock: LoopClock | SteppedClock, stage: Stage) -> Failover:
    made = choice.follow(
        settings,
        symbols,
        hours=session_of(DAY),
        clock=clock,
        seed="test",
        emit=stage.events.append,
        refuse=lambda reason, _: stage.refused.append(reason),
        note=lambda kind, data: stage.notes.append((kind, data)),
        heard=lambda: None,
        raw=lambda vendor, frame, at: stage.frames.append((vendor, frame, at)),
    )
    for history in made._backfill._histories.values():  # a synchronous client cannot share its thread with the exchange over a socket
        if isinstance(history, Alpaca):
            stage.exchange.mount(history._session)
        else:
            assert isinstance(history, Polygon)
            history._pool._pool = _InProcess(stage.exchange)
    return made


class _InProcess:
    """Takes the place of the connection pool under Polygon's client."""

    def __init__(self, exchange: Hosted) -> None:
        self._session = requests.Session()
        exchange.mount(self._session)

    def request(self, method: str, url: str, *, fields: Any = None, headers: Any = None, **_: Any) -> Any:
        answer = self._session.request(method, url, params=fields, headers=headers)
        return SimpleNamespace(status=answer.status_code, headers=answer.headers, data=answer.content)


async def _ticks(stage: Stage) -> None:
    while True:
        await stage.clock.sleep(1)
        stage.feed.tick(stage.clock.now())
