"""Which minutes a symbol may be missing, and its bars in order until they are found or given up.

A minute without a trade has no bar, so an absent bar is no gap by itself. It is one where nobody could have heard it (its vendor was away), or
where a vendor that shows the whole market skipped it and no other one can say that nothing traded. A minute missing on IEX alone is none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from live.feeds.compare import Comparison
from live.feeds.health import Health
from live.feeds.lines import Line
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.market.session import Session
from pipelines.core.trading.events import MarketBar

ON_ITS_WAY = 5 * SECOND
"""A bar that was due so shortly before a connection was lost may have been lost with it."""

Ask = Callable[[str, Sequence[int]], None]
"""Has a symbol's minutes fetched."""


class Gaps:
    """All symbols of a session."""

    LASTS = 20 * MINUTE
    """How long a gap that was never filled keeps entries away: as long as the longest mean of minutes that it is in."""

    def __init__(self, symbols: Iterable[str], health: Mapping[str, Health], comparison: Comparison, hours: Session, wait: int, *, ask: Ask) -> None:
        self._lines = {symbol: Line(symbol) for symbol in symbols}
        self._health, self._comparison, self._hours, self._wait, self._ask = health, comparison, hours, wait, ask
        self._away: dict[str, list[list[int]]] = {name: [[0, 2**63]] for name in health}
        """By vendor: from when to when it was not connected."""
        self._still: dict[str, list[list[int]]] = {}
        """By symbol: from when to when it was halted."""
        self._refused: dict[str, set[int]] = {}
        """By symbol: the minutes in which a message of it could not be read."""

    def last(self, symbol: str) -> int:
        """The start of the newest minute that was handed on; far in the future before the day so far is known."""
        last = self._lines[symbol].last
        return 2**63 if last is None else last

    # --- what happened

    def away(self, vendor: str, at: int) -> None:
        """A vendor's connection has ended."""
        if self._away[vendor][-1][1] < 2**63:
            self._away[vendor].append([at, 2**63])

    def back(self, vendor: str, at: int) -> None:
        """And is there again."""
        self._away[vendor][-1][1] = min(self._away[vendor][-1][1], at)

    def halt(self, symbol: str, halted: bool, at: int) -> None:
        """Trading stopped or goes on."""
        if halted:
            self._still.setdefault(symbol, []).append([at, 2**63])
        elif spans := self._still.get(symbol):
            spans[-1][1] = min(spans[-1][1], at)

    def refused(self, symbol: str, at: int) -> None:
        """Something was said of a symbol, or of any (empty), that could not be read: the minute that had just ended had a bar."""
        self._refused.setdefault(symbol, set()).add(at - at % MINUTE - MINUTE)

    def halted_at(self, symbol: str) -> int:
        """Since when a halted symbol is."""
        return self._still[symbol][-1][0]

    # --- bars

    def begin(self, symbol: str, last: int, source: str, at: int) -> list[MarketBar]:
        """The day is known up to this minute."""
        line = self._lines[symbol]
        line.last = last
        self._want(line, self._doubtful(symbol, last, at - at % MINUTE, source), at)
        return line.prime(last, at)

    def catch_up(self, symbol: str, source: str, at: int) -> None:
        """A vendor is back: fetch what nobody can have heard."""
        line = self._lines[symbol]
        if line.last is not None:
            self._want(line, self._doubtful(symbol, line.last, at - at % MINUTE, source), at)

    def settle(self, symbol: str, minute: int) -> None:
        """Up to this minute nothing is missing, unless it is waited for already."""
        line = self._lines[symbol]
        if line.last is not None and not line.missing:
            line.last = max(line.last, minute)

    def offer(self, event: MarketBar, vendor: str, at: int) -> list[MarketBar]:
        """A live bar that counts; what may be handed on now."""
        line, start = self._lines[event.bar.symbol], event.bar.start
        if line.knows(start):
            return []
        if line.last is not None and (lacking := self._doubtful(line.symbol, line.last, start, vendor)):
            self._want(line, lacking, at)
        return line.offer(event, at)

    def filled(self, symbol: str, bars: Iterable[Bar], feed: str, minutes: Iterable[int], at: int) -> list[MarketBar]:
        """History answered."""
        return self._lines[symbol].filled(bars, feed, minutes, at)

    def overdue(self, at: int) -> list[tuple[str, int, list[MarketBar]]]:
        """Symbols whose missing minutes are given up: how many, and the bars that waited behind them."""
        late = [line for line in self._lines.values() if line.missing and at >= line.deadline]
        return [(line.symbol, len(line.missing), line.give_up(at)) for line in sorted(late, key=lambda line: line.symbol)]

    def _want(self, line: Line, minutes: Sequence[int], at: int) -> None:
        if new := line.lack(minutes, at + self._wait):
            self._ask(line.symbol, new)

    def _doubtful(self, symbol: str, last: int, before: int, vendor: str) -> list[int]:
        """Minutes of the session after `last` and before that moment which this vendor may have told and nobody heard."""
        first, end = max(last + MINUTE, self._hours.open), min(before, self._hours.close)
        return [minute for minute in range(first, end, MINUTE) if self._doubted(symbol, minute, vendor)]

    def _doubted(self, symbol: str, minute: int, vendor: str) -> bool:
        due = minute + MINUTE
        if any(start <= minute < stop or start < due <= stop for start, stop in self._still.get(symbol, ())):
            return False
        if any(minute in self._refused.get(name, ()) for name in (symbol, "")):
            return True
        others = [h for name, h in self._health.items() if name != vendor and not h.thin and symbol in h.granted]
        if any(h.minute >= minute and not self._missed(h.name, due) for h in others):
            return False  # the other one heard nothing either: nothing traded
        return self._missed(vendor, due) or not self._health[vendor].thin

    def _missed(self, vendor: str, due: int) -> bool:
        """Whether a bar that was due at that moment may have been said while the vendor was away."""
        return any(start - ON_ITS_WAY <= due <= stop for start, stop in self._away[vendor])
