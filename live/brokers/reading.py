"""What the broker says of the whole account: positions, open orders, orders of the day, executions. Every list is read to its end.

A query that fails raises `Unreachable`: it is never read as "flat".
"""

from datetime import date, datetime
from typing import Any

from msgspec import Struct

from live.brokers.forms import STOPS
from live.brokers.route import Route
from pipelines.core.errors import Unreachable
from pipelines.core.market.session import moment, nanoseconds
from pipelines.core.trading.orders import Side

CENT = 0.01

PAGE, ACTIVITIES = 500, 100
"""Rows of a page, as many as Alpaca gives."""

Body = dict[str, Any]


class Held(Struct, frozen=True):
    """A position; `quantity` is signed, prices in dollars a share."""

    symbol: str
    quantity: int
    average: float
    price: float


class Resting(Struct, frozen=True):
    """An open order, a leg being an order of its own. `pair` is common to those of which only one may fill; `armed`: it can trade as things stand."""

    id: str
    client_id: str
    symbol: str
    side: Side
    type: str
    status: str
    left: int
    pair: str
    armed: bool
    closes: bool
    """An exit: it may not open a position."""

    @property
    def stop(self) -> bool:
        """It protects."""
        return self.type in STOPS


class Standing(Struct, frozen=True):
    """The account at one moment. Dollars."""

    number: str
    equity: float
    cash: float
    power: float
    restrictions: tuple[str, ...]
    """Why the broker takes no entries; empty where it does."""
    held: dict[str, Held]
    resting: tuple[Resting, ...]
    at: int

    def quantity(self, symbol: str) -> int:
        """Signed shares."""
        return self.held[symbol].quantity if symbol in self.held else 0


def standing(route: Route, at: int) -> Standing:
    """Account, positions and open orders, in three requests."""
    account, positions = _table(route.get_account(), dict), _table(route.get_all_positions(), list)
    held = {p["symbol"]: _held(p) for p in positions}
    try:
        if not held and (worth := _worth(account)) >= CENT:
            raise Unreachable(f"expected positions, which the account says are worth {worth:,.2f} dollars, found none: that is not read as flat")
        return Standing(
            number=str(account["account_number"]),
            equity=float(account["equity"]),
            cash=float(account["cash"]),
            power=float(account["buying_power"]),
            restrictions=_restrictions(account),
            held=held,
            resting=tuple(row for body in orders(route, status="open") for row in _resting(body)),
            at=at,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"expected the account with its equity, cash and buying power, found {type(error).__name__} {error}") from None


def _worth(account: Body) -> float:
    """What all positions are worth, long and short added up, dollars."""
    return float(account.get("long_market_value") or 0) + abs(float(account.get("short_market_value") or 0))


def time(route: Route) -> int:
    """What the broker's clock says, nanoseconds UTC."""
    try:
        return nanoseconds(datetime.fromisoformat(str(_table(route.get_clock(), dict)["timestamp"])))
    except (KeyError, ValueError) as error:
        raise Unreachable(f"expected the broker's clock, found {type(error).__name__} {error}") from None


def calendar(route: Route, first: date, last: date) -> dict[date, tuple[str, str]]:
    """When each day's session opens and closes as the broker has it, HH:MM in New York."""
    rows = _table(route.get("/calendar", {"start": first.isoformat(), "end": last.isoformat()}), list)
    try:
        return {date.fromisoformat(row["date"]): (row["open"], row["close"]) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable(f"expected the broker's calendar, found {type(error).__name__} {error}") from None


def orders(route: Route, *, status: str, since: int | None = None) -> list[Body]:
    """Every order, oldest first, the legs inside their parents; Alpaca gives at most 500 at a time."""
    query: dict[str, Any] = {"status": status, "nested": "true", "direction": "asc", "limit": PAGE}
    if since is not None:
        query["after"] = f"{moment(since):%Y-%m-%dT%H:%M:%S.%fZ}"
    found: dict[str, Body] = {}
    while True:
        page = _table(route.get("/orders", query), list)
        new = {body["id"]: body for body in page if body["id"] not in found}
        found |= new
        if len(page) < PAGE:
            return list(found.values())
        if not new:
            raise Unreachable(f"expected the next page of orders after {len(found)}, found the same again")
        query["after_order_id"] = page[-1]["id"]


def executions(route: Route, since: int) -> list[Body]:
    """Every execution of the account since a moment, oldest first, whoever ordered it."""
    query: dict[str, Any] = {"after": f"{moment(since):%Y-%m-%dT%H:%M:%S.%fZ}", "direction": "asc", "page_size": ACTIVITIES}
    found: list[Body] = []
    while True:
        page = _table(route.get("/account/activities/FILL", query), list)
        found += page
        if len(page) < ACTIVITIES:
            return found
        query["page_token"] = page[-1]["id"]


def _table(body: Any, kind: type) -> Any:
    if not isinstance(body, kind):
        raise Unreachable(f"expected {kind.__name__} from the broker, found {type(body).__name__}")
    return body


def _held(body: Body) -> Held:
    average = float(body["avg_entry_price"])
    return Held(body["symbol"], int(float(body["qty"])), average, float(body.get("current_price") or average))


def _restrictions(account: Body) -> tuple[str, ...]:
    flags = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    status = account.get("status")
    return (*(flag for flag in flags if account.get(flag)), *([] if status == "ACTIVE" else [f"status {status}"]))


def _resting(body: Body) -> list[Resting]:
    """An order and its legs as far as they are open. An entry's legs are dead until it has filled completely."""
    members = [body, *(body.get("legs") or [])]
    is_entry = body.get("order_class") in {"bracket", "oto"}
    armed = not is_entry or body["status"] == "filled"
    exits = f"{body['id']} exits" if is_entry else body["id"]
    return [_row(m, m["id"] if is_entry and m is body else exits, armed=armed or m is body) for m in members if is_open(m)]


def _row(body: Body, pair: str, *, armed: bool) -> Resting:
    return Resting(
        id=body["id"],
        client_id=body["client_order_id"],
        symbol=body["symbol"],
        side=Side(body["side"]),
        type=body["type"],
        status=body["status"],
        left=int(float(body["qty"] or 0)) - int(float(body["filled_qty"] or 0)),
        pair=pair,
        armed=armed,
        closes=str(body.get("position_intent") or "").endswith("_to_close"),
    )


def is_open(body: Body) -> bool:
    """It may still fill."""
    return body["status"] not in {"filled", "canceled", "replaced", "expired", "done_for_day", "rejected", "calculated"}
