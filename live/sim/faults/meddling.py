"""Faults of matching: executions by script, fills that never come, cancels that do not land. Implements what the venue asks a meddler."""

from decimal import Decimal
from functools import partial

from live.sim.clock import DAY, MILLISECOND, SECOND
from live.sim.faults.fault import Fault, exact
from live.sim.faults.points import Point, facts_of
from live.sim.faults.registry import Registry
from live.sim.faults.timed import Timed
from live.sim.venue.agenda import ORDER
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.venue import Venue

_NEVER = 50 * 365 * DAY


class Meddling:
    """Over one venue. Everything it does goes through the venue's own books."""

    def __init__(self, venue: Venue, registry: Registry, timed: Timed) -> None:
        self._venue = venue
        self._registry = registry
        self._timed = timed
        self._scripted: set[str] = set()  # orders whose executions are dictated: the market fills them no more

    def blocks(self, order: Order) -> bool:
        if order.id in self._scripted:
            return True
        return self._registry.lasting(Point.ATTEMPT, facts_of(order), order.id) is not None

    def arrives(self, order: Order) -> None:
        if order.qty is not None and order.id not in self._scripted:
            found = self._registry.first(Point.ARRIVAL, facts_of(order))
            if found is not None:
                self._dictate(order, found.fault)

    def touches(self, order: Order) -> bool:
        found = self._registry.first(Point.TOUCH, facts_of(order))
        if found is not None:
            self._dictate(order, found.fault)
        return found is not None

    def spares(self, order: Order, other: Order) -> bool:
        found = self._registry.first(Point.PAIR, facts_of(other))
        if found is not None:
            other.working = False
            self._at(found.fault.seconds(), other, other.remaining, None)
        return found is not None

    def cancels(self, order: Order, delay: int) -> int:
        """What several faults do to one cancel adds up."""
        lands = delay
        for active in self._registry.match(Point.CANCEL, facts_of(order)):
            if active.fault.name == "match.cancel_stuck":
                lands += _NEVER
            elif active.fault.name == "match.cancel_slow":
                lands += active.fault.seconds()
            elif order.working:
                shares = exact(active.fault.give["shares"])
                self._at(min(MILLISECOND, delay), order, shares or order.remaining, None)
        return lands

    def rejects(self, old: Order) -> bool:
        found = self._registry.first(Point.REPLACE, facts_of(old))
        if found is not None and found.fault.give["fill"] and not old.final:
            self._execute(old, old.remaining, None)
        return found is not None

    def told(self, event: str, order: Order) -> None:
        """Timed faults that wait for this event."""
        for active in self._registry.match(Point.EVENT, {**facts_of(order), "event": event}):
            self._timed.follow(active, order)

    def _dictate(self, order: Order, fault: Fault) -> None:
        self._scripted.add(order.id)
        steps = fault.give.get("fills") or [(0, fault.give["shares"])] if fault.name == "match.partial" else fault.give["fills"]
        last = 0
        for after, shares, *price in steps:
            last = max(last, round(float(after) * SECOND))
            self._at(round(float(after) * SECOND), order, exact(shares), exact(price[0]) if price else None)
        if order.time_in_force in ("ioc", "fok"):
            self._venue.agenda.at(self._venue.now + last, ORDER, partial(self._give_up, order))

    def _at(self, delay: int, order: Order, qty: Decimal, price: Decimal | None) -> None:
        self._venue.agenda.at(self._venue.now + delay, ORDER, partial(self._execute, order, qty, price))

    def _execute(self, order: Order, qty: Decimal, price: Decimal | None) -> None:
        """At the given price, or at the limit, the stop, the quote: the first there is."""
        at = price or order.limit_price or order.stop_price or self._quote(order)
        if order.final or order.remaining <= ZERO or at is None:
            return
        if order.status == "held":
            self._venue.desk.move(order, "new")
        self._venue.matching.force(order, qty, at)

    def _quote(self, order: Order) -> Decimal | None:
        return self._venue.gate.price(order.symbol)

    def _give_up(self, order: Order) -> None:
        if not order.final:
            self._venue.matching.end(order, "canceled")
