"""Polygon's (Massive's) stocks messages. Times in milliseconds since 1970 UTC, prices in dollars, sizes in shares.

Source: massive.com/docs/websocket/stocks. What we do not use is not named here, and is not decoded.
"""

import json

from msgspec import Struct
from msgspec.json import Decoder, encode

from live.feeds.wire.frames import Frames

NAMES = {
    "symbol": "sym",
    "start": "s",
    "end": "e",
    "open": "o",
    "high": "h",
    "low": "l",
    "close": "c",
    "volume": "v",
    "vwap": "vw",
    "average_size": "z",
    "price": "p",
    "size": "s",
    "at": "t",
    "conditions": "c",
    "bid": "bp",
    "ask": "ap",
    "bid_size": "bs",
    "ask_size": "as",
    "ticker": "T",
    "upper": "h",
    "lower": "l",
}


class Message(Struct, tag_field="ev", rename=NAMES, gc=False):
    """The root: of the market, and of the vendor itself."""


class Bar(Message, tag="AM", gc=False):
    """A minute. The number of its trades is not told, but their average size is."""

    symbol: str
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None = None
    average_size: float | None = None


class Trade(Message, tag="T", gc=False):
    """A trade of the market; its conditions are numbers."""

    symbol: str
    at: int
    price: float
    size: float
    conditions: tuple[int, ...] | None = None


class Quote(Message, tag="Q", gc=False):
    """The best bid and ask; a side that nobody quotes is missing."""

    symbol: str
    at: int
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None


class Band(Message, tag="LULD", gc=False):
    """Limit up, limit down. The ticker stands under another name than elsewhere."""

    ticker: str
    lower: float
    upper: float


class Status(Message, tag="status", gc=False):
    """A word of the vendor: one for each thing that was asked for."""

    status: str = ""
    message: str = ""


KINDS: dict[str, type[Message]] = {"AM": Bar, "T": Trade, "Q": Quote, "LULD": Band, "status": Status}


def _split(frame: bytes) -> list[bytes]:
    """By the standard library's parser, which takes NaN and the like for numbers: one of them must not cost the frame. They come out as null."""
    found = json.loads(frame)
    if not isinstance(found, list):
        raise ValueError(f"expected a list of messages, found {type(found).__name__}")
    return [encode(message) for message in found]


FRAMES = Frames(Decoder, "ev", KINDS, split=_split)
