"""The ways to the broker. What reduces risk has connections of its own, so that it never waits behind an entry that gets no answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

import msgspec

from live.brokers.budget import Budget
from live.brokers.route import RETRY_AFTER, Route, connect
from live.clock import Clock
from pipelines.core.errors import OrderRejected
from pipelines.settings import Settings

Raw = Callable[[str, bytes, int], None]
"""Told of what went over the wire, from any thread: what it was, its bytes, and when it came, nanoseconds UTC."""


class Lane(StrEnum):
    """What a request is for."""

    URGENT = "urgent"  # exits, protection, cancels, replacements
    ENTRY = "entry"
    QUERY = "query"


WIDTH = {Lane.URGENT: 4, Lane.ENTRY: 2, Lane.QUERY: 2}
"""Requests of a kind at one time: a stalled one takes thirteen seconds to be given up."""


class Lanes:
    """Connections by lane, the rate budget over all of them, and a count of what is under way."""

    def __init__(self, settings: Settings, clock: Clock, moved: Callable[[], None], raw: Raw | None = None) -> None:
        """`moved` is told whenever a request has ended or begun to wait for time to pass; `raw` of each request and its answer."""
        self.budget = Budget(clock, limit=settings.broker_rate, reserve=min(settings.broker_reserve, settings.broker_rate - 1))
        self.routes = {lane: [connect(settings) for _ in range(width)] for lane, width in WIDTH.items()}
        self._clock, self._moved = clock, moved
        self._free: dict[Lane, asyncio.Queue[Route]] = {}
        self._threads = {lane: ThreadPoolExecutor(max_workers=width, thread_name_prefix=f"broker-{lane}") for lane, width in WIDTH.items()}
        self._working = 0
        self._queued, self._asleep = Counter[Lane](), Counter[Lane]()
        """Pieces of work that wait for a connection, and connections that wait for the budget, by lane."""
        for lane, routes in self.routes.items():
            self._free[lane] = asyncio.Queue()
            for route in routes:
                route.heed = self.budget.heed
                if raw is not None:
                    route.tap = lambda told, raw=raw: raw("broker", msgspec.json.encode(told), clock.now())
                self._free[lane].put_nowait(route)

    @property
    def busy(self) -> bool:
        """Something goes on by itself: neither it nor what it waits for waits for time to pass."""
        stuck = sum(count for lane, count in self._queued.items() if self._asleep[lane] == WIDTH[lane])
        return self._working > stuck

    @property
    def asleep(self) -> bool:
        """A connection waits for the budget."""
        return any(self._asleep.values())

    @asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[Route]:
        """A connection, when one is free and the budget allows a request."""
        self._queued[lane] += 1
        try:
            route = await self._free[lane].get()
        finally:
            self._queued[lane] -= 1
        try:
            while (pause := self.budget.wait(urgent=lane is Lane.URGENT)) > 0:
                self._asleep[lane] += 1
                try:
                    await self.sleep(pause)
                finally:
                    self._asleep[lane] -= 1
            yield route
        finally:
            self._free[lane].put_nowait(route)

    async def run(self, lane: Lane, route: Route, call: Callable[[Route], Any]) -> Any:
        """One call in a turn; as many requests as it sent are taken from the budget. Raises `OrderRejected` or `Unreachable`."""
        self.budget.spend()
        before = route.sent
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads[lane], call, route)
        except OrderRejected as refusal:
            if refusal.status == 429:
                refusal.extra[RETRY_AFTER] = self.budget.refused(float(str(refusal.extra.get(RETRY_AFTER, 0))))
            raise
        finally:
            self.budget.spend(route.sent - before - 1)  # what an account and its lists took beyond the first

    async def ask(self, lane: Lane, call: Callable[[Route], Any]) -> Any:
        """One call in its turn. Raises `OrderRejected` or `Unreachable`."""
        async with self.turn(lane) as route:
            return await self.run(lane, route, call)

    async def sleep(self, seconds: float) -> None:
        """Let time pass, in a piece of work that began with `began`."""
        self.ended()
        try:
            await self._clock.sleep(seconds)
        finally:
            self.began()

    def began(self) -> None:
        """A piece of work goes on."""
        self._working += 1

    def ended(self) -> None:
        """A piece of work is over, or waits."""
        self._working -= 1
        self._moved()

    def close(self) -> None:
        """Let go of the threads; what is on its way is not waited for."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
