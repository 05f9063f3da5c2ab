"""The session's journal on disk: append, make durable, resume, verify, repair, compress, read. What is not in here was not allowed to happen.

One file a session and account, `<session>-<number>-<run>.jsonl`; a compressed one ends in `.jsonl.gz`. Beside it lies `.head` with the number
and hash of the newest durable record: a chain alone cannot tell that its end was cut off.
"""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from pipelines.core.errors import JournalError
from pipelines.core.journal import GENESIS, Record, encode, records, seal
from pipelines.durable import opened, replaced

SUFFIXES = (".jsonl", ".jsonl.gz")


class Journal:
    """One session's file, written by one process. Nothing may be sent before `barrier` has returned."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        """A new file, or with `resume` the one of a run that died: its torn tail is cut off and kept aside, and the chain goes on.

        Raises JournalError where a new one exists already, or where one to be resumed was changed.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.seq, self.head = 0, GENESIS
        self._waiting: list[bytes] = []
        self._noted = 0
        if resume:
            mended = repair(path)
            self.seq, self.head = mended.seq, mended.head
        flags = os.O_WRONLY | os.O_APPEND | (0 if resume else os.O_CREAT | os.O_EXCL)  # exclusive: never continued by accident
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalError(f"expected to {'go on with' if resume else 'create'} {path}, found: {error.strerror}") from None

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

    def note(self) -> None:
        """Put the newest record's number and hash into the file beside; called now and then and at the end, not with every record."""
        if self.seq != self._noted:
            self.barrier()
            with replaced(_head(self.path)) as file:
                file.write(json.dumps({"seq": self.seq, "hash": self.head}).encode())
            self._noted = self.seq

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        self.note()
        os.close(self._file)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read(path: Path) -> Iterator[Record]:
    """The records of a journal, compressed or not, its chain checked on the way."""
    try:
        with opened(path) as lines:
            yield from records(lines)
    except (OSError, EOFError) as error:
        raise JournalError(f"expected a journal at {path}, found: {getattr(error, 'strerror', None) or error}") from None


def verify(path: Path) -> Record:
    """Read all of it; the last record. Raises JournalError where anything was altered, removed, moved or cut off the end."""
    last: Record | None = None
    noted = _noted(path)
    for record in read(path):
        last = record
    if last is None:
        raise JournalError(f"expected records in {path}, found none")
    if noted is not None and last.seq < noted:
        raise JournalError(f"{path}: expected at least {noted} records, as the file beside it says, found {last.seq}; its end was cut off")
    return last


@dataclass(frozen=True, slots=True)
class Mended:
    """What `repair` found: the last whole record, and how many bytes after it were no record."""

    seq: int
    head: str
    cut: int


def repair(path: Path) -> Mended:
    """Cut a torn last record off, as a crash in the middle of a write leaves one, and keep it aside as `.torn`.

    Only the tail after the last newline may be torn: anything else is no accident of writing, and raises JournalError.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise JournalError(f"expected a journal at {path}, found: {error.strerror}") from None
    whole = text[: text.rfind(b"\n") + 1]
    seq, head = 0, GENESIS
    lines = whole.splitlines(keepends=True)
    for record in records(lines):
        seq = record.seq
    if lines:
        head = lines[-1][9:73].decode()
    torn = text[len(whole) :]
    if torn:
        with replaced(path.with_name(f"{path.name}.{sha256(torn).hexdigest()[:8]}.torn")) as aside:
            aside.write(torn)
        with path.open("rb+") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return Mended(seq, head, len(torn))


def compress(path: Path) -> Path:
    """The same journal a tenth of its size; the original goes once the compressed one has been read back whole. The new path."""
    target = path.with_name(path.name + ".gz")
    count = verify(path).seq
    with replaced(target) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(path.read_bytes())
    if sum(1 for _ in read(target)) != count:
        raise JournalError(f"expected {target} to hold {count} records, found fewer; {path} was kept")
    path.unlink()
    return target


def sessions(folder: Path) -> list[Path]:
    """Every journal, oldest session first."""
    return sorted(path for path in folder.glob("*.jsonl*") if path.name.endswith(SUFFIXES))


def latest(folder: Path) -> Path:
    """The journal that was begun last."""
    found = sorted(sessions(folder), key=lambda path: path.stat().st_mtime)
    if not found:
        raise JournalError(f"expected a journal in {folder}, found none; `make demo` or `daybot live` writes one")
    return found[-1]


def _head(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".head")


def _noted(path: Path) -> int | None:
    head = _head(path)
    return int(json.loads(head.read_bytes())["seq"]) if head.exists() else None
