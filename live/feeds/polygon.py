"""Polygon's (Massive's) stocks stream, by polygon-api-client, or by `massive`, its successor, where that is installed: the same calls.

Its `connect` ends quietly when the server closes with 1000, uses up six connections at once when it is refused, hides why it could not connect,
spends 26 us on each frame, and never notices a mute socket. So that one call is not made: the address, the keys and what to subscribe to are the
client's, the socket is ours, once (`once`), and read in the moment in which a frame comes.
"""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import certifi
from picows import WSError, WSInvalidStatusError

from live.clock import Clock
from live.feeds.conditions import counts_by_number
from live.feeds.vendor import Cause, Channels, Ending, Raw, Sink, handshake
from live.feeds.wire import polygon as wire
from live.feeds.wire.connection import Closed, Connection
from live.feeds.wire.frames import Unreadable
from pipelines.core.errors import BadBar, FeedError
from pipelines.core.market.bars import MINUTE, Bar, Print, Quote, checked
from pipelines.core.trading.events import Band, Market, MarketBar, MarketQuote, MarketTrade
from pipelines.settings import Settings

MILLISECOND = 1_000_000

GRANTED = "subscribed to: AM."
POLICY = 1008
"""The code that it closes with where a key has too many connections."""


class Refused(FeedError):
    """The keys were not accepted."""


class PolygonFeed:
    """Minute bars and bands of the watched symbols; trades and quotes where they are wanted. It tells no halts, revisions or corrections."""

    name = "polygon"
    thin = False

    def __init__(self, settings: Settings, symbols: Sequence[str], *, sink: Sink, clock: Clock, channels: Channels, raw: Raw | None = None) -> None:
        self.package = "massive" if find_spec("massive") else "polygon"
        self.received = 0
        self._key = settings.polygon_api_key.get_secret_value()
        self._host, self._secure = settings.polygon_stream
        self._wanted = frozenset(symbols)
        self._granted: set[str] = set()
        self._sink, self._clock, self._channels, self._raw = sink, clock, channels, raw
        self._parsers: dict[type, Callable[[Any, int], Market | None]] = {
            wire.Bar: self._bar,
            wire.Trade: self._trade,
            wire.Quote: self._quote,
            wire.Band: self._band,
        }

    async def once(self) -> Ending:
        """One connection: in, subscribed, read until it ends."""
        self._granted = set()
        client = import_module(self.package).WebSocketClient(
            self._key, feed=self._host, market="stocks", raw=True, secure=self._secure, subscriptions=self._subscriptions()
        )
        try:
            client.websocket = await Connection.connect(client.url, authorities=certifi.where())
            await self._log_in(client)
            await client._subscribe(sorted(client.scheduled_subs))  # a set: its order would differ from run to run
            await client.websocket.pump(self._frame)
        except Refused as error:
            return Ending(Cause.REFUSED, str(error))
        except WSInvalidStatusError as answer:
            return handshake(answer)
        except Closed as closed:
            return Ending(Cause.LIMIT if closed.code == POLICY else Cause.LOST, f"closed by the server ({closed})")
        except (OSError, TimeoutError, ValueError, WSError) as error:
            return Ending(Cause.LOST, f"{type(error).__name__}: {error}")
        finally:
            if client.websocket is not None:
                await client.websocket.close()
        return Ending(Cause.LOST, "ended")

    async def _log_in(self, client: Any) -> None:
        """The client's own words, which it has no call for; the greeting is not looked at, as by it."""
        await client.websocket.recv()
        await client.websocket.send(json.dumps({"action": "auth", "params": client.api_key}))
        answer = wire.FRAMES.read(await client.websocket.recv())[0]
        if getattr(answer, "status", "") == "auth_failed":
            raise Refused(getattr(answer, "message", ""))

    def _subscriptions(self) -> list[str]:
        channels = ["AM", "LULD", *(["T"] if self._channels.trades else []), *(["Q"] if self._channels.quotes else [])]
        asked = [f"{channel}.{symbol}" for channel in channels for symbol in sorted(self._wanted)]
        canary = f"T.{self._channels.canary}"
        return [*asked, canary] if self._channels.canary and canary not in asked else asked

    def _frame(self, frame: bytes) -> None:
        at = self._clock.now()
        if self._raw is not None:
            self._raw(self.name, frame, at)
        try:
            messages = wire.FRAMES.read(frame)
        except ValueError as error:
            self.received += 1
            self._sink.refuse(self.name, "", f"expected a JSON frame, found {error}", frame[:200])
            return
        answers = [message for message in messages if isinstance(message, wire.Status)]
        for message in messages:
            if not isinstance(message, wire.Status):
                self._message(message, at)
        if len(answers) < len(messages):
            self.received += len(messages) - len(answers)
            self._sink.pulse(self.name)
        if answers:
            self._answered(answers)

    def _message(self, message: Any, at: int) -> None:
        parse = self._parsers.get(type(message))
        if parse is None:
            self._unread(message)
            return
        try:
            event = parse(message, at)
        except (BadBar, ValueError) as error:  # one bad message must not cost the rest of its frame
            symbol = message.ticker if isinstance(message, wire.Band) else message.symbol
            self._sink.refuse(self.name, symbol, f"{type(error).__name__} {error}", message)
            return
        if event is not None:
            self._sink.heard(self.name, event)

    def _unread(self, message: Unreadable) -> None:
        """Other kinds of messages are not ours."""
        if not message.kind or wire.FRAMES.knows(message.kind):
            said = message.content if isinstance(message.content, dict) else {}
            self._sink.refuse(self.name, str(said.get("sym", said.get("T", ""))), message.reason, message.content)

    def _answered(self, answers: Sequence[wire.Status]) -> None:
        """One word for each thing that was asked for, in no set order and without the name of what was refused."""
        refused = []
        for answer in answers:
            if answer.message.startswith(GRANTED):
                self._granted.add(answer.message.removeprefix(GRANTED))
            elif answer.status != "success":
                refused.append(f"{answer.status}: {answer.message}")
        if refused:
            self._sink.troubled(self.name, f"{refused[0]}{f' and {len(refused) - 1} more' if len(refused) > 1 else ''}")
        bars = self._wanted & self._granted
        self._sink.subscribed(self.name, bars, f"{len(bars)} of {len(self._wanted)} symbols")

    # --- one message each

    def _bar(self, message: wire.Bar, at: int) -> Market:
        """A number of trades is not told, but their average size is."""
        if message.end - message.start != 60_000:
            raise BadBar(f"{message.symbol}: expected a bar of one minute, found {message.start} to {message.end}")
        high, low, close, volume = message.high, message.low, message.close, message.volume
        vwap, size = message.vwap or (high + low + close) / 3, message.average_size or 0
        bar = Bar(message.symbol, message.start * MILLISECOND, message.open, high, low, close, volume, vwap, round(volume / size) if size else 0)
        if bar.start % MINUTE:
            raise BadBar(f"{bar.symbol}: expected a bar that starts with a minute, found {bar.start}")
        return MarketBar(checked(bar), self.name, at)

    def _trade(self, message: wire.Trade, at: int) -> Market | None:
        symbol = message.symbol
        if symbol == self._channels.canary:
            self._sink.canary(self.name)
        if not self._channels.trades or symbol not in self._wanted:
            return None
        if not 0 < message.price < float("inf"):
            raise ValueError(f"expected a price above zero, found {message.price}")
        trade = Print(symbol, message.price, message.size, message.at * MILLISECOND, counts_by_number(message.conditions or ()))
        return MarketTrade(trade, self.name, at)

    def _quote(self, message: wire.Quote, at: int) -> Market:
        sides = message.bid or 0.0, message.ask or 0.0, message.bid_size or 0.0, message.ask_size or 0.0
        return MarketQuote(Quote(message.symbol, *sides, message.at * MILLISECOND), self.name, at)

    def _band(self, message: wire.Band, at: int) -> Market:
        if not 0 < message.lower < message.upper < float("inf"):
            raise ValueError(f"expected a band above zero, found {message.lower} to {message.upper}")
        return Band(message.ticker, message.lower, message.upper, at)
