"""Reference data: tickers and what stands behind them, splits, dividends, and whether the market is open."""

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.clock import new_york
from live.sim.polygon.industries import industry
from live.sim.polygon.markets import market
from live.sim.polygon.replies import Replies, absent
from live.sim.polygon.rest.aggregates import stock
from live.sim.polygon.rest.pages import after, choice, flag, limit, next_url, parameter
from live.sim.venue.venue import Venue
from live.sim.worlds.actions import Action
from live.sim.worlds.universe import listings
from live.sim.worlds.world import Asset

_MOST, _USUAL = 1_000, 100
_SHARES = 200  # invented shares outstanding for each share of the mean daily volume
_COMPARED = {"": str.__eq__, ".gte": str.__ge__, ".gt": str.__gt__, ".lte": str.__le__, ".lt": str.__lt__}


class Reference:
    """Routes over one venue. Recorded symbols have names and nothing more: their industry is not known."""

    def __init__(self, venue: Venue, replies: Replies) -> None:
        self._venue = venue
        self._replies = replies
        self._listings = {row.symbol: row for row in listings()} if venue.world.kind == "generated" else {}

    def routes(self) -> list[Route]:
        return [
            Route("/v3/reference/tickers", self.tickers, methods=["GET"]),
            Route("/v3/reference/tickers/{ticker}", self.ticker, methods=["GET"]),
            Route("/v3/reference/splits", self.splits, methods=["GET"]),
            Route("/v3/reference/dividends", self.dividends, methods=["GET"]),
            Route("/v1/marketstatus/now", self.status, methods=["GET"]),
        ]

    async def tickers(self, request: Request) -> Response:
        """Stocks only; all of them are active."""
        wanted = {name: parameter(request, name) for name in ("type", "exchange", "market", "search")}
        searched = (wanted["search"] or "").lower()
        found = [self._row(asset) for _, asset in sorted(self._venue.world.assets.items()) if searched in f"{asset.symbol} {asset.name}".lower()]
        for name, key in (("type", "type"), ("exchange", "primary_exchange"), ("market", "market")):
            found = [row for row in found if wanted[name] in (None, row[key])]
        if not flag(request, "active", default=True):
            found = []
        return self._listed(request, [row for row in found if _within(request, "ticker", row["ticker"])], by="ticker")

    async def ticker(self, request: Request) -> Response:
        asset = self._venue.world.assets.get(stock(request))
        if asset is None:
            raise absent("Ticker not found.")
        return self._replies.ok({"results": {**self._row(asset), **self._company(asset)}})

    async def splits(self, request: Request) -> Response:
        """Those that are in force; what is coming is not told."""
        rows = [_split(action) for action in self._actions() if not action.rate]
        rows = [row for row in rows if _within(request, "ticker", row["ticker"]) and _within(request, "execution_date", row["execution_date"])]
        return self._listed(request, rows, by="execution_date")

    async def dividends(self, request: Request) -> Response:
        rows = [_dividend(action) for action in self._actions() if action.rate]
        rows = [row for row in rows if _within(request, "ticker", row["ticker"]) and _within(request, "ex_dividend_date", row["ex_dividend_date"])]
        return self._listed(request, rows, by="ex_dividend_date")

    async def status(self, request: Request) -> Response:
        now = self._venue.now
        session = self._venue.world.calendar.on(now)
        early = session is not None and session.early <= now < session.open
        late = session is not None and session.close <= now < session.late
        word = "open" if session is not None and session.regular(now) else "extended-hours" if early or late else "closed"
        shown = new_york(now)
        body: dict[str, Any] = {"market": word, "earlyHours": early, "afterHours": late, "serverTime": shown.isoformat(timespec="seconds")}
        trading = "open" if shown.weekday() < 5 else "closed"
        return JSONResponse({**body, "exchanges": dict.fromkeys(("nyse", "nasdaq", "otc"), word), "currencies": {"fx": trading, "crypto": "open"}})

    def _actions(self) -> list[Action]:
        today = new_york(self._venue.now).date()
        return [action for action in self._venue.world.actions.rows if action.ex_date <= today]

    def _row(self, asset: Asset) -> dict[str, Any]:
        listed = self._listings.get(asset.symbol)
        kind = "ETF" if listed is not None and not listed.sector else "CS"
        row = {"ticker": asset.symbol, "name": asset.name, "market": "stocks", "locale": "us", "primary_exchange": market(asset).mic, "type": kind}
        return {**row, "active": True, "currency_name": "usd"}

    def _company(self, asset: Asset) -> dict[str, Any]:
        """Industry and size of a generated listing. The number of shares is invented, and with it the market's value."""
        listed = self._listings.get(asset.symbol)
        if listed is None:
            return {}
        found, shares = industry(listed.symbol, listed.sector), round(listed.volume) * _SHARES
        last = self._venue.tape.last(listed.symbol, self._venue.now)
        body: dict[str, Any] = {"ticker_root": listed.symbol, "share_class_shares_outstanding": shares, "weighted_shares_outstanding": shares}
        if last is not None:
            body["market_cap"] = round(last.price / 10_000 * shares, 2)
        if found is not None:
            body |= {"sic_code": found.code, "sic_description": found.text, **({"cik": found.cik} if found.cik else {})}
        return body

    def _listed(self, request: Request, rows: list[dict[str, Any]], *, by: str) -> Response:
        """One page; the cursor is the number of rows before it. Days come newest first, names in order of the alphabet."""
        most, first = limit(request, default=_USUAL, most=_MOST), after(request) or 0
        key = choice(request, "sort", ("ticker", "name", "type", "primary_exchange") if by == "ticker" else ("ticker", by), by)
        order = choice(request, "order", ("asc", "desc"), "asc" if by == "ticker" else "desc")
        rows = sorted(rows, key=lambda row: (row[key], row["ticker"]), reverse=order == "desc")
        page = rows[first : first + most]
        body: dict[str, Any] = {"results": page, "count": len(page)}
        return self._replies.ok({**body, "next_url": next_url(request, first + most)} if first + most < len(rows) else body)


def _within(request: Request, name: str, value: str) -> bool:
    """The parameter of that name and its four comparisons; texts and ISO dates compare alike."""
    return all(bound is None or compare(value, bound) for suffix, compare in _COMPARED.items() for bound in (parameter(request, name + suffix),))


def _split(action: Action) -> dict[str, Any]:
    return {
        "id": action.id,
        "execution_date": action.ex_date.isoformat(),
        "split_from": _number(action.old),
        "split_to": _number(action.new),
        "ticker": action.symbol,
    }


def _dividend(action: Action) -> dict[str, Any]:
    day = action.ex_date.isoformat()
    body = {"id": action.id, "cash_amount": float(action.rate), "currency": "USD", "declaration_date": day, "dividend_type": "CD"}
    return {**body, "ex_dividend_date": day, "frequency": 4, "pay_date": action.processed.isoformat(), "record_date": day, "ticker": action.symbol}


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)
