"""Alpaca's trading routes beside the orders: account, clock, calendar, assets, positions, activities and portfolio history."""

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import body_of, choice, count, flag, instant, words
from live.sim.alpaca.wire import account_json, activity_json, asset_json, order_json, position_json
from live.sim.clock import MINUTE, SECOND, local, moment, new_york
from live.sim.errors import Refusal, malformed, missing
from live.sim.venue.account import Fill
from live.sim.venue.ticket import number
from live.sim.venue.venue import Venue
from live.sim.worlds.sessions import Session
from live.sim.worlds.tape import dollars

_STEPS = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60, "1D": 0}
_PERIODS = {"D": 1, "W": 7, "M": 31, "A": 366}


class Trading:
    """Routes over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [
            Route("/v2/account", self.account, methods=["GET"]),
            Route("/v2/account/configurations", self.settings, methods=["GET"]),
            Route("/v2/account/configurations", self.configure, methods=["PATCH"]),
            Route("/v2/account/portfolio/history", self.history, methods=["GET"]),
            Route("/v2/account/activities", self.activities, methods=["GET"]),
            Route("/v2/account/activities/{type}", self.activities, methods=["GET"]),
            Route("/v2/clock", self.clock, methods=["GET"]),
            Route("/v2/calendar", self.calendar, methods=["GET"]),
            Route("/v2/assets", self.assets, methods=["GET"]),
            Route("/v2/assets/{name:path}", self.asset, methods=["GET"]),
            Route("/v2/positions", self.positions, methods=["GET"]),
            Route("/v2/positions", self.close_all, methods=["DELETE"]),
            Route("/v2/positions/{name}", self.position, methods=["GET"]),
            Route("/v2/positions/{name}", self.close, methods=["DELETE"]),
        ]

    async def account(self, request: Request) -> Response:
        desk = self._venue.desk
        day = self._venue.world.calendar.before(self._venue.session.date)
        asof = day.date.isoformat() if day else ""
        return JSONResponse(account_json(desk.account, self._venue.gate.valuation(), asof=asof))

    async def settings(self, request: Request) -> Response:
        return JSONResponse(self._venue.desk.account.settings)

    async def configure(self, request: Request) -> Response:
        self._venue.configure(await body_of(request))
        return JSONResponse(self._venue.desk.account.settings)

    async def clock(self, request: Request) -> Response:
        calendar, now = self._venue.world.calendar, self._venue.now
        session = self._venue.world.calendar.on(now)
        whole, part = new_york(now).isoformat(timespec="seconds"), now % SECOND
        stamp = f"{whole[:19]}.{part:09d}{whole[19:]}" if part else whole
        return JSONResponse(
            {
                "timestamp": stamp,
                "is_open": session is not None and session.regular(now),
                "next_open": new_york(calendar.opening(now).open).isoformat(timespec="seconds"),
                "next_close": new_york(calendar.upcoming(now).close).isoformat(timespec="seconds"),
            }
        )

    async def calendar(self, request: Request) -> Response:
        """Without bounds from the first known session to a year ahead."""
        sessions = self._venue.world.calendar.sessions
        start, end = instant(request, "start"), instant(request, "end")
        first = "" if start is None else _day(start)
        last = "9999" if end is None else _day(end)
        return JSONResponse([self._session(session) for session in sessions[:-1] if first <= session.date.isoformat() <= last])

    def _session(self, session: Session) -> dict[str, str]:
        return {
            "date": session.date.isoformat(),
            "open": f"{new_york(session.open):%H:%M}",
            "close": f"{new_york(session.close):%H:%M}",
            "session_open": f"{new_york(session.early):%H%M}",
            "session_close": f"{new_york(session.late):%H%M}",
            "settlement_date": self._venue.world.calendar.after(session.date).date.isoformat(),
        }

    async def assets(self, request: Request) -> Response:
        query = request.query_params
        fits = query.get("status") in (None, "", "active", "all") and query.get("asset_class") in (None, "", "us_equity", "us_equities")
        exchange = query.get("exchange")
        wanted = set(words(request, "attributes"))
        rows = [asset_json(asset) for asset in self._venue.world.assets.values() if fits and exchange in (None, "", asset.exchange)]
        return JSONResponse([row for row in rows if wanted <= set(row["attributes"])])

    async def asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        asset = self._venue.asset(name)
        if asset is None:
            raise missing(f"asset not found for {name}")
        return JSONResponse(asset_json(asset))

    async def positions(self, request: Request) -> Response:
        return JSONResponse([self._position(symbol) for symbol in sorted(self._venue.desk.account.positions)])

    async def position(self, request: Request) -> Response:
        asset = self._venue.asset(request.path_params["name"])
        if asset is None or asset.symbol not in self._venue.desk.account.positions:
            raise missing("position does not exist")
        return JSONResponse(self._position(asset.symbol))

    def _position(self, symbol: str) -> dict[str, Any]:
        venue = self._venue
        held = venue.desk.account.positions[symbol]
        price = venue.gate.price(symbol) or held.average
        close = venue.tape.previous(symbol)
        previous = dollars(close) if close is not None else price
        return position_json(venue.desk.account, held.asset, price=price, previous=previous, free=venue.desk.free(symbol))

    async def close(self, request: Request) -> Response:
        query = request.query_params
        qty, percentage = number(query.get("qty"), "qty"), number(query.get("percentage"), "percentage")
        order = self._venue.close(request.path_params["name"], qty=qty, percentage=percentage)
        return JSONResponse(order_json(order))

    async def close_all(self, request: Request) -> Response:
        """Row by row: one position that cannot be closed does not keep the others open."""
        if flag(request, "cancel_orders"):
            self._venue.drop()
        rows: list[dict[str, Any]] = []
        for symbol in sorted(self._venue.desk.account.positions):
            try:
                rows.append({"symbol": symbol, "status": 200, "body": order_json(self._venue.close(symbol))})
            except Refusal as refusal:
                rows.append({"symbol": symbol, "status": refusal.status, "body": refusal.body})
        return JSONResponse(rows, status_code=207)

    async def activities(self, request: Request) -> Response:
        """Executions are the only activity there is."""
        kinds = [request.path_params["type"]] if "type" in request.path_params else words(request, "activity_types")
        if (kinds and "FILL" not in kinds) or request.query_params.get("category") == "non_trade_activity":
            return JSONResponse([])
        rows = [activity_json(fill) for fill in self._executions(request)]
        if choice(request, "direction", ("asc", "desc"), "desc") == "desc":
            rows.reverse()
        token = request.query_params.get("page_token")
        if token:
            at = next((n for n, row in enumerate(rows) if row["id"] == token), None)
            if at is None:
                raise malformed(f"invalid page_token: {token}")
            rows = rows[at + 1 :]
        return JSONResponse(rows[: count(request, "page_size", default=100, most=100)])

    def _executions(self, request: Request) -> list[Fill]:
        order, date = request.query_params.get("order_id"), instant(request, "date")
        after, until = instant(request, "after"), instant(request, "until", end_of_day=True)
        return [
            fill
            for fill in self._venue.desk.account.fills
            if (not order or fill.order.id == order)
            and (date is None or new_york(fill.at).date().isoformat() == _day(date))
            and (after is None or fill.at > after)
            and (until is None or fill.at <= until)
        ]

    async def history(self, request: Request) -> Response:
        """Equity at the end of each window of regular trading since the venue started."""
        end = instant(request, "end", end_of_day=True)
        span = _period(request.query_params.get("period") or "1M")
        start = instant(request, "start")
        last = self._venue.now if end is None else min(end, self._venue.now)
        first = start if start is not None else last - span * 24 * 60 * MINUTE
        step = choice(request, "timeframe", tuple(_STEPS), "1Min" if span < 7 else "15Min" if span < 30 else "1D")
        points = self._points(first, last, _STEPS[step])
        base = self._venue.desk.account.start
        asof = self._venue.world.calendar.before(new_york(self._venue.desk.account.created_at).date())
        return JSONResponse(
            {
                "timestamp": [at // SECOND for at in points],
                "equity": [float(equity) for equity in points.values()],
                "profit_loss": [float(equity - base) for equity in points.values()],
                "profit_loss_pct": [round(float((equity - base) / base), 9) for equity in points.values()],
                "base_value": float(base),
                "base_value_asof": asof.date.isoformat() if asof else None,
                "timeframe": step,
                "cashflow": {},
            }
        )

    def _points(self, first: int, last: int, minutes: int) -> dict[int, Decimal]:
        found: dict[int, Decimal] = {}
        for at, equity in self._venue.equity:
            begins = at - MINUTE
            left = begins - begins % (minutes * MINUTE) if minutes else local(new_york(begins).date(), 0)
            if first <= at <= last:
                found[left] = equity
        return found


def _period(text: str) -> int:
    """Days in `1D`, `2W`, `3M`, `1A`; `all` is everything."""
    if text == "all":
        return 100_000
    if text[-1:] not in _PERIODS or not text[:-1].isdigit():
        raise malformed(f"invalid period: {text}")
    return int(text[:-1]) * _PERIODS[text[-1]]


def _day(at: int) -> str:
    """The date as it was written: bounds of days carry no zone that matters."""
    return moment(at).date().isoformat()
