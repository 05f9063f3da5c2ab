"""The order routes of Alpaca's trading API."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of, choice, count, flag, instant, words
from live.sim.alpaca.trading.wire import order_json
from live.sim.errors import Refusal, malformed, missing
from live.sim.venue.orders import Order
from live.sim.venue.venue import Venue

_CLOSED = frozenset({"filled", "canceled", "expired", "replaced", "rejected", "done_for_day", "calculated"})


class Ordering:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [
            Route("/v2/orders", self.submit, methods=["POST"]),
            Route("/v2/orders", self.all, methods=["GET"]),
            Route("/v2/orders", self.cancel_all, methods=["DELETE"]),
            Route("/v2/orders:by_client_order_id", self.by_client, methods=["GET"]),
            Route("/v2/orders/{id}", self.one, methods=["GET"]),
            Route("/v2/orders/{id}", self.replace, methods=["PATCH"]),
            Route("/v2/orders/{id}", self.cancel, methods=["DELETE"]),
        ]

    async def submit(self, request: Request) -> Response:
        order = self._venue.submit(await body_of(request))
        return JSONResponse(order_json(order, nested=True))

    async def all(self, request: Request) -> Response:
        nested = flag(request, "nested")
        found = self._chosen(request, nested=nested)
        return JSONResponse([order_json(order, nested=nested) for order in found])

    async def one(self, request: Request) -> Response:
        order = self._venue.order(request.path_params["id"])
        return JSONResponse(order_json(order, nested=flag(request, "nested")))

    async def by_client(self, request: Request) -> Response:
        name = request.query_params.get("client_order_id")
        if not name:
            raise malformed("client_order_id is required")
        order = self._venue.desk.by_client.get(name)
        if order is None:
            raise missing(f"order not found for {name}")
        return JSONResponse(order_json(order, nested=flag(request, "nested")))

    async def replace(self, request: Request) -> Response:
        order = self._venue.order(request.path_params["id"])
        return JSONResponse(order_json(self._venue.replace(order, await body_of(request)), nested=True))

    async def cancel(self, request: Request) -> Response:
        self._venue.cancel(self._venue.order(request.path_params["id"]))
        return Response(status_code=204)

    async def cancel_all(self, request: Request) -> Response:
        return JSONResponse([_row(order, refusal) for order, refusal in self._venue.cancel_all()], status_code=207)

    def _chosen(self, request: Request, *, nested: bool) -> list[Order]:
        status = choice(request, "status", ("open", "closed", "all"), "open")
        limit = count(request, "limit", default=50, most=500)
        newest_first = choice(request, "direction", ("asc", "desc"), "desc") == "desc"
        after, until = instant(request, "after"), instant(request, "until")
        symbols = words(request, "symbols")
        side = choice(request, "side", ("buy", "sell"), "") if request.query_params.get("side") else ""
        rows = sorted(self._venue.desk.orders.values(), key=lambda order: order.number)
        kept = [
            order
            for order in self._between(request, rows)
            if (not nested or order.parent is None)
            and (status == "all" or _closed(order, nested=nested) == (status == "closed"))
            and (after is None or order.created_at > after)
            and (until is None or order.created_at < until)
            and (not symbols or order.symbol in symbols)
            and (not side or order.side == side)
            and (request.query_params.get("asset_class") or "us_equity") in ("us_equity", "all")
        ]
        return (kept[::-1] if newest_first else kept)[:limit]

    def _between(self, request: Request, rows: list[Order]) -> list[Order]:
        """The exclusive cursors, on the order of arrival."""
        first = request.query_params.get("after_order_id")
        last = request.query_params.get("before_order_id")
        low = self._venue.order(first).number if first else None
        high = self._venue.order(last).number if last else None
        return [row for row in rows if (low is None or row.number > low) and (high is None or row.number < high)]


def _closed(order: Order, *, nested: bool) -> bool:
    """Nested, a parent is open as long as one of its legs is."""
    family = [order, *order.legs] if nested else [order]
    return all(member.status in _CLOSED for member in family)


def _row(order: Order, refusal: Refusal | None) -> dict[str, Any]:
    """Whatever was wrong, a row that failed has status 500; its body says what."""
    if refusal is None:
        return {"id": order.id, "status": 200}
    return {"id": order.id, "status": 500, "body": refusal.body}
