"""Alpaca's trading routes around the account: itself, its configuration, assets and positions."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of, choice, flag, words
from live.sim.alpaca.trading.wire import account_json, asset_json, order_json, position_json
from live.sim.errors import Refusal, missing
from live.sim.venue.ticket import number
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import dollars

_CLASSES = ("us_equity", "us_equities", "crypto", "us_option", "all")
_EXCHANGES = ("AMEX", "ARCA", "BATS", "NYSE", "NASDAQ", "NYSEARCA", "OTC", "CRYPTO")


class Trading:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [
            Route("/v2/account", self.account, methods=["GET"]),
            Route("/v2/account/configurations", self.settings, methods=["GET"]),
            Route("/v2/account/configurations", self.configure, methods=["PATCH"]),
            Route("/v2/assets", self.assets, methods=["GET"]),
            Route("/v2/assets/{name:path}", self.asset, methods=["GET"]),
            Route("/v2/positions", self.positions, methods=["GET"]),
            Route("/v2/positions", self.close_all, methods=["DELETE"]),
            Route("/v2/positions/{name}", self.position, methods=["GET"]),
            Route("/v2/positions/{name}", self.close, methods=["DELETE"]),
        ]

    async def account(self, request: Request) -> Response:
        desk = self._venue.desk
        day = self._venue.world.calendar.before(self._venue.session.date)
        asof = day.date.isoformat() if day else ""
        return JSONResponse(account_json(desk.account, self._venue.gate.valuation(), asof=asof))

    async def settings(self, request: Request) -> Response:
        return JSONResponse(self._venue.desk.account.settings)

    async def configure(self, request: Request) -> Response:
        self._venue.configure(await body_of(request))
        return JSONResponse(self._venue.desk.account.settings)

    async def assets(self, request: Request) -> Response:
        status = choice(request, "status", ("active", "inactive", "all"), "all")
        fits = status != "inactive" and choice(request, "asset_class", _CLASSES, "us_equity") in ("us_equity", "us_equities", "all")
        exchange = choice(request, "exchange", _EXCHANGES, "") if request.query_params.get("exchange") else ""
        wanted = set(words(request, "attributes"))
        rows = [asset_json(asset) for asset in self._venue.world.assets.values() if fits and exchange in ("", asset.exchange)]
        return JSONResponse([row for row in rows if wanted <= set(row["attributes"])])

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        asset = self._venue.asset(name)
        if asset is None:
            raise missing(f"asset not found for {name}")
        return JSONResponse(asset_json(asset))

    async def positions(self, request: Request) -> Response:
        return JSONResponse([self._position(symbol) for symbol in sorted(self._venue.desk.account.positions)])

    async def position(self, request: Request) -> Response:
        asset = self._venue.asset(request.path_params["name"])
        if asset is None or asset.symbol not in self._venue.desk.account.positions:
            raise missing("position does not exist")
        return JSONResponse(self._position(asset.symbol))

    def _position(self, symbol: str) -> dict[str, Any]:
        venue = self._venue
        held = venue.desk.account.positions[symbol]
        price = venue.gate.price(symbol) or held.average
        close = venue.tape.previous(symbol)
        previous = dollars(close) if close is not None else price
        return position_json(venue.desk.account, held.asset, price=price, previous=previous, free=venue.desk.free(symbol))

    async def close(self, request: Request) -> Response:
        query = request.query_params
        qty, percentage = number(query.get("qty"), "qty"), number(query.get("percentage"), "percentage")
        order = self._venue.close(request.path_params["name"], qty=qty, percentage=percentage)
        return JSONResponse(order_json(order))

    async def close_all(self, request: Request) -> Response:
        """Row by row: one position that cannot be closed does not keep the others open."""
        if flag(request, "cancel_orders"):
            self._venue.drop()
        rows: list[dict[str, Any]] = []
        for symbol in sorted(self._venue.desk.account.positions):
            try:
                rows.append({"symbol": symbol, "status": 200, "body": order_json(self._venue.close(symbol))})
            except Refusal as refusal:
                rows.append({"symbol": symbol, "status": refusal.status, "body": refusal.body})
        return JSONResponse(rows, status_code=207)
