"""Watchlists: named lists of symbols, found by id or by name. They are the client's notes, and nothing at the venue looks at them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of
from live.sim.alpaca.trading.wire import asset_json
from live.sim.clock import rfc3339
from live.sim.errors import malformed, missing
from live.sim.venue.venue import Venue

_LONGEST = 64
_MOST = 200


@dataclass(slots=True)
class _List:
    id: str
    name: str
    created_at: int
    updated_at: int
    symbols: list[str] = field(default_factory=list)


class Watchlists:
    """Routes over one venue; ids come from a series of their own, so that lists change nothing else."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._ids = Random(f"{venue.world.seed}:watchlists")
        self._lists: dict[str, _List] = {}

    def routes(self) -> list[Route]:
        found = [Route("/v2/watchlists", self.all, methods=["GET"]), Route("/v2/watchlists", self.create, methods=["POST"])]
        actions: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "GET": self.one,
            "PUT": self.update,
            "POST": self.add,
            "DELETE": self.delete,
        }
        for path in ("/v2/watchlists:by_name", "/v2/watchlists/{id}"):
            found += [Route(path, action, methods=[method]) for method, action in actions.items()]
        found.append(Route("/v2/watchlists:by_name/{symbol}", self.remove, methods=["DELETE"]))
        return [*found, Route("/v2/watchlists/{id}/{symbol}", self.remove, methods=["DELETE"])]

    async def all(self, request: Request) -> Response:
        return JSONResponse([self._shown(each, whole=False) for each in self._lists.values()])

    async def create(self, request: Request) -> Response:
        body = await body_of(request)
        now = self._venue.now
        made = _List(str(UUID(int=self._ids.getrandbits(128), version=4)), self._name(body), now, now, self._symbols(body))
        self._lists[made.id] = made
        return JSONResponse(self._shown(made))

    async def one(self, request: Request) -> Response:
        return JSONResponse(self._shown(self._found(request)))

    async def update(self, request: Request) -> Response:
        """The name, the symbols, or both; symbols that are given take the place of the old ones."""
        found, body = self._found(request), await body_of(request)
        name = self._name(body, own=found) if body.get("name") is not None else found.name
        symbols = self._symbols(body) if body.get("symbols") is not None else found.symbols
        found.name, found.symbols, found.updated_at = name, symbols, self._venue.now
        return JSONResponse(self._shown(found))

    async def add(self, request: Request) -> Response:
        found, body = self._found(request), await body_of(request)
        symbol = self._listed(body.get("symbol"))
        if symbol not in found.symbols:
            found.symbols.append(symbol)
        found.updated_at = self._venue.now
        return JSONResponse(self._shown(found))

    async def remove(self, request: Request) -> Response:
        found, symbol = self._found(request), request.path_params["symbol"]
        if symbol not in found.symbols:
            raise missing(f"asset not found for {symbol}")
        found.symbols.remove(symbol)
        found.updated_at = self._venue.now
        return JSONResponse(self._shown(found))

    async def delete(self, request: Request) -> Response:
        del self._lists[self._found(request).id]
        return Response(status_code=204)

    def _found(self, request: Request) -> _List:
        if "id" in request.path_params:
            found = self._lists.get(request.path_params["id"])
        else:
            name = request.query_params.get("name")
            found = next((each for each in self._lists.values() if each.name == name), None)
        if found is None:
            raise missing("watchlist not found")
        return found

    def _name(self, body: Any, own: _List | None = None) -> str:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST:
            raise malformed(f"name is required, with at most {_LONGEST} characters")
        if any(each.name == name and each is not own for each in self._lists.values()):
            raise malformed("watchlist name must be unique")
        return name

    def _symbols(self, body: Any) -> list[str]:
        symbols = body.get("symbols")
        if symbols is None:
            return []
        if not isinstance(symbols, list) or len(symbols) > _MOST:
            raise malformed(f"symbols must be an array of at most {_MOST}")
        return list(dict.fromkeys(self._listed(symbol) for symbol in symbols))

    def _listed(self, symbol: Any) -> str:
        asset = self._venue.asset(symbol) if isinstance(symbol, str) else None
        if asset is None:
            raise malformed(f"asset not found for {str(symbol)[:40]}")
        return asset.symbol

    def _shown(self, found: _List, *, whole: bool = True) -> dict[str, Any]:
        head = {
            "id": found.id,
            "account_id": self._venue.desk.account.id,
            "created_at": rfc3339(found.created_at),
            "updated_at": rfc3339(found.updated_at),
            "name": found.name,
        }
        assets = self._venue.world.assets
        return {**head, "assets": [asset_json(assets[symbol]) for symbol in found.symbols]} if whole else head
