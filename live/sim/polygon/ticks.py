"""Single trades and quotes by REST: the newest of a ticker, and pages of the running session. Times are unix nanoseconds."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from live.sim.clock import DAY, MINUTE, local, moment, parse
from live.sim.polygon.aggregates import stock
from live.sim.polygon.markets import FACILITY, REPORTED_BY, market, reported, sequence
from live.sim.polygon.messages import displayed
from live.sim.polygon.pages import after, choice, limit, next_url, parameter
from live.sim.polygon.replies import Replies, absent, wrong
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import Print

_MOST, _USUAL = 50_000, 1_000
_NO_RECORD = 1 << 63


class Ticks:
    """Routes over one venue."""

    def __init__(self, venue: Venue, replies: Replies) -> None:
        self._venue = venue
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
        found = self._last(ticker)
        at, number = market(self._venue.world.assets[ticker]), sequence(self._venue.tape, ticker, found)
        off = reported(number)
        body = {"T": ticker, "p": found.price / 10_000, "s": found.size, "x": FACILITY if off else at.id, "c": [0], "i": str(number)}
        body |= {"t": found.at, "y": found.at, "q": number, "z": at.tape, "e": 0}
        return self._replies.ok({"results": {**body, "r": REPORTED_BY, "f": found.at} if off else body})

    async def last_quote(self, request: Request) -> Response:
        ticker = stock(request)
        found = self._last(ticker)
        at, number, size = market(self._venue.world.assets[ticker]), sequence(self._venue.tape, ticker, found), displayed(found)
        body = {"T": ticker, "p": found.bid / 10_000, "s": size, "x": at.id, "P": found.ask / 10_000, "S": size, "X": at.id}
        return self._replies.ok({"results": {**body, "t": found.at, "y": found.at, "q": number, "z": at.tape}})

    async def trades(self, request: Request) -> Response:
        return self._paged(request, self._trade)

    async def quotes(self, request: Request) -> Response:
        return self._paged(request, self._quote)

    def _last(self, ticker: str) -> Print:
        found = self._venue.tape.last(ticker, self._venue.now) if ticker in self._venue.world.assets else None
        if found is None:
            raise absent("Ticker not found.")
        return found

    def _paged(self, request: Request, make: Callable[[str, Print, int], dict[str, Any]]) -> Response:
        """Newest first unless `order` says otherwise; the cursor is the sequence number of the last row."""
        ticker = stock(request)
        most = limit(request, default=_USUAL, most=_MOST)
        newest = choice(request, "order", ("asc", "desc"), "desc") == "desc"
        choice(request, "sort", ("timestamp",), "timestamp")
        start, end = instants(request)
        done = after(request)
        rows, rest = list[dict[str, Any]](), None
        for number, found in self.between(ticker, start, min(end, self._venue.now), newest=newest):
            if done is not None and (number >= done if newest else number <= done):
                continue
            if len(rows) == most:
                rest = int(rows[-1]["sequence_number"])
                break
            rows.append(make(ticker, found, number))
        body: dict[str, Any] = {"results": rows}
        return self._replies.ok({**body, "next_url": next_url(request, rest)} if rest is not None else body)

    def between(self, ticker: str, start: int, end: int, *, newest: bool) -> Iterator[tuple[int, Print]]:
        """Numbered trades of the running session: the path inside older minutes is not kept."""
        tape = self._venue.tape
        starts = tape.columns[ticker].t.tolist() if ticker in tape.columns else []
        for minute in starts[::-1] if newest else starts:
            if not start - MINUTE < minute <= end:
                continue
            rows = [(sequence(tape, ticker, found), found) for found in self._told(ticker, minute) if start <= found.at <= end]
            yield from reversed(rows) if newest else rows

    def _told(self, ticker: str, minute: int) -> list[Print]:
        """The trades of a minute as far as they are known: one that was told late or wrongly may not have been put right yet."""
        path, slip = self._venue.tape.path(ticker, minute), self._venue.slips.of(ticker, minute)
        if slip is None or self._venue.now >= slip.known:
            return path
        known = [found for found in path if found != slip.trade or slip.kind == "cancel"]
        return sorted([*known, slip.told], key=lambda found: found.at) if slip.told is not None else known

    def _trade(self, ticker: str, found: Print, number: int) -> dict[str, Any]:
        at, off = market(self._venue.world.assets[ticker]), reported(number)
        body: dict[str, Any] = {"conditions": [0], "exchange": FACILITY if off else at.id, "id": str(number), "participant_timestamp": found.at}
        body |= {"price": found.price / 10_000, "sequence_number": number, "sip_timestamp": found.at, "size": found.size, "tape": at.tape}
        return {**body, "trf_id": REPORTED_BY, "trf_timestamp": found.at} if off else body

    def _quote(self, ticker: str, found: Print, number: int) -> dict[str, Any]:
        at, size = market(self._venue.world.assets[ticker]), displayed(found)
        body: dict[str, Any] = {"ask_exchange": at.id, "ask_price": found.ask / 10_000, "ask_size": size}
        body |= {"bid_exchange": at.id, "bid_price": found.bid / 10_000, "bid_size": size, "conditions": [1]}
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
