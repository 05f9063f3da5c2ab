"""REST requests on their way through faults: lost before they act, lost after, slow, refused, or answered with something else."""

import asyncio
import contextlib
import http
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs
from uuid import NAMESPACE_URL, uuid5

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.sim.alpaca.queries import LARGEST
from live.sim.errors import Refusal
from live.sim.faults.fault import Fault
from live.sim.faults.points import Point, facts_of
from live.sim.faults.registry import Active, Registry
from live.sim.faults.rest.answers import ANSWERS, Shown, encoded
from live.sim.faults.rest.refusals import REFUSALS
from live.sim.faults.rest.stale import widened
from live.sim.faults.transports import abort, transport_of
from live.sim.polygon.replies import too_many, unknown_key
from live.sim.venue.venue import Venue
from live.sim.wires.hosts import Name, host_of

_SYMBOL = re.compile(
    r"^/v2/(?:positions|assets)/([^/]+)$|^/v2/stocks/([^/]+)/(?:bars|trades|quotes|snapshot)(?:/latest)?$"
    r"|^/v2/aggs/ticker/([^/]+)/|^/v1/open-close/([^/]+)/|^/v2/last/(?:trade|nbbo)/([^/]+)$|^/v3/(?:trades|quotes|reference/tickers)/([^/]+)$"
    r"|^/v2/snapshot/locale/us/markets/stocks/tickers/([^/]+)$"
)
"""Paths of both vendors that name one symbol."""
_DENIED: Mapping[Name, str] = {"trading": "request is not authorized", "data": "unauthorized.", "polygon": str(unknown_key("?"))}
_LIMITED: Mapping[Name, str] = {"trading": "rate limit exceeded", "data": "too many requests.", "polygon": str(too_many())}
_HTML = b"<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its body read, and the ways to answer it."""

    scope: Scope
    receive: Receive
    send: Send
    raw: Send
    """The server's own `send`, behind which the connection lies."""
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers that every answer of the exchange gets."""

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])

    @property
    def content(self) -> dict[str, Any]:
        """The JSON object of the body; empty when there is none."""
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(self.body, parse_float=str)
            return found if isinstance(found, dict) else {}
        return {}


class Rest:
    """Wraps the application of one exchange."""

    def __init__(self, venue: Venue, registry: Registry, *, wake: Callable[[], None]) -> None:
        self._venue = venue
        self._registry = registry
        self._wake = wake
        self.closed = False  # the market closed unscheduled

    async def serve(self, app: ASGIApp, call: Call) -> None:
        """Run a request with what faults make of it; without any, as if this were not here."""
        if call.path.startswith("/sim/") or not (self.closed or self._registry.at(Point.REQUEST, Point.ANSWER)):
            await app(call.scope, call.receive, call.send)
            return
        call = replace(call, body=await _whole(call.receive))
        facts = self._facts(call)
        late: list[Active] = []
        for active in self._registry.fitting(Point.REQUEST, facts):
            if active.fault.name == "rest.stale":
                if self._registry.acts(active, Point.REQUEST, facts):
                    late.append(active)
            elif await self._before(active, call, facts):
                return
        asked = parse_qs(call.scope["query_string"].decode("latin-1"))
        answer = await _run(app, replace(call, scope=widened(call.scope)) if late else call)
        self._wake()
        shown = Shown(call.method, call.path, asked, *answer)
        for active in late:
            shown = ANSWERS[active.fault.name](active.fault, shown, self._venue)
        for active in self._registry.fitting(Point.ANSWER, facts):
            if active.fault.name in _FAILURES:
                if self._registry.acts(active, Point.ANSWER, facts) and await _FAILURES[active.fault.name](active.fault, call):
                    return
                continue
            other = ANSWERS[active.fault.name](active.fault, shown, self._venue)
            if other is not shown and self._registry.acts(active, Point.ANSWER, facts):
                shown = other
        if self.closed:
            shown = ANSWERS["clock.close"](None, shown, self._venue)
        await _answer(call.send, shown.status, shown.body, shown.headers)

    async def _before(self, active: Active, call: Call, facts: dict[str, str]) -> bool:
        """Whether the request ends here. What would not change this request is no occurrence."""
        fault = active.fault
        if fault.name in _FAILURES:
            return self._registry.acts(active, Point.REQUEST, facts) and await _FAILURES[fault.name](fault, call)
        refusal = REFUSALS[fault.name](fault, call.method, call.path, call.content, self._venue)
        if refusal is None or not self._registry.acts(active, Point.REQUEST, facts):
            return False
        await _refuse(call, refusal)
        return True

    def _facts(self, call: Call) -> dict[str, str]:
        """What a request is about: the order or the symbol it names."""
        facts = {"method": call.method, "path": call.path}
        last = call.path.rsplit("/", 1)[-1]
        query = parse_qs(call.scope["query_string"].decode("latin-1"))
        name = query.get("client_order_id", [""])[0]
        order = self._venue.desk.orders.get(last) or self._venue.desk.by_client.get(name)
        if order is not None:
            facts |= {**facts_of(order), **facts}
        written = {key: call.content.get(key) for key in ("symbol", "client_order_id", "side")} if call.body else {}
        facts |= {key: _sayable(str(value)) for key, value in written.items() if value is not None}
        if "symbol" not in facts or "symbol" in written:
            named = [facts["symbol"]] if "symbol" in facts else _symbols(call.path, query)
            known = [(name, self._venue.asset(name)) for name in named]
            facts |= {"symbol": ",".join(name if asset is None else asset.symbol for name, asset in known)} if known else {}
        return facts


def _symbols(path: str, query: Mapping[str, list[str]]) -> list[str]:
    """Symbols or asset ids that a path or its query names."""
    found = _SYMBOL.match(path)
    if found is not None:
        return [next(group for group in found.groups() if group)]
    return [each for name in ("symbols", "symbol", "tickers", "ticker") for value in query.get(name, []) for each in value.split(",") if each]


def _sayable(text: str) -> str:
    """Without what no log could repeat."""
    return text.encode("utf-8", "replace").decode()


async def _reset(fault: Fault, call: Call) -> bool:
    abort(transport_of(call.raw))
    await _gone(call.receive, 1.0)
    return True


async def _stall(fault: Fault, call: Call) -> bool:
    """Wall seconds, or until the client gives up."""
    await _gone(call.receive, float(fault.give["seconds"]))
    return await _reset(fault, call)


async def _slow(fault: Fault, call: Call) -> bool:
    await _gone(call.receive, float(fault.give["seconds"]))
    return False


async def _status(fault: Fault, call: Call) -> bool:
    status = int(fault.give["status"])
    await _plain(call, status, fault.give["body"], "internal server error occurred" if status == 500 else http.HTTPStatus(status).phrase.lower())
    return True


async def _unauthorized(fault: Fault, call: Call) -> bool:
    await _plain(call, 401, fault.give["body"], _DENIED[host_of(call.path)])
    return True


async def _limit(fault: Fault, call: Call) -> bool:
    """The headers say that nothing is left."""
    call.headers[:] = [(name, b"0" if name == b"x-ratelimit-remaining" else value) for name, value in call.headers]
    if fault.give["retry_after"]:
        call.headers.append((b"retry-after", str(fault.give["retry_after"]).encode()))
    await _plain(call, 429, "json", _LIMITED[host_of(call.path)])
    return True


_FAILURES: dict[str, Callable[[Fault, Call], Awaitable[bool]]] = {
    "rest.reset": _reset,
    "rest.stall": _stall,
    "rest.slow": _slow,
    "rest.status": _status,
    "rest.unauthorized": _unauthorized,
    "rest.limit": _limit,
}
"""Each answers whether the request ended."""


async def _whole(receive: Receive) -> bytes:
    """A body that is too large is cut where it becomes so: the route refuses it all the same."""
    body, more = bytearray(), True
    while more and len(body) <= LARGEST:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return bytes(body)


async def _run(app: ASGIApp, call: Call) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The application's answer, kept back."""
    status, headers, parts = 500, list[tuple[bytes, bytes]](), list[bytes]()
    read = False

    async def receive() -> Message:
        nonlocal read
        if read:
            return await call.receive()
        read = True
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            parts.append(message.get("body", b""))

    await app(call.scope, receive, send)
    return status, headers, b"".join(parts)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*kept, *length]})
    await send({"type": "http.response.body", "body": body})


async def _refuse(call: Call, refusal: Refusal) -> None:
    await _answer(call.send, refusal.status, encoded(refusal.body), [(b"content-type", b"application/json")])


async def _plain(call: Call, status: int, form: str, message: str) -> None:
    """An error as JSON of the host that was asked, as the page of a proxy, or without a body."""
    said: dict[str, Any] = {"message": message}
    if (host := host_of(call.path)) == "polygon":
        said = {"status": "ERROR", "request_id": uuid5(NAMESPACE_URL, f"{call.path} {status}").hex, "error": message}
    elif host == "trading":
        said = {"code": status * 100_000 + 10_000, **said}
    bodies = {
        "json": (encoded(said), b"application/json"),
        "html": (_HTML % (status, status), b"text/html"),
        "empty": (b"", b"text/plain"),
    }
    body, kind = bodies[form]
    await _answer(call.send, status, body, [(b"content-type", kind)])


async def _gone(receive: Receive, seconds: float) -> None:
    """So many wall seconds, or less when the client hangs up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
