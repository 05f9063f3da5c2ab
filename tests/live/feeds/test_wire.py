"""The vendors' wires: our readers against the clients' own on the same frames, and what a socket does that no vendor should."""

import asyncio
import json
import struct
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha1
from random import Random
from typing import Any, TypeVar

import msgpack
import pytest
from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar, Quote, Trade, TradeCancel, TradeCorrection, TradingStatus
from hypothesis import given
from hypothesis import strategies as st
from polygon import WebSocketClient
from polygon.websocket.models import EquityAgg, EquityQuote, EquityTrade, LimitUpLimitDown
from websockets.asyncio.server import ServerConnection, serve

from live.feeds.wire import alpaca, polygon
from live.feeds.wire.connection import ABNORMAL, Closed, Connection
from live.feeds.wire.frames import Unreadable
from live.sim.virtual import VirtualLoop

T = TypeVar("T")

Handle = Callable[[ServerConnection], Awaitable[None]]


def served(handle: Handle, client: Callable[[str], Awaitable[T]]) -> T:
    """What a client made of a server."""

    async def run() -> T:
        async with serve(handle, "127.0.0.1", 0) as server:
            async with asyncio.timeout(20):
                return await client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    return asyncio.run(run())


# --- the same as the clients' own


def alpaca_frames(seed: int) -> list[list[dict[str, Any]]]:
    """Every kind of message, with values of all sizes."""
    rng, frames = Random(seed), list[list[dict[str, Any]]]()

    def price() -> float:
        return round(rng.uniform(0.01, 900), rng.choice((2, 4)))

    for _ in range(40):
        frame: list[dict[str, Any]] = []
        for _ in range(rng.randint(1, 8)):
            t = msgpack.Timestamp(rng.randint(0, 2**33), rng.choice((0, rng.randint(1, 999_999_999))))
            known = {"S": rng.choice(("AAPL", "BRK.B")), "t": t, "z": rng.choice("ABC")}
            bar = {"o": price(), "h": price(), "l": price(), "c": price(), "v": rng.randint(0, 2**40), "n": rng.randint(0, 9999), "vw": price()}
            trade = {"i": rng.randint(1, 2**50), "x": "V", "p": price(), "s": rng.randint(1, 10**6), "c": rng.sample(["@", "I", "F", "T"], 2)}
            quote = {
                "bx": "V",
                "bp": rng.choice((0, price())),
                "bs": rng.randint(0, 9),
                "ax": "Q",
                "ap": price(),
                "as": rng.randint(0, 9),
                "c": ["R"],
            }
            status = {"sc": "H", "sm": "Trading Halt", "rc": "T1", "rm": "Halt - News Pending"}
            changed = {"x": "V", "oi": 1, "op": price(), "os": 5, "oc": ["@"], "ci": 2, "cp": price(), "cs": 6, "cc": ["@"]}
            taken = {"i": 3, "x": "V", "p": price(), "s": rng.randint(1, 99), "a": rng.choice("CE")}
            kind, fields = rng.choice([("b", bar), ("u", bar), ("t", trade), ("q", quote), ("s", status), ("c", changed), ("x", taken)])
            frame.append({"T": kind, **known, **fields})
        frames.append(frame)
    return frames


def alpaca_server(frames: list[list[dict[str, Any]]]) -> Handle:
    async def handle(connection: ServerConnection) -> None:
        await connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        await connection.recv()
        await connection.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        asked = msgpack.unpackb(await connection.recv())
        await connection.send(msgpack.packb([{**asked, "T": "subscription"}]))
        for frame in frames:
            await connection.send(msgpack.packb(frame))
        await connection.wait_closed()

    return handle


def by_alpaca_py(message: Any) -> tuple[Any, ...]:
    """A model of alpaca-py's in the words of our message."""
    match message:
        case Bar():
            numbers = message.open, message.high, message.low, message.close, message.volume, message.vwap, message.trade_count
            return "bar", message.symbol, _micro(message.timestamp), *map(float, numbers)
        case Trade():
            return "trade", message.symbol, _micro(message.timestamp), message.price, message.size, tuple(message.conditions), message.tape
        case Quote():
            sizes = message.bid_size, message.ask_size
            return "quote", message.symbol, _micro(message.timestamp), message.bid_price, message.ask_price, *sizes
        case TradingStatus():
            words = message.status_code, message.status_message, message.reason_code, message.reason_message
            return "status", message.symbol, *words
        case TradeCorrection():
            was, became = (message.original_price, message.original_size), (message.corrected_price, message.corrected_size)
            return "correction", message.symbol, *was, *became
        case TradeCancel():
            return "cancel", message.symbol, message.price, message.size, message.action
    raise AssertionError(message)


def by_us(message: Any) -> tuple[Any, ...]:
    match message:
        case alpaca.Minute():
            numbers = message.open, message.high, message.low, message.close, message.volume, message.vwap, message.trades
            return "bar", message.symbol, alpaca.nanoseconds(message.at) // 1000, *map(float, numbers)
        case alpaca.Trade():
            moment = alpaca.nanoseconds(message.at) // 1000
            return "trade", message.symbol, moment, message.price, message.size, message.conditions, message.tape
        case alpaca.Quote():
            moment = alpaca.nanoseconds(message.at) // 1000
            return "quote", message.symbol, moment, message.bid, message.ask, message.bid_size, message.ask_size
        case alpaca.Status():
            return "status", message.symbol, message.status, message.words, message.reason, message.explained
        case alpaca.Correction():
            return "correction", message.symbol, message.old_price, message.old_size, message.new_price, message.new_size
        case alpaca.Cancel():
            return "cancel", message.symbol, message.price, message.size, message.action
    raise AssertionError(message)


def _micro(moment: Any) -> int:
    return round(moment.timestamp() * 1_000_000)


def test_our_reader_says_of_every_frame_what_alpaca_py_says(tmp_path: Any) -> None:
    frames = alpaca_frames(1)
    count = sum(map(len, frames))

    async def theirs(url: str) -> list[Any]:
        said: list[Any] = []
        stream, all_said = StockDataStream("k", "s", url_override=url), asyncio.Event()

        async def hear(message: Any) -> None:
            said.append(by_alpaca_py(message))
            if len(said) == count:
                all_said.set()

        for subscribe in (stream.subscribe_bars, stream.subscribe_updated_bars, stream.subscribe_quotes, stream.subscribe_trading_statuses):
            subscribe(hear, "*")
        stream.subscribe_trades(hear, "*")
        stream._handlers["corrections"]["*"] = stream._handlers["cancelErrors"]["*"] = hear
        running = asyncio.create_task(stream._run_forever())
        await all_said.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await stream.close()
        return said

    async def ours(url: str) -> list[Any]:
        said: list[Any] = []
        connection = await Connection.connect(url, headers={"Content-Type": "application/msgpack"})

        def take(frame: bytes) -> None:
            said.extend(by_us(message) for message in alpaca.FRAMES.read(frame) if not isinstance(message, alpaca.Subscription))
            if len(said) == count:
                raise EOFError

        try:
            await connection.recv()
            await connection.send(msgpack.packb({"action": "auth"}))
            await connection.recv()
            await connection.send(msgpack.packb({"action": "subscribe"}))
            with suppress(EOFError):
                await connection.pump(take)
        finally:
            await connection.close()
        return said

    assert served(alpaca_server(frames), ours) == served(alpaca_server(frames), theirs)


def test_our_reader_says_of_every_frame_what_polygons_client_says() -> None:
    rng, frames = Random(2), list[list[dict[str, Any]]]()
    for _ in range(40):
        prices = {name: round(rng.uniform(1, 900), 4) for name in ("o", "h", "l", "c", "vw")}
        start = rng.randint(0, 2**40)
        sides = {name: round(rng.uniform(1, 900), 2) for name in rng.sample(["bp", "ap", "bs", "as"], rng.randint(0, 4))}
        frames.append(
            [
                {
                    "ev": "AM",
                    "sym": "AAPL",
                    "v": rng.randint(0, 2**40),
                    "av": 5,
                    "op": 1.5,
                    "a": 2,
                    "z": 40,
                    "s": start,
                    "e": start + 60_000,
                    **prices,
                },
                {"ev": "T", "sym": "BRK.B", "x": 4, "i": "7", "z": 3, "p": prices["o"], "s": rng.randint(1, 999), "c": [37], "t": start, "q": 9},
                {"ev": "Q", "sym": "KO", "bx": 4, "ax": 5, "c": 1, "t": start, "q": 4, "z": 3, **sides},
                {"ev": "LULD", "T": "AAPL", "h": prices["h"], "l": prices["l"], "i": [17], "z": 3, "t": start, "q": 1},
            ]
        )
    count = sum(map(len, frames))

    async def handle(connection: ServerConnection) -> None:
        await connection.send('[{"ev":"status","status":"connected","message":"Connected Successfully"}]')
        await connection.recv()
        await connection.send('[{"ev":"status","status":"auth_success","message":"authenticated"}]')
        await connection.recv()
        for frame in frames:
            await connection.send(json.dumps(frame))
        await connection.wait_closed()

    async def theirs(url: str) -> list[Any]:
        said: list[Any] = []

        async def hear(messages: Any) -> None:
            for message in messages:
                match message:
                    case EquityAgg():
                        prices = message.open, message.high, message.low, message.close, message.vwap
                        said.append((message.symbol, message.start_timestamp, message.end_timestamp, *prices, message.volume))
                    case EquityTrade():
                        said.append((message.symbol, message.timestamp, message.price, message.size, tuple(message.conditions)))
                    case EquityQuote():
                        sides = message.bid_price, message.ask_price, message.bid_size, message.ask_size
                        said.append((message.symbol, message.timestamp, *sides))
                    case LimitUpLimitDown():
                        said.append((message.symbol, message.low_price, message.high_price))
            if len(said) == count:
                raise EOFError

        client = WebSocketClient("k", feed=url.removeprefix("ws://"), secure=False, subscriptions=["AM.*"])
        with suppress(EOFError):
            await client.connect(hear)
        await client.close()
        return said

    async def ours(url: str) -> list[Any]:
        said: list[Any] = []
        connection = await Connection.connect(f"{url}/stocks")

        def take(frame: bytes) -> None:
            for message in polygon.FRAMES.read(frame):
                match message:
                    case polygon.Bar():
                        prices = message.open, message.high, message.low, message.close, message.vwap
                        said.append((message.symbol, message.start, message.end, *prices, message.volume))
                    case polygon.Trade():
                        said.append((message.symbol, message.at, message.price, message.size, message.conditions))
                    case polygon.Quote():
                        said.append((message.symbol, message.at, message.bid, message.ask, message.bid_size, message.ask_size))
                    case polygon.Band():
                        said.append((message.ticker, message.lower, message.upper))
            if len(said) == count:
                raise EOFError

        try:
            await connection.recv()
            await connection.send("{}")
            await connection.recv()
            await connection.send("{}")
            with suppress(EOFError):
                await connection.pump(take)
        finally:
            await connection.close()
        return said

    assert served(handle, ours) == served(handle, theirs)


# --- frames


@given(seconds=st.integers(-(2**62), 2**62), fraction=st.integers(0, 999_999_999))
def test_all_three_forms_of_a_msgpack_timestamp_keep_their_nanoseconds(seconds: int, fraction: int) -> None:
    stamp = msgpack.Timestamp(seconds, fraction)
    (read,) = alpaca.FRAMES.read(msgpack.packb([{"T": "t", "S": "A", "p": 1, "s": 1, "t": stamp}]))
    assert alpaca.nanoseconds(read.at) == seconds * 1_000_000_000 + fraction


def test_what_has_another_form_costs_only_itself_and_what_is_no_frame_is_said() -> None:
    good = {"T": "l", "S": "A", "u": 2.0, "d": 1.0}
    odd: list[Any] = [5, None, "b", [], {}, {"T": 7}, {"T": "b", "S": "A"}, {**good, "u": "high"}, {"T": "news"}]
    for bad in odd:
        first, middle, last = alpaca.FRAMES.read(msgpack.packb([good, bad, good]))
        assert first == last == alpaca.Band("A", 1.0, 2.0)
        assert isinstance(middle, Unreadable), bad
        first, middle, last = polygon.FRAMES.read(json.dumps([{"ev": "status"}, bad, {"ev": "status"}]).encode())
        assert first == last == polygon.Status()
        assert isinstance(middle, Unreadable), bad
    for nothing in (b"", b"\xc1", b"{}", b'{"ev":"AM"}', b"\x81\xa1T\xa1b", b"[", b"12", struct.pack(">B", 0xDC)):
        for frames in (alpaca.FRAMES, polygon.FRAMES):
            with pytest.raises(ValueError):
                frames.read(nothing)


# --- the socket


def ending(handle: Handle, take: Callable[[bytes], None] = lambda _: None) -> Exception:
    """How pumping ended."""

    async def client(url: str) -> Exception:
        connection = await Connection.connect(url)
        try:
            await connection.pump(take)
        except Exception as error:
            return error
        finally:
            await connection.close()
        raise AssertionError("it ended without a word")

    return served(handle, client)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going away"), (1008, "too many"), (1011, ""), (4001, "of its own")])
def test_a_close_is_told_with_its_code_and_reason(code: int, reason: str) -> None:
    found = ending(lambda connection: connection.close(code, reason))
    assert isinstance(found, Closed)
    assert (found.code, found.reason) == (code, reason)


def test_a_line_that_breaks_has_no_code() -> None:
    async def handle(connection: ServerConnection) -> None:
        connection.transport.abort()

    found = ending(handle)
    assert isinstance(found, Closed) and found.code == ABNORMAL


def test_a_message_in_parts_comes_whole_and_in_its_turn() -> None:
    read: list[bytes] = []

    async def handle(connection: ServerConnection) -> None:
        await connection.send(b"one")
        await connection.send(iter([b"t", b"w", b"o"]))
        await connection.send("three")
        await connection.close()

    assert isinstance(ending(handle, read.append), Closed)
    assert read == [b"one", b"two", b"three"]


def test_what_the_reader_raises_ends_the_pumping_with_it_and_nothing_is_read_after() -> None:
    read: list[bytes] = []

    def take(message: bytes) -> None:
        read.append(message)
        raise RuntimeError("ours")

    async def handle(connection: ServerConnection) -> None:
        for _ in range(3):
            await connection.send(b"one")
        await connection.wait_closed()

    found = ending(handle, take)
    assert isinstance(found, RuntimeError)
    assert read == [b"one"]


def test_a_peer_that_answers_no_ping_is_left_within_twenty_seconds() -> None:
    async def run() -> tuple[Exception, float]:
        gone = asyncio.Event()

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            key = next(line for line in (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            writer.write(_accepted(key.split(b": ")[1]))
            await gone.wait()
            writer.close()

        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        connection = await Connection.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        began = asyncio.get_running_loop().time()
        try:
            await connection.pump(lambda _: None)
        except Closed as error:
            return error, asyncio.get_running_loop().time() - began
        finally:
            await connection.close()
            gone.set()
            server.close()
        raise AssertionError("it ended without a word")

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        error, took = runner.run(run())
    assert "ping" in str(error)
    assert 15 < took < 22


def _accepted(key: bytes) -> bytes:
    accept = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"


def test_a_redirect_is_not_followed_with_our_keys() -> None:
    async def run() -> None:
        async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
        try:
            with pytest.raises(Exception, match="302"):
                await Connection.connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        finally:
            server.close()

    asyncio.run(run())
