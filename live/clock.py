"""The one clock of the live side. Nobody else asks what time it is, so that a session can run on another time than ours."""

import time
from typing import Protocol


class Clock(Protocol):
    """Nanoseconds since 1970 UTC, and how fast they pass."""

    @property
    def speed(self) -> float | None:
        """Market seconds a wall second; None where time moves only when it is told to."""

    def now(self) -> int:
        """The time."""


class SystemClock:
    """Ours."""

    speed: float | None = 1.0

    def now(self) -> int:
        """The machine's wall clock."""
        return time.time_ns()


class ScaledClock:
    """A simulated exchange's, running `speed` times as fast as ours from a known moment on."""

    def __init__(self, start: int, speed: float) -> None:
        self.speed: float | None = speed
        self._start, self._scale, self._since = start, speed, time.monotonic_ns()

    def now(self) -> int:
        """The exchange's time, carried on from the moment it was read."""
        return self._start + int((time.monotonic_ns() - self._since) * self._scale)


class SteppedClock:
    """A simulated exchange's, moved by whoever conducts the session."""

    speed: float | None = None

    def __init__(self, start: int) -> None:
        self._now = start

    def now(self) -> int:
        """The last time it was set to."""
        return self._now

    def set(self, now: int) -> None:
        """Move on; time never goes back."""
        self._now = max(self._now, now)
