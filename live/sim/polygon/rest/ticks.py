"""Single trades and quotes by REST: the newest of a ticker, and pages of any session. Times are unix nanoseconds."""

import operator
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from live.sim.clock import DAY, MINUTE, local, moment, parse
from live.sim.polygon.markets import REPORTED_BY, mark, market, sequence, sides
from live.sim.polygon.replies import Replies, absent, wrong
from live.sim.polygon.rest.aggregates import stock
from live.sim.polygon.rest.pages import after, choice, limit, next_url, parameter
from live.sim.polygon.rest.trades import Trades
from live.sim.venue.feed import Feed
from live.sim.worlds.tape import Print

_MOST, _USUAL = 50_000, 1_000
_NO_RECORD = 1 << 63


class Ticks:
    """Routes over one feed."""

    def __init__(self, feed: Feed, replies: Replies) -> None:
        self._feed = feed
        self._trades = Trades(feed)
        self._replies = replies

    def routes(self) -> list[Route]:
        return [
            Route("/v2/last/trade/{ticker}", self.last_trade, methods=["GET"]),
            Route("/v2/last/nbbo/{ticker}", self.last_quote, methods=["GET"]),
            Route("/v3/trades/{ticker}", self.trades, methods=["GET"]),
            Route("/v3/quotes/{ticker}", self.quotes, methods=["GET"]),
        ]

    async def last_trade(self, request: Request) -> Response:
        """`f` and `r` belong to trades that came through a reporting facility; `e` 0 is not corrected."""
        ticker = stock(request)
        found, number = self._last(ticker, self._feed.tape.trade)
        at = market(self._feed.world.assets[ticker])
        said = mark(at, found, number)
        body = {"T": ticker, "p": found.price / 10_000, "s": found.size, "x": said.exchange, "c": said.conditions, "i": said.id}
        body |= {"t": found.at, "y": found.at, "q": number, "z": at.tape, "e": 0}
        return self._replies.told({"results": {**body, "r": REPORTED_BY, "f": found.at} if said.off else body})

    async def last_quote(self, request: Request) -> Response:
        ticker = stock(request)
        found, number = self._last(ticker, self._feed.tape.quote)
        at, (bid, ask) = market(self._feed.world.assets[ticker]), found.shown
        bidder, asker = sides(at, found)
        body = {"T": ticker, "p": found.bid / 10_000, "s": bid, "x": bidder, "P": found.ask / 10_000, "S": ask, "X": asker}
        return self._replies.told({"results": {**body, "t": found.at, "y": found.at, "q": number, "z": at.tape}})

    async def trades(self, request: Request) -> Response:
        return self._paged(request, self._trade, lambda found: found.traded)

    async def quotes(self, request: Request) -> Response:
        return self._paged(request, self._quote, lambda found: found.quoted)

    def _last(self, ticker: str, newest: Callable[[str, int], Print | None]) -> tuple[Print, int]:
        """With its sequence number."""
        tape = self._feed.tape
        found = newest(ticker, self._feed.now) if ticker in self._feed.world.assets else None
        if found is None:
            raise absent("Ticker not found.")
        return found, sequence(tape.path(ticker, found.at - found.at % MINUTE), found, tape.session.midnight)

    def _paged(self, request: Request, make: Callable[[str, Print, int], dict[str, Any]], wanted: Callable[[Print], bool]) -> Response:
        """Newest first unless `order` says otherwise; the cursor is the place of the last row."""
        ticker = stock(request)
        most = limit(request, default=_USUAL, most=_MOST)
        newest = choice(request, "order", ("asc", "desc"), "desc") == "desc"
        choice(request, "sort", ("timestamp",), "timestamp")
        start, end = instants(request)
        done = after(request)
        rows, shown, rest = list[dict[str, Any]](), 0, None
        for place, number, found in self._trades.between(ticker, start, end, newest=newest):
            if not wanted(found) or (done is not None and (place >= done if newest else place <= done)):
                continue
            if len(rows) == most:
                rest = shown
                break
            rows.append(make(ticker, found, number))
            shown = place
        body: dict[str, Any] = {"results": rows}
        return self._replies.told({**body, "next_url": next_url(request, rest)} if rest is not None else body)

    def _trade(self, ticker: str, found: Print, number: int) -> dict[str, Any]:
        at = market(self._feed.world.assets[ticker])
        said = mark(at, found, number)
        body: dict[str, Any] = {"conditions": said.conditions, "exchange": said.exchange, "id": said.id, "participant_timestamp": found.at}
        body |= {"price": found.price / 10_000, "sequence_number": number, "sip_timestamp": found.at, "size": found.size, "tape": at.tape}
        return {**body, "trf_id": REPORTED_BY, "trf_timestamp": found.at} if said.off else body

    def _quote(self, ticker: str, found: Print, number: int) -> dict[str, Any]:
        at, (bid, ask) = market(self._feed.world.assets[ticker]), found.shown
        bidder, asker = sides(at, found)
        body: dict[str, Any] = {"ask_exchange": asker, "ask_price": found.ask / 10_000, "ask_size": ask}
        body |= {"bid_exchange": bidder, "bid_price": found.bid / 10_000, "bid_size": bid, "conditions": [1]}
        return {**body, "participant_timestamp": found.at, "sequence_number": number, "sip_timestamp": found.at, "tape": at.tape}


def instants(request: Request) -> tuple[int, int]:
    """Bounds out of `timestamp` and its four comparisons, both included."""
    start, end = 0, _NO_RECORD
    for name, lowest, highest in (
        ("timestamp", operator.itemgetter(0), operator.itemgetter(1)),
        ("timestamp.gte", operator.itemgetter(0), None),
        ("timestamp.gt", lambda found: found[1] + 1, None),
        ("timestamp.lte", None, operator.itemgetter(1)),
        ("timestamp.lt", None, lambda found: found[0] - 1),
    ):
        text = parameter(request, name)
        if text is None:
            continue
        found = _instant(text, name)
        start = max(start, lowest(found)) if lowest is not None else start
        end = min(end, highest(found)) if highest is not None else end
    return start, end


def _instant(text: str, name: str) -> tuple[int, int]:
    """First and last nanosecond that the text means: digits are nanoseconds, a date its New York day, a date-time a moment."""
    try:
        if text.isdecimal():
            return int(text), int(text)
        at = parse(text)
        if len(text) == 10:
            start = local(moment(at).date(), 0)
            return start, local(moment(at + DAY).date(), 0) - 1
    except (ValueError, OverflowError):
        raise wrong(f"The parameter '{name}' must be a date or unix nanoseconds, found {text!r}.") from None
    return at, at
