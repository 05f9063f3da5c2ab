"""Keeps one vendor connected: when a connection has ended, when the next one is tried, and when to stop trying for a while.

The vendors' clients are never let do this: alpaca-py retries a wrong key for ever, Polygon's uses up all its tries within a second.
"""

import asyncio
from collections.abc import Callable
from random import Random

from live.clock import SECOND, Clock
from live.feeds.vendor import Cause, Ending, Feed, Note
from live.tasks import end

FIRST, LONGEST = 1.0, 30.0
"""Seconds before the next try after a lost connection: doubled each time, the half of it by chance."""

CROWDED, FREED = 15.0, 120.0
"""The same where the vendor still counts the old connection: Alpaca frees it after about 90 s (alpaca-py #248), and tries may prolong that."""

ALARM = 120
"""Seconds after which a limit that is still reached is no half-dead connection of ours, but somebody else's."""

BROKEN, RESTS = 8, 300.0
"""Failures in a row after which the breaker opens, and the seconds until it lets one more try through. A refused key opens it at once."""

SETTLED = 60 * SECOND
"""A connection that brought data for so long forgives what was before it."""

PATIENCE = 8.0
"""Seconds of the event loop in which a connection has to be made, let in and subscribed: a server may also be mute before that."""

Ended = Callable[[str, Ending, float], None]
"""Told the vendor, how its connection ended, and in how many seconds the next is tried."""


class Supervisor:
    """One vendor's. `chance` is a seeded generator, `ended` is told of every end."""

    def __init__(self, vendor: Feed, clock: Clock, chance: Random, *, ended: Ended, note: Note) -> None:
        self.vendor = vendor
        self.opening = False
        """A connection is being made: what it will bring is not known yet."""
        self.since: int | None = None
        """When the present connection was subscribed; None while there is none."""
        self.spoke = False
        """Whether it has brought data."""
        self._clock, self._chance, self._ended, self._note = clock, chance, ended, note
        self._failures = self._crowds = 0
        self._crowded_since: int | None = None
        self._connection: asyncio.Task[Ending] | None = None
        self._cut = ""
        self._open = asyncio.Event()
        self._open.set()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await self._open.wait()
            self.opening, self.spoke, self._cut = True, False, ""
            began = self._clock.now()
            ending = await self._once()
            self.opening, self.since = False, None
            pause = self._pause(ending, began)
            self._note("connection", {"vendor": self.vendor.name, "cause": ending.cause.value, "detail": ending.detail, "next": round(pause, 3)})
            self._ended(self.vendor.name, ending, pause)
            await self._clock.sleep(pause)

    def subscribed(self) -> None:
        """The vendor answered what was asked for."""
        self.opening, self._crowds, self._crowded_since = False, 0, None
        if self.since is None:
            self.since = self._clock.now()
            self._note("connection", {"vendor": self.vendor.name, "cause": "subscribed"})

    def cut(self, reason: str) -> None:
        """End the present connection; the next one follows as after any other end."""
        if self._connection is not None and not self._connection.done() and not self._cut:
            self._cut = reason
            self._connection.cancel()

    def hold(self, reason: str) -> None:
        """Read no more until `release`."""
        self._open.clear()
        self.cut(reason)

    def release(self) -> None:
        """Connect again."""
        self._open.set()

    async def _once(self) -> Ending:
        self._connection = asyncio.create_task(self.vendor.once(), name=f"{self.vendor.name} connection")
        try:
            _, running = await asyncio.wait({self._connection}, timeout=PATIENCE)
            if running and self.opening:
                self.cut(f"no answer to the subscription within {PATIENCE:g} s")
            await asyncio.wait({self._connection})
        finally:
            await end({self._connection} if not self._connection.done() else ())
        if self._connection.cancelled():
            return Ending(Cause.LOST, f"cut by us: {self._cut}")
        return self._connection.result()

    def _pause(self, ending: Ending, began: int) -> float:
        """Seconds until the next try."""
        now = self._clock.now()
        if self.spoke and now - began >= SETTLED:
            self._failures = 0
        self._failures += 1
        self._crowds = self._crowds + 1 if ending.cause is Cause.LIMIT else 0
        self._crowded_since = (self._crowded_since or now) if self._crowds else None
        if ending.cause is Cause.REFUSED or self._failures >= BROKEN:
            return self._spread(RESTS)
        if self._crowds:
            return self._spread(min(CROWDED * 2.0 ** (self._crowds - 1), FREED))
        return self._spread(min(FIRST * 2.0 ** (self._failures - 1), LONGEST))

    def _spread(self, seconds: float) -> float:
        """Equal jitter: between the half and the whole."""
        return seconds * (0.5 + self._chance.random() / 2)

    @property
    def crowded(self) -> bool:
        """The vendor has counted another connection of these keys for longer than a dead one of ours lives."""
        return self._crowded_since is not None and self._clock.now() - self._crowded_since >= ALARM * SECOND
