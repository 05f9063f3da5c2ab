"""Orders as they were some time ago, rebuilt from their history and from the executions: answers that lag behind the books."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from live.sim.clock import rfc3339
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.ticket import plain
from live.sim.venue.venue import Venue

_OPEN = {"accepted", "pending_new", "new", "partially_filled", "held", "pending_cancel", "pending_replace"}
_STAMPS = {"filled_at": "filled", "expired_at": "expired", "canceled_at": "canceled", "failed_at": "rejected", "replaced_at": "replaced"}


def widened(scope: Scope) -> Scope:
    """A list of open or closed orders is asked of all orders: which of them were open then is decided afterwards."""
    if scope["path"] != "/v2/orders":
        return scope
    query = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name not in ("status", "limit")]
    return {**scope, "query_string": urlencode([*query, ("status", "all"), ("limit", "500")]).encode()}


def rewound(body: Any, venue: Venue, at: int, *, status: str, limit: int) -> Any:
    """One order or a list of them as of that moment; a list keeps those that had the wanted status then."""
    if isinstance(body, dict):
        return _order(body, venue, at)
    rows = [_order(row, venue, at) for row in body if isinstance(row, dict)]
    kept = [row for row in rows if status == "all" or _open(row) == (status == "open")]
    return kept[:limit]


def _open(row: dict[str, Any]) -> bool:
    """Nested, a parent is open as long as one of its legs is."""
    return any(member["status"] in _OPEN for member in (row, *(row.get("legs") or ())))


def _order(body: dict[str, Any], venue: Venue, at: int) -> dict[str, Any]:
    """Times of what has not happened yet are null; an order younger than that shows its first state."""
    order = venue.desk.orders.get(str(body.get("id")))
    if order is None or not order.history:
        return body
    when, status = next(((when, status) for when, status in reversed(order.history) if when <= at), order.history[0])
    qty, value = _executed(order, venue, at)
    old = {**body, "status": status, "updated_at": rfc3339(when), "filled_qty": plain(qty)}
    old["filled_avg_price"] = plain((value / qty).quantize(Decimal("0.000001"))) if qty else None
    old |= {stamp: body.get(stamp) if status == final else None for stamp, final in _STAMPS.items()}
    if status != "replaced":
        old["replaced_by"] = None
    if isinstance(body.get("legs"), list):
        old["legs"] = [_order(leg, venue, at) for leg in body["legs"]]
    return old


def _executed(order: Order, venue: Venue, at: int) -> tuple[Decimal, Decimal]:
    fills = [fill for fill in venue.desk.account.fills if fill.order is order and fill.at <= at]
    return sum((fill.qty for fill in fills), ZERO), sum((fill.qty * fill.price for fill in fills), ZERO)
