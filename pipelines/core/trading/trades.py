"""One round trip in one symbol, from the entry to flat, whatever the broker does in between.

`advance` looks at what is and says what is missing; it is called after every update and on every tick, so a lost message, a refused order
or a restart need no path of their own. What it keeps true: shares held are protected by a working stop or are being sold.
A bracket's legs are dead until the entry has filled completely, and die with any member of their group: shares of a half-filled
entry are protected here, by an OCO for exactly what was filled.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.core.market.bars import SECOND
from pipelines.core.trading.decisions import Cancel, Decision, Lineage, Noticed, Submit, TradeClosed
from pipelines.core.trading.events import OrderUpdate
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, leg

PATIENCE = 8 * SECOND
"""How long an entry may stay partly filled, naked, before the rest is cancelled and what is there gets its own protection."""

AGAIN = 5 * SECOND
"""How long a cancel or a failed exit may take before it is asked for again."""


class Stage(StrEnum):
    """Where a trade stands."""

    ENTERING = "entering"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(slots=True)
class Working:
    """One order of a trade as last heard of."""

    id: str
    role: Role
    quantity: int
    since: int
    status: Status = Status.SENT
    filled: int = 0
    average: float = 0.0
    refused: int | None = None
    """When the broker refused it."""

    @property
    def live(self) -> bool:
        """It may still fill."""
        return not self.status.final


@dataclass(slots=True)
class Trade:
    """A round trip. `stop` and `target` are prices on the tick, quantities are unsigned shares in the trade's direction."""

    id: str
    symbol: str
    side: Side
    quantity: int
    stop: float
    target: float
    lineage: Lineage
    stage: Stage = Stage.ENTERING
    orders: dict[str, Working] = field(default_factory=dict)
    entered: int = 0
    paid: float = 0.0
    left: int = 0
    received: float = 0.0
    opened: int = 0
    touched: int = 0
    """When shares last moved."""
    asked: int | None = None
    """When a cancel was last asked for, since the last order was sent."""
    generation: int = 0
    exit_reason: str = ""

    @property
    def held(self) -> int:
        """Shares in the trade's direction; below zero only if both exits filled."""
        return self.entered - self.left

    @property
    def worst(self) -> int:
        """Shares if everything that still adds risk fills."""
        return self.held + sum(o.quantity - o.filled for o in self.orders.values() if o.role is Role.ENTRY and o.live)

    def enter(self, reason: str, at: int) -> Submit:
        """The bracket that opens the trade."""
        order = Order(f"{self.id}-entry", self.symbol, self.side, self.quantity, Shape.BRACKET, self.target, self.stop)
        self._track(order.id, Role.ENTRY, self.quantity, at)
        for role in (Role.TARGET, Role.STOP):
            self._track(leg(order.id, role), role, self.quantity, at)
        return Submit(order, Role.ENTRY, self.id, reason, at, self.lineage)

    def update(self, update: OrderUpdate) -> tuple[int, float]:
        """Take in the broker's word; the newly filled shares (unsigned) and their price. Stale and repeated words change nothing."""
        order = self.orders[update.id]
        shares, price = update.since(order.filled, order.average)
        if shares:
            order.filled, order.average = update.filled, update.average or 0.0
            self._book(order.role, shares, price, update.at)
        if order.live:
            order.status = update.status
        if order.role is Role.ENTRY and order.status.final and order.status is not Status.FILLED:
            self._bury_legs(order.id)
        return shares, price

    def refuse(self, order_id: str, at: int) -> None:
        """The broker refused this order for good."""
        order = self.orders[order_id]
        order.status, order.refused = Status.REJECTED, at
        self._bury_legs(order_id)
        if order.role in {Role.TARGET, Role.STOP}:
            self.close("protection refused", at)

    def close(self, reason: str, at: int) -> None:
        """From now on the trade wants to be flat."""
        if self.stage in {Stage.ENTERING, Stage.OPEN}:
            self.stage, self.exit_reason = Stage.CLOSING, reason

    def advance(self, at: int) -> list[Decision]:
        """What has to be done now to bring the trade where it should be; nothing where it is already under way."""
        if self.stage is Stage.ENTERING:
            return self._entering(at)
        if self.stage is Stage.OPEN:
            return self._open(at)
        if self.stage is Stage.CLOSING:
            return self._closing(at)
        return []

    def _entering(self, at: int) -> list[Decision]:
        entry = next(o for o in self.orders.values() if o.role is Role.ENTRY)
        if entry.live:
            waiting = self.opened if self.entered else entry.since
            return self._cancel([entry], "entry not filled in time", at) if at - waiting >= PATIENCE else []
        if not self.entered:
            self.stage = Stage.CLOSED
            return []
        self.stage = Stage.OPEN
        return self._open(at)

    def _open(self, at: int) -> list[Decision]:
        live = [o for o in self.orders.values() if o.live]
        if self.held == 0:
            # The other half of the pair is dying by itself; only if it does not is it cancelled.
            if not live:
                return self._closed(at)
            return self._cancel(live, "its pair has filled", at) if at - self.touched >= AGAIN else []
        if self.held < 0:
            self.close("both exits filled", at)
            return [Noticed("BOTH_EXITS_FILLED", f"{self.symbol}: {-self.held} shares on the wrong side", at), *self._closing(at)]
        if any(o.role is Role.STOP for o in live):
            return []
        if live:
            return self._cancel(live, "a target without its stop", at)
        return [self._protect(at)]

    def _closing(self, at: int) -> list[Decision]:
        live = [o for o in self.orders.values() if o.live]
        exits = [o for o in live if o.role is Role.EXIT]
        if exits:
            return []
        if live:
            return self._cancel(live, self.exit_reason, at)
        if self.held == 0:
            return self._closed(at) if self.entered else self._stillborn()
        if any(o.refused is not None and at - o.refused < AGAIN for o in self.orders.values() if o.role is Role.EXIT):
            return []
        return [self._exit(at)]

    def _protect(self, at: int) -> Submit:
        self.generation += 1
        order = Order(f"{self.id}-protect{self.generation}", self.symbol, self.side.opposite, self.held, Shape.OCO, self.target, self.stop)
        self._track(order.id, Role.TARGET, self.held, at)
        self._track(leg(order.id, Role.STOP), Role.STOP, self.held, at)
        return Submit(order, Role.STOP, self.id, f"protect {self.held} shares held without a stop", at)

    def _exit(self, at: int) -> Submit:
        self.generation += 1
        side = self.side.opposite if self.held > 0 else self.side
        order = Order(f"{self.id}-exit{self.generation}", self.symbol, side, abs(self.held), Shape.MARKET)
        self._track(order.id, Role.EXIT, abs(self.held), at)
        return Submit(order, Role.EXIT, self.id, self.exit_reason, at)

    def _cancel(self, orders: list[Working], reason: str, at: int) -> list[Decision]:
        """Cancel a group by its first member that can be cancelled, and every member again while that has not helped."""
        if self.asked is not None and at - self.asked < AGAIN:
            return []
        again, self.asked = self.asked is not None, at
        if again:
            return [Cancel(o.id, self.id, f"{reason} (again)", at) for o in orders]
        first = min(orders, key=lambda o: (o.role is not Role.ENTRY, o.role is not Role.TARGET))
        return [Cancel(first.id, self.id, reason, at)]

    def _closed(self, at: int) -> list[Decision]:
        self.stage = Stage.CLOSED
        entry, out = self.paid / self.entered, self.received / self.left
        profit = (self.received - self.paid) * self.side.sign
        risk = abs(entry - self.stop) * self.entered
        reason = self.exit_reason or self._which_exit()
        r = profit / risk if risk > 0 else None
        return [TradeClosed(self.id, self.symbol, self.side, self.entered, entry, out, profit, r, reason, self.opened, at)]

    def _stillborn(self) -> list[Decision]:
        self.stage = Stage.CLOSED
        return []

    def _which_exit(self) -> str:
        return " and ".join(sorted({o.role.value for o in self.orders.values() if o.filled and o.role is not Role.ENTRY}))

    def _book(self, role: Role, shares: int, price: float, at: int) -> None:
        self.touched = at
        if role is Role.ENTRY:
            self.opened = self.opened or at
            self.entered += shares
            self.paid += shares * price
        else:
            self.left += shares
            self.received += shares * price

    def _bury_legs(self, order_id: str) -> None:
        """A group dies as a whole: its legs will never fill, whether or not the broker says so."""
        for role in (Role.TARGET, Role.STOP):
            other = self.orders.get(leg(order_id, role))
            if other and other.live:
                other.status = Status.CANCELED

    def _track(self, order_id: str, role: Role, quantity: int, at: int) -> None:
        self.orders[order_id] = Working(order_id, role, quantity, at)
        self.asked = None
