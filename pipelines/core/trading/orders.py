"""Orders as we mean them: what is asked of a broker, and what each order is for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from pipelines.core.compiled import shared
from pipelines.core.errors import DataError
from pipelines.core.market.bars import SECOND

PACE = SECOND
"""Least time between two replacements of an exit, or two protections: a broker that undoes what it is asked for must not be asked for ever."""


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    sign: int
    """+1 for a buy, -1 for a sell: what a fill does to the position."""

    def __init__(self, word: str) -> None:
        self.sign = 1 if word == "buy" else -1

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    EXIT = "exit"


class Status(StrEnum):
    """An order's life as far as decisions depend on it; the broker's finer statuses are folded into these."""

    SENT = "sent"  # journaled and handed to the broker: counts as live
    UNKNOWN = "unknown"  # no answer came: counts as live until the broker says otherwise
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        """Nothing can happen to this order any more."""
        return self in FINAL


FINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED})


class Shape(StrEnum):
    """How an order is put to the broker. An entry is a market order, or a limit order where it has a `limit`."""

    BRACKET = "bracket"  # entry with a target and a stop that wait for its complete fill
    OTO = "oto"  # entry with a stop only, which waits for its complete fill
    OCO = "oco"  # target and stop for shares already held: one cancels the other
    STOP = "stop"  # a stop for shares already held, where there is no target
    SIMPLE = "simple"  # nothing attached


class Order(Struct, frozen=True):
    """One order request. Prices in dollars, already on the tick; quantities in whole shares.

    `id` is our deterministic client order id. The legs of a bracket have ids of the broker's; we name them `<id>/target` and `<id>/stop`.
    An OCO's target carries `id` itself, its stop is `<id>/stop` (at Alpaca the target is the parent). A lone stop carries `id` itself.
    """

    id: str
    symbol: str
    side: Side
    quantity: int
    shape: Shape
    limit: float | None = None
    target: float | None = None
    stop: float | None = None

    def members(self, role: Role) -> tuple[tuple[str, Role, Side], ...]:
        """Every order that this one request puts into the market: our name for it, what it is for, its side."""
        match self.shape:
            case Shape.BRACKET:
                return ((self.id, role, self.side), *((leg(self.id, r), r, self.side.opposite) for r in (Role.TARGET, Role.STOP)))
            case Shape.OTO:
                return ((self.id, role, self.side), (leg(self.id, Role.STOP), Role.STOP, self.side.opposite))
            case Shape.OCO:
                return ((self.id, Role.TARGET, self.side), (leg(self.id, Role.STOP), Role.STOP, self.side))
            case Shape.STOP:
                return ((self.id, Role.STOP, self.side),)
            case Shape.SIMPLE:
                return ((self.id, role, self.side),)


@dataclass(slots=True)
class Working:
    """One order of a trade as last heard of. `group` is the request that it came with, `price` where it rests."""

    id: str
    role: Role
    side: Side
    quantity: int
    since: int
    group: str
    price: float | None = None
    status: Status = Status.SENT
    filled: int = 0
    average: float = 0.0
    moving: tuple[int, float] | None = None
    """When a replacement was asked for, and to which price."""
    replaced: int = -PACE
    """When a replacement was last asked for."""
    refusals: int = 0
    """Replacements refused since the last one that was not."""

    @property
    def live(self) -> bool:
        """It may still fill."""
        return not self.status.final

    @property
    def left(self) -> int:
        """Shares that it may still fill."""
        return self.quantity - self.filled


def covered(orders: Iterable[Working]) -> int:
    """Shares that stops among these sell."""
    return sum(o.left for o in orders if o.role is Role.STOP)


def bare(orders: Sequence[Working]) -> list[Working]:
    """Those of these exits whose stop has died without them."""
    stopped = {o.group for o in orders if o.role is Role.STOP}
    return [o for o in orders if o.group not in stopped]


def leg(order_id: str, role: Role) -> str:
    """Our name for a leg of a bracket, an OTO or an OCO."""
    return f"{order_id}/{role}"


@shared
def tick(price: float) -> float:
    """The least price step: a cent from one dollar on, a hundredth of a cent below (SEC rule 612)."""
    return 0.01 if price >= 1.0 else 0.0001


def on_tick(price: float, toward: int) -> float:
    """The price on the exchange's tick.

    `toward` is +1 to round up, -1 down: a protective price is rounded so that it triggers sooner.
    """
    if not price > 0:
        raise DataError(f"expected a price above zero, found {price}")
    return rounded(price, toward)


@shared
def rounded(price: float, toward: int) -> float:
    """`on_tick` of a price above zero."""
    scale = 100 if price >= 1.0 else 10_000
    scaled = price * scale
    nearest = round(scaled)
    # A price that is on the tick but for float noise stays there.
    if abs(scaled - nearest) < 1e-6:
        return nearest / scale
    whole = int(scaled)
    return (whole + 1 if toward > 0 else whole) / scale
