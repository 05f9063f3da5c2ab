"""One websocket client: its frames wait in order and leave through one writer, so that a client that does not read delays nobody else."""

import asyncio
import json
from collections import deque
from collections.abc import MutableMapping
from typing import Any

import msgpack
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from live.sim.alpaca.streams.channels import CHANNELS
from live.sim.faults.streams.taps import tap_of
from live.sim.faults.transports import TRANSPORT

_KEPT = 256  # frames that a burst can repeat
_FAREWELL = 60.0  # wall seconds until a client that was cut off and still does not read is forgotten
FAKE = "FAKEPACA"
"""The only stock of the test feed, and on no other."""


class Line:
    """`patience` is how many wall seconds a client may leave a frame unread before it is cut off as slow."""

    def __init__(self, socket: WebSocket, patience: float) -> None:
        self._socket = socket
        self._patience = patience
        self._waiting: deque[tuple[str | bytes, int]] = deque()
        self._writing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self.packed = socket.headers.get("content-type") == "application/msgpack"
        self.open = True
        self.sent = 0  # market or order messages, control messages not counted
        self.recent: deque[str | bytes] = deque(maxlen=_KEPT)  # frames of messages as they were written last
        self.tap = tap_of(self, socket)

    def put(self, frame: str | bytes, messages: int) -> None:
        """Through the faults, if there are any."""
        self._waiting.extend([(frame, messages)] if self.tap is None else self.tap.passes(frame, messages))

    def enter(self, frame: str | bytes, messages: int) -> None:
        """Past all faults."""
        self._waiting.append((frame, messages))

    def kick(self) -> None:
        """Write what waits without waiting for it."""
        if self._waiting and (self._writer is None or self._writer.done()):
            self._writer = asyncio.create_task(self.flush())

    async def flush(self) -> None:
        """Write everything that waits; a client that does not read is told so, if it can be, and closed."""
        async with self._writing:
            while self._waiting and self.open:
                frame, messages = self._waiting.popleft()
                try:
                    async with asyncio.timeout(self._patience):
                        await self._write(frame)
                except TimeoutError:
                    self.open = False
                    self._waiting.clear()
                    self._ending = asyncio.create_task(self._cut())
                except (RuntimeError, WebSocketDisconnect):
                    self.open = False
                else:
                    self.sent += messages
                    if messages:
                        self.recent.append(frame)

    async def pour(self, frames: bytes, messages: int) -> bool:
        """Whole websocket frames straight onto the connection, after what waits. False when the client is gone or reads too slowly."""
        await self.flush()
        transport = self._socket.scope.get(TRANSPORT)
        if not self.open or transport is None or transport.is_closing():
            return False
        transport.write(frames)
        try:
            async with asyncio.timeout(self._patience):
                await transport.get_protocol().writable.wait()
        except TimeoutError:
            return False
        self.sent += messages
        return not transport.is_closing()

    async def _cut(self) -> None:
        """The last frame and the end, should the client ever read again."""
        try:
            async with asyncio.timeout(_FAREWELL):
                if (last := self.farewell()) is not None:
                    await self._write(last)
                await self.close(1008)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass
        self._gone.set()

    def farewell(self) -> str | bytes | None:
        """The last frame of a client that was too slow."""
        return None

    async def _write(self, frame: str | bytes) -> None:
        if self.tap is not None and await self.tap.ends(frame):
            return
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_text(frame)

    async def read(self) -> Any:
        """The next message, decoded; None for one that is neither JSON nor msgpack. Raises WebSocketDisconnect at the end."""
        message = await self._received()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        raw = message.get("bytes")
        if raw is None:
            raw = message.get("text") or ""
        return decode(raw)

    async def _received(self) -> MutableMapping[str, Any]:
        """What comes, or the end of a client that was cut off and may never say another word."""
        comes, gone = asyncio.ensure_future(self._socket.receive()), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((comes, gone), return_when=asyncio.FIRST_COMPLETED)
            if not comes.done():
                raise WebSocketDisconnect(1008)
            return await comes
        finally:
            comes.cancel()
            gone.cancel()

    async def close(self, code: int = 1000) -> None:
        self.open = False
        if self._socket.application_state is WebSocketState.CONNECTED and self._socket.client_state is WebSocketState.CONNECTED:
            await self._socket.close(code)


class MarketLine(Line):
    """A data-stream client of one feed with its subscriptions by channel."""

    def __init__(self, socket: WebSocket, patience: float, *, feed: str = "sip", channels: tuple[str, ...] = CHANNELS) -> None:
        super().__init__(socket, patience)
        self.feed = feed
        self.channels: dict[str, set[str]] = {channel: set() for channel in channels}

    def wants(self, channel: str, symbol: str) -> bool:
        chosen = self.channels.get(channel, ())
        return (symbol in chosen or "*" in chosen) and (symbol == FAKE) == (self.feed == "test")

    def say(self, *messages: dict[str, Any]) -> None:
        """Control messages come alone, in an array."""
        self.put(self._frame(list(messages)), 0)

    def farewell(self) -> str | bytes:
        return self._frame([error(407, "slow client")])

    def _frame(self, messages: list[dict[str, Any]]) -> str | bytes:
        packed: bytes = msgpack.packb(messages)
        return packed if self.packed else json.dumps(messages, separators=(",", ":"))


class TradingLine(Line):
    """An order-stream client; `listens` once it asked for trade_updates."""

    listens = False

    def say(self, body: dict[str, Any], messages: int = 0) -> None:
        """JSON in a binary frame as the paper host sends it, msgpack when asked."""
        self.put(msgpack.packb(body) if self.packed else json.dumps(body, separators=(",", ":")).encode(), messages)


def decode(raw: str | bytes) -> Any:
    """JSON first, whatever the frame's kind: clients send either in either."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        pass
    if isinstance(raw, str):
        return None
    try:
        return msgpack.unpackb(raw)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException):
        return None


def error(code: int, text: str) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": text}
