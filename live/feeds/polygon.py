"""Polygon's (Massive's) stocks stream, by polygon-api-client, or by `massive`, its successor, where that is installed: the same calls.

Its client ends quietly when the server closes with 1000, uses up six connections at once when it is refused, hides why it could not connect,
and never notices a mute socket. So it is let connect once (`once`), told to give up at the first failure, and read raw.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from live.clock import Clock
from live.feeds.conditions import counts_by_number
from live.feeds.vendor import Cause, Channels, Ending, Raw, Sink
from pipelines.core.errors import BadBar, FeedError
from pipelines.core.market.bars import MINUTE, Bar, Print, Quote, checked
from pipelines.core.trading.events import Band, Market, MarketBar, MarketQuote, MarketTrade
from pipelines.settings import Settings

MILLISECOND = 1_000_000

SOCKET: dict[str, Any] = {"ping_interval": 10, "ping_timeout": 20, "close_timeout": 1, "max_queue": 1024}

GRANTED = "subscribed to: AM."
POLICY = 1008
"""The code that it closes with where a key has too many connections."""

UNREADABLE = (BadBar, KeyError, TypeError, ValueError, AttributeError)


class Unopened(FeedError):
    """No connection came about; its `__cause__` says why."""


class PolygonFeed:
    """Minute bars and bands of the watched symbols; trades and quotes where they are wanted. It tells no halts, revisions or corrections."""

    name = feed = "polygon"
    thin = False

    def __init__(self, settings: Settings, symbols: Sequence[str], *, sink: Sink, clock: Clock, channels: Channels, raw: Raw | None = None) -> None:
        self.package = "massive" if find_spec("massive") else "polygon"
        self.received = 0
        self._key = settings.polygon_api_key.get_secret_value()
        self._host, self._secure = settings.polygon_stream
        self._wanted = frozenset(symbols)
        self._granted: set[str] = set()
        self._sink, self._clock, self._channels, self._raw = sink, clock, channels, raw
        self._parsers: dict[str, Callable[[dict[str, Any]], Market | None]] = {
            "AM": self._bar,
            "T": self._trade,
            "Q": self._quote,
            "LULD": self._band,
        }

    async def once(self) -> Ending:
        """One connection: in, subscribed, read until it ends."""
        self._granted = set()
        refusal: type[Exception] = import_module(f"{self.package}.exceptions").AuthError
        client = import_module(self.package).WebSocketClient(
            self._key, feed=self._host, market="stocks", raw=True, secure=self._secure, subscriptions=self._subscriptions(), max_reconnects=0
        )
        try:
            await client.connect(self._frame, reconnect_delays=_never, **SOCKET)
        except refusal as error:
            return Ending(Cause.REFUSED, str(error))
        except Unopened as error:
            return _unopened(error.__cause__)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
            return Ending(Cause.LIMIT if code == POLICY else Cause.LOST, f"closed by the server ({code}{' ' + reason if reason else ''})")
        except (OSError, TimeoutError, ValueError, WebSocketException) as error:
            return Ending(Cause.LOST, f"{type(error).__name__}: {error}")
        finally:
            if client.websocket is not None:  # a refused key leaves it open
                await client.close()
        return Ending(Cause.LOST, "closed by the server (1000)")

    def _subscriptions(self) -> list[str]:
        channels = ["AM", "LULD", *(["T"] if self._channels.trades else []), *(["Q"] if self._channels.quotes else [])]
        asked = [f"{channel}.{symbol}" for channel in channels for symbol in sorted(self._wanted)]
        canary = f"T.{self._channels.canary}"
        return [*asked, canary] if self._channels.canary and canary not in asked else asked

    async def _frame(self, frame: str | bytes) -> None:
        if self._raw is not None:
            self._raw(self.name, frame.encode() if isinstance(frame, str) else frame, self._clock.now())
        try:
            messages = json.loads(frame)
        except ValueError as error:
            self.received += 1
            self._sink.refuse(self.name, "", f"expected a JSON frame, found {error}", frame[:200])
            return
        answers = [message for message in messages if message.get("ev") == "status"]
        for message in messages:
            if message.get("ev") != "status":
                self._message(message)
        if answers:
            self._answered(answers)

    def _message(self, message: dict[str, Any]) -> None:
        self.received += 1
        self._sink.pulse(self.name)
        parse = self._parsers.get(str(message.get("ev")))
        if parse is None:
            return
        try:
            event = parse(message)
        except UNREADABLE as error:  # one bad message must not cost the rest of its frame
            self._sink.refuse(self.name, str(message.get("sym", "")), f"{type(error).__name__} {error}", message)
            return
        if event is not None:
            self._sink.heard(self.name, event)

    def _answered(self, answers: list[dict[str, Any]]) -> None:
        """One word for each thing that was asked for, in no set order and without the name of what was refused."""
        refused = []
        for answer in answers:
            text = str(answer.get("message"))
            if text.startswith(GRANTED):
                self._granted.add(text.removeprefix(GRANTED))
            elif answer.get("status") != "success":
                refused.append(f"{answer.get('status')}: {text}")
        if refused:
            self._sink.troubled(self.name, f"{refused[0]}{f' and {len(refused) - 1} more' if len(refused) > 1 else ''}")
        bars = self._wanted & self._granted
        self._sink.subscribed(self.name, bars, f"{len(bars)} of {len(self._wanted)} symbols")

    # --- one message each

    def _bar(self, msg: dict[str, Any]) -> Market:
        """A number of trades is not told, but their average size is."""
        if int(msg["e"]) - int(msg["s"]) != 60_000:
            raise BadBar(f"{msg['sym']}: expected a bar of one minute, found {msg['s']} to {msg['e']}")
        high, low, close, volume = float(msg["h"]), float(msg["l"]), float(msg["c"]), float(msg["v"])
        vwap, size = float(msg.get("vw") or (high + low + close) / 3), float(msg.get("z") or 0)
        trades = round(volume / size) if size else 0
        bar = Bar(str(msg["sym"]), int(msg["s"]) * MILLISECOND, float(msg["o"]), high, low, close, volume, vwap, trades)
        if bar.start % MINUTE:
            raise BadBar(f"{bar.symbol}: expected a bar that starts with a minute, found {bar.start}")
        return MarketBar(checked(bar), self.feed, self._clock.now())

    def _trade(self, msg: dict[str, Any]) -> Market | None:
        symbol = str(msg["sym"])
        if symbol == self._channels.canary:
            self._sink.canary(self.name)
        if not self._channels.trades or symbol not in self._wanted:
            return None
        trade = Print(symbol, float(msg["p"]), float(msg["s"]), int(msg["t"]) * MILLISECOND, counts_by_number(msg.get("c") or ()))
        if not 0 < trade.price < float("inf"):
            raise ValueError(f"expected a price above zero, found {trade.price}")
        return MarketTrade(trade, self.feed, self._clock.now())

    def _quote(self, msg: dict[str, Any]) -> Market:
        """A side that nobody quotes is missing."""
        bid, ask, bids, asks = (float(msg.get(name) or 0) for name in ("bp", "ap", "bs", "as"))
        return MarketQuote(Quote(str(msg["sym"]), bid, ask, bids, asks, int(msg["t"]) * MILLISECOND), self.feed, self._clock.now())

    def _band(self, msg: dict[str, Any]) -> Market:
        """The ticker stands under `T` here."""
        low, high = float(msg["l"]), float(msg["h"])
        if not 0 < low < high < float("inf"):
            raise ValueError(f"expected a band above zero, found {low} to {high}")
        return Band(str(msg["T"]), low, high, self._clock.now())


def _never() -> Iterator[float]:
    """The client's pauses between its own tries to connect: there are none, the supervisor tries."""
    if (failure := sys.exception()) is not None:
        raise Unopened("no connection") from failure
    yield 0.0


def _unopened(error: BaseException | None) -> Ending:
    """Why no connection came about."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        cause = Cause.REFUSED if status in (401, 403) else Cause.LIMIT if status == 429 else Cause.LOST
        return Ending(cause, f"handshake answered with HTTP {status}")
    return Ending(Cause.LOST, f"{type(error).__name__}: {error}")
