"""Clients that misbehave below the level of requests: broken frames, noise, crowds, readers that do not read. The exchange goes on for the others."""

import asyncio
import json
import socket
import struct
from contextlib import ExitStack, suppress
from datetime import date

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed

from live.sim.alpaca.streams.market import Plan
from live.sim.clock import MINUTE, LoopClock, local
from live.sim.embedded import Exchange
from live.sim.inloop import hosting
from live.sim.polygon.terms import Terms
from live.sim.virtual import VirtualLoop

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
OPEN = local(date(2026, 11, 20), 9, 30)
EVERYTHING = json.dumps({"action": "subscribe", **{name: ["*"] for name in ("bars", "trades", "quotes")}})
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def exchange(generated):
    with Exchange(generated, start=(9, 45), plan=Plan(connections=0), polygon=Terms(connections=1_000)) as found:
        yield found


def plugged(exchange: Exchange) -> socket.socket:
    plug = socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2])), timeout=5)
    plug.settimeout(5)
    return plug


def alive(exchange: Exchange) -> None:
    answer = httpx.get(exchange.url + "/v2/clock", headers=KEYS, trust_env=False, timeout=10)
    assert answer.status_code == 200
    assert exchange.step(0.01)["now"]


def rest_of(plug: socket.socket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    with suppress(ConnectionError):
        while part := plug.recv(65_536):
            found += part
    return found


def frame(opcode: int, payload: bytes = b"", *, masked: bool = True, first: int = 0x80, length: int | None = None) -> bytes:
    """A websocket frame as RFC 6455 lays it out, with whatever is wrong about it."""
    size = len(payload) if length is None else length
    head = bytes([first | opcode])
    mask = 0x80 if masked else 0
    head += (
        bytes([mask | size])
        if size < 126
        else bytes([mask | 126]) + struct.pack("!H", size)
        if size < 65_536
        else bytes([mask | 127]) + struct.pack("!Q", size)
    )
    return head + (b"\0\0\0\0" if masked else b"") + payload


BROKEN = {
    "not masked": (frame(1, b"{}", masked=False), 1002),
    "reserved bit": (frame(1, b"{}", first=0xC0), 1002),
    "reserved opcode": (frame(3, b"{}"), 1002),
    "control frame too long": (frame(9, b"x" * 126), 1002),
    "control frame in pieces": (frame(9, b"x", first=0), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "text that is no UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "close code that may not be sent": (frame(8, struct.pack("!H", 1005)), 1002),
    "close with half a code": (frame(8, b"\x03"), 1002),
    "larger than any message": (frame(2, b"", length=1 << 40), 1009),
}


def upgraded(exchange: Exchange, path: str) -> socket.socket:
    """A stream whose handshake is done, byte by byte so that nothing of its frames is taken."""
    plug, head = plugged(exchange), b""
    plug.sendall(UPGRADE.format(path=path).encode())
    while not head.endswith(b"\r\n\r\n"):
        head += plug.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return plug


@pytest.mark.parametrize("path", ["/v2/iex", "/stream", "/stocks"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_frame_ends_its_connection_with_the_right_code_and_no_other(exchange, path, fault):
    sent, code = BROKEN[fault]
    with upgraded(exchange, path) as plug:
        plug.sendall(sent)
        told = rest_of(plug)
    assert told[told.rindex(b"\x88") + 2 :][:2] == struct.pack("!H", code)  # the last frame is the close
    alive(exchange)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(noise=st.binary(min_size=1, max_size=300), after=st.sampled_from(("", "/v2/iex", "/stream", "/stocks")))
def test_noise_on_a_socket_is_refused_or_dropped(exchange, noise, after):
    """Instead of a request, or after the handshake of a stream."""
    with plugged(exchange) as plug:
        if after:
            plug.sendall(UPGRADE.format(path=after).encode())
        plug.sendall(noise)
        plug.shutdown(socket.SHUT_WR)
        answer = rest_of(plug)
    if not after and answer:
        assert answer.startswith(b"HTTP/1.1 4")
    alive(exchange)


def test_requests_and_handshakes_that_stop_half_way_hold_nobody_up(exchange):
    """Some are left open, some are reset, one has promised a body of a gigabyte."""
    starts = (
        b"GET /v2/clock HTTP/1.1\r\nHost",
        b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: a\r\nAPCA-API-SECRET-KEY: b\r\nContent-Length: 1000000000\r\n\r\n{",
        UPGRADE.format(path="/v2/iex")[:60].encode(),
        UPGRADE.format(path="/stream").encode() + frame(1, b"x" * 20)[:9],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    )
    with ExitStack() as stack:
        plugs = [(stack.enter_context(plugged(exchange)), start) for start in starts * 10]
        for plug, start in plugs:
            plug.sendall(start)
        alive(exchange)
        for plug, _ in plugs[::2]:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plug.close()
        alive(exchange)
    alive(exchange)


@pytest.mark.parametrize("faulty", [False, True])
def test_a_body_of_many_megabytes_is_refused_while_it_is_read(opened, generated, faulty):
    """With faults at work too, which look at requests themselves."""
    venue = opened(generated, start=(9, 45))
    if faulty:
        venue.inject(kind="rest.slow", path="/v2/positions", seconds=0.01)
    with httpx.Client(base_url=venue.url, headers=KEYS, trust_env=False, timeout=30) as client:
        for method, path in (
            ("POST", "/v2/orders"),
            ("PATCH", "/v2/account/configurations"),
            ("POST", "/v2/watchlists"),
            ("POST", "/sim/clock/step"),
        ):
            answer = client.request(method, path, content=b'{"a":"' + b"x" * 20_000_000 + b'"}')
            assert (answer.status_code, answer.json()["code"]) == (413, 40010000), path


def played(work) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.wait_for(work(), 40_000))


def test_a_crowd_that_never_says_its_keys_is_sent_away_after_ten_seconds(generated):
    async def idle(address: str) -> tuple[str, float]:
        last = ""
        async with connect_async(address, proxy=None) as client:
            async for told in client:
                last = str(told)
        return last, asyncio.get_running_loop().time()

    async def work() -> None:
        async with hosting(generated, LoopClock(OPEN)) as exchange:
            begin = asyncio.get_running_loop().time()
            crowd = await asyncio.gather(*(idle(exchange.stream) for _ in range(300)))
            assert {last for last, _ in crowd} == {'[{"T":"error","code":404,"msg":"auth timeout"}]'}
            assert all(9.5 < at - begin < 11 for _, at in crowd)
            assert exchange.core.streams.market == []

    played(work)


def test_a_reader_that_does_not_read_costs_its_patience_and_no_more(generated):
    """In virtual time, where everybody else reads at once: what waits for the slow one stays small, and then it is gone."""
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # before it connects, or the window grows by itself

    async def ready(client) -> None:
        await client.recv()
        await client.recv()
        await client.send(EVERYTHING)
        await client.recv()

    async def work() -> None:
        clock = LoopClock(OPEN)
        async with hosting(generated, clock, plan=Plan(connections=0), patience=5.0) as exchange:
            plug.connect(("127.0.0.1", int(exchange.url.rpartition(":")[2])))
            options = {"additional_headers": KEYS, "proxy": None, "max_size": None, "ping_interval": None}
            async with connect_async(exchange.stream, sock=plug, max_queue=1, **options) as slow, connect_async(exchange.stream, **options) as quick:
                await ready(slow)
                await ready(quick)
                lines, most, minutes = exchange.core.streams.market, 0, set()
                while len(lines) == 2 and lines[0].open and clock.now() < OPEN + 180 * MINUTE:
                    minutes.update(message["t"] for message in json.loads(await quick.recv()) if (message["T"], message["S"]) == ("b", "SPY"))
                    most = max(most, *(len(line._waiting) for line in lines))
                assert not lines[0].open
                assert len(minutes) == (clock.now() - OPEN) // MINUTE  # the quick one missed nothing
                assert 0 < most < 2_000  # frames of five seconds
                last = b""
                with pytest.raises(ConnectionClosed):
                    while True:
                        last = await slow.recv()
                assert json.loads(last) == [{"T": "error", "code": 407, "msg": "slow client"}]
            assert sum(len(line._waiting) for line in lines) == 0

    played(work)
