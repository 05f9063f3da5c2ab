"""Query parameters and bodies as real clients write them: True and true, A,B and A%2CB, dates with and without time."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from live.sim.clock import DAY, local, moment, parse
from live.sim.errors import Refusal, malformed


async def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; numbers stay exact as written."""
    raw = await request.body()
    try:
        found = json.loads(raw, parse_float=str) if raw else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, 40010000, "request body format is invalid")
    return found


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
    if not value.isdigit() or not 1 <= int(value) <= most:
        raise malformed(f"{name} must be between 1 and {most}")
    return int(value)


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
        if len(value) == 10:
            if new_york_date:
                at = local(moment(at).date(), 0)
            return at + DAY - 1 if end_of_day else at
    except (ValueError, OverflowError):
        raise malformed(f"invalid {name}: {value}") from None
    return at
