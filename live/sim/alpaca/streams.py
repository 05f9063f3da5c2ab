"""Both websockets: market data (`/v2/iex`, `/v2/sip`) and order events (`/stream`), each frame in the encoding the client asked for."""

import asyncio
import json
from collections import deque
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgpack
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from live.sim.alpaca.channels import CHANNELS, bar_message, quote_message, trade_message
from live.sim.alpaca.history import History
from live.sim.alpaca.wire import update_json
from live.sim.venue.account import Fill
from live.sim.venue.orders import Order
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

_AUTH_SECONDS = 10.0
_SLOW_SECONDS = 5.0


class Line:
    """One websocket: frames wait in order and leave through one writer at a time."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: deque[tuple[str | bytes, int]] = deque()
        self._writing = asyncio.Lock()
        self.packed = socket.headers.get("content-type") == "application/msgpack"
        self.open = True
        self.sent = 0  # market or order messages, control messages not counted

    def put(self, frame: str | bytes, messages: int) -> None:
        self._waiting.append((frame, messages))

    async def flush(self) -> None:
        """Write everything that waits. A client that does not read within some seconds is cut off as slow."""
        async with self._writing:
            while self._waiting and self.open:
                frame, messages = self._waiting.popleft()
                try:
                    await asyncio.wait_for(self._write(frame), _SLOW_SECONDS)
                except (TimeoutError, RuntimeError, WebSocketDisconnect):
                    self.open = False
                    return
                self.sent += messages

    async def _write(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_text(frame)

    async def read(self) -> Any:
        """The next message, decoded; None for one that is neither JSON nor msgpack. Raises WebSocketDisconnect at the end."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        raw = message.get("bytes")
        if raw is None:
            raw = message.get("text") or ""
        return decode(raw)

    async def close(self, code: int = 1000) -> None:
        self.open = False
        if self._socket.application_state is WebSocketState.CONNECTED and self._socket.client_state is WebSocketState.CONNECTED:
            await self._socket.close(code)


def decode(raw: str | bytes) -> Any:
    """JSON first, whatever the frame's kind: clients send either in either."""
    try:
        return json.loads(raw)
    except ValueError:
        pass
    if isinstance(raw, str):
        return None
    try:
        return msgpack.unpackb(raw)
    except (ValueError, msgpack.exceptions.UnpackException):
        return None


class MarketLine(Line):
    """A data-stream client with its subscriptions by channel."""

    def __init__(self, socket: WebSocket) -> None:
        super().__init__(socket)
        self.channels: dict[str, set[str]] = {channel: set() for channel in CHANNELS}

    def wants(self, channel: str, symbol: str) -> bool:
        chosen = self.channels[channel]
        return symbol in chosen or "*" in chosen

    def say(self, *messages: dict[str, Any]) -> None:
        """Control messages come alone, in an array."""
        self.put(msgpack.packb(list(messages)) if self.packed else json.dumps(list(messages)), 0)


class TradingLine(Line):
    """An order-stream client; `listens` once it asked for trade_updates."""

    listens = False

    def say(self, body: dict[str, Any], messages: int = 0) -> None:
        """JSON in a binary frame as the paper host sends it, msgpack when asked."""
        self.put(msgpack.packb(body) if self.packed else json.dumps(body, separators=(",", ":")).encode(), messages)


class Streams:
    """Hears the venue, writes to every client that wants it. Implements the desk's audience."""

    def __init__(self, venue: Venue, accepts: Any) -> None:
        self._venue = venue
        self._accepts = accepts
        self._history = History(venue.world)
        self._market: list[MarketLine] = []
        self._trading: list[TradingLine] = []
        self._gone = {"market": 0, "trading": 0}
        venue.desk.audience = self

    @property
    def sent(self) -> dict[str, int]:
        """Messages written since the start, closed connections included."""
        return {
            "market": self._gone["market"] + sum(line.sent for line in self._market),
            "trading": self._gone["trading"] + sum(line.sent for line in self._trading),
        }

    @property
    def clients(self) -> dict[str, int]:
        """Connections that have subscribed to something or are listening: from then on they miss nothing."""
        return {
            "market": sum(any(line.channels.values()) for line in self._market),
            "trading": sum(line.listens for line in self._trading),
        }

    async def flush(self) -> None:
        for line in [*self._market, *self._trading]:
            if line.open:
                await line.flush()
            if not line.open:
                await line.close(1008)

    async def stop(self) -> None:
        for line in [*self._market, *self._trading]:
            await line.close(1001)

    # What the venue tells

    def watches(self, symbol: str) -> bool:
        return any(line.wants("trades", symbol) or line.wants("quotes", symbol) for line in self._market)

    def bars(self, rows: list[tuple[str, Bars, int]]) -> None:
        """One frame a client: the minute's bars, and the running days for those who asked."""
        for line in self._market:
            found = [bar_message("b", symbol, bars, row, packed=line.packed) for symbol, bars, row in rows if line.wants("bars", symbol)]
            for symbol, _, _ in rows if line.channels["dailyBars"] else ():
                if line.wants("dailyBars", symbol):
                    day = self._history.running(symbol, self._venue.session, self._venue.now)
                    found += [bar_message("d", symbol, day, row, packed=line.packed) for row in range(len(day))]
            _send(line, found)

    def trade(self, symbol: str, trade: Print) -> None:
        for line in self._market:
            found = [trade_message(symbol, trade, packed=line.packed)] if line.wants("trades", symbol) else []
            if line.wants("quotes", symbol):
                found.append(quote_message(symbol, trade, packed=line.packed))
            _send(line, found)

    def update(self, event: str, event_id: str, order: Order, fill: Fill | None, *, at: int) -> None:
        execution = fill.id if fill is not None else _execution(event_id)
        settles = self._venue.world.calendar.after(self._venue.session.date).date.isoformat()
        listening = [line for line in self._trading if line.listens]
        if listening:
            body = update_json(event, event_id, order, fill, at=at, execution=execution, settles=settles)
            for line in listening:
                line.say(body, 1)

    # Market data clients

    async def market(self, socket: WebSocket) -> None:
        await socket.accept()
        line = MarketLine(socket)
        line.say({"T": "success", "msg": "connected"})
        try:
            await line.flush()
            if await self._enter(line, socket):
                await self._serve(line)
        except WebSocketDisconnect:
            pass
        finally:
            line.open = False
            if line in self._market:
                self._market.remove(line)
                self._gone["market"] += line.sent

    async def _enter(self, line: MarketLine, socket: WebSocket) -> bool:
        """Authentication: by the handshake's headers or by a message within ten seconds."""
        key, secret = socket.headers.get("apca-api-key-id"), socket.headers.get("apca-api-secret-key")
        if not (key and secret):
            message = await self._credentials(line)
            if message is None:
                return False
            key, secret = message.get("key"), message.get("secret")
        if not self._accepts(key, secret):
            return await _part(line, 402, "auth failed")
        if any(other.open for other in self._market):
            return await _part(line, 406, "connection limit exceeded")
        self._market.append(line)
        line.say({"T": "success", "msg": "authenticated"})
        await line.flush()
        return True

    async def _credentials(self, line: MarketLine) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                while True:
                    message = await line.read()
                    if isinstance(message, dict) and message.get("action") == "auth":
                        return message
                    known = isinstance(message, dict) and message.get("action") in ("subscribe", "unsubscribe")
                    line.say(_error(401, "not authenticated") if known else _error(400, "invalid syntax"))
                    await line.flush()
        except TimeoutError:
            await _part(line, 404, "auth timeout")
            return None

    async def _serve(self, line: MarketLine) -> None:
        while True:
            message = await line.read()
            line.say(self._answer(line, message))
            await line.flush()

    def _answer(self, line: MarketLine, message: Any) -> dict[str, Any]:
        """The full state of all channels after every change."""
        action = message.get("action") if isinstance(message, dict) else None
        if action == "auth":
            return _error(403, "already authenticated")
        if action not in ("subscribe", "unsubscribe"):
            return _error(400, "invalid syntax")
        changes = {channel: message[channel] for channel in CHANNELS if message.get(channel) is not None}
        if any(not isinstance(names, list) or not all(isinstance(name, str) for name in names) for names in changes.values()):
            return _error(400, "invalid syntax")
        for channel, names in changes.items():
            follow = (channel, "corrections", "cancelErrors") if channel == "trades" else (channel,)
            for each in follow:
                line.channels[each] = line.channels[each] | set(names) if action == "subscribe" else line.channels[each] - set(names)
            if action == "subscribe" and channel in ("trades", "quotes"):
                for symbol in self._venue.world.assets if "*" in names else names:
                    self._venue.watch(symbol)
        return {"T": "subscription", **{channel: sorted(names) for channel, names in line.channels.items()}}

    # Order event clients

    async def trading(self, socket: WebSocket) -> None:
        """No greeting: the first frame a client gets is the answer to its authentication."""
        await socket.accept()
        line = TradingLine(socket)
        entered = False
        self._trading.append(line)
        try:
            while True:
                message = await line.read()
                entered = self._hear(line, message if isinstance(message, dict) else {}, entered=entered)
                await line.flush()
        except WebSocketDisconnect:
            pass
        finally:
            line.open = False
            self._trading.remove(line)
            self._gone["trading"] += line.sent

    def _hear(self, line: TradingLine, message: dict[str, Any], *, entered: bool) -> bool:
        """Answer one message; says whether the client is authenticated after it."""
        action, data = message.get("action"), message.get("data")
        data = data if isinstance(data, dict) else {}
        if action in ("auth", "authenticate"):
            key, secret = message.get("key") or data.get("key_id"), message.get("secret") or data.get("secret_key")
            good = bool(self._accepts(key, secret))
            line.say({"stream": "authorization", "data": {"status": "authorized" if good else "unauthorized", "action": "authenticate"}})
            return good
        if action == "listen" and entered:
            streams = data.get("streams")
            chosen = [name for name in streams if name == "trade_updates"] if isinstance(streams, list) else []
            line.listens = bool(chosen)
            line.say({"stream": "listening", "data": {"streams": chosen}})
        else:
            line.say({"stream": "authorization", "data": {"status": "unauthorized", "action": action or "listen"}} if not entered else _misread())
        return entered


def _misread() -> dict[str, Any]:
    return {"stream": "error", "data": {"error": "invalid action"}}


def _send(line: MarketLine, messages: list[Any]) -> None:
    """Messages are encoded already: an array is their header and their concatenation."""
    if not messages:
        return
    packed = msgpack.Packer().pack_array_header(len(messages)) + b"".join(messages) if line.packed else None
    line.put("[" + ",".join(messages) + "]" if packed is None else packed, len(messages))


async def _part(line: MarketLine, code: int, text: str) -> bool:
    line.say(_error(code, text))
    await line.flush()
    await line.close(1000)
    return False


def _error(code: int, text: str) -> dict[str, Any]:
    return {"T": "error", "code": code, "msg": text}


def _execution(event_id: str) -> str:
    """Events that are no executions carry an execution id too; it is made from the event's."""
    return str(uuid5(NAMESPACE_OID, event_id))
