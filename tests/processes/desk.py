"""A broker on a stepped exchange of known prices: what it was told to do, what it said, and the venue's own books."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from live.brokers.alpaca import AlpacaBroker
from live.clock import SECOND, SteppedClock
from live.sim.embedded import Exchange
from live.sim.worlds.recorded import RecordedWorld
from live.tasks import end
from pipelines.core.market.session import nanoseconds
from pipelines.core.trading.decisions import Cancel, Replace, Submit
from pipelines.core.trading.events import Answer, Event, OrderUpdate, Outcome, Taint
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.settings import Settings, load

DAY = date(2026, 11, 20)
NEW_YORK = ZoneInfo("America/New_York")
FINAL = {"filled", "canceled", "expired", "rejected", "replaced"}


def world(folder: Path, prices: dict[str, list[float]]) -> RecordedWorld:
    """Minutes from 09:30 on, each price a minute's close and the next one's open, and a week of flat days before."""
    begin = datetime(DAY.year, DAY.month, DAY.day, 9, 30, tzinfo=NEW_YORK)
    minutes, days = [], []
    for symbol, closes in prices.items():
        for n, close in enumerate(closes):
            first = closes[n - 1] if n else close
            minutes.append((symbol, begin + timedelta(minutes=n), first, max(first, close), min(first, close), close, 10_000))
        days += [(symbol, datetime(2026, 11, d, tzinfo=NEW_YORK), *[closes[0]] * 4, 1_000_000) for d in (13, 16, 17, 18, 19)]
    return RecordedWorld(minutes=[_written(folder / "minutes.parquet", minutes)], history=[_written(folder / "days.parquet", days)])


def _written(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    names = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").dt.convert_time_zone("UTC")).write_parquet(path)
    return path


def settings(url: str, home: Path, **more: object) -> Settings:
    return load(**{"daybot_mode": "sim", "daybot_home": home, "alpaca_base_url": url, "alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", **more})


def now(exchange: Exchange) -> int:
    """The venue's time."""
    return nanoseconds(datetime.fromisoformat(exchange.clock()["now"]))


class Books:
    """The venue's truth in the words of the tests."""

    def __init__(self, exchange: Exchange) -> None:
        self.raw = exchange.books()

    @property
    def positions(self) -> dict[str, int]:
        return {row["symbol"]: int(row["qty"]) for row in self.raw["positions"]}

    @property
    def open(self) -> list[dict[str, Any]]:
        return [order for order in self.raw["orders"] if order["status"] not in FINAL]

    @property
    def faults(self) -> list[str]:
        return [row["kind"] for row in self.raw["faults"]]

    def named(self, client_id: str) -> list[dict[str, Any]]:
        return [order for order in self.raw["orders"] if order["client_order_id"] == client_id]

    def status(self, client_id: str) -> str | None:
        found = self.named(client_id)
        return str(found[0]["status"]) if found else None


class Desk:
    """A broker with its stream up; time passes in steps, and nothing is left undone between two of them."""

    def __init__(self, exchange: Exchange, settings: Settings) -> None:
        self.exchange = exchange
        self.said: list[Event] = []
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.missed = 0
        self.clock = SteppedClock(now(exchange))
        self._moved = asyncio.Event()
        self._before = int(exchange.clock()["sent"]["trading"])
        self.broker = AlpacaBroker(
            settings, emit=self._hear, heard=self._moved.set, clock=self.clock, note=lambda *note: self.notes.append(note), missed=self._miss
        )

    def _hear(self, event: Event) -> None:
        self.said.append(event)
        self._moved.set()

    def _miss(self) -> None:
        self.missed += 1
        self._moved.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                self._moved.clear()
                await self._moved.wait()

    async def settle(self, heard: bool = True) -> None:
        """All that was sent has arrived, and nothing is under way."""
        sent = (await asyncio.to_thread(self.exchange.clock))["sent"]["trading"] - self._before
        await self.until(lambda: not self.broker.busy and (not heard or self.broker.updates.received >= sent))
        await asyncio.sleep(0)

    async def step(self, seconds: float, by: float = 1.0, *, heard: bool = True) -> None:
        """Let time pass; `heard` False where the stream is mute."""
        target = self.clock.now() + round(seconds * SECOND)
        while self.clock.now() < target:
            ahead = min(by, (target - self.clock.now()) / SECOND)
            self.clock.set(self.clock.now() + round(ahead * SECOND))
            await asyncio.to_thread(self.exchange.step, ahead)
            await self.settle(heard)

    def submit(self, order: Order, role: Role = Role.ENTRY) -> None:
        self.broker.send(Submit(order, role, "t", "test", self.clock.now()))

    def cancel(self, name: str, symbol: str = "AAA") -> None:
        self.broker.send(Cancel(name, symbol, "t", "test", self.clock.now()))

    def replace(self, name: str, role: Role, price: float, symbol: str = "AAA") -> None:
        self.broker.send(Replace(name, symbol, "t", role, price, "test", self.clock.now()))

    def updates(self, name: str) -> list[OrderUpdate]:
        return [e for e in self.said if isinstance(e, OrderUpdate) and e.id == name]

    def status(self, name: str) -> Status | None:
        return next((e.status for e in reversed(self.updates(name))), None)

    def filled(self, name: str) -> int:
        return max((e.filled for e in self.updates(name)), default=0)

    def answers(self, name: str) -> list[Outcome]:
        return [e.outcome for e in self.said if isinstance(e, Answer) and e.id == name]

    def last(self, name: str) -> Answer:
        return [e for e in self.said if isinstance(e, Answer) and e.id == name][-1]

    @property
    def tainted(self) -> list[str]:
        return [e.symbol for e in self.said if isinstance(e, Taint)]

    @property
    def books(self) -> Books:
        return Books(self.exchange)


def play(exchange: Exchange, known: Settings, act: Callable[[Desk], Awaitable[None]]) -> Desk:
    """Run on a desk whose order stream is up."""

    async def run() -> Desk:
        desk = Desk(exchange, known)
        running = asyncio.create_task(desk.broker.run())
        try:
            async with asyncio.timeout(60):
                await desk.broker.updates.listening.wait()
                await act(desk)
        finally:
            await end([running])
            await desk.broker.updates.close()
            desk.broker.close()
        return desk

    return asyncio.run(run())


def bracket(name: str = "d-0001-entry", quantity: int = 10, symbol: str = "AAA", *, target: float = 110.0, stop: float = 90.0, **more: Any) -> Order:
    return Order(name, symbol, Side.BUY, quantity, Shape.BRACKET, **{"target": target, "stop": stop, **more})


def oco(name: str, quantity: int = 10, symbol: str = "AAA", *, target: float = 110.0, stop: float = 90.0) -> Order:
    return Order(name, symbol, Side.SELL, quantity, Shape.OCO, target=target, stop=stop)


def sale(name: str, quantity: int = 10, symbol: str = "AAA") -> Order:
    return Order(name, symbol, Side.SELL, quantity, Shape.SIMPLE)
