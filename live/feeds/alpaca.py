"""Alpaca's market data stream, by alpaca-py, with what it hides made visible.

alpaca-py 0.44 only logs errors and subscription answers, never says that a connection was lost, and swallows what a handler raises. So every
message is taken at `_dispatch`, before its own handling, and all that happens here is a check and an append to the queue.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from alpaca.data.live import StockDataStream

from live.clock import Clock
from pipelines.core.errors import BadBar
from pipelines.core.market.bars import Bar, checked
from pipelines.core.market.session import nanoseconds
from pipelines.core.trading.events import Event, FeedStatus, MarketBar
from pipelines.settings import Settings

Emit = Callable[[Event], None]
Refuse = Callable[[str, dict[str, Any]], None]
"""Told of a message that no market can have sent: why, and the message."""

OUR_FAULT = {402: "wrong keys", 405: "more symbols than the plan allows", 406: "another connection uses these keys", 409: "not in the plan"}


class AlpacaFeed(StockDataStream):
    """Minute bars of the watched symbols as `MarketBar` events; a `FeedStatus` event whenever the connection becomes usable or not."""

    def __init__(self, settings: Settings, symbols: Sequence[str], *, emit: Emit, refuse: Refuse, clock: Clock) -> None:
        super().__init__(*settings.keys, raw_data=True, url_override=settings.market_stream_url)
        self.feed = settings.alpaca_feed
        self.received = 0
        """Market messages taken in, of every kind."""
        self.ready = asyncio.Event()
        """Set once everything that was asked for is subscribed."""
        self._wanted = frozenset(symbols)
        self._emit, self._refuse, self._clock = emit, refuse, clock
        self._healthy: bool | None = None
        self.subscribe_bars(self._ignore, *sorted(symbols))

    async def follow(self) -> None:
        """Keep the stream up until cancelled; reconnecting and subscribing again is alpaca-py's part."""
        await self._run_forever()

    async def close(self) -> None:
        """Called by alpaca-py whenever a connection ends, for whatever reason."""
        await super().close()
        self._report(False, "disconnected")

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        kind = msg.get("T")
        if kind == "b":
            self.received += 1
            self._bar(msg)
        elif kind == "subscription":
            missing = self._wanted - set(msg.get("bars", []))
            self._report(not missing, f"subscribed to {len(self._wanted)} symbols" if not missing else f"not subscribed: {sorted(missing)}")
        elif kind == "error":
            code = int(msg.get("code", 0))
            self._report(False, f"{msg.get('msg')} ({code}{': ' + OUR_FAULT[code] if code in OUR_FAULT else ''})")
        elif "S" in msg:
            self.received += 1

    def _bar(self, msg: dict[str, Any]) -> None:
        try:
            bar = checked(_parse(msg))
        except (BadBar, KeyError, TypeError, ValueError) as error:
            # One bad bar must not cost the rest of its frame.
            self._refuse(str(error), msg)
            return
        self._emit(MarketBar(bar, self.feed, self._clock.now()))

    def _report(self, healthy: bool, detail: str) -> None:
        if healthy:
            self.ready.set()
        if healthy != self._healthy:
            self._healthy = healthy
            self._emit(FeedStatus(f"alpaca-{self.feed}", healthy, detail, self._clock.now()))

    async def _ignore(self, _: object) -> None:
        """alpaca-py wants a handler for what is taken before it gets that far."""


def _parse(msg: dict[str, Any]) -> Bar:
    stamp = msg["t"]
    start = nanoseconds(stamp) if isinstance(stamp, datetime) else stamp.seconds * 1_000_000_000 + stamp.nanoseconds
    high, low, close = float(msg["h"]), float(msg["l"]), float(msg["c"])
    vwap = float(msg.get("vw") or (high + low + close) / 3)
    return Bar(str(msg["S"]), start, float(msg["o"]), high, low, close, float(msg["v"]), vwap, int(msg.get("n") or 0))
