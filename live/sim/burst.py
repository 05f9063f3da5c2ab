"""A burst: what each stream client was sent last, encoded once and repeated as fast as the client reads. For load, not for trading:

the times and ids in it are those of the originals.
"""

import asyncio
import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgpack

from live.sim.alpaca.streams.lines import Line
from live.sim.errors import malformed

_CHUNK = 256 * 1024  # bytes written at once
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`messages` for each client, so many in a frame; `per_second` of the event loop holds the speed down, 0 does not."""

    messages: int
    per_frame: int = 8
    per_second: int = 0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Raises Refusal."""
        least = {"messages": 1, "per_frame": 1, "per_second": 0}
        unknown = sorted(set(body) - set(least))
        if unknown or "messages" not in body:
            raise malformed(f"expected messages, and per_frame and per_second if wanted, found {', '.join(sorted(body)) or 'nothing'}")
        for name, value in body.items():
            if not isinstance(value, int) or isinstance(value, bool) or not least[name] <= value <= _MOST:
                raise malformed(f"{name} must be a whole number from {least[name]} to {_MOST}, found {value!r}")
        return cls(**body)


async def burst(lines: Sequence[Line], wanted: Wanted) -> dict[str, Any]:
    """To all clients at the same time. Answers what was written: messages in total, clients that got all of it, seconds it took."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    written = await asyncio.gather(*(_pour(line, wanted, begin) for line in lines))
    done = sum(count == wanted.messages for count in written)
    return {"clients": len(lines), "complete": done, "messages": sum(written), "seconds": round(loop.time() - begin, 6)}


async def _pour(line: Line, wanted: Wanted, begin: float) -> int:
    """Chunks of whole frames, the last one cut to what is left."""
    loop, written = asyncio.get_running_loop(), 0
    frames = _canned(line, wanted.per_frame)
    whole = _chunk(frames, wanted)
    while written < wanted.messages:
        data, count = whole
        if count > wanted.messages - written:
            data, count = _cut(frames, wanted.messages - written, line)
        if wanted.per_second:
            await asyncio.sleep(max(begin + (written + count) / wanted.per_second - loop.time(), 0))
        if not await line.pour(data, count):
            break
        written += count
    return written


def _canned(line: Line, per_frame: int) -> list[tuple[list[Any], bytes]]:
    """Messages of the line's last frames in frames of the wanted size, each with its bytes on the wire."""
    messages = [message for frame in line.recent for message in _unpacked(frame)]
    if len(messages) < per_frame:
        messages *= -(-per_frame // len(messages))
    parts = [messages[at : at + per_frame] for at in range(0, len(messages) - per_frame + 1, per_frame)]
    return [(part, _framed(_packed(part, line))) for part in parts]


def _chunk(frames: Sequence[tuple[list[Any], bytes]], wanted: Wanted) -> tuple[bytes, int]:
    """Frames over and over until there are enough to write at once, or a tenth of a second's worth where the speed is held down."""
    most = wanted.per_second // 10 or wanted.messages
    found, count, size = list[bytes](), 0, 0
    while not found or (size < _CHUNK and count + wanted.per_frame <= most):
        part, data = frames[len(found) % len(frames)]
        found.append(data)
        count, size = count + len(part), size + len(data)
    return b"".join(found), count


def _cut(frames: Sequence[tuple[list[Any], bytes]], left: int, line: Line) -> tuple[bytes, int]:
    """So many messages exactly: whole frames, and what remains in a smaller one."""
    found, count, turn = list[bytes](), 0, 0
    while count < left:
        part, data = frames[turn % len(frames)]
        if len(part) > left - count:
            part = part[: left - count]
            data = _framed(_packed(part, line))
        found.append(data)
        count, turn = count + len(part), turn + 1
    return b"".join(found), count


def _unpacked(frame: str | bytes) -> Iterable[Any]:
    found: list[Any] = json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
    return found


def _packed(messages: list[Any], line: Line) -> str | bytes:
    packed: bytes = msgpack.packb(messages) if line.packed else b""
    return packed or json.dumps(messages, separators=(",", ":"))


def _framed(body: str | bytes) -> bytes:
    """One websocket message of the server's, text or binary, in one frame."""
    data = body.encode() if isinstance(body, str) else body
    head = b"\x81" if isinstance(body, str) else b"\x82"
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    return head + (b"\x7e" + struct.pack("!H", len(data)) if len(data) < 65_536 else b"\x7f" + struct.pack("!Q", len(data))) + data
