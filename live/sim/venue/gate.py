"""What the broker checks before an order reaches the market: account, asset, own orders, shares and buying power."""

from decimal import ROUND_DOWN, Decimal

from live.sim.clock import MINUTE, local, new_york
from live.sim.errors import Refusal, forbidden, malformed, unacceptable
from live.sim.venue.account import Valuation, held_quantity, valuation
from live.sim.venue.desk import Desk
from live.sim.venue.matching import cushion
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.ticket import Ticket, plain
from live.sim.worlds.tape import Tape, dollars
from live.sim.worlds.world import Asset

_CENT = Decimal("0.01")
_SHORT_MARGIN = Decimal("1.03")
_BEFORE_OPEN, _BEFORE_CLOSE = 2 * MINUTE, 10 * MINUTE


class Gate:
    """Pre-trade checks. Each refuses with the documented status, code, text and extras."""

    def __init__(self, desk: Desk, tape: Tape) -> None:
        self._desk = desk
        self._tape = tape

    def price(self, symbol: str) -> Decimal | None:
        trade = self._tape.last(symbol, self._desk.agenda.now)
        return None if trade is None else dollars(trade.price)

    def valuation(self) -> Valuation:
        """The account at last prices, with what open orders reserve. A position keeps its average price where there is no other."""
        prices = {symbol: self.price(symbol) or held.average for symbol, held in self._desk.account.positions.items()}
        reserved = sum((self.reserve(order) for order in self._desk.open()), ZERO)
        return valuation(self._desk.account, prices, reserved=reserved)

    def reserve(self, order: Order) -> Decimal:
        """Buying power an open order takes away: only orders that open a position, and the larger of old and new while one is replaced."""
        if order.closing or (order.role in ("take_profit", "stop_loss")):
            return ZERO
        own = order.notional - order.filled_value if order.notional is not None else order.remaining * self._unit(order)
        pending = order.successor
        larger = (pending.qty - order.filled_qty) * self._unit(pending) if pending is not None and pending.qty is not None else ZERO
        return max(own, larger, ZERO)

    def intent(self, ticket: Ticket) -> str:
        """Whether the order opens or closes, from the position of this moment."""
        position = self._desk.account.position(ticket.symbol)
        against = position < 0 if ticket.side == "buy" else position > 0
        found = f"{ticket.side}_to_{'close' if against else 'open'}"
        if ticket.intent is not None and ticket.intent != found:
            raise unacceptable(f"position intent mismatch, inferred: {found}, specified: {ticket.intent}")
        return found

    def admit(self, ticket: Ticket, asset: Asset, intent: str) -> None:
        """All checks of a new order, in the broker's order."""
        if self._desk.account.settings["suspend_trade"]:
            raise forbidden("new orders are rejected by user request")
        if not self._desk.account.settings["fractional_trading"] and _fractional(ticket):
            raise forbidden("fractional trading is not enabled for this account")
        self._hours(ticket)
        opening = intent.endswith("open")
        self._family(ticket, opening=opening)
        self._wash(ticket.symbol, ticket.side, ticket.type, ticket.limit_price, exempt=bool(ticket.order_class))
        self._sides(ticket, opening=opening)
        if not opening:
            self._shares(ticket.symbol, ticket.qty or self.portion(ticket.symbol, ticket.notional or ZERO))
            return
        if ticket.side == "sell":
            self._short(ticket, asset)
        cost = self._cost(ticket)
        if _fractional(ticket) and cost < 1:
            raise forbidden("cost basis must be >= minimal amount of order 1")
        self._power(cost)

    def _hours(self, ticket: Ticket) -> None:
        """Auction orders are closed from shortly before their auction until 19:00 New York."""
        session, now = self._tape.session, self._desk.agenda.now
        if ticket.time_in_force not in ("opg", "cls") or new_york(now).date() != session.date:
            return
        opening = ticket.time_in_force == "opg"
        deadline = session.open - _BEFORE_OPEN if opening else session.close - _BEFORE_CLOSE
        if deadline <= now < local(session.date, 19):
            raise malformed(f"{ticket.time_in_force} orders must be submitted after 19:00 and before {new_york(deadline):%H:%M}")

    def admit_replacement(self, old: Order, new: Order) -> None:
        """The shares and the buying power that the successor needs beyond its predecessor."""
        self._wash(new.symbol, new.side, new.type, new.limit_price, exempt=new.group is not None or old.group is not None)
        if new.closing and new.qty is not None and new.qty > (old.qty or ZERO):
            self._shares(new.symbol, new.qty - (old.qty or ZERO))
        if (not new.closing and old.group is None) or old.role == "entry":
            needed = new.remaining * self._unit(new)
            self._power(max(needed - self.reserve(old), ZERO))

    def portion(self, symbol: str, notional: Decimal) -> Decimal:
        """Shares that a sale for so many dollars takes from a position, fixed when it is sent so that it can never sell more than there is."""
        price = self.price(symbol)
        if price is None:
            raise unacceptable(f"no price available for {symbol}")
        return max((notional / price).quantize(Decimal("1e-9"), ROUND_DOWN), Decimal("1e-9"))

    def _family(self, ticket: Ticket, *, opening: bool) -> None:
        if ticket.order_class in ("bracket", "oto") and not opening:
            raise unacceptable(f"{ticket.order_class} orders must be entry orders")
        if ticket.order_class == "oco":
            if opening:
                raise unacceptable("oco orders must be exit orders")
            self._pair(ticket)
        elif ticket.order_class:
            self._distance(ticket)

    def _pair(self, ticket: Ticket) -> None:
        profit, loss = ticket.profit_limit or ZERO, ticket.loss_stop or ZERO
        if (profit - loss) * (1 if ticket.side == "sell" else -1) < _CENT:
            word = ">=" if ticket.side == "sell" else "<="
            sign = "+" if ticket.side == "sell" else "-"
            raise unacceptable(f"take_profit.limit_price must be {word} stop_loss.stop_price {sign} 0.01")

    def _distance(self, ticket: Ticket) -> None:
        """Legs must lie on their side of the entry's price by a cent."""
        base = ticket.limit_price if ticket.type == "limit" else self.price(ticket.symbol)
        if base is None:
            raise unacceptable(f"no price available for {ticket.symbol}")
        long = ticket.side == "buy"
        above, below = f">= base_price + {_CENT}", f"<= base_price - {_CENT}"
        if ticket.profit_limit is not None and (ticket.profit_limit - base) * (1 if long else -1) < _CENT:
            raise unacceptable(f"take_profit.limit_price must be {above if long else below}", base_price=plain(base))
        if ticket.loss_stop is not None and (base - ticket.loss_stop) * (1 if long else -1) < _CENT:
            raise unacceptable(f"stop_loss.stop_price must be {below if long else above}", base_price=plain(base))

    def _wash(self, symbol: str, side: str, kind: str, limit: Decimal | None, *, exempt: bool) -> None:
        """Two plain orders of one account that could trade with each other."""
        if exempt or kind == "trailing_stop":
            return
        for order in self._desk.open(symbol):
            if order.side == side or order.group is not None or order.type == "trailing_stop":
                continue
            limits = limit is not None and order.limit_price is not None
            if limits and limit is not None and order.limit_price is not None:
                bought, sold = (limit, order.limit_price) if side == "buy" else (order.limit_price, limit)
                if bought < sold:
                    continue
            word = "market/stop" if order.type in ("market", "stop") else "limit"
            raise forbidden(
                "potential wash trade detected. use complex orders",
                existing_order_id=order.id,
                reject_reason=f"opposite side {word} order exists",
            )

    def _sides(self, ticket: Ticket, *, opening: bool) -> None:
        """What the wash rule exempts may not open both sides of a symbol: exits of one would protect shares that the other has sold.

        The broker refuses two plain orders that open both sides too; here the documented wash rule judges those.
        """
        for order in self._desk.open(ticket.symbol):
            if not opening or order.closing or order.side == ticket.side:
                continue
            if ticket.order_class or order.group is not None or "trailing_stop" in (ticket.type, order.type):
                words = "long buy while a short sell" if ticket.side == "buy" else "short sell while a long buy"
                raise forbidden(f"cannot open a {words} order is open")

    def _shares(self, symbol: str, wanted: Decimal) -> None:
        position = self._desk.account.position(symbol)
        exits = [order for order in self._desk.open(symbol) if order.sign * position < 0]
        held = held_quantity(symbol, position, exits)
        free = abs(position) - held
        if wanted <= free:
            return
        raise forbidden(
            f"insufficient qty available for order (requested: {plain(wanted)}, available: {plain(free)})",
            symbol=symbol,
            existing_qty=plain(abs(position)),
            held_for_orders=plain(held),
            available=plain(free),
            related_orders=[order.id for order in exits if order.group is None or (order in order.group.exits and order.group.armed)],
        )

    def _short(self, ticket: Ticket, asset: Asset) -> None:
        if self._desk.account.settings["no_shorting"] or self.valuation().multiplier == 1:
            raise forbidden("account is not allowed to short")
        if not asset.borrowable:
            raise forbidden(f'asset "{asset.symbol}" cannot be sold short')
        if _fractional(ticket):
            raise malformed("fractional orders cannot be sold short")

    def _power(self, cost: Decimal) -> None:
        power = self.valuation().buying_power
        if cost > power:
            raise forbidden("insufficient buying power", buying_power=plain(power.quantize(_CENT)), cost_basis=plain(cost.quantize(_CENT)))

    def _cost(self, ticket: Ticket) -> Decimal:
        if ticket.notional is not None:
            return ticket.notional
        limit = ticket.profit_limit if ticket.order_class == "oco" else ticket.limit_price
        return (ticket.qty or ZERO) * self._basis(ticket.symbol, ticket.side, limit, ticket.stop_price)

    def _unit(self, order: Order) -> Decimal:
        return self._basis(order.symbol, order.side, order.limit_price, order.stop_price)

    def _basis(self, symbol: str, side: str, limit: Decimal | None, stop: Decimal | None) -> Decimal:
        """Dollars a share to reserve: the limit, or the price with a cushion; for short sales at least 3 % above the ask."""
        if side == "buy" and limit is not None:
            return limit
        trade = self._tape.last(symbol, self._desk.agenda.now)
        if trade is None:
            if limit is None and stop is None:
                raise unacceptable(f"no price available for {symbol}")
            return limit or stop or ZERO
        ask = dollars(trade.ask or trade.price)
        if side == "buy":
            return cushion(stop if stop is not None else ask)
        return max(limit or ZERO, ask * _SHORT_MARGIN)


def tradable(asset: Asset | None, ticket: Ticket) -> Asset:
    """Raises Refusal for an unknown asset, or a fraction of one that cannot be split."""
    if asset is None:
        raise unacceptable(f'asset "{ticket.symbol}" not found')
    if not asset.tradable:
        raise unacceptable(f"asset {asset.symbol} is not tradable")
    if _fractional(ticket) and not asset.fractionable:
        raise unacceptable(f'asset "{ticket.symbol}" is not fractionable')
    return asset


def _fractional(ticket: Ticket) -> bool:
    return ticket.notional is not None or (ticket.qty is not None and ticket.qty != ticket.qty.to_integral_value())


def unchangeable(order: Order) -> Refusal | None:
    """Why an order cannot be replaced in its state, if so."""
    if order.status == "replaced":
        return unacceptable("order already replaced")
    if order.status == "pending_new" and order.replaces is not None:
        return unacceptable("order chain not fully replaced")
    if order.status not in ("new", "partially_filled", "held"):
        return unacceptable(f"cannot replace order in {order.status} status")
    return None
