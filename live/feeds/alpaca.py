"""Alpaca's market data stream, by alpaca-py, with what it hides made visible.

alpaca-py 0.44 only logs errors and subscription answers, never says that a connection was lost, retries wrong keys for ever, loses the rest of a
frame when one message in it is bad, and spends 30 us on each frame. So its own loop is not run: every connection is one call of `once`, on a socket
of ours (`_connect`), read by us (`_consume`). What to ask for, the login and the subscription stay its own. Both methods are private: it is pinned,
and a test holds ours against its own on the same frames.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgpack
from alpaca.common.utils import get_default_user_agent
from alpaca.data.live import StockDataStream
from picows import WSError, WSInvalidStatusError

from live.clock import Clock
from live.feeds.conditions import counts
from live.feeds.vendor import Cause, Channels, Ending, Raw, Sink, handshake
from live.feeds.wire import alpaca as wire
from live.feeds.wire.connection import Closed, Connection
from live.feeds.wire.frames import Unreadable
from pipelines.core.errors import BadBar, FeedError
from pipelines.core.market.bars import MINUTE, Bar, Print, Quote, checked
from pipelines.core.trading.events import Band, Halt, Market, MarketBar, MarketQuote, MarketTrade, RevisedBar, Taint
from pipelines.settings import Settings

OUR_FAULT = {402: "wrong keys", 405: "more symbols than the plan allows", 406: "another connection uses these keys", 409: "not in the plan"}

STOPPED, GOING = frozenset({"2", "H", "P"}), frozenset({"3", "T"})
"""Status codes of a halt or pause, and of trading that goes on, of tapes A and B and of tape C. The others (price and range indication, quotes
only) come in between and change nothing. Source: docs.alpaca.markets, real-time stock data, trading status."""

TAINTED = 2 * MINUTE
"""How long a trade that was taken back keeps entries away: the minute that it was in, and the one that is made of its indicators."""

HEADERS = {"Content-Type": "application/msgpack", "User-Agent": get_default_user_agent()}
"""Without the first, frames come as JSON."""


class Rejected(FeedError):
    """The vendor let nobody in."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(_explained(code, text))
        self.code = code


class AlpacaFeed(StockDataStream):
    """Minute bars, their revisions, halts and bands of the watched symbols; trades with their corrections, and quotes, where they are wanted."""

    def __init__(self, settings: Settings, symbols: Sequence[str], *, sink: Sink, clock: Clock, channels: Channels, raw: Raw | None = None) -> None:
        super().__init__(*settings.data_keys, raw_data=True, url_override=settings.market_stream_url)
        self.name: str = settings.alpaca_feed
        self.thin = self.name == "iex"
        self.received = 0
        self._wanted = frozenset(symbols)
        self._sink, self._clock, self._channels, self._raw = sink, clock, channels, raw
        self._parsers: dict[type, Callable[[Any, int], Market | None]] = {
            wire.Bar: self._bar,
            wire.Revision: self._revision,
            wire.Trade: self._trade,
            wire.Quote: self._quote,
            wire.Status: self._status,
            wire.Band: self._band,
            wire.Correction: self._correction,
            wire.Cancel: self._cancel,
        }
        self._reduced = False
        self._asking: asyncio.Task[None] | None = None
        self._ask_for(sorted(symbols))

    async def once(self) -> Ending:
        """One connection: in, subscribed, read until it ends."""
        try:
            await self._start_ws()
            await self._send_subscribe_msg()
            await self._consume()
        except Rejected as rejection:
            return Ending(Cause.LIMIT if rejection.code == 406 else Cause.LOST if rejection.code in (404, 500) else Cause.REFUSED, str(rejection))
        except WSInvalidStatusError as answer:
            return handshake(answer)
        except Closed as closed:
            return Ending(Cause.LOST, f"closed by the server ({closed})")
        except (OSError, TimeoutError, ValueError, WSError) as error:
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
        """alpaca-py's, by picows."""
        self._ws: Any = await Connection.connect(self._endpoint, headers=HEADERS)
        greeting = wire.FRAMES.read(await self._ws.recv())
        if [type(message) for message in greeting] != [wire.Success]:
            raise Rejected(500, f"no greeting: {greeting}")

    async def _auth(self) -> None:
        """Like alpaca-py's, with the code of a refusal: 402 is no 406."""
        await self._ws.send(msgpack.packb({"action": "auth", "key": self._api_key, "secret": self._secret_key}))
        answer = wire.FRAMES.read(await self._ws.recv())[0]
        if not isinstance(answer, wire.Success):
            raise Rejected(getattr(answer, "code", 500), str(getattr(answer, "text", answer)))

    async def _consume(self) -> bool:
        """Read until the connection ends, every frame in the moment in which it comes."""
        await self._ws.pump(self._frame)
        return False

    def _frame(self, frame: bytes) -> None:
        at = self._clock.now()
        if self._raw is not None:
            self._raw(self.name, frame, at)
        try:
            messages = wire.FRAMES.read(frame)
        except ValueError as error:
            self.received += 1
            self._sink.refuse(self.name, "", f"expected a msgpack frame, found {error}", frame[:200])
            return
        taken = 0
        for message in messages:
            parse = self._parsers.get(type(message))
            if parse is None:
                taken += self._control(message)
                continue
            taken += 1
            try:
                event = parse(message, at)
            except (BadBar, ValueError) as error:  # one bad message must not cost the rest of its frame
                self._sink.refuse(self.name, message.symbol, f"{type(error).__name__} {error}", wire.plain(message))
                continue
            if event is not None:
                self._sink.heard(self.name, event)
        if taken:
            self.received += taken
            self._sink.pulse(self.name)

    def _control(self, message: wire.Message | Unreadable) -> bool:
        """Answers of the vendor, which alpaca-py only logs; and what could not be read. Whether it is of the market."""
        match message:
            case Unreadable(kind, reason, content):
                if not kind or wire.FRAMES.knows(kind):  # other kinds are not ours
                    self._sink.refuse(self.name, str(content.get("S", "")) if isinstance(content, dict) else "", reason, content)
            case wire.Subscription():
                self._granted(message)
            case wire.Failure(code, text):
                self._failed(code, text)
        return isinstance(message, Unreadable)

    def _granted(self, answer: wire.Subscription) -> None:
        granted = {channel: answer.of(channel) for channel in self._handlers}
        bars = self._wanted if "*" in granted["bars"] else self._wanted & granted["bars"]
        short = [f"{c} of {n}" for c, asked in self._handlers.items() if (n := len(set(asked) - granted[c] - {"*"})) and c != "bars" and asked]
        lost = f", without {', '.join(short)}" if short else ", bars only: no halts, bands or revisions" if self._reduced else ""
        self._sink.subscribed(self.name, bars, f"{len(bars)} of {len(self._wanted)} symbols{lost}")

    def _failed(self, code: int, text: str) -> None:
        self._sink.troubled(self.name, _explained(code, text))
        if code in (405, 410) and not self._reduced:
            self._reduced = True
            # A refused subscription changes nothing at all, and bars are what cannot be done without.
            for channel in self._handlers:
                if channel != "bars":
                    self._handlers[channel] = {}
            self._asking = asyncio.create_task(self._send_subscribe_msg())

    # --- one message each

    def _bar(self, message: wire.Bar, at: int) -> Market:
        return MarketBar(_bar(message), self.name, at)

    def _revision(self, message: wire.Revision, at: int) -> Market:
        return RevisedBar(_bar(message), self.name, at)

    def _trade(self, message: wire.Trade, at: int) -> Market | None:
        symbol = message.symbol
        if symbol == self._channels.canary:
            self._sink.canary(self.name)
        if not self._channels.trades or symbol not in self._wanted:
            return None
        counted = counts(message.conditions or (), message.tape or "")
        return MarketTrade(Print(symbol, _price(message.price), message.size, wire.nanoseconds(message.at), counted), self.name, at)

    def _quote(self, message: wire.Quote, at: int) -> Market:
        quote = Quote(message.symbol, message.bid, message.ask, message.bid_size, message.ask_size, wire.nanoseconds(message.at))
        return MarketQuote(quote, self.name, at)

    def _status(self, message: wire.Status, at: int) -> Market | None:
        code, why = message.status, f"{message.reason or ''} {message.explained or ''}".strip()
        if code not in STOPPED | GOING:
            return None
        words = message.words or code
        return Halt(message.symbol, code in STOPPED, f"{words} ({why})" if why else words, at)

    def _band(self, message: wire.Band, at: int) -> Market:
        return Band(message.symbol, _price(message.lower), _price(message.upper), at)

    def _correction(self, message: wire.Correction, at: int) -> Market | None:
        was, became = f"{message.old_size:g} at {message.old_price:g}", f"{message.new_size:g} at {message.new_price:g}"
        return self._taint(message.symbol, f"a trade of {was} was corrected to {became}", at)

    def _cancel(self, message: wire.Cancel, at: int) -> Market | None:
        return self._taint(message.symbol, f"a trade of {message.size:g} at {message.price:g} was taken back ({message.action})", at)

    def _taint(self, symbol: str, detail: str, at: int) -> Market | None:
        return Taint(symbol, f"{self.name}: {detail}", at + TAINTED, at) if symbol in self._wanted else None

    async def _ignore(self, _: object) -> None:
        """alpaca-py wants a handler for what is taken before it gets that far."""


def _bar(message: wire.Minute) -> Bar:
    high, low, close = message.high, message.low, message.close
    vwap = message.vwap or (high + low + close) / 3
    start = wire.nanoseconds(message.at)
    return checked(Bar(message.symbol, start, message.open, high, low, close, message.volume, vwap, message.trades or 0))


def _price(price: float) -> float:
    if not 0 < price < float("inf"):
        raise ValueError(f"expected a price above zero, found {price}")
    return price


def _explained(code: int, text: str) -> str:
    return f"{text} ({code}{': ' + OUR_FAULT[code] if code in OUR_FAULT else ''})"
