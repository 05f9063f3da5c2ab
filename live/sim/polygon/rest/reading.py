"""Aggregates as they were known at the feed's clock: base bars of a range, cut to whole windows when there are more than the limit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from live.sim.alpaca.data.history import History
from live.sim.clock import DAY, SECOND, local, new_york
from live.sim.polygon.rest.spans import Span
from live.sim.polygon.rest.trades import Trades
from live.sim.venue.feed import Feed
from live.sim.worlds.world import Bars, Floats, Integers, group, join

_COLUMNS = ("t", "o", "h", "l", "c", "v", "n", "vw")


@dataclass(frozen=True, slots=True)
class Page:
    """`counted` is how many base bars made the rows; `rest` where the next page goes on, None when there is none."""

    bars: Bars
    counted: int
    rest: int | None


class Reading:
    """The same minutes and days as on the other wire."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._trades = Trades(feed)
        self._history = History(feed.world, feed.slips)

    def page(self, symbol: str, span: Span, bounds: tuple[int, int], *, limit: int, newest: bool, at: int | None, adjusted: bool) -> Page:
        """Windows that touch the bounds, oldest or newest first; `at` is the `rest` of the page before."""
        start, end = span.label(bounds[0]), span.end(bounds[1])
        if at is not None:
            start, end = (start, min(end, at)) if newest else (max(start, at), end)
        limit = max(limit, span.bases)  # a page smaller than one window could never go on
        parts, held = list[Bars](), 0
        for piece in self._base(symbol, span, start, end, newest=newest):
            parts.append(piece)
            held += len(piece)
            if held > limit:
                break
        bars = self._adjusted(symbol, join(parts[::-1] if newest else parts), adjusted=adjusted)
        if not len(bars):
            return Page(bars, 0, None)
        labels = span.labels(bars.t)
        first, last = _whole(labels, limit, newest=newest)
        rest = None
        if last - first < len(bars):
            rest = int(labels[first]) if newest else int(labels[last])
        kept = group(bars.cut(first, last), labels[first:last])
        return Page(_reversed(kept) if newest else kept, last - first, rest)

    def daily(self, symbol: str) -> Bars:
        """All days up to the running one."""
        return self._history.daily(symbol, self._feed.now)

    def minutes(self, symbol: str) -> Bars:
        """Finished minutes of the running session, extended hours included."""
        return self._history.minutes(symbol, self._feed.tape.session, self._feed.now)

    def _base(self, symbol: str, span: Span, start: int, end: int, *, newest: bool) -> Iterator[Bars]:
        """Pieces in order of time, or in reverse order; inside a piece time always rises."""
        world, now = self._feed.world, self._feed.now
        end = min(end, now + 1)
        if symbol not in world.assets or start >= end:
            return
        if span.daily:
            yield _within(self.daily(symbol), start, end)
            return
        if span.unit == "second":
            for session in self._trades.sessions(start, end - 1, newest=newest):
                low, high = max(start, session.midnight), min(end, session.midnight + DAY)
                yield _within(self._seconds(symbol, low, min(high, now - now % SECOND)), low, high)
            return
        first, last = max(new_york(max(start, 0)).date(), world.first), min(new_york(end - 1).date(), world.last)
        sessions = world.calendar.since(first, last) if first <= last else []
        for session in reversed(sessions) if newest else sessions:
            yield _within(self._history.minutes(symbol, session, now), start, end)

    def _seconds(self, symbol: str, start: int, end: int) -> Bars:
        """Finished seconds, made of the trades inside their minutes."""
        trades = [found for _, _, found in self._trades.between(symbol, start, end - 1, newest=False) if found.traded and found.counts]
        starts: Integers = np.array([found.at - found.at % SECOND for found in trades], np.int64)
        prices: Floats = np.array([found.price / 10_000 for found in trades], np.float64)
        sizes: Integers = np.array([found.size for found in trades], np.int64)
        return group(Bars(starts, prices, prices, prices, prices, sizes, np.ones(len(trades), np.int64), prices), starts)

    def day(self, symbol: str, midnight: int, *, adjusted: bool) -> Bars:
        """The day that starts then, one row or none."""
        return self._adjusted(symbol, _within(self.daily(symbol), midnight, midnight + 1), adjusted=adjusted)

    def previous(self, symbol: str, *, adjusted: bool) -> Bars:
        """The last day before the clock's own New York date, one row or none."""
        bars = self._feed.world.daily(symbol, new_york(self._feed.now).date())
        return self._adjusted(symbol, bars.cut(max(len(bars) - 1, 0), len(bars)), adjusted=adjusted)

    def extended(self, symbol: str, midnight: int) -> tuple[float | None, float | None]:
        """First price before the open and last price after the close of that day, where there was trading."""
        session = self._feed.world.calendar.on(midnight)
        if session is None:
            return None, None
        bars = self._history.minutes(symbol, session, self._feed.now)
        early, late = np.searchsorted(bars.t, [session.open, session.close])
        return (float(bars.o[0]) if early else None), (float(bars.c[-1]) if late < len(bars) else None)

    def _adjusted(self, symbol: str, bars: Bars, *, adjusted: bool) -> Bars:
        """On the scale of today's shares: prices before a split that is in force are divided by its ratio, volumes multiplied."""
        today = new_york(self._feed.now).date()
        splits = [action for action in self._feed.world.actions.of(symbol) if not action.rate and action.ex_date <= today] if adjusted else []
        for split in splits:
            bars = _scaled(bars, local(split.ex_date, 0), float(split.ratio))
        return bars

    def closed(self, midnight: int) -> bool:
        """Whether that day is over: its regular session, and the closing auction that was recorded after it."""
        session = self._feed.world.calendar.on(midnight)
        return session is not None and self._feed.world.official(session) <= self._feed.now


def _scaled(bars: Bars, before: int, ratio: float) -> Bars:
    """Rows that start before that moment."""
    old = bars.t < before
    o, h, low, c, vw = (np.where(old, np.round(prices / ratio, 4), prices) for prices in (bars.o, bars.h, bars.l, bars.c, bars.vw))
    return Bars(bars.t, o, h, low, c, np.where(old, np.round(bars.v * ratio).astype(np.int64), bars.v), bars.n, vw)


def _whole(labels: Integers, limit: int, *, newest: bool) -> tuple[int, int]:
    """The rows a page may hold: at most `limit`, and no window that is cut by its edge."""
    count = len(labels)
    if count <= limit:
        return 0, count
    if newest:
        edge = count - limit
        cut = labels[edge - 1] == labels[edge]
        return (int(np.searchsorted(labels, labels[edge], side="right")) if cut else edge), count
    cut = labels[limit - 1] == labels[limit]
    return 0, (int(np.searchsorted(labels, labels[limit])) if cut else limit)


def _within(bars: Bars, start: int, end: int) -> Bars:
    """Rows that start from `start` up to, but not at, `end`."""
    first, last = np.searchsorted(bars.t, [start, end])
    return bars.cut(int(first), int(last))


def _reversed(bars: Bars) -> Bars:
    return Bars(*(getattr(bars, column)[::-1] for column in _COLUMNS))
