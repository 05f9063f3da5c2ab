"""What the night hands over: uniquely named, read-only snapshots of the warehouse with a pointer to the current one, and the readers' side.

A snapshot never changes after its release, so a reader can go on with it while the next one is made. The name is unique because
DuckDB keeps files by path: a replaced file would read as the old one. Readers need no lock. Who moves the pointer holds one, from before the
warehouse is copied: of two publications for a session the later state is the current one, and a newer session always comes before an older.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
from filelock import FileLock, Timeout
from pydantic import ValidationError

from pipelines import journals, signature
from pipelines.core.briefing import Briefing
from pipelines.core.errors import BrokenSnapshot, DataError, JournalError, MissingData, StaleBriefing
from pipelines.core.journal import manifest, records
from pipelines.durable import replaced, synced
from pipelines.lake import layout, views
from pipelines.lake.layout import Resolution
from pipelines.lake.storage import storage
from pipelines.lake.views import View
from pipelines.settings import Settings

HOW_TO_MAKE = "make one with `make demo` or `daybot up`"
HOW_TO_GO_BACK = "`daybot snapshots list` shows the others, `daybot snapshots use` goes back to one; the next publication makes a new one"

PATIENCE = 300.0
"""Seconds to wait for another publication: a copy of a gigabyte takes a few."""

CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False, "autoinstall_known_extensions": False, "autoload_known_extensions": False,
}  # fmt: skip
"""A query may come from a page or a notebook: it reads the tables of its snapshot, and no other file, no extension and no variable of ours."""

BROKEN = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
"""What DuckDB raises for a file that is cut short, overwritten or none of its own."""

OLDER = (duckdb.BinderException, duckdb.CatalogException)
"""What DuckDB raises for a table or a column that older code did not write."""


def version(session: date, made: datetime, content: str) -> str:
    """A snapshot's unique name: the session it is for, the moment to the millisecond in UTC, the start of its content's hash."""
    return f"{session.isoformat()}-{made:%Y%m%dT%H%M%S}{made.microsecond // 1000:03d}Z-{content[:8]}"


def release(settings: Settings, name: str, copy: Callable[[Path], None], record: Callable[[], None] = lambda: None) -> "Snapshot":
    """Let `copy` write a file and sync it (`Warehouse.copy` does), publish it under this name, and then let `record` note what was published.

    The current snapshot is for the newest session, and of that the last made: a release for an earlier session is listed, with the whole
    warehouse as it is, and the pointer stays. Only a person goes back (`use`). The oldest files beyond `snapshots_kept` go.

    Killed at any moment, or out of disk, it leaves the snapshot that was current; what it left half done goes with the next release. `record`
    comes after the file and before the pointer: nothing outside a snapshot ever names one that is not there, and the current one is recorded.
    """
    path, draft = _file(settings, name), settings.snapshots / f"{name}.draft"
    with _alone(settings):
        if path.exists():
            raise DataError(f"expected an unused snapshot name, found {name} published already; publish again, the name holds the time")
        _sweep(settings)
        try:
            copy(draft)
            draft.chmod(draft.stat().st_mode & 0o444)
            signature.sign(settings, draft, path)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        synced(settings.snapshots)  # the file is there before anything names it, also after a power cut
        record()
        if not _behind(settings, name):
            _point(settings, name)
        _retire(settings, name)
    return Snapshot(name, path)


def use(settings: Settings, name: str) -> "Snapshot":
    """Make this published snapshot the current one, durably, whatever the pointer names now, until one for its session or a later is released.

    `BrokenSnapshot` and nothing moved if it has no briefing that can be read. A session goes over to it until its open.
    """
    with _alone(settings):
        found = named(settings, name)
        found.briefing()
        _point(settings, found.version)
    return found


def current(settings: Settings) -> "Snapshot":
    """The snapshot that the pointer names; `MissingData` says how to make a first one, `BrokenSnapshot` how to go back to an earlier one."""
    name = _pointed(settings)
    while not _file(settings, name).exists():
        before, name = name, _pointed(settings)  # it may have been retired since we read the pointer
        if name == before:
            raise BrokenSnapshot(f"expected the snapshot that CURRENT names, {_file(settings, name)}, found no such file; {HOW_TO_GO_BACK}")
    return Snapshot(name, _file(settings, name))


def genuine(settings: Settings) -> "Snapshot":
    """The current snapshot, to be traded on: `BrokenSnapshot` where a key is set and it is not signed with it, as it is."""
    found = current(settings)
    signature.check(settings, found.path)
    return found


def named(settings: Settings, name: str) -> "Snapshot":
    """A published snapshot by its version or an unmistakable beginning of it, or `current`; `MissingData` names those that there are."""
    if name == "current":
        return current(settings)
    there = published(settings)
    found = [one for one in there if one.version == name] or [one for one in there if one.version.startswith(name)]
    if len(found) != 1:
        which = [one.version for one in found or there][:10]
        raise MissingData(f"expected the version of one snapshot in {settings.snapshots}, found {name!r}, which fits {len(found)}; there are {which}")
    return found[0]


def published(settings: Settings) -> list["Snapshot"]:
    """Every snapshot that is kept, the last made first; none before the first was published."""
    return [Snapshot(path.stem, path) for path in reversed(_files(settings))]


@dataclass(frozen=True)
class Snapshot:
    """One published state of everything, opened read-only for each question. `BrokenSnapshot` where the file is not what was published."""

    version: str
    path: Path

    def tables(self) -> list[str]:
        """The names that there are."""
        with self._open() as connection:
            return _names(connection)

    def table(self, name: str, where: str = "true", parameters: Sequence[object] = ()) -> pl.DataFrame:
        """A table's rows, all or those for which the condition holds; `MissingData` with the names there are if it is not one of them."""
        known = self.tables()
        if name not in known:
            raise MissingData(f"expected table {name} in snapshot {self.version}, found {known}; materialise its asset and publish")
        return self.sql(f'SELECT * FROM "{name}" WHERE {where}', parameters)

    def rows(self) -> dict[str, int]:
        """Every table by name with its number of rows."""
        with self._open() as connection:
            return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0] for name in _names(connection)}

    def sql(self, query: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
        """The rows of one query, with `?` for each parameter."""
        with self._open() as connection:
            return connection.sql(query, params=list(parameters)).pl()

    def briefing(self, session: date | None = None) -> Briefing:
        """The briefing for this session, or without one the briefing that this snapshot was published with."""
        # A year of briefings is a hundred megabytes: only the one that is wanted is read.
        where, value = ("version = ?", self.version) if session is None else ("session = ?", session)
        found = self.table("briefings", where, [value])
        if found.is_empty():
            wanted = "the briefing that it was published with" if session is None else f"a briefing for {session}"
            known = self.sql("SELECT session FROM briefings ORDER BY 1 DESC LIMIT 5")["session"].to_list()
            raise StaleBriefing(
                f"expected {wanted} in snapshot {self.version}, found {known[::-1]} as the last ones; "
                f"run the pre_open job for the session before, or {HOW_TO_MAKE}"
            )
        try:
            return Briefing.model_validate_json(found["json"].item())
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            raise BrokenSnapshot(
                f"expected snapshot {self.version} to hold a briefing as this version of DayBot writes it, found {what}; {HOW_TO_GO_BACK}"
            ) from None

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():
            raise MissingData(f"expected snapshot {self.path}, found it removed as one of the oldest; ask for the current one")
        try:
            with duckdb.connect(self.path, read_only=True, config=CLOSED) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                connection.execute("SET lock_configuration = true")
                yield connection
        except OLDER as error:
            told = str(error).splitlines()[0]
            if "Referenced column" not in told and "does not exist" not in told:
                raise
            raise MissingData(f"expected snapshot {self.version} to have what this version writes, found: {told} The next night makes it") from error
        except BROKEN as error:
            told = str(error).splitlines()[0]
            raise BrokenSnapshot(f"expected {self.path} as it was published, found a file that cannot be read ({told}); {HOW_TO_GO_BACK}") from error


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


def _names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One at a time moves the pointer. The kernel frees the lock of a process that dies."""
    settings.snapshots.mkdir(parents=True, exist_ok=True)
    lock = settings.snapshots / "publish.lock"
    try:
        with FileLock(lock, timeout=PATIENCE):
            yield
    except Timeout as error:
        raise DataError(f"expected {lock} free within {PATIENCE:.0f} s, found it held; see which process publishes") from error


def _pointed(settings: Settings) -> str:
    pointer = settings.snapshots / "CURRENT"
    try:
        name = pointer.read_text(errors="replace").strip()
    except FileNotFoundError:
        raise MissingData(f"expected a published snapshot in {settings.snapshots}, found none; {HOW_TO_MAKE}") from None
    if not name:
        raise BrokenSnapshot(f"expected the version of a snapshot in {pointer}, found it empty; {HOW_TO_GO_BACK}")
    return name


def _point(settings: Settings, name: str) -> None:
    with replaced(settings.snapshots / "CURRENT") as pointer:
        pointer.write(name.encode())


def _behind(settings: Settings, name: str) -> bool:
    """Whether it is for an earlier session than the current one, by the beginnings of their names. A pointer to nothing holds nobody back."""
    try:
        return name[: len("2026-11-20")] < current(settings).version[: len("2026-11-20")]
    except DataError:
        return False


def _sweep(settings: Settings) -> None:
    """Remove what killed publications left: who holds the lock is the only one that drafts."""
    for left in (*settings.snapshots.glob("*.draft*"), *settings.snapshots.glob("CURRENT.*.tmp")):
        left.unlink()


def _retire(settings: Settings, newest: str) -> None:
    """Keep the newest `snapshots_kept` files, the current one, and the one that the last session began with: it may be running.

    A reader that has an older one open keeps it until it closes it.
    """
    kept = {newest, _pointed(settings), _traded(settings)}
    for path in _files(settings)[: -settings.snapshots_kept]:
        if path.stem not in kept:
            path.unlink()
            signature.beside(path).unlink(missing_ok=True)


def _traded(settings: Settings) -> str | None:
    """The version of the briefing in the first record of the newest journal: one runner works in a home, so that is the one that may be running."""
    plain = [path for path in journals.sessions(settings.journals) if path.suffix == ".jsonl"]
    if not plain:
        return None
    newest = max(plain, key=lambda path: journals.parts(path)[-1].stat().st_mtime_ns)
    try:
        first = next(records(journals.lines(newest)), None)
        return manifest(first).briefing.version if first else None
    except JournalError:
        return None  # it names nothing that could be kept; `daybot journal verify` and the asset `journal` say what is wrong with it


def _files(settings: Settings) -> list[Path]:
    """Published files, the first made first: by the moment in the name, which a copy of the folder keeps."""
    return sorted(settings.snapshots.glob("*.duckdb"), key=lambda path: path.stem[len("2026-11-20-") :])


def _file(settings: Settings, name: str) -> Path:
    return settings.snapshots / f"{name}.duckdb"
