"""Everything that will happen, in one time-ordered heap. Equal times run by rank, then in the order they were entered."""

import heapq
from collections.abc import Callable

TRADE, BOUNDARY, SESSION, ORDER, EXPIRY = range(5)


class Agenda:
    """Runs what is due. `now` is the time of the entry being run, or of the moment reached."""

    def __init__(self, start: int) -> None:
        self.now = start
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._entered = 0
        self.sooner: Callable[[], None] | None = None
        """Told when an entry comes before all others: whoever waits for the next one has to look again."""

    def at(self, when: int, rank: int, action: Callable[[], None]) -> None:
        self._entered += 1
        heapq.heappush(self._heap, (max(when, self.now), rank, self._entered, action))
        if self.sooner is not None and self._heap[0][2] == self._entered:
            self.sooner()

    def next(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run(self, until: int) -> None:
        """Everything due up to and including that moment; time never goes back."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, _, _, action = heapq.heappop(heap)
            self.now = when
            action()
        self.now = max(self.now, until)
