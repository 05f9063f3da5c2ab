"""Venue time. This is the only module of the simulated exchange that looks at the machine's clock, and it looks at the monotonic one.

All venue times are integer nanoseconds since 1970 in UTC.
"""

import asyncio
import time
from datetime import date, datetime, timedelta
from datetime import time as daytime
from typing import Protocol
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
UTC = ZoneInfo("UTC")
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime) -> int:
    """Exact to the microsecond, which is all a `datetime` holds."""
    gone = moment - _EPOCH
    return ((gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds) * 1_000


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at // 1_000)


def new_york(at: int) -> datetime:
    return moment(at).astimezone(NEW_YORK)


def local(day: date, hour: int, minute: int = 0) -> int:
    """A New York wall time as venue time."""
    return nanoseconds(datetime.combine(day, daytime(hour, minute), tzinfo=NEW_YORK).astimezone(UTC))


def rfc3339(at: int) -> str:
    """As Go prints it: UTC, up to nine fraction digits, trailing zeros cut."""
    seconds, fraction = divmod(at, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z" if fraction else text + "Z"


def parse(text: str) -> int:
    """A date, or a date-time with or without zone (none means UTC) and with up to nine fraction digits.

    Raises ValueError when it is neither.
    """
    text = text.strip().replace(" ", "+") if "T" in text else text.strip()
    whole, dot, rest = text.partition(".")
    digits = ""
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if not digits or len(digits) > 9:
            raise ValueError(f"fraction of {text!r} must have 1 to 9 digits")
        whole += rest[len(digits) :]
    parsed = datetime.fromisoformat(whole)
    aware = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return nanoseconds(aware) + int(digits.ljust(9, "0") or "0") if digits else nanoseconds(aware)


class Clock(Protocol):
    """Where venue time comes from. Whoever runs an exchange inside their own event loop may bring their own."""

    def now(self) -> int:
        """Venue time; it never goes back."""
        ...

    def wait(self, until: int) -> float:
        """Seconds of the event loop until that venue time; infinite when time only moves by hand."""
        ...


class LoopClock:
    """The event loop's own time, from the first look at it: on a loop whose time is virtual, so is the venue's.

    A loop that starts its time at zero keeps nanoseconds exact for about three months.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._since: float | None = None

    def now(self) -> int:
        moment = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = moment
        return self._start + round((moment - self._since) * SECOND)

    def wait(self, until: int) -> float:
        return (until - self.now()) / SECOND


class OwnClock:
    """The machine's monotonic clock times a speed, or steps only when `speed` is None."""

    def __init__(self, start: int, *, speed: float | None) -> None:
        if speed is not None and speed <= 0:
            raise ValueError(f"speed must be positive, got {speed}")
        self.speed = speed
        self._venue = start
        self._wall = time.monotonic_ns()

    @property
    def mode(self) -> str:
        if self.speed is None:
            return "stepped"
        return "real" if self.speed == 1 else "speed"

    def start(self) -> None:
        """Time runs from here on: called when the server listens, so that start-up costs no venue time."""
        self._wall = time.monotonic_ns()

    def now(self) -> int:
        if self.speed is None:
            return self._venue
        return self._venue + int((time.monotonic_ns() - self._wall) * self.speed)

    def jump(self, to: int) -> None:
        """Move to a later moment: a step, or the closed hours being skipped."""
        self._venue = to
        self._wall = time.monotonic_ns()

    def wait(self, until: int) -> float:
        """Wall seconds until that venue time; infinite when time only moves by steps."""
        return float("inf") if self.speed is None else max(0.0, (until - self.now()) / self.speed / SECOND)
