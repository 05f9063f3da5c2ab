"""Speed of the live path as ratios inside one run: our stream reader against alpaca-py's own on the same frames, the whole runner, and an order.

The frames come from a process of their own (`flood.py`), over a socket, as fast as they are read. CPU is this process's alone: what else the machine
does shows in the rates only.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alpaca.data.live import StockDataStream
from desk import settings
from flood import CANNED, OPEN, SYMBOLS, canned, flooding, sent
from measured import armed, running
from polygon import WebSocketClient

from live.clock import SteppedClock
from live.feeds.alpaca import AlpacaFeed
from live.feeds.polygon import PolygonFeed
from live.feeds.vendor import Channels
from live.feeds.wire import alpaca as alpaca_wire
from live.feeds.wire import polygon as polygon_wire
from live.runner import Runner
from pipelines.core.journal import Manifest
from pipelines.core.trading.decisions import TradingState

BIG = os.environ.get("DAYBOT_BENCH") == "big"
MESSAGES = 2_000_000 if BIG else 100_000


class Took(NamedTuple):
    cpu: float
    wall: float
    got: int

    @property
    def each(self) -> float:
        """Microseconds of CPU a message."""
        return self.cpu / self.got * 1e6


async def timed(work: Awaitable[Any], reached: asyncio.Event, got: Callable[[], int], begun: Callable[[], bool]) -> Took:
    """From the first message to the last."""
    task = asyncio.ensure_future(work)
    while not begun():
        await asyncio.sleep(0)
    cpu, wall = time.process_time(), time.perf_counter()
    last = asyncio.ensure_future(reached.wait())
    await asyncio.wait([task, last], timeout=300, return_when=asyncio.FIRST_COMPLETED)
    last.cancel()
    took = Took(time.process_time() - cpu, time.perf_counter() - wall, got())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return took


async def alpaca_py(url: str, count: int) -> Took:
    """alpaca-py as it comes: its models, its loop, a handler that counts."""
    stream, got, reached = StockDataStream("k", "s", url_override=url), [0], asyncio.Event()

    async def hear(_: Any) -> None:
        got[0] += 1
        if got[0] == count:
            reached.set()

    stream.subscribe_trades(hear, "*")
    stream.subscribe_quotes(hear, "*")
    return await timed(stream._run_forever(), reached, lambda: got[0], lambda: got[0] > 0)


async def polygon_client(url: str, count: int) -> Took:
    """polygon-api-client as it comes, likewise."""
    got, reached = [0], asyncio.Event()
    client = WebSocketClient("k", feed=url.removeprefix("ws://"), secure=False, subscriptions=["T.*", "Q.*"])

    async def hear(messages: Any) -> None:
        got[0] += len(messages)
        if got[0] >= count:
            reached.set()

    try:
        return await timed(client.connect(hear, max_size=None), reached, lambda: got[0], lambda: got[0] > 0)
    finally:
        await client.close()


class Count:
    """A sink that counts the events it is told."""

    def __init__(self, count: int) -> None:
        self.got, self._count, self.reached = 0, count, asyncio.Event()

    def heard(self, vendor: str, event: Any) -> None:
        self.got += 1
        if self.got == self._count:
            self.reached.set()

    def pulse(self, vendor: str) -> None: ...
    def canary(self, vendor: str) -> None: ...
    def subscribed(self, vendor: str, symbols: frozenset[str], detail: str) -> None: ...
    def troubled(self, vendor: str, detail: str) -> None: ...
    def refuse(self, vendor: str, symbol: str, reason: str, message: Any) -> None:
        raise AssertionError(reason)


async def ours(vendor: str, url: str, count: int, home: Path) -> Took:
    """Our reader: every message parsed, checked and stamped as an event."""
    sink, channels = Count(count), Channels(trades=True, quotes=True)
    known = settings("http://127.0.0.1:9", home, alpaca_stream_url=url, alpaca_feed="sip", polygon_stream_url=url, polygon_api_key="SIM")
    make = AlpacaFeed if vendor == "alpaca" else PolygonFeed
    feed = make(known, SYMBOLS, sink=sink, clock=SteppedClock(OPEN * 10**9), channels=channels)
    return await timed(feed.once(), sink.reached, lambda: sink.got, lambda: sink.got > 0)


PEERS: dict[str, Callable[[str, int], Awaitable[Took]]] = {"alpaca": alpaca_py, "polygon": polygon_client}


def read_by(name: str, vendor: str, url: str, count: int, home: Path) -> Took:
    """`name`: ours, or the vendor's own client."""
    return asyncio.run(ours(vendor, url, count, home) if name == "ours" else _peer(vendor, url, count))


async def _peer(vendor: str, url: str, count: int) -> Took:
    return await PEERS[vendor](url, count)


@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("vendor", "per_frame", "least"),
    [(vendor, per_frame, 4.0) for vendor in ("alpaca", "polygon") for per_frame in (1, 8)]
    + [("alpaca", 64, 4.0), ("polygon", 64, 2.0)],  # Polygon's client reads a frame of many in one go: what is left is decoding, which both do
)
def test_our_reader_against_the_vendors_own_client_on_the_same_frames(tmp_path: Path, vendor: str, per_frame: int, least: float) -> None:
    count, best = sent(per_frame, MESSAGES), dict[str, Took]()
    for _ in range(2):
        for name in (vendor, "ours"):
            with flooding(MESSAGES, per_frame) as (url, begin):
                begin()
                took = read_by(name, vendor, url, count, tmp_path / "home")
            assert took.got == count, "nothing is dropped"
            best[name] = min(best.get(name, took), took)
    frames, read = canned(per_frame, vendor == "polygon"), (polygon_wire if vendor == "polygon" else alpaca_wire).FRAMES.read
    cpu = time.process_time()
    decoded = sum(len(read(frame)) for _ in range(count // (CANNED * per_frame)) for frame in frames)
    floor = (time.process_time() - cpu) / decoded * 1e6
    theirs, mine = best[vendor], best["ours"]
    print(
        f"\n{per_frame} a frame, {count} messages: {vendor}'s own client {theirs.each:.2f} us CPU ({count / theirs.wall:,.0f}/s), "
        f"ours {mine.each:.2f} us ({count / mine.wall:,.0f}/s): {theirs.each / mine.each:.1f}x; decoding alone {floor:.2f} us, dropped 0 and 0"
    )
    assert theirs.each / mine.each >= least


# --- the whole runner


class Load(NamedTuple):
    """What a flood came to in the whole runner. Memory in MB: how much it grew, until the half and after it."""

    took: Took
    most: int
    written: int
    early: float
    late: float


async def flooded(runner: Runner, manifest: Manifest, begin: Callable[[], None], count: int) -> Load:
    """From the moment that the flood begins until all of it was processed, or the queue was full and the session halted."""
    task = await armed(runner, manifest)
    start, half = _memory(), 0.0
    begin()
    cpu, wall = time.process_time(), time.perf_counter()
    while (runner.feed.received < count or not runner.queue.empty()) and runner.engine.state is not TradingState.HALTED:
        await asyncio.sleep(0.01)
        runner.raw.seal()  # a tick does it; this clock stands
        if not half and runner.feed.received >= count / 2:
            half = _memory()
    took = Took(time.process_time() - cpu, time.perf_counter() - wall, runner.feed.received)
    end = _memory()
    runner.stop()
    await task
    with runner.journal.path.open("rb") as lines:
        written = sum(b'"kind":"event"' in line for line in lines)
    return Load(took, runner.queue.most, written, (half or end) - start, end - (half or end))


def _memory() -> float:
    """MB of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.benchmark
@pytest.mark.parametrize("per_frame", [8])
def test_every_message_through_the_whole_runner_none_dropped_and_in_bounded_memory(tmp_path: Path, per_frame: int) -> None:
    """Reader, failover, queue, journal with its chain, engine: trades and quotes of 200 symbols, all of them journaled."""
    count = sent(per_frame, MESSAGES)
    with flooding(MESSAGES, per_frame) as (url, begin):
        begin()
        plain = asyncio.run(_peer("alpaca", url, count))
    with flooding(MESSAGES, per_frame) as (url, begin), running(tmp_path, url, feed_trades=True, feed_quotes=True) as (runner, manifest):
        load = asyncio.run(flooded(runner, manifest, begin, count))
    print(
        f"\nwhole runner, {per_frame} a frame: {load.took.each:.2f} us CPU a message ({count / load.took.wall:,.0f}/s), alpaca-py with an empty "
        f"handler {plain.each:.2f} us: {plain.each / load.took.each:.2f}x; dropped {count - load.took.got}, {load.written:,} events journaled, "
        f"at most {load.most:,} waited, memory {load.early:+.0f} MB and then {load.late:+.0f} MB"
    )
    assert load.took.got == count
    assert load.written >= count
    assert load.early + load.late < 400


RATE = int(os.environ.get("DAYBOT_RATE", "100000"))
"""Messages a second of the soak."""


@pytest.mark.soak
@pytest.mark.parametrize("vendor", ["alpaca", "polygon"])
def test_a_minute_of_a_hundred_thousand_messages_a_second(tmp_path: Path, vendor: str) -> None:
    """64 a frame, as on the open. Side by side: the vendor's client with an empty handler, our reader, and the whole runner with its journal."""
    count = sent(64, RATE * 60)
    said = [f"\n{vendor}, {count:,} messages at {RATE:,} a second, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores:"]
    for name in (vendor, "ours"):
        with flooding(RATE * 60, 64, RATE) as (url, begin):
            begin()
            took = read_by(name, vendor, url, count, tmp_path / "home")
        said.append(f"{'our reader' if name == 'ours' else 'its own client'}: {took.each:.2f} us CPU a message, {_kept(took, count)}")
        assert took.got == count, "nothing is dropped"
    addresses = {"polygon_stream_url": "{url}", "polygon_api_key": "SIM", "feed_primary": "polygon"} if vendor == "polygon" else {}
    with flooding(RATE * 60, 64, RATE) as (url, begin):
        more = {name: value.format(url=url) for name, value in addresses.items()}
        with running(tmp_path, "" if more else url, feed_trades=True, feed_quotes=True, **more) as (runner, manifest):
            load = asyncio.run(flooded(runner, manifest, begin, count))
    said.append(
        f"whole runner: {load.took.each:.2f} us CPU a message, {_kept(load.took, count)}, {load.written:,} events journaled, at most {load.most:,} "
        f"waited, memory {load.early:+.0f} MB in the first half, {load.late:+.0f} MB in the second"
    )
    print("\n  ".join(said))
    assert load.took.got == count
    assert load.written >= count
    assert load.most < 100_000, "the queue halts entries at this length"
    assert load.late < 100, "memory is bounded"


def _kept(took: Took, count: int) -> str:
    """How a reader kept up with the rate."""
    rate = count / took.wall
    return f"{took.wall:.1f} s, {rate:,.0f}/s: {'kept up' if rate > 0.98 * RATE else 'did NOT keep up, the sender waited'}"
