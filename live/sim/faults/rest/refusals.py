"""Requests that the broker refuses for good, in the broker's words."""

import contextlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from live.sim.errors import Refusal, forbidden, malformed, unacceptable
from live.sim.faults.fault import Fault
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.ticket import number, plain
from live.sim.venue.venue import Venue


def _refuse(fault: Fault, method: str, path: str, body: Mapping[str, Any], venue: Venue) -> Refusal | None:
    symbol, qty = str(body.get("symbol", "")), _wanted(body)
    reason, extra = fault.give["reason"], dict(fault.give["extra"])
    if reason == "buying_power":
        return forbidden("insufficient buying power", **{"buying_power": "0", "cost_basis": _cost(venue, symbol, qty, body), **extra})
    if reason == "wash":
        return forbidden("potential wash trade detected. use complex orders", **{**_opposite(venue, symbol, str(body.get("side"))), **extra})
    if reason == "held":
        return _held(venue, symbol, qty, ZERO, [], extra)
    if reason == "duplicate":
        return malformed("client_order_id must be unique")
    if reason == "liquidation":
        return forbidden("account is restricted to liquidation only", **extra)
    if reason == "stop_price":
        return unacceptable("stop price must be less than base_price - 0.01", **extra)
    return Refusal(fault.give["status"], fault.give["code"], fault.give["message"], **extra)


def _wanted(body: Mapping[str, Any]) -> Decimal:
    """Zero when it is no quantity: the route says what is wrong with it."""
    with contextlib.suppress(Refusal):
        return number(body.get("qty"), "qty") or ZERO
    return ZERO


def _cost(venue: Venue, symbol: str, qty: Decimal, body: Mapping[str, Any]) -> str:
    """Of the order at its limit, or at the market's price."""
    price = None
    with contextlib.suppress(Refusal):
        price = number(body.get("limit_price"), "limit_price")
    return plain((qty * (price or venue.gate.price(symbol) or ZERO)).quantize(Decimal("0.01")))


def _opposite(venue: Venue, symbol: str, side: str) -> dict[str, str]:
    """The order that stands in the way: a real one when there is one."""
    found = next((order for order in venue.desk.open(symbol) if order.side != side), None)
    name = found.id if found is not None else "00000000-0000-4000-8000-000000000000"
    return {"existing_order_id": name, "reject_reason": "opposite side market/stop order exists"}


def _held(venue: Venue, symbol: str, wanted: Decimal, free: Decimal, by: list[str], extra: Mapping[str, Any]) -> Refusal:
    """`by` are the ids of the orders that hold the shares."""
    position = abs(venue.desk.account.position(symbol))
    text = f"insufficient qty available for order (requested: {plain(wanted)}, available: {plain(free)})"
    shares = {"existing_qty": plain(position), "held_for_orders": plain(position - free), "available": plain(free)}
    return forbidden(text, **{"symbol": symbol, **shares, "related_orders": by, **extra})


def _lingers(fault: Fault, method: str, path: str, body: Mapping[str, Any], venue: Venue) -> Refusal | None:
    """An exit is refused while shares of a cancelled one still count as held."""
    closing = method == "DELETE" and path.startswith("/v2/positions/")
    if not closing and (method, path) != ("POST", "/v2/orders"):
        return None
    asset = venue.asset(path.rsplit("/", 1)[-1] if closing else str(body.get("symbol", "")))
    position = venue.desk.account.position(asset.symbol) if asset is not None else ZERO
    if asset is None or not position or (not closing and (body.get("side") == "sell") != (position > 0)):
        return None
    wanted = abs(position) if closing else _wanted(body) or abs(position)
    exits = _lingering(venue, asset.symbol, position, fault.seconds())
    free = max(venue.desk.free(asset.symbol) - _shares(exits), ZERO)
    return _held(venue, asset.symbol, wanted, free, [order.id for order in exits], {}) if wanted > free else None


def _lingering(venue: Venue, symbol: str, position: Decimal, age: int) -> list[Order]:
    """Exits that were cancelled less than so long ago."""
    since = venue.now - age
    return [order for order in venue.desk.orders.values() if order.symbol == symbol and order.sign * position < 0 and _cancelled(order, since)]


def _shares(exits: list[Order]) -> Decimal:
    """The exits of a pair count once."""
    found: dict[str, Decimal] = {}
    for order in exits:
        key = order.group.id if order.group is not None else order.id
        found[key] = max(found.get(key, ZERO), order.remaining)
    return sum(found.values(), ZERO)


def _cancelled(order: Order, since: int) -> bool:
    armed = order.group is None or order.group.armed
    return order.status == "canceled" and armed and order.canceled_at is not None and order.canceled_at > since


def _blocked(fault: Fault, method: str, path: str, body: Mapping[str, Any], venue: Venue) -> Refusal | None:
    """All new orders, or those that open a position."""
    if (method, path) != ("POST", "/v2/orders"):
        return None
    mode = fault.give["mode"]
    if mode != "closing":
        return forbidden(f"{mode} is blocked" if mode == "account" else "trading is blocked for this account")
    position = venue.desk.account.position(str(body.get("symbol", "")))
    closes = position > 0 if body.get("side") == "sell" else position < 0
    return None if closes else forbidden("account is restricted to liquidation only")


REFUSALS: dict[str, Callable[[Fault, str, str, Mapping[str, Any], Venue], Refusal | None]] = {
    "rest.refuse": _refuse,
    "rest.held": _lingers,
    "rest.blocked": _blocked,
}
