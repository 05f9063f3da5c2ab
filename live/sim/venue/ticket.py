"""What a client asks for, read from JSON: every rule of an order that can be judged without looking at market or account."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from live.sim.errors import malformed, unacceptable

TYPES = ("market", "limit", "stop", "stop_limit", "trailing_stop")
FORCES = ("day", "gtc", "opg", "cls", "ioc", "fok")
CLASSES = ("simple", "", "bracket", "oco", "oto")
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A well-formed order request. For OCO `limit_price` is that of the take-profit order."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    extended_hours: bool
    client_order_id: str | None
    order_class: str
    profit_limit: Decimal | None
    loss_stop: Decimal | None
    loss_limit: Decimal | None
    intent: str | None


def number(value: Any, name: str) -> Decimal | None:
    """JSON number or string, exact as written; None stays None."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise malformed(f"{name} must be a number")
    if not _NUMBER.fullmatch(str(value)):  # python's own reading takes 1_000, blanks around and digits of every script
        raise malformed(f"invalid {name}: {str(value)[:40]}")
    parsed = Decimal(str(value))
    if not parsed.is_finite() or abs(parsed) > Decimal(10) ** 12 or (parsed and parsed.adjusted() < -18):
        raise malformed(f"invalid {name}: {str(value)[:40]}")
    return parsed


def price(value: Any, name: str) -> Decimal | None:
    """Positive, with two decimals from one dollar up and four below."""
    parsed = number(value, name)
    if parsed is None:
        return None
    if parsed <= 0:
        raise malformed(f"{name} must be > 0")
    if parsed != parsed.quantize(Decimal("0.01") if parsed >= 1 else Decimal("0.0001")):
        raise unacceptable(f"invalid {name} {plain(parsed)}. sub-penny increment does not fulfill minimum pricing criteria")
    return parsed


def plain(value: Decimal) -> str:
    """Without exponent and without trailing zeros: what Alpaca's strings look like."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def read(body: Mapping[str, Any]) -> Ticket:
    """Raises Refusal with the code Alpaca uses for that fault."""
    ticket = Ticket(
        symbol=word(body, "symbol") or "",
        side=_choice(body, "side", ("buy", "sell")),
        type=_choice(body, "type", TYPES),
        time_in_force=_choice(body, "time_in_force", FORCES),
        qty=number(body.get("qty"), "qty"),
        notional=number(body.get("notional"), "notional"),
        limit_price=price(body.get("limit_price"), "limit_price"),
        stop_price=price(body.get("stop_price"), "stop_price"),
        trail_price=price(body.get("trail_price"), "trail_price"),
        trail_percent=number(body.get("trail_percent"), "trail_percent"),
        extended_hours=_flag(body, "extended_hours"),
        client_order_id=word(body, "client_order_id"),
        order_class=_class(body),
        profit_limit=price(_part(body, "take_profit").get("limit_price"), "take_profit.limit_price"),
        loss_stop=price(_part(body, "stop_loss").get("stop_price"), "stop_loss.stop_price"),
        loss_limit=price(_part(body, "stop_loss").get("limit_price"), "stop_loss.limit_price"),
        intent=_intent(body),
    )
    _part(body, "advanced_instructions")
    _amount(ticket)
    _prices(ticket)
    _force(ticket)
    _family(ticket)
    return ticket


def word(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise malformed(f"{name} must be a string")
    if name == "symbol" and not value:
        raise malformed("symbol is required")
    if name == "client_order_id" and value and len(value) > 128:
        raise malformed("client_order_id must be no more than 128 characters")
    return value or None


def _choice(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name)
    if value is None or value == "":
        raise malformed(f"{name} is required")
    if not isinstance(value, str) or value not in allowed:
        raise malformed(f"invalid {name}: {value}")
    return str(value)


def _class(body: Mapping[str, Any]) -> str:
    value = body.get("order_class") or ""
    if value not in CLASSES:
        raise malformed(f"invalid order_class: {value}")
    return "" if value == "simple" else str(value)


def _intent(body: Mapping[str, Any]) -> str | None:
    value = body.get("position_intent")
    if value is not None and value not in INTENTS:
        raise malformed(f"invalid position_intent: {value}")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise malformed(f"{name} must be a boolean")
    return bool(value)


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise malformed(f"{name} must be an object")
    return value


def _amount(ticket: Ticket) -> None:
    if (ticket.qty is None) == (ticket.notional is None):
        raise malformed("qty or notional is required" if ticket.qty is None else "only one of qty or notional is accepted")
    amount = ticket.qty if ticket.qty is not None else ticket.notional
    if amount is None or amount <= 0:
        raise malformed(f"{'qty' if ticket.qty is not None else 'notional'} must be > 0")
    if amount != amount.quantize(Decimal("1e-9")):
        raise malformed("qty can have at most 9 decimals")
    fractional = ticket.notional is not None or amount != amount.to_integral_value()
    if not fractional:
        return
    if ticket.order_class:
        raise malformed("fractional orders must be simple orders")
    if ticket.type == "trailing_stop" or ticket.time_in_force != "day":
        raise malformed("fractional orders must be DAY orders")


def _prices(ticket: Ticket) -> None:
    kind = ticket.type
    if kind in ("limit", "stop_limit") and ticket.limit_price is None and ticket.order_class != "oco":
        raise malformed(f"{kind.replace('_', ' ')} orders require limit price")
    if kind in ("stop", "stop_limit") and ticket.stop_price is None:
        raise malformed(f"{kind.replace('_', ' ')} orders require stop price")
    if kind == "market" and (ticket.limit_price is not None or ticket.stop_price is not None):
        raise malformed("market orders require no stop or limit price")
    if kind == "limit" and ticket.stop_price is not None:
        raise malformed("limit orders require only limit price")
    if kind == "stop" and ticket.limit_price is not None:
        raise malformed("stop orders require only stop price")
    trails = (ticket.trail_price is not None) + (ticket.trail_percent is not None)
    if kind == "trailing_stop" and (trails != 1 or ticket.limit_price is not None or ticket.stop_price is not None):
        raise malformed("trailing stop orders require exactly one of trail_price or trail_percent")
    if kind != "trailing_stop" and trails:
        raise malformed("only trailing stop orders take trail_price or trail_percent")
    if ticket.trail_percent is not None and not 0 < ticket.trail_percent < 100:
        raise malformed("trail_percent must be between 0 and 100")


def _force(ticket: Ticket) -> None:
    if ticket.time_in_force in ("opg", "cls") and ticket.type not in ("market", "limit"):
        raise malformed(f"{ticket.time_in_force} orders must be market or limit orders")
    if ticket.extended_hours and (ticket.type != "limit" or ticket.time_in_force not in ("day", "gtc") or ticket.order_class):
        raise malformed("extended hours order must be DAY or GTC limit orders")
    if ticket.type == "trailing_stop" and ticket.time_in_force not in ("day", "gtc"):
        raise malformed("trailing stop orders must be DAY or GTC orders")


def _family(ticket: Ticket) -> None:
    kind = ticket.order_class
    if not kind:
        if ticket.profit_limit is not None or ticket.loss_stop is not None:
            raise malformed("take_profit and stop_loss need an order_class of bracket, oco or oto")
        return
    if ticket.time_in_force not in ("day", "gtc"):
        raise malformed(f"{kind} orders must be DAY or GTC orders")
    if ticket.loss_limit is not None and ticket.loss_stop is None:
        raise malformed("stop_loss.stop_price is required")
    if kind == "oco" and ticket.type != "limit":
        raise malformed("oco orders must be limit orders")
    if kind != "oco" and ticket.type not in ("market", "limit"):
        raise malformed(f"{kind} orders must be market or limit orders")
    if kind == "oto" and (ticket.profit_limit is None) == (ticket.loss_stop is None):
        raise malformed("oto orders require exactly one of take_profit.limit_price or stop_loss.stop_price")
    if kind in ("bracket", "oco") and ticket.profit_limit is None:
        raise malformed(f"{kind} orders require take_profit.limit_price")
    if kind in ("bracket", "oco") and ticket.loss_stop is None:
        raise malformed(f"{kind} orders require stop_loss.stop_price")
