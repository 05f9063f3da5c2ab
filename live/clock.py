"""The one clock of the live side. Nobody else asks what time it is or waits for it, so that a session can run on another time than ours."""

import asyncio
import time
from heapq import heappop, heappush
from typing import Protocol

SECOND = 1_000_000_000


class Clock(Protocol):
    """Nanoseconds since 1970 UTC, and how fast they pass."""

    @property
    def speed(self) -> float | None:
        """Market seconds a wall second; None where time moves only when it is told to."""

    def now(self) -> int:
        """The time."""

    async def sleep(self, seconds: float) -> None:
        """Return when so many seconds of this clock have passed."""


class SystemClock:
    """Ours."""

    speed: float | None = 1.0

    def now(self) -> int:
        """The machine's wall clock."""
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        """By the event loop, which no change of the wall clock hurries."""
        await asyncio.sleep(seconds)


class LoopClock:
    """The event loop's own, from the first look at it: on a loop whose time is virtual a whole session takes seconds."""

    speed: float | None = 1.0

    def __init__(self, start: int) -> None:
        self._start = start
        self._since: float | None = None

    def now(self) -> int:
        """The start, and what the loop says has passed since."""
        moment = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = moment
        return self._start + round((moment - self._since) * SECOND)

    async def sleep(self, seconds: float) -> None:
        """Virtual where the loop's time is."""
        await asyncio.sleep(seconds)


class ScaledClock:
    """A simulated exchange's, running `speed` times as fast as ours from a known moment on."""

    def __init__(self, start: int, speed: float) -> None:
        self.speed: float | None = speed
        self._start, self._scale, self._since = start, speed, time.monotonic_ns()

    def now(self) -> int:
        """The exchange's time, carried on from the moment it was read."""
        return self._start + int((time.monotonic_ns() - self._since) * self._scale)

    async def sleep(self, seconds: float) -> None:
        """As much shorter as the exchange's time is faster."""
        await asyncio.sleep(seconds / self._scale)


class SteppedClock:
    """A simulated exchange's, moved by whoever conducts the session."""

    speed: float | None = None

    def __init__(self, start: int) -> None:
        self._now = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> int:
        """The last time it was set to."""
        return self._now

    def set(self, now: int) -> None:
        """Move on, and wake whoever waited for it; time never goes back."""
        self._now = max(self._now, now)
        while self._sleepers and self._sleepers[0][0] <= self._now:
            *_, sleeper = heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Until it has been set so far."""
        self._slept += 1
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self._now + round(seconds * SECOND), self._slept, sleeper))
        await sleeper
