"""Polygon's stocks stream: the real client over the socket, and the conversation on the raw wire."""

import asyncio
import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from queue import Queue
from typing import Any

import pytest
from commands import until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from live.sim.embedded import Exchange
from live.sim.polygon.terms import Terms
from live.sim.worlds.recorded import RecordedWorld

AGGREGATE = {"ev", "sym", "v", "dv", "av", "dav", "op", "vw", "o", "c", "h", "l", "a", "z", "s", "e"}
CONNECTED = [{"ev": "status", "status": "connected", "message": "Connected Successfully"}]
AUTHENTICATED = [{"ev": "status", "status": "auth_success", "message": "authenticated"}]


class Ear:
    """A websocket client of the polygon package in a loop and thread of its own."""

    def __init__(self, exchange: Exchange, *subscriptions: str, key: str = "POLY", package: str = "polygon", reconnects: int = 5) -> None:
        made = importlib.import_module(package).WebSocketClient
        feed = exchange.polygon_stream.removeprefix("ws://").removesuffix("/stocks")
        self.client = made(key, feed=feed, market="stocks", secure=False, subscriptions=list(subscriptions), max_reconnects=reconnects)
        self.heard: Queue[Any] = Queue()
        self.failure: Exception | None = None
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, count: int) -> list[Any]:
        return [self.heard.get(timeout=10) for _ in range(count)]

    def join(self) -> None:
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def close(self) -> None:
        if self._thread.is_alive() and self.client.websocket is not None:
            asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(timeout=10)
        self.join()

    def _run(self) -> None:
        with self._runner as runner:
            try:
                runner.run(self.client.connect(self._hear, proxy=None))
            except Exception as failure:  # the test looks at it
                self.failure = failure
                if self.client.websocket is not None:  # a refused key leaves it open
                    runner.run(self.client.websocket.close())

    async def _hear(self, messages: list[Any]) -> None:
        for message in messages:
            self.heard.put(message)


@pytest.fixture
def ear() -> Iterator[Callable[..., Ear]]:
    with ExitStack() as stack:

        def listen(exchange: Exchange, *subscriptions: str, **options: Any) -> Ear:
            made = Ear(exchange, *subscriptions, **options)
            stack.callback(made.close)
            if subscriptions:
                until(lambda: exchange.clock()["polygon_clients"] == 1, "1 clients of Polygon's stream")
            return made

        yield listen


class Wire:
    """A raw connection that reads and writes JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def read(self) -> list[dict[str, Any]]:
        frame = self.socket.recv(timeout=10)
        assert isinstance(frame, str)
        found: list[dict[str, Any]] = json.loads(frame)
        return found

    def ask(self, action: str, params: object) -> list[dict[str, Any]]:
        self.socket.send(json.dumps({"action": action, "params": params}))
        return self.read()

    def enter(self, *channels: str, key: str = "POLY") -> "Wire":
        assert self.read() == CONNECTED
        assert self.ask("auth", key) == AUTHENTICATED
        if channels:
            assert {found["status"] for found in self.ask("subscribe", ",".join(channels))} == {"success"}
        return self

    def ending(self) -> int:
        with pytest.raises(ConnectionClosed) as closed:
            self.socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


@pytest.fixture
def wire() -> Iterator[Callable[[Exchange], Wire]]:
    with ExitStack() as stack:
        yield lambda exchange: Wire(stack.enter_context(connect(exchange.polygon_stream, proxy=None)))


def test_minute_bars_reach_the_real_client_as_the_rest_side_has_them(opened, generated, ear):
    exchange = opened(generated, start=(9, 29))
    listener = ear(exchange, "AM.AAPL", "AM.SPY")
    clock = exchange.step_to(9, 32)
    assert clock["sent"]["polygon"] >= 4
    bars = [bar for bar in listener.take(clock["sent"]["polygon"]) if bar.symbol == "AAPL" and bar.official_open_price]
    assert len(bars) == 2
    truth = generated.day(date.fromisoformat(clock["session"]))["AAPL"]
    first = next(row for row in range(len(truth)) if truth.t[row] // 1_000_000 == bars[0].start_timestamp)
    for place, bar in enumerate(bars):
        row = first + place
        assert (bar.event_type, bar.symbol) == ("AM", "AAPL")
        assert (bar.start_timestamp, bar.end_timestamp) == (truth.t[row] // 1_000_000, truth.t[row] // 1_000_000 + 60_000)
        assert (bar.open, bar.high, bar.low, bar.close, bar.vwap) == (truth.o[row], truth.h[row], truth.l[row], truth.c[row], truth.vw[row])
        assert (bar.volume, bar.accumulated_volume) == (truth.v[row], truth.v[: row + 1].sum())
        assert (bar.official_open_price, bar.average_size) == (truth.o[first], truth.v[row] // truth.n[row])
    assert bars[1].aggregate_vwap == pytest.approx((truth.vw[: first + 2] * truth.v[: first + 2]).sum() / truth.v[: first + 2].sum(), abs=1e-4)


def test_the_wildcard_brings_every_symbol_and_the_counter_says_how_many(opened, market, ear):
    exchange = opened(market({"AAA": [10.0, 11.0], "BBB": [20.0, 21.0], "CCC": [30.0, 31.0]}))
    listener = ear(exchange, "AM.*")
    clock = exchange.step_to(9, 32)
    assert clock["sent"] == {"market": 0, "trading": 0, "polygon": 6}
    bars = listener.take(6)
    assert [(bar.symbol, bar.close) for bar in bars] == [("AAA", 10.0), ("BBB", 20.0), ("CCC", 30.0), ("AAA", 11.0), ("BBB", 21.0), ("CCC", 31.0)]
    assert {bar.official_open_price for bar in bars if bar.symbol == "AAA"} == {10.0}


def test_a_minute_without_trades_has_no_bar(opened, minutes, history, ear):
    files = [minutes({"AAA": [10.0, 10.1]}), minutes({"AAA": [10.5]}, minute=35, name="later")]
    exchange = opened(RecordedWorld(minutes=files, history=[history({"AAA": 10.0})]))
    listener = ear(exchange, "AM.AAA")
    assert exchange.step_to(9, 40)["sent"]["polygon"] == 3
    starts = [bar.start_timestamp // 60_000 % 60 for bar in listener.take(3)]
    assert starts == [30, 31, 35]


def test_bars_before_the_open_say_no_official_price(opened, minutes, history, ear):
    files = [minutes({"AAA": [9.0] * 2}, hour=8, name="early"), minutes({"AAA": [10.0]})]
    exchange = opened(RecordedWorld(minutes=files, history=[history({"AAA": 9.5})]))
    listener = ear(exchange, "AM.AAA")
    exchange.step_to(9, 31)
    bars = listener.take(3)
    assert [(bar.official_open_price, bar.accumulated_volume) for bar in bars] == [(0.0, 1_000), (0.0, 2_000), (10.0, 3_000)]


def test_trades_and_seconds_add_up_to_the_minute(opened, market, ear):
    exchange = opened(market({"AAA": [10.0, 10.4, 10.2]}))
    listener = ear(exchange, "T.AAA", "Q.AAA", "A.AAA", "AM.AAA")
    heard = listener.take(exchange.step_to(9, 33)["sent"]["polygon"])
    kinds = {kind: [each for each in heard if each.event_type == kind] for kind in ("T", "Q", "A", "AM")}
    assert len(kinds["T"]) == len(kinds["Q"]) > 30
    assert len(kinds["AM"]) == 3
    for bar in kinds["AM"]:
        inside = [second for second in kinds["A"] if bar.start_timestamp <= second.start_timestamp < bar.end_timestamp]
        trades = [trade for trade in kinds["T"] if bar.start_timestamp <= trade.timestamp < bar.end_timestamp]
        assert sum(second.volume for second in inside) == sum(trade.size for trade in trades) == bar.volume
        assert (inside[0].open, inside[-1].close) == (bar.open, bar.close)
        assert (max(second.high for second in inside), min(second.low for second in inside)) == (bar.high, bar.low)
        assert inside[-1].accumulated_volume == bar.accumulated_volume
    assert all(second.end_timestamp == second.start_timestamp + 1_000 for second in kinds["A"])
    numbers = [trade.sequence_number for trade in kinds["T"]]
    assert numbers == sorted(set(numbers))


def test_every_message_has_the_fields_and_kinds_of_its_table(opened, generated, wire):
    exchange = opened(generated, start=(9, 30))
    line = wire(exchange).enter("T.AAPL", "Q.AAPL", "A.AAPL", "AM.AAPL", "LULD.AAPL")
    exchange.step_to(9, 32)
    found: dict[str, list[dict[str, Any]]] = {}
    while len(found.get("LULD", [])) < 2:
        for message in line.read():
            found.setdefault(message["ev"], []).append(message)
    for message in found["AM"] + found["A"]:
        assert set(message) == AGGREGATE
        assert all(type(message[name]) is int for name in ("v", "av", "z", "s", "e"))
        assert all(type(message[name]) is float for name in ("op", "vw", "o", "c", "h", "l", "a"))
        assert (message["dv"], message["dav"]) == (str(message["v"]), str(message["av"]))
        assert message["e"] - message["s"] == (60_000 if message["ev"] == "AM" else 1_000)
    plain = {"ev", "sym", "x", "i", "z", "p", "s", "ds", "c", "t", "q"}
    assert {frozenset(message) for message in found["T"]} == {frozenset(plain), frozenset(plain | {"trfi", "trft"})}
    for message in found["T"]:
        assert type(message["i"]) is str
        assert all(type(message[name]) is int for name in ("x", "z", "s", "t", "q"))
        assert message["c"] == [0]
        assert ("trfi" in message) == (message["x"] == 4)
    for message in found["Q"]:
        assert set(message) == {"ev", "sym", "bx", "bp", "bs", "ax", "ap", "as", "c", "i", "t", "q", "z"}
        assert message["bp"] < message["ap"]
        assert (type(message["c"]), type(message["i"])) == (int, list)
    for message in found["LULD"]:
        assert set(message) == {"ev", "T", "h", "l", "i", "z", "t", "q"}
        assert message["l"] < found["AM"][0]["c"] < message["h"]


def test_the_conversation_is_to_the_letter(opened, generated, wire):
    line = wire(opened(generated))
    assert line.read() == CONNECTED
    assert line.ask("subscribe", "AM.AAPL")[0]["status"] == "error"
    assert line.ask("auth", "ANY") == AUTHENTICATED
    answers = line.ask("subscribe", "AM.AAPL,A.MSFT, T.*,Q.BRK.B")
    texts = [f"subscribed to: {name}" for name in ("AM.AAPL", "A.MSFT", "T.*", "Q.BRK.B")]
    assert answers == [{"ev": "status", "status": "success", "message": text} for text in texts]
    assert line.ask("unsubscribe", "T.*") == [{"ev": "status", "status": "success", "message": "unsubscribed to: T.*"}]
    assert line.ask("subscribe", "FMV.AAPL,AM.V") == [
        {"ev": "status", "status": "error", "message": "not authorized"},
        {"ev": "status", "status": "success", "message": "subscribed to: AM.V"},
    ]
    for action, params in (("auth", "ANY"), ("subscribe", "AM"), ("subscribe", None), ("subscribe", ["AM.V"]), ("sing", "AM.V"), (None, None)):
        assert [found["status"] for found in line.ask(action, params)] == ["error"]
    for frame in ("{", "[]", "7", '"x"', b"\xff\xfe", "[" * 2_000):
        line.socket.send(frame)
        assert [found["status"] for found in line.read()] == ["error"]


def test_a_plan_without_real_time_may_enter_and_hear_nothing(opened, generated, wire):
    line = wire(opened(generated, polygon=Terms(realtime=False))).enter()
    (late,) = line.read()
    assert (late["status"], late["message"].startswith("You don't have access real-time data.")) == ("error", True)
    assert line.ask("subscribe", "AM.AAPL") == [{"ev": "status", "status": "error", "message": "not authorized"}]


def test_what_was_unsubscribed_is_not_sent(opened, market, wire):
    exchange = opened(market({"AAA": [10.0, 11.0, 12.0]}))
    line = wire(exchange).enter("AM.AAA")
    exchange.step_to(9, 31)
    assert line.read()[0]["c"] == 10.0
    line.ask("unsubscribe", "AM.AAA")
    exchange.step_to(9, 32)
    line.ask("subscribe", "AM.AAA")
    exchange.step_to(9, 33)
    assert line.read()[0]["c"] == 12.0


def test_a_wrong_key_ends_the_real_client(opened, generated, ear, wire):
    exchange = opened(generated, polygon=Terms(key="RIGHT"))
    listener = ear(exchange, key="WRONG")
    listener.join()
    assert type(listener.failure).__name__ == "AuthError"
    assert str(listener.failure) == "authentication failed"
    line = wire(exchange)
    line.read()
    assert line.ask("auth", "WRONG") == [{"ev": "status", "status": "auth_failed", "message": "authentication failed"}]
    assert line.ending() == 1008
    line = wire(exchange)
    line.read()
    assert line.ask("auth", ["RIGHT"])[0]["status"] == "auth_failed"


def test_the_older_connection_of_a_key_dies(opened, market, wire):
    exchange = opened(market({"AAA": [10.0, 11.0]}))
    older, other, newer = wire(exchange).enter("AM.AAA"), wire(exchange).enter("AM.AAA", key="OTHER"), wire(exchange)
    newer.enter("AM.AAA")
    (last,) = older.read()
    assert last["status"] == "max_connections"
    assert last["message"].startswith("Maximum number of websocket connections exceeded.")
    assert older.ending() == 1008
    until(lambda: exchange.clock()["polygon_clients"] == 2, "2 clients of Polygon's stream")
    exchange.step_to(9, 31)
    assert newer.read()[0]["c"] == other.read()[0]["c"] == 10.0


def test_who_loses_and_how_many_may_connect_can_be_chosen(opened, generated, wire):
    exchange = opened(generated, polygon=Terms(loser="newer"))
    wire(exchange).enter("AM.SPY")
    newer = wire(exchange)
    newer.read()
    assert newer.ask("auth", "POLY")[0]["status"] == "max_connections"
    assert newer.ending() == 1008
    wide = opened(generated, polygon=Terms(connections=2))
    wire(wide).enter("AM.SPY")
    wire(wide).enter("AM.SPY")
    assert wide.clock()["polygon_clients"] == 2


def test_the_real_client_comes_back_and_subscribes_again(opened, market, ear, wire):
    exchange = opened(market({"AAA": [10.0, 11.0]}))
    listener = ear(exchange, "AM.AAA")
    intruder = wire(exchange).enter()
    assert intruder.read()[0]["status"] == "max_connections"
    until(lambda: exchange.clock()["polygon_clients"] == 1, "1 clients of Polygon's stream")
    exchange.step_to(9, 31)
    assert listener.take(1)[0].close == 10.0


def test_who_says_no_key_is_sent_away(opened, generated, wire):
    line = wire(opened(generated, polygon=Terms(auth_seconds=0.05)))
    assert line.read() == CONNECTED
    assert line.read()[0]["status"] == "auth_timeout"
    assert line.ending() == 1008


def lazy(exchange: Exchange) -> ClientConnection:
    """A client whose socket holds little."""
    plug = socket.create_connection(("127.0.0.1", int(exchange.url.rsplit(":", 1)[1])))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    return connect(exchange.polygon_stream, sock=plug, proxy=None, max_queue=1)


def stall(exchange: Exchange) -> None:
    """Play until nobody is left who listens."""
    while exchange.clock()["polygon_clients"]:
        exchange.step(300)


def last_words(slow: ClientConnection) -> str:
    """What a client reads before its connection ends."""
    last = ""
    with pytest.raises(ConnectionClosed):
        while True:
            last = str(slow.recv(timeout=10))
    return last


def test_a_slow_consumer_is_told_so_when_it_reads_again(opened, generated):
    exchange = opened(generated, start=(9, 30), polygon=Terms(slow_seconds=1.5))
    with lazy(exchange) as slow:
        Wire(slow).enter("T.*", "Q.*", "A.*")
        playing = threading.Thread(target=stall, args=(exchange,))
        playing.start()
        until(lambda: exchange.clock()["polygon_clients"] == 0, "0 clients of Polygon's stream")
        assert json.loads(last_words(slow))[0]["status"] == "slow_consumer"
        assert slow.close_code == 1008
        playing.join(timeout=10)


def test_a_client_that_never_reads_is_let_go_and_nobody_waits_for_it(opened, generated, wire):
    exchange = opened(generated, start=(9, 30), polygon=Terms(slow_seconds=0.2))
    with lazy(exchange) as slow:
        Wire(slow).enter("T.*", "Q.*", "A.*")
        stall(exchange)
        line = wire(exchange).enter("AM.SPY")
        exchange.step(60)
        assert line.read()[0]["sym"] == "SPY"
        last_words(slow)
        assert slow.close_code in (1006, 1008)  # the close frame may or may not still fit into the stalled socket


def test_a_repeated_run_sends_the_same_frames(opened, generated, wire):
    def run() -> list[str]:
        exchange = opened(generated, start=(9, 30))
        line = wire(exchange).enter("T.V", "A.V", "AM.*")
        count, frames = exchange.step_to(9, 32)["sent"]["polygon"], []
        while count:
            frames.append(line.socket.recv(timeout=10))
            count -= len(json.loads(frames[-1]))
        return frames

    assert run() == run()


def test_no_message_is_ahead_of_the_clock(opened, generated, wire):
    exchange = opened(generated, start=(9, 30))
    line = wire(exchange).enter("T.SPY", "Q.SPY", "A.SPY", "AM.SPY")
    begin, count = 1_795_185_000_000, 0
    for seconds in (10, 25, 60, 61, 119):
        sent = exchange.step(to=f"2026-11-20T14:{30 + seconds // 60}:{seconds % 60:02d}Z")["sent"]["polygon"]
        while count < sent:
            for message in line.read():
                count += 1
                assert message.get("e", message.get("t")) <= begin + seconds * 1_000
