"""What the gate asks and answers with: the wish, the book, what is known of the market, and one control as it stood."""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.risk.limits import Limits


class Code(StrEnum):
    """What a control looks at."""

    STATE = "STATE"
    STRATEGY = "STRATEGY"
    BRIEFING = "BRIEFING"
    REGIME = "REGIME"
    RESTRICTED = "RESTRICTED"
    HISTORY = "HISTORY"
    TRADABLE = "TRADABLE"
    SHORTABLE = "SHORTABLE"
    SESSION = "SESSION"
    HALTED = "HALTED"
    TAINTED = "TAINTED"
    STALE_DATA = "STALE_DATA"
    FEED = "FEED"
    PRICE_SCALE = "PRICE_SCALE"
    COLLAR = "COLLAR"
    BAND = "BAND"
    STOP = "STOP"
    SCORE = "SCORE"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    COOLDOWN = "COOLDOWN"
    ENTRIES = "ENTRIES"
    MODEL_ENTRIES = "MODEL_ENTRIES"
    ORDER_RATE = "ORDER_RATE"
    DUPLICATE = "DUPLICATE"
    SELF_CROSS = "SELF_CROSS"
    POSITIONS = "POSITIONS"
    POSITION_SIZE = "POSITION_SIZE"
    ORDER_VALUE = "ORDER_VALUE"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    MODEL_VALUE = "MODEL_VALUE"
    PARTICIPATION = "PARTICIPATION"
    BUDGET = "BUDGET"
    GROSS = "GROSS"
    NET = "NET"
    SECTOR = "SECTOR"
    CORRELATION = "CORRELATION"
    BETA = "BETA"
    CONCENTRATION = "CONCENTRATION"
    HEAT = "HEAT"
    BUYING_POWER = "BUYING_POWER"
    QUANTITY = "QUANTITY"
    SENSE = "SENSE"


OF_EQUITY = frozenset(
    {
        *(Code.DAILY_LOSS, Code.DRAWDOWN, Code.POSITION_SIZE, Code.BUDGET, Code.GROSS, Code.NET),
        *(Code.SECTOR, Code.CORRELATION, Code.BETA, Code.CONCENTRATION, Code.HEAT),
    }
)
"""Controls whose value and limit are fractions of equity."""

DAY = 86_400.0
"""Seconds: a price older than a day is none."""


class Check(Struct, frozen=True):
    """One control as it stood: what was measured, what was allowed, in words with numbers, and where the limit came from."""

    code: Code
    value: float
    limit: float
    passed: bool
    detail: str
    origin: str = ""

    @property
    def measured(self) -> float | None:
        """The value, for people and tables; None where there was nothing to measure: the age of a price that never was."""
        return None if self.code is Code.STALE_DATA and self.value > DAY else self.value


LEAST, DEAREST = 0.0001, 1_000_000.0
"""Dollars: the smallest step of a price, and more than a share has ever cost."""


def senseless(**numbers: float | None) -> dict[str, Check]:
    """Those of a wish's prices, distances and shares that can be none, whoever got them wrong: not above zero, not a number, without end."""
    return {
        name: Check(Code.SENSE, value if math.isfinite(value) else 0.0, LEAST, False, f"expected {name} from {LEAST} on, found {value:g}", "order")
        for name, value in numbers.items()
        if value is not None and not LEAST <= value <= DEAREST
    }


class Facts(Struct, frozen=True):
    """What the market says of a symbol at this moment. Dollars, shares, nanoseconds UTC."""

    price: float
    """The newest price of any kind."""
    seen: int
    """When that price began to hold: a bar's start, a trade's or a quote's time."""
    halted: str = ""
    """Why it is halted; empty where it trades."""
    tainted: str = ""
    low: float = 0.0
    high: float = math.inf
    displayed: float | None = None
    """Shares that the quote shows on the side that would be hit; None where quotes are not followed."""


class Proposal(Struct, frozen=True):
    """An entry that somebody wants. `price` is what it is expected to pay, `stop` the distance to its stop, dollars a share."""

    strategy: str
    symbol: str
    side: int
    quantity: int
    price: float
    stop: float
    facts: Facts
    at: int
    score: float | None = None
    """What the strategy's scorer gives it, 0 to 1; NaN where there is none or a value is missing, None where nobody scores (a person's wish)."""
    model: str = ""
    """The program in whose name a model asks; empty where a person or a strategy does."""


class Exposure(Struct, frozen=True):
    """What one trade may come to at worst: shares held, working and unknown, all as if filled. Dollars, `value` signed."""

    strategy: str
    symbol: str
    value: float
    heat: float


class Book(Struct, frozen=True):
    """The account as the gate sees it. Dollars."""

    equity: float
    start: float
    """Equity at the start of the session."""
    peak: float
    """Highest equity of the session."""
    buying_power: float
    """What is free after all that works or is unknown has filled."""
    state: str
    feeds: Mapping[str, bool]
    """Health of each market data source; none known counts as healthy."""
    exposures: tuple[Exposure, ...]
    budgets: Mapping[str, float]
    """Share of the gross exposure that each strategy may use."""
    stopped: Mapping[str, str]
    """Strategies that may not enter, and why."""
    resting: Mapping[str, tuple[int, int]]
    """Symbols and strategies after a losing streak: losses in a row, and until when they rest."""
    entries: Mapping[str, int]
    """Entries of each strategy today."""
    requests: int
    """Requests made of the broker in the last minute."""
    models: Mapping[str, tuple[int, float]] = {}
    """Entries that models have opened today and their value, by program."""

    @property
    def modelled(self) -> tuple[int, float]:
        """Entries that all of them have opened, and their value."""
        return sum(count for count, _ in self.models.values()), sum(value for _, value in self.models.values())

    @property
    def opened_by(self) -> str:
        """Which programs have opened how much, in brackets."""
        found = ", ".join(f"{name}: {count} for {value:,.2f}" for name, (count, value) in sorted(self.models.items()))
        return f" ({found})" if found else ""


class Ask(Struct, frozen=True):
    """Everything that a control may look at."""

    proposal: Proposal
    book: Book
    briefing: Briefing
    limits: Limits
    correlate: Callable[[str, str], float | None]
    """Correlation of two symbols' daily returns, None where it is unknown."""

    @property
    def brief(self) -> SymbolBrief:
        """What the briefing knows of the symbol; `BRIEFING` has made sure that it does."""
        return self.briefing.symbols[self.proposal.symbol]

    def check(self, code: Code, value: float, limit: float, passed: bool, detail: str, setting: str = "") -> Check:
        """A check that names the setting that its limit came from."""
        return Check(code, float(value), float(limit), passed, detail, setting.upper() or f"briefing {self.briefing.version}")
