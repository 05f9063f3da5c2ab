"""Aggregates by REST: a range, the previous day, the whole market's day, and one day's open and close."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from live.sim.clock import MILLISECOND, local
from live.sim.polygon.replies import Replies, absent, unentitled
from live.sim.polygon.rest.pages import after, choice, flag, limit, next_url
from live.sim.polygon.rest.reading import Reading
from live.sim.polygon.rest.spans import bounds, day_of, span
from live.sim.venue.feed import Feed
from live.sim.worlds.world import Bars

_MOST, _USUAL = 50_000, 5_000


class Aggregates:
    """Routes over one feed; every answer is cut at its clock."""

    def __init__(self, feed: Feed, replies: Replies) -> None:
        self._feed = feed
        self._replies = replies
        self._reading = Reading(feed)

    def routes(self) -> list[Route]:
        return [
            Route("/v2/aggs/ticker/{ticker}/range/{amount}/{unit}/{first}/{last}", self.range, methods=["GET"]),
            Route("/v2/aggs/ticker/{ticker}/prev", self.previous, methods=["GET"]),
            Route("/v2/aggs/grouped/locale/us/market/stocks/{day}", self.grouped, methods=["GET"]),
            Route("/v1/open-close/{ticker}/{day}", self.day, methods=["GET"]),
        ]

    async def range(self, request: Request) -> Response:
        """No match is no error: `results` is missing then."""
        ticker, path = stock(request), request.path_params
        start, end = bounds(path["first"], path["last"])
        windows = span(path["amount"], path["unit"], start)
        newest = choice(request, "sort", ("asc", "desc"), "asc") == "desc"
        most = limit(request, default=_USUAL, most=_MOST)
        adjusted = flag(request, "adjusted", default=True)
        page = self._reading.page(ticker, windows, (start, end), limit=most, newest=newest, at=after(request), adjusted=adjusted)
        more = {} if page.rest is None else {"next_url": next_url(request, page.rest)}
        return self._answer(ticker, page.counted, rows(page.bars), adjusted=adjusted, **more)

    async def previous(self, request: Request) -> Response:
        ticker, adjusted = stock(request), flag(request, "adjusted", default=True)
        found = [{"T": ticker, **row} for row in rows(self._reading.previous(ticker, adjusted=adjusted))]
        return self._answer(ticker, len(found), found, adjusted=adjusted)

    async def grouped(self, request: Request) -> Response:
        """Every symbol that traded that day; today's bars are what there is so far."""
        midnight, adjusted = local(day_of(request.path_params["day"]), 0), flag(request, "adjusted", default=True)
        found = []
        for ticker in sorted(self._feed.world.assets):
            found += [{"T": ticker, **row} for row in rows(self._reading.day(ticker, midnight, adjusted=adjusted))]
        return self._answer(None, len(found), found, adjusted=adjusted)

    async def day(self, request: Request) -> Response:
        """Only of sessions that are over: before the close there is no close."""
        ticker, day, adjusted = stock(request), day_of(request.path_params["day"]), flag(request, "adjusted", default=True)
        midnight = local(day, 0)
        bars = self._reading.day(ticker, midnight, adjusted=adjusted)
        if not len(bars) or not self._reading.closed(midnight):
            raise absent()
        row, (early, late) = rows(bars)[0], self._reading.extended(ticker, midnight)
        body: dict[str, Any] = {"from": day.isoformat(), "symbol": ticker, "open": row["o"], "high": row["h"], "low": row["l"], "close": row["c"]}
        body |= {"volume": row["v"], "afterHours": row["c"] if late is None else late, "preMarket": row["o"] if early is None else early}
        return self._replies.flat(body)

    def _answer(self, ticker: str | None, counted: int, found: list[dict[str, Any]], *, adjusted: bool, **more: Any) -> Response:
        """Without rows neither `results` nor their `count`."""
        head: dict[str, Any] = {} if ticker is None else {"ticker": ticker}
        head |= {"queryCount": counted, "resultsCount": len(found), "adjusted": adjusted}
        return self._replies.told(head, **({"count": len(found), "results": found} if found else {}), **more)


def stock(request: Request) -> str:
    """The ticker of the path. Options, crypto, currencies and indices carry a prefix and belong to other plans."""
    ticker = str(request.path_params["ticker"])
    if ":" in ticker:
        raise unentitled()
    return ticker


def rows(bars: Bars) -> list[dict[str, Any]]:
    """`t` is the start of the window in unix milliseconds; volumes and counts are whole numbers."""
    columns = (bars.v, bars.vw, bars.o, bars.c, bars.h, bars.l, bars.t // MILLISECOND, bars.n)
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [{"v": v, "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": t, "n": n} for v, vw, o, c, h, low, t, n in values]
