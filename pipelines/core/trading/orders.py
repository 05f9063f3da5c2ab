"""Orders as we mean them: what is asked of a broker, and what each order is for."""

from dataclasses import dataclass
from enum import StrEnum

from pipelines.core.errors import DataError


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill does to the position."""
        return 1 if self is Side.BUY else -1

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
        return self in {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REJECTED}


class Shape(StrEnum):
    """How an order is put to the broker."""

    BRACKET = "bracket"  # market entry with a target and a stop that wait for its complete fill
    OCO = "oco"  # target and stop for shares already held: one cancels the other
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class Order:
    """One order request. Prices in dollars, already on the tick; quantities in whole shares.

    `id` is our deterministic client order id. The legs of a bracket have ids of the broker's; we name them `<id>/target` and `<id>/stop`.
    An OCO's target carries `id` itself, its stop is `<id>/stop` (at Alpaca the target is the parent).
    """

    id: str
    symbol: str
    side: Side
    quantity: int
    shape: Shape
    target: float | None = None
    stop: float | None = None


def leg(order_id: str, role: Role) -> str:
    """Our name for a leg of a bracket or an OCO."""
    return f"{order_id}/{role}"


def on_tick(price: float, toward: int) -> float:
    """The price on the exchange's tick: a cent from one dollar on, a hundredth of a cent below (SEC rule 612).

    `toward` is +1 to round up, -1 down: a protective price is rounded so that it triggers sooner.
    """
    if not price > 0:
        raise DataError(f"expected a price above zero, found {price}")
    scale = 100 if price >= 1.0 else 10_000
    scaled = price * scale
    nearest = round(scaled)
    # A price that is on the tick but for float noise stays there.
    if abs(scaled - nearest) < 1e-6:
        return nearest / scale
    whole = int(scaled)
    return (whole + 1 if toward > 0 else whole) / scale
