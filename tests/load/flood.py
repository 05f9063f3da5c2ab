"""A vendor that sends trades and quotes as fast as they are read, or at a rate: Alpaca's or Polygon's protocol, from a process of its own.

`python flood.py MESSAGES PER_FRAME [PER_SECOND]` is that process: what it costs is not counted as the reader's.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgpack

SYMBOLS = [f"S{n:03d}" for n in range(200)]
OPEN = 1_795_185_000  # 2026-11-20 09:30 New York, seconds
CANNED = 256
"""Different frames; they are sent over and over."""


def canned(per_frame: int, polygon: bool = False) -> list[bytes]:
    """Frames of trades and quotes, one to four."""
    make = polygons if polygon else alpacas
    frames = [[make(n * per_frame + k) for k in range(per_frame)] for n in range(CANNED)]
    return [json.dumps(frame).encode() if polygon else msgpack.packb(frame) for frame in frames]


def alpacas(i: int) -> dict[str, Any]:
    at = msgpack.Timestamp(OPEN + 1800, (i * 7_919_000) % 1_000_000_000)
    known, price = {"S": SYMBOLS[i % len(SYMBOLS)], "t": at, "z": "C"}, 100 + (i % 50) / 100
    if i % 5 == 0:
        return {"T": "t", **known, "i": i, "x": "V", "p": price, "s": 100, "c": ["@", "F"]}
    return {"T": "q", **known, "bx": "V", "bp": price, "bs": 300, "ax": "Q", "ap": price + 0.01, "as": 200, "c": ["R"]}


def polygons(i: int) -> dict[str, Any]:
    known, price = {"sym": SYMBOLS[i % len(SYMBOLS)], "t": (OPEN + 1800) * 1000 + i % 1000, "z": 3, "q": i}, 100 + (i % 50) / 100
    if i % 5 == 0:
        return {"ev": "T", **known, "i": str(i), "x": 4, "p": price, "s": 100, "c": [0, 12]}
    return {"ev": "Q", **known, "bx": 4, "bp": price, "bs": 3, "ax": 7, "ap": price + 0.01, "as": 2, "c": 0}


def sent(per_frame: int, messages: int) -> int:
    """How many of so many are really sent: whole rounds of the canned frames."""
    return max(messages // (CANNED * per_frame), 1) * CANNED * per_frame


@contextmanager
def flooding(messages: int, per_frame: int, per_second: int = 0) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of the other process, and how to let it begin."""
    command = [sys.executable, __file__, str(messages), str(per_frame), str(per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        begun, said = process.stdin, process.stdout
        assert begun is not None and said is not None

        def begin() -> None:
            begun.write("\n")
            begun.flush()

        try:
            yield f"ws://127.0.0.1:{said.readline().strip()}", begin
        finally:
            process.kill()


# --- the other process


async def _flood(messages: int, per_frame: int, per_second: int) -> None:
    """Let one client in after the other, and give each all the messages once it has subscribed and a line was read from our input."""
    from websockets.asyncio.server import ServerConnection, serve

    async def handle(client: ServerConnection) -> None:
        assert client.request is not None
        polygon = client.request.path.endswith("/stocks")
        await (_polygon if polygon else _alpaca)(client)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        raw = b"".join(_framed(frame, text=polygon) for frame in canned(per_frame, polygon))
        began, transport = time.monotonic(), client.transport
        for turn in range(sent(per_frame, messages) // (CANNED * per_frame)):
            if per_second and (ahead := began + turn * CANNED * per_frame / per_second - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            transport.write(raw)
            while transport.get_write_buffer_size() > 1 << 20:
                await asyncio.sleep(0.0005)
        await client.wait_closed()

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


async def _alpaca(client: Any) -> None:
    await client.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
    await client.recv()
    await client.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
    asked = msgpack.unpackb(await client.recv())
    await client.send(msgpack.packb([{**asked, "T": "subscription"}]))


async def _polygon(client: Any) -> None:
    await client.send(json.dumps([{"ev": "status", "status": "connected", "message": "Connected Successfully"}]))
    await client.recv()
    await client.send(json.dumps([{"ev": "status", "status": "auth_success", "message": "authenticated"}]))
    asked = json.loads(await client.recv())["params"].split(",")
    await client.send(json.dumps([{"ev": "status", "status": "success", "message": f"subscribed to: {name}"} for name in asked]))


def _framed(body: bytes, *, text: bool) -> bytes:
    size, kind = len(body), bytes([0x81 if text else 0x82])
    return kind + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + body


if __name__ == "__main__":
    asyncio.run(_flood(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
