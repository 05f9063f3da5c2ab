"""Where the lake's files lie: a folder, or a bucket with `DAYBOT_LAKE=s3://...`. All that differs between the two is here.

A path is relative to the lake, with slashes: `folder/partition/name.parquet`. A file is there whole or not at all. A bucket's keys and address
come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL ...), which Polars and obstore read alike.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from pipelines.core.errors import SettingsError
from pipelines.durable import replaced
from pipelines.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Store

BUCKET = "s3://"
AT_ONCE = 16
"""Requests in flight to a bucket: each waits for the network, not for a processor."""

SUFFIX = ".parquet"


class Storage(Protocol):
    """The few things that the lake asks of a file system."""

    def files(self, folder: str, first: str, last: str) -> list[str]:
        """Parquet files of the folder's partitions from `first` to `last`, both included, sorted; a folder that is not there has none."""
        ...

    def write(self, path: str, rows: pl.DataFrame, note: Mapping[str, str]) -> None:
        """Put a file there whole, with its note, in the place of one of the same name."""
        ...

    def notes(self, paths: Sequence[str]) -> list[dict[str, str]]:
        """The note of each file; `FileNotFoundError` if one is gone."""
        ...

    def address(self, path: str) -> str:
        """What Polars opens."""
        ...

    def remove(self, paths: Iterable[str]) -> None:
        """Take files away; one that is gone already is no error."""
        ...


def storage(settings: Settings) -> Storage:
    """The lake's place that the settings name."""
    return Bucket(settings.lake) if settings.lake.startswith(BUCKET) else Folder(Path(settings.lake))


class Folder:
    """A local folder: written aside, synced, renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self, folder: str, first: str, last: str) -> list[str]:
        """One look into the folder and one into each partition of the range."""
        top = self._root / folder
        inside = sorted(entry.name for entry in top.iterdir() if first <= entry.name <= last) if top.exists() else []
        return [f"{folder}/{name}/{path.name}" for name in inside for path in sorted((top / name).iterdir()) if path.suffix == SUFFIX]

    def write(self, path: str, rows: pl.DataFrame, note: Mapping[str, str]) -> None:
        """Durable when it returns."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as file:
            rows.write_parquet(file, metadata=dict(note), statistics=False)

    def notes(self, paths: Sequence[str]) -> list[dict[str, str]]:
        """From each file's footer."""
        return [pl.read_parquet_metadata(self._root / path) for path in paths]

    def address(self, path: str) -> str:
        """The file's path."""
        return str(self._root / path)

    def remove(self, paths: Iterable[str]) -> None:
        """A crash between two of them leaves the rest, as the caller has to expect."""
        for path in paths:
            (self._root / path).unlink(missing_ok=True)


class Bucket:
    """A prefix of an S3 bucket: one PUT is whole or nothing, and seen by every later reader."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    @cached_property
    def _store(self) -> "S3Store":
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise SettingsError(f"expected the package obstore for DAYBOT_LAKE={self._url}, found none; install DayBot's extra s3") from error
        return S3Store.from_url(self._url)

    def files(self, folder: str, first: str, last: str) -> list[str]:
        """One listing that starts at the first partition and ends behind the last one."""
        import obstore

        found: list[str] = []
        # What starts after `folder/first` holds `folder/first/...`: a slash makes it longer.
        for page in obstore.list(self._store, prefix=folder, offset=f"{folder}/{first}"):
            paths = [entry["path"] for entry in page]
            inside = [path for path in paths if path.removeprefix(f"{folder}/").partition("/")[0] <= last]
            found += [path for path in inside if path.endswith(SUFFIX)]
            if len(inside) < len(paths):
                break
        return sorted(found)

    def write(self, path: str, rows: pl.DataFrame, note: Mapping[str, str]) -> None:
        """Durable when the server has answered."""
        rows.write_parquet(self.address(path), metadata=dict(note), statistics=False)

    def notes(self, paths: Sequence[str]) -> list[dict[str, str]]:
        """From each file's footer, several at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda path: pl.read_parquet_metadata(self.address(path)), paths))

    def address(self, path: str) -> str:
        """The object's URL."""
        return f"{self._url}/{path}"

    def remove(self, paths: Iterable[str]) -> None:
        """All in one request."""
        import obstore

        gone = list(paths)
        if gone:
            obstore.delete(self._store, gone)
