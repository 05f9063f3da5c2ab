"""What bots ask beside prices: screener, news (there are none), corporate actions, and the meaning of codes."""

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.data.codes import EXCHANGES, QUOTES, TRADES
from live.sim.alpaca.data.history import History
from live.sim.alpaca.queries import day_of, number_of, one_of, time_of, words
from live.sim.clock import MINUTE, new_york, rfc3339
from live.sim.errors import Refusal, invalid
from live.sim.venue.venue import Venue
from live.sim.worlds.actions import Action
from live.sim.worlds.tape import dollars

_TYPES = (
    "reverse_split", "forward_split", "unit_split", "cash_dividend", "stock_dividend", "spin_off", "cash_merger", "stock_merger",
    "stock_and_cash_merger", "redemption", "name_change", "worthless_removal", "rights_distribution", "partial_call", "reorganization",
)  # fmt: skip


class Reference:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._history = History(venue.world, venue.slips)

    def routes(self) -> list[Route]:
        return [
            Route("/v1beta1/screener/stocks/most-actives", self.actives, methods=["GET"]),
            Route("/v1beta1/screener/stocks/movers", self.movers, methods=["GET"]),
            Route("/v1beta1/news", self.news, methods=["GET"]),
            Route("/v1/corporate-actions", self.actions, methods=["GET"]),
            Route("/v1beta1/corporate-actions", self.actions, methods=["GET"]),
            Route("/v2/stocks/meta/exchanges", self.exchanges, methods=["GET"]),
            Route("/v2/stocks/meta/conditions/{tick}", self.conditions, methods=["GET"]),
        ]

    async def actives(self, request: Request) -> Response:
        """By volume or by trades of the running day, its complete minutes."""
        by = one_of(request, "by", ("volume", "trades"), "volume")
        days = [(symbol, self._today(symbol)) for symbol in self._venue.world.assets]
        rows: list[dict[str, Any]] = [{"symbol": symbol, "volume": int(day.v[-1]), "trade_count": int(day.n[-1])} for symbol, day in days if len(day)]
        rows.sort(key=lambda row: row["volume" if by == "volume" else "trade_count"], reverse=True)
        top = number_of(request, "top", default=10, most=100)
        return JSONResponse({"most_actives": rows[:top], "last_updated": self._updated()})

    async def movers(self, request: Request) -> Response:
        """Against the close of the session before, split or not."""
        rows = [row for symbol in self._venue.world.assets if (row := self._moved(symbol)) is not None]
        top = number_of(request, "top", default=10, most=50)
        up = sorted((row for row in rows if row["change"] > 0), key=lambda row: -row["percent_change"])
        down = sorted((row for row in rows if row["change"] < 0), key=lambda row: row["percent_change"])
        return JSONResponse({"gainers": up[:top], "losers": down[:top], "market_type": "stocks", "last_updated": self._updated()})

    def _moved(self, symbol: str) -> dict[str, Any] | None:
        day, close = self._today(symbol), self._venue.tape.previous(symbol)
        if not len(day) or not close:
            return None
        price, before = float(day.c[-1]), float(dollars(close))
        return {"symbol": symbol, "percent_change": round((price / before - 1) * 100, 2), "change": round(price - before, 4), "price": price}

    def _today(self, symbol: str) -> Any:
        return self._history.running(symbol, self._venue.session, self._venue.now)

    def _updated(self) -> str:
        return rfc3339(self._venue.now - self._venue.now % MINUTE)

    async def news(self, request: Request) -> Response:
        """None are invented; the parameters are judged all the same."""
        number_of(request, "limit", default=10, most=50)
        one_of(request, "sort", ("asc", "desc"), "desc")
        for name in ("start", "end"):
            time_of(request, name)
        return JSONResponse({"news": [], "next_page_token": None})

    async def actions(self, request: Request) -> Response:
        """Those of the wanted symbols and kinds whose day lies within the bounds, up to the running day."""
        kinds = words(request, "types")
        if unknown := [kind for kind in kinds if kind not in _TYPES]:
            raise invalid(f"invalid type: {unknown[0]}")
        start, end = time_of(request, "start"), time_of(request, "end")
        newest = one_of(request, "sort", ("asc", "desc"), "asc") == "desc"
        today = new_york(self._venue.now).date().isoformat()
        first, last = day_of(start) if start is not None else today, min(day_of(end), today) if end is not None else today
        symbols = set(words(request, "symbols"))
        rows = [
            row
            for row in self._venue.world.actions.rows
            if (not symbols or row.symbol in symbols) and first <= row.ex_date.isoformat() <= last and (not kinds or row.kind[:-1] in kinds)
        ]
        return JSONResponse(_page(rows[::-1] if newest else rows, request))

    async def exchanges(self, request: Request) -> Response:
        return JSONResponse(EXCHANGES)

    async def conditions(self, request: Request) -> Response:
        tick, tape = request.path_params["tick"], request.query_params.get("tape", "")
        if tick not in ("trade", "quote"):
            raise Refusal(404, None, "endpoint not found")
        codes = TRADES if tick == "trade" else QUOTES
        if tape not in codes:
            raise invalid("tape must be A, B or C")
        return JSONResponse(codes[tape])


def _page(rows: list[Action], request: Request) -> dict[str, Any]:
    """The token says how many rows have been shown."""
    shown = _shown(request.query_params.get("page_token"))
    limit = number_of(request, "limit", default=100, most=1_000)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows[shown : shown + limit]:
        found.setdefault(row.kind, []).append(_action(row))
    more = shown + limit < len(rows)
    return {"corporate_actions": found, "next_page_token": base64.urlsafe_b64encode(str(shown + limit).encode()).decode() if more else None}


def _shown(token: str | None) -> int:
    if not token:
        return 0
    try:
        return max(int(base64.urlsafe_b64decode(token.encode())), 0)
    except (ValueError, binascii.Error):
        raise invalid("invalid page_token") from None


def _action(row: Action) -> dict[str, Any]:
    days = {"ex_date": row.ex_date.isoformat(), "process_date": row.processed.isoformat(), "record_date": row.ex_date.isoformat()}
    if row.kind == "cash_dividends":
        paid = {"rate": float(row.rate), "special": False, "foreign": False, **days, "payable_date": row.processed.isoformat()}
        return {"id": row.id, "symbol": row.symbol, "cusip": "", **paid}
    rates = {"new_rate": float(row.new), "old_rate": float(row.old)}
    if row.kind == "forward_splits":
        return {"id": row.id, "symbol": row.symbol, "cusip": "", **rates, **days, "payable_date": row.processed.isoformat()}
    return {"id": row.id, "symbol": row.symbol, "old_cusip": "", "new_cusip": "", **rates, **days}
