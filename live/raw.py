"""What came in and went out as it was on the wire: market and trading frames, requests to the broker and its answers, each with its moment.

It lies in files beside the session's journal, `<session>-<number>-<run>.raw`, then `.2.raw` and so on, in compressed blocks. Each block is on the
disk before a record `raw` in the journal names its place and its SHA-256, so the journal's chain and head seal the frames too. What was taken since
the last block, ten seconds or so, is lost with a crash; decisions are not, and events are in the journal itself. No header, and so no key, is ever
in here.
"""

import asyncio
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue

import msgpack
import msgspec

from live.journal import Journal, read
from pipelines.core.errors import JournalError
from pipelines.core.journal import Record
from pipelines.durable import synced
from pipelines.journals import stem

HEAD = struct.Struct(">4sII")
"""Before each block: the mark, its bytes compressed, and plain."""

MARK = b"DBR1"

BLOCK = 256 * 1024
"""Bytes of frames in a block at most, about: putting one together holds the interpreter for half a millisecond."""

WAIT, CROWD = 10.0, 2000
"""Seconds after which frames are sealed, and how many are sealed at once: a block each second would be a few small frames and a record about them."""

KIND, UNSEALED = "raw", "unsealed"
"""Records of a block, and of the moment from which there are no more: how many frames were in hand and are lost."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One message. `source` is a vendor's name, `trading` (the order updates) or `broker` (a request and its answer); `at` nanoseconds UTC."""

    at: int
    source: str
    data: bytes


class Block(msgspec.Struct, frozen=True):
    """Where a block lies and what it has to be: the data of a `raw` record."""

    file: str
    offset: int
    bytes: int
    frames: int
    first: int
    last: int
    sha256: str


FRAMES = msgspec.msgpack.Decoder(list[Frame])


class Raw:
    """Of one run. `take` from any thread; `seal` from the loop's, now and then. `failed` is told once if the disk does not take it any more."""

    def __init__(self, journal: Journal, *, part: int, failed: Callable[[str], None]) -> None:
        """`part`: bytes after which the next file begins; 0 for one file."""
        self._journal, self._part, self._failed = journal, part, failed
        self._taken: SimpleQueue[Frame] = SimpleQueue()
        self._number = len(files(journal.path)) + 1  # a run that goes on leaves the files of the dead one alone
        self._file = -1
        self._offset = 0
        self._sealing: asyncio.Task[None] | None = None
        self._sealed = -WAIT
        self._broken = False

    def take(self, source: str, data: bytes, at: int) -> None:
        """One message, as it was received or sent."""
        if not self._broken:
            self._taken.put(Frame(at, source, data))

    def seal(self) -> None:
        """Have all that was taken written, beside the loop, where it is time or there is much; not while that is still being done."""
        now, waiting = asyncio.get_running_loop().time(), self._taken.qsize()
        due = waiting >= CROWD or (waiting and now - self._sealed >= WAIT)
        if due and (self._sealing is None or self._sealing.done()):
            if self._sealing is not None:
                self._sealing.result()  # what broke in there is told here
            self._sealed = now
            self._sealing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        if self._sealing is not None:
            await self._sealing
        await self._write()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def _write(self) -> None:
        """Blocks of what waits, one by one; each is named in the journal when it is on the disk."""
        loop = asyncio.get_running_loop()
        while not self._broken and (frames := self._some()):
            try:
                block = await loop.run_in_executor(None, self._append, frames)
            except OSError as error:
                self._broken = True
                lost = len(frames) + self._taken.qsize()
                self._journal.append(UNSEALED, frames[-1].at, {"frames": lost, "error": error.strerror})
                self._failed(f"raw frames cannot be written beside {self._journal.path}: {error.strerror}; nothing more of them is kept")
                return
            self._journal.append(KIND, block.last, block)

    def _some(self) -> list[Frame]:
        """Not more than were there when it began to look: others go on taking."""
        found: list[Frame] = []
        size = 0
        for _ in range(self._taken.qsize()):
            found.append(self._taken.get())
            size += len(found[-1].data)
            if size >= BLOCK:
                break
        return found

    def _append(self, frames: list[Frame]) -> Block:
        if self._file < 0 or (self._part and self._offset >= self._part):
            self._turn()
        plain = msgspec.msgpack.encode(frames)
        packed = zlib.compress(plain, 1)
        block = HEAD.pack(MARK, len(packed), len(plain)) + packed
        try:
            written = os.write(self._file, block)
            if written < len(block):
                raise OSError(0, f"{written} of {len(block)} bytes written; is the disk full?")
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._offset)  # half a block is of no use, and the journal needs its room
            raise
        offset, self._offset = self._offset, self._offset + written
        times = [frame.at for frame in frames]
        return Block(_name(self._journal.path, self._number), offset, written, len(frames), min(times), max(times), sha256(block).hexdigest())

    def _turn(self) -> None:
        """The next file begins."""
        if self._file >= 0:
            os.close(self._file)
            self._number += 1
        folder = self._journal.path.parent
        self._file = os.open(folder / _name(self._journal.path, self._number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._offset = 0
        synced(folder)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What `verify` found: blocks and frames that are as the journal says; and blocks whose files are gone as a whole."""

    blocks: int
    frames: int
    gone: int


def verify(path: Path) -> Sealed:
    """Check a journal's raw frames. Raises JournalError where a block is not what was sealed; a file that was removed is counted, not an error."""
    blocks = frames = gone = 0
    for block in _blocks(read(path)):
        if (path.parent / block.file).exists():
            _checked(path, block)
            blocks, frames = blocks + 1, frames + block.frames
        else:
            gone += 1
    return Sealed(blocks, frames, gone)


def frames(path: Path) -> Iterator[Frame]:
    """The raw frames of a journal, block after block, each block checked; inside one by time. Raises JournalError where they are not there."""
    for block in _blocks(read(path)):
        packed = _checked(path, block)[HEAD.size :]
        yield from sorted(FRAMES.decode(zlib.decompress(packed)), key=lambda frame: frame.at)


def text(frame: Frame) -> str:
    """A frame as JSON text, whatever it was on the wire; where it is no message at all, its bytes as Python writes them."""
    try:
        if frame.data[:1] in b"{[":
            return frame.data.decode()
        return json.dumps(msgpack.unpackb(frame.data), default=_plain)
    except (ValueError, msgpack.UnpackException):
        return repr(frame.data)


def _plain(value: object) -> str:
    """A msgpack timestamp as RFC 3339, to the nanosecond."""
    if isinstance(value, msgpack.Timestamp):
        return f"{value.to_datetime():%Y-%m-%dT%H:%M:%S}.{value.nanoseconds:09d}Z"
    return repr(value)


def files(path: Path) -> list[Path]:
    """The files with the raw frames of a journal, in order."""
    return sorted(path.parent.glob(f"{stem(path)}.raw")) + sorted(
        path.parent.glob(f"{stem(path)}.*.raw"), key=lambda file: int(file.suffixes[-2][1:])
    )


def _blocks(told: Iterable[Record]) -> Iterator[Block]:
    return (msgspec.convert(record.data, Block) for record in told if record.kind == KIND)


def _checked(path: Path, block: Block) -> bytes:
    try:
        with (path.parent / block.file).open("rb") as file:
            file.seek(block.offset)
            found = file.read(block.bytes)
    except OSError as error:
        raise JournalError(
            f"expected raw frames in {block.file} beside {path.name}, found: {error.strerror}; RAW_KEPT says how long they stay"
        ) from None
    if sha256(found).hexdigest() != block.sha256:
        raise JournalError(f"{block.file}: the block at byte {block.offset} is not what the journal sealed; it was changed, moved or cut")
    return found


def _name(path: Path, number: int) -> str:
    return f"{stem(path)}.{number}.raw" if number > 1 else f"{stem(path)}.raw"
