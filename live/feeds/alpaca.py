"""Alpaca's market data stream, by alpaca-py, with what it hides made visible.

alpaca-py 0.44 only logs errors and subscription answers, never says that a connection was lost, retries wrong keys for ever, and loses the rest
of a frame when one message in it is bad. So its own loop is not run: every connection is one call of `once`, every message is taken at
`_dispatch`, before its own handling, and all that happens there is a check and a word to the sink.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgpack
from alpaca.data.live import StockDataStream
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.legacy.exceptions import InvalidStatusCode

from live.clock import Clock
from live.feeds.conditions import counts
from live.feeds.vendor import Cause, Channels, Ending, Raw, Sink
from pipelines.core.errors import BadBar, FeedError
from pipelines.core.market.bars import MINUTE, Bar, Print, Quote, checked
from pipelines.core.trading.events import Band, Halt, Market, MarketBar, MarketQuote, MarketTrade, RevisedBar, Taint
from pipelines.settings import Settings

OUR_FAULT = {402: "wrong keys", 405: "more symbols than the plan allows", 406: "another connection uses these keys", 409: "not in the plan"}

SOCKET = {"ping_interval": 10, "ping_timeout": 20, "close_timeout": 1, "max_queue": 1024}
"""Seconds; alpaca-py's own 180 for a pong would leave a dead line unnoticed for three minutes."""

STOPPED, GOING = frozenset({"2", "H", "P"}), frozenset({"3", "T"})
"""Status codes of a halt or pause, and of trading that goes on, of tapes A and B and of tape C. The others (price and range indication, quotes
only) come in between and change nothing. Source: docs.alpaca.markets, real-time stock data, trading status."""

TAINTED = 2 * MINUTE
"""How long a trade that was taken back keeps entries away: the minute that it was in, and the one that is made of its indicators."""

CONTROL = frozenset({"success", "subscription", "error"})
UNREADABLE = (BadBar, KeyError, TypeError, ValueError, AttributeError)


class Rejected(FeedError):
    """The vendor let nobody in."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(_explained(code, text))
        self.code = code


class AlpacaFeed(StockDataStream):
    """Minute bars, their revisions, halts and bands of the watched symbols; trades with their corrections, and quotes, where they are wanted."""

    def __init__(self, settings: Settings, symbols: Sequence[str], *, sink: Sink, clock: Clock, channels: Channels, raw: Raw | None = None) -> None:
        super().__init__(*settings.keys, raw_data=True, websocket_params=dict(SOCKET), url_override=settings.market_stream_url)
        self.feed: str = settings.alpaca_feed
        self.name = f"alpaca-{self.feed}"
        self.thin = self.feed == "iex"
        self.received = 0
        self._wanted = frozenset(symbols)
        self._sink, self._clock, self._channels, self._raw = sink, clock, channels, raw
        self._parsers: dict[str, Callable[[dict[str, Any]], Market | None]] = {
            "b": self._bar,
            "u": self._revision,
            "t": self._trade,
            "q": self._quote,
            "s": self._status,
            "l": self._band,
            "c": self._correction,
            "x": self._cancel,
        }
        self._reduced = False
        self._ask_for(sorted(symbols))

    async def once(self) -> Ending:
        """One connection: in, subscribed, read until it ends."""
        try:
            await self._start_ws()
            await self._send_subscribe_msg()
            await self._consume()
        except Rejected as rejection:
            return Ending(Cause.LIMIT if rejection.code == 406 else Cause.LOST if rejection.code in (404, 500) else Cause.REFUSED, str(rejection))
        except InvalidStatusCode as answer:
            refused = answer.status_code in (401, 403)
            cause = Cause.REFUSED if refused else Cause.LIMIT if answer.status_code == 429 else Cause.LOST
            return Ending(cause, f"handshake answered with HTTP {answer.status_code}")
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            return Ending(Cause.LOST, f"closed by the server ({code}{' ' + closed.rcvd.reason if closed.rcvd and closed.rcvd.reason else ''})")
        except (OSError, TimeoutError, ValueError, WebSocketException) as error:
            return Ending(Cause.LOST, f"{type(error).__name__}: {error}")
        finally:
            await self.close()
        return Ending(Cause.LOST, "ended")

    def _ask_for(self, symbols: list[str]) -> None:
        """alpaca-py keeps what to subscribe to with its handlers; of bands it has the channel but no method for it (0.44)."""
        self.subscribe_bars(self._ignore, *symbols)
        self.subscribe_updated_bars(self._ignore, *symbols)
        self.subscribe_trading_statuses(self._ignore, *symbols)
        self._handlers["lulds"] = dict.fromkeys(symbols, self._ignore)
        traded = [*symbols] if self._channels.trades else []
        if self._channels.canary and self._channels.canary not in traded:
            traded.append(self._channels.canary)
        if traded:
            self.subscribe_trades(self._ignore, *traded)
        if self._channels.quotes:
            self.subscribe_quotes(self._ignore, *symbols)

    async def _connect(self) -> None:
        """alpaca-py leaves the socket open where the greeting is another one."""
        try:
            await super()._connect()
        except ValueError as error:
            raise Rejected(500, f"no greeting: {error}") from None

    async def _auth(self) -> None:
        """Like alpaca-py's, with the code of a refusal: 402 is no 406."""
        socket: Any = self._ws
        await socket.send(msgpack.packb({"action": "auth", "key": self._api_key, "secret": self._secret_key}))
        answer = msgpack.unpackb(await socket.recv())[0]
        if answer.get("T") != "success":
            raise Rejected(int(answer.get("code", 500)), str(answer.get("msg", answer)))

    async def _consume(self) -> bool:
        """Read until the connection ends: without alpaca-py's `wait_for` around each frame, which costs 31 us and swallows a cancel."""
        socket: Any = self._ws
        while True:
            frame = await socket.recv()
            if self._raw is not None:
                self._raw(self.name, frame, self._clock.now())
            try:
                messages = msgpack.unpackb(frame)
            except (ValueError, TypeError, msgpack.UnpackException) as error:
                self.received += 1
                self._sink.refuse(self.name, "", f"expected a msgpack frame, found {type(error).__name__}: {error}", frame[:200])
                continue
            for message in messages:
                await self._dispatch(message)

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        kind = msg.get("T")
        if kind in CONTROL:
            await self._control(str(kind), msg)
            return
        self.received += 1
        self._sink.pulse(self.name)
        parse = self._parsers.get(str(kind))
        if parse is None:
            return
        try:
            event = parse(msg)
        except UNREADABLE as error:  # one bad message must not cost the rest of its frame
            self._sink.refuse(self.name, str(msg.get("S", "")), f"{type(error).__name__} {error}", msg)
            return
        if event is not None:
            self._sink.heard(self.name, event)

    async def _control(self, kind: str, msg: dict[str, Any]) -> None:
        """Answers of the vendor, which alpaca-py only logs."""
        if kind == "subscription":
            granted = {channel: set(msg.get(channel) or ()) for channel in self._handlers}
            bars = self._wanted if "*" in granted["bars"] else self._wanted & granted["bars"]
            short = [f"{c} of {n}" for c, asked in self._handlers.items() if (n := len(set(asked) - granted[c] - {"*"})) and c != "bars" and asked]
            lost = f", without {', '.join(short)}" if short else ", bars only: no halts, bands or revisions" if self._reduced else ""
            detail = f"{len(bars)} of {len(self._wanted)} symbols{lost}"
            self._sink.subscribed(self.name, frozenset(bars), detail)
        elif kind == "error":
            code = int(msg.get("code", 0))
            self._sink.troubled(self.name, _explained(code, str(msg.get("msg"))))
            if code in (405, 410) and not self._reduced:
                self._reduced = True
                # A refused subscription changes nothing at all, and bars are what cannot be done without.
                for channel in self._handlers:
                    if channel != "bars":
                        self._handlers[channel] = {}
                await self._send_subscribe_msg()

    # --- one message each

    def _bar(self, msg: dict[str, Any]) -> Market:
        return MarketBar(checked(_bar(msg)), self.feed, self._clock.now())

    def _revision(self, msg: dict[str, Any]) -> Market:
        return RevisedBar(checked(_bar(msg)), self.feed, self._clock.now())

    def _trade(self, msg: dict[str, Any]) -> Market | None:
        symbol = str(msg["S"])
        if symbol == self._channels.canary:
            self._sink.canary(self.name)
        if not self._channels.trades or symbol not in self._wanted:
            return None
        trade = Print(symbol, _price(msg["p"]), float(msg["s"]), _time(msg["t"]), counts(msg.get("c") or (), str(msg.get("z"))))
        return MarketTrade(trade, self.feed, self._clock.now())

    def _quote(self, msg: dict[str, Any]) -> Market:
        quote = Quote(str(msg["S"]), float(msg["bp"]), float(msg["ap"]), float(msg["bs"]), float(msg["as"]), _time(msg["t"]))
        return MarketQuote(quote, self.feed, self._clock.now())

    def _status(self, msg: dict[str, Any]) -> Market | None:
        code, words = str(msg["sc"]), f"{msg.get('rc', '')} {msg.get('rm', '')}".strip()
        if code not in STOPPED | GOING:
            return None
        return Halt(str(msg["S"]), code in STOPPED, f"{msg.get('sm') or code} ({words})" if words else str(msg.get("sm") or code), self._clock.now())

    def _band(self, msg: dict[str, Any]) -> Market:
        return Band(str(msg["S"]), _price(msg["d"]), _price(msg["u"]), self._clock.now())

    def _correction(self, msg: dict[str, Any]) -> Market | None:
        detail = f"a trade of {float(msg['os']):g} at {float(msg['op']):g} was corrected to {float(msg['cs']):g} at {float(msg['cp']):g}"
        return self._taint(msg, detail)

    def _cancel(self, msg: dict[str, Any]) -> Market | None:
        return self._taint(msg, f"a trade of {float(msg['s']):g} at {float(msg['p']):g} was taken back ({msg.get('a', '?')})")

    def _taint(self, msg: dict[str, Any], detail: str) -> Market | None:
        symbol, now = str(msg["S"]), self._clock.now()
        return Taint(symbol, f"{self.name}: {detail}", now + TAINTED, now) if symbol in self._wanted else None

    async def _ignore(self, _: object) -> None:
        """alpaca-py wants a handler for what is taken before it gets that far."""


def _bar(msg: dict[str, Any]) -> Bar:
    high, low, close = float(msg["h"]), float(msg["l"]), float(msg["c"])
    vwap = float(msg.get("vw") or (high + low + close) / 3)
    return Bar(str(msg["S"]), _time(msg["t"]), float(msg["o"]), high, low, close, float(msg["v"]), vwap, int(msg.get("n") or 0))


def _time(stamp: Any) -> int:
    """A msgpack timestamp in nanoseconds."""
    return int(stamp.seconds) * 1_000_000_000 + int(stamp.nanoseconds)


def _price(value: Any) -> float:
    price = float(value)
    if not 0 < price < float("inf"):
        raise ValueError(f"expected a price above zero, found {price}")
    return price


def _explained(code: int, text: str) -> str:
    return f"{text} ({code}{': ' + OUR_FAULT[code] if code in OUR_FAULT else ''})"
