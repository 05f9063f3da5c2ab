"""Everything that is written at night: the lake of bars and the warehouse. Only this module writes the one and opens the other.

A partition is replaced whole or not at all: a file in the lake is written aside, synced and renamed; a session in the warehouse is
deleted and inserted in one transaction behind a file lock. Readers never come here, they use `publish.py`.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from pipelines.core.errors import DataError, MissingData
from pipelines.core.market.session import NEW_YORK
from pipelines.durable import replaced
from pipelines.settings import Settings

PATIENCE = 120.0
"""Seconds to wait for another process that writes the warehouse; the longest write takes a few."""

FINAL = time(20, 0)
"""New York time after which a session's bars change no more; what was fetched earlier is fetched once again."""


class Warehouse:
    """The working DuckDB file. Nobody keeps it open: every call opens it, does one thing and closes it."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.warehouse

    def replace(self, tables: Mapping[str, pl.DataFrame], sessions: Iterable[date], **scope: str) -> None:
        """Put these rows in the place of the sessions' rows, all tables in one transaction.

        `scope` narrows what is replaced to rows where the column equals the value. A table is made, and given new columns, as the frames need it.
        """
        days = sorted(set(sessions))
        with self._open() as connection:
            connection.begin()  # closing without the commit below takes everything back
            for table, frame in tables.items():
                _replace(connection, table, frame, days, scope)
            connection.commit()

    def read(self, table: str, session: date | None = None) -> pl.DataFrame:
        """The table's rows, of one session if given; `MissingData` if nothing ever wrote the table."""
        with self._open() as connection:
            if not _columns(connection, table):
                raise MissingData(f"expected table {table} in {self._path}, found none; materialise the asset that writes it first")
            if session is None:
                return connection.sql(f"SELECT * FROM {_quoted(table)}").pl()
            return connection.sql(f"SELECT * FROM {_quoted(table)} WHERE session = ?", params=[session]).pl()

    def has(self, table: str) -> bool:
        """Whether anything ever wrote this table."""
        with self._open() as connection:
            return bool(_columns(connection, table))

    def copy(self, target: Path) -> None:
        """A whole copy of the file as of the last finished transaction, synced to disk."""
        with self._open() as connection:
            connection.execute("CHECKPOINT")
        with self._locked():
            shutil.copyfile(self._path, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._locked():
            # One thread: tables are small here, and starting a pool of them costs more than the reading.
            connection = duckdb.connect(self._path, config={"threads": 1})
            try:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock")
        try:
            with FileLock(lock, timeout=PATIENCE):
                yield
        except Timeout as error:
            raise DataError(f"expected {lock} free within {PATIENCE:.0f} s, found it held; see which process writes the warehouse") from error


def _replace(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, days: Sequence[date], scope: Mapping[str, str]) -> None:
    if "session" not in frame.columns or pl.Null in frame.dtypes:
        raise DataError(f"expected a `session` column and a type for every column of {table}, found {frame.schema}; give the frame its schema")
    strangers = set(frame["session"].to_list()) - set(days)
    if strangers:
        raise DataError(f"expected only rows of the sessions that are replaced in {table}, found rows of {sorted(strangers)}; name them as well")
    connection.register("incoming", frame)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {_quoted(table)} AS SELECT * FROM incoming LIMIT 0")
    known = _columns(connection, table)
    for name, kind in connection.sql("SELECT column_name, column_type FROM (DESCRIBE incoming)").fetchall():
        if name not in known:
            connection.execute(f"ALTER TABLE {_quoted(table)} ADD COLUMN {_quoted(name)} {kind}")
    where = " AND ".join(["list_contains(?, session)", *(f"{_quoted(name)} = ?" for name in scope)])
    connection.execute(f"DELETE FROM {_quoted(table)} WHERE {where}", [list(days), *scope.values()])
    connection.execute(f"INSERT INTO {_quoted(table)} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]).fetchall()
    return [row[0] for row in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Lake:
    """Raw bars as Parquet, a file for each (resolution, session, feed); beside them what the screen refused.

    Each file also says for which symbols the vendor was asked, so that a symbol without trades is not asked for every day anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def missing(self, resolution: str, sessions: Sequence[date], feed: str, symbols: Iterable[str]) -> list[tuple[tuple[str, ...], list[date]]]:
        """What to ask the vendor for: (symbols, consecutive sessions), one entry for each request."""
        wanted = frozenset(symbols)
        requests: list[tuple[tuple[str, ...], list[date]]] = []
        for session in sessions:
            lacking = tuple(sorted(wanted - self._asked(resolution, session, feed)))
            if requests and requests[-1][0] == lacking:
                requests[-1][1].append(session)
            else:
                requests.append((lacking, [session]))
        return [(lacking, days) for lacking, days in requests if lacking]

    def put(self, resolution: str, session: date, feed: str, good: pl.DataFrame, bad: pl.DataFrame, asked: Iterable[str]) -> None:
        """Keep one session's bars of the `asked` symbols; what the lake holds of other symbols stays."""
        symbols = sorted(asked)
        stamp = pl.lit(datetime.now(UTC)).cast(pl.Datetime("us", "UTC")).alias("fetched_at")
        for path, fresh in ((self.refused(resolution, session, feed), bad), (self._file(resolution, session, feed), good)):
            rows = fresh.drop("session").with_columns(stamp).sort("symbol", "timestamp")
            known: frozenset[str] = frozenset()
            if fresh is bad and bad.is_empty() and not path.exists():
                continue
            if path.exists():
                kept = pl.read_parquet(path).filter(~pl.col("symbol").is_in(symbols))
                rows, known = pl.concat([kept, rows]).sort("symbol", "timestamp"), _note(path)
            _write(path, rows, {"asked": json.dumps(sorted(known | set(symbols)))})

    def refused(self, resolution: str, session: date, feed: str) -> Path:
        """The file of the bars that the screen refused."""
        return self._settings.lake / "quarantine" / f"resolution={resolution}" / f"session={session.isoformat()}" / f"{feed}.parquet"

    def _asked(self, resolution: str, session: date, feed: str) -> frozenset[str]:
        """The symbols that this session's file answers for; none if it was written before the session's bars were final."""
        path = self._file(resolution, session, feed)
        if not path.exists() or path.stat().st_mtime < datetime.combine(session, FINAL, NEW_YORK).timestamp():
            return frozenset()
        return _note(path)

    def _file(self, resolution: str, session: date, feed: str) -> Path:
        return self._settings.bars(resolution, session) / f"{feed}.parquet"


def _note(path: Path) -> frozenset[str]:
    return frozenset(json.loads(pl.read_parquet_metadata(path)["asked"]))


def _write(path: Path, rows: pl.DataFrame, note: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as file:
        rows.write_parquet(file, metadata=dict(note), statistics=False)
