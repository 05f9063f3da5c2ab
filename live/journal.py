"""The session's journal on disk: append, make durable, resume, verify, repair, compress, read. What is not in here was not allowed to happen.

One a session and account; `pipelines.journals` has the names of its files. Beside them lies `.head` with the number and hash of the newest durable
record: a chain alone cannot tell that its end was cut off. A second note elsewhere (`witness`) tells that a journal was written anew with its head.
Raw frames lie beside it as well, sealed by records in here: `live/raw.py`.
"""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import tee
from pathlib import Path
from types import TracebackType

from pipelines.core.errors import JournalError
from pipelines.core.journal import GENESIS, HEAD, Record, encode, records, seal, sealed
from pipelines.durable import replaced, synced
from pipelines.journals import SHADOW, lines, part, parts, sessions, stem


class Journal:
    """One session's file, written by one process. Nothing may be sent before `barrier` has returned."""

    def __init__(self, path: Path, *, resume: bool = False, part: int = 0) -> None:
        """A new file, or with `resume` the one of a run that died: its torn tail is cut off and kept aside, and the chain goes on.

        `part`: bytes after which the next file begins; 0 for one file. Raises JournalError where a new one exists already, or where one to be
        resumed was changed.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.seq, self.head = 0, GENESIS
        self._waiting: list[bytes] = []
        self._noted, self._part, self._number = 0, part, 1
        if resume:
            mended = repair(path)
            self.seq, self.head, self._number = mended.seq, mended.head, len(parts(path))
        self._file = self._open(new=not resume)
        self._size = os.fstat(self._file).st_size

    @property
    def waiting(self) -> int:
        """Records that were not handed to the operating system yet."""
        return len(self._waiting)

    def append(self, kind: str, at: int, data: object) -> int:
        """Seal a record; it reaches the disk with the next `flush` or `barrier`. Its number."""
        self.seq += 1
        line, self.head = seal(self.head, self.seq, at, kind, data if isinstance(data, bytes) else encode(data))
        self._waiting.append(line + b"\n")
        return self.seq

    def flush(self) -> None:
        """Hand all records to the operating system: they survive this process. What could not be written is kept, and goes first the next time."""
        if not self._waiting:
            return
        if self._part and self._size >= self._part:
            self._turn()
        text = b"".join(self._waiting)
        try:
            written = os.write(self._file, text)
        except OSError as error:
            self._waiting = [text]
            raise JournalError(f"{self.path} cannot be written: {error.strerror}; nothing may be sent") from None
        self._waiting = [text[written:]] if written < len(text) else []
        if self._waiting:
            raise JournalError(f"{self.path}: {written} of {len(text)} bytes written; is the disk full? nothing may be sent")
        self._size += written

    def barrier(self) -> None:
        """All records are on the disk when this returns: they survive the machine."""
        self.flush()
        self._sync()

    def note(self) -> None:
        """Put the newest record's number and hash into the file beside; called now and then and at the end, not with every record."""
        if self.seq != self._noted:
            self.barrier()
            with replaced(_head(self.path)) as file:
                file.write(json.dumps({"seq": self.seq, "hash": self.head}).encode())
            self._noted = self.seq

    def close(self) -> None:
        """Make everything durable and let go of the file."""
        try:
            self.note()
        finally:
            os.close(self._file)

    def _sync(self) -> None:
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise JournalError(f"{self.path} cannot be made durable: {error.strerror}; nothing may be sent") from None

    def _open(self, *, new: bool) -> int:
        path = part(self.path, self._number)
        flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if new else 0)  # exclusive: never continued by accident
        try:
            return os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalError(f"expected to {'create' if new else 'go on with'} {path}, found: {error.strerror}") from None

    def _turn(self) -> None:
        """The next part begins; this one is on the disk before it does."""
        self._sync()
        os.close(self._file)
        self._number, self._size = self._number + 1, 0
        self._file = self._open(new=True)
        synced(self.path.parent)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read(path: Path) -> Iterator[Record]:
    """The records of a journal, compressed or not, its chain checked on the way."""
    try:
        yield from records(lines(path))
    except (OSError, EOFError) as error:
        raise JournalError(f"expected a journal at {path}, found: {getattr(error, 'strerror', None) or error}") from None


def verify(path: Path, heads: Path | None = None) -> Record:
    """Read all of it; the last record. `heads`: what `witness` has written elsewhere.

    Raises JournalError where anything was altered, removed, moved or cut off the end, or is not what one of its heads says.
    """
    last: Record | None = None
    noted = {**_noted(_head(path), stem(path)), **(_noted(heads, stem(path)) if heads is not None else {})}
    try:
        whole, checked = tee(lines(path))
        for line, record in zip(whole, records(checked), strict=True):
            last = record
            if noted.get(record.seq, (sealed(line), path))[0] != sealed(line):
                raise JournalError(f"{path}: record {record.seq} has another hash than {noted[record.seq][1]} says; it was written anew")
    except (OSError, EOFError) as error:
        raise JournalError(f"expected a journal at {path}, found: {getattr(error, 'strerror', None) or error}") from None
    if last is None:
        raise JournalError(f"expected records in {path}, found none")
    most = max(noted, default=0)
    if last.seq < most:
        raise JournalError(f"{path}: expected at least {most} records, as {noted[most][1]} says, found {last.seq}; its end was cut off")
    return last


def witness(heads: Path, path: Path, seq: int, head: str) -> None:
    """Add the head of a journal to a file elsewhere. OSError where that cannot be written."""
    line = json.dumps({"journal": stem(path), "seq": seq, "hash": head}) + "\n"
    file = os.open(heads, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
        os.fsync(file)
    finally:
        os.close(file)


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
    end = parts(path)[-1]
    torn = _torn(end)
    if torn:
        with replaced(end.with_name(f"{end.name}.{sha256(torn).hexdigest()[:8]}.torn")) as aside:
            aside.write(torn)
        with end.open("rb+") as file:
            file.truncate(end.stat().st_size - len(torn))
            os.fsync(file.fileno())
    seq, head = 0, GENESIS
    whole, checked = tee(lines(path))
    for line, record in zip(whole, records(checked), strict=True):
        seq, head = record.seq, line[len(HEAD) : len(HEAD) + len(GENESIS)].decode()
    return Mended(seq, head, len(torn))


def _torn(path: Path) -> bytes:
    """What stands after the last newline of a file; a compressed one has no such thing."""
    if path.suffix == ".gz":
        return b""
    try:
        with path.open("rb") as file:
            size, found = file.seek(0, os.SEEK_END), b""
            while len(found) < size and b"\n" not in found:
                step = min(size - len(found), 1 << 16)
                file.seek(size - len(found) - step)
                found = file.read(step) + found
    except OSError as error:
        raise JournalError(f"expected a journal at {path}, found: {error.strerror}") from None
    return found.rpartition(b"\n")[2]


def compress(path: Path) -> Path:
    """The same journal a tenth of its size; each original goes once its compressed form has been read back whole. The first part's new path."""
    verify(path)
    for each in parts(path):
        if each.suffix == ".gz":
            continue
        target, text = each.with_name(each.name + ".gz"), each.read_bytes()
        with replaced(target) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
            packed.write(text)
        if gzip.decompress(target.read_bytes()) != text:
            raise JournalError(f"expected {target} to hold what {each} holds, found something else; {each} was kept")
        each.unlink()
    return path if path.suffix == ".gz" else path.with_name(path.name + ".gz")


def latest(folder: Path) -> Path:
    """The journal that was begun last, a shadow session's too."""
    found = sorted([*sessions(folder), *sessions(folder / SHADOW)], key=lambda path: parts(path)[-1].stat().st_mtime)
    if not found:
        raise JournalError(f"expected a journal in {folder}, found none; `make demo` or `daybot live` writes one")
    return found[-1]


def _head(path: Path) -> Path:
    return path.with_name(f"{stem(path)}.head")


def _noted(file: Path, name: str) -> dict[int, tuple[str, Path]]:
    """Number of a record -> its hash and where that stands, of the journal of this name; none where there is no such file."""
    try:
        found = [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
        return {int(one["seq"]): (str(one["hash"]), file) for one in found if one.get("journal", name) == name}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"expected heads of journals in {file}, found {error}") from None
