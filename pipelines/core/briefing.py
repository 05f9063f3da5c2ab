"""The briefing: all that the night hands to the morning, and the only thing.

The pipeline publishes it, versioned and immutable; the runner reads it once before the open. The version is on every order.
"""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from pipelines.core.learning.scorer import Scorer
from pipelines.core.market.session import Session, nanoseconds
from pipelines.core.market.slippage import Slippage
from pipelines.core.risk.regimes import Regime

UNKNOWN_SECTOR = "Unknown"
RETURN_SESSIONS = 60


class Origin(StrEnum):
    """Where prices come from: real vendors, a recorded real market served again, or an invented one."""

    VENDOR = "vendor"
    RECORDED = "recorded"
    GENERATED = "generated"


class SymbolBrief(BaseModel):
    """What is known of one symbol before the open. Prices in dollars; None is unknown, never zero."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")  # a seed may hold infinities, which JSON has no number for

    symbol: str
    name: str
    exchange: str
    sector: str
    tradable: bool
    shortable: bool
    history: int
    """Daily bars in the lake up to the data session."""
    close: float | None
    """Close of the data session, on the share scale of `session`: a split of that morning is in it."""
    atr: float | None
    """Wilder's average true range over 14 sessions, dollars; None below 15 daily bars."""
    beta: float | None
    adv: float | None
    """Mean volume of the last 20 sessions, shares."""
    sigma: float | None = None
    """Volatility of a day, the root mean square of the last 20 log returns."""
    spread: float | None = None
    """Estimated bid-ask spread, fraction of the price (`core.market.liquidity`)."""
    cluster: int | None = None
    """Number of the group of names that move together (`core.risk.clusters`)."""
    returns: tuple[float | None, ...]
    """Daily log returns of the last 60 sessions, oldest first, aligned with every other symbol's."""
    seed: tuple[float, ...] | None
    """Minute indicators after the last minute bar in the lake (`core.market.indicators`, state layout there)."""


class Candidate(BaseModel):
    """One line of the watchlist: why this symbol is worth watching, in words with numbers."""

    model_config = ConfigDict(frozen=True)

    rank: int
    symbol: str
    score: float
    reasons: tuple[str, ...]
    news_free: bool | None = None
    """Whether no news explains its moves; None where no source of news was asked."""


class Severity(StrEnum):
    """What a failed check does: nothing is published; it is published and the runner starts in REDUCING; it is said."""

    BLOCKING = "blocking"
    REDUCING = "reducing"
    ADVICE = "advice"


class CheckResult(BaseModel):
    """One data check as it stood when the briefing was made."""

    model_config = ConfigDict(frozen=True)

    name: str
    asset: str
    passed: bool
    severity: Severity
    detail: str


class Briefing(BaseModel):
    """Everything that the runner needs to know on the morning of `session`."""

    model_config = ConfigDict(frozen=True)

    version: str
    session: date
    open: datetime
    close: datetime
    data_session: date
    """The last session whose bars are in it: the exchange session before `session`."""
    created_at: datetime
    origin: Origin
    feed: str
    benchmark: str
    regime: Regime
    slippage: Slippage | None = None
    """What an order costs beside its price: with a symbol's spread, sigma and adv it gives the expected cost."""
    scorers: dict[str, Scorer] = {}
    """By strategy, those that held on sessions they had not seen; what `MIN_SCORE` asks."""
    symbols: dict[str, SymbolBrief]
    watchlist: tuple[Candidate, ...]
    checks: tuple[CheckResult, ...]
    inputs: dict[str, str]
    """Asset name to the hash of what it held."""

    @property
    def blocked(self) -> list[str]:
        """Why nobody may trade on it: names of the blocking checks that failed."""
        return [check.name for check in self.checks if check.severity is Severity.BLOCKING and not check.passed]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the session has to start in REDUCING: each failed check of that severity in words. Empty: no reason to."""
        failed = (check for check in self.checks if check.severity is Severity.REDUCING and not check.passed)
        return tuple(f"{check.asset} {check.name}: {check.detail}" for check in failed)

    @property
    def hours(self) -> Session:
        """The session's edges in nanoseconds."""
        return Session(self.session, nanoseconds(self.open), nanoseconds(self.close))
