"""Clock and calendar, in their old form and in the newer one that knows phases and markets."""

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import choice, day_of, instant, words
from live.sim.clock import SECOND, new_york
from live.sim.errors import malformed, missing
from live.sim.venue.venue import Venue
from live.sim.worlds.sessions import Calendar, Session

_MARKETS = {
    "NYSE": {"mic": "XNYS", "acronym": "NYSE", "name": "New York Stock Exchange", "timezone": "America/New_York"},
    "NASDAQ": {"mic": "XNAS", "acronym": "NASDAQ", "name": "Nasdaq Stock Market", "timezone": "America/New_York"},
}


class Days:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [
            Route("/v2/clock", self.clock, methods=["GET"]),
            Route("/v2/calendar", self.calendar, methods=["GET"]),
            Route("/v3/clock", self.clocks, methods=["GET"]),
            Route("/v3/calendar/{market}", self.market, methods=["GET"]),
        ]

    async def clock(self, request: Request) -> Response:
        return JSONResponse(clock_json(self._venue.world.calendar, self._venue.now))

    async def calendar(self, request: Request) -> Response:
        """Without bounds from the first known session to a year ahead. Bounds are included; `date_type` says which date they bound."""
        by_settlement = choice(request, "date_type", ("TRADING", "SETTLEMENT"), "TRADING") == "SETTLEMENT"
        rows = [self._session(session) for session in self._venue.world.calendar.sessions[:-1]]
        first, last = _bounds(request)
        return JSONResponse([row for row in rows if first <= row["settlement_date" if by_settlement else "date"] <= last])

    def _session(self, session: Session) -> dict[str, str]:
        return {
            "date": session.date.isoformat(),
            "open": f"{new_york(session.open):%H:%M}",
            "close": f"{new_york(session.close):%H:%M}",
            "session_open": f"{new_york(session.early):%H%M}",
            "session_close": f"{new_york(session.late):%H%M}",
            "settlement_date": self._venue.world.calendar.after(session.date).date.isoformat(),
        }

    async def clocks(self, request: Request) -> Response:
        names = words(request, "markets") or list(_MARKETS)
        unknown = [name for name in names if name not in _MARKETS]
        if unknown:
            raise malformed(f"invalid market: {unknown[0]}")
        at = instant(request, "time")
        calendar, now = self._venue.world.calendar, self._venue.now if at is None else at
        if not calendar.sessions[0].open <= now < calendar.sessions[-2].close:
            raise malformed("time is outside of the known calendar")
        phase, until = self._phase(now)
        state = {
            "timestamp": stamp(now),
            "is_market_day": calendar.on(now) is not None,
            "next_market_open": stamp(calendar.opening(now).open),
            "next_market_close": stamp(calendar.upcoming(now).close),
            "phase": phase,
            "phase_until": stamp(until),
        }
        return JSONResponse({"clocks": [{"market": _MARKETS[name], **state} for name in names]})

    def _phase(self, now: int) -> tuple[str, int]:
        calendar = self._venue.world.calendar
        session = calendar.on(now)
        if session is not None:
            for name, until in (("closed", session.early), ("pre", session.open), ("core", session.close), ("post", session.late)):
                if now < until:
                    return name, until
        return "closed", calendar.after(new_york(now).date()).early

    async def market(self, request: Request) -> Response:
        """Trading days of the coming week unless bounded."""
        name = request.path_params["market"]
        if name not in _MARKETS:
            raise missing(f"market not found for {name}")
        today = new_york(self._venue.now).date()
        start, end = instant(request, "start"), instant(request, "end")
        first = today.isoformat() if start is None else day_of(start)
        last = (today + timedelta(days=7)).isoformat() if end is None else day_of(end)
        sessions = [session for session in self._venue.world.calendar.sessions[:-1] if first <= session.date.isoformat() <= last]
        return JSONResponse({"market": _MARKETS[name], "calendar": [_day(session) for session in sessions]})


def clock_json(calendar: Calendar, now: int) -> dict[str, Any]:
    """The next open lies strictly ahead, also while the market is open."""
    session = calendar.on(now)
    return {
        "timestamp": stamp(now),
        "is_open": session is not None and session.regular(now),
        "next_open": stamp(calendar.opening(now).open),
        "next_close": stamp(calendar.upcoming(now).close),
    }


def _day(session: Session) -> dict[str, Any]:
    return {
        "date": session.date.isoformat(),
        "core_start": stamp(session.open),
        "core_end": stamp(session.close),
        "pre_start": stamp(session.early),
        "pre_end": stamp(session.open),
        "post_start": stamp(session.close),
        "post_end": stamp(session.late),
    }


def _bounds(request: Request) -> tuple[str, str]:
    start, end = instant(request, "start"), instant(request, "end")
    return "" if start is None else day_of(start), "9999" if end is None else day_of(end)


def stamp(at: int) -> str:
    """New York time with its offset, to the nanosecond where there are any."""
    whole, part = new_york(at).isoformat(timespec="seconds"), at % SECOND
    return f"{whole[:19]}.{part:09d}{whole[19:]}" if part else whole
