"""Query parameters and bodies as real clients write them: True and true, A,B and A%2CB, dates with and without time."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request

from live.sim.clock import DAY, local, moment, parse
from live.sim.errors import Refusal, invalid, malformed

_EARLIEST, _LATEST = parse("1902-01-01"), parse("2200-01-01")  # outside of these no calendar is right
LARGEST = 1_000_000  # bytes of a request's body


async def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; numbers stay exact as written. Text that no answer could repeat is refused here."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST:
            raise Refusal(413, 40010000, "request body is too large")
    try:
        text = raw.decode()
        found = json.loads(text, parse_float=str) if text else {}
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # not UTF-8, not JSON, half a surrogate pair, or too deep
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, 40010000, "request body format is invalid")
    return found


def whole(text: str) -> int | None:
    """A whole number in plain digits, or None."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def flag(request: Request, name: str, default: bool = False) -> bool:
    value = request.query_params.get(name)
    if value is None or value == "":
        return default
    if value.lower() not in ("true", "false", "1", "0"):
        raise malformed(f"{name} must be a boolean")
    return value.lower() in ("true", "1")


def words(request: Request, name: str) -> list[str]:
    """A comma list, given once or repeated; duplicates and blanks fall out."""
    parts = [part.strip() for value in request.query_params.getlist(name) for part in value.split(",")]
    return list(dict.fromkeys(part for part in parts if part))


def count(request: Request, name: str, *, default: int, most: int) -> int:
    value = request.query_params.get(name)
    if value is None or value == "":
        return default
    number = whole(value)
    if number is None or not 1 <= number <= most:
        raise malformed(f"{name} must be between 1 and {most}")
    return number


def choice(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    value = request.query_params.get(name) or default
    if value not in allowed:
        raise malformed(f"invalid {name}: {value}")
    return value


def instant(request: Request, name: str, *, end_of_day: bool = False, new_york_date: bool = False) -> int | None:
    """A date or date-time; with `end_of_day` a bare date means its last nanosecond."""
    value = request.query_params.get(name)
    if not value:
        return None
    try:
        at = parse(value)
        if not _EARLIEST <= at < _LATEST:
            raise OverflowError
        if len(value) == 10:
            if new_york_date:
                at = local(moment(at).date(), 0)
            return at + DAY - 1 if end_of_day else at
    except (ValueError, OverflowError):
        raise malformed(f"invalid {name}: {value}") from None
    return at


def day_of(at: int) -> str:
    """The date as it was written: bounds of days carry no zone that matters."""
    return moment(at).date().isoformat()


# The data host refuses with 400 and without a code


def number_of(request: Request, name: str, *, default: int, most: int) -> int:
    with _data():
        return count(request, name, default=default, most=most)


def one_of(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    with _data():
        return choice(request, name, allowed, default)


def time_of(request: Request, name: str, *, end_of_day: bool = False, new_york_date: bool = False) -> int | None:
    with _data():
        return instant(request, name, end_of_day=end_of_day, new_york_date=new_york_date)


@contextlib.contextmanager
def _data() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise invalid(refusal.message) from None
