"""One symbol's bars in the order of their minutes. A bar behind a gap waits until the gap is filled or given up: indicators take no bar twice
and none out of turn."""

from collections.abc import Iterable

from msgspec.structs import replace

from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.events import MarketBar


class Line:
    """`last` is the start of the newest settled minute, None before the day so far is known; `missing` are minutes that may have had a bar."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.last: int | None = None
        self.missing: set[int] = set()
        self.deadline = 0
        """When the missing minutes are given up."""
        self._held: dict[int, MarketBar] = {}

    def knows(self, minute: int) -> bool:
        """Whether a bar of that minute would be a second one, or come too late."""
        return minute in self._held or (self.last is not None and minute <= self.last)

    def prime(self, last: int, at: int) -> list[MarketBar]:
        """All up to this minute is known."""
        self.last = last if self.last is None else max(self.last, last)
        self._held = {start: bar for start, bar in self._held.items() if start > self.last}
        return self._flow(at)

    def offer(self, event: MarketBar, at: int) -> list[MarketBar]:
        """A live bar; what may be handed on now."""
        self._held[event.bar.start] = event
        self.missing.discard(event.bar.start)
        return self._flow(at)

    def lack(self, minutes: Iterable[int], deadline: int) -> list[int]:
        """Mark minutes as missing; those that were not yet."""
        new = [minute for minute in minutes if not self.knows(minute) and minute not in self.missing]
        if new and not self.missing:
            self.deadline = deadline
        self.missing.update(new)
        return new

    def filled(self, bars: Iterable[Bar], feed: str, asked: Iterable[int], at: int) -> list[MarketBar]:
        """History answered for these minutes: where it has no bar there was no trade."""
        for bar in bars:
            if bar.start in self.missing:
                self._held[bar.start] = MarketBar(bar, feed, at, late=True)
        self.missing.difference_update(asked)
        return self._flow(at)

    def give_up(self, at: int) -> list[MarketBar]:
        """Go on without what is missing."""
        self.missing.clear()
        return self._flow(at)

    def _flow(self, at: int) -> list[MarketBar]:
        if self.last is None or not self._held:
            return []
        gap = min(self.missing, default=None)
        ready = sorted(start for start in self._held if gap is None or start < gap)
        out = [_stamped(self._held.pop(start), at) for start in ready]
        if ready:
            self.last = ready[-1]
        return out


def _stamped(event: MarketBar, at: int) -> MarketBar:
    """At the moment of its being handed on; late once the minute after its own is over too, as it is no longer the newest."""
    late = event.late or at >= event.bar.start + 2 * MINUTE
    return event if (event.at, event.late) == (at, late) else replace(event, at=at, late=late)
