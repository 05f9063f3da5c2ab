"""Polygon's host on the exchange's port: who may ask how often, and all of its routes."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope

from live.sim.clock import MINUTE
from live.sim.polygon.replies import Replies, absent, too_many, unknown_key
from live.sim.polygon.rest.aggregates import Aggregates
from live.sim.polygon.rest.reference import Reference
from live.sim.polygon.rest.snapshots import Snapshots
from live.sim.polygon.rest.ticks import Ticks
from live.sim.polygon.streams.stocks import Stream
from live.sim.polygon.terms import Terms
from live.sim.venue.venue import Venue
from live.sim.wires.hosts import POLYGON

_VERBS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Host:
    """Routes, authentication and rate limit over one venue."""

    def __init__(self, venue: Venue, terms: Terms) -> None:
        self._venue = venue
        self._terms = terms
        self._used: dict[str, tuple[int, int]] = {}
        self.replies = Replies(venue.world.seed, realtime=terms.realtime)
        self.stream = Stream(venue, terms)

    def judge(self, scope: Scope) -> Response | None:
        """An answer that ends a request to one of the own paths, or None: the key first, then how often it asked."""
        key = _key(scope)
        if key is None or not self._terms.accepts(key):
            return self.replies.denied(unknown_key(key))
        return None if self._within(key) else self.replies.denied(too_many())

    def routes(self) -> list[Route | WebSocketRoute]:
        feed = self._venue.feeds["sip" if self._terms.realtime else "delayed_sip"]
        parts = (*(part(feed, self.replies) for part in (Aggregates, Ticks, Snapshots)), Reference(self._venue, self.replies))
        return [
            WebSocketRoute("/stocks", self.stream.serve),
            *(route for part in parts for route in part.routes()),
            *(Route(f"{path}{{rest:path}}", _nowhere, methods=_VERBS) for path in POLYGON),
        ]

    def _within(self, key: str) -> bool:
        """Count a request of this venue minute."""
        window = self._venue.now // MINUTE
        before, used = self._used.get(key, (window, 0))
        used = used + 1 if before == window else 1
        self._used[key] = (window, used)
        return not self._terms.rate_limit or used <= self._terms.rate_limit


async def _nowhere(request: Request) -> Response:
    raise absent("Page not found.")


def _key(scope: Scope) -> str | None:
    """By `Authorization: Bearer`, or as `apiKey` in the query."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    if header.lower().startswith("bearer "):
        return str(header[7:]).strip() or None
    found = parse_qs(scope["query_string"].decode("latin-1")).get("apiKey")
    return found[0] if found else None
