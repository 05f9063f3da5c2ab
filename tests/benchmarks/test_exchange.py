"""Speed of the simulated exchange as ratios to a floor measured in the same run: bare sockets, a bare route, bare encoding."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgpack
import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from live.sim.alpaca.market import Plan
from live.sim.clock import DAY as WHOLE
from live.sim.clock import MINUTE, SECOND, local
from live.sim.embedded import Exchange
from live.sim.venue.venue import Venue
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld

DAY = date(2026, 11, 20)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
OPEN = local(DAY, 9, 30)


@pytest.fixture(scope="module")
def generated() -> GeneratedWorld:
    return GeneratedWorld(day=DAY, seed=7)


async def listen(url: str, count: int, clients: int, start: Callable[[], Any], *, subscribe: bool) -> float:
    """Wall seconds from the start until every client has had so many messages."""

    async def one(ready: asyncio.Semaphore) -> None:
        async with connect(url, additional_headers=KEYS, proxy=None, max_size=None, compression=None) as socket:
            if subscribe:
                await socket.recv()
                await socket.recv()
                await socket.send(json.dumps({"action": "subscribe", "trades": ["*"], "quotes": ["*"]}))
                await socket.recv()
            ready.release()
            left = count
            while left > 0:
                left -= (await socket.recv()).count('"T":')

    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(one(ready)) for _ in range(clients)]
    for _ in range(clients):
        await ready.acquire()
    begin = time.perf_counter()
    started = asyncio.get_running_loop().run_in_executor(None, start)
    await asyncio.gather(*tasks)
    await started
    return time.perf_counter() - begin


def bare(frames: list[str], count: int, clients: int) -> float:
    """The same frames from a server that has them ready."""
    url, loops, gate, done = [], [], threading.Event(), threading.Event()

    async def run() -> None:
        go, stop = asyncio.Event(), asyncio.Event()
        loops.append((asyncio.get_running_loop(), go, stop))

        async def handle(socket: Any) -> None:
            await go.wait()
            for frame in frames:
                await socket.send(frame)
            await stop.wait()

        async with serve(handle, "127.0.0.1", 0, compression=None) as server:
            url.append(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            gate.set()
            await stop.wait()
        done.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    gate.wait()
    loop, go, stop = loops[0]
    took = asyncio.run(listen(url[0], count, clients, lambda: loop.call_soon_threadsafe(go.set), subscribe=False))
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    return took


@pytest.mark.benchmark
@pytest.mark.parametrize(("clients", "minutes", "most"), [(1, 5, 12.0), (20, 2, 12.0)])
def test_stream_messages_against_a_bare_broadcast_of_the_same_bytes(generated: GeneratedWorld, clients: int, minutes: int, most: float) -> None:
    with Exchange(generated, start=(9, 29), plan=Plan(connections=0)) as exchange:
        frames: list[str] = []

        async def record() -> int:
            async with connect(exchange.stream, additional_headers=KEYS, proxy=None, max_size=None, compression=None) as socket:
                await socket.recv()
                await socket.recv()
                await socket.send(json.dumps({"action": "subscribe", "trades": ["*"], "quotes": ["*"]}))
                await socket.recv()
                count = (await asyncio.to_thread(lambda: exchange.step_to(9, 30 + minutes)))["sent"]["market"]
                while sum(frame.count('"T":') for frame in frames) < count:
                    frames.append(str(await socket.recv()))
                return int(count)

        count = asyncio.run(record())
    with Exchange(generated, start=(9, 29), plan=Plan(connections=0)) as exchange:
        ours = asyncio.run(listen(exchange.stream, count, clients, lambda: exchange.step_to(9, 30 + minutes), subscribe=True))
    floor = bare(frames, count, clients)
    print(f"\n{clients} clients: {count * clients / ours:,.0f} messages/s, {ours / floor:.1f} times a bare broadcast")
    assert ours / floor < most


def orders(client: httpx.Client, count: int) -> float:
    body = {"symbol": "SPY", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1", "time_in_force": "day"}
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(count):
            assert client.post("/v2/orders", json=body).status_code == 200
        best = min(best, time.perf_counter() - begin)
        client.delete("/v2/orders")
    return best


@pytest.mark.benchmark
def test_rest_orders_against_a_bare_route(generated: GeneratedWorld) -> None:
    with Exchange(generated, start=(9, 31)) as exchange, httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False) as client:
        shown = client.post("/v2/orders", json={"symbol": "SPY", "side": "buy", "qty": "1", "type": "market", "time_in_force": "day"}).json()
        ours = orders(client, 200)

    async def answer(request: Request) -> JSONResponse:
        json.loads(await request.body() or b"null")
        return JSONResponse(shown)

    app = Starlette(routes=[Route("/v2/orders", answer, methods=["POST", "DELETE"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=KEYS, trust_env=False) as client:
        floor = orders(client, 200)
    server.should_exit = True
    thread.join()
    print(f"\norders: {200 / ours:,.0f}/s, {ours / floor:.1f} times a bare route")
    assert ours / floor < 8


class Ear:
    """Encodes every minute, as a client who wants all bars makes it necessary."""

    def __init__(self) -> None:
        self.bytes = 0

    def hears(self, feed: Any) -> bool:
        return bool(feed.name == "sip")

    def watches(self, feed: Any, symbol: str) -> bool:
        return False

    def bars(self, feed: Any, rows: list[Any]) -> None:
        self.bytes += sum(len(encoded(symbol, bars, row)) for symbol, bars, row in rows)

    def trade(self, feed: Any, symbol: str, trade: Any) -> None: ...
    def halt(self, symbol: str, change: Any) -> None: ...
    def band(self, symbol: str, prices: Any) -> None: ...
    def amend(self, feed: Any, symbol: str, slip: Any, bars: Any, row: int) -> None: ...
    def update(self, event: str, event_id: str, order: Any, fill: Any, *, at: int) -> None: ...


def encoded(symbol: str, bars: Any, row: int) -> bytes:
    fields = {"T": "b", "S": symbol, "o": float(bars.o[row]), "h": float(bars.h[row]), "l": float(bars.l[row]), "c": float(bars.c[row])}
    fields |= {"v": int(bars.v[row]), "n": int(bars.n[row]), "vw": float(bars.vw[row]), "t": msgpack.Timestamp(*divmod(int(bars.t[row]), SECOND))}
    return bytes(msgpack.packb(fields))


@pytest.fixture(scope="module")
def fifty(tmp_path_factory: pytest.TempPathFactory) -> RecordedWorld:
    rng, rows = np.random.default_rng(1), []
    at = (OPEN + MINUTE * np.arange(390)).astype("datetime64[ns]")
    for n in range(50):
        close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0005, 390))), 2)
        first = np.concatenate(([100.0], close[:-1]))
        prices = {"open": first, "high": np.maximum(first, close) + 0.02, "low": np.minimum(first, close) - 0.02, "close": close}
        rows.append(pl.DataFrame({"symbol": [f"S{n:02d}"] * 390, "timestamp": at, **prices, "volume": rng.integers(1_000, 9_000, 390)}))
    path: Path = tmp_path_factory.mktemp("fifty") / "minutes.parquet"
    pl.concat(rows).write_parquet(path)
    return RecordedWorld(minutes=[path])


@pytest.mark.benchmark
def test_a_day_of_fifty_symbols_against_a_loop_that_only_encodes(fifty: RecordedWorld) -> None:
    """With a resting order of every symbol, which must be looked at each minute."""

    def day() -> None:
        venue = Venue(fifty, start=OPEN - MINUTE, cash=Decimal(50_000))
        venue.desk.audience = Ear()
        for symbol in fifty.assets:
            venue.submit({"symbol": symbol, "side": "buy", "qty": 1, "type": "limit", "limit_price": 50, "time_in_force": "day"})
        venue.advance(OPEN + WHOLE // 2)

    def loop() -> None:
        columns = fifty.day(DAY)
        for row in range(390):
            for symbol, bars in columns.items():
                encoded(symbol, bars, row)

    times = []
    for work in (day, loop):
        rounds = []
        for _ in range(3):
            begin = time.process_time()
            work()
            rounds.append(time.process_time() - begin)
        times.append(min(rounds))
    print(f"\na day of fifty symbols: {times[0]:.2f} s, {times[0] / times[1]:.1f} times only encoding it")
    assert times[0] / times[1] < 8
