"""Whatever arrives at any route or stream, the answer is a documented error and the exchange lives on."""

import json
import re
import socket
import struct
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from live.sim.alpaca.streams.market import STREAMS, Plan
from live.sim.embedded import Exchange
from live.sim.server import Exchange as Core
from live.sim.server import Options
from live.sim.wires.hosts import host_of

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM", "Authorization": "Bearer SIM"}
SUCCESSES = {200, 204, 207}
CODES = {400: {40010000}, 403: {40310000}, 404: {40410000}, 405: {40510000}, 413: {40010000}, 422: {40010001, 42210000}}
DATA_REFUSALS, POLYGON_REFUSALS = {400, 403, 404, 405}, {400, 403, 404}
PATHS = ("/stream", *STREAMS)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(("1e-400", "NaN", "-0", "9" * 5000, "²"))
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=8
)
fields = st.sampled_from(
    ("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "trail_price", "trail_percent", "trail",
     "extended_hours", "client_order_id", "order_class", "take_profit", "stop_loss", "position_intent", "advanced_instructions", "name", "symbols",
     "suspend_trade", "max_margin_multiplier", "trade_confirm_email", "max_options_trading_level")
)  # fmt: skip
plausible = st.one_of(
    values, st.sampled_from(("AAPL", "buy", "sell", "market", "limit", "stop", "trailing_stop", "day", "gtc", "opg", "bracket", "oco", 1, "1.5"))
)
bodies = st.one_of(st.binary(max_size=200), st.dictionaries(fields, plausible, max_size=12).map(lambda body: json.dumps(body).encode()))
QUERIES = (
    "symbols", "timeframe", "start", "end", "limit", "page_token", "sort", "adjustment", "feed", "asof", "currency", "after", "until", "status",
    "direction", "nested", "side", "activity_types", "category", "date", "page_size", "period", "pnl_reset", "cashflow_types", "intraday_reporting",
    "adjusted", "order", "cursor", "timestamp", "timestamp.gte", "ticker", "tickers", "ticker.gt", "active", "execution_date.lt",
    "qty", "percentage", "cancel_orders", "top", "by", "tape", "markets", "time", "types", "client_order_id", "name", "exchange", "attributes",
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ("AAPL,SPY", "1Min", "9999-12-31", "0001-01-01", "2026-11-20T14:30:00Z", "2026-02-30", "-1", "²", "9" * 5000, "fHx8", "all", "true", "1D")
    ),
)
queries = st.dictionaries(st.sampled_from(QUERIES), texts, max_size=6)


@pytest.fixture(scope="module")
def exchange(generated):
    with Exchange(generated, start=(9, 45), plan=Plan(connections=0), patience=0.2) as found:
        yield found


@pytest.fixture(scope="module")
def raw(exchange):
    with httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False, timeout=30) as client:
        yield client


def routes(world) -> list[str]:
    """Every REST path of both vendors."""
    core = Core(world, Options(start=0))
    paths = {route.path for route in core._routes().routes if isinstance(route, Route)}
    return sorted(path for path in paths if host_of(path) != "sim")


@pytest.fixture(scope="module")
def paths(generated) -> list[str]:
    found = routes(generated)
    assert len(found) > 35
    return found


def judged(answer: httpx.Response) -> None:
    """A success, or a refusal whose code belongs to its status; the data host refuses without a code, and never with 422,
    and Polygon in its own words."""
    told = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:200]}"
    assert answer.headers["date"].startswith("Fri, 20 Nov 2026"), told
    if answer.status_code in SUCCESSES:
        assert answer.status_code != 204 or answer.content == b"", told
    elif answer.request.method == "HEAD":
        assert answer.status_code in CODES, told
    elif host_of(answer.request.url.path) == "data":
        assert answer.status_code in DATA_REFUSALS, told
        assert answer.json()["message"], told
    elif host_of(answer.request.url.path) == "polygon":
        assert answer.status_code in POLYGON_REFUSALS, told
        assert {"status", "request_id"} <= set(answer.json()), told
    else:
        assert answer.json()["code"] in CODES[answer.status_code], told


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(data=st.data(), method=st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")), body=bodies, query=queries)
def test_no_request_breaks_the_exchange(raw, paths, data, method, body, query):
    path = data.draw(st.sampled_from([*paths, "/", "/v2", "/v2/orders/../account", "/%00", "/v2/%ff"]))
    part = data.draw(st.sampled_from(("AAPL", "%F0%9F%92%A9", "nothing", "AAPL%2FB", "bars", "%00", "1", "minute", "2026-11-20", "9" * 400)))
    path = re.sub(r"\{[^}]*\}", part, path)
    judged(raw.request(method, path, params=query, content=body if method != "GET" else None))
    assert raw.get("/v2/clock").status_code == 200


def test_bodies_that_are_too_large_too_deep_or_no_text_are_refused(raw):
    for content, status, code in (
        (b"[" * 100_000, 400, 40010000),
        (b'{"a":' * 50_000, 400, 40010000),
        (b'{"symbol":"' + b"A" * 2_000_000 + b'"}', 413, 40010000),
        (b"\xff\xfe", 400, 40010000),
        (b'{"client_order_id":"\\ud800"}', 400, 40010000),
        (b"[]", 400, 40010000),
        (b'{"symbol":NaN}', 422, 40010001),
    ):
        for method, path in (("POST", "/v2/orders"), ("PATCH", "/v2/account/configurations"), ("POST", "/v2/watchlists")):
            answer = raw.request(method, path, content=content)
            if content == b'{"symbol":NaN}' and method == "PATCH":
                continue
            if content.endswith(b'"\\ud800"}') or path == "/v2/orders":
                assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text[:200]
            judged(answer)
    assert raw.get("/v2/clock").status_code == 200


def test_wrong_keys_are_refused_before_anything_else_on_every_route(exchange, paths):
    with httpx.Client(base_url=exchange.url, trust_env=False) as stranger:
        for path in [*paths, "/v2/nothing"]:
            for method in ("GET", "POST", "DELETE"):
                answer = stranger.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code == 401
                body = answer.json()
                assert (body.get("message") or body["error"]) in ("request is not authorized", "unauthorized.", "API Key was not provided")


frames = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60),
    st.sampled_from(
        (
            "[" * 20_000,
            '{"action":' * 5_000,
            "null",
            '"x"',
            "[]",
            "{}",
            '{"action":"subscribe","trades":"AAPL"}',
            '{"action":"subscribe","trades":[1]}',
        )
    ),
    st.dictionaries(
        st.sampled_from(("action", "key", "secret", "data", "trades", "quotes", "bars", "imbalances", "news", "nonsense")),
        st.one_of(values, st.sampled_from(("auth", "authenticate", "subscribe", "unsubscribe", "listen", ["*"], ["AAPL"], ["\ud800"]))),
        max_size=5,
    ).map(json.dumps),
)


@settings(max_examples=120, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), sent=st.lists(frames, min_size=1, max_size=6), entered=st.booleans(), packed=st.booleans())
def test_no_frame_breaks_a_stream(exchange, raw, path, sent, entered, packed):
    address = exchange.url.replace("http", "ws", 1) + path
    headers = {"Content-Type": "application/msgpack"} if packed else {}
    with suppress(ConnectionClosed), connect(address, additional_headers=headers, proxy=None) as client:
        if entered:
            client.send(json.dumps({"action": "auth", "key": "SIM", "secret": "SIM"}))
        for frame in sent:
            client.send(frame)
        with suppress(TimeoutError):
            while client.recv(timeout=0.02):
                pass
    assert exchange.step(0.01)["now"]
    assert raw.get("/v2/clock").status_code == 200


def test_unknown_streams_and_oversized_frames_are_closed(exchange, raw):
    base = exchange.url.replace("http", "ws", 1)
    for path in ("/v2/nothing", "/v2/account", "/"):
        with pytest.raises((InvalidHandshake, ConnectionClosed)), connect(base + path, proxy=None) as client:
            client.recv(timeout=2)
    with pytest.raises(ConnectionClosed), connect(base + "/v2/iex", proxy=None, max_size=None) as client:
        client.recv(timeout=2)
        client.send("x" * 17_000_000)
        while True:
            client.recv(timeout=5)
    assert raw.get("/v2/clock").status_code == 200


def test_half_open_sockets_do_not_hold_the_exchange_up(exchange, raw):
    host, port = exchange.url.removeprefix("http://").split(":")
    plugs = [socket.create_connection((host, int(port))) for _ in range(20)]
    plugs[0].sendall(b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    plugs[1].sendall(b"GET /v2/clock HTTP/1.1\r\nHost")
    plugs[2].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    plugs[3].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plugs[3].close()
    assert raw.get("/v2/clock").status_code == 200
    assert exchange.step(1)["now"]
    for plug in plugs:
        plug.close()
    assert raw.get("/v2/clock").status_code == 200


def test_a_client_that_does_not_read_is_told_and_cut_off_while_others_go_on(opened, generated):
    venue = opened(generated, start=(9, 29), plan=Plan(connections=0), patience=0.3)
    subscribe = json.dumps({"action": "subscribe", **{name: ["*"] for name in ("bars", "trades", "quotes")}})
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # before it connects, or the window grows by itself
    plug.connect(("127.0.0.1", int(venue.url.rpartition(":")[2])))
    with connect(venue.stream, sock=plug, additional_headers=KEYS, proxy=None, max_size=None, max_queue=1) as slow:
        slow.recv(timeout=5)
        slow.recv(timeout=5)
        slow.send(subscribe)
        slow.recv(timeout=5)
        with connect(venue.stream, additional_headers=KEYS, proxy=None, max_size=None) as quick:
            quick.recv(timeout=5)
            quick.recv(timeout=5)
            quick.send(json.dumps({"action": "subscribe", "bars": ["SPY"]}))
            quick.recv(timeout=5)
            for minute in range(31, 151):  # until more waits than the sockets hold
                clients = venue.step_to(9 + minute // 60, minute % 60)["clients"]["market"]
                assert json.loads(quick.recv(timeout=5))[0]["S"] == "SPY"
                if clients == 1:
                    break
            assert clients == 1
        last = b""
        with pytest.raises(ConnectionClosed):
            while True:
                last = slow.recv(timeout=5)
    assert json.loads(last)[0] == {"T": "error", "code": 407, "msg": "slow client"}
