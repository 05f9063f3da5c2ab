"""Bars as they were known at a moment: nothing that ends later than the venue's clock is ever answered, the running bar excepted up to now."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from live.sim.clock import MINUTE, SECOND, local, new_york
from live.sim.errors import invalid
from live.sim.worlds.sessions import Session
from live.sim.worlds.slips import Slips
from live.sim.worlds.world import Bars, Integers, World, empty, group, join

_FRAME = re.compile(r"^([0-9]+)(Min|T|Hour|H|Day|D|Week|W|Month|M)$")
_UNITS = {"Min": "T", "T": "T", "Hour": "H", "H": "H", "Day": "D", "D": "D", "Week": "W", "W": "W", "Month": "M", "M": "M"}

_RECENT = timedelta(days=10)  # holds a session or two, whatever the holidays

Adjust = Callable[[Bars], Bars]
"""Puts raw bars on the scale of now."""


@dataclass(frozen=True, slots=True)
class Timeframe:
    """`unit` is T(minute), H, D, W or M."""

    amount: int
    unit: str

    @property
    def intraday(self) -> bool:
        return self.unit in "TH"


def timeframe(text: str) -> Timeframe:
    """Raises Refusal for what Alpaca does not offer."""
    match = _FRAME.match(text)
    if match is None:
        raise invalid(f"invalid timeframe: {text}")
    amount, unit = int(match[1][:4]), _UNITS[match[2]]
    allowed = {"T": range(1, 60), "H": range(1, 24), "D": (1,), "W": (1,), "M": (1, 2, 3, 4, 6, 12)}[unit]
    if amount not in allowed:
        raise invalid(f"invalid timeframe: {text}")
    return Timeframe(amount, unit)


class History:
    """Reads a world up to a moment that each call is given."""

    def __init__(self, world: World, slips: Slips | None = None) -> None:
        self._world = world
        self._slips = slips

    def chunks(
        self, symbol: str, frame: Timeframe, *, start: int, end: int, now: int, newest_first: bool = False, adjust: Adjust | None = None
    ) -> Iterator[Bars]:
        """Bars that start within the bounds (both included), intraday frames session by session: a page reads no more than it needs."""
        end = min(end, now)
        if start > end or symbol not in self._world.assets:
            return
        if not frame.intraday:
            since = new_york(max(start, 0)).date()
            bars = _within(self._coarse(symbol, frame, now, since, adjust), start, end)
            yield _reversed(bars) if newest_first else bars
            return
        width = frame.amount * (MINUTE if frame.unit == "T" else 60 * MINUTE)
        first, last = new_york(max(start - start % width, 0)).date(), new_york(end).date()
        sessions = self._world.calendar.since(max(first, self._world.first), min(last, self._world.last))
        for session in reversed(sessions) if newest_first else sessions:
            bars = self.minutes(symbol, session, now)
            bars = bars if adjust is None else adjust(bars)
            bars = bars if width == MINUTE else group(bars, bars.t - _offset(bars.t, width))
            bars = _within(bars, start, end)
            yield _reversed(bars) if newest_first else bars

    def minutes(self, symbol: str, session: Session, now: int) -> Bars:
        """Complete minutes of that session, as they were told up to then."""
        bars = self._world.day(session.date).get(symbol, empty())
        done = bars.cut(0, int(np.searchsorted(bars.t, now - MINUTE, side="right")))
        return done if self._slips is None else self._slips.seen(symbol, done, now)

    def daily(self, symbol: str, now: int, since: date | None = None) -> Bars:
        """Complete sessions from about `since` on, and the running one as far as it has come.

        A symbol without daily history has no days, unless its ticks are played.
        """
        today = new_york(now).date()
        session = self._world.calendar.find(today)
        over = session is not None and now >= self._world.official(session)
        until, first = today + timedelta(days=over), None if since is None else min(since, today - _RECENT)
        past = self._world.daily(symbol, until, first)
        if not len(past) and first is not None:
            past = self._world.daily(symbol, until)
        if session is None or over or not (len(past) or symbol in self._world.ticks(today)):
            return past
        return join([past, self.running(symbol, session, now)])

    def running(self, symbol: str, session: Session, now: int) -> Bars:
        """The regular session up to now as one bar, or none."""
        bars = self.minutes(symbol, session, now)
        first, last = np.searchsorted(bars.t, [session.open, session.close])
        regular = bars.cut(int(first), int(last))
        return group(regular, np.full(len(regular), session.midnight, np.int64))

    def newest(self, symbol: str, now: int) -> Bars:
        """The last complete minute, of this or an earlier session; one row or none."""
        day: date | None = new_york(now).date()
        while day is not None and day >= self._world.first:
            session = self._world.calendar.find(day)
            bars = self.minutes(symbol, session, now) if session is not None else empty()
            if len(bars):
                return bars.cut(len(bars) - 1, len(bars))
            before = self._world.calendar.before(day)
            day = before.date if before else None
        return empty()

    def _coarse(self, symbol: str, frame: Timeframe, now: int, since: date, adjust: Adjust | None) -> Bars:
        bars = self.daily(symbol, now, since)
        bars = bars if adjust is None else adjust(bars)
        if frame.unit == "D":
            return bars
        labels = [_label(new_york(at).date(), frame) for at in bars.t.tolist()]
        return group(bars, np.array([local(day, 0) for day in labels], np.int64))


def _label(day: date, frame: Timeframe) -> date:
    """Monday of the week, or the first of the month group."""
    if frame.unit == "W":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1, month=(day.month - 1) // frame.amount * frame.amount + 1)


def _offset(starts: Integers, width: int) -> Integers:
    """Distance to the left edge, counted from midnight in New York so that hours and odd minutes line up with the session's day."""
    if not len(starts):
        return starts
    midnight = local(new_york(int(starts[0])).date(), 0)
    return (starts - midnight) % width


def _within(bars: Bars, start: int, end: int) -> Bars:
    return bars.cut(int(np.searchsorted(bars.t, start)), int(np.searchsorted(bars.t, end, side="right")))


def _reversed(bars: Bars) -> Bars:
    return Bars(*(getattr(bars, column)[::-1] for column in ("t", "o", "h", "l", "c", "v", "n", "vw")))


def stamps(starts: Integers) -> list[str]:
    """RFC 3339 of many whole-second starts at once."""
    return [text + "Z" for text in np.datetime_as_string((starts // SECOND).astype("datetime64[s]")).tolist()]


def rows(bars: Bars) -> list[dict[str, object]]:
    """Bars as the REST answers write them: JSON numbers."""
    columns = (bars.o, bars.h, bars.l, bars.c, bars.v, bars.n, bars.vw)
    values = zip(stamps(bars.t), *(column.tolist() for column in columns), strict=True)
    return [{"t": t, "o": o, "h": h, "l": low, "c": c, "v": v, "n": n, "vw": vw} for t, o, h, low, c, v, n, vw in values]
