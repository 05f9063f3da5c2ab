"""A session's journal read as it grows: the tables that the night will make of it, the minutes that it saw, its feeds and its state.

The journal is written before anything is sent, so this is what the runner knows, seconds behind it, and it is still there when the runner is not.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from pipelines import journals
from pipelines.core.analytics.session import feeds, ledger
from pipelines.core.analytics.session.ledger import Ledger
from pipelines.core.errors import JournalError
from pipelines.core.journal import GENESIS, Manifest, Record, decision_of, event_of, manifest, records, sealed
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Noticed, StateChanged
from pipelines.core.trading.events import AccountState, Command, FeedStatus, MarketBar
from pipelines.settings import Settings

MINUTES = dict.fromkeys(("open", "high", "low", "close", "volume", "vwap"), pl.Float64)
HEARD = {"bar", "order", "account", "feed", "command"}
"""Kinds of event that are shown; the many others are passed over unread."""


TOLD = {"connection", "switch", "backfill"}
"""Kinds of record that tell how the vendors fared."""

COMPARED: dict[str, Any] = {
    "at": pl.Datetime("us", "UTC"), "vendor": pl.String, "bars": pl.Int64, "missing": pl.Int64, "lag": pl.Float64, "bp": pl.Float64,
    "lead": pl.Boolean,
}  # fmt: skip
"""A vendor's minute: bars that came and that another vendor had alone, the greatest lag (seconds from the minute's end) and the greatest distance of
a close from the other vendor's (basis points, null where nothing could be compared); whether its bars were the ones decided on."""


@dataclass
class Feed:
    """One source of prices: whether it is trusted, why, since when, and what it delivered. Nanoseconds UTC; `lag` from a bar's end to its receipt."""

    name: str
    healthy: bool | None = None
    detail: str = ""
    since: int = 0
    bars: int = 0
    late: int = 0
    newest: int = 0
    lag: float | None = None


class Tape:
    """One journal. `follow` reads what came since the last time; a line that is half written waits for the next time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book: Ledger | None = None
        self.state, self.reason = "arming", "the account is not known yet"
        self.at = 0
        """Of the newest record: the session's own clock."""
        self.feeds: dict[str, Feed] = {}
        self.notices: list[Noticed] = []
        self.account: AccountState | None = None
        """The broker's own word on money and holdings, its newest."""
        self.compared: list[tuple[Any, ...]] = []
        """Rows of `COMPARED`: what each vendor brought of each minute."""
        self.told: list[Record] = []
        """Connections, switches and back-fills of the vendors, as the runner wrote them down."""
        self.commands: dict[str, int] = {}
        """When each command came to the engine, by its id."""
        self.end: dict[str, Any] | None = None
        """What the run said when it ended on purpose."""
        self._bars: dict[str, list[Bar]] = {}
        self._part, self._place, self._number, self._hash = 1, 0, 0, GENESIS
        self._next = 1, 0, GENESIS
        self._lock = threading.Lock()

    @property
    def head(self) -> Manifest:
        """What the session was begun with."""
        return self._begun().head

    @property
    def session(self) -> date:
        """The trading day."""
        return self.head.session

    def follow(self) -> "Tape":
        """Read on to the end. `JournalError` where the file is not what was written."""
        with self._lock:
            for record in records(self._lines(), after=self._number, head=self._hash):
                self._take(record)
                self._number, (self._part, self._place, self._hash) = record.seq, self._next
        return self

    def tables(self) -> dict[str, pl.DataFrame]:
        """The ledger so far."""
        with self._lock:
            if self.book is None:
                return ledger.empty()
            return self.book.frames()

    def given(self, key: str) -> int | None:
        """When the command of this key came to the engine, nanoseconds UTC; None before it did. Keys of callers bear a prefix there."""
        return next((at for name, at in self.commands.items() if name == key or name.endswith(f"-{key}")), None)

    def vendors(self) -> pl.DataFrame:
        """Rows of `COMPARED`, by time."""
        with self._lock:
            return pl.DataFrame(list(self.compared), schema=COMPARED, orient="row")

    def happened(self) -> pl.DataFrame:
        """Rows at (UTC), what, vendor, detail: connections that ended, changes of the vendor that is followed, back-fills."""
        with self._lock:
            return feeds.happened(self.told)

    def prices(self) -> dict[str, float]:
        """Each symbol's newest close."""
        with self._lock:
            return {symbol: bars[-1].close for symbol, bars in self._bars.items()}

    def minutes(self, symbol: str) -> pl.DataFrame:
        """Rows timestamp (UTC, the minute's start), open, high, low, close, volume, vwap as the runner saw them, each minute once."""
        with self._lock:
            seen = {bar.start: bar for bar in self._bars.get(symbol, ())}
        rows = [(moment(start), *(getattr(bar, name) for name in MINUTES)) for start, bar in sorted(seen.items())]
        return pl.DataFrame(rows, schema={"timestamp": pl.Datetime("us", "UTC"), **MINUTES}, orient="row")

    def _lines(self) -> Iterator[bytes]:
        """Whole lines after the place where reading stopped; a journal that grew large goes on in other files."""
        part, place = self._part, self._place
        while True:
            more = journals.part(self.path, part + 1).exists()  # before the reading: whatever this file still gets, it has by then
            with journals.part(self.path, part).open("rb") as file:
                file.seek(place)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    place += len(line)
                    self._next = part, place, sealed(line)  # where to go on once this one has been taken in
                    yield line
            if not more:
                return
            part, place = part + 1, 0

    def _take(self, record: Record) -> None:
        self.at = max(self.at, record.at)
        self.end = record.data if record.kind == "end" else None  # a run may go on after one that ended
        if record.kind == "session":
            self.book = Ledger(manifest(record))
        elif record.kind == "event":
            if record.data.get("kind") in HEARD:
                self._event(record)
        elif record.kind == "compare":
            self._compare(record.data)
        elif record.kind in TOLD:
            self.told.append(record)
        elif record.kind == "decision":
            decision = decision_of(record)
            self._begun().on_decision(record.seq, decision)
            if isinstance(decision, StateChanged):
                self.state, self.reason = decision.after.value, decision.reason
            elif isinstance(decision, Noticed):
                self.notices.append(decision)

    def _compare(self, told: dict[str, Any]) -> None:
        for vendor, sums in told["vendors"].items():
            figures = (sums["bars"], sums["missing"], sums["lag"], sums["bp"])
            self.compared.append((moment(told["minute"]), vendor, *figures, vendor == told.get("lead", vendor)))

    def _begun(self) -> Ledger:
        if self.book is None:
            raise JournalError(f"expected {self.path} to begin with a session's manifest, found no such record; `daybot journal verify` says more")
        return self.book

    def _event(self, record: Record) -> None:
        event = event_of(record)
        self._begun().on_event(event)
        if isinstance(event, MarketBar):
            self._bars.setdefault(event.bar.symbol, []).append(event.bar)
            feed = self.feeds.setdefault(event.feed, Feed(event.feed))
            feed.bars += 1
            feed.late += event.late
            if not event.late:
                feed.newest, feed.lag = event.at, (event.at - event.bar.start - MINUTE) / SECOND
        elif isinstance(event, AccountState):
            self.account = event
        elif isinstance(event, Command):
            self.commands[event.id] = event.at
        elif isinstance(event, FeedStatus):
            feed = self.feeds.setdefault(event.feed, Feed(event.feed))
            feed.healthy, feed.detail, feed.since = event.healthy, event.detail, event.at


def newest(settings: Settings) -> Path | None:
    """The journal that was written to last; None before the first session."""
    found = [path for path in journals.sessions(settings.journals) if path.suffix == ".jsonl"]
    return max(found, key=lambda path: journals.parts(path)[-1].stat().st_mtime_ns, default=None)


@st.cache_resource(max_entries=4, show_spinner="Reading the session's journal")
def opened(path: Path) -> Tape:
    """One reader for all who look."""
    return Tape(path)


def sign(settings: Settings) -> datetime | None:
    """When a runner that did not end on purpose last gave a sign of life; None where none died and none runs."""
    try:
        return datetime.fromtimestamp(settings.heartbeat.stat().st_mtime).astimezone()
    except FileNotFoundError:
        return None
