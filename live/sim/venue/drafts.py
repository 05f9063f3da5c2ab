"""How an order comes to be: from a ticket with its legs, or as the successor of an order that is being replaced."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from live.sim.clock import local, new_york
from live.sim.errors import malformed, unacceptable
from live.sim.venue.desk import Desk
from live.sim.venue.orders import Order
from live.sim.venue.ticket import Ticket, number, price, word
from live.sim.worlds.tape import Tape
from live.sim.worlds.world import Asset, World

_GOOD_TILL = timedelta(days=90)


class Drafts:
    """Makes orders; putting them on the books is the venue's."""

    def __init__(self, desk: Desk, tape: Tape, world: World) -> None:
        self._desk = desk
        self._tape = tape
        self._world = world

    def order(self, ticket: Ticket, asset: Asset, intent: str) -> Order:
        """A new order with its legs, not yet on the books."""
        order = self._make(ticket, asset, side=ticket.side, kind=ticket.type, intent=intent)
        order.notional, order.extended_hours = ticket.notional, ticket.extended_hours
        order.limit_price, order.stop_price = ticket.limit_price, ticket.stop_price
        order.trail_price, order.trail_percent = ticket.trail_price, ticket.trail_percent
        order.order_class = ticket.order_class
        if ticket.client_order_id is not None:
            order.client_order_id = ticket.client_order_id
        if ticket.order_class == "oco":
            order.limit_price = ticket.profit_limit
        if ticket.order_class:
            self._family(order, ticket)
        return order

    def successor(self, old: Order, body: Mapping[str, Any]) -> Order:
        """The replacement, checked against what may change on such an order."""
        if old.notional is not None:
            raise unacceptable("notional orders cannot be replaced")
        qty = number(body.get("qty"), "qty")
        limit, stop = price(body.get("limit_price"), "limit_price"), price(body.get("stop_price"), "stop_price")
        trail = number(body.get("trail"), "trail")
        force, name = body.get("time_in_force") or old.time_in_force, word(body, "client_order_id")
        if name in self._desk.by_client:
            raise malformed("client_order_id must be unique")
        _lasts(old, force)
        _fits(old, qty=qty, limit=limit, stop=stop, trail=trail, force=force)
        kept = old.limit_price, old.stop_price, old.trail_price, old.trail_percent
        new = Order(
            id=self._desk.id(),
            client_order_id=self._desk.id() if name is None else name,
            number=self._desk.number(),
            asset=old.asset,
            side=old.side,
            type=old.type,
            time_in_force=force,
            qty=old.qty if qty is None else qty,
            notional=None,
            created_at=self._desk.agenda.now,
            expires_at=self._expiry(force, extended=old.extended_hours),
            intent=old.intent,
            rng=self._desk.draws(),
            limit_price=limit or kept[0],
            stop_price=None if old.type == "trailing_stop" else stop or kept[1],
            trail_price=trail if trail and kept[2] is not None else kept[2],
            trail_percent=trail if trail and kept[3] is not None else kept[3],
            extended_hours=old.extended_hours,
            order_class=old.order_class,
            replaces=old.id,
            triggered=old.triggered,
        )
        new.group, new.role, new.parent = old.group, old.role, old.parent
        if new.parent is not None:
            new.parent.legs.append(new)
        return new

    def _family(self, order: Order, ticket: Ticket) -> None:
        """Give an order its legs."""
        group = order.group = self._desk.group(ticket.order_class)
        exits = "sell" if (ticket.side == "buy") != (ticket.order_class == "oco") else "buy"
        intent = f"{exits}_to_close"
        if ticket.order_class == "oco":
            group.take_profit, order.role = order, "take_profit"
        else:
            group.entry, order.role = order, "entry"
            if ticket.profit_limit is not None:
                leg = group.take_profit = self._make(ticket, order.asset, side=exits, kind="limit", intent=intent)
                leg.limit_price, leg.role = ticket.profit_limit, "take_profit"
        if ticket.loss_stop is not None:
            kind = "stop_limit" if ticket.loss_limit is not None else "stop"
            leg = group.stop_loss = self._make(ticket, order.asset, side=exits, kind=kind, intent=intent)
            leg.stop_price, leg.limit_price, leg.role = ticket.loss_stop, ticket.loss_limit, "stop_loss"
        for member in group.exits:
            if member is not order:
                member.group, member.parent, member.order_class = group, order, ticket.order_class
                order.legs.append(member)

    def _make(self, ticket: Ticket, asset: Asset, *, side: str, kind: str, intent: str) -> Order:
        return Order(
            id=self._desk.id(),
            client_order_id=self._desk.id(),
            number=self._desk.number(),
            asset=asset,
            side=side,
            type=kind,
            time_in_force=ticket.time_in_force,
            qty=ticket.qty,
            notional=None,
            created_at=self._desk.agenda.now,
            expires_at=self._expiry(ticket.time_in_force, extended=ticket.extended_hours),
            intent=intent,
            rng=self._desk.draws(),
        )

    def _expiry(self, time_in_force: str, *, extended: bool) -> int:
        """Of a day order the end of the session in which it can act, of any other order 90 days."""
        if time_in_force == "gtc":
            return local(new_york(self._desk.agenda.now).date() + _GOOD_TILL, 16)
        session = self._tape.session
        if self._desk.agenda.now >= (session.late if extended else session.close):
            session = self._world.calendar.after(session.date)
        return session.late if extended else session.close


def _lasts(old: Order, force: object) -> None:
    """Whether an order of this kind may have that time in force."""
    if force == old.time_in_force:
        return
    if force not in ("day", "gtc", "ioc", "fok"):
        raise malformed(f"invalid time_in_force: {force}")
    if old.type == "trailing_stop" and force not in ("day", "gtc"):
        raise malformed("trailing stop orders must be DAY or GTC orders")
    if old.extended_hours and force not in ("day", "gtc"):
        raise malformed("extended hours order must be DAY or GTC limit orders")
    if old.qty is not None and old.qty != old.qty.to_integral_value():
        raise malformed("fractional orders must be DAY orders")


def _fits(old: Order, *, qty: Decimal | None, limit: Decimal | None, stop: Decimal | None, trail: Decimal | None, force: str) -> None:
    """Whether these changes suit the kind of order, and change anything at all."""
    if limit is not None and old.limit_price is None:
        raise malformed(f"{old.type} orders take no limit_price")
    if stop is not None and old.type not in ("stop", "stop_limit"):
        raise malformed(f"{old.type} orders take no stop_price")
    if trail is not None and (old.type != "trailing_stop" or trail <= 0 or (old.trail_percent is not None and trail >= 100)):
        raise malformed("trail must be > 0, less than 100 percent, and only trailing stop orders take it")
    if old.group is not None and ((qty is not None and qty != old.qty) or force != old.time_in_force):
        raise unacceptable("qty cannot be changed for advanced orders")
    if qty is not None and (qty <= 0 or qty != qty.to_integral_value()):
        raise malformed("qty must be a whole number > 0")
    if qty is not None and qty <= old.filled_qty:
        raise unacceptable("qty must be > filled_qty")
    trails = trail is None or trail in (old.trail_price, old.trail_percent)
    if qty in (None, old.qty) and limit in (None, old.limit_price) and stop in (None, old.stop_price) and trails and force == old.time_in_force:
        raise unacceptable("order parameters are not changed")
