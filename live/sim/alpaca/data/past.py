"""Trades and quotes of any session by REST: minutes unfold into the same path every time, and what was told wrongly is marked."""

from collections.abc import Iterator
from typing import Any

from live.sim.alpaca.data.ticks import place_of, quote_row, trade_row
from live.sim.clock import MINUTE, new_york
from live.sim.venue.feed import Feed
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import empty

_FLAGS = {"cancel": "canceled", "correction": "incorrect"}


class Past:
    """Reads what a feed has shown."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._world, self._tape, self._slips = feed.world, feed.tape, feed.slips

    def chunks(self, symbol: str, kind: str, bounds: tuple[int, int], *, newest: bool) -> Iterator[list[dict[str, Any]]]:
        """Rows minute by minute, in the order that was asked for: a page unfolds no more than it needs."""
        if symbol not in self._world.assets:
            return
        now = self._feed.now
        start, end = bounds[0], min(bounds[1], now)
        if start > end:
            return
        sessions = self._world.calendar.since(max(new_york(start).date(), self._world.first), min(new_york(end).date(), self._world.last))
        for session in reversed(sessions) if newest else sessions:
            bars, played = self._world.day(session.date).get(symbol, empty()), self._world.ticks(session.date).get(symbol)
            starts = bars.t if played is None else played.minutes
            first, last = (int(at) for at in starts.searchsorted([start - MINUTE + 1, end + 1]))
            for row in range(last - 1, first - 1, -1) if newest else range(first, last):
                path = self._tape.expand(symbol, bars, row) if played is None else played.path(int(starts[row]))
                slip = self._slips.find(symbol, bars, row) if played is None else None
                found = self._minute(symbol, kind, path, slip, bounds=(start, end), now=now)
                yield found[::-1] if newest else found

    def _minute(self, symbol: str, kind: str, path: list[Print], slip: Slip | None, *, bounds: tuple[int, int], now: int) -> list[dict[str, Any]]:
        place = place_of(self._world.assets[symbol], self._feed.name)
        path = [trade for trade in path if bounds[0] <= trade.at <= bounds[1]]
        if kind == "quotes":
            return [quote_row(trade, place) for trade in path if trade.quoted]
        told = [(trade, None) for trade in path if trade.traded] if slip is None else _told(path, slip, now)
        return [trade_row(trade, place, flag) for trade, flag in told if bounds[0] <= trade.at <= bounds[1]]


def _told(path: list[Print], slip: Slip, now: int) -> list[tuple[Print, str | None]]:
    """What has been said of the minute by now; what turned out wrong stays, marked."""
    right = now >= slip.known
    found: list[tuple[Print, str | None]] = []
    for trade in path:
        if trade != slip.trade or slip.kind == "cancel":
            found.append((trade, None))
            continue
        if slip.told is not None:
            found.append((slip.told, _FLAGS[slip.kind] if right else None))
        if right:
            found.append((trade, "corrected" if slip.kind == "correction" else None))
    if slip.kind == "cancel" and slip.told is not None and slip.told.at <= now:
        found.append((slip.told, "canceled" if right else None))
    return sorted(found, key=lambda each: each[0].at)
