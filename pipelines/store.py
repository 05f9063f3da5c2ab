"""The warehouse: the tables that the night computes, in one working DuckDB file that only this module opens. Bars are not in it (`lake/`).

A session is replaced whole or not at all: deleted and inserted in one transaction behind a file lock. Readers never come here, they use
`publish.py`.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from pipelines.core.errors import DataError, MissingData
from pipelines.settings import Settings

PATIENCE = 120.0
"""Seconds to wait for another process that writes the warehouse; the longest write takes a few."""


class Warehouse:
    """The working DuckDB file. Nobody keeps it open: every call opens it, does one thing and closes it."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.warehouse

    def replace(self, tables: Mapping[str, pl.DataFrame], sessions: Iterable[date], **scope: str) -> None:
        """Put these rows in the place of the sessions' rows, all tables in one transaction.

        `scope` narrows what is replaced to rows where the column equals the value. A table is made, and given new columns, as the frames need it.
        """
        with self._open() as connection:
            _replace_all(connection, tables, sessions, scope)

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

    def copy(self, target: Path, tables: Mapping[str, pl.DataFrame] | None = None, sessions: Iterable[date] = ()) -> None:
        """A whole copy of the file as of the last finished transaction, synced to disk; in the copy these rows stand for the sessions' rows."""
        with self._locked():
            # In one hold of the lock: a writer killed in between would leave its last transaction beside the file.
            with _connected(self._path) as connection:
                connection.execute("CHECKPOINT")
            shutil.copyfile(self._path, target)
        if tables:
            with _connected(target) as connection:
                _replace_all(connection, tables, sessions, {})
        with target.open("rb+") as file:
            os.fsync(file.fileno())

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._locked(), _connected(self._path) as connection:
            yield connection

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._path.with_suffix(".lock")
        try:
            with FileLock(lock, timeout=PATIENCE):
                yield
        except Timeout as error:
            raise DataError(f"expected {lock} free within {PATIENCE:.0f} s, found it held; see which process writes the warehouse") from error


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # One thread: tables are small here, and starting a pool of them costs more than the reading.
    connection = duckdb.connect(path, config={"threads": 1})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _replace_all(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pl.DataFrame], sessions: Iterable[date], scope: Mapping[str, str]
) -> None:
    days = sorted(set(sessions))
    connection.begin()  # closing without the commit below takes everything back
    for table, frame in tables.items():
        _replace(connection, table, frame, days, scope)
    connection.commit()


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
    # The edges let DuckDB pass over what lies outside them; the list alone it would compare with every row that there is.
    edges = [days[0], days[-1]] if days else [None, None]
    where = " AND ".join(["session BETWEEN ? AND ?", "list_contains(?, session)", *(f"{_quoted(name)} = ?" for name in scope)])
    connection.execute(f"DELETE FROM {_quoted(table)} WHERE {where}", [*edges, list(days), *scope.values()])
    connection.execute(f"INSERT INTO {_quoted(table)} BY NAME SELECT * FROM incoming")
    connection.unregister("incoming")


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]).fetchall()
    return [row[0] for row in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
