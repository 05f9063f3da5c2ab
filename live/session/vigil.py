"""Watches our own side of a session: the queue, the event loop, the clock. What is doubtful there becomes an event like any other.

A queue that fills up halts entries and stops the reading, and nothing is dropped. A loop that stood still or a clock that is off keeps entries away
(`TIME_DOUBT` says how hard), because all that was decided meanwhile was decided on old data or at another time than was thought.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live.brokers.hearing import Emit
from live.clock import Clock
from live.session.inbox import Inbox
from live.session.timing import Drift, Stall
from pipelines.core.errors import BrokerError
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import new_york
from pipelines.core.trading.commands import Reduce, Stand
from pipelines.core.trading.events import Alarm, Command, Event, MarketBar, Taint
from pipelines.settings import Settings

LASTS = 2 * MINUTE
"""How long a doubt about time keeps entries away, and after how long it is over: what was missed has been fetched by then."""

AGAIN = MINUTE
"""Between two words on the same doubt, and between two looks at the broker's clock while there is one. One that stays as it was is only counted."""

AHEAD = 15 * MINUTE
"""How long entries are kept away at a time, unless the doubt is over before: what a run that dies leaves behind ends by itself."""

COMPARED = 10 * MINUTE
"""Between two looks at the broker's clock otherwise."""

Ask = Callable[[], Awaitable[tuple[int, int, int]]]
"""The broker's time, and ours before and after asking. Raises BrokerError."""


@dataclass(slots=True)
class Doubt:
    """One about time, while it lasts. Moments in nanoseconds UTC; `told` is its size, seconds, when people heard of it."""

    since: int
    detail: str = ""
    told: float = 0.0
    worst: float = 0.0
    times: int = 0
    last: int = 0
    renewed: int = -AGAIN
    until: int = 0


class Vigil:
    """Of one session. `tick` it; `work` is what has to run beside. A clock that somebody moves by hand is compared with the broker's alone."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        ask: Ask,
        emit: Emit,
        hold: Callable[[str], None],
        release: Callable[[], None],
        moved: Callable[[], None],
        folder: Path,
    ) -> None:
        """`hold` and `release` stop and start the reading of market data; `moved` is told when a look at the broker's clock is over; `folder` is
        where the journal is written.
        """
        self._clock, self._doubt = clock, settings.time_doubt
        self._ask, self._emit, self._hold, self._release, self._moved = ask, emit, hold, release, moved
        self.inbox = Inbox(settings.feed_queue, full=self._overflowed, drained=self._drained)
        pace = max(clock.speed or 1.0, 1.0)  # a simulated market that runs faster makes more of the same delay
        self._limits = {"STALLED": settings.loop_stall, "CLOCK_DRIFT": settings.clock_drift * pace}
        self.stall = Stall(clock, self._limits["STALLED"], late=lambda what, size: self._doubted("STALLED", what, size))
        self._drift = Drift(self._limits["CLOCK_DRIFT"], off=lambda what, size: self._doubted("CLOCK_DRIFT", what, size))
        self._suspected = Drift(self._limits["CLOCK_DRIFT"], off=lambda *_: self._due.set())
        self._due = asyncio.Event()
        self._compared = self._minute = 0
        self._doubts: dict[str, Doubt] = {}
        self._folder, self._reserve = folder, settings.disk_reserve * 1_000_000
        self._low = False

    @property
    def busy(self) -> bool:
        """The broker's clock is being looked at."""
        return self._due.is_set()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Each to be run until it is cancelled."""
        return [self._compare(), *([self.stall.follow()] if self._clock.speed is not None else [])]

    def heard(self, event: Event) -> None:
        """An event is being processed. A bar before its time is proof; bars that all come late may be the line's doing: the broker is asked."""
        if isinstance(event, MarketBar) and self._clock.speed is not None:
            self._drift.bar(event)
            self._suspected.bar(event)

    def tick(self, at: int) -> None:
        """Time passed."""
        if at - self._compared >= (AGAIN if "CLOCK_DRIFT" in self._doubts else COMPARED):
            self._due.set()
        if at // MINUTE != self._minute:
            self._minute = at // MINUTE
            self._suspected.minute()
        for code in [code for code, doubt in self._doubts.items() if at - doubt.last >= LASTS]:
            self._believed(code, at)
        self._look_at_disk()

    async def _compare(self) -> None:
        """Look at the broker's clock whenever that is due."""
        while True:
            await self._due.wait()
            self._compared = self._clock.now()
            try:
                self._drift.broker(*await self._ask())
            except BrokerError:
                pass  # a broker that is silent is told of by the oversight, which asks more often
            finally:
                self._due.clear()
                self._moved()

    # --- what follows

    def _doubted(self, code: str, detail: str, size: float) -> None:
        """People hear of it when it begins and when it has changed by more than what is allowed at all; entries are kept away as long as it lasts."""
        now = self._clock.now()
        doubt = self._doubts.setdefault(code, Doubt(now))
        doubt.times, doubt.last, doubt.worst = doubt.times + 1, now, max(doubt.worst, abs(size))
        if now - doubt.renewed < AGAIN:
            return
        doubt.renewed = now
        if changed := abs(size - doubt.told) > self._limits[code]:
            self._taint(doubt, now)
            doubt.told, doubt.detail = size, detail
            self._emit(
                Alarm(code, detail if doubt.times == 1 else f"{detail}; {doubt.times} times since {new_york(doubt.since):%H:%M} New York", now)
            )
            if self._doubt == "reduce":
                self._emit(Command(f"{code.lower()}-{now}", Reduce(), detail, now))
        if changed or now + LASTS > doubt.until:
            self._taint(doubt, now, now + AHEAD)

    def _believed(self, code: str, at: int) -> None:
        """A doubt that did not come again is over."""
        doubt = self._doubts.pop(code)
        self._taint(doubt, at)
        told = f"{code} for {LASTS // MINUTE} minutes no more: {doubt.times} times since {new_york(doubt.since):%H:%M} New York"
        self._emit(Alarm("TIME_AGREES", f"{told}, by {doubt.worst:.2f} s at most", at))

    def _taint(self, doubt: Doubt, at: int, until: int = 0) -> None:
        """Keep entries away until then; by default what was said so before is taken back."""
        if self._doubt == "taint" and (until or doubt.until):
            doubt.until = until
            self._emit(Taint("", doubt.detail, until, at))

    def full(self, detail: str) -> None:
        """The disk takes no more, or soon will not: what is left of it is for what protects."""
        now = self._clock.now()
        self._emit(Alarm("DISK_FULL", detail, now))
        self._emit(Command(f"disk-{now}", Stand(), "the disk, which is full", now))

    def _look_at_disk(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < self._reserve and not self._low:
            self.full(f"{free / 1e6:,.0f} MB are free where the journal is written, {self._reserve / 1e6:,.0f} are wanted: make room, then resume")
        self._low = free < self._reserve

    def _overflowed(self, waiting: int) -> Iterable[Event]:
        """Goes before all that waits: nothing of it is entered any more."""
        now, detail = self._clock.now(), f"{waiting:,} events wait: nothing more is read until half of them are worked off"
        self._hold(detail)
        return [Alarm("OVERFLOW", detail, now), Command(f"overflow-{now}", Stand(), "the queue, which is full", now)]

    def _drained(self) -> None:
        self._emit(
            Alarm(
                "DRAINED",
                f"reading again; up to {self.inbox.most:,} events waited, none was lost. `daybot resume` lets entries in",
                self._clock.now(),
            )
        )
        self._release()
