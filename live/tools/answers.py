"""What the tools answer. Every answer says whether money is real, and of which session it speaks. Dollars, whole shares, times UTC.

None is unknown, never zero.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Flat = Literal["yes", "no", "pending"]


class Part(BaseModel):
    """The root of everything inside an answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, ser_json_inf_nan="null")


class Answer(Part):
    """The root of every answer."""

    mode: Literal["PAPER", "LIVE", "SIM", "SHADOW"]
    """SIM and PAPER are no real money."""
    session: date
    at: datetime
    """The session's clock at the answer."""


class CheckLine(Part):
    """One control as it stood."""

    code: str
    value: float | None
    limit: float | None
    passed: bool
    detail: str
    source: str
    """The setting or the briefing that the limit came from."""


class SizingStep(Part):
    """One bound on the quantity."""

    bound: str
    shares: int
    detail: str


class Accepted(Answer):
    """What became of a command. `unknown`: no outcome in time; the same key again asks for it, and does nothing twice."""

    id: str
    """The command's key."""
    outcome: Literal["done", "unknown"]
    state: str
    """The trading state after it."""
    detail: str


class Entered(Answer):
    """What became of a wish to enter. Refusals are problems, not answers."""

    id: str
    outcome: Literal["approved", "reduced", "unknown"]
    symbol: str
    side: Literal["buy", "sell"]
    wanted: int | None
    """Shares that were asked for, or that sizing came to."""
    quantity: int
    """Shares of the order; 0 where the outcome is unknown."""
    order: str | None
    trade: str | None
    price: float | None
    """Dollars that it was decided at."""
    stop: float | None
    target: float | None
    cut: CheckLine | None
    """The limit that cut it."""
    checks: tuple[CheckLine, ...]
    sizing: tuple[SizingStep, ...]
    broker: Literal["accepted", "rejected", "unknown", "pending"]
    """What the broker has said of the order so far."""
    detail: str


class Managed(Answer):
    """What became of a change."""

    id: str
    outcome: Literal["done", "unknown"]
    symbol: str
    action: str
    trades: tuple[str, ...]
    quantity: int
    """Shares that will be sold; 0 for other changes."""
    stop: float | None
    target: float | None
    detail: str


class Closed(Answer):
    """Whether a symbol, or the account, is flat by the broker's own books."""

    id: str
    outcome: Literal["done", "unknown"]
    flat: Flat
    """yes: the broker itself reports neither shares nor orders; pending: under way, or the broker did not answer; no: something stays."""
    symbols: tuple[str, ...]
    """What is still held or has an open order."""
    detail: str


class Recorded(Answer):
    """The note is in the journal."""

    id: str
    record: int | None
    """Number of the journal's record; None where it was not seen in time."""
    detail: str


class Previewed(Answer):
    """What an entry would come to now."""

    outcome: Literal["approved", "reduced", "refused"]
    symbol: str
    side: Literal["buy", "sell"]
    wanted: int
    quantity: int
    price: float | None
    stop: float | None
    target: float | None
    risk: float | None
    """Dollars lost at the stop."""
    by: CheckLine | None
    """The limit that cut or stopped it."""
    checks: tuple[CheckLine, ...]
    sizing: tuple[SizingStep, ...]
    detail: str


class Scanned(Part):
    """One symbol worth watching."""

    rank: int
    symbol: str
    score: float
    sector: str
    reasons: tuple[str, ...]
    price: float | None
    change: float | None
    """Fraction since the last daily close."""
    relative_volume: float | None
    rsi: float | None
    vwap: float | None
    atr: float | None
    """Daily, dollars."""
    spread: float | None
    adv: float | None
    held: int
    blocked: str
    """Why it is not entered now; empty where the symbol itself gives no reason."""


class Scan(Answer):
    """The watchlist as of now, best first."""

    candidates: int
    """How many there were before the filters."""
    symbols: tuple[Scanned, ...]


class PositionLine(Part):
    """Shares held; each owner's separately."""

    symbol: str
    owner: str
    """A strategy, `manual`, or `external`: not opened by this session."""
    quantity: int
    """Signed."""
    average: float
    price: float | None
    value: float | None
    profit: float | None
    stop: float | None
    target: float | None
    trail: float | None
    stage: str
    trade: str | None


class Positions(Answer):
    """All that is held."""

    positions: tuple[PositionLine, ...]
    broker: dict[str, int]
    """Signed shares by symbol as the broker last said."""
    broker_at: datetime | None
    agree: bool | None
    """Whether both say the same; None where the broker was not read since shares last moved."""


class OrderLine(Part):
    """One order."""

    id: str
    trade: str | None
    symbol: str
    side: str
    role: str
    shape: str | None
    quantity: int
    filled: int
    average: float | None
    status: str
    price: float | None
    """Where it rests: its limit or stop."""
    strategy: str | None
    submitted_at: datetime | None
    updated_at: datetime | None
    reason: str


class Orders(Answer):
    """A page of orders, the newest first."""

    orders: tuple[OrderLine, ...]
    next: str | None


class Account(Answer):
    """The account by the broker's last word, and the session's own count."""

    number: str
    broker_at: datetime | None
    equity: float | None
    cash: float | None
    buying_power: float | None
    restrictions: tuple[str, ...]
    """Why the broker takes no entries; empty where it does."""
    start: float | None
    """Equity at the start of the session."""
    own_equity: float | None
    """Start plus realised plus open profit, before fees."""
    realised: float | None
    open: float | None


class RiskStatus(Answer):
    """Profit, loss and how much of each limit is in use."""

    state: str
    doubts: tuple[str, ...]
    equity: float | None
    start: float | None
    profit: float | None
    realised: float | None
    open: float | None
    loss: float | None
    """Fraction of the start lost so far today; 0 in a gain."""
    max_daily_loss: float
    drawdown: float | None
    """Fraction below the day's highest equity."""
    heat: float | None
    """Fraction of equity lost if every stop were hit."""
    gross: float | None
    net: float | None
    positions: int
    regime: str
    stopped: dict[str, str]
    """Strategies that may not enter, and why."""
    usage: tuple[CheckLine, ...]


class HealthLine(Part):
    """One thing that has to be so."""

    name: str
    ok: bool
    detail: str


class Health(Answer):
    """Account, clock, connections."""

    ok: bool
    state: str
    account: str
    market_open: bool
    version: str
    briefing: str
    checks: tuple[HealthLine, ...]


class LimitLine(Part):
    """One limit."""

    name: str
    value: float | int | str | bool
    source: str
    """The public rule or practice that it answers to."""
    meaning: str


class LimitsAnswer(Answer):
    """Every limit, and the present use of those that have one."""

    limits: tuple[LimitLine, ...]
    used: tuple[CheckLine, ...]


class FeedLine(Part):
    """One vendor's market data."""

    name: str
    leads: bool
    healthy: bool
    symbols: int
    newest: datetime | None
    """Start of its newest minute bar."""
    lag: float | None
    """Seconds that its bars took, in the middle."""
    detail: str


class Feeds(Answer):
    """Where prices come from."""

    leading: str
    feeds: tuple[FeedLine, ...]
