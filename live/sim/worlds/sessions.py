"""The NYSE calendar as the venue needs it: sessions with their New York day, regular and extended hours."""

import bisect
import functools
from dataclasses import dataclass
from datetime import date

import exchange_calendars
import numpy as np

from live.sim.clock import MINUTE, local, new_york


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day; all times in venue nanoseconds. Extended hours run from `early` to `late`."""

    date: date
    ordinal: int  # position in the calendar
    midnight: int
    early: int
    open: int
    close: int
    late: int

    @property
    def minutes(self) -> int:
        return (self.close - self.open) // MINUTE

    def regular(self, at: int) -> bool:
        return self.open <= at < self.close

    def extended(self, at: int) -> bool:
        return self.early <= at < self.late


@functools.lru_cache(maxsize=8)
def _hours(first: date, last: date) -> tuple[list[date], list[int], list[int]]:
    """Sessions with their opens and closes; kept, because making them takes a quarter of a second."""
    calendar = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    opens, closes = (
        times.dt.tz_convert(None).to_numpy().astype("datetime64[ns]").astype(np.int64).tolist() for times in (calendar.opens, calendar.closes)
    )
    return [stamp.date() for stamp in calendar.sessions], opens, closes


class Calendar:
    """Sessions of XNYS between two dates, early closes included."""

    def __init__(self, first: date, last: date) -> None:
        self._days, opens, closes = _hours(first, last)
        self.sessions = [_session(day, n, opens[n], closes[n]) for n, day in enumerate(self._days)]

    def find(self, day: date) -> Session | None:
        at = bisect.bisect_left(self._days, day)
        return self.sessions[at] if at < len(self._days) and self._days[at] == day else None

    def on(self, at: int) -> Session | None:
        """The session of the New York day of that moment, if it is a trading day."""
        return self.find(new_york(at).date())

    def upcoming(self, at: int) -> Session:
        """The first session whose close lies ahead."""
        low = bisect.bisect_right(self.sessions, at, key=lambda session: session.close)
        return self.sessions[low]

    def opening(self, at: int) -> Session:
        """The first session whose open lies strictly ahead."""
        return self.sessions[bisect.bisect_right(self.sessions, at, key=lambda session: session.open)]

    def since(self, first: date, last: date) -> list[Session]:
        """Sessions from `first` to `last`, both included."""
        return self.sessions[bisect.bisect_left(self._days, first) : bisect.bisect_right(self._days, last)]

    def before(self, day: date) -> Session | None:
        at = bisect.bisect_left(self._days, day)
        return self.sessions[at - 1] if at else None

    def after(self, day: date, count: int = 1) -> Session:
        return self.sessions[bisect.bisect_right(self._days, day) + count - 1]


def _session(day: date, ordinal: int, opens: int, closes: int) -> Session:
    shortened = new_york(closes).hour < 16
    return Session(day, ordinal, local(day, 0), local(day, 4), opens, closes, local(day, 17 if shortened else 20))
