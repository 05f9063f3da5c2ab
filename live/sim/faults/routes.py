"""Faults over HTTP under `/sim/faults`, and orders of somebody else under `/sim/manual`. No keys, JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of
from live.sim.alpaca.trading.wire import order_json
from live.sim.errors import Refusal, malformed
from live.sim.faults.fault import FaultError
from live.sim.faults.kinds import KINDS, REQUIRED, TARGETS, Kind

if TYPE_CHECKING:  # the server builds this
    from live.sim.server import Exchange


class FaultRoutes:
    """Routes over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        return [
            Route("/sim/faults", self.add, methods=["POST"]),
            Route("/sim/faults", self.all, methods=["GET"]),
            Route("/sim/faults", self.clear, methods=["DELETE"]),
            Route("/sim/faults/log", self.log, methods=["GET"]),
            Route("/sim/faults/kinds", self.kinds, methods=["GET"]),
            Route("/sim/faults/{id}", self.remove, methods=["DELETE"]),
            Route("/sim/manual", self.manual, methods=["POST"]),
        ]

    async def add(self, request: Request) -> Response:
        """Answers with the id. What is due now has happened when the answer comes."""
        try:
            active = self._exchange.faults.add(json.loads(await request.body()))
        except (FaultError, ValueError, RecursionError) as wrong:
            raise malformed(str(wrong)) from None
        await self._settle()
        return JSONResponse(active.shown(), status_code=201)

    async def all(self, request: Request) -> Response:
        return JSONResponse([active.shown() for active in self._exchange.faults.registry])

    async def log(self, request: Request) -> Response:
        return JSONResponse(self._exchange.faults.registry.log())

    async def kinds(self, request: Request) -> Response:
        return JSONResponse([_shown(kind) for kind in KINDS.values()])

    async def remove(self, request: Request) -> Response:
        active = self._exchange.faults.remove(request.path_params["id"])
        if active is None:
            known = ", ".join(each.id for each in self._exchange.faults.registry) or "none"
            raise Refusal(404, 40410000, f"no fault {request.path_params['id']!r}; there are: {known}")
        await self._settle()
        return JSONResponse(active.shown())

    async def clear(self, request: Request) -> Response:
        removed = self._exchange.faults.clear()
        await self._settle()
        return JSONResponse({"removed": removed})

    async def manual(self, request: Request) -> Response:
        """What somebody does in the broker's own window: send an order, cancel one, or close a position."""
        body, venue = await body_of(request), self._exchange.venue
        given = [name for name in ("order", "cancel", "close") if body.get(name)]
        if len(given) != 1:
            raise malformed('give one of {"order": {...}}, {"cancel": order id}, {"close": symbol}')
        if given == ["cancel"]:
            order = venue.order(str(body["cancel"]))
            venue.cancel(order)
        elif given == ["close"]:
            order = venue.close(str(body["close"]))
        else:
            order = venue.submit(body["order"])
        await self._settle()
        return JSONResponse(order_json(order, nested=True))

    async def _settle(self) -> None:
        self._exchange.advance(self._exchange.venue.now)
        await self._exchange.streams.flush()


def _shown(kind: Kind) -> dict[str, Any]:
    parameters = {
        name: {"type": spec.type, **({} if spec.default is REQUIRED else {"default": spec.default})} for name, spec in kind.parameters.items()
    }
    return {"kind": kind.name, "note": kind.note, "serves": kind.serves, "aims": TARGETS[kind.family], "parameters": parameters}
