"""The trading side's JSON: numbers as strings, absent values as null, times as RFC 3339 in UTC."""

from decimal import Decimal
from typing import Any

from live.sim.clock import new_york, rfc3339
from live.sim.venue.account import Account, Entry, Fill, Valuation
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.ticket import plain
from live.sim.worlds.world import Asset

_CENT = Decimal("0.01")
_RATIO = Decimal("0.000000000001")


def order_json(order: Order, *, nested: bool = False) -> dict[str, Any]:
    """The order object of every answer; `legs` only where the caller asked for them."""
    body = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": rfc3339(order.created_at),
        "updated_at": rfc3339(order.updated_at),
        "submitted_at": rfc3339(order.created_at),
        "filled_at": _time(order.filled_at),
        "expired_at": _time(order.expired_at),
        "canceled_at": _time(order.canceled_at),
        "failed_at": _time(order.failed_at),
        "replaced_at": _time(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": order.asset.id,
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": _text(order.notional),
        "qty": None if order.notional is not None else _text(order.qty),
        "filled_qty": plain(order.filled_qty),
        "filled_avg_price": _text(order.average),
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": order.intent,
        "time_in_force": order.time_in_force,
        "limit_price": _text(order.limit_price),
        "stop_price": _text(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": [order_json(leg) for leg in order.legs] if nested and order.legs else None,
        "trail_percent": _text(order.trail_percent),
        "trail_price": _text(order.trail_price),
        "hwm": _text(order.hwm),
        "subtag": None,
        "source": None,
        "expires_at": rfc3339(order.expires_at),
    }
    if order.group is not None:
        body["group_id"] = order.group.id
        body["group_role"] = order.role
    return body


def update_json(event: str, event_id: str, order: Order, fill: Fill | None, *, at: int, execution: str, settles: str) -> dict[str, Any]:
    """One trade update. `legs` is null even for parents; price, quantity and position belong to executions only."""
    shown = order_json(order)
    del shown["subtag"], shown["source"]
    shown["cancel_requested_at"] = _time(order.cancel_requested_at)
    data: dict[str, Any] = {"event": event, "event_id": event_id, "execution_id": execution, "at": rfc3339(at), "timestamp": rfc3339(at)}
    if fill is not None:
        data |= {"price": plain(fill.price), "qty": plain(fill.qty), "position_qty": plain(fill.position), "settle_date": settles}
    return {"stream": "trade_updates", "data": {**data, "order": shown}}


def account_json(account: Account, value: Valuation, *, asof: str) -> dict[str, Any]:
    equity, settled = _cents(value.equity), _cents(value.settled)
    return {
        "id": account.id,
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": rfc3339(account.created_at),
        "balance_asof": asof,
        "cash": _cents(value.cash),
        "equity": equity,
        "last_equity": _cents(account.last_equity),
        "portfolio_value": equity,
        "accrued_fees": _cents(account.fees.owed),
        "pending_transfer_in": "0",
        "pending_reg_taf_fees": _cents(account.fees.regulatory),
        "intraday_adjustments": "0",
        "buying_power": _cents(value.buying_power),
        "effective_buying_power": _cents(value.buying_power),
        "regt_buying_power": _cents(value.regt),
        "non_marginable_buying_power": settled,
        "options_buying_power": settled,
        "multiplier": str(value.multiplier),
        "long_market_value": _cents(value.long),
        "short_market_value": _cents(value.short),
        "position_market_value": _cents(value.gross),
        "initial_margin": _cents(value.initial),
        "maintenance_margin": _cents(value.maintenance),
        "last_maintenance_margin": _cents(account.last_maintenance),
        "sma": _cents(max(value.equity - value.initial, ZERO)),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": bool(account.settings["suspend_trade"]),
        "shorting_enabled": not account.settings["no_shorting"] and value.multiplier > 1,
        "options_approved_level": 0,
        "options_trading_level": 0,
        "crypto_tier": 0,
        "admin_configurations": {},
        "user_configurations": None,
    }


def position_json(account: Account, asset: Asset, *, price: Decimal, previous: Decimal, free: Decimal) -> dict[str, Any]:
    """`free` is without sign; `previous` the close of the session before."""
    held = account.positions[asset.symbol]
    value = held.qty * price
    profit, today = value - held.cost, value - held.today
    return {
        "asset_id": asset.id,
        "symbol": asset.symbol,
        "exchange": asset.exchange,
        "asset_class": "us_equity",
        "asset_marginable": asset.marginable,
        "qty": plain(held.qty),
        "qty_available": plain(free if held.qty > 0 else -free),
        "avg_entry_price": plain(held.average.quantize(Decimal("0.000001"))),
        "side": "long" if held.qty > 0 else "short",
        "market_value": plain(value),
        "cost_basis": plain(held.cost),
        "unrealized_pl": plain(profit),
        "unrealized_plpc": _ratio(profit, abs(held.cost)),
        "unrealized_intraday_pl": plain(today),
        "unrealized_intraday_plpc": _ratio(today, abs(held.today)),
        "current_price": plain(price),
        "lastday_price": plain(previous),
        "change_today": _ratio(price - previous, previous),
    }


def asset_json(asset: Asset) -> dict[str, Any]:
    return {
        "id": asset.id,
        "class": "us_equity",
        "exchange": asset.exchange,
        "symbol": asset.symbol,
        "name": asset.name,
        "status": "active",
        "tradable": asset.tradable,
        "marginable": asset.marginable,
        "shortable": asset.shortable,
        "easy_to_borrow": asset.borrowable,
        "fractionable": asset.fractionable,
        "borrow_status": ("easy_to_borrow" if asset.easy_to_borrow else "hard_to_borrow") if asset.shortable else "not_shortable",
        "maintenance_margin_requirement": 25,
        "margin_requirement_long": "25",
        "margin_requirement_short": "25",
        "attributes": ["fractional_eh_enabled"] if asset.fractionable else [],
    }


def activity_json(fill: Fill) -> dict[str, Any]:
    return {
        "id": _activity_id(fill.at, fill.id),
        "activity_type": "FILL",
        "transaction_time": rfc3339(fill.at),
        "type": "fill" if not fill.leaves else "partial_fill",
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "side": fill.order.side,
        "symbol": fill.order.symbol,
        "leaves_qty": plain(fill.leaves),
        "order_id": fill.order.id,
        "cum_qty": plain(fill.cumulative),
        "order_status": fill.status,
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """What is no trade: the quantity is what a split added, or the shares that a dividend was paid on. It carries its day, not its moment."""
    day = new_york(entry.at).date()
    rate = {} if entry.rate is None else {"per_share_amount": plain(entry.rate)}
    shares = {"symbol": entry.symbol, "qty": plain(entry.qty if entry.rate is None else entry.held), **rate} if entry.symbol else {}
    return {
        "id": f"{day:%Y%m%d}000000000::{entry.id}",
        "activity_type": entry.kind,
        **({"activity_sub_type": entry.part} if entry.part else {}),
        "date": day.isoformat(),
        "created_at": rfc3339(entry.at),
        "net_amount": plain(entry.cash),
        "description": entry.text,
        **shares,
        "status": "executed",
        "currency": "USD",
    }


def _activity_id(at: int, unique: str) -> str:
    """The prefix is New York local time to the millisecond."""
    local = new_york(at)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{unique}"


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _cents(value: Decimal) -> str:
    return plain(value.quantize(_CENT))


def _ratio(part: Decimal, whole: Decimal) -> str:
    return plain((part / whole).quantize(_RATIO)) if whole else "0"
