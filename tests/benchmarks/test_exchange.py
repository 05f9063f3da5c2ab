"""Speed of the simulated exchange as ratios to a floor measured in the same run: bare sockets, a bare route, bare encoding.

Ratios are of CPU time, client and exchange together, as both run in this process: what else the machine does shows in the rates only.
"""

import asyncio
import json
import selectors
import socket
import threading
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

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

from live.sim.alpaca.streams.market import Plan
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


class Took(NamedTuple):
    cpu: float
    wall: float


async def listen(
    url: str, count: int, clients: int, start: Callable[[], Any], *, subscribe: bool, channels: tuple[str, ...] = ("trades", "quotes")
) -> Took:
    """Seconds from the start until every client has had so many messages."""

    async def one(ready: asyncio.Semaphore) -> None:
        async with connect(url, additional_headers=KEYS, proxy=None, max_size=None, compression=None) as socket:
            if subscribe:
                await socket.recv()
                await socket.recv()
                await socket.send(json.dumps({"action": "subscribe", **{channel: ["*"] for channel in channels}}))
                await socket.recv()
            ready.release()
            left = count
            while left > 0:
                left -= (await socket.recv()).count('"T":')

    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(one(ready)) for _ in range(clients)]
    for _ in range(clients):
        await ready.acquire()
    cpu, wall = time.process_time(), time.perf_counter()
    started = asyncio.get_running_loop().run_in_executor(None, start)
    await asyncio.gather(*tasks)
    await started
    return Took(time.process_time() - cpu, time.perf_counter() - wall)


def bare(frames: list[str], count: int, clients: int) -> Took:
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


async def recorded(exchange: Exchange, until: tuple[int, int], channels: tuple[str, ...]) -> tuple[int, list[str]]:
    """How many messages there are until then, and the frames they came in."""
    frames: list[str] = []
    async with connect(sip(exchange), additional_headers=KEYS, proxy=None, max_size=None, max_queue=None, compression=None) as socket:
        await socket.recv()
        await socket.recv()
        await socket.send(json.dumps({"action": "subscribe", **{channel: ["*"] for channel in channels}}))
        await socket.recv()
        count = (await asyncio.to_thread(lambda: exchange.step_to(*until)))["sent"]["market"]
        seen = 0
        while seen < count:
            frames.append(str(await socket.recv()))
            seen += frames[-1].count('"T":')
    return int(count), frames


def sip(exchange: Exchange) -> str:
    return exchange.stream.replace("iex", "sip")


@pytest.mark.benchmark
@pytest.mark.parametrize(("clients", "minutes", "most"), [(1, 5, 20.0), (20, 2, 12.0)])
def test_stream_messages_against_a_bare_broadcast_of_the_same_bytes(generated: GeneratedWorld, clients: int, minutes: int, most: float) -> None:
    until = (9, 30 + minutes)
    with Exchange(generated, start=(9, 29), plan=Plan(connections=0)) as exchange:
        count, frames = asyncio.run(recorded(exchange, until, ("trades", "quotes")))
    with Exchange(generated, start=(9, 29), plan=Plan(connections=0)) as exchange:
        ours = asyncio.run(listen(sip(exchange), count, clients, lambda: exchange.step_to(*until), subscribe=True))
    floor = bare(frames, count, clients)
    print(f"\n{clients} clients: {count * clients / ours.wall:,.0f} messages/s, {ours.cpu / floor.cpu:.1f} times a bare broadcast")
    assert ours.cpu / floor.cpu < most


@pytest.mark.benchmark
def test_a_day_of_fifty_symbols_on_the_wire_against_encoding_and_sending_it(fifty: RecordedWorld) -> None:
    """All minutes of a session at full speed, one step, to one client that wants every bar."""
    with Exchange(fifty, start=(9, 29), plan=Plan(connections=0)) as exchange:
        count, frames = asyncio.run(recorded(exchange, (16, 1), ("bars",)))
    assert count == 50 * 390
    with Exchange(fifty, start=(9, 29), plan=Plan(connections=0)) as exchange:
        ours = asyncio.run(listen(sip(exchange), count, 1, lambda: exchange.step_to(16, 1), subscribe=True, channels=("bars",)))
    parsed, cpu = [json.loads(frame) for frame in frames], time.process_time()
    for message in (message for frame in parsed for message in frame):
        json.dumps(message)
    floor = time.process_time() - cpu + bare(frames, count, 1).cpu
    rate = f"{ours.wall:.2f} s, {count / ours.wall:,.0f} bars/s"
    print(f"\na day of fifty symbols on the wire: {rate}, {ours.cpu / floor:.1f} times encoding and sending it")
    assert ours.cpu / floor < 8


class Drain:
    """Clients that read and forget, all in one thread."""

    def __init__(self, exchange: Exchange, clients: int) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        for _ in range(clients):
            self._selector.register(_joined(exchange), selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        room = bytearray(1 << 20)
        while not self._over.is_set():
            for key, _ in self._selector.select(0.05):
                self.bytes += key.fileobj.recv_into(room)  # type: ignore[union-attr]

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def _joined(exchange: Exchange) -> socket.socket:
    """A raw data-stream client that has subscribed to everything."""
    plug = socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2])))
    headers = "".join(f"{name}: {value}\r\n" for name, value in KEYS.items())
    head = "GET /v2/sip HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    plug.sendall(f"{head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += plug.recv(1)  # the frames behind it belong to whoever reads next
    body = json.dumps({"action": "subscribe", "trades": ["*"], "quotes": ["*"]}).encode()
    plug.sendall(bytes([0x81, 0x80 | len(body)]) + bytes(4) + body)
    return plug


@pytest.mark.benchmark
@pytest.mark.parametrize(("clients", "messages", "per_frame"), [(1, 4_000_000, 1), (1, 4_000_000, 8), (20, 200_000, 8)])
def test_a_burst_against_bare_writes_of_as_many_bytes(generated: GeneratedWorld, clients: int, messages: int, per_frame: int) -> None:
    """The feed's own target is 100,000 messages a second: the exchange must not be what holds it up."""
    with Exchange(generated, start=(9, 45), plan=Plan(connections=0)) as exchange:
        readers = Drain(exchange, clients)
        while exchange.clock()["clients"]["market"] < clients:
            time.sleep(0.01)
        exchange.step(30)
        before, cpu = readers.bytes, time.process_time()
        told = exchange.burst(messages, per_frame=per_frame)
        ours = time.process_time() - cpu
        while readers.bytes - before < 100 * told["messages"]:  # no message is shorter
            time.sleep(0.01)
        size = readers.bytes - before
        readers.close()
    pairs = [socket.socketpair() for _ in range(clients)]
    cpu = time.process_time()
    sinks = [threading.Thread(target=_sink, args=(end,)) for _, end in pairs]
    for sink in sinks:
        sink.start()
    for _ in range(size // clients >> 18):
        for end, _ in pairs:
            end.sendall(bytes(1 << 18))
    for end, _ in pairs:
        end.close()
    for sink in sinks:
        sink.join()
    floor = time.process_time() - cpu
    rate = told["messages"] / told["seconds"]
    print(f"\nburst, {per_frame} a frame, {clients} clients: {rate:,.0f} messages/s, {ours / floor:.1f} times bare writes of as many bytes")
    assert (told["complete"], told["messages"]) == (clients, clients * messages)
    assert rate > 200_000
    assert ours / floor < 6


def _sink(plug: socket.socket) -> None:
    room = bytearray(1 << 20)
    while plug.recv_into(room):
        pass
    plug.close()


def orders(client: httpx.Client, count: int) -> Took:
    body = {"symbol": "SPY", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1", "time_in_force": "day"}
    best = Took(float("inf"), 0.0)
    for _ in range(3):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(count):
            assert client.post("/v2/orders", json=body).status_code == 200
        best = min(best, Took(time.process_time() - cpu, time.perf_counter() - wall))
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
    print(f"\norders: {200 / ours.wall:,.0f}/s, {ours.cpu / floor.cpu:.1f} times a bare route")
    assert ours.cpu / floor.cpu < 8


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
