"""Alpaca's order update stream, by alpaca-py, with what it hides made visible."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from alpaca.trading.stream import TradingStream

from pipelines.settings import Mode, Settings


class Updates(TradingStream):
    """Messages are taken at `_dispatch`: alpaca-py's own handling drops an order status that it does not know.

    Alpaca replays nothing after a reconnect, so `again` is told of each: what was missed has to be asked for.
    """

    def __init__(
        self, settings: Settings, hear: Callable[[dict[str, Any]], None], again: Callable[[], None], frame: Callable[[bytes], None] | None = None
    ) -> None:
        key, secret = settings.keys
        super().__init__(key, secret, paper=settings.daybot_mode is not Mode.LIVE, raw_data=True, url_override=settings.trading_stream_url or "")
        self.received = 0
        self.listening = asyncio.Event()
        self._hear, self._again, self._frame = hear, again, frame
        self.subscribe_trade_updates(self._ignore)

    async def _dispatch(self, msg: dict[str, Any]) -> None:
        if msg.get("stream") == "listening":
            if self.listening.is_set():
                self._again()
            self.listening.set()
        elif msg.get("stream") == "trade_updates":
            self.received += 1
            self._hear(msg.get("data") or {})

    async def _consume(self) -> None:
        """Read until the connection ends: without alpaca-py's `wait_for` around each frame, which swallows a cancel."""
        socket: Any = self._ws
        while True:
            frame = await socket.recv()
            if self._frame is not None:
                self._frame(frame.encode() if isinstance(frame, str) else frame)
            message = json.loads(frame)
            self._data_received = self._data_received or message.get("stream") == "trade_updates"
            await self._dispatch(message)

    async def follow(self) -> None:
        """Keep the stream up until cancelled; reconnecting is alpaca-py's part."""
        await self._run_forever()  # type: ignore[no-untyped-call]

    async def _ignore(self, _: object) -> None:
        """alpaca-py wants a handler for what is taken before it gets that far."""
