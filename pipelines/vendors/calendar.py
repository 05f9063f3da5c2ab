"""The exchange calendar: XNYS sessions with their real opens and closes, from exchange_calendars, built once."""

from bisect import bisect_left, bisect_right
from datetime import date, time, timedelta
from functools import lru_cache

import polars as pl

from pipelines.core.errors import DataError
from pipelines.core.market.session import NEW_YORK, Session, nanoseconds

FIRST = date(2005, 1, 1)
REGULAR_CLOSE = time(16, 0)


@lru_cache(maxsize=1)
def calendar() -> pl.DataFrame:
    """Every session since 2005 and for a year ahead: session (date), open and close (UTC), early (closes before 16:00 in New York)."""
    import exchange_calendars  # a second or two with pandas behind it: only where a calendar is needed

    schedule = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat()).schedule
    return pl.DataFrame(
        {
            "session": [day.date() for day in schedule.index],
            "open": pl.Series([moment.to_pydatetime() for moment in schedule["open"]], dtype=pl.Datetime("us", "UTC")),
            "close": pl.Series([moment.to_pydatetime() for moment in schedule["close"]], dtype=pl.Datetime("us", "UTC")),
        }
    ).with_columns((pl.col("close").dt.convert_time_zone(NEW_YORK.key).dt.time() < REGULAR_CLOSE).alias("early"))


def sessions(first: date, last: date) -> list[date]:
    """The sessions from `first` to `last`, both included."""
    days = _days()
    return list(days[bisect_left(days, first) : bisect_right(days, last)])


def trailing(last: date, count: int) -> list[date]:
    """The `count` sessions that end with the session `last`, oldest first."""
    end = _position(last) + 1
    return list(_days()[max(0, end - count) : end])


def next_session(day: date) -> date:
    """The first session after this day, which need not be a session itself."""
    days = _days()
    return days[_within(bisect_right(days, day), day)]


def previous_session(day: date) -> date:
    """The last session before this day, which need not be a session itself."""
    days = _days()
    return days[_within(bisect_left(days, day) - 1, day)]


def is_session(day: date) -> bool:
    """Whether the exchange opens on this day."""
    days = _days()
    at = bisect_left(days, day)
    return at < len(days) and days[at] == day


def session_of(day: date) -> Session:
    """The session of this day with its real edges; `DataError` when the exchange does not open."""
    row = calendar().row(_position(day), named=True)
    return Session(day, nanoseconds(row["open"]), nanoseconds(row["close"]))


def closed_weekdays(first: date) -> list[date]:
    """Weekdays since `first` on which the exchange does not open."""
    days = set(_days())
    span = range((_days()[-1] - first).days + 1)
    weekdays = (first + timedelta(n) for n in span)
    return [day for day in weekdays if day.weekday() < 5 and day not in days]


@lru_cache(maxsize=1)
def _days() -> tuple[date, ...]:
    return tuple(calendar()["session"])


def _position(day: date) -> int:
    if not is_session(day):
        raise DataError(f"expected a session of the exchange, found {day:%A} {day}; the session before it is {previous_session(day)}")
    return bisect_left(_days(), day)


def _within(at: int, day: date) -> int:
    days = _days()
    if not 0 <= at < len(days):
        raise DataError(f"expected a day between {days[0]} and {days[-1]}, which the calendar covers, found {day}")
    return at
