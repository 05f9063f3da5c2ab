"""Whether our own time can be trusted: a loop that came late decided on old data, a clock that is off keeps deadlines at the wrong moment."""

import asyncio
from collections.abc import Callable

from live.clock import SECOND, Clock
from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.events import MarketBar

PERIOD = 0.25
"""Seconds between two looks at the loop."""

Off = Callable[[str, float], None]
"""Told what was found, and by how many seconds."""


class Stall:
    """How late the event loop is, against its own time; and whether the clock moved differently from it, as after a suspend or a step of the clock.

    It waits on the loop itself and not on the session's clock: the loop is what it measures. A clock that somebody moves is not compared.
    """

    def __init__(self, clock: Clock, limit: float, *, late: Off) -> None:
        self.worst = 0.0
        """Seconds; the longest the loop was ever late."""
        self._clock, self._limit, self._late = clock, limit, late

    async def follow(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            before, then = loop.time(), self._clock.now()
            await asyncio.sleep(PERIOD)
            passed = loop.time() - before
            lag = passed - PERIOD
            self.worst = max(self.worst, lag)
            if lag > self._limit:
                self._late(f"the event loop stood still for {lag:.2f} s", lag)
            if self._clock.speed is not None:
                jump = (self._clock.now() - then) / SECOND / self._clock.speed - passed
                if abs(jump) > self._limit:
                    self._late(f"the clock jumped by {jump:+.2f} s: the machine slept, or its time was set", jump)


class Drift:
    """Our clock against the broker's, and against the minutes that the vendors tell."""

    def __init__(self, limit: float, *, off: Off) -> None:
        self._limit, self._off = limit, off
        self._soonest: dict[str, float] = {}

    def broker(self, theirs: int, asked: int, answered: int) -> float:
        """The broker's time and ours before and after asking: their lead in seconds, as NTP reckons it; reported if it is certain and too much."""
        offset = (theirs - (asked + answered) / 2) / SECOND
        unsure = (answered - asked) / 2 / SECOND
        if abs(offset) - unsure > self._limit:
            self._off(f"the broker's clock is {offset:+.2f} s from ours (give or take {unsure:.2f} s)", offset)
        return offset

    def bar(self, event: MarketBar) -> None:
        """A live bar cannot come before its minute is over: then our clock is slow."""
        if event.late:
            return
        age = (event.at - event.bar.start - MINUTE) / SECOND
        if age < -self._limit:
            self._off(f"{event.feed} told a minute {-age:.2f} s before it was over by our clock", -age)
        self._soonest[event.feed] = min(age, self._soonest.get(event.feed, age))

    def minute(self) -> None:
        """A minute is over: bars of every vendor that all came late, even the first of them, are the clock's doing; one vendor's are its own."""
        if len(self._soonest) > 1 and min(self._soonest.values()) > self._limit:
            soonest = min(self._soonest.values())
            self._off(f"the soonest bar of every vendor came {soonest:.2f} s after its minute: our clock is fast, or our line is slow", -soonest)
        self._soonest.clear()
