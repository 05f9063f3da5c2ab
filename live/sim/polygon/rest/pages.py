"""Pages: limits, the opaque cursor, and the absolute `next_url` that carries it. The key never stands in it; clients send it again."""

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from live.sim.polygon.replies import wrong

_DIGITS = 19  # of the largest number that can be meant


def limit(request: Request, *, default: int, most: int) -> int:
    text = parameter(request, "limit")
    if text is None:
        return default
    if not text.isdecimal() or len(text) > _DIGITS or not 1 <= int(text) <= most:
        raise wrong(f"The parameter 'limit' must be a whole number from 1 to {most}, found {text!r}.")
    return int(text)


def choice(request: Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    text = parameter(request, name) or default
    if text not in allowed:
        raise wrong(f"The parameter '{name}' must be one of {', '.join(allowed)}, found {text!r}.")
    return text


def flag(request: Request, name: str, *, default: bool) -> bool:
    """Python's own True and False are accepted beside the lower-case words."""
    text = (parameter(request, name) or str(default)).lower()
    if text not in ("true", "false"):
        raise wrong(f"The parameter '{name}' must be true or false, found {text!r}.")
    return text == "true"


def parameter(request: Request, name: str) -> str | None:
    """What the cursor carries counts before what the query says."""
    carried = _carried(request).get(name)
    return carried if carried is not None else request.query_params.get(name) or None


def after(request: Request) -> int | None:
    """Where the page before ended."""
    at = parameter(request, "at")
    if at is None:
        return None
    if not at.isdecimal() or len(at) > _DIGITS:
        raise wrong("The parameter 'cursor' cannot be read. Use next_url as it was sent.")
    return int(at)


def next_url(request: Request, at: int) -> str:
    """On the host and path the client used. All parameters of the first page travel inside the cursor."""
    carried = {**dict(request.query_params), **_carried(request), "at": str(at)}
    for name in ("cursor", "apiKey", "apikey"):
        carried.pop(name, None)
    cursor = base64.urlsafe_b64encode(json.dumps(carried, sort_keys=True).encode()).decode().rstrip("=")
    return f"{request.url.replace(query='')}?{urlencode({'cursor': cursor})}"


def _carried(request: Request) -> dict[str, str]:
    cursor = request.query_params.get("cursor")
    if not cursor:
        return {}
    try:
        found: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise wrong("The parameter 'cursor' cannot be read. Use next_url as it was sent.")
    return found
