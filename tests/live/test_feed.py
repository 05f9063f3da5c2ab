"""The market data feed against a server that sends what vendors really send."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from live.clock import SteppedClock
from live.feeds.alpaca import AlpacaFeed
from live.tasks import end
from pipelines.core.trading.events import Event, FeedStatus, MarketBar
from pipelines.settings import load

NOW = 1_795_185_060_000_000_000
START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)

Script = Callable[[Callable[[list[dict[str, Any]]], Awaitable[None]], int], Awaitable[None]]
"""What the server does once a client has subscribed: given a way to send a frame, and how many clients came before."""


def bar(symbol: str, **changes: object) -> dict[str, Any]:
    plain = {"T": "b", "S": symbol, "o": 100.0, "h": 101.0, "l": 99.0, "c": 100.5, "v": 1200, "n": 30, "vw": 100.2}
    return plain | {"t": msgpack.Timestamp.from_datetime(START)} | changes


class Heard:
    """What the feed said, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refused: list[str] = []
        self.moved = asyncio.Event()

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.moved.set()

    def refuse(self, reason: str, _: dict[str, Any]) -> None:
        self.refused.append(reason)
        self.moved.set()

    @property
    def bars(self) -> list[str]:
        return [e.bar.symbol for e in self.events if isinstance(e, MarketBar)]

    @property
    def health(self) -> list[bool]:
        return [e.healthy for e in self.events if isinstance(e, FeedStatus)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                self.moved.clear()
                await self.moved.wait()


def follow(home: Path, script: Script, done: Callable[[Heard], bool], *, granted: list[str] | None = None) -> Heard:
    """Follow a scripted server until `done`."""

    async def play() -> Heard:
        heard, clients = Heard(), [0]

        async def handle(connection: ServerConnection) -> None:
            async def send(messages: list[dict[str, Any]]) -> None:
                await connection.send(msgpack.packb(messages))

            number, clients[0] = clients[0], clients[0] + 1
            await send([{"T": "success", "msg": "connected"}])
            await connection.recv()
            await send([{"T": "success", "msg": "authenticated"}])
            asked = msgpack.unpackb(await connection.recv())["bars"]
            await send([{"T": "subscription", "bars": asked if granted is None else granted}])
            await script(send, number)
            await connection.wait_closed()

        async with serve(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            settings = load(
                daybot_mode="sim",
                daybot_home=home,
                alpaca_base_url=f"http://127.0.0.1:{port}",
                alpaca_api_key="SIM",
                alpaca_secret_key="SIM",
            )
            feed = AlpacaFeed(settings, ["AAPL", "MSFT"], emit=heard.emit, refuse=heard.refuse, clock=SteppedClock(NOW))
            feed._reconnect_min_backoff = feed._reconnect_max_backoff = 0.01
            task = asyncio.create_task(feed.follow())
            try:
                await heard.until(lambda: done(heard))
            finally:
                await end([task])
                await feed.close()
        return heard

    return asyncio.run(play())


def test_a_bar_keeps_the_vendors_time_and_gets_ours(tmp_path: Path) -> None:
    async def script(send: Any, _: int) -> None:
        await send([bar("AAPL")])

    heard = follow(tmp_path, script, lambda h: len(h.bars) == 1)
    (event,) = [e for e in heard.events if isinstance(e, MarketBar)]
    assert event.bar.start == int(START.timestamp()) * 10**9
    assert (event.at, event.feed, event.late) == (NOW, "iex", False)
    assert (event.bar.open, event.bar.high, event.bar.low, event.bar.close) == (100.0, 101.0, 99.0, 100.5)
    assert (event.bar.volume, event.bar.vwap, event.bar.trades) == (1200.0, 100.2, 30)


BAD = {
    "high below low": {"h": 98.0},
    "not a number": {"c": float("nan")},
    "negative": {"o": -1.0},
    "missing": {"l": None},
    "text": {"v": "many"},
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_bar_is_refused_and_the_rest_of_its_frame_goes_on(tmp_path: Path, fault: str) -> None:
    async def script(send: Any, _: int) -> None:
        await send([bar("AAPL"), bar("AAPL", **BAD[fault]), bar("MSFT")])

    heard = follow(tmp_path, script, lambda h: len(h.bars) == 2)
    assert heard.bars == ["AAPL", "MSFT"]
    assert len(heard.refused) == 1


def test_a_feed_that_grants_less_than_was_asked_is_not_healthy(tmp_path: Path) -> None:
    async def script(send: Any, _: int) -> None:
        await send([bar("AAPL")])

    heard = follow(tmp_path, script, lambda h: len(h.bars) == 1, granted=["AAPL"])
    (status,) = [e for e in heard.events if isinstance(e, FeedStatus)]
    assert not status.healthy
    assert "MSFT" in status.detail


def test_an_error_that_the_client_would_only_log_makes_the_feed_unhealthy(tmp_path: Path) -> None:
    async def script(send: Any, _: int) -> None:
        await send([{"T": "error", "code": 405, "msg": "symbol limit exceeded"}])

    heard = follow(tmp_path, script, lambda h: h.health == [True, False])
    last = heard.events[-1]
    assert isinstance(last, FeedStatus)
    assert "405: more symbols than the plan allows" in last.detail


def test_a_lost_connection_is_said_and_its_return_too(tmp_path: Path) -> None:
    async def script(send: Any, number: int) -> None:
        if number == 0:
            raise ConnectionResetError("the server's process died")
        await send([bar("AAPL")])

    heard = follow(tmp_path, script, lambda h: len(h.bars) == 1)
    assert heard.health[:3] == [True, False, True]
