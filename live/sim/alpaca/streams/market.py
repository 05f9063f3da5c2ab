"""The data stream's conversation: greeting, authentication, and subscriptions that answer with the full state every time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from live.sim.alpaca.streams.broadcast import Streams
from live.sim.alpaca.streams.channels import CHANNELS
from live.sim.alpaca.streams.fake import Fake
from live.sim.alpaca.streams.lines import MarketLine, error
from live.sim.venue.venue import Venue

STREAMS = ("/v2/iex", "/v2/sip", "/v2/delayed_sip", "/v2/test", "/v1beta1/news")
_AUTH_SECONDS = 10.0
_NEWS = ("news",)
_EXTRA = "imbalances"  # exists on the consolidated feeds only, and is silent here


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription pays for. Zero means without limit."""

    name: str = "unlimited"
    symbols: int = 0
    """Trades and quotes that one connection may subscribe to; bars are not counted."""
    connections: int = 1
    recent_sip: bool = True
    """Consolidated data of the last fifteen minutes, and its stream."""


PLANS = {"unlimited": Plan(), "basic": Plan("basic", symbols=30, recent_sip=False)}


class Market:
    """Serves data-stream clients; the messages themselves are written by the streams."""

    def __init__(self, venue: Venue, streams: Streams, accepts: Any, *, plan: Plan, patience: float) -> None:
        self._venue = venue
        self._streams = streams
        self._accepts = accepts
        self._fake = Fake(venue, streams)
        self._plan = plan
        self._patience = patience

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        feed = socket.url.path.rsplit("/", 1)[-1]
        line = MarketLine(socket, self._patience, feed=feed, channels=_NEWS if feed == "news" else CHANNELS)
        line.say({"T": "success", "msg": "connected"})
        try:
            await line.flush()
            if await self._enter(line, socket):
                await self._hear(line)
        except WebSocketDisconnect:
            pass
        finally:
            self._streams.leave(line)

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
        others = sum(other.open and (other.feed in ("news", "test")) == (line.feed in ("news", "test")) for other in self._streams.market)
        if self._plan.connections and others >= self._plan.connections:
            return await _part(line, 406, "connection limit exceeded")
        if line.feed == "sip" and not self._plan.recent_sip:
            return await self._outside(line)
        self._streams.enter(line)
        if line.feed == "test":
            self._fake.start()
        line.say({"T": "success", "msg": "authenticated"})
        await line.flush()
        return True

    async def _outside(self, line: MarketLine) -> bool:
        """The plan does not cover the feed: the connection stays, but nothing is served on it."""
        line.say(error(409, "insufficient subscription"))
        await line.flush()
        while True:
            await line.read()
            line.say(error(401, "not authenticated"))
            await line.flush()

    async def _credentials(self, line: MarketLine) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                while True:
                    message = await line.read()
                    if isinstance(message, dict) and message.get("action") == "auth":
                        return message
                    known = isinstance(message, dict) and message.get("action") in ("subscribe", "unsubscribe")
                    line.say(error(401, "not authenticated") if known else error(400, "invalid syntax"))
                    await line.flush()
        except TimeoutError:
            await _part(line, 404, "auth timeout")
            return None

    async def _hear(self, line: MarketLine) -> None:
        while line.open:
            message = await line.read()
            line.say(self._answer(line, message))
            await line.flush()

    def _answer(self, line: MarketLine, message: Any) -> dict[str, Any]:
        """The full state of all channels after every change; a refused message changes nothing."""
        action = message.get("action") if isinstance(message, dict) else None
        if action == "auth":
            return error(403, "already authenticated")
        if action not in ("subscribe", "unsubscribe"):
            return error(400, "invalid syntax")
        changes = {name: names for name, names in message.items() if name != "action" and names is not None}
        if any(not isinstance(names, list) or not all(_named(name) for name in names) for names in changes.values()):
            return error(400, "invalid syntax")
        if any(names and name not in _offered(line) for name, names in changes.items()):
            return error(410, "invalid subscribe action for this feed")
        after = _changed(line, changes, add=action == "subscribe")
        if self._over(after):
            return error(405, "symbol limit exceeded")
        line.channels = after
        if action == "subscribe":
            self._watch(line, changes)
        return {"T": "subscription", **{channel: sorted(names) for channel, names in line.channels.items()}}

    def _over(self, channels: dict[str, set[str]]) -> bool:
        counted = channels.get("trades", set()), channels.get("quotes", set())
        return bool(self._plan.symbols) and (any("*" in names for names in counted) or sum(map(len, counted)) > self._plan.symbols)

    def _watch(self, line: MarketLine, changes: dict[str, list[str]]) -> None:
        if line.feed not in self._venue.feeds:
            return
        for channel in ("trades", "quotes"):
            names = changes.get(channel, [])
            for symbol in self._venue.world.assets if "*" in names else names:
                self._venue.watch(symbol, line.feed)


def _named(name: Any) -> bool:
    return isinstance(name, str) and name.isascii()


def _offered(line: MarketLine) -> tuple[str, ...]:
    if line.feed == "news":
        return _NEWS
    return (*CHANNELS, _EXTRA) if line.feed in ("sip", "delayed_sip") else CHANNELS


def _changed(line: MarketLine, changes: dict[str, list[str]], *, add: bool) -> dict[str, set[str]]:
    """Corrections and cancels follow the trades without being asked."""
    after = {channel: set(names) for channel, names in line.channels.items()}
    for channel, names in changes.items():
        if channel not in _offered(line):
            continue
        for each in (channel, "corrections", "cancelErrors") if channel == "trades" else (channel,):
            before = after.setdefault(each, set())
            after[each] = before | set(names) if add else before - set(names)
    return after


async def _part(line: MarketLine, code: int, text: str) -> bool:
    line.say(error(code, text))
    await line.flush()
    await line.close(1000)
    return False
