"""The one queue in front of the one consumer. It is bounded by halting, not by dropping: what is lost unseen is worse than what is not traded."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from pipelines.core.trading.events import Event

Full = Callable[[int], Iterable[Event]]
"""Told how many events wait; what it answers goes before all of them. It has to see to it that no more is read."""


class Inbox:
    """Like `asyncio.Queue`, for one consumer. At `limit` waiting events `full` is asked once; at half of that `drained` is told."""

    def __init__(self, limit: int, *, full: Full, drained: Callable[[], None]) -> None:
        self._events: deque[Event] = deque()
        self._limit, self._full, self._drained = limit, full, drained
        self._there = asyncio.Event()
        self.overflowing = False
        """Full once, and not yet worked off."""
        self.most = 0
        """Events that ever waited at once."""

    def put_nowait(self, event: Event) -> None:
        """Behind all others. Nothing is refused: whoever was being read when the limit was reached is heard to the end."""
        self._events.append(event)
        waiting = len(self._events)
        if waiting == 1:
            self._there.set()
        if waiting > self.most:
            self.most = waiting
        if waiting >= self._limit and not self.overflowing:
            self.overflowing = True
            self._events.extendleft(reversed(list(self._full(waiting))))

    async def get(self) -> Event:
        """The next event, waited for."""
        while not self._events:
            self._there.clear()
            await self._there.wait()
        event = self._events.popleft()
        if self.overflowing and len(self._events) <= self._limit // 2:
            self.overflowing = False
            self._drained()
        return event

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._events

    def qsize(self) -> int:
        """Events that wait."""
        return len(self._events)
