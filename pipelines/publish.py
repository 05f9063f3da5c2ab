"""What the night hands over: uniquely named, read-only snapshots of the warehouse with a pointer to the current one, and the readers' side.

A snapshot never changes after its release, so a reader can go on with it while the next one is made. The name is unique because
DuckDB keeps files by path: a replaced file would read as the old one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl

from pipelines.core.briefing import Briefing
from pipelines.core.errors import DataError, MissingData, StaleBriefing
from pipelines.durable import replaced
from pipelines.lake import layout, views
from pipelines.lake.layout import Resolution
from pipelines.lake.storage import storage
from pipelines.lake.views import View
from pipelines.settings import Settings

HOW_TO_MAKE = "make one with `make demo` or `daybot up`"


def version(session: date, made: datetime, content: str) -> str:
    """A snapshot's unique name: the session it is for, the moment to the millisecond in UTC, the start of its content's hash."""
    return f"{session.isoformat()}-{made:%Y%m%dT%H%M%S}{made.microsecond // 1000:03d}Z-{content[:8]}"


def draft(settings: Settings, name: str) -> Path:
    """Where to put the file of a snapshot before its release; no reader looks there."""
    settings.snapshots.mkdir(parents=True, exist_ok=True)
    if _file(settings, name).exists():
        raise DataError(f"expected an unused snapshot name, found {name} published already; publish again, the name holds the time")
    return settings.snapshots / f"{name}.draft"


def release(settings: Settings, name: str) -> "Snapshot":
    """Make the synced draft the current snapshot, and remove the oldest beyond `snapshots_kept`."""
    draft(settings, name).replace(_file(settings, name))
    with replaced(settings.snapshots / "CURRENT") as pointer:
        pointer.write(name.encode())
    _retire(settings, name)
    return Snapshot(name, _file(settings, name))


def current(settings: Settings) -> "Snapshot":
    """The snapshot that the pointer names; `MissingData` says how to make a first one."""
    pointer = settings.snapshots / "CURRENT"
    if not pointer.exists():
        raise MissingData(f"expected a published snapshot in {settings.snapshots}, found none; {HOW_TO_MAKE}")
    name = pointer.read_text().strip()
    path = _file(settings, name)
    if not path.exists():
        raise MissingData(f"expected the snapshot {path} that CURRENT names, found no such file; {HOW_TO_MAKE}")
    return Snapshot(name, path)


@dataclass(frozen=True)
class Snapshot:
    """One published state of everything, opened read-only for each question."""

    version: str
    path: Path

    def table(self, name: str) -> pl.DataFrame:
        """A whole table; `MissingData` with the names there are if it is not one of them."""
        with self._open() as connection:
            known = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
            if name not in known:
                raise MissingData(f"expected table {name} in snapshot {self.version}, found {known}; materialise its asset and publish")
            return connection.sql(f'SELECT * FROM "{name}"').pl()

    def sql(self, query: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of one query, with `?` for each parameter."""
        with self._open() as connection:
            return connection.sql(query, params=list(parameters)).pl()

    def briefing(self, session: date | None = None) -> Briefing:
        """The briefing for this session, or without one the briefing that this snapshot was published with."""
        rows = self.table("briefings").sort("session")
        found = rows.filter(pl.col("version") == self.version if session is None else pl.col("session") == session)
        if found.is_empty():
            wanted = "the briefing that it was published with" if session is None else f"a briefing for {session}"
            raise StaleBriefing(
                f"expected {wanted} in snapshot {self.version}, found {rows['session'].to_list()[-5:]} as the last ones; "
                f"run the pre_open job for the session before, or {HOW_TO_MAKE}"
            )
        return Briefing.model_validate_json(found["json"].item())

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():
            raise MissingData(f"expected snapshot {self.path}, found it removed as one of the oldest; ask for the current one")
        connection = duckdb.connect(self.path, read_only=True)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def bars(
    settings: Settings,
    resolution: Resolution,
    first: date,
    last: date,
    *,
    symbols: Sequence[str] | None = None,
    feed: str | None = None,
    view: View = "latest",
    asof: datetime | None = None,
) -> pl.DataFrame:
    """Raw bars of the lake with their `session` and `learned_at` (UTC), by symbol and time; only the files of these sessions are opened.

    `view`: each bar as last fetched, as first fetched, or as the live runner saw it first (then with `late`). `asof`: as if nothing learned
    after this moment were there. Without a feed there must be only one: bars of two feeds are never mixed unasked.
    """
    where = storage(settings)

    def look() -> pl.DataFrame:
        found = layout.files(where, resolution, first, last, feed, [*views.KINDS[view], "confirmed"])
        feeds = sorted({file.feed for file in found})
        if len(feeds) > 1:
            raise DataError(f"expected bars of one feed from {first} to {last}, found {feeds}; say which with feed=")
        if not found:
            raise MissingData(f"expected {resolution} bars from {first} to {last} in {settings.lake}, found none; {HOW_TO_MAKE}")
        rows = [file for file in found if file.kind != "confirmed"]
        return views.bars(where, rows or found, view, symbols, asof)  # asked about and nothing there: no rows, and no error

    return layout.steady(look)


def feeds(settings: Settings, resolution: Resolution, first: date, last: date, *, symbols: Sequence[str] | None = None) -> pl.DataFrame:
    """Which feeds the lake has fetched bars of: symbol, feed, sessions, first, last. A symbol with two rows has two series."""
    return views.feeds(storage(settings), resolution, first, last, symbols)


def _retire(settings: Settings, newest: str) -> None:
    """Keep the newest `snapshots_kept` files. A reader that has an older one open keeps it until it closes it."""
    files = sorted(settings.snapshots.glob("*.duckdb"), key=lambda path: path.stat().st_mtime_ns)
    for path in files[: -settings.snapshots_kept]:
        if path.stem != newest:
            path.unlink()


def _file(settings: Settings, name: str) -> Path:
    return settings.snapshots / f"{name}.duckdb"
