"""One client of the stocks stream: its key, its subscriptions, and how it is told to go."""

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from live.sim.alpaca.streams.lines import Line
from live.sim.polygon.streams.messages import CHANNELS, status

_POLICY = 1008


class StocksLine(Line):
    """Frames are JSON text, always arrays. `key` is empty until the client has authenticated."""

    def __init__(self, socket: WebSocket, patience: float) -> None:
        super().__init__(socket, patience)
        self.key = ""
        self.ended = asyncio.Event()  # it was sent away: the server lets go of the socket
        self.chosen: dict[str, set[str]] = {channel: set() for channel in CHANNELS}

    def wants(self, channel: str, symbol: str) -> bool:
        chosen = self.chosen.get(channel, set())
        return symbol in chosen or "*" in chosen

    def say(self, *messages: dict[str, Any]) -> None:
        """Status messages, in an array of their own."""
        self.put(encoded(list(messages)), 0)

    def tell(self, messages: list[str]) -> None:
        """Market messages, encoded already."""
        if messages and self.open:
            self.put(f"[{','.join(messages)}]", len(messages))

    def farewell(self) -> str:
        return encoded([status("slow_consumer", "You have been disconnected because your client is reading too slowly.")])

    async def part(self, kind: str, text: str) -> None:
        """Say why and close. What waits is dropped, and a client that reads nothing is not waited for long."""
        self.open = False
        self._waiting.clear()
        try:
            async with asyncio.timeout(self._patience), self._writing:
                await self._write(encoded([status(kind, text)]))
                await self.close(_POLICY)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass  # it has gone first, or never reads again
        self.ended.set()

    async def _cut(self) -> None:
        await super()._cut()
        self.ended.set()


def encoded(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))
