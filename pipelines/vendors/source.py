"""The one interface of every history vendor and the shape of what it returns.

A source is synchronous and returns rows as the vendor has them. What cannot be read as a row at all is handed over beside them with its
reason and its text; what can be read and no market can have printed is put aside later, by `screen.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import polars as pl

from pipelines.core.briefing import Origin

UTC_TIME = pl.Datetime("us", "UTC")

BARS = pl.Schema(
    [
        ("symbol", pl.String),
        ("timestamp", UTC_TIME),
        *((name, pl.Float64) for name in ("open", "high", "low", "close", "volume", "vwap")),
        ("trades", pl.Int64),
        ("feed", pl.String),
    ]
)
"""Bars: raw dollars and shares; `timestamp` is the bar's start (daily: midnight in New York); `vwap` and `trades` null where the vendor has none."""

TRADES = pl.Schema(
    [
        ("symbol", pl.String),
        ("timestamp", pl.Datetime("ns", "UTC")),
        ("price", pl.Float64),
        ("size", pl.Float64),
        ("exchange", pl.String),
        ("id", pl.String),
        ("conditions", pl.List(pl.String)),
        ("tape", pl.String),
        ("feed", pl.String),
    ]
)
"""Single trades: dollars and shares; exchange, conditions and tape in the vendor's own codes (Alpaca letters, Polygon numbers)."""

ASSETS = pl.Schema([("symbol", pl.String), ("name", pl.String), ("exchange", pl.String), ("tradable", pl.Boolean), ("shortable", pl.Boolean)])
"""What the broker lists."""

ACTIONS = pl.Schema(
    [
        ("symbol", pl.String),
        ("kind", pl.String),
        ("ex_date", pl.Date),
        ("ratio", pl.Float64),
        ("cash", pl.Float64),
        ("source", pl.String),
    ]
)
"""Corporate actions. `kind` is split or dividend; `ratio` new shares for each old one (1.0 for dividends), `cash` dollars for each share held
before `ex_date` (0.0 for splits). A dividend paid in shares is a split. Splits come from a vendor or a file and are never guessed."""

MALFORMED = pl.Schema([("symbol", pl.String), ("timestamp", UTC_TIME), ("reason", pl.String), ("raw", pl.String)])
"""What could not be read as a row: `raw` is the JSON (or other) text of what was sent, cut at `RAW`; `symbol` is empty and `timestamp` null
where they could not be made out."""

RAW = 2_000
"""Characters of a malformed row that are kept."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A chunk of an answer, to be kept before the next one is asked for: so an interrupted fetch goes on where it stopped.

    The vendor has answered for all of `symbols` on all of `sessions` with this chunk (for trades: with this one and those before it), also
    where there are no rows. A symbol whose answer could not be read is not among them, and is asked for again next time.
    """

    rows: pl.DataFrame
    malformed: pl.DataFrame
    symbols: tuple[str, ...]
    sessions: tuple[date, ...]


class Traffic(NamedTuple):
    """What a source has cost since it was made: requests sent, how many of them were repeats, seconds spent waiting for the rate limit."""

    requests: int = 0
    retries: int = 0
    waited: float = 0.0

    def since(self, before: "Traffic") -> "Traffic":
        """The difference to an earlier state."""
        return Traffic(self.requests - before.requests, self.retries - before.retries, self.waited - before.waited)


class Source(Protocol):
    """A vendor of history. Nothing after the data session's own end is ever asked for.

    Every call may raise `Unreachable` when no answer came however often it was asked, and `BrokerError` when the answer was a definite no.
    """

    @property
    def feed(self) -> str:
        """What the bars' `feed` column says and the lake's files are named after; invented prices never share a name with real ones."""
        ...

    @property
    def origin(self) -> Origin:
        """Whether the prices are a vendor's, a recording's or invented."""
        ...

    @property
    def traffic(self) -> Traffic:
        """Requests so far."""
        ...

    @property
    def malformed(self) -> pl.DataFrame:
        """What `assets` and `actions` could not read so far, as `MALFORMED`."""
        ...

    @property
    def dated(self) -> bool:
        """Whether `assets` can say what was listed on a day of the past."""
        ...

    def assets(self, day: date | None = None) -> pl.DataFrame:
        """Everything that was listed on that day, or is now where the source is not `dated`, as `ASSETS`, each symbol once."""
        ...

    def daily(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Daily bars of the sessions from `first` to `last`, both included, as `BARS`; no row where the symbol did not trade."""
        ...

    def minutes(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Minute bars of these sessions with their extended hours, 04:00 to 20:00 in New York, as `BARS`."""
        ...

    def trades(self, symbols: Sequence[str], session: date) -> Iterator[Fetched]:
        """Single trades of one session with its extended hours, as `TRADES`."""
        ...

    def actions(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Splits and cash dividends with an ex-date from `first` to `last`, both included, as `ACTIONS`; announced ones where the vendor tells."""
        ...

    def members(self, day: date) -> list[str] | None:
        """Symbols that belonged to the index on that day, sorted; None where the source keeps no membership."""
        ...

    def sectors(self, day: date) -> dict[str, str] | None:
        """The sector of each symbol as it was on that day; None where the source keeps none."""
        ...


def whole(chunks: Iterable[Fetched], shape: pl.Schema = BARS) -> Fetched:
    """All chunks as one, for questions that are small enough."""
    parts = list(chunks)
    return Fetched(
        pl.concat([shape.to_frame(), *(part.rows for part in parts)]),
        pl.concat([MALFORMED.to_frame(), *(part.malformed for part in parts)]),
        tuple(sorted({symbol for part in parts for symbol in part.symbols})),
        tuple(sorted({session for part in parts for session in part.sessions})),
    )
