"""Alpaca's market data routes: bars with pages, trades and quotes of the last minutes, latest values, snapshots."""

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.history import History, Timeframe, rows, timeframe
from live.sim.alpaca.queries import words
from live.sim.clock import MINUTE, local, new_york, parse, rfc3339
from live.sim.errors import Refusal, invalid
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import Print

_KINDS = {"bars": "bar", "trades": "trade", "quotes": "quote"}
_FEEDS = ("iex", "sip", "otc", "boats", "delayed_sip", "overnight")
_MOST = 10_000


class Data:
    """Routes over one venue; every answer is cut at the venue's clock."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._history = History(venue.world)

    def routes(self) -> list[Route]:
        return [
            Route("/v2/stocks/snapshots", self.snapshots, methods=["GET"]),
            Route("/v2/stocks/{kind}/latest", self.latest, methods=["GET"]),
            Route("/v2/stocks/bars", self.bars, methods=["GET"]),
            Route("/v2/stocks/trades", self.ticks, methods=["GET"]),
            Route("/v2/stocks/quotes", self.ticks, methods=["GET"]),
            Route("/v2/stocks/{symbol}/snapshot", self.snapshot, methods=["GET"]),
            Route("/v2/stocks/{symbol}/{kind}/latest", self.latest_one, methods=["GET"]),
            Route("/v2/stocks/{symbol}/bars", self.bars, methods=["GET"]),
            Route("/v2/stocks/{symbol}/trades", self.ticks, methods=["GET"]),
            Route("/v2/stocks/{symbol}/quotes", self.ticks, methods=["GET"]),
            Route("/v1/corporate-actions", self.actions, methods=["GET"]),
            Route("/v1beta1/corporate-actions", self.actions, methods=["GET"]),
        ]

    async def bars(self, request: Request) -> Response:
        text = request.query_params.get("timeframe")
        if not text:
            raise invalid("timeframe is required")
        frame = timeframe(text)
        return self._paged(request, "bars", lambda symbol, bounds, newest: self._bar_chunks(symbol, frame, bounds, newest=newest))

    async def ticks(self, request: Request) -> Response:
        kind = request.url.path.rsplit("/", 1)[-1]
        make = _trade if kind == "trades" else _quote
        return self._paged(request, kind, lambda symbol, bounds, newest: self._tick_chunks(symbol, make, bounds, newest=newest))

    def _bar_chunks(self, symbol: str, frame: Timeframe, bounds: tuple[int, int], *, newest: bool) -> Any:
        start, end = bounds
        for bars in self._history.chunks(symbol, frame, start=start, end=end, now=self._venue.now, newest_first=newest):
            yield rows(bars)

    def _tick_chunks(self, symbol: str, make: Any, bounds: tuple[int, int], *, newest: bool) -> Any:
        """Only of the running session: the path inside older minutes is not kept."""
        tape = self._venue.tape
        start, end = bounds[0], min(bounds[1], self._venue.now)
        starts = [int(at) for at in tape.columns[symbol].t] if symbol in tape.columns else []
        minutes = [at for at in starts if start - MINUTE < at <= end]
        for minute in reversed(minutes) if newest else minutes:
            found = [make(trade) for trade in tape.path(symbol, minute) if start <= trade.at <= end]
            yield found[::-1] if newest else found

    def _paged(self, request: Request, kind: str, chunks: Any) -> Response:
        """Symbol by symbol in alphabetical order; the limit counts over all symbols of the page."""
        single = request.path_params.get("symbol")
        symbols = [single] if single else sorted(_symbols(request))
        _feed(request)
        newest = _sort(request)
        start, end = self._bounds(request)
        after = _decode(request.query_params.get("page_token"))
        limit, found, token, last = _limit(request), dict[str, list[dict[str, Any]]](), None, None
        for symbol in symbols:
            if after is not None and symbol < after[0]:
                continue
            bounds, skip = (start, end), 0
            if after is not None and symbol == after[0]:
                bounds, skip = ((start, after[1]) if newest else (after[1], end)), after[2]
            for chunk in chunks(symbol, bounds, newest):
                chunk, skip = chunk[skip:], max(skip - len(chunk), 0)
                room = limit - sum(map(len, found.values()))
                if chunk and room <= 0 and last is not None:
                    token = _encode(last, found[last])
                    break
                if chunk[:room]:
                    found.setdefault(symbol, []).extend(chunk[:room])
                    last = symbol
                if len(chunk) > room and last is not None:
                    token = _encode(last, found[last])
                    break
            if token:
                break
        body: dict[str, Any] = {kind: found.get(single, []), "symbol": single} if single else {kind: found}
        return JSONResponse({**body, "next_page_token": token})

    def _bounds(self, request: Request) -> tuple[int, int]:
        """Start of today to now unless given; bounds are included, a bare date as end means its whole day."""
        now = self._venue.now
        start = _moment(request, "start", end_of_day=False)
        end = _moment(request, "end", end_of_day=True)
        return (local(new_york(now).date(), 0) if start is None else start), (now if end is None else end)

    async def latest(self, request: Request) -> Response:
        kind = _kind(request)
        _feed(request)
        found = {symbol: self._latest(symbol, kind) for symbol in _symbols(request)}
        return JSONResponse({kind: {symbol: value for symbol, value in found.items() if value is not None}})

    async def latest_one(self, request: Request) -> Response:
        kind, symbol = _kind(request), request.path_params["symbol"]
        value = self._latest(symbol, kind)
        if value is None:
            raise Refusal(404, None, f"no {_KINDS[kind]} found for {symbol}")
        return JSONResponse({"symbol": symbol, _KINDS[kind]: value})

    def _latest(self, symbol: str, kind: str) -> dict[str, Any] | None:
        if symbol not in self._venue.world.assets:
            return None
        if kind == "bars":
            bars = rows(self._history.newest(symbol, self._venue.now))
            return bars[0] if bars else None
        trade = self._venue.tape.last(symbol, self._venue.now)
        if trade is None:
            return None
        return _trade(trade) if kind == "trades" else _quote(trade)

    async def snapshots(self, request: Request) -> Response:
        """No wrapper around the symbols."""
        known = [symbol for symbol in _symbols(request) if symbol in self._venue.world.assets]
        return JSONResponse({symbol: self._snapshot(symbol) for symbol in known})

    async def snapshot(self, request: Request) -> Response:
        symbol = request.path_params["symbol"]
        if symbol not in self._venue.world.assets:
            raise Refusal(404, None, f"no snapshot found for {symbol}")
        return JSONResponse({"symbol": symbol, **self._snapshot(symbol)})

    def _snapshot(self, symbol: str) -> dict[str, Any]:
        days = rows(self._history.daily(symbol, self._venue.now))[-2:]
        return {
            "latestTrade": self._latest(symbol, "trades"),
            "latestQuote": self._latest(symbol, "quotes"),
            "minuteBar": self._latest(symbol, "bars"),
            "dailyBar": days[-1] if days else None,
            "prevDailyBar": days[-2] if len(days) > 1 else None,
        }

    async def actions(self, request: Request) -> Response:
        """No splits, no dividends: no world has any."""
        return JSONResponse({"corporate_actions": {}, "next_page_token": None})


def _trade(trade: Print) -> dict[str, Any]:
    at = rfc3339(trade.at)
    return {"t": at, "x": "V", "p": trade.price / 10_000, "s": trade.size, "c": ["@"], "i": trade_id(trade), "z": "C"}


def _quote(trade: Print) -> dict[str, Any]:
    """The quote that stands since that trade."""
    bid, ask = trade.bid / 10_000, trade.ask / 10_000
    return {"t": rfc3339(trade.at), "ax": "V", "ap": ask, "as": shown(trade), "bx": "V", "bp": bid, "bs": shown(trade), "c": ["R"], "z": "C"}


def trade_id(trade: Print) -> int:
    """Unique within a symbol: microseconds since 1970."""
    return trade.at // 1_000


def shown(trade: Print) -> int:
    """Displayed size in shares, a round lot at least."""
    return max(100, trade.size // 100 * 100)


def _symbols(request: Request) -> list[str]:
    found = words(request, "symbols")
    if not found:
        raise invalid("symbols is required")
    return found


def _kind(request: Request) -> str:
    kind = str(request.path_params["kind"])
    if kind not in _KINDS:
        raise Refusal(404, None, "endpoint not found")
    return kind


def _feed(request: Request) -> None:
    feed = request.query_params.get("feed")
    if feed and feed not in _FEEDS:
        raise invalid(f"invalid feed: {feed}")


def _sort(request: Request) -> bool:
    sort = request.query_params.get("sort") or "asc"
    if sort not in ("asc", "desc"):
        raise invalid(f"invalid sort: {sort}")
    return sort == "desc"


def _limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if not text:
        return 1_000
    if not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise invalid(f"limit must be between 1 and {_MOST}")
    return int(text)


def _moment(request: Request, name: str, *, end_of_day: bool) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        at = parse(text)
    except (ValueError, OverflowError):
        raise invalid(f"invalid {name}: {text}") from None
    if len(text) == 10:
        day = parse(text + "T12:00:00Z")
        return local(new_york(day).date(), 23, 59) + MINUTE - 1 if end_of_day else at
    return at


def _encode(symbol: str, page: list[dict[str, Any]]) -> str:
    """Where the page ended: the last row's symbol and time, and how many rows of the page carry that very time."""
    at = page[-1]["t"]
    same = sum(row["t"] == at for row in page)
    return base64.urlsafe_b64encode(f"{symbol}|{at}|{same}".encode()).decode()


def _decode(token: str | None) -> tuple[str, int, int] | None:
    if not token:
        return None
    try:
        symbol, at, same = base64.urlsafe_b64decode(token.encode()).decode().split("|")
        return symbol, parse(at), int(same)
    except (ValueError, binascii.Error):
        raise invalid("invalid page_token") from None
