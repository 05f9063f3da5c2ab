"""Who may come in, and with what: one middleware before every route of the runner, its tools and MCP alike.

A web page in the owner's browser can reach 127.0.0.1, under any name (DNS rebinding), with forms and without asking (CSRF). So a request has to
name a host that we answer to, must not come from another site's page, changes something only as JSON, and over TCP carries a token.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.brokers.budget import Budget
from live.clock import SystemClock
from live.doors.tokens import Grant
from live.doors.tokens import Scope as May
from pipelines.core.errors import SettingsError

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL = frozenset({"daybot", "localhost", "127.0.0.1", "::1"})
"""Names that are always ours; the first is what our own clients say on the local socket."""

LARGEST = 64 * 1024
"""Bytes of a body; the largest real one is a few hundred."""
PATIENCE = 10.0
"""Seconds that a body may take to arrive."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}

ONCE = ("authorization", "content-length", "content-type", "host", "idempotency-key", "origin", "sec-fetch-site", "x-client", "x-model")
"""Headers that decide: said twice, a proxy in front of us might believe the other one."""

Needs = Callable[[str, str], May | None]
"""Method and path -> the scope that they need; None where nobody is asked who he is."""
Admit = Callable[[str], Grant | None]
"""A token -> what it may do."""


class Refusal(Exception):
    """The answer to a request that does not come in."""

    def __init__(self, status: int, code: str, detail: str, **more: str) -> None:
        super().__init__(detail)
        self.status, self.headers = status, more
        self.problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail}


class Guard:
    """The middleware. With `owner` every caller is that one (the local socket); else each shows a token that `admit` knows."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        needs: Needs,
        rate: int,
        mode: str,
        admit: Admit = lambda _: None,
        owner: Grant | None = None,
        names: frozenset[str] = LOCAL,
        urgent: frozenset[str] = frozenset(),
    ) -> None:
        """`rate` requests a minute by each caller; a quarter more are there for the `urgent` paths alone, which reduce risk. `mode` is said in every
        answer to a caller who is known; a stranger is not told whose money this is.
        """
        self._app, self._needs, self._admit, self._owner = app, needs, admit, owner
        self._names, self._urgent, self._mode = LOCAL | names, urgent, mode
        reserve = rate // 4
        self._budgets: defaultdict[str, Budget] = defaultdict(lambda: Budget(SystemClock(), limit=rate + reserve, reserve=reserve))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "no websockets here"})
            return
        answer = _hardened(send)
        try:
            receive = await self._passed(scope, Headers(scope=scope), receive)
        except Refusal as refusal:
            known = scope.get("state", {}).get("grant") is not None
            await _refuse(answer, refusal, {"mode": self._mode} if known else {})
            return
        await self._app(scope, receive, answer)

    async def _passed(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """Let it in, with who it is in its state and its body read; or raise the refusal."""
        method, path = scope["method"], scope["path"]
        _said_once(headers)
        same_house(method, headers, self._names)
        scope.setdefault("state", {})["grant"] = grant = self._caller(method, path, headers)
        if grant is not None:  # who may come without a token is answered as cheaply as refused: a flood silences no supervisor
            self._spend(grant.name, path)
        if method in SAFE:
            return receive
        return await _read(method, headers, receive)

    def _caller(self, method: str, path: str, headers: Headers) -> Grant | None:
        needed = self._needs(method, path)
        if needed is None or self._owner is not None:
            return self._owner
        kind, _, token = headers.get("authorization", "").partition(" ")
        try:
            grant = self._admit(token.strip()) if kind.lower() == "bearer" else None
        except SettingsError as error:
            raise Refusal(503, "TOKENS_UNREADABLE", str(error)) from None
        if grant is None:
            self._spend("", path)
            found = "one that is unknown, revoked, over or of an earlier start" if token else "none"
            text = f"expected a token as `Authorization: Bearer ...`, found {found}; `daybot token create NAME` makes one"
            raise Refusal(401, "NO_TOKEN", text, **{"www-authenticate": 'Bearer realm="daybot"'})
        if grant.scope < needed:
            text = f"expected a token with scope {needed.name.lower()}, found {grant.name!r} with {grant.scope.name.lower()}"
            raise Refusal(403, "SCOPE", text)
        return grant

    def _spend(self, name: str, path: str) -> None:
        budget = self._budgets[name]
        wait = budget.wait(urgent=path in self._urgent)
        if wait:
            raise Refusal(429, "RATE", f"expected fewer requests a minute, found too many; wait {wait:.1f} s", **{"retry-after": f"{wait + 1:.0f}"})
        budget.spend()


def same_house(method: str, headers: Mapping[str, str], names: frozenset[str]) -> None:
    """Refuse what is asked under a name that is not ours, and what a page of another origin sends."""
    host = headers.get("host", "")
    if _name(f"//{host}") not in names:
        raise Refusal(421, "HOST", f"expected a host of {', '.join(sorted(names))}, found {host[:80]!r}; SERVER_NAMES allows more")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise Refusal(403, "ORIGIN", f"expected no page of another origin, found {origin[:80]!r}")
    site = headers.get("sec-fetch-site", "none")
    if site == "cross-site" or (site == "same-site" and method not in SAFE):
        raise Refusal(403, "ORIGIN", f"expected no page of another origin, found Sec-Fetch-Site {site!r}")


def _said_once(headers: Headers) -> None:
    twice = [name for name in ONCE if len(headers.getlist(name)) > 1]
    if twice or ("content-length" in headers and "transfer-encoding" in headers):
        found = " and ".join(twice) + " more than once" if twice else "content-length beside transfer-encoding"
        raise Refusal(400, "HEADERS", f"expected one answer to each question in the headers, found {found}")


async def _read(method: str, headers: Headers, receive: Receive) -> Receive:
    """The whole body, before anything is done: JSON that can be read in one way, small and soon. What it returns hands it on."""
    declared = headers.get("content-length", "")
    if declared and (not declared.isdecimal() or int(declared) > LARGEST):
        raise _too_large(declared)
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _body(receive)
    except TimeoutError:
        raise Refusal(408, "SLOW", f"expected the body within {PATIENCE:.0f} s, found it unfinished") from None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and (body or method == "POST"):
        raise Refusal(415, "CONTENT_TYPE", f"expected Content-Type: application/json, found {kind[:80]!r}")
    if body:
        _unambiguous(body)
    kept: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return kept.pop() if kept else await receive()

    return replayed


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST:
            raise _too_large(f"{len(body)} and more")
        if not message.get("more_body", False):  # a disconnect has none either
            return bytes(body)


def _unambiguous(body: bytes) -> None:
    """Of a name that comes twice, one reader takes the first and another the last; an infinite price or half a character is nobody's."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(name for name in names if names.count(name) > 1)[:40]!r} twice in one object")
        return found

    def never(word: str) -> object:
        raise ValueError(word)

    try:
        json.dumps(json.loads(body.decode(), object_pairs_hook=once, parse_constant=never), ensure_ascii=False).encode()
    except UnicodeError:
        raise Refusal(422, "BAD_REQUEST", "expected JSON in UTF-8, found characters that are none") from None
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "BAD_REQUEST", f"expected JSON that can be read in one way only, found: {str(error)[:120]}") from None


def _too_large(found: str) -> Refusal:
    return Refusal(413, "TOO_LARGE", f"expected a body of up to {LARGEST} bytes, found {found[:20]}")


def _hardened(send: Send) -> Send:
    """Every answer says that it is not to be kept, framed, guessed at or read from another page."""

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in present]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return hardened


async def _refuse(send: Send, refusal: Refusal, more: Mapping[str, str]) -> None:
    body = json.dumps({**refusal.problem, **more}).encode()
    headers = {"content-type": "application/problem+json", "content-length": str(len(body)), **refusal.headers}
    await send(
        {"type": "http.response.start", "status": refusal.status, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    )
    await send({"type": "http.response.body", "body": body})


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
