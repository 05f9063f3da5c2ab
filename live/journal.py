"""The session's journal on disk: append, make durable, verify, read. What is not in here was not allowed to happen."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from pipelines.core.errors import JournalError
from pipelines.core.journal import GENESIS, Record, encode, records, seal


class Journal:
    """One session's file, written by one process. Nothing may be sent before `barrier` has returned."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            # Exclusive: a journal is never continued by accident.
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalError(f"expected to create {path}, found: {error.strerror}") from None
        self.path = path
        self.seq = 0
        self.head = GENESIS
        self._waiting: list[bytes] = []

    def append(self, kind: str, at: int, data: object) -> int:
        """Seal a record; it reaches the disk with the next `flush` or `barrier`. Its number."""
        self.seq += 1
        line, self.head = seal(self.head, self.seq, at, kind, data if isinstance(data, bytes) else encode(data))
        self._waiting.append(line + b"\n")
        return self.seq

    def flush(self) -> None:
        """Hand all records to the operating system: they survive this process."""
        if not self._waiting:
            return
        text, self._waiting = b"".join(self._waiting), []
        try:
            written = os.write(self._file, text)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be written: {error.strerror}; nothing may be sent") from None
        if written != len(text):
            raise JournalError(f"{self.path}: {written} of {len(text)} bytes written; is the disk full? nothing may be sent")

    def barrier(self) -> None:
        """All records are on the disk when this returns: they survive the machine."""
        self.flush()
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be made durable: {error.strerror}; nothing may be sent") from None

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        self.barrier()
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read(path: Path) -> Iterator[Record]:
    """The records of a journal, its chain checked on the way."""
    try:
        with path.open("rb") as lines:
            yield from records(lines)
    except OSError as error:
        raise JournalError(f"expected a journal at {path}, found: {error.strerror}") from None


def latest(folder: Path) -> Path:
    """The journal that was begun last."""
    found = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise JournalError(f"expected a journal in {folder}, found none; `make demo` or `daybot live` writes one")
    return found[-1]
