"""What the engine answers: data, never deeds. The runner journals each one before it acts on it."""

from enum import StrEnum

from msgspec import Struct

from pipelines.core.risk.checks import Check
from pipelines.core.risk.sizing import Step
from pipelines.core.trading.orders import Order, Role, Side


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING takes only orders that reduce risk; HALTED does nothing but protect.

    Doubt moves the state down by itself; only a person moves it up.
    """

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Lineage(Struct, frozen=True):
    """What an entry stands on: enough to walk back from any fill to the bars that sized it."""

    strategy: str
    version: str
    """Hash of the strategy's code and parameters."""
    briefing: str
    feed: str
    bar: int
    """Start of the deciding bar, nanoseconds UTC."""
    arrival: float
    """The price at the decision: what execution is measured against."""
    atr: float | None
    """Daily ATR 14 that the stop stands on; None where the default percentages stood in."""
    indicators: dict[str, float]
    sizing: tuple[Step, ...]
    checks: tuple[Check, ...]

    @property
    def wanted(self) -> int | None:
        """Shares after sizing, before the gate; None where it never came to a size."""
        return self.sizing[-1].shares if self.sizing else None

    def cut(self, reason: str) -> Check | None:
        """The control that made an entry with this reason smaller; None where none did.

        Of several limits that it was over, the one that the reason names has cut it to what it is.
        """
        failed = [check for check in self.checks if not check.passed]
        return next((check for check in failed if f" by {check.code}:" in reason), failed[0] if failed else None)


class Verdict(Struct, frozen=True, tag_field="kind"):
    """The root of every decision."""

    @property
    def kind(self) -> str:
        """Its name in the journal."""
        return str(self.__struct_config__.tag)


class Submit(Verdict, frozen=True, tag="submit"):
    """Send this order."""

    order: Order
    role: Role
    trade: str
    reason: str
    at: int
    lineage: Lineage | None = None


class Replace(Verdict, frozen=True, tag="replace"):
    """Move a resting exit to this price. It keeps our name; the broker gives it a new id."""

    id: str
    symbol: str
    trade: str
    role: Role
    price: float
    reason: str
    at: int


class Cancel(Verdict, frozen=True, tag="cancel"):
    """Cancel this order, and with it the group it belongs to."""

    id: str
    symbol: str
    trade: str
    reason: str
    at: int


class Refused(Verdict, frozen=True, tag="refused"):
    """A wish that was not let through, with the numbers that stopped it."""

    symbol: str
    side: Side
    wanted: int
    price: float
    """0 where none was known yet; then there is no lineage either."""
    strategy: str
    reason: str
    check: Check
    at: int
    lineage: Lineage | None = None
    stop: float | None = None
    """Exits that it would have had, dollars: what became of it afterwards can be looked at."""
    target: float | None = None


class Kept(Verdict, frozen=True, tag="kept"):
    """A change of an open trade that is not made, with what speaks against it. What else was asked is done."""

    trade: str
    symbol: str
    strategy: str
    what: str
    """`stop`, `target`, `trail` or `scale_out`."""
    wanted: float
    """A price or a distance, dollars; a share of what is held; 0 where it was no number."""
    reason: str
    check: Check
    at: int


class StateChanged(Verdict, frozen=True, tag="state"):
    """The trading state moved."""

    before: TradingState
    after: TradingState
    reason: str
    at: int


class TradeClosed(Verdict, frozen=True, tag="closed"):
    """A round trip ended; dollars before fees, `r` is the profit in units of the risk taken at the entry."""

    trade: str
    symbol: str
    strategy: str
    side: Side
    quantity: int
    entry: float
    exit: float
    profit: float
    r: float | None
    reason: str
    opened: int
    at: int


class Noticed(Verdict, frozen=True, tag="noticed"):
    """Something that people must hear of and that changes nothing by itself."""

    code: str
    detail: str
    at: int
    numbers: dict[str, float] = {}


Request = Submit | Replace | Cancel
"""What goes to the broker."""

Decision = Request | Refused | Kept | StateChanged | TradeClosed | Noticed
