"""What can happen to the engine. One union, one queue: market, broker, people and time come through the same door.

Every event carries `at`, nanoseconds UTC: the only clock that the engine knows. `kind` is its name in the journal.
"""

from enum import StrEnum

from msgspec import Struct

from pipelines.core.market.bars import Bar, Print, Quote
from pipelines.core.trading.commands import Instruction
from pipelines.core.trading.orders import Side, Status


class Happening(Struct, frozen=True, gc=False, tag_field="kind"):
    """The root of every event."""

    @property
    def kind(self) -> str:
        """Its name in the journal."""
        return str(self.__struct_config__.tag)


class MarketBar(Happening, frozen=True, tag="bar", gc=False):
    """A minute bar, received at `at`. `late` bars (back-filled after a gap) update indicators and never cause an entry."""

    bar: Bar
    feed: str
    at: int
    late: bool = False


class RevisedBar(Happening, frozen=True, tag="revised"):
    """A minute bar told again because late trades changed it. Indicators are put right; no signal fires a second time."""

    bar: Bar
    feed: str
    at: int


class MarketTrade(Happening, frozen=True, tag="trade", gc=False):
    """A trade of the market."""

    trade: Print
    feed: str
    at: int


class MarketQuote(Happening, frozen=True, tag="quote", gc=False):
    """A change of the best bid or ask."""

    quote: Quote
    feed: str
    at: int


class Halt(Happening, frozen=True, tag="halt"):
    """Trading in a symbol stopped or went on; `reason` is the exchange's own code with its words."""

    symbol: str
    halted: bool
    reason: str
    at: int


class Band(Happening, frozen=True, tag="band"):
    """Limit-up limit-down: no trade outside [low, high] is allowed from now on. Dollars."""

    symbol: str
    low: float
    high: float
    at: int


class Taint(Happening, frozen=True, tag="taint"):
    """Something said of a symbol was taken back or contradicted: a cancelled trade, vendors that disagree. No entries until `until`.

    An empty `symbol` is all of them: our own clock is in doubt, or we were not there to hear. One whose `until` is past takes back what was said
    with the same `detail`.
    """

    symbol: str
    detail: str
    until: int
    at: int


class Alarm(Happening, frozen=True, tag="alarm"):
    """Something that a watcher beside the engine found at the broker or in the machine. It changes nothing by itself; people hear of it."""

    code: str
    detail: str
    at: int


class Tick(Happening, frozen=True, tag="tick", gc=False):
    """Time passed. Deadlines are kept on these, so that they hold when the market says nothing."""

    at: int


class OrderUpdate(Happening, frozen=True, tag="order"):
    """The broker's word on one order, from its stream or by asking. `filled` and `average` are cumulative: applying one twice changes nothing.

    `price` is the stop or limit price that the order rests at as the broker has it, None where it has none or did not say.
    """

    id: str
    symbol: str
    side: Side
    status: Status
    filled: int
    average: float | None
    at: int
    broker_id: str
    event: str
    price: float | None = None

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


class Action(StrEnum):
    """What was asked of the broker."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    REPLACE = "replace"


class Answer(Happening, frozen=True, tag="answer"):
    """The end of one request: accepted, definitely rejected (with the broker's status and code), or unknown (no answer)."""

    id: str
    request: Action
    outcome: Outcome
    at: int
    code: int | None = None
    message: str = ""


class Command(Happening, frozen=True, tag="command"):
    """An instruction through any door. The same `id` twice is the same instruction."""

    id: str
    instruction: Instruction
    origin: str
    at: int


class FeedStatus(Happening, frozen=True, tag="feed"):
    """A market data source became healthy or not."""

    feed: str
    healthy: bool
    detail: str
    at: int


class Holding(Struct, frozen=True):
    """A position as the broker has it; `quantity` is signed."""

    symbol: str
    quantity: int
    average: float


class AccountState(Happening, frozen=True, tag="account"):
    """The broker's account at the start of a session or at a reconciliation. Dollars."""

    equity: float
    cash: float
    buying_power: float
    holdings: tuple[Holding, ...]
    at: int


Market = MarketBar | RevisedBar | MarketTrade | MarketQuote | Halt | Band | Taint
"""What the market says."""

Event = Market | Alarm | Tick | OrderUpdate | Answer | Command | FeedStatus | AccountState
