"""Files that are there whole or not at all, also after a power cut."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Write aside, sync, rename, sync the folder: a reader sees the old file or the new one. If the block fails, the old one stays.

    `mode` is what the file has from its first byte on, less the umask.
    """
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)  # on a full disk the half of it would stand in everybody's way
        raise
    synced(path.parent)


def synced(folder: Path) -> None:
    """Make the names in a folder durable: what was renamed or removed stays so."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def opened(path: Path) -> BinaryIO:
    """A file for reading, compressed (its name ends in .gz) or not."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]  # a GzipFile reads like one
