"""Speed of the live path as ratios inside one run: our stream reader against alpaca-py's own on the same frames, the whole runner, and an order.

The frames come from a process of their own, over a socket, as fast as they are read. CPU is this process's alone: what else the machine does shows
in the rates only. `python test_live.py MESSAGES PER_FRAME [PER_SECOND]` is that other process.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest

BIG = os.environ.get("DAYBOT_BENCH") == "big"
SYMBOLS = [f"S{n:03d}" for n in range(200)]
OPEN = 1_795_185_000  # 2026-11-20 09:30 New York, seconds
MESSAGES = 2_000_000 if BIG else 100_000


# --- the other process


def canned(per_frame: int) -> list[bytes]:
    """Frames of trades and quotes, one to four."""
    frames = []
    for n in range(256):
        frame = []
        for k in range(per_frame):
            i = n * per_frame + k
            t = msgpack.Timestamp(OPEN + 1800, (i * 7_919_000) % 1_000_000_000)
            known = {"S": SYMBOLS[i % len(SYMBOLS)], "t": t, "z": "C"}
            price = 100 + (i % 50) / 100
            trade = {"T": "t", **known, "i": i, "x": "V", "p": price, "s": 100, "c": ["@", "F"]}
            quote = {"T": "q", **known, "bx": "V", "bp": price, "bs": 300, "ax": "Q", "ap": price + 0.01, "as": 200, "c": ["R"]}
            frame.append(trade if i % 5 == 0 else quote)
        frames.append(msgpack.packb(frame))
    return frames


async def pour(messages: int, per_frame: int, per_second: int) -> None:
    """Let one client in after the other, and give each all the messages once it has subscribed and a line was read from our input."""
    from websockets.asyncio.server import ServerConnection, serve

    frames, done = canned(per_frame), asyncio.Event()

    async def handle(client: ServerConnection) -> None:
        await client.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        await client.recv()
        await client.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        asked = msgpack.unpackb(await client.recv())
        await client.send(msgpack.packb([{**asked, "T": "subscription"}]))
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        raw = b"".join(_framed(frame) for frame in frames)
        turns = max(messages // (len(frames) * per_frame), 1)
        began = time.monotonic()
        transport = client.transport
        for turn in range(turns):
            if per_second and (ahead := began + turn * len(frames) * per_frame / per_second - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            transport.write(raw)
            while transport.get_write_buffer_size() > 1 << 20:
                await asyncio.sleep(0.0005)
        await client.wait_closed()

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await done.wait()


def _framed(body: bytes) -> bytes:
    size = len(body)
    return (bytes([0x82, size]) if size < 126 else b"\x82\x7e" + size.to_bytes(2, "big")) + body


if __name__ == "__main__":
    asyncio.run(pour(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
    raise SystemExit


from alpaca.data.live import StockDataStream  # noqa: E402  # the other process needs none of it
from desk import DAY, now, settings, world  # noqa: E402
from market import briefing_of  # noqa: E402

from live.clock import SteppedClock  # noqa: E402
from live.feeds.alpaca import AlpacaFeed  # noqa: E402
from live.feeds.vendor import Channels  # noqa: E402
from live.feeds.wire import alpaca as wire  # noqa: E402
from live.journal import Journal  # noqa: E402
from live.runner import Runner  # noqa: E402
from live.sim.embedded import Exchange  # noqa: E402
from pipelines.core.journal import Manifest  # noqa: E402
from pipelines.core.risk.limits import Limits  # noqa: E402
from pipelines.core.trading.engine import Engine  # noqa: E402
from pipelines.core.trading.orders import Side  # noqa: E402
from pipelines.core.trading.seats import Allocation  # noqa: E402
from pipelines.core.trading.strategy import Enter, Intent, Strategy, View  # noqa: E402


class Took(NamedTuple):
    cpu: float
    wall: float
    got: int

    @property
    def each(self) -> float:
        """Microseconds of CPU a message."""
        return self.cpu / self.got * 1e6


@contextmanager
def pouring(per_frame: int, messages: int = MESSAGES, per_second: int = 0) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of the other process, and how to let it begin."""
    command = [sys.executable, __file__, str(messages), str(per_frame), str(per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        begun, said = process.stdin, process.stdout
        assert begun is not None and said is not None

        def begin() -> None:
            begun.write("\n")
            begun.flush()

        try:
            yield f"ws://127.0.0.1:{said.readline().strip()}", begin
        finally:
            process.kill()


def expected(per_frame: int, messages: int = MESSAGES) -> int:
    return max(messages // (256 * per_frame), 1) * 256 * per_frame


async def timed(work: Awaitable[Any], reached: asyncio.Event, got: Callable[[], int], begun: Callable[[], bool]) -> Took:
    """From the first message to the last."""
    task = asyncio.ensure_future(work)
    while not begun():
        await asyncio.sleep(0)
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.wait_for(reached.wait(), 300)
    took = Took(time.process_time() - cpu, time.perf_counter() - wall, got())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return took


async def theirs(url: str, count: int) -> Took:
    """alpaca-py as it comes: its models, its loop, a handler that counts."""
    stream, got, reached = StockDataStream("k", "s", url_override=url), [0], asyncio.Event()

    async def hear(_: Any) -> None:
        got[0] += 1
        if got[0] == count:
            reached.set()

    stream.subscribe_trades(hear, "*")
    stream.subscribe_quotes(hear, "*")
    return await timed(stream._run_forever(), reached, lambda: got[0], lambda: got[0] > 0)


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


async def ours(url: str, count: int, home: Path) -> Took:
    """Our reader: every message parsed, checked and stamped as an event."""
    sink = Count(count)
    known = settings("http://127.0.0.1:9", home, alpaca_stream_url=url, alpaca_feed="sip")
    feed = AlpacaFeed(known, SYMBOLS, sink=sink, clock=SteppedClock(OPEN * 10**9), channels=Channels(trades=True, quotes=True))
    return await timed(feed.once(), sink.reached, lambda: sink.got, lambda: sink.got > 0)


@pytest.mark.benchmark
@pytest.mark.parametrize(("per_frame", "least"), [(1, 4.0), (8, 4.0), (64, 4.0)])
def test_our_reader_against_alpaca_pys_own_on_the_same_frames(tmp_path: Path, per_frame: int, least: float) -> None:
    count, best = expected(per_frame), dict[str, Took]()
    for _ in range(2):
        for name, read in (("alpaca-py", lambda url: theirs(url, count)), ("ours", lambda url: ours(url, count, tmp_path / "home"))):
            with pouring(per_frame) as (url, begin):
                begin()
                took = asyncio.run(read(url))
            assert took.got == count, "nothing is dropped"
            best[name] = min(best.get(name, took), took)
    frames = canned(per_frame)
    cpu = time.process_time()
    decoded = sum(len(wire.FRAMES.read(frame)) for _ in range(max(count // (256 * per_frame), 1)) for frame in frames)
    floor = (time.process_time() - cpu) / decoded * 1e6
    theirs_, ours_ = best["alpaca-py"], best["ours"]
    print(
        f"\n{per_frame} a frame, {count} messages: alpaca-py {theirs_.each:.2f} us CPU ({count / theirs_.wall:,.0f}/s), "
        f"ours {ours_.each:.2f} us ({count / ours_.wall:,.0f}/s): {theirs_.each / ours_.each:.1f}x; decoding alone {floor:.2f} us, dropped 0 and 0"
    )
    assert theirs_.each / ours_.each >= least


# --- the whole runner


class EveryBar(Strategy):
    """Enters whatever has a bar."""

    name = "every"

    def on_bar(self, view: View) -> Intent | None:
        return Enter(Side.BUY, "a bar", stop=2.0, target=4.0) if not view.position and not view.entries else None


@contextmanager
def running(tmp_path: Path, url: str = "", strategies: tuple[Allocation, ...] = (), **more: Any) -> Iterator[tuple[Runner, Manifest]]:
    """A runner at 10:00 on an exchange of its own; its market data come from `url`, or from the exchange too."""
    prices = {symbol: [100.0] * 60 for symbol in SYMBOLS}
    with Exchange(world(tmp_path, prices), stepped=True, start=(9, 59), partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(10, 0)
        known = settings(exchange.url, tmp_path / "home", alpaca_feed="sip", alpaca_stream_url=url, broker_rate=10_000, feed_canary="", **more)
        limits = Limits(
            max_position_size=0.004,
            max_positions=500,
            max_sector_exposure=4.0,
            max_correlated_exposure=4.0,
            max_concentration=4.0,
            max_portfolio_heat=1.0,
            max_entries=1000,
            max_order_rate=200,
            max_beta_exposure=4.0,
            max_net_exposure=4.0,
        )
        briefing = briefing_of(SYMBOLS)
        engine = Engine(briefing, limits, strategies, run="test")
        manifest = Manifest(session=DAY, run="test", mode="sim", account="PA", code="", strategies=(), limits=limits, briefing=briefing)
        clock = SteppedClock(now(exchange))
        yield Runner(known, engine, Journal(known.journals / "2026-11-20-01-test.jsonl"), clock, symbols=SYMBOLS, watch=lambda *_: None), manifest


async def armed(runner: Runner, manifest: Manifest) -> asyncio.Task[None]:
    task = asyncio.create_task(runner.run(manifest, [], conducted=True))
    await asyncio.wait_for(runner.armed.wait(), 60)
    return task


@pytest.mark.benchmark
@pytest.mark.parametrize("per_frame", [8])
def test_every_message_through_the_whole_runner_none_dropped_and_in_bounded_memory(tmp_path: Path, per_frame: int) -> None:
    """Reader, failover, queue, journal with its chain, engine: trades and quotes of 200 symbols, all of them journaled."""
    count = expected(per_frame)
    with pouring(per_frame) as (url, begin):
        begin()
        plain = asyncio.run(theirs(url, count))

    async def run(runner: Runner, manifest: Manifest, begin: Callable[[], None]) -> tuple[Took, int, int]:
        task = await armed(runner, manifest)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin()
        cpu, wall = time.process_time(), time.perf_counter()
        while runner.feed.received < count or not runner.queue.empty():
            await asyncio.sleep(0.01)
        took = Took(time.process_time() - cpu, time.perf_counter() - wall, runner.feed.received)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        most = runner.queue.most
        runner.stop()
        await task
        return took, grown, most

    with pouring(per_frame) as (url, begin), running(tmp_path, url, feed_trades=True, feed_quotes=True) as (runner, manifest):
        took, grown, most = asyncio.run(run(runner, manifest, begin))
        written = runner.journal.path.read_bytes().count(b'"kind":"event"')
    print(
        f"\nwhole runner, {per_frame} a frame: {took.each:.2f} us CPU a message ({count / took.wall:,.0f}/s), alpaca-py with an empty handler "
        f"{plain.each:.2f} us: {plain.each / took.each:.2f}x; dropped {count - took.got}, {written:,} events journaled, "
        f"at most {most} waited, memory +{grown / 1024:.0f} MB"
    )
    assert took.got == count
    assert written >= count
    assert grown < 400 * 1024


@pytest.mark.benchmark
def test_from_a_frame_in_hand_to_the_order_handed_to_its_connection(tmp_path: Path) -> None:
    """One frame with one bar each: decoded, checked, journaled, decided by the engine and its gate, durable on the disk, sent."""
    hands: list[float] = []

    async def run(runner: Runner, manifest: Manifest) -> tuple[list[float], list[float]]:
        task = await armed(runner, manifest)
        while runner.engine.state.value != "active" or not runner.idle:  # what came before is back-filled
            await asyncio.sleep(0.01)
        assert isinstance(runner.clock, SteppedClock)
        runner.clock.set(runner.clock.now() + 60_050_000_000)
        feed: Any = next(feed for name, feed in runner.feed._feeds.items() if name.startswith("alpaca"))
        sent: list[float] = []
        send, barrier = runner.broker.send, runner.journal.barrier
        waits: list[float] = []

        def sending(request: Any) -> None:
            sent.append(time.perf_counter())
            send(request)

        def durable() -> None:
            begin = time.perf_counter()
            barrier()
            waits.append(time.perf_counter() - begin)

        runner.broker.send, runner.journal.barrier = sending, durable  # type: ignore[method-assign]
        start = msgpack.Timestamp(OPEN + 30 * 60, 0)
        took, bars = [], []
        for symbol in SYMBOLS:
            bar = {"T": "b", "S": symbol, "o": 100.0, "h": 100.1, "l": 99.9, "c": 100.0, "v": 1000, "n": 9, "vw": 100.0, "t": start}
            frame, before = msgpack.packb([bar]), len(sent)
            waits.clear()
            hands.append(time.perf_counter())
            feed._frame(frame)
            for _ in range(50):
                await asyncio.sleep(0)
                if len(sent) > before:
                    took.append(sent[before] - hands[-1])
                    bars.append(took[-1] - sum(waits))
                    break
            while runner.broker.busy:
                await asyncio.sleep(0.001)
        runner.stop()
        await task
        return took, bars

    with running(tmp_path, strategies=(Allocation(EveryBar(), "v"),)) as (runner, manifest):
        took, bare = asyncio.run(run(runner, manifest))
    probe = os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    syncs = []
    for _ in range(100):
        begin = time.perf_counter()
        os.write(probe, b"x" * 4000)
        os.fdatasync(probe)
        syncs.append(time.perf_counter() - begin)
    os.close(probe)

    def shown(times: list[float]) -> str:
        ordered = sorted(times)
        return f"p50 {statistics.median(ordered) * 1e6:,.0f} us, p99 {ordered[int(len(ordered) * 0.99)] * 1e6:,.0f} us"

    print(
        f"\nframe in hand to order sent, {len(took)} orders: {shown(took)}; of that without waiting for the disk {shown(bare)}; "
        f"the disk alone, a record of 4 kB made durable: {shown(syncs)}"
    )
    assert len(took) > 100
    assert statistics.median(bare) < 0.01
