"""Alpaca's market data routes: bars with pages, trades and quotes of the last minutes, latest values, snapshots."""

import base64
import binascii
import itertools
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.data.adjusted import Adjusted, adjustment
from live.sim.alpaca.data.history import History, Timeframe, rows, timeframe
from live.sim.alpaca.data.past import Past
from live.sim.alpaca.data.ticks import place_of, quote_row, trade_row
from live.sim.alpaca.queries import number_of, one_of, time_of, words
from live.sim.alpaca.streams.market import Plan
from live.sim.clock import MINUTE, local, new_york, parse
from live.sim.errors import Refusal, invalid
from live.sim.venue.feed import Feed
from live.sim.venue.venue import Venue

After = tuple[str, int, int]
"""Where a page goes on: symbol, time, and how many rows of that time have been shown."""
_KINDS = {"bars": "bar", "trades": "trade", "quotes": "quote"}
_SILENT = ("otc", "boats", "overnight")
"""Feeds of markets on which none of these stocks trade."""
_FEEDS = ("iex", "sip", "delayed_sip", *_SILENT)
_MOST = 10_000
_RECENT = 15 * MINUTE


class Shown:
    """What one feed has shown so far. A silent one shows nothing."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.history = History(feed.world, feed.slips)
        self.past = Past(feed)

    def latest(self, symbol: str, kind: str) -> dict[str, Any] | None:
        """The last complete minute, or the last trade or quote."""
        if symbol not in self.feed.world.assets:
            return None
        if kind == "bars":
            bars = rows(self.history.newest(symbol, self.feed.now))
            return bars[0] if bars else None
        tape, place = self.feed.tape, place_of(self.feed.world.assets[symbol], self.feed.name)
        if kind == "trades":
            return None if (trade := tape.trade(symbol, self.feed.now)) is None else trade_row(trade, place)
        return None if (quote := tape.quote(symbol, self.feed.now)) is None else quote_row(quote, place)

    def snapshot(self, symbol: str) -> dict[str, Any]:
        days = rows(self.history.daily(symbol, self.feed.now, new_york(self.feed.now).date()))[-2:]
        return {
            "latestTrade": self.latest(symbol, "trades"),
            "latestQuote": self.latest(symbol, "quotes"),
            "minuteBar": self.latest(symbol, "bars"),
            "dailyBar": days[-1] if days else None,
            "prevDailyBar": days[-2] if len(days) > 1 else None,
        }


class Data:
    """Routes over one venue; every answer is cut at the venue's clock, and of a delayed feed as long before it."""

    def __init__(self, venue: Venue, plan: Plan) -> None:
        self._venue = venue
        self._plan = plan
        self._shown = {name: Shown(feed) for name, feed in venue.feeds.items()}

    def routes(self) -> list[Route]:
        return [
            Route("/v2/stocks/snapshots", self.snapshots, methods=["GET"]),
            Route("/v2/stocks/bars", self.bars, methods=["GET"]),
            Route("/v2/stocks/trades", self.ticks, methods=["GET"]),
            Route("/v2/stocks/quotes", self.ticks, methods=["GET"]),
            Route("/v2/stocks/{kind}/latest", self.latest, methods=["GET"]),
            Route("/v2/stocks/{symbol}/snapshot", self.snapshot, methods=["GET"]),
            Route("/v2/stocks/{symbol}/{kind}/latest", self.latest_one, methods=["GET"]),
            Route("/v2/stocks/{symbol}/bars", self.bars, methods=["GET"]),
            Route("/v2/stocks/{symbol}/trades", self.ticks, methods=["GET"]),
            Route("/v2/stocks/{symbol}/quotes", self.ticks, methods=["GET"]),
        ]

    async def bars(self, request: Request) -> Response:
        text = request.query_params.get("timeframe")
        if not text:
            raise invalid("timeframe is required")
        frame, how = timeframe(text), adjustment(request.query_params.get("adjustment"))
        return self._paged(request, "bars", lambda shown, symbol, bounds, newest: self._bars(shown, symbol, frame, how, bounds, newest=newest))

    async def ticks(self, request: Request) -> Response:
        """Of every session: the path inside a minute is the same whenever it is asked for."""
        kind = request.url.path.rsplit("/", 1)[-1]
        return self._paged(request, kind, lambda shown, symbol, bounds, newest: shown.past.chunks(symbol, kind, bounds, newest=newest))

    def _bars(self, shown: Shown, symbol: str, frame: Timeframe, how: frozenset[str], bounds: tuple[int, int], *, newest: bool) -> Any:
        (start, end), now = bounds, shown.feed.now
        adjusted = Adjusted(self._venue.world, symbol, how, now=now)
        for bars in shown.history.chunks(symbol, frame, start=start, end=end, now=now, newest_first=newest, adjust=adjusted):
            yield rows(bars)

    def _paged(self, request: Request, kind: str, chunks: Any) -> Response:
        """Symbol by symbol in alphabetical order; the limit counts over all symbols of the page."""
        single = request.path_params.get("symbol")
        feed, newest = one_of(request, "feed", _FEEDS, "sip"), one_of(request, "sort", ("asc", "desc"), "asc") == "desc"
        symbols, shown = [single] if single else sorted(_symbols(request)), self._shown.get(feed)
        start, end = self._bounds(request, explicit=feed)
        after = _decode(request.query_params.get("page_token"))
        limit = number_of(request, "limit", default=1_000, most=_MOST)
        rows = self._rows(shown, symbols, (start, end), after, chunks, newest=newest) if shown is not None else iter(())
        page = list(itertools.islice(rows, limit))
        token = None if next(rows, None) is None else _encode(page, after)
        found: dict[str, list[dict[str, Any]]] = {}
        for symbol, row in page:
            found.setdefault(symbol, []).append(row)
        body: dict[str, Any] = {kind: found.get(single, []), "symbol": single} if single else {kind: found}
        return JSONResponse({**body, "next_page_token": token, **_currency(request)})

    def _rows(
        self, shown: Shown, symbols: list[str], bounds: tuple[int, int], after: After | None, chunks: Any, *, newest: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Those behind the page before: its last moment is asked for again, without the rows of it that have been shown."""
        start, end = bounds
        for symbol in symbols:
            within, skip = bounds, 0
            if after is not None and symbol <= after[0]:
                if symbol < after[0]:
                    continue
                within, skip = ((start, after[1]) if newest else (after[1], end)), after[2]
            rows = itertools.chain.from_iterable(chunks(shown, symbol, within, newest))
            yield from ((symbol, row) for row in itertools.islice(rows, skip, None))

    def _bounds(self, request: Request, *, explicit: str) -> tuple[int, int]:
        """Start of today to now unless given; bounds are included, a bare date as end means its whole day in New York."""
        now = self._venue.now
        start, end = time_of(request, "start"), _until(request)
        asof = request.query_params.get("asof")
        if asof and asof != "-":
            time_of(request, "asof")
        begin, finish = (local(new_york(now).date(), 0) if start is None else start), (now if end is None else end)
        if not self._plan.recent_sip and explicit == "sip" and min(finish, now) > now - _RECENT:
            if request.query_params.get("feed") or end is not None:
                raise Refusal(403, None, "subscription does not permit querying recent SIP data")
            finish = now - _RECENT
        return begin, finish

    def _newest(self, request: Request) -> Shown | None:
        """The feed that was asked for, otherwise the best one of the plan; None when it is silent. Raises Refusal."""
        feed = one_of(request, "feed", _FEEDS, "sip" if self._plan.recent_sip else "iex")
        if feed == "sip" and not self._plan.recent_sip:
            raise Refusal(403, None, "subscription does not permit querying recent SIP data")
        return self._shown.get(feed)

    async def latest(self, request: Request) -> Response:
        kind, shown = _kind(request), self._newest(request)
        found = {symbol: shown.latest(symbol, kind) for symbol in _symbols(request)} if shown is not None else {}
        return JSONResponse({kind: {symbol: value for symbol, value in found.items() if value is not None}, **_currency(request)})

    async def latest_one(self, request: Request) -> Response:
        kind, symbol, shown = _kind(request), request.path_params["symbol"], self._newest(request)
        value = shown.latest(symbol, kind) if shown is not None else None
        if value is None:
            raise Refusal(404, None, f"no {_KINDS[kind]} found for {symbol}")
        return JSONResponse({"symbol": symbol, _KINDS[kind]: value, **_currency(request)})

    async def snapshots(self, request: Request) -> Response:
        """No wrapper around the symbols."""
        shown, symbols = self._newest(request), _symbols(request)
        known = [symbol for symbol in symbols if symbol in self._venue.world.assets]
        return JSONResponse({symbol: shown.snapshot(symbol) for symbol in known} if shown is not None else {})

    async def snapshot(self, request: Request) -> Response:
        symbol, shown = request.path_params["symbol"], self._newest(request)
        if shown is None or symbol not in self._venue.world.assets:
            raise Refusal(404, None, f"no snapshot found for {symbol}")
        return JSONResponse({"symbol": symbol, **shown.snapshot(symbol)})


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


def _until(request: Request) -> int | None:
    """The end; of a bare date its last nanosecond in New York."""
    text = request.query_params.get("end") or ""
    end = time_of(request, "end", new_york_date=True)
    return end if end is None or len(text) != 10 else local(new_york(end).date(), 23, 59) + MINUTE - 1


def _currency(request: Request) -> dict[str, str]:
    """Said only when it was asked for; prices are in dollars whatever it was."""
    currency = request.query_params.get("currency")
    if not currency:
        return {}
    if len(currency) != 3 or not currency.isalpha() or not currency.isascii():
        raise invalid(f"invalid currency: {currency}")
    return {"currency": currency.upper()}


def _encode(page: list[tuple[str, dict[str, Any]]], after: After | None) -> str:
    """Where the page ended: the last row's symbol and time, and how many rows with that very time have been shown, on this page and before."""
    symbol, at = page[-1][0], page[-1][1]["t"]
    same = sum((each, row["t"]) == (symbol, at) for each, row in page)
    if after is not None and after[:2] == (symbol, parse(at)):
        same += after[2]
    return base64.urlsafe_b64encode(f"{symbol}|{at}|{same}".encode()).decode()


def _decode(token: str | None) -> After | None:
    if not token:
        return None
    try:
        symbol, at, same = base64.urlsafe_b64decode(token.encode()).decode().split("|")
        return symbol, parse(at), min(max(int(same), 0), 10**9)
    except (ValueError, OverflowError, binascii.Error):
        raise invalid("invalid page_token") from None
