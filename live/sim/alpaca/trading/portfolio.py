"""Equity over time: windows of regular, extended or all hours, with profit and loss against the start of the day or of the period."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from live.sim.alpaca.queries import choice, flag, instant, whole, words
from live.sim.alpaca.trading.activities import KINDS, flows
from live.sim.clock import DAY, MINUTE, SECOND, local, new_york
from live.sim.errors import malformed
from live.sim.venue.venue import Venue
from live.sim.worlds.sessions import Session

_STEPS = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60, "1D": 0}
_PERIODS = {"D": 1, "W": 7, "M": 31, "A": 366}
_HOURS = ("market_hours", "extended_hours", "continuous")
_ENOUGH = 100_000  # windows of one answer


@dataclass(frozen=True, slots=True)
class _Ask:
    first: int
    last: int
    step: str
    hours: str
    daily: bool  # profit and loss start again each day


class Portfolio:
    """One route over one venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[Route]:
        return [Route("/v2/account/portfolio/history", self.history, methods=["GET"])]

    async def history(self, request: Request) -> Response:
        """The equity of each window's end at its left edge. There is nothing before the account began."""
        ask = self._ask(request)
        points = self._points(ask)
        kinds = self._flowing(request)
        account = self._venue.desk.account
        base = account.start
        asof = self._venue.world.calendar.before(new_york(account.created_at).date())
        bases = self._bases(points, base) if ask.daily and ask.step != "1D" else dict.fromkeys(points, base)
        ends = [at + _STEPS[ask.step] * MINUTE if _STEPS[ask.step] else local(new_york(at).date() + timedelta(days=1), 0) for at in points]
        return JSONResponse(
            {
                "timestamp": [at // SECOND for at in points],
                "equity": [float(equity) for equity in points.values()],
                "profit_loss": [float(equity - bases[at]) for at, equity in points.items()],
                "profit_loss_pct": [round(float((equity - bases[at]) / bases[at]), 9) if bases[at] else None for at, equity in points.items()],
                "base_value": float(base),
                "base_value_asof": asof.date.isoformat() if asof else None,
                "timeframe": ask.step,
                "cashflow": {kind: flows(account.entries, kind, ends) for kind in kinds},
            }
        )

    def _ask(self, request: Request) -> _Ask:
        end = instant(request, "end", end_of_day=True) or instant(request, "date_end", end_of_day=True)
        start, now = instant(request, "start"), self._venue.now
        last = now if end is None else min(end, now)
        span = _period(request.query_params.get("period") or "1M")
        if start is not None:
            span = max((last - start) // DAY, 0)
        first = start if start is not None else max(last - span * DAY, 0)
        step = choice(request, "timeframe", tuple(_STEPS), "1Min" if span < 7 else "15Min" if span < 30 else "1D")
        hours = choice(request, "intraday_reporting", _HOURS, "extended_hours" if flag(request, "extended_hours") else "market_hours")
        reset = choice(request, "pnl_reset", ("per_day", "no_reset"), "per_day")
        return _Ask(max(first, self._venue.desk.account.created_at), last, step, hours, reset == "per_day")

    def _flowing(self, request: Request) -> list[str]:
        """Kinds of entries whose cash is shown; ALL means those there are, NONE none."""
        names = words(request, "cashflow_types")
        if names == ["ALL"]:
            return sorted({entry.kind for entry in self._venue.desk.account.entries if entry.cash})
        unknown = [name for name in names if name not in KINDS | {"NONE"}]
        if unknown:
            raise malformed(f"invalid cashflow type: {unknown[0]}")
        return [name for name in names if name != "NONE"]

    def _points(self, ask: _Ask) -> dict[int, Decimal]:
        """Windows by their left edge, of a day its open. One that has no sample of its own keeps the equity before it."""
        samples = self._venue.day.equity
        found: dict[int, Decimal] = {}
        if ask.step == "1D":
            for at, equity in samples:
                session = self._venue.world.calendar.on(at - 1)
                if ask.first <= at <= ask.last and session is not None and session.open < at <= session.close:
                    found[session.open] = equity
            return found
        width, held, at = _STEPS[ask.step] * MINUTE, None, 0
        for left in self._edges(ask, width):
            while at < len(samples) and samples[at][0] <= min(left + width, ask.last):
                held, at = samples[at][1], at + 1
            if held is not None:
                found[left] = held
        return found

    def _edges(self, ask: _Ask, width: int) -> list[int]:
        """Left edges of windows that have begun; those of hours stand on the hour."""
        calendar = self._venue.world.calendar
        sessions = calendar.since(new_york(ask.first).date() - timedelta(days=1), new_york(ask.last).date())
        found: list[int] = []
        for session in sessions:
            begin, end = _hours(session, calendar.after(session.date), ask.hours)
            begin = max(begin - (begin - session.midnight) % width, begin - width + MINUTE)
            found += [left for left in range(begin, end, width) if left + width > ask.first and left < ask.last]
            if len(found) > _ENOUGH:
                raise malformed("too many data points: choose a longer timeframe or a shorter period")
        return found

    def _bases(self, points: dict[int, Decimal], base: Decimal) -> dict[int, Decimal]:
        """Each day starts from the equity of the last window of the day before."""
        found: dict[int, Decimal] = {}
        day, last = None, base
        for at, equity in points.items():
            if (today := new_york(at).date()) != day:
                day, base = today, last
            found[at], last = base, equity
        return found


def _hours(session: Session, following: Session, kind: str) -> tuple[int, int]:
    if kind == "market_hours":
        return session.open, session.close
    if kind == "extended_hours":
        return session.early, session.late
    return local(session.date, 0), following.midnight


def _period(text: str) -> int:
    """Days in `1D`, `2W`, `3M`, `1A`; `all` is everything."""
    if text == "all":
        return 20_000
    amount = whole(text[:-1])
    if text[-1:] not in _PERIODS or amount is None or not 1 <= amount <= 10_000:
        raise malformed(f"invalid period: {text}")
    return min(amount * _PERIODS[text[-1]], 20_000)
