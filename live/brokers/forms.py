"""Our orders in Alpaca's words, and whether what the broker has is what we asked for."""

from typing import Any

from alpaca.trading.enums import OrderClass, OrderSide, OrderType, PositionIntent, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest, OrderRequest, StopLossRequest, StopOrderRequest, TakeProfitRequest

from pipelines.core.trading.decisions import Submit
from pipelines.core.trading.orders import Order, Role, Shape

STOPS = frozenset({"stop", "stop_limit", "trailing_stop"})
"""Alpaca's order types that protect a position."""


def form(wish: Submit) -> OrderRequest:
    """The request. Whole shares, day orders, our id; prices are on the tick already.

    The intent makes the broker refuse an exit that would open a position, as when somebody else has closed it a moment ago, and an entry
    that would close one.
    """
    order = wish.order
    common: dict[str, Any] = {
        "symbol": order.symbol,
        "qty": order.quantity,
        "side": OrderSide(order.side.value),
        "time_in_force": TimeInForce.DAY,
        "client_order_id": order.id,
        "position_intent": PositionIntent(f"{order.side}_to_{'open' if wish.role is Role.ENTRY else 'close'}"),
    }
    if order.target is not None and order.shape in {Shape.BRACKET, Shape.OCO}:
        common["take_profit"] = TakeProfitRequest(limit_price=order.target)
    if order.stop is not None and order.shape in {Shape.BRACKET, Shape.OTO, Shape.OCO}:
        common["stop_loss"] = StopLossRequest(stop_price=order.stop)
    if order.shape is Shape.STOP:
        return StopOrderRequest(**common, stop_price=order.stop)
    if order.shape is Shape.OCO:
        return LimitOrderRequest(**common, order_class=OrderClass.OCO, type=OrderType.LIMIT, limit_price=order.target)
    if order.shape is not Shape.SIMPLE:
        common["order_class"] = OrderClass(order.shape.value)
    return MarketOrderRequest(**common) if order.limit is None else LimitOrderRequest(**common, limit_price=order.limit)


def differences(order: Order, body: dict[str, Any]) -> list[str]:
    """Fields in which the broker's order is not what we asked for, each with both values; empty where it is ours.

    Seen once in the wild: an order booked on the other side (Alpaca-API issue 271). The quantity of a pair may have shrunk with its fills.
    """
    kind, price = _type(order)
    expected: dict[str, object] = {
        "symbol": order.symbol,
        "side": order.side.value,
        "qty": float(order.quantity),
        "type": kind,
        "order_class": "" if order.shape in {Shape.SIMPLE, Shape.STOP} else order.shape.value,
        "time_in_force": "day",
    }
    if price is not None:
        expected["stop_price" if kind == "stop" else "limit_price"] = price
    found = {name: _plain(name, body.get(name)) for name in expected}
    return [f"{name}: asked for {value}, found {found[name]}" for name, value in expected.items() if found[name] != value]


def _type(order: Order) -> tuple[str, float | None]:
    if order.shape is Shape.STOP:
        return "stop", order.stop
    if order.shape is Shape.OCO:
        return "limit", order.target
    return ("market", None) if order.limit is None else ("limit", order.limit)


def _plain(name: str, value: object) -> object:
    """As we would say it: numbers instead of Alpaca's strings, one word for an order without a class."""
    if name == "order_class":
        return "" if value in {None, "simple"} else value
    return float(str(value)) if name in {"qty", "stop_price", "limit_price"} and value is not None else value
