"""One order's way: from a frame in hand to its request, stage by stage, beside alpaca-py's on the same frames."""

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from desk import world
from flood import OPEN, SYMBOLS
from measured import EveryBar, armed, running

from live.brokers.lanes import Lane
from live.clock import SteppedClock
from live.runner import Runner
from live.sim.embedded import Exchange
from pipelines.core.journal import Manifest
from pipelines.core.trading.seats import Allocation


class Way(NamedTuple):
    """Seconds of one order: frame in hand to decided, to durable on the disk, to handed over, to the request made of its connection, to its bytes
    on the wire.
    """

    decide: float
    durable: float
    send: float
    ask: float
    wire: float

    @property
    def ours(self) -> float:
        """Until it is handed over, without waiting for the disk."""
        return self.decide + self.send

    @property
    def whole(self) -> float:
        """Until it is on the wire, without waiting for the disk."""
        return self.decide + self.send + self.ask + self.wire


BOOK = 20
"""Positions and entries under way at most, as `MAX_POSITIONS` has it: the gate looks at each of them."""


async def ordered(runner: Runner, manifest: Manifest) -> list[Way]:
    """One frame with one bar each: decoded, checked, journaled, decided by the engine and its gate, durable on the disk, sent."""
    task = await armed(runner, manifest)
    while runner.engine.state.value != "active" or not runner.idle:  # what came before is back-filled
        await asyncio.sleep(0.01)
    assert isinstance(runner.clock, SteppedClock)
    runner.clock.set(runner.clock.now() + 60_050_000_000)
    feed: Any = runner.feed._feeds["sip"]
    marks = list[float]()
    barrier, send = runner.journal.barrier, runner.broker.send

    def durable() -> None:
        marks.append(time.perf_counter())
        barrier()
        marks.append(time.perf_counter())

    def sending(request: Any) -> None:
        send(request)
        marks.append(time.perf_counter())

    runner.journal.barrier, runner.broker.send = durable, sending  # type: ignore[method-assign]  # timed, and then themselves
    for route in runner.broker.lanes.routes[Lane.ENTRY]:
        route._one_request = _noted(route._one_request, marks)  # type: ignore[method-assign]  # the same
    ways = []
    with _posted(marks):
        for symbol in SYMBOLS[:BOOK]:
            frame = msgpack.packb([bar_of(symbol)])
            marks[:] = [time.perf_counter()]
            feed._frame(frame)
            while len(marks) < 6 or runner.broker.busy:
                await asyncio.sleep(0.001)  # a loop that spins would keep the interpreter from the thread that sends
            ways.append(Way(*(after - before for before, after in itertools.pairwise(marks[:6]))))
    runner.stop()
    await task
    return ways


def _noted(request: Callable[..., Any], marks: list[float]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        marks.append(time.perf_counter())
        return request(*arguments)

    return noted


@contextmanager
def _posted(marks: list[float]) -> Iterator[None]:
    """Note when the bytes of a POST are handed to the operating system, whoever makes it."""
    send = HTTPConnection.send

    def sending(connection: HTTPConnection, data: Any) -> None:
        if bytes(data[:4]) == b"POST":
            marks.append(time.perf_counter())
        send(connection, data)

    HTTPConnection.send = sending  # type: ignore[method-assign]  # timed, and then itself
    try:
        yield
    finally:
        HTTPConnection.send = send  # type: ignore[method-assign]  # it is itself again


def bar_of(symbol: str) -> dict[str, Any]:
    start = msgpack.Timestamp(OPEN + 30 * 60, 0)
    return {"T": "b", "S": symbol, "o": 100.0, "h": 100.1, "l": 99.9, "c": 100.0, "v": 1000, "n": 9, "vw": 100.0, "t": start}


class Hand:
    """A socket with these frames; when one was taken out, in `marks`."""

    def __init__(self, frames: list[bytes], marks: list[float]) -> None:
        self._frames, self._marks = frames, marks

    async def recv(self) -> bytes:
        if not self._frames:
            await asyncio.Event().wait()
        self._marks.append(time.perf_counter())
        return self._frames.pop()


async def plain_orders(url: str) -> list[float]:
    """alpaca-py as it comes: its stream's loop, a handler that decides nothing and journals nothing, and its trading client. Seconds from a frame
    in hand to its order's bytes on the wire.
    """
    stream, client = StockDataStream("k", "s"), TradingClient("SIM", "SIM", url_override=url)
    marks, done = list[float](), asyncio.Event()

    async def hear(bar: Any) -> None:
        client.submit_order(MarketOrderRequest(symbol=bar.symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))
        if len(marks) == 2 * len(SYMBOLS):
            done.set()

    stream.subscribe_bars(hear, "*")
    stream._ws = Hand([msgpack.packb([bar_of(symbol)]) for symbol in SYMBOLS], marks)  # type: ignore[assignment]  # all that it asks of a socket
    with _posted(marks):
        task = asyncio.create_task(stream._consume())
        await asyncio.wait_for(done.wait(), 60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return [request - frame for frame, request in zip(marks[::2], marks[1::2], strict=True)]


@pytest.mark.benchmark
def test_from_a_frame_in_hand_to_the_order_handed_to_its_connection(tmp_path: Path) -> None:
    """The decision and the waiting for the disk apart: what is journaled before a send has to be on the disk."""
    ways = list[Way]()
    for n in range(6):
        with running(tmp_path / f"{n}", strategies=(Allocation(EveryBar(), "v"),)) as (runner, manifest):
            ways += asyncio.run(ordered(runner, manifest))
    (tmp_path / "plain").mkdir()
    with Exchange(world(tmp_path / "plain", {symbol: [100.0] * 60 for symbol in SYMBOLS}), stepped=True, start=(9, 59), rate_limit=0) as exchange:
        exchange.step_to(10, 0)
        plain = asyncio.run(plain_orders(exchange.url))
    syncs = _syncs(tmp_path / "probe")
    stages = {
        "frame in hand to decided": [way.decide for way in ways],
        "then durable": [way.durable for way in ways],
        "the disk alone, a record of 4 kB": syncs,
        "then handed over": [way.send for way in ways],
        "in all without the disk": [way.ours for way in ways],
        "from there to its connection, in a thread of its own": [way.ask for way in ways],
        "from there to its bytes on the wire": [way.wire for way in ways],
        "frame in hand to the wire without the disk": [way.whole for way in ways],
        "with it": [way.whole + way.durable for way in ways],
        "alpaca-py, nothing decided or journaled, frame in hand to the wire": plain,
    }
    print(f"\n{len(ways)} orders, at most {BOOK} in the book, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("\n".join(f"  {name}: {_shown(times)}" for name, times in stages.items()))
    assert len(ways) > 100
    assert statistics.median(w.ours for w in ways) < 0.01


def _shown(times: list[float]) -> str:
    ordered = sorted(times)
    return f"p50 {statistics.median(ordered) * 1e6:,.0f} us, p99 {ordered[int(len(ordered) * 0.99)] * 1e6:,.0f} us"


def _syncs(path: Path) -> list[float]:
    """Seconds that the disk alone takes."""
    probe, found = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), []
    for _ in range(100):
        begin = time.perf_counter()
        os.write(probe, b"x" * 4000)
        os.fdatasync(probe)
        found.append(time.perf_counter() - begin)
    os.close(probe)
    return found
