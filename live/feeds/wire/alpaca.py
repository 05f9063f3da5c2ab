"""Alpaca's market data messages. Times stay as they came: a datetime would lose their nanoseconds. Prices in dollars, sizes in shares.

Source: docs.alpaca.markets, real-time stock data. What we do not use is not named here, and is not decoded.
"""

from struct import unpack
from typing import Any

from msgspec import Raw, Struct
from msgspec.msgpack import Decoder, Ext

from live.feeds.wire.frames import Frames

NAMES = {
    "symbol": "S",
    "at": "t",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "vwap": "vw",
    "trades": "n",
    "price": "p",
    "size": "s",
    "conditions": "c",
    "tape": "z",
    "bid": "bp",
    "ask": "ap",
    "bid_size": "bs",
    "ask_size": "as",
    "status": "sc",
    "words": "sm",
    "reason": "rc",
    "explained": "rm",
    "upper": "u",
    "lower": "d",
    "old_price": "op",
    "old_size": "os",
    "new_price": "cp",
    "new_size": "cs",
    "action": "a",
    "text": "msg",
}


class Message(Struct, tag_field="T", rename=NAMES, gc=False):
    """The root: of the market, and of the vendor itself."""


class Minute(Message, gc=False):
    """A bar; `at` is its start."""

    symbol: str
    at: Ext
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None = None
    trades: int | None = None


class Bar(Minute, tag="b", gc=False):
    """A minute that has just ended."""


class Revision(Minute, tag="u", gc=False):
    """The same minute again, with trades that were reported late."""


class Trade(Message, tag="t", gc=False):
    """A trade of the market."""

    symbol: str
    at: Ext
    price: float
    size: float
    conditions: tuple[str, ...] | None = None
    tape: str | None = None


class Quote(Message, tag="q", gc=False):
    """The best bid and ask; a price of 0 is no quote on that side."""

    symbol: str
    at: Ext
    bid: float
    ask: float
    bid_size: float
    ask_size: float


class Status(Message, tag="s", gc=False):
    """Trading stopped or goes on."""

    symbol: str
    status: str
    words: str | None = None
    reason: str | None = None
    explained: str | None = None


class Band(Message, tag="l", gc=False):
    """Limit up, limit down."""

    symbol: str
    lower: float
    upper: float


class Correction(Message, tag="c", gc=False):
    """A trade was another one."""

    symbol: str
    old_price: float
    old_size: float
    new_price: float
    new_size: float


class Cancel(Message, tag="x", gc=False):
    """A trade was none; `action` is C for cancelled, E for an error."""

    symbol: str
    price: float
    size: float
    action: str = "?"


class Success(Message, tag="success", gc=False):
    """Connected, or authenticated."""

    text: str = ""


class Failure(Message, tag="error", gc=False):
    """What the vendor cannot do; the codes are in the documentation."""

    code: int = 0
    text: str = ""


class Subscription(Message, tag="subscription", rename={"updated_bars": "updatedBars"}):
    """All that is subscribed to now, by channel."""

    trades: list[str] | None = None
    quotes: list[str] | None = None
    bars: list[str] | None = None
    updated_bars: list[str] | None = None
    statuses: list[str] | None = None
    lulds: list[str] | None = None

    def of(self, channel: str) -> frozenset[str]:
        """The symbols of one channel, by Alpaca's name of it."""
        return frozenset(getattr(self, "updated_bars" if channel == "updatedBars" else channel, None) or ())


KINDS: dict[str, type[Message]] = {
    "b": Bar,
    "u": Revision,
    "t": Trade,
    "q": Quote,
    "s": Status,
    "l": Band,
    "c": Correction,
    "x": Cancel,
    "success": Success,
    "error": Failure,
    "subscription": Subscription,
}

FRAMES = Frames(Decoder, "T", KINDS, split=Decoder(list[Raw]).decode)


def plain(message: Message) -> dict[str, Any]:
    """What a message says, for people: its fields, the time as hexadecimal digits as it came."""
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return {"T": message.__struct_config__.tag} | {name: bytes(v.data).hex() if isinstance(v, Ext) else v for name, v in fields.items()}


def nanoseconds(stamp: Ext) -> int:
    """A msgpack timestamp since 1970 UTC, in any of its three lengths. Raises ValueError where it is none."""
    data = stamp.data
    assert isinstance(data, bytes)
    if stamp.code != -1:
        raise ValueError(f"expected a timestamp, found an extension of type {stamp.code}")
    if len(data) == 8:  # 30 bits of nanoseconds, 34 of seconds
        value = int.from_bytes(data, "big")
        return (value & 0x3_FFFF_FFFF) * 1_000_000_000 + (value >> 34)
    if len(data) == 4:
        return int.from_bytes(data, "big") * 1_000_000_000
    if len(data) == 12:
        fraction, seconds = unpack(">Iq", data)
        return int(seconds * 1_000_000_000 + fraction)
    raise ValueError(f"expected a timestamp of 4, 8 or 12 bytes, found {len(data)}")
