"""What can happen to the engine. One union, one queue: market, broker, people and time come through the same door.

Every event carries `at`, nanoseconds UTC: the only clock that the engine knows.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from pipelines.core.market.bars import Bar
from pipelines.core.trading.orders import Side, Status


@dataclass(frozen=True, slots=True)
class MarketBar:
    """A minute bar, received at `at`. `late` bars (back-filled after a gap) update indicators and never cause an entry."""

    bar: Bar
    feed: str
    at: int
    late: bool = False
    kind: Literal["bar"] = "bar"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. Deadlines are kept on these, so that they hold when the market says nothing."""

    at: int
    kind: Literal["tick"] = "tick"


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """The broker's word on one order, from its stream or by asking. `filled` and `average` are cumulative: applying one twice changes nothing."""

    id: str
    symbol: str
    side: Side
    status: Status
    filled: int
    average: float | None
    at: int
    broker_id: str
    event: str
    kind: Literal["order"] = "order"

    def since(self, filled: int, average: float) -> tuple[int, float]:
        """Shares filled beyond those known already, and their price; nothing where this word is no news, or says no price."""
        shares = self.filled - filled
        if shares <= 0 or self.average is None:
            return 0, 0.0
        return shares, (self.average * self.filled - average * filled) / shares


class Outcome(StrEnum):
    """How a request to the broker ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one request: accepted, definitely rejected (with the broker's status and code), or unknown (no answer)."""

    id: str
    request: Literal["submit", "cancel"]
    outcome: Outcome
    at: int
    code: int | None = None
    message: str = ""
    kind: Literal["answer"] = "answer"


class Action(StrEnum):
    """What a person, a tool or the engine itself can order."""

    FLATTEN = "flatten"
    HALT = "halt"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Command:
    """An instruction through any door. The same `id` twice is the same instruction."""

    id: str
    action: Action
    origin: str
    at: int
    kind: Literal["command"] = "command"


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A market data source became healthy or not."""

    feed: str
    healthy: bool
    detail: str
    at: int
    kind: Literal["feed"] = "feed"


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as the broker has it; `quantity` is signed."""

    symbol: str
    quantity: int
    average: float


@dataclass(frozen=True, slots=True)
class AccountState:
    """The broker's account at the start of a session or at a reconciliation. Dollars."""

    equity: float
    cash: float
    buying_power: float
    holdings: tuple[Holding, ...]
    at: int
    kind: Literal["account"] = "account"


Event = Annotated[MarketBar | Tick | OrderUpdate | Answer | Command | FeedStatus | AccountState, Field(discriminator="kind")]
