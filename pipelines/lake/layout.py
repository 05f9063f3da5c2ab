"""How the lake's bars lie: which file holds what, told from its name alone.

`bars/resolution=minute/session=2024-06-18/iex.first.20240618T204512000000.parquet`: partition, then feed, kind, and the moment when it was learned.
A fetched file's note says for which symbols the vendor was asked and when, so that a symbol without trades is not asked for every day anew.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import polars as pl

from pipelines.core.errors import DataError
from pipelines.lake.storage import SUFFIX, Storage

T = TypeVar("T")

Resolution: TypeAlias = Literal["day", "minute"]

Kind: TypeAlias = Literal["first", "revised", "confirmed", "seen", "refused"]
"""Rows as first fetched; only the rows that a later fetch had otherwise; no rows, a later fetch having had no news; what one run of the live
runner saw; what the screen refused."""

FETCHED: tuple[Kind, ...] = ("first", "revised")
ANSWERS: tuple[Kind, ...] = (*FETCHED, "confirmed")

Asked: TypeAlias = dict[str, list[str]]
"""Moment of asking (ISO, UTC) to the symbols asked for."""

LOOKS = 4
"""Times that a reader looks again; a session's files are merged once in a while, so once is enough."""

KEY = ("symbol", "timestamp")
STAMP = "%Y%m%dT%H%M%S%f"


class File(NamedTuple):
    """One file as its path describes it. `label` is the moment it was written, or the run that saw it."""

    path: str
    session: date
    feed: str
    kind: str
    label: str


def steady(look: Callable[[], T]) -> T:
    """What `look` finds, which lists files and reads them. It looks again where a writer has meanwhile made one file of several."""
    for _ in range(LOOKS):
        with suppress(FileNotFoundError):
            return look()
    return look()


def path(resolution: Resolution, session: date, feed: str, kind: Kind, label: str | datetime) -> str:
    """Where a file of this description belongs."""
    name = label if isinstance(label, str) else label.strftime(STAMP)
    return f"{_folder(resolution, kind)}/session={session.isoformat()}/{feed}.{kind}.{name}{SUFFIX}"


def files(where: Storage, resolution: Resolution, first: date, last: date, feed: str | None, kinds: Iterable[Kind]) -> list[File]:
    """The files of these sessions, of one feed or of all, oldest session first and within it oldest file first."""
    wanted = frozenset(kinds)
    found: list[File] = []
    for folder in sorted({_folder(resolution, kind) for kind in wanted}):
        paths = where.files(folder, f"session={first.isoformat()}", f"session={last.isoformat()}")
        found += [file for file in map(_parsed, paths) if file.kind in wanted and feed in (None, file.feed)]
    return sorted(found, key=lambda file: (file.session, file.label))


def scan(where: Storage, found: Sequence[File]) -> pl.LazyFrame:
    """The rows of these files (at least one) with their `session`."""
    addresses = [where.address(file.path) for file in found]
    return pl.scan_parquet(addresses, hive_schema={"resolution": pl.String, "session": pl.Date}).drop("resolution")


def asked(where: Storage, found: Sequence[File]) -> list[Asked]:
    """What each file answers for."""
    return [json.loads(note["asked"]) for note in where.notes([file.path for file in found])]


def note(answers: Asked) -> dict[str, str]:
    """The same, as a file carries it."""
    return {"asked": json.dumps(answers)}


def once(rows: pl.DataFrame, which: Literal["first", "last"]) -> pl.DataFrame:
    """By symbol and time, of each bar the row that was learned first or last.

    After a sort equal bars lie side by side: a sixth of the cost of a hash of all of them.
    """
    step = 1 if which == "first" else -1
    edge = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(step)) for name in KEY)
    return rows.sort(*KEY, "learned_at").filter(edge)


def _folder(resolution: Resolution, kind: Kind) -> str:
    return f"{'quarantine' if kind == 'refused' else 'bars'}/resolution={resolution}"


def _parsed(found: str) -> File:
    partition, name = found.split("/")[-2:]
    words = name.removesuffix(SUFFIX).split(".")
    if len(words) != 3:
        raise DataError(f"expected files named feed.kind.moment{SUFFIX} in the lake, found {found}; move an older lake away, fetch anew")
    feed, kind, label = words
    return File(found, date.fromisoformat(partition.removeprefix("session=")), feed, kind, label)
