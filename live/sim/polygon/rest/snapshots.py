"""Snapshots: the running day, the day before, the newest minute, trade and quote of one ticker or of all, and the largest movers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from live.sim.clock import MINUTE
from live.sim.polygon.markets import mark, market, sequence
from live.sim.polygon.replies import Replies, absent
from live.sim.polygon.rest.aggregates import rows, stock
from live.sim.polygon.rest.reading import Reading
from live.sim.venue.feed import Feed
from live.sim.worlds.world import Bars

_PATH = "/v2/snapshot/locale/us/markets/stocks"
_MOVERS = 20
_SHOWN = ("o", "h", "l", "c", "v", "vw")


class Snapshots:
    """Routes over one feed. What has not happened yet today is zero, as Polygon has it after its nightly reset."""

    def __init__(self, feed: Feed, replies: Replies) -> None:
        self._feed = feed
        self._replies = replies
        self._reading = Reading(feed)

    def routes(self) -> list[Route]:
        return [
            Route(f"{_PATH}/tickers", self.all, methods=["GET"]),
            Route(f"{_PATH}/tickers/{{ticker}}", self.one, methods=["GET"]),
            Route(f"{_PATH}/{{direction}}", self.movers, methods=["GET"]),
        ]

    async def one(self, request: Request) -> Response:
        ticker = stock(request)
        if ticker not in self._feed.world.assets:
            raise absent("Ticker not found.")
        return self._replies.told({"ticker": self._snapshot(ticker)})

    async def all(self, request: Request) -> Response:
        asked = request.query_params.get("tickers")
        known = self._feed.world.assets
        chosen = [name for name in asked.split(",") if name in known] if asked else sorted(known)
        return self._replies.told({"tickers": [self._snapshot(ticker) for ticker in chosen], "count": len(chosen)})

    async def movers(self, request: Request) -> Response:
        direction = request.path_params["direction"]
        if direction not in ("gainers", "losers"):
            raise absent("Page not found.")
        found = [self._snapshot(ticker) for ticker in sorted(self._feed.world.assets)]
        moved = [snapshot for snapshot in found if (snapshot["todaysChange"] > 0) == (direction == "gainers") and snapshot["todaysChange"]]
        moved.sort(key=lambda snapshot: abs(snapshot["todaysChangePerc"]), reverse=True)
        return self._replies.told({"tickers": moved[:_MOVERS]})

    def _snapshot(self, ticker: str) -> dict[str, Any]:
        before, today = self._reading.previous(ticker, adjusted=True), self._reading.day(ticker, self._feed.tape.session.midnight, adjusted=True)
        minutes = self._reading.minutes(ticker)
        trade, quote, updated = self._newest(ticker)
        base = float(before.c[-1]) if len(before) else 0.0
        change = round(trade["p"] - base, 4) if trade and base else 0.0
        return {
            "ticker": ticker,
            "todaysChange": change,
            "todaysChangePerc": round(change / base * 100, 4) if base else 0.0,
            "updated": updated,
            "day": _day(today),
            "lastQuote": quote,
            "lastTrade": trade,
            "min": _minute(minutes),
            "prevDay": _day(before),
        }

    def _newest(self, ticker: str) -> tuple[dict[str, Any], dict[str, Any], int]:
        """Trade and quote in nanoseconds; empty for a ticker that never traded."""
        tape = self._feed.tape
        found, stands = tape.trade(ticker, self._feed.now), tape.quote(ticker, self._feed.now)
        if found is None or stands is None:
            return {}, {}, 0
        number, (bid, ask) = sequence(tape.path(ticker, found.at - found.at % MINUTE), found, tape.session.midnight), stands.shown
        said = mark(market(self._feed.world.assets[ticker]), found, number)
        trade = {"c": said.conditions, "i": said.id, "p": found.price / 10_000, "s": found.size, "t": found.at, "x": said.exchange}
        return trade, {"P": stands.ask / 10_000, "S": ask, "p": stands.bid / 10_000, "s": bid, "t": stands.at}, max(found.at, stands.at)


def _day(bars: Bars) -> dict[str, Any]:
    row = rows(bars)[-1] if len(bars) else dict.fromkeys(_SHOWN, 0)
    return {name: row[name] for name in _SHOWN}


def _minute(bars: Bars) -> dict[str, Any]:
    if not len(bars):
        return dict.fromkeys(("av", *_SHOWN, "t", "n"), 0)
    row = rows(bars.cut(len(bars) - 1, len(bars)))[0]
    return {"av": int(bars.v.sum()), **{name: row[name] for name in (*_SHOWN, "t", "n")}}
