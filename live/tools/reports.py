"""What the tools answer about what has happened: decisions, events, explanations, figures of many sessions. Rules as in `answers.py`."""

from datetime import date, datetime
from typing import Any, Literal

from live.tools.answers import Answer, CheckLine, Part, SizingStep


class LogLine(Part):
    """One decision."""

    seq: int
    at: datetime
    kind: str
    symbol: str | None
    code: str | None
    value: float | None
    limit: float | None
    detail: str


class TradeLog(Answer):
    """A page of decisions, the newest first."""

    entries: tuple[LogLine, ...]
    next: str | None


class Happened(Part):
    """One event or decision, as the stream tells it."""

    id: int
    """The journal's record."""
    at: datetime
    kind: str
    data: dict[str, Any]


class EventsAnswer(Answer):
    """What happened since, oldest first."""

    events: tuple[Happened, ...]
    missed: bool
    """Some were too old to be kept: the journal has them."""
    last: int


class BarLine(Part):
    """A bar before a decision."""

    record: int
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    late: bool


class DeedLine(Part):
    """One thing that became of it."""

    record: int
    at: datetime
    order: str
    words: str


class ClosedLine(Part):
    """How the trade ended; profit before fees, `r` in units of the risk taken at the entry."""

    at: datetime
    quantity: int
    entry: float
    exit: float
    profit: float
    r: float | None
    reason: str


class WalkLine(Part):
    """From a decision back to the bars that sized it, and on to its end."""

    record: int
    at: datetime
    outcome: Literal["submitted", "refused"]
    symbol: str
    side: str
    wanted: int | None
    """Shares that were asked for, or that sizing came to; None where it never came to a size."""
    quantity: int
    shape: str | None
    """How the order is built: bracket, ...; None of a refusal."""
    limit: float | None
    """Limit price; None of a market order."""
    stop: float | None
    target: float | None
    order: str | None
    trade: str | None
    reason: str
    refused: CheckLine | None
    strategy: str | None
    version: str | None
    briefing: str | None
    feed: str | None
    bar: datetime | None
    arrival: float | None
    atr: float | None
    indicators: dict[str, float]
    sizing: tuple[SizingStep, ...]
    checks: tuple[CheckLine, ...]
    bars: tuple[BarLine, ...]
    deeds: tuple[DeedLine, ...]
    closed: ClosedLine | None


class Told(Answer):
    """The root of what is told from a journal's records; of a running session from those that it has written so far."""

    journal: str
    running: bool
    """Whether the session itself has answered; else its journal was read."""


class Explained(Told):
    """Why."""

    walks: tuple[WalkLine, ...]
    code: str
    """Hash of the source that decided."""


class CandidateLine(Part):
    """One entry that somebody wanted, and what became of it: `code`, `value` and `limit` of the control that cut or stopped it."""

    seq: int
    at: datetime
    symbol: str
    strategy: str
    side: str
    wanted: int
    quantity: int
    outcome: Literal["entered", "reduced", "refused"]
    code: str | None
    value: float | None
    limit: float | None
    detail: str
    reason: str


class Candidates(Told):
    """A page of candidates, the newest first."""

    counts: dict[str, int]
    """Of all that were asked for, by outcome."""
    candidates: tuple[CandidateLine, ...]
    next: str | None


class Span(Part):
    """What figures stand on."""

    first: date | None
    last: date | None
    sessions: int
    trades: int
    snapshot: str | None
    """The published snapshot, None where there is none yet."""
    today: bool
    """Whether the running session is in them."""


class Figures(Answer):
    """Figures of a set of sessions. `metrics` by name, `tables` of rows for what has more than one number."""

    of: Span
    metrics: dict[str, float | None]
    tables: dict[str, tuple[dict[str, Any], ...]]
    notes: tuple[str, ...]


class TripLine(Part):
    """A round trip; profit before fees."""

    session: date
    trade: str
    symbol: str
    sector: str | None
    strategy: str
    side: str
    quantity: int
    opened_at: datetime
    closed_at: datetime
    entry: float
    exit: float
    profit: float
    r: float | None
    reason: str


class Trips(Answer):
    """A page of round trips, the newest first."""

    of: Span
    trades: tuple[TripLine, ...]
    next: str | None


class SyncLine(Part):
    """One journal, read into tables."""

    journal: str
    session: date | None
    run: str
    records: int
    rows: dict[str, int]
    published: bool
    """Whether the night has put it into the snapshot already."""
    added: bool
    """Whether this call has read it anew."""
    error: str


class Synced(Answer):
    """The journals as analytics have them now. Asking again adds nothing twice."""

    snapshot: str | None
    journals: tuple[SyncLine, ...]
    added: int
