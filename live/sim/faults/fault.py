"""One fault as a frozen value, read from JSON or TOML with errors that say what was expected, what was found and what there is."""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from live.sim.clock import SECOND, local, parse, rfc3339
from live.sim.errors import SimulationError
from live.sim.faults.kinds import KINDS, REQUIRED, TARGETS, Kind, Parameter
from live.sim.faults.points import Point

_WHEN = ("at", "every", "from", "until", "for", "skip", "times", "probability")
_MOST = 100_000
_STATUSES = frozenset(int(status) for status in HTTPStatus if status >= 200)
_CLOSINGS = frozenset({*range(1000, 1004), *range(1006, 1015)})


class FaultError(SimulationError):
    """A fault cannot be read."""


@dataclass(frozen=True, slots=True)
class When:
    """Venue times; `until` is excluded. `times` 0 means without end."""

    at: int | None = None
    every: int = 0
    start: int | None = None
    until: int | None = None
    skip: int = 0
    times: int = 1
    probability: float = 1.0

    def holds(self, now: int) -> bool:
        return (self.start is None or now >= self.start) and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Fault:
    """What (`kind`, `give`), where and when."""

    kind: Kind
    where: Mapping[str, tuple[str, ...]]
    when: When
    give: Mapping[str, Any]
    said: Mapping[str, Any]
    """As it was written."""

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def points(self) -> tuple[Point, ...]:
        """Where it acts: a timed kind at its event when it names one, a failing request before or after it was accepted."""
        if self.kind.timed and "event" in self.where:
            return (Point.EVENT,)
        if self.name == "stream.close" and set(self.where) - {"stream"}:  # after a message, not at a moment
            return (Point.FRAME,)
        if self.give.get("stage") == "after":
            return (Point.ANSWER,)
        if self.give.get("start") == "arrival":
            return (Point.ARRIVAL,)
        return self.kind.points

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Whether every pattern fits; a fact that is absent fits none. Of a request for several symbols one that fits is enough."""
        return all(name in facts and _fits(facts[name].split(",") if name == "symbol" else [facts[name]], self.where[name]) for name in self.where)

    def seconds(self, name: str = "seconds") -> int:
        """A parameter in venue nanoseconds."""
        return round(float(self.give[name]) * SECOND)


def read(raw: Any, *, now: int, day: date) -> Fault:
    """A fault from a table of plain values; times of day belong to that day, numbers count from now. Raises FaultError."""
    if not isinstance(raw, Mapping):
        raise FaultError(f'a fault is a table such as {{"kind": "stream.mute", "for": 60}}, found {raw!r}')
    kind = _kind(raw.get("kind"))
    allowed = ("kind", *TARGETS[kind.family], *_WHEN, *kind.parameters)
    for name in raw:
        if name not in allowed:
            raise FaultError(f"{kind.name} has no field {name!r}.{_nearest(str(name), allowed)} Its fields are: {', '.join(allowed)}")
    written = {name: raw[name] for name in TARGETS[kind.family] if raw.get(name) is not None}
    where = {name: _patterns(kind, name, value) for name, value in ({**kind.where, **written}).items() if name not in kind.parameters}
    give = {name: _parameter(kind, name, spec, raw) for name, spec in kind.parameters.items()}
    return Fault(kind, where, _when(kind, raw, now, day), give, _said(kind, raw))


def _fits(found: list[str], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(each, pattern) for each in found for pattern in patterns)


def _said(kind: Kind, raw: Mapping[str, Any]) -> dict[str, Any]:
    """As it can be shown again: dates and times of TOML as text. What JSON cannot hold is refused."""
    try:
        text = json.dumps(raw, allow_nan=False, default=str)
        json.dumps(raw, ensure_ascii=False, default=str).encode()  # half a surrogate pair
    except (ValueError, RecursionError):
        raise FaultError(f"{kind.name}: what JSON cannot say, such as NaN, can stand in no fault; stream.corrupt makes them") from None
    found: dict[str, Any] = json.loads(text)
    return found


def _kind(name: Any) -> Kind:
    known = ", ".join(KINDS)
    if name is None:
        raise FaultError(f"a fault needs a kind. Kinds are: {known}")
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"no kind of fault is called {name!r}.{_nearest(str(name), tuple(KINDS))} Kinds are: {known}")
    return KINDS[name]


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """The nearest name, by its last part too: `mute` means `stream.mute`."""
    tails = {each.rpartition(".")[2]: each for each in reversed(known)}
    found = difflib.get_close_matches(name, known, 1, 0.6) or [tails[tail] for tail in difflib.get_close_matches(name, list(tails), 1, 0.6)]
    return f" Did you mean {found[0]!r}?" if found else ""


def _patterns(kind: Kind, name: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(each, str) and each for each in values):
        raise FaultError(f"{kind.name}: {name} must be a pattern or a list of patterns, found {value!r}")
    if name == "stream" and (odd := [each for each in values if each not in ("market", "trading", "polygon", "*")]):
        raise FaultError(
            f"{kind.name}: stream must be market, trading or polygon, found {odd[0]!r}.{_nearest(odd[0], ('market', 'trading', 'polygon'))}"
        )
    return tuple(each.upper() if name == "method" else each for each in values)


def _when(kind: Kind, raw: Mapping[str, Any], now: int, day: date) -> When:
    at, start, until = (_time(kind, name, raw.get(name), now, day) for name in ("at", "from", "until"))
    lasts, every = _amount(kind, "for", raw.get("for")), _amount(kind, "every", raw.get("every"))
    if at is not None and at < now:
        raise FaultError(f"{kind.name}: at must not lie in the past, found {raw['at']!r} and it is {rfc3339(now)}")
    if at is not None and not kind.timed:
        raise FaultError(f"{kind.name} acts on what happens, not at a moment: give from, until or for instead of at")
    if every and not kind.timed:
        raise FaultError(f"{kind.name} acts on what happens, not every so often: give from, until, for or probability instead of every")
    if lasts and until is not None:
        raise FaultError(f"{kind.name}: give either until or for")
    if lasts:
        until = (now if start is None else start) + lasts
    if until is not None and until <= (now if start is None else start):
        raise FaultError(f"{kind.name}: the window must end after it begins, found {raw.get('from')!r} to {raw.get('until', raw.get('for'))!r}")
    windowed = until is not None and not kind.timed
    return When(
        at=at,
        every=every,
        start=start,
        until=until,
        skip=_count(kind, "skip", raw.get("skip"), 0),
        times=_count(kind, "times", raw.get("times"), 0 if windowed or every else kind.times),
        probability=_share(kind, raw.get("probability")),
    )


def _time(kind: Kind, name: str, value: Any, now: int, day: date) -> int | None:
    if value is None:
        return None
    if _number(value):
        return now + round(float(value) * SECOND)
    try:
        text = value.isoformat() if isinstance(value, datetime | time) else str(value)
        if "T" in text:
            return parse(text)
        hour, minute, *rest = text.split(":")
        return local(day, int(hour), int(minute)) + round(float(rest[0]) * SECOND if rest else 0)
    except (ValueError, OverflowError):
        raise FaultError(f'{kind.name}: {name} must be "10:00", RFC 3339 or seconds from now, found {value!r}') from None


def _amount(kind: Kind, name: str, value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise FaultError(f"{kind.name}: {name} must be seconds above 0, found {value!r}")
    return round(value * SECOND)


def _count(kind: Kind, name: str, value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise FaultError(f"{kind.name}: {name} must be a whole number from 0 to {_MOST}, found {value!r}")
    return value


def _share(kind: Kind, value: Any) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise FaultError(f"{kind.name}: probability must be above 0 and at most 1, found {value!r}")
    return float(value)


def _parameter(kind: Kind, name: str, spec: Parameter, raw: Mapping[str, Any]) -> Any:
    if name not in raw:
        if spec.default is REQUIRED:
            raise FaultError(f"{kind.name} needs {name} ({spec.type})")
        return spec.default
    value = raw[name]
    expected, good = _TYPES[spec.type]
    if not good(value):
        raise FaultError(f"{kind.name}: {name} must be {expected}, found {value!r}")
    if spec.choices and value not in spec.choices:
        raise FaultError(f"{kind.name}: {name} must be one of {', '.join(map(repr, spec.choices))}, found {value!r}.{_nearest(value, spec.choices)}")
    return value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _steps(value: Any) -> bool:
    """(seconds, shares) or (seconds, shares, price), all of them positive but the seconds."""
    return isinstance(value, list | tuple) and all(
        isinstance(row, list | tuple) and len(row) in (2, 3) and all(map(_number, row)) and row[0] >= 0 and all(each > 0 for each in row[1:])
        for row in value
    )


_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "number": ("a number", _number),
    "whole": (f"a whole number from 0 to {_MOST}", lambda value: _number(value) and isinstance(value, int) and 0 <= value <= _MOST),
    "positive": ("a number above 0", lambda value: _number(value) and value > 0),
    "share": ("a number from 0 on", lambda value: _number(value) and value >= 0),
    "code": ("a whole number", lambda value: _number(value) and isinstance(value, int) and value >= 0),
    "http": ("an HTTP status from 200 on", lambda value: _number(value) and value in _STATUSES),
    "closing": ("a websocket close code, or 1006 for an abort", lambda value: _number(value) and (value in _CLOSINGS or 3000 <= value < 5000)),
    "reason": ("text of at most 123 bytes", lambda value: isinstance(value, str) and len(value.encode()) <= 123),
    "text": ("text", lambda value: isinstance(value, str)),
    "flag": ("true or false", lambda value: isinstance(value, bool)),
    "table": ("a table", lambda value: isinstance(value, Mapping)),
    "list": ("a list of symbols", lambda value: isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)),
    "steps": ("a list of (seconds, shares) or (seconds, shares, price)", _steps),
    "any": ("anything", lambda value: True),
}


def exact(value: float) -> Decimal:
    """A number of a scenario as the decimal it was written as."""
    return Decimal(str(value))
