"""What the engine answers: data, never deeds. The runner journals each one before it acts on it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from pipelines.core.risk.limits import Check
from pipelines.core.risk.sizing import Step
from pipelines.core.trading.orders import Order, Role, Side


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING takes only orders that reduce risk; HALTED does nothing but protect.

    Doubt moves the state down by itself; only a person moves it up.
    """

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Lineage:
    """What an entry stands on: enough to walk back from any fill to the bars that sized it."""

    strategy: str
    version: str
    briefing: str
    feed: str
    bar: int
    """Start of the deciding bar, nanoseconds UTC."""
    arrival: float
    """Its close: the price that execution is measured against."""
    atr: float
    indicators: dict[str, float]
    sizing: tuple[Step, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Submit:
    """Send this order."""

    order: Order
    role: Role
    trade: str
    reason: str
    at: int
    lineage: Lineage | None = None
    kind: Literal["submit"] = "submit"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel this order, and with it the group it belongs to."""

    id: str
    trade: str
    reason: str
    at: int
    kind: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Refused:
    """A wish that the gate did not let through, with the numbers that stopped it."""

    symbol: str
    side: Side
    wanted: int
    price: float
    strategy: str
    reason: str
    check: Check
    at: int
    lineage: Lineage | None = None
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The trading state moved."""

    before: TradingState
    after: TradingState
    reason: str
    at: int
    kind: Literal["state"] = "state"


@dataclass(frozen=True, slots=True)
class TradeClosed:
    """A round trip ended; dollars before fees, `r` is the profit in units of the risk taken at the entry."""

    trade: str
    symbol: str
    side: Side
    quantity: int
    entry: float
    exit: float
    profit: float
    r: float | None
    reason: str
    opened: int
    at: int
    kind: Literal["closed"] = "closed"


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something that people must hear of and that changes nothing by itself."""

    code: str
    detail: str
    at: int
    numbers: dict[str, float] = field(default_factory=dict)
    kind: Literal["noticed"] = "noticed"


Decision = Annotated[Submit | Cancel | Refused | StateChanged | TradeClosed | Noticed, Field(discriminator="kind")]
