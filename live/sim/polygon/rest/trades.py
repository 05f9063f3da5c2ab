"""Single trades and quotes of any session, numbered, as they had been told by the feed's clock."""

from collections.abc import Iterator
from dataclasses import replace

from live.sim.clock import MINUTE, new_york
from live.sim.polygon.markets import sequence
from live.sim.venue.feed import Feed
from live.sim.worlds.sessions import Session
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars, empty

_DAY = 10**10  # more than any sequence number
Numbered = tuple[int, int, Print]
"""Its place among all days, its sequence number within the day, and the print."""


class Trades:
    """Minutes unfold into the same prints every time; a page unfolds no more than it needs."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def sessions(self, start: int, end: int, *, newest: bool) -> list[Session]:
        """Those that the bounds touch and the world holds."""
        world, start, end = self._feed.world, max(start, 0), min(end, self._feed.now)
        first, last = max(new_york(start).date(), world.first), min(new_york(end).date(), world.last)
        found = world.calendar.since(first, last) if start <= end and first <= last else []
        return found[::-1] if newest else found

    def between(self, symbol: str, start: int, end: int, *, newest: bool) -> Iterator[Numbered]:
        """Both bounds are included."""
        world, end = self._feed.world, min(end, self._feed.now)
        for session in self.sessions(start, end, newest=newest) if symbol in world.assets else ():
            bars, played = world.day(session.date).get(symbol, empty()), world.ticks(session.date).get(symbol)
            bars = bars if played is None else replace(bars, t=played.minutes)  # recorded ticks need no bar
            first, last = (int(row) for row in bars.t.searchsorted([start - MINUTE + 1, end + 1]))
            for row in range(last - 1, first - 1, -1) if newest else range(first, last):
                found = [each for each in self._minute(session, symbol, bars, row) if start <= each[2].at <= end]
                yield from reversed(found) if newest else found

    def _minute(self, session: Session, symbol: str, bars: Bars, row: int) -> list[Numbered]:
        tape, minute = self._feed.tape, int(bars.t[row])
        path = tape.path(symbol, minute) if session.date == tape.session.date else tape.expand(symbol, bars, row)
        told = [(sequence(path, found, session.midnight), found) for found in self._told(symbol, bars, row, path)]
        return [(session.ordinal * _DAY + number, number, found) for number, found in told]

    def _told(self, symbol: str, bars: Bars, row: int, path: list[Print]) -> list[Print]:
        """As far as they are known: one that was told late or wrongly may not have been put right yet."""
        slip = self._feed.slips.find(symbol, bars, row)
        if slip is None or self._feed.now >= slip.known:
            return path
        known = [found for found in path if found != slip.trade or slip.kind == "cancel"]
        return sorted([*known, slip.told], key=lambda found: found.at) if slip.told is not None else known
