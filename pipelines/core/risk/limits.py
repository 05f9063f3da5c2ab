"""The gate: every order that adds risk passes here, whoever asked for it; an order that reduces risk never does.

Each control names its public source: RTS 6 (Commission Delegated Regulation (EU) 2017/589), SEC rule 15c3-5. Exposure is counted at worst
case: positions, working orders and orders whose outcome is unknown, all as if filled (RTS 6 article 15(2)).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.bars import MINUTE, SECOND


class Limits(BaseModel):
    """Every limit, as a fraction of equity unless its name says otherwise. The names are the environment variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_position_size: float = Field(0.02, gt=0, le=1, description="Largest position in one symbol, fraction of equity (0.02 = 2 %).")
    max_positions: int = Field(20, ge=1, le=500, description="Most symbols held or being entered at once.")
    max_gross_exposure: float = Field(1.0, gt=0, le=4, description="Sum of all positions' values, fraction of equity; 1 means no borrowing.")
    max_sector_exposure: float = Field(0.05, gt=0, le=4, description="Sum of position values in one GICS sector, fraction of equity.")
    max_correlation: float = Field(0.7, gt=0, lt=1, description="Names whose daily returns correlate above this count as one bet.")
    max_correlated_exposure: float = Field(0.08, gt=0, le=4, description="Sum of position values in one such bet, fraction of equity.")
    max_portfolio_heat: float = Field(0.01, gt=0, le=1, description="Loss if every stop were hit at once, fraction of equity.")
    max_daily_loss: float = Field(0.05, gt=0, le=1, description="Loss of the day, realised and open, that closes everything and halts.")
    risk_per_trade: float = Field(0.005, gt=0, le=0.1, description="What one trade may lose at its stop; sets the size before any limit.")
    max_participation: float = Field(0.01, gt=0, le=1, description="Largest order as a share of the symbol's average daily volume.")
    min_history: int = Field(15, ge=15, le=500, description="Daily bars a symbol needs before it may be traded; ATR 14 needs 15.")
    max_gap: float = Field(0.3, gt=0, le=1, description="Largest move since the last daily close, up or down, at which its ATR still holds.")
    stale_after: int = Field(150, ge=61, le=3600, description="Age in seconds, from a bar's start, at which its price is too old for an entry.")
    market_open_buffer: int = Field(5, ge=0, le=390, description="Minutes after the open before the first entry.")
    market_close_buffer: int = Field(15, ge=1, le=390, description="Minutes before the close when all is closed.")
    default_stop_loss: float = Field(0.02, gt=0, lt=1, description="Stop distance, fraction of the price, where ATR is missing.")
    default_take_profit: float = Field(0.04, gt=0, lt=5, description="Target distance, fraction of the price, where ATR is missing.")
    stop_atr: float = Field(1.5, gt=0, le=20, description="Stop distance in daily ATR 14.")
    target_atr: float = Field(3.0, gt=0, le=50, description="Target distance in daily ATR 14.")


class Code(StrEnum):
    """What a check looks at."""

    STATE = "STATE"
    BRIEFING = "BRIEFING"
    REGIME = "REGIME"
    HISTORY = "HISTORY"
    TRADABLE = "TRADABLE"
    SHORTABLE = "SHORTABLE"
    SESSION = "SESSION"
    STALE_DATA = "STALE_DATA"
    PRICE_SCALE = "PRICE_SCALE"
    FEED = "FEED"
    DAILY_LOSS = "DAILY_LOSS"
    DUPLICATE = "DUPLICATE"
    POSITIONS = "POSITIONS"
    POSITION_SIZE = "POSITION_SIZE"
    GROSS = "GROSS"
    SECTOR = "SECTOR"
    CORRELATION = "CORRELATION"
    HEAT = "HEAT"
    BUYING_POWER = "BUYING_POWER"
    QUANTITY = "QUANTITY"


@dataclass(frozen=True, slots=True)
class Check:
    """One control as it stood: what was measured, what was allowed, in words with numbers."""

    code: Code
    value: float
    limit: float
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """An entry that somebody wants. `price` and the `stop` distance in dollars a share."""

    symbol: str
    side: int
    quantity: int
    price: float
    stop: float
    bar: int
    """Start of the bar that gave the price, nanoseconds UTC."""
    at: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one symbol may come to at worst: shares held, working and unknown, all as if filled. Dollars."""

    symbol: str
    value: float
    heat: float


@dataclass(frozen=True, slots=True)
class Book:
    """The account as the gate sees it. Dollars; `exposures` has one entry a symbol."""

    equity: float
    start: float
    """Equity at the start of the session."""
    buying_power: float
    active: bool
    state: str
    feed_healthy: bool
    exposures: dict[str, Exposure]


@dataclass(frozen=True, slots=True)
class Approved:
    """Go ahead with this quantity."""

    quantity: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Reduced:
    """Go ahead with less: `by` is the tightest limit."""

    quantity: int
    wanted: int
    by: Check
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Denied:
    """No: the first limit that stopped it, and all that was checked until then."""

    by: Check
    checks: tuple[Check, ...]


LEAST_SHARE = 0.5
"""An entry cut below this share of what was wanted is not the trade that was meant: it is refused instead."""

Correlate = Callable[[str, str], float | None]
"""Correlation of two symbols' daily returns, None where it is unknown."""


def admit(proposal: Proposal, book: Book, briefing: Briefing, limits: Limits, correlate: Correlate) -> Approved | Reduced | Denied:
    """Pass an entry through every control, permissions first (the cheap and absolute ones), then room in shares."""
    passed: list[Check] = []
    for check in _permissions(proposal, book, briefing, limits):
        if not check.passed:
            return Denied(check, (*passed, check))
        passed.append(check)
    quantity, tightest = proposal.quantity, None
    for check, room in _rooms(proposal, book, briefing, limits, correlate):
        passed.append(check)
        if room < quantity:
            quantity, tightest = max(room, 0), check
    if tightest is None:
        return Approved(quantity, tuple(passed))
    if quantity < max(1.0, LEAST_SHARE * proposal.quantity):
        return Denied(tightest, tuple(passed))
    return Reduced(quantity, proposal.quantity, tightest, tuple(passed))


def _permissions(proposal: Proposal, book: Book, briefing: Briefing, limits: Limits) -> Iterator[Check]:
    """Yes or no, in the order in which a person would ask."""
    symbol, hours = proposal.symbol, briefing.hours
    yield Check(Code.STATE, float(book.active), 1.0, book.active, f"trading state is {book.state}")
    brief = briefing.symbols.get(symbol)
    yield Check(Code.BRIEFING, float(brief is not None), 1.0, brief is not None, f"{symbol} in the briefing {briefing.version}")
    if brief is None:
        return
    regime = briefing.regime
    yield Check(
        Code.REGIME, float(regime.entries), 1.0, regime.entries, f"the {regime.name} regime {'allows' if regime.entries else 'has no'} entries"
    )
    enough = brief.history >= limits.min_history and brief.atr is not None and brief.close is not None
    missing = "" if brief.close is not None or not brief.history else f", none of them on {briefing.data_session}"
    detail = f"{brief.history} of {limits.min_history} daily bars of {symbol}{missing}"
    yield Check(Code.HISTORY, brief.history, limits.min_history, enough, detail)
    yield _scale(proposal, brief, limits)
    yield Check(Code.TRADABLE, float(brief.tradable), 1.0, brief.tradable, f"{symbol} tradable at the broker")
    if proposal.side < 0:
        yield Check(Code.SHORTABLE, float(brief.shortable), 1.0, brief.shortable, f"{symbol} can be sold short")
    since, left = (proposal.at - hours.open) / MINUTE, (hours.close - proposal.at) / MINUTE
    yield Check(Code.SESSION, since, limits.market_open_buffer, since >= limits.market_open_buffer, f"{since:.1f} minutes after the open")
    yield Check(Code.SESSION, left, limits.market_close_buffer, left > limits.market_close_buffer, f"{left:.1f} minutes before the close")
    age = (proposal.at - proposal.bar) / SECOND
    yield Check(Code.STALE_DATA, age, limits.stale_after, age < limits.stale_after, f"the price of {symbol} is from a bar that began {age:.0f} s ago")
    yield Check(Code.FEED, float(book.feed_healthy), 1.0, book.feed_healthy, "market data feed healthy")
    loss = (book.start - book.equity) / book.start
    yield Check(Code.DAILY_LOSS, loss, limits.max_daily_loss, loss < limits.max_daily_loss, f"down {loss:.2%} on the day")
    held = symbol in book.exposures
    yield Check(Code.DUPLICATE, float(held), 0.0, not held, f"{symbol} held or being traded already")
    count = len(book.exposures) + 1
    yield Check(Code.POSITIONS, count, limits.max_positions, count <= limits.max_positions, f"{count} positions with this one")


def _scale(proposal: Proposal, brief: SymbolBrief, limits: Limits) -> Check:
    """A price far from the last daily close: a split overnight, history on another scale, or news that makes yesterday's ATR meaningless."""
    close = brief.close or math.nan
    gap = abs(proposal.price / close - 1)
    detail = f"{proposal.symbol} at {proposal.price:.2f}, last daily close {close:.2f}"
    return Check(Code.PRICE_SCALE, gap, limits.max_gap, gap <= limits.max_gap, detail)


def _rooms(proposal: Proposal, book: Book, briefing: Briefing, limits: Limits, correlate: Correlate) -> Iterator[tuple[Check, int]]:
    """Each limit on a sum, with the shares that it leaves. Values are fractions of equity, this entry at its wanted size included."""
    brief = briefing.symbols[proposal.symbol]
    wanted = proposal.quantity * proposal.price
    others = book.exposures.values()
    sector = [e for e in others if briefing.symbols[e.symbol].sector == brief.sector]
    alike = [e for e in others if (correlate(proposal.symbol, e.symbol) or 0.0) > limits.max_correlation]

    def room(code: Code, used: float, limit: float, detail: str) -> tuple[Check, int]:
        value = (used + wanted) / book.equity
        shares = math.floor((limit * book.equity - used) / proposal.price + 1e-9)
        return Check(code, value, limit, value <= limit, detail), shares

    yield room(Code.POSITION_SIZE, 0.0, limits.max_position_size * briefing.regime.position_multiplier, f"{wanted:,.2f} in {proposal.symbol}")
    yield room(Code.GROSS, sum(e.value for e in others), limits.max_gross_exposure, f"{len(book.exposures)} other positions")
    yield room(Code.SECTOR, sum(e.value for e in sector), limits.max_sector_exposure, f"{brief.sector}: {_names(sector)} and {proposal.symbol}")
    detail = f"correlated above {limits.max_correlation:g}: {_names(alike)} and {proposal.symbol}"
    yield room(Code.CORRELATION, sum(e.value for e in alike), limits.max_correlated_exposure, detail)
    yield _heat(proposal, book, limits.max_portfolio_heat * briefing.regime.heat_multiplier)
    free = book.buying_power
    affordable = math.floor(free / proposal.price + 1e-9)
    yield Check(Code.BUYING_POWER, wanted, free, wanted <= free, f"{wanted:,.2f} of {free:,.2f} free"), affordable


def _heat(proposal: Proposal, book: Book, limit: float) -> tuple[Check, int]:
    used = sum(e.heat for e in book.exposures.values())
    value = (used + proposal.quantity * proposal.stop) / book.equity
    shares = math.floor((limit * book.equity - used) / proposal.stop + 1e-9)
    return Check(Code.HEAT, value, limit, value <= limit, f"{used:,.2f} at risk before, {proposal.stop:.2f} a share more"), shares


def _names(exposures: list[Exposure]) -> str:
    return ", ".join(sorted(e.symbol for e in exposures)) or "nothing"
