"""Windows of aggregates: which base bars make them, where each begins, and how far a request's bounds are widened to hold whole ones."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from live.sim.clock import MILLISECOND, MINUTE, SECOND, local, new_york
from live.sim.polygon.replies import wrong
from live.sim.worlds.world import Integers

_WIDTHS = {"second": SECOND, "minute": MINUTE, "hour": 60 * MINUTE}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_BASES = {"second": 1, "minute": 1, "hour": 60, "day": 1, "week": 5, "month": 23, "quarter": 66, "year": 253}
_LARGEST = 10_000
_FAR = local(date(2100, 1, 1), 0)


@dataclass(frozen=True, slots=True)
class Span:
    """A multiplier and a unit. `anchor` is the start of the unit that holds the request's `from`: windows are counted from there."""

    amount: int
    unit: str
    anchor: int

    @property
    def daily(self) -> bool:
        """Made of daily bars; otherwise of minutes, or of single trades."""
        return self.unit not in _WIDTHS

    @property
    def bases(self) -> int:
        """The most base bars one window can hold."""
        return self.amount * _BASES[self.unit]

    def label(self, at: int) -> int:
        """Start of the window that holds that moment."""
        width = _WIDTHS.get(self.unit)
        if width is not None:
            return self.anchor + (at - self.anchor) // (width * self.amount) * width * self.amount
        first, day = new_york(self.anchor).date(), new_york(at).date()
        if self.unit in _MONTHS:
            step, gone = self.amount * _MONTHS[self.unit], _month(day) - _month(first)
            return local(_first(_month(first) + gone // step * step), 0)
        step = self.amount * (7 if self.unit == "week" else 1)
        return local(first + timedelta(days=(day - first).days // step * step), 0)

    def labels(self, starts: Integers) -> Integers:
        width = _WIDTHS.get(self.unit)
        if width is not None:
            return self.anchor + (starts - self.anchor) // (width * self.amount) * (width * self.amount)
        return np.array([self.label(at) for at in starts.tolist()], np.int64)

    def end(self, at: int) -> int:
        """End of the window that holds that moment."""
        start, width = self.label(at), _WIDTHS.get(self.unit)
        if width is not None:
            return start + width * self.amount
        day = new_york(start).date()
        if self.unit in _MONTHS:
            return local(_first(_month(day) + self.amount * _MONTHS[self.unit]), 0)
        return local(day + timedelta(days=self.amount * (7 if self.unit == "week" else 1)), 0)


def span(amount: str, unit: str, start: int) -> Span:
    """Raises Denial for what is no timespan. Weeks begin on Sunday."""
    if unit not in _BASES:
        raise wrong(f"The parameter 'timespan' must be one of {', '.join(_BASES)}, found {unit!r}.")
    if not amount.isdecimal() or len(amount) > 9 or not 1 <= int(amount) <= _LARGEST:
        raise wrong(f"The parameter 'multiplier' must be a whole number from 1 to {_LARGEST}, found {amount!r}.")
    if unit in _WIDTHS:
        return Span(int(amount), unit, start - start % _WIDTHS[unit])
    day = new_york(start).date()
    if unit == "week":
        day -= timedelta(days=(day.weekday() + 1) % 7)
    elif unit in _MONTHS:
        months = _MONTHS[unit]
        day = _first(_month(day) // months * months)
    return Span(int(amount), unit, local(day, 0))


def bounds(first: str, last: str) -> tuple[int, int]:
    """`from` and `to` as venue time, both included: a date means its whole New York day, digits mean unix milliseconds."""
    start, end = _moment(first, "from", last=False), _moment(last, "to", last=True)
    if max(abs(start), abs(end)) > _FAR:
        raise wrong(f"The parameters 'from' and 'to' must lie between 1900 and 2100, found {first!r} and {last!r}.")
    if end < start:
        raise wrong("The parameter 'to' cannot be a time that occurs before 'from'.")
    return start, end


def day_of(text: str) -> date:
    """A plain date, as some routes have it in their path."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise wrong(f"Expected a date like 2026-11-20, found {text!r}.") from None


def _moment(text: str, name: str, *, last: bool) -> int:
    try:
        if text.isdecimal():
            at = int(text) * MILLISECOND
            new_york(at)  # refuses what no calendar holds
            return at
        day = date.fromisoformat(text)
        return local(day + timedelta(days=1), 0) - 1 if last else local(day, 0)
    except (ValueError, OverflowError):
        raise wrong(f"Could not parse the time parameter '{name}': use YYYY-MM-DD or unix milliseconds, found {text!r}.") from None


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
