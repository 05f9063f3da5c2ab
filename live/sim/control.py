"""The simulator's own API under `/sim`: its clock, its books and what its world is. No keys, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of
from live.sim.alpaca.trading.wire import account_json, order_json
from live.sim.burst import Wanted, burst
from live.sim.clock import SECOND, new_york, parse, rfc3339
from live.sim.errors import Refusal
from live.sim.faults.routes import FaultRoutes
from live.sim.venue.orders import Order
from live.sim.venue.ticket import plain

if TYPE_CHECKING:  # the server builds this
    from live.sim.server import Exchange

_NOT_MODELLED = (
    "queue position and displayed size: what crosses the quote is filled at the quote, all of it unless participation is limited",
    "market impact: orders of the account move no price",
    "auction books: opg and cls orders get the official price, whatever their size",
    "commissions, interest, margin calls, settlement delay; dividends unless asked for, as on a paper account",
    "limit-up limit-down bands are told but do not bind; halts only where they were switched on",
    "the consolidated tape of IEX's prints: a thin iex feed lies inside the market's minutes, but its trades are not among the market's",
    "options, crypto, fractional positions beyond plain day orders",
)


class Control:
    """Routes over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/sim/clock", self.clock, methods=["GET"]),
            Route("/sim/clock/step", self.step, methods=["POST"]),
            Route("/sim/books", self.books, methods=["GET"]),
            Route("/sim/world", self.world, methods=["GET"]),
            Route("/sim/burst", self.burst, methods=["POST"]),
            *FaultRoutes(self._exchange).routes(),
        ]

    async def clock(self, request: Request) -> Response:
        return JSONResponse(self._state())

    async def step(self, request: Request) -> Response:
        """Answers when everything due has run and all sockets are written."""
        exchange = self._exchange
        if not exchange.stepped:
            raise Refusal(409, 40910000, f"the clock runs by itself in mode {exchange.mode}; start with --stepped to step it")
        await exchange.step(self._target(await body_of(request)))
        return JSONResponse(self._state())

    async def burst(self, request: Request) -> Response:
        """Answers when every client has been written all of it, or was given up as too slow."""
        wanted = Wanted.read(await body_of(request))
        lines = [line for line in (*self._exchange.streams.market, *self._exchange.polygon.stream.lines) if line.open and line.recent]
        if not lines:
            raise Refusal(409, 40910000, "no client was sent a message yet that could be repeated; subscribe, and let time go on first")
        return JSONResponse(await burst(lines, wanted))

    def _target(self, body: Any) -> int:
        now = self._exchange.venue.now
        to, seconds = body.get("to"), body.get("seconds")
        if (to is None) == (seconds is None):
            raise Refusal(422, 40010001, 'give either {"to": RFC 3339} or {"seconds": number}')
        try:
            target = parse(to) if isinstance(to, str) else now + round(float(seconds) * SECOND)
        except (TypeError, ValueError, OverflowError):
            raise Refusal(422, 40010001, f"not a time: {to if seconds is None else seconds}") from None
        if target < now:
            raise Refusal(422, 42210000, f"time cannot go back from {rfc3339(now)} to {rfc3339(target)}")
        return target

    def _state(self) -> dict[str, Any]:
        exchange = self._exchange
        session = exchange.venue.session
        return {
            "now": rfc3339(exchange.venue.now),
            "mode": exchange.mode,
            "speed": exchange.speed,
            "world": exchange.world.kind,
            "session": session.date.isoformat(),
            "open": rfc3339(session.open),
            "close": rfc3339(session.close),
            "sent": {**exchange.streams.sent, "polygon": exchange.polygon.stream.sent},
            "clients": exchange.streams.clients,
            "polygon_clients": exchange.polygon.stream.clients,
        }

    async def books(self, request: Request) -> Response:
        """The venue's own truth, rebuilt from its executions before it is shown."""
        desk, gate = self._exchange.venue.desk, self._exchange.venue.gate
        desk.account.recount()
        fills = [
            {
                "id": fill.id,
                "order_id": fill.order.id,
                "symbol": fill.order.symbol,
                "side": fill.order.side,
                "at": rfc3339(fill.at),
                "price": plain(fill.price),
                "qty": plain(fill.qty),
                "position_qty": plain(fill.position),
            }
            for fill in desk.account.fills
        ]
        positions = [
            {"symbol": symbol, "qty": plain(held.qty), "cost": plain(held.cost), "qty_available": plain(desk.free(symbol))}
            for symbol, held in sorted(desk.account.positions.items())
        ]
        value = gate.valuation()
        exact = {
            "start": plain(desk.account.start),
            "cash": plain(value.cash),
            "equity": plain(value.equity),
            "realised": plain(desk.account.realised),
            "received": plain(desk.account.received),
            "charged": plain(desk.account.charged),
            "reserved": plain(value.reserved),
            "buying_power": plain(value.buying_power),
            "last_equity": plain(desk.account.last_equity),
        }
        orders = [_order(order) for order in sorted(desk.orders.values(), key=lambda order: order.number)]
        shown = account_json(desk.account, value, asof=new_york(self._exchange.venue.now).date().isoformat())
        truth = {"account": {**shown, **exact}, "orders": orders, "fills": fills, "positions": positions}
        return JSONResponse({**truth, "faults": self._exchange.faults.registry.log()})

    async def world(self, request: Request) -> Response:
        world = self._exchange.world
        return JSONResponse(
            {
                "name": world.name,
                "kind": world.kind,
                "seed": world.seed,
                "label": "SIMULATED",
                "symbols": list(world.assets),
                "rescaled": dict(world.rescaled),
                "first": world.first.isoformat(),
                "last": world.last.isoformat(),
                "not_modelled": list(_NOT_MODELLED),
            }
        )


def _order(order: Order) -> dict[str, Any]:
    return {
        **order_json(order),
        "parent_id": order.parent.id if order.parent is not None else None,
        "history": [{"at": rfc3339(at), "status": status} for at, status in order.history],
    }
