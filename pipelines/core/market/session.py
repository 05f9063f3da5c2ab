"""One exchange session as a value, and the clock arithmetic on it.

The calendar itself comes from `pipelines.vendors.calendar`; here a session is just its two edges, so that an
early close or a change of clocks needs no rule of its own: everything is relative to the real open and close.
"""

from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pipelines.core.market.bars import MINUTE

NEW_YORK = ZoneInfo("America/New_York")


class Session(NamedTuple):
    """A trading day: `open` and `close` in nanoseconds UTC."""

    day: date
    open: int
    close: int

    def minute(self, moment: int) -> int:
        """Whole minutes since the open; negative before it."""
        return (moment - self.open) // MINUTE

    def contains(self, start: int) -> bool:
        """Whether a bar that starts here belongs to the regular session."""
        return self.open <= start < self.close


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970 UTC, exact to the microsecond that a datetime holds; refuses a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"expected a datetime with a time zone, found {moment!r}")
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def moment(nanos: int) -> datetime:
    """The UTC datetime of a nanosecond count, cut to microseconds."""
    return datetime.fromtimestamp(nanos // 1_000_000_000, tz=UTC).replace(microsecond=nanos % 1_000_000_000 // 1_000)


def new_york(nanos: int) -> datetime:
    """The same moment on a New York clock, for people."""
    return moment(nanos).astimezone(NEW_YORK)
