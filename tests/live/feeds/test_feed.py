"""Alpaca's stream by itself, against a server that sends what vendors really send, message by message."""

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
from live.feeds.vendor import Cause, Channels, Ending
from live.tasks import end
from pipelines.core.trading.events import Band, Halt, Market, MarketBar, MarketTrade
from pipelines.settings import load

NOW = 1_795_185_060_000_000_000
START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)

QUIET = Channels()

Script = Callable[[Callable[[list[dict[str, Any]]], Awaitable[None]], ServerConnection], Awaitable[None]]
"""What the server does once a client has subscribed: given a way to send a frame, and the connection."""


def bar(symbol: str, **changes: object) -> dict[str, Any]:
    plain = {"T": "b", "S": symbol, "o": 100.0, "h": 101.0, "l": 99.0, "c": 100.5, "v": 1200, "n": 30, "vw": 100.2}
    return plain | {"t": msgpack.Timestamp.from_datetime(START)} | changes


class Heard:
    """What the feed said, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[Market] = []
        self.refused: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.granted: list[frozenset[str]] = []
        self.details: list[str] = []
        self.troubles: list[str] = []
        self.canaries = 0
        self.ending: Ending | None = None
        self.moved = asyncio.Event()

    def heard(self, vendor: str, event: Market) -> None:
        assert vendor == "iex"
        self.events.append(event)

    def pulse(self, vendor: str) -> None:
        self.moved.set()

    def canary(self, vendor: str) -> None:
        self.canaries += 1

    def subscribed(self, vendor: str, symbols: frozenset[str], detail: str) -> None:
        self.granted.append(symbols)
        self.details.append(detail)
        self.moved.set()

    def troubled(self, vendor: str, detail: str) -> None:
        self.troubles.append(detail)
        self.moved.set()

    def refuse(self, vendor: str, symbol: str, reason: str, message: Any) -> None:
        self.refused.append((symbol, reason))
        self.said.append(repr(message))
        self.moved.set()

    @property
    def bars(self) -> list[str]:
        return [e.bar.symbol for e in self.events if isinstance(e, MarketBar)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                self.moved.clear()
                await self.moved.wait()


def follow(home: Path, script: Script, done: Callable[[Heard], bool], *, granted: list[str] | None = None, channels: Channels = QUIET) -> Heard:
    """One connection to a scripted server, until `done`."""

    async def play() -> Heard:
        heard = Heard()

        async def handle(connection: ServerConnection) -> None:
            async def send(messages: list[dict[str, Any]]) -> None:
                await connection.send(msgpack.packb(messages))

            await send([{"T": "success", "msg": "connected"}])
            await connection.recv()
            await send([{"T": "success", "msg": "authenticated"}])
            asked = msgpack.unpackb(await connection.recv())
            asked.pop("action")
            await send([{"T": "subscription", **asked, **({} if granted is None else {"bars": granted})}])
            await script(send, connection)
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
            feed = AlpacaFeed(settings, ["AAPL", "MSFT"], sink=heard, clock=SteppedClock(NOW), channels=channels)
            task = asyncio.create_task(feed.once())
            task.add_done_callback(lambda _: heard.moved.set())
            try:
                await heard.until(lambda: done(heard) or task.done())
                heard.ending = task.result() if task.done() else None
            finally:
                await end([task])
        return heard

    return asyncio.run(play())


def test_a_bar_keeps_the_vendors_time_and_gets_ours(tmp_path: Path) -> None:
    async def script(send: Any, _: Any) -> None:
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
    async def script(send: Any, _: Any) -> None:
        await send([bar("AAPL"), bar("AAPL", **BAD[fault]), bar("MSFT")])

    heard = follow(tmp_path, script, lambda h: len(h.bars) == 2)
    assert heard.bars == ["AAPL", "MSFT"]
    assert len(heard.refused) == 1
    assert "AAPL" in heard.said[0] and "object at" not in heard.said[0], "what it said can be read in the journal"


async def nothing(send: Any, _: Any) -> None:
    """Says nothing more."""


def test_what_was_granted_is_compared_with_what_was_asked(tmp_path: Path) -> None:
    heard = follow(tmp_path, nothing, lambda h: bool(h.granted), granted=["AAPL"])
    assert heard.granted == [frozenset({"AAPL"})]
    assert heard.details == ["1 of 2 symbols"]


def test_every_channel_that_was_granted_is_seen_to_be(tmp_path: Path) -> None:
    heard = follow(tmp_path, nothing, lambda h: bool(h.granted), channels=Channels(trades=True, quotes=True, canary="SPY"))
    assert heard.details == ["2 of 2 symbols"], "nothing of it was left out"


def test_bands_halts_and_revisions_are_asked_for_though_the_client_has_no_method_for_bands(tmp_path: Path) -> None:
    async def script(send: Any, _: Any) -> None:
        status = {"T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt", "rc": "T1", "rm": "Halt - News Pending"}
        band = {"T": "l", "S": "AAPL", "u": 110.0, "d": 90.0, "i": "B"}
        await send([message | {"t": msgpack.Timestamp.from_datetime(START)} for message in (status, band)])

    heard = follow(tmp_path, script, lambda h: len(h.events) == 2)
    halt, band = heard.events
    assert isinstance(halt, Halt) and (halt.symbol, halt.halted) == ("AAPL", True)
    assert halt.reason == "Trading Halt (T1 Halt - News Pending)"
    assert isinstance(band, Band) and (band.low, band.high) == (90.0, 110.0)
    assert heard.details == ["2 of 2 symbols"], "nothing of it was left out"


def test_a_trade_whose_conditions_forbid_it_makes_no_last_price(tmp_path: Path) -> None:
    async def script(send: Any, _: Any) -> None:
        plain = {"T": "t", "S": "AAPL", "i": 1, "x": "V", "p": 100.0, "s": 5, "t": msgpack.Timestamp.from_datetime(START), "z": "C"}
        await send([plain | {"c": conditions} for conditions in (["@"], ["@", "I"], ["@", "F", "T"], [], ["B"])])

    heard = follow(tmp_path, script, lambda h: len(h.events) == 5, channels=Channels(trades=True, canary="AAPL"))
    assert [e.trade.counts for e in heard.events if isinstance(e, MarketTrade)] == [True, False, False, True, True]
    assert heard.canaries == 5


def test_an_error_that_the_client_would_only_log_is_said(tmp_path: Path) -> None:
    async def script(send: Any, _: Any) -> None:
        await send([{"T": "error", "code": 407, "msg": "slow client"}])

    heard = follow(tmp_path, script, lambda h: bool(h.troubles))
    assert heard.troubles == ["slow client (407)"]


def test_a_lost_connection_is_an_ending_with_its_reason(tmp_path: Path) -> None:
    async def script(send: Any, connection: Any) -> None:
        await connection.close(1001, "going away")

    heard = follow(tmp_path, script, lambda h: False)
    assert heard.ending == Ending(Cause.LOST, "closed by the server (1001 going away)")
