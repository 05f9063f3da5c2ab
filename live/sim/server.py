"""The exchange behind its sockets: one ASGI app with every route, authentication, rate limits and Alpaca's error bodies."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import formatdate
from random import Random
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.sim.alpaca.data.reference import Reference
from live.sim.alpaca.data.routes import Data
from live.sim.alpaca.streams.market import PLANS, STREAMS, Market, Plan
from live.sim.alpaca.streams.updates import Updates
from live.sim.alpaca.trading.account import Trading
from live.sim.alpaca.trading.activities import Activities
from live.sim.alpaca.trading.days import Days
from live.sim.alpaca.trading.ordering import Ordering
from live.sim.alpaca.trading.portfolio import Portfolio
from live.sim.alpaca.trading.watchlists import Watchlists
from live.sim.clock import MINUTE, SECOND, Clock, OwnClock, local
from live.sim.control import Control
from live.sim.errors import BooksError, Refusal
from live.sim.faults.bent import BentWorld
from live.sim.faults.faults import Faults
from live.sim.faults.rest.requests import Call
from live.sim.polygon.chorus import Chorus
from live.sim.polygon.host import Host
from live.sim.polygon.replies import Denial, absent
from live.sim.polygon.terms import Terms
from live.sim.venue.fees import REGULATORY, Rates
from live.sim.venue.venue import Venue
from live.sim.wires.hosts import host_of
from live.sim.worlds.world import World

_LOG = logging.getLogger("daybot.exchange")
_OURS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_BLINK = 0.001  # shortest seconds the pump sleeps between two things that are due
_AFTER_HOURS = 5 * MINUTE  # venue time a client has after the last bar before closed hours are skipped


@dataclass(frozen=True, slots=True)
class Options:
    """How the exchange runs. `speed` None means stepped; `rate_limit` counts requests a venue minute and 0 switches it off.

    Times in seconds are the event loop's.
    """

    start: int
    cash: Decimal = Decimal(100_000)
    speed: float | None = None
    clock: Clock | None = None  # the caller's, instead of the exchange's own; `start` must be what it shows
    skip_closed: bool = False
    key: str | None = None
    secret: str | None = None
    rate_limit: int = 200
    partial_rate: float = 0.1
    scenario: Sequence[Mapping[str, Any]] = ()
    plan: Plan = PLANS["unlimited"]
    patience: float = 5.0  # seconds a stream client may leave a frame unread
    multiplier: int = 4
    slip_rate: float = 0.0
    dividends: bool = False
    fees: Rates = REGULATORY
    participation: float | None = None  # share of printed volume an order may take
    polygon: Terms = field(default_factory=Terms)


class Exchange:
    """Venue, clock and streams put together; `app` is what a server serves."""

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.options = options
        self._own = OwnClock(options.start, speed=options.speed)
        self.clock: Clock = options.clock or self._own
        bent = BentWorld(world)
        self.venue = Venue(
            bent,
            start=options.start,
            cash=options.cash,
            partial_rate=options.partial_rate,
            multiplier=options.multiplier,
            slip_rate=options.slip_rate,
            pays=options.dividends,
            fees=options.fees,
            participation=options.participation,
        )
        self.polygon = Host(self.venue, options.polygon)
        self.streams = Chorus(self.venue, self.polygon.stream)
        self.market = Market(self.venue, self.streams, self.accepts, plan=options.plan, patience=options.patience)
        self.updates = Updates(self.streams, self.accepts, options.patience)
        self.faults = Faults(self.venue, bent, wake=self.wake)
        self.requests: Counter[str] = Counter()  # by host, since the start
        self.broken: str | None = None
        self.stopped = asyncio.Event()  # set when the books broke: the server must not go on
        self._wake = asyncio.Event()
        self.venue.agenda.sooner = self.wake
        self.faults.load(options.scenario)
        self.app: ASGIApp = _Edge(self, self._routes())

    @property
    def mode(self) -> str:
        """Of its time: real, speed, stepped, or external when the clock is the caller's."""
        return "external" if self.options.clock is not None else self._own.mode

    @property
    def speed(self) -> float | None:
        """Venue seconds a wall second, where that is known."""
        return None if self.options.clock is not None else self._own.speed

    @property
    def stepped(self) -> bool:
        return self.mode == "stepped"

    def accepts(self, key: object, secret: object) -> bool:
        """Any pair that is not empty, unless a pair was given."""
        if self.options.key is not None or self.options.secret is not None:
            return (key, secret) == (self.options.key, self.options.secret)
        return isinstance(key, str) and isinstance(secret, str) and bool(key) and bool(secret)

    def advance(self, until: int | None = None) -> None:
        """Bring the venue to a moment, or to what the clock shows. Broken books stop the exchange for good."""
        if self.broken is not None:
            raise BooksError(self.broken)
        try:
            self.venue.advance(self.clock.now() if until is None else until)
        except BooksError as broken:
            self.fail(broken)
            raise

    def fail(self, broken: BooksError) -> None:
        self.broken = str(broken)
        _LOG.critical("the books are broken, the exchange stops error=%r", self.broken)
        self.stopped.set()

    async def step(self, to: int) -> None:
        """Stepped mode: run up to that moment and write out everything that came of it."""
        self.advance(to)
        self._own.jump(to)
        await self.streams.flush()

    def wake(self) -> None:
        """A request changed something: let the pump flush and look at its agenda again."""
        self._wake.set()

    async def pump(self) -> None:
        """Moves the venue along with the clock, and writes out what that and requests caused."""
        while self.broken is None:
            if not self.stepped:
                self._skip()
                try:
                    self.advance()
                except BooksError:
                    break
            self._wake.clear()
            self.streams.kick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest()):
                    await self._wake.wait()

    def _rest(self) -> float | None:
        """Seconds until something is due; None when only a request or a step can bring anything."""
        if self.stepped:
            return None
        moments = [self.venue.agenda.next(), self._quiet() if self.options.skip_closed else None]
        ahead = [at for at in moments if at is not None and at > self.venue.now]
        wait = self.clock.wait(min(ahead)) if ahead else float("inf")
        return None if wait == float("inf") else max(wait, 0.0 if self.mode == "external" else _BLINK)

    def _skip(self) -> None:
        """Jump over closed hours to 08:00 New York of the next session that has minutes."""
        session, now = self.venue.session, self.clock.now()
        if not self.options.skip_closed or now < self._quiet():
            return
        following = self.world.calendar.after(session.date)
        if following.date <= self.world.last:
            self._own.jump(max(now, local(following.date, 8)))

    def _quiet(self) -> int:
        """When the session has nothing more to show."""
        session = self.venue.session
        ends = [int(bars.t[-1]) + MINUTE for bars in self.venue.tape.columns.values() if len(bars)]
        return max([session.close, *ends]) + _AFTER_HOURS

    @contextlib.asynccontextmanager
    async def _life(self, app: Starlette) -> AsyncIterator[None]:
        self._own.start()
        pump = asyncio.create_task(self.pump())
        pump.add_done_callback(self._ended)
        yield
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """A pump that fell over must not leave a market that stands still and looks alive."""
        if not pump.cancelled() and (fault := pump.exception()) is not None:
            self.broken = self.broken or f"{type(fault).__name__}: {fault}"
            _LOG.critical("the exchange stops", exc_info=fault)
            self.stopped.set()

    def _routes(self) -> Starlette:
        routes: list[Route | WebSocketRoute] = [
            *Trading(self.venue).routes(),
            *Ordering(self.venue).routes(),
            *Watchlists(self.venue).routes(),
            *Activities(self.venue).routes(),
            *Portfolio(self.venue).routes(),
            *Days(self.venue).routes(),
            *Data(self.venue, self.options.plan).routes(),
            *Reference(self.venue).routes(),
            *Control(self).routes(),
            *self.polygon.routes(),
            WebSocketRoute("/stream", self.updates.serve),
            WebSocketRoute("/stream/", self.updates.serve),
            *(WebSocketRoute(path, self.market.serve) for path in STREAMS),
        ]
        handlers: dict[Any, Any] = {
            Refusal: _refused,
            Denial: self.polygon.replies.handle,
            BooksError: self._broke,
            404: _unknown,
            405: self._unsuited,
            Exception: _internal,
        }
        app = Starlette(routes=routes, lifespan=self._life, exception_handlers=handlers)
        app.router.redirect_slashes = False  # clients refuse to follow redirects
        return app

    async def _unsuited(self, request: Request, error: Exception) -> Response:
        """A verb that the path does not have: Polygon knows the path by its verb only."""
        if host_of(request.url.path) == "polygon":
            return self.polygon.replies.denied(absent("Page not found."))
        return JSONResponse({"code": 40510000, "message": "method not allowed."}, status_code=405)

    async def _broke(self, request: Request, error: Exception) -> Response:
        if self.broken is None:
            self.fail(BooksError(str(error)))
        return JSONResponse({"code": 50010000, "message": f"internal server error occurred: {error}"}, status_code=500)


class _Edge:
    """In front of every REST route: who asks, how often, at which venue time; and the headers of every answer."""

    def __init__(self, exchange: Exchange, app: Starlette) -> None:
        self._exchange = exchange
        self._app = app
        self._ids = Random(f"{exchange.world.seed}:requests")
        self._windows: dict[str, tuple[int, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and await self._exchange.faults.denies(scope, send):
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(b"x-daybot-simulated", self._exchange.world.kind.encode())]
        refused = self._judge(scope, headers)
        headers.append((b"date", formatdate(self._exchange.venue.now / SECOND, usegmt=True).encode()))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        if refused is not None:
            await refused(scope, receive, answer)
            return
        await self._exchange.faults.rest.serve(self._app, Call(scope, receive, answer, raw=send, headers=headers))
        self._exchange.wake()

    def _judge(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> Response | None:
        """An answer that ends the request here, or None. Brings the venue to now first: a request acts at its own time."""
        exchange, path = self._exchange, scope["path"]
        if exchange.broken is None and not exchange.stepped:
            with contextlib.suppress(BooksError):  # said below
                exchange.advance()
        if exchange.broken is not None:
            return JSONResponse({"code": 50010000, "message": f"internal server error occurred: {exchange.broken}"}, status_code=500)
        host = host_of(path)
        exchange.requests[host] += 1
        if host == "sim":
            return _foreign(scope)
        if host == "polygon":
            return exchange.polygon.judge(scope)
        data = host == "data"
        headers.append((b"x-request-id", UUID(int=self._ids.getrandbits(128), version=4).hex.encode()))
        within = self._count(host, headers)
        if not exchange.accepts(*_credentials(scope)):
            body: MutableMapping[str, Any] = {"message": "unauthorized."} if data else {"code": 40110000, "message": "request is not authorized"}
            return JSONResponse(body, status_code=401)
        if not within:
            body = {"message": "too many requests."} if data else {"code": 42910000, "message": "rate limit exceeded"}
            return JSONResponse(body, status_code=429)
        return None

    def _count(self, host: str, headers: list[tuple[bytes, bytes]]) -> bool:
        """One request of this venue minute; False when there were too many."""
        limit = self._exchange.options.rate_limit
        window = self._exchange.venue.now // MINUTE
        before, used = self._windows.get(host, (window, 0))
        used = used + 1 if before == window else 1
        self._windows[host] = (window, used)
        shown = limit or 1_000_000
        values = {"limit": shown, "remaining": max(shown - used, 0), "reset": (window + 1) * MINUTE // SECOND}
        headers.extend((f"x-ratelimit-{name}".encode(), str(value).encode()) for name, value in values.items())
        return not limit or used <= limit


def build(world: World, options: Options) -> ASGIApp:
    """The ASGI application of a new exchange."""
    return Exchange(world, options).app


def _credentials(scope: Scope) -> tuple[str | None, str | None]:
    found = dict(scope["headers"])
    bearer = found.get(b"authorization", b"").decode("latin-1")
    if bearer.lower().startswith("bearer "):
        return bearer[7:], bearer[7:]
    key, secret = found.get(b"apca-api-key-id"), found.get(b"apca-api-secret-key")
    return (key.decode("latin-1") if key else None), (secret.decode("latin-1") if secret else None)


def _foreign(scope: Scope) -> Response | None:
    """The simulator's own API asks for no keys, so no web page may reach it: not from its own origin, and not under a name of its own."""
    found = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
    names = [found.get(b"host", ""), found[b"origin"].partition("://")[2] if b"origin" in found else "localhost"]
    if all(name.rpartition(":")[0] in _OURS or name in _OURS for name in names) and found.get(b"sec-fetch-site") != "cross-site":
        return None
    return JSONResponse({"code": 40310000, "message": "the simulator's own API answers programs on this machine, not web pages"}, status_code=403)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return JSONResponse(error.body, status_code=error.status)


async def _internal(request: Request, error: Exception) -> Response:
    """A fault of the simulator; Starlette raises it again afterwards, so that it is logged with its traceback."""
    return JSONResponse({"code": 50010000, "message": "internal server error occurred"}, status_code=500)


async def _unknown(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": 40410000, "message": "endpoint not found."}, status_code=404)
