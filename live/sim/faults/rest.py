"""REST requests on their way through faults: lost before they act, lost after, slow, refused, or answered with something else."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.sim.errors import Refusal
from live.sim.faults.answers import ANSWERS, Shown
from live.sim.faults.fault import Fault
from live.sim.faults.points import Point
from live.sim.faults.refusals import REFUSALS
from live.sim.faults.registry import Active, Registry
from live.sim.faults.rewinding import widened
from live.sim.faults.transports import abort, transport_of
from live.sim.venue.venue import Venue

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
        with contextlib.suppress(ValueError):
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
            facts |= {"symbol": order.symbol, "client_order_id": order.client_order_id, "side": order.side, "state": order.status}
            facts |= {"role": order.role} if order.role else {}
        elif call.path.startswith(("/v2/positions/", "/v2/assets/")):
            facts["symbol"] = last
        written = {key: call.content.get(key) for key in ("symbol", "client_order_id", "side")} if call.body else {}
        return facts | {key: str(value) for key, value in written.items() if value is not None}


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
    await _plain(call, fault.give["status"], fault.give["body"], f"simulated {fault.give['status']}")
    return True


async def _unauthorized(fault: Fault, call: Call) -> bool:
    await _plain(call, 401, fault.give["body"], "request is not authorized", code=40110000)
    return True


async def _limit(fault: Fault, call: Call) -> bool:
    """The headers say that nothing is left."""
    call.headers[:] = [(name, b"0" if name == b"x-ratelimit-remaining" else value) for name, value in call.headers]
    if fault.give["retry_after"]:
        call.headers.append((b"retry-after", str(fault.give["retry_after"]).encode()))
    await _plain(call, 429, "json", "rate limit exceeded", code=42910000)
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
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


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
    await _answer(call.send, refusal.status, json.dumps(refusal.body).encode(), [(b"content-type", b"application/json")])


async def _plain(call: Call, status: int, form: str, message: str, *, code: int | None = None) -> None:
    """An error as JSON, as the page of a proxy, or without a body."""
    bodies = {
        "json": (json.dumps({"code": code or status * 100_000, "message": message}).encode(), b"application/json"),
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
