"""Faults of the streams: what a client reads on its socket, what the real clients make of it, and that the books stay right."""

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from alpaca.data.live import StockDataStream
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

CHANNELS = {"bars": ["*"]}
KEYS = {"action": "auth", "key": "SIM", "secret": "SIM"}


class Wire:
    """A raw data or order socket, authenticated and subscribed."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def read(self) -> Any:
        """The next frame; a string when it is no JSON."""
        frame = self.socket.recv(timeout=5)
        try:
            return json.loads(frame)
        except ValueError:
            return f"garbage {len(frame)}"

    def silent(self) -> bool:
        """Nothing is waiting; a ping is answered, so that whatever was written before has arrived."""
        assert self.socket.ping().wait(5)
        try:
            self.socket.recv(timeout=0)
        except TimeoutError:
            return True
        return False

    def ask(self, message: object) -> Any:
        self.socket.send(json.dumps(message))
        return self.read()


@pytest.fixture
def wired() -> Iterator[Callable[..., Wire]]:
    with ExitStack() as stack:

        def start(exchange: Any, subscribe: dict[str, list[str]] | None = None, *, trading: bool = False, polygon: str = "") -> Wire:
            url = exchange.trading_stream if trading else exchange.url.replace("http", "ws") + ("/stocks" if polygon else "/v2/iex")
            wire = Wire(stack.enter_context(connect(url, proxy=None, open_timeout=5, close_timeout=1)))
            if trading:
                wire.ask(KEYS)
                wire.ask({"action": "listen", "data": {"streams": ["trade_updates"]}})
            elif polygon:
                wire.read()
                wire.ask({"action": "auth", "params": "SIM"})
                wire.ask({"action": "subscribe", "params": polygon})
            else:
                wire.read()
                wire.ask(KEYS)
                wire.ask({"action": "subscribe", **(subscribe or CHANNELS)})
            return wire

        yield start


@pytest.fixture
def flat(client, market):
    """A stepped exchange at 09:30 in which AAA closes at 100, 101, 102 ... and BBB at 50."""
    trader = client(market({"AAA": [100.0 + n for n in range(30)], "BBB": [50.0] * 30}))
    trader.exchange.step_to(9, 30)
    return trader


def hits(trader: Any) -> list[tuple[str, str | None]]:
    """Kind and symbol of every injection, from the books."""
    return [(row["kind"], row["hit"].get("symbol")) for row in trader.exchange.books()["faults"]]


def bars(frame: list[dict[str, Any]]) -> list[tuple[str, float | None]]:
    return [(bar["S"], bar["c"]) for bar in frame]


def test_mute_market_socket_answers_pings_and_speaks_again_afterwards(flat, wired):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.mute", stream="market", **{"for": 120})
    flat.exchange.step(119)
    assert wire.silent()
    flat.exchange.step(60)
    assert bars(wire.read()) == [("AAA", 101.0), ("BBB", 50.0)]
    assert hits(flat) == [("stream.mute", "AAA"), ("stream.mute", "BBB")]


def test_mute_order_stream_while_the_fill_is_on_the_books(flat, wired):
    wire = wired(flat.exchange, trading=True)
    flat.exchange.inject(kind="stream.mute", stream="trading")
    flat.send("AAA", "buy", 3)
    flat.exchange.step(30)
    assert wire.silent()
    assert flat.exchange.books()["positions"][0]["qty"] == "3"
    assert [row["hit"]["type"] for row in flat.exchange.books()["faults"]] == ["pending_new", "new", "fill"]


def test_one_lost_bar_of_one_symbol_leaves_the_rest_of_the_frame(flat, wired):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.drop", symbol="AAA", skip=1)
    flat.exchange.step(180)
    assert [bars(wire.read()) for _ in range(3)] == [[("AAA", 100.0), ("BBB", 50.0)], [("BBB", 50.0)], [("AAA", 102.0), ("BBB", 50.0)]]
    assert hits(flat) == [("stream.drop", "AAA")]


def test_late_bar_comes_after_newer_ones(flat, wired):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.delay", symbol="AAA", seconds=90)
    flat.exchange.step(180)
    assert [bars(wire.read()) for _ in range(4)] == [
        [("BBB", 50.0)],
        [("AAA", 101.0), ("BBB", 50.0)],
        [("AAA", 100.0)],
        [("AAA", 102.0), ("BBB", 50.0)],
    ]


def test_slow_feed_keeps_its_order_and_lags_for_as_long_as_told(flat, wired):
    wire = wired(flat.exchange, {"bars": ["AAA"]})
    flat.exchange.inject(kind="stream.slow", stream="market", seconds=3)
    flat.exchange.step(122)
    assert bars(wire.read()) == [("AAA", 100.0)]
    assert wire.silent()
    flat.exchange.step(1)
    assert bars(wire.read()) == [("AAA", 101.0)]


@pytest.mark.parametrize(("kind", "more", "count"), [("stream.duplicate", {}, 2), ("stream.burst", {"copies": 19, "times": 1}, 20)])
def test_the_same_bar_comes_several_times(flat, wired, kind, more, count):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind=kind, symbol="AAA", **more)
    flat.exchange.step(60)
    assert bars(wire.read()) == [("AAA", 100.0)] * count + [("BBB", 50.0)]
    assert flat.exchange.clock()["sent"]["market"] == count + 1


def test_bar_comes_after_its_successor(flat, wired):
    wire = wired(flat.exchange, {"bars": ["AAA"]})
    flat.exchange.inject(kind="stream.reorder", symbol="AAA")
    flat.exchange.step(120)
    assert bars(wire.read()) == [("AAA", 101.0), ("AAA", 100.0)]
    flat.exchange.inject(kind="stream.reorder", symbol="AAA", seconds=5)
    flat.exchange.step(60)
    assert wire.silent()
    flat.exchange.step(5)
    assert bars(wire.read()) == [("AAA", 102.0)]


def test_bad_bar_in_a_batch_leaves_the_others_whole(flat, wired):
    wire = wired(flat.exchange)
    for value, spoiled in (
        ("null", lambda bar: bar["c"] is None and bar["o"] is None),
        ("nan", lambda bar: math.isnan(bar["c"])),
        ("negative", lambda bar: bar["c"] < 0),
        ("tenfold", lambda bar: bar["c"] > 1000),
        ("zero", lambda bar: bar["h"] == 0),
        ("text", lambda bar: bar["l"] == "n/a"),
        ("inverted", lambda bar: bar["h"] < bar["l"]),
    ):
        flat.exchange.inject(kind="stream.corrupt", symbol="AAA", value=value)
        flat.exchange.step(60)
        bad, good = wire.read()
        assert spoiled(bad), value
        assert (good["S"], good["c"], bad["v"]) == ("BBB", 50.0, 1000)


def test_one_field_can_be_spoiled_missing_or_strange(flat, wired):
    wire = wired(flat.exchange, {"bars": ["AAA"]})
    flat.exchange.inject(kind="stream.corrupt", value="null", field="c")
    flat.exchange.inject(kind="stream.remove", field="v")
    flat.exchange.inject(kind="stream.set", field="T", to="zz")
    flat.exchange.step(60)
    (bar,) = wire.read()
    assert (bar["c"], bar["h"], bar["T"]) == (None, 100.0, "zz")
    assert "v" not in bar


def test_feeds_disagree_by_some_percent(flat, wired):
    iex = wired(flat.exchange, {"bars": ["AAA"]})
    polygon = wired(flat.exchange, polygon="AM.AAA")
    flat.exchange.inject(kind="stream.scale", stream="polygon", percent=1)
    flat.exchange.step(60)
    assert bars(iex.read()) == [("AAA", 100.0)]
    (other,) = polygon.read()
    assert (other["ev"], other["sym"], other["c"]) == ("AM", "AAA", 101.0)


def test_malformed_frame_is_neither_json_nor_msgpack(flat, wired):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.malformed", symbol="AAA")
    flat.exchange.step(60)
    assert wire.read().startswith("garbage")
    assert bars(wire.read()) == [("BBB", 50.0)]


def test_real_client_loses_only_what_it_must_of_a_packed_batch(flat, listening):
    heard = listening(flat.exchange, lambda stream, hear: stream.subscribe_bars(hear, "*"))
    flat.exchange.inject(kind="stream.duplicate", symbol="BBB")
    flat.exchange.inject(kind="stream.corrupt", symbol="AAA", value="nan")
    flat.exchange.step(60)
    spoiled, first, second = heard.take(heard.market, 3)
    assert (spoiled.symbol, first, math.isnan(spoiled.close)) == ("AAA", second, True)


def test_updated_bar_flips_the_close_half_a_minute_later(flat, listening):
    def subscribe(stream, hear):
        stream.subscribe_bars(hear, "AAA")
        stream.subscribe_updated_bars(hear, "AAA")

    heard = listening(flat.exchange, subscribe)
    flat.exchange.inject(kind="stream.revise", symbol="AAA", percent=-4)
    flat.exchange.step(89)
    (first,) = heard.take(heard.market, 1)
    flat.exchange.step(2)
    (second,) = heard.take(heard.market, 1)
    assert (first.close, second.close, second.low, second.timestamp == first.timestamp) == (100.0, 96.0, 96.0, True)


def test_corrections_and_cancels_follow_their_trades(flat, wired):
    wire = wired(flat.exchange, {"trades": ["AAA"]})
    flat.exchange.inject(kind="stream.correct", symbol="AAA", percent=2)
    flat.exchange.inject(kind="stream.bust", symbol="AAA", skip=1)
    flat.exchange.step(59)
    frames = [wire.read() for _ in range(flat.exchange.clock()["sent"]["market"])]
    said = {message["T"]: message for frame in frames for message in frame}
    trades = [message for frame in frames for message in frame if message["T"] == "t"]
    assert (said["c"]["oi"], said["c"]["cp"]) == (trades[0]["i"], round(trades[0]["p"] * 1.02, 2))
    assert (said["x"]["i"], said["x"]["a"], len(trades)) == (trades[1]["i"], "C", 14)


def test_words_out_of_turn_reach_those_who_subscribed_to_their_like(flat, wired):
    wire = wired(flat.exchange, {"lulds": ["AAA"]})
    flat.exchange.inject(kind="stream.say", stream="market", message={"T": "l", "S": "BBB", "u": 1, "d": 1, "i": "B", "t": "2026-11-20T15:00:00Z"})
    flat.exchange.inject(kind="stream.say", stream="market", message={"T": "l", "S": "AAA", "u": 2, "d": 1, "i": "B", "t": "2026-11-20T15:00:00Z"})
    assert wire.read()[0]["u"] == 2
    assert wire.silent()


@pytest.mark.parametrize("code", [1000, 1011])
def test_socket_is_closed_with_a_code_at_a_time(flat, wired, code):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.close", stream="market", code=code, reason="keepalive", at="09:31:30")
    flat.exchange.step(90)
    assert bars(wire.read())[0] == ("AAA", 100.0)
    with pytest.raises(ConnectionClosed) as closed:
        wire.read()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "keepalive")


@pytest.mark.parametrize("torn", [False, True])
def test_socket_is_aborted_without_a_close_frame_after_a_message(flat, wired, torn):
    wire = wired(flat.exchange)
    flat.exchange.inject(kind="stream.close", code=1006, torn=torn, type="b", symbol="BBB")
    flat.exchange.step(60)
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            wire.read()
    assert closed.value.rcvd is None
    again = wired(flat.exchange)
    flat.exchange.step(60)
    assert bars(again.read()) == [("AAA", 101.0), ("BBB", 50.0)]


def test_flapping_closes_every_so_often(flat, wired):
    flat.exchange.inject(kind="stream.close", stream="market", at="09:31:00", every=30, times=3)
    for _ in range(3):
        wire = wired(flat.exchange)
        flat.exchange.step(60 if flat.exchange.clock()["now"].endswith("14:30:00Z") else 30)
        with pytest.raises(ConnectionClosed):
            while True:
                wire.read()
    assert len(hits(flat)) == 3


@pytest.mark.parametrize(("code", "text"), [(406, "connection limit exceeded"), (402, "auth failed")])
def test_reconnect_is_refused_for_a_while(flat, code, text):
    flat.exchange.inject(kind="stream.refuse", stream="market", code=code, **{"for": 90})
    url = flat.exchange.url.replace("http", "ws") + "/v2/iex"
    for step, expected in ((60, [{"T": "error", "code": code, "msg": text}]), (60, [{"T": "success", "msg": "authenticated"}])):
        with connect(url, proxy=None) as socket:
            wire = Wire(socket)
            assert wire.read() == [{"T": "success", "msg": "connected"}]
            assert wire.ask(KEYS) == expected
            if "code" in expected[0]:
                with pytest.raises(ConnectionClosed):
                    wire.read()
        flat.exchange.step(step)
        flat.exchange.step(60 if step == 60 else 0)


def test_real_client_is_refused_with_402_on_the_order_stream(flat, wired):
    flat.exchange.inject(kind="stream.refuse", stream="trading", code=402)
    with connect(flat.exchange.trading_stream, proxy=None) as socket:
        assert Wire(socket).ask(KEYS)["data"]["status"] == "unauthorized"
    wired(flat.exchange, trading=True)


def test_handshake_is_answered_with_429(flat, wired):
    flat.exchange.inject(kind="stream.deny", stream="market", status=429, times=2)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as denied:
            wired(flat.exchange)
        assert denied.value.response.status_code == 429
    wired(flat.exchange)


def test_symbol_limit_leaves_the_subscription_as_it_was(flat, wired):
    wire = wired(flat.exchange, {"bars": ["AAA"]})
    flat.exchange.inject(kind="stream.ack", code=405)
    assert wire.ask({"action": "subscribe", "bars": ["BBB"]}) == [{"T": "error", "code": 405, "msg": "symbol limit exceeded"}]
    flat.exchange.step(60)
    assert bars(wire.read()) == [("AAA", 100.0)]


def test_acknowledgement_leaves_symbols_out_and_they_stay_silent(flat, wired):
    wire = wired(flat.exchange, {"trades": []})
    flat.exchange.inject(kind="stream.ack", missing=["BBB"])
    (ack,) = wire.ask({"action": "subscribe", "bars": ["AAA", "BBB"]})
    assert ack["bars"] == ["AAA"]
    flat.exchange.step(60)
    assert bars(wire.read()) == [("AAA", 100.0)]


def test_order_events_lost_doubled_reordered_and_unknown(flat, wired):
    wire = wired(flat.exchange, trading=True)
    flat.exchange.inject(kind="stream.drop", stream="trading", type="pending_new")
    flat.exchange.inject(kind="stream.reorder", stream="trading", type="new")
    flat.exchange.inject(kind="stream.duplicate", stream="trading", type="fill")
    flat.exchange.inject(kind="stream.set", stream="trading", type="fill", field="data.order.status", to="mystery")
    flat.send("AAA", "buy", 3)
    flat.exchange.step(30)
    events = [wire.read()["data"] for _ in range(3)]
    assert [event["event"] for event in events] == ["fill", "fill", "new"]
    assert (events[0]["execution_id"], events[0]["order"]["status"]) == (events[1]["execution_id"], "mystery")
    books = flat.exchange.books()
    assert (books["orders"][0]["status"], len(books["fills"])) == ("filled", 1)


def test_polygon_acknowledgement_refusal_and_corruption(flat, wired):
    flat.exchange.inject(kind="stream.ack", stream="polygon", missing=["BBB"])
    wire = wired(flat.exchange, polygon="AM.AAA,AM.BBB")
    flat.exchange.inject(kind="stream.corrupt", stream="polygon", value="negative")
    flat.exchange.step(60)
    assert [(bar["sym"], bar["c"]) for bar in wire.read()] == [("AAA", -100.0)]
    flat.exchange.inject(kind="stream.refuse", stream="polygon", code=402)
    with connect(flat.exchange.url.replace("http", "ws") + "/stocks", proxy=None) as socket:
        late = Wire(socket)
        late.read()
        assert late.ask({"action": "auth", "params": "SIM"})[0]["status"] == "auth_failed"


def test_a_refused_key_of_polygon_is_sent_away_as_polygon_does(flat):
    flat.exchange.inject(kind="stream.refuse", stream="polygon", code=406)
    with connect(flat.exchange.url.replace("http", "ws") + "/stocks", proxy=None) as socket:
        wire = Wire(socket)
        wire.read()
        assert wire.ask({"action": "auth", "params": "SIM"})[0]["status"] == "max_connections"
        with pytest.raises(ConnectionClosed) as closed:
            wire.read()
    assert closed.value.rcvd.code == 1008


def test_price_bands_of_polygon_are_aimed_by_type_and_symbol(flat, wired):
    wire = wired(flat.exchange, polygon="LULD.AAA")
    flat.exchange.inject(kind="stream.drop", stream="polygon", type="LULD", symbol="AAA")
    flat.exchange.inject(kind="match.luld", percent=5)
    assert wire.silent()
    flat.exchange.inject(kind="match.luld", percent=10)
    (band,) = wire.read()
    assert (band["ev"], band["T"], band["h"], band["l"]) == ("LULD", "AAA", 110.0, 90.0)
    flat.exchange.inject(kind="stream.say", stream="polygon", message={"ev": "LULD", "T": "BBB", "h": 1, "l": 1})
    assert wire.silent()
    assert hits(flat)[:2] == [("match.luld", None), ("stream.drop", "AAA")]


def test_conditions_of_a_quote_are_no_prices(flat, wired):
    wire = wired(flat.exchange, polygon="Q.AAA")
    flat.exchange.inject(kind="stream.scale", percent=100)
    flat.exchange.step(30)
    (quote,) = wire.read()
    assert (quote["c"], quote["bp"] > 190) == (1, True)


def test_a_mute_socket_does_not_hear_of_a_halt_either(flat, wired):
    wire = wired(flat.exchange, {"statuses": ["*"]})
    fault = flat.exchange.inject(kind="stream.mute", stream="market")
    halt = flat.exchange.inject(kind="match.halt", symbol="AAA", reason="T1")
    assert wire.silent()
    flat.exchange.relent(fault["id"])
    flat.exchange.relent(halt["id"])
    (status,) = wire.read()
    assert (status["S"], status["sc"], status["rc"], status["rm"]) == ("AAA", "T", "T1", "Halt - News Pending")
    assert hits(flat) == [("match.halt", "AAA"), ("stream.mute", "AAA"), ("match.halt", None)]


def test_socket_is_closed_after_a_message_of_a_symbol(flat, wired):
    wire = wired(flat.exchange, {"bars": ["AAA"]})
    flat.exchange.inject(kind="stream.close", stream="market", symbol="AAA")
    assert wire.silent()
    flat.exchange.step(60)
    assert bars(wire.read()) == [("AAA", 100.0)]
    with pytest.raises(ConnectionClosed):
        wire.read()


def test_a_moment_may_be_the_begin_of_a_window_and_come_again_until_its_end(flat):
    flat.exchange.inject(kind="stream.close", stream="market", every=60, **{"from": "09:32", "until": "09:35"})
    flat.exchange.step(600)
    assert [row["at"][11:19] for row in flat.exchange.books()["faults"]] == ["14:32:00", "14:33:00", "14:34:00"]


def test_real_data_stream_reconnects_after_an_abort(flat):
    heard: list[Any] = []

    async def hear(bar):
        heard.append(bar)

    stream = StockDataStream("SIM", "SIM", url_override=flat.exchange.stream)
    stream.subscribe_bars(hear, "AAA")
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    _wait(lambda: flat.exchange.clock()["clients"]["market"] == 1)
    flat.exchange.inject(kind="stream.close", stream="market", code=1011)
    _wait(lambda: flat.exchange.clock()["clients"]["market"] == 0)
    _wait(lambda: flat.exchange.clock()["clients"]["market"] == 1)
    flat.exchange.step(60)
    _wait(lambda: len(heard) == 1)
    stream.stop()
    flat.exchange.inject(kind="stream.close", stream="market")
    thread.join(10)


def _wait(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(500):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("did not happen")
