"""Orders as the venue keeps them: their states, which changes of state are legal, and the groups that tie legs together."""

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from live.sim.errors import BooksError
from live.sim.worlds.world import Asset

ZERO = Decimal(0)
_STAMPS = {"filled": "filled_at", "expired": "expired_at", "canceled": "canceled_at", "rejected": "failed_at", "replaced": "replaced_at"}
FINAL = frozenset(_STAMPS)
_LIVE = {"partially_filled", "filled", "canceled", "expired", "pending_cancel", "pending_replace"}
_LEGAL: dict[str, set[str]] = {
    "": {"accepted", "pending_new", "held"},
    "accepted": {"pending_new", "new", "pending_cancel", "canceled", "expired", "rejected"},
    "pending_new": {"new", "pending_cancel", "canceled", "expired", "rejected", "held"},
    "held": {"new", "pending_cancel", "pending_replace", "canceled", "expired", "replaced", "rejected"},
    "new": _LIVE,
    "partially_filled": _LIVE,
    "pending_cancel": {"filled", "canceled", "expired"},
    "pending_replace": {"new", "held", "partially_filled", "filled", "canceled", "expired", "replaced"},
}


@dataclass(slots=True, eq=False)
class Order:
    """Money and quantities are exact decimals, times venue nanoseconds. A notional order has no `qty` until its first fill."""

    id: str
    client_order_id: str
    number: int  # in order of arrival
    asset: Asset
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    created_at: int
    expires_at: int
    intent: str
    rng: Random
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    extended_hours: bool = False
    order_class: str = ""
    group: "Group | None" = None
    role: str | None = None
    legs: "list[Order]" = field(default_factory=list)
    parent: "Order | None" = None
    status: str = ""
    updated_at: int = 0
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    filled_at: int | None = None
    expired_at: int | None = None
    canceled_at: int | None = None
    failed_at: int | None = None
    replaced_at: int | None = None
    cancel_requested_at: int | None = None
    cancel_delay: int = 0  # how long the request travels
    replaced_by: str | None = None
    replaces: str | None = None
    history: list[tuple[int, str]] = field(default_factory=list)
    working: bool = False  # arrived in the book: it may be filled
    triggered: bool = False  # a stop that has been reached
    resting: bool = False  # looked at the book once without being marketable: from then on it fills at its own limit
    ready_at: int = 0  # next fill not before
    pieces: list[Decimal] | None = None  # planned executions, drawn at the first one
    budget: Decimal = ZERO  # shares it may still take of what has printed, where participation is limited
    successor: "Order | None" = None  # a replacement under way

    @property
    def symbol(self) -> str:
        return self.asset.symbol

    @property
    def final(self) -> bool:
        return self.status in FINAL

    @property
    def remaining(self) -> Decimal:
        """Zero for a notional order that has not met a price yet."""
        return ZERO if self.qty is None else self.qty - self.filled_qty

    @property
    def claim(self) -> Decimal:
        """Shares it may still take, or its replacement that is under way: the larger of the two. In a group quantities are not the client's."""
        pending = self.successor.qty if self.successor is not None and self.group is None else None
        return self.remaining if pending is None else max(self.remaining, pending - self.filled_qty)

    @property
    def auction(self) -> bool:
        """For the opening or the closing price only."""
        return self.time_in_force in ("opg", "cls")

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def closing(self) -> bool:
        return self.intent.endswith("close")

    @property
    def average(self) -> Decimal | None:
        return (self.filled_value / self.filled_qty).quantize(Decimal("0.000001")) if self.filled_qty else None

    def move(self, status: str, at: int) -> None:
        """Change the state; an illegal change is a fault of the venue and stops it."""
        if status == self.status == "partially_filled":
            self.updated_at = at
            return
        if status not in _LEGAL.get(self.status, set()):
            raise BooksError(f"order {self.id} cannot go from {self.status!r} to {status!r}")
        self.status = status
        self.updated_at = at
        self.history.append((at, status))
        if self.final:
            setattr(self, _STAMPS[status], at)
            self.working = False


@dataclass(slots=True, eq=False)
class Group:
    """Members of a bracket, OCO or OTO order. The exits share one quantity: what they may still sell or buy back together."""

    id: str
    kind: str
    entry: Order | None = None
    take_profit: Order | None = None
    stop_loss: Order | None = None

    @property
    def exits(self) -> list[Order]:
        return [order for order in (self.take_profit, self.stop_loss) if order is not None]

    @property
    def members(self) -> list[Order]:
        return ([self.entry] if self.entry is not None else []) + self.exits

    @property
    def armed(self) -> bool:
        """The exits protect shares that are there."""
        return self.entry is None or self.entry.status == "filled"

    def held(self) -> Decimal:
        """The quantity both exits together still hold: the larger of the two, not the sum."""
        return max((order.claim for order in self.exits if not order.final), default=ZERO) if self.armed else ZERO

    def swap(self, old: Order, new: Order) -> None:
        """A replacement takes the place of its predecessor, which keeps no legs: nobody has two parents."""
        for name in ("entry", "take_profit", "stop_loss"):
            if getattr(self, name) is old:
                setattr(self, name, new)
        new.legs, old.legs = old.legs, []
        for leg in new.legs:
            leg.parent = new
        if old.parent is not None:
            old.parent.legs = [new if leg is old else leg for leg in old.parent.legs if leg is not new]
