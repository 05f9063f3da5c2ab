"""One thing wrong with an otherwise good request: the exact status and code that the rules give it, whatever the rest of the request is."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from live.sim.alpaca.streams.market import Plan
from live.sim.embedded import Exchange
from live.sim.polygon.terms import Terms
from live.sim.server import Exchange as Core
from live.sim.server import Options
from live.sim.wires.hosts import host_of

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
MALFORMED, UNACCEPTABLE, FORBIDDEN = (422, 40010001), (422, 42210000), (403, 40310000)
Body = dict[str, Any]
Mutation = tuple[str, Callable[[Body], Body], tuple[int, int]]


@pytest.fixture(scope="module")
def exchange(generated):
    with Exchange(generated, start=(9, 45), plan=Plan(connections=0), partial_rate=0.0) as found:
        yield found


TAKEN = {"symbol": "GE", "side": "buy", "qty": 1, "type": "limit", "limit_price": 1, "time_in_force": "gtc", "client_order_id": "taken"}


@pytest.fixture(scope="module")
def raw(exchange):
    with httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False, timeout=30) as client:
        assert client.post("/v2/orders", json=TAKEN).status_code == 200
        yield client


prices = st.integers(min_value=500, max_value=90_000).map(lambda cents: cents / 100)
as_written = st.sampled_from((str, lambda number: number))
"""Numbers as strings or as JSON numbers: clients send both."""


@st.composite
def orders(draw) -> Body:
    """Any plain buy order that is acceptable in regular hours and costs little."""
    kind, write = draw(st.sampled_from(("market", "limit", "stop", "stop_limit", "trailing_stop"))), draw(as_written)
    body: Body = {"symbol": draw(st.sampled_from(("AAPL", "KO", "SPY"))), "side": "buy", "type": kind, "qty": write(draw(st.integers(1, 3)))}
    body["time_in_force"] = draw(st.sampled_from(("day", "gtc")))
    if kind in ("limit", "stop_limit"):
        body["limit_price"] = write(draw(prices))
    if kind in ("stop", "stop_limit"):
        body["stop_price"] = write(2_000)
    if kind == "trailing_stop":
        body[draw(st.sampled_from(("trail_price", "trail_percent")))] = write(5)
    return body | draw(st.sampled_from(({}, {"extended_hours": False}, {"order_class": ""}, {"order_class": "simple"}, {"stop_loss": None})))


def without(name: str) -> Callable[[Body], Body]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def having(**fields: Any) -> Callable[[Body], Body]:
    return lambda body: body | fields


def price_of(body: Body, value: Any) -> Body:
    """Spoil a price that the order has."""
    name = next(name for name in ("limit_price", "stop_price", "trail_price", "trail_percent") if name in body)
    return body | {name: value}


REQUIRED = ("symbol", "side", "type", "time_in_force", "qty")
ANY: list[Mutation] = [
    *((f"without {name}", without(name), MALFORMED) for name in REQUIRED),
    *((f"{name} null", having(**{name: None}), MALFORMED) for name in REQUIRED),
    *((f"{name} empty", having(**{name: ""}), MALFORMED) for name in REQUIRED),
    *((f"{name} {value!r}", having(**{name: value}), MALFORMED) for name in REQUIRED for value in ([], {}, True, [1])),
    *((f"{name} unknown", having(**{name: "nonsense"}), MALFORMED) for name in ("side", "type", "time_in_force", "order_class", "position_intent")),
    *((f"qty {value!r}", having(qty=value), MALFORMED) for value in ("x", "-1", -1, 0, "0", "NaN", "Infinity", "1e400", "1_000", "²", " ")),
    ("unknown asset", having(symbol="NOPE"), UNACCEPTABLE),
    ("qty and notional", having(notional="10"), MALFORMED),
    ("more than the account buys", having(qty="90000000"), FORBIDDEN),
    ("closing what is not held", having(symbol="JPM", side="sell", position_intent="sell_to_close"), UNACCEPTABLE),
    ("extended hours no boolean", having(extended_hours="yes"), MALFORMED),
    ("id too long", having(client_order_id="x" * 129), MALFORMED),
    ("id no text", having(client_order_id=5), MALFORMED),
    ("id taken", having(client_order_id="taken"), MALFORMED),
    ("bracket without exits", having(order_class="bracket"), MALFORMED),
    ("exits without a class", having(take_profit={"limit_price": "2000"}), MALFORMED),
    ("exits no object", having(order_class="bracket", take_profit="2000", stop_loss="1"), MALFORMED),
]
PRICED: list[Mutation] = [
    *(
        (f"price {value!r}", lambda body, value=value: price_of(body, value), MALFORMED)
        for value in ("x", "-1", 0, "0", [], {}, True, "NaN", "1e400")
    ),
    ("price null", lambda body: price_of(body, None), MALFORMED),
    ("every price", having(limit_price="10", stop_price="2000", trail_price="1"), MALFORMED),
]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(body=orders())
def test_a_good_order_is_accepted(raw, exchange, body):
    answer = raw.post("/v2/orders", json=body)
    assert (answer.status_code, answer.json().get("status")) == (200, "pending_new"), answer.text
    if body["type"] != "market":
        assert raw.delete(f"/v2/orders/{answer.json()['id']}").status_code == 204
    exchange.step(1)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(body=orders(), data=st.data())
def test_a_good_order_with_one_fault_gets_that_faults_code(raw, body, data):
    name, mutate, expected = data.draw(st.sampled_from(ANY if body["type"] == "market" else [*ANY, *PRICED]))
    answer = raw.post("/v2/orders", json=mutate(body))
    assert (answer.status_code, answer.json().get("code")) == expected, (name, mutate(body), answer.text)


def test_a_refused_order_leaves_nothing_in_the_books(exchange, raw):
    body: Body = {"symbol": "AAPL", "side": "buy", "type": "limit", "qty": 1, "limit_price": "100", "time_in_force": "day"}
    before = exchange.books()
    for name, mutate, expected in (*ANY, *PRICED):
        answer = raw.post("/v2/orders", json=mutate(body))
        assert (answer.status_code, answer.json().get("code")) == expected, (name, answer.text)
    after = exchange.books()
    assert (len(after["orders"]), after["account"]) == (len(before["orders"]), before["account"])


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(cents=st.integers(101, 90_000), beyond=st.sampled_from(("1", "01", "5", "999")), name=st.sampled_from(("limit_price", "stop_price")))
def test_a_price_between_two_pennies_is_refused_with_the_price_in_the_text(raw, cents, beyond, name):
    written = f"{cents / 100:.2f}{beyond}"
    kind = "limit" if name == "limit_price" else "stop"
    answer = raw.post("/v2/orders", json={"symbol": "AAPL", "side": "buy", "qty": 1, "type": kind, "time_in_force": "day", name: written})
    assert (answer.status_code, answer.json()["code"]) == UNACCEPTABLE
    assert answer.json()["message"] == f"invalid {name} {written}. sub-penny increment does not fulfill minimum pricing criteria"


TRADING = {
    "/v2/orders": ("limit=0", "limit=501", "limit=x", "status=bad", "direction=up", "after=bad", "until=2026-13-01", "nested=maybe", "side=hold"),
    "/v2/account/activities": (
        "page_size=0",
        "page_size=x",
        "direction=up",
        "after=bad",
        "until=bad",
        "activity_types=NOPE",
        "category=bad",
        "date=bad",
    ),
    "/v2/account/portfolio/history": ("timeframe=bad", "period=5X", "start=bad", "end=bad", "pnl_reset=x", "intraday_reporting=x"),
    "/v2/calendar": ("start=bad", "end=2026-02-30", "date_type=bad"),
    "/v2/assets": ("status=bad", "asset_class=bond", "exchange=MARS"),
}
DATA = {
    "/v2/stocks/bars?symbols=AAPL&timeframe=1Min": (
        "limit=0",
        "limit=10001",
        "sort=up",
        "feed=nope",
        "start=bad",
        "end=bad",
        "adjustment=bad",
        "page_token=-",
    ),
    "/v2/stocks/bars?symbols=AAPL": ("timeframe=bad", "timeframe=60Min", "timeframe=24Hour", "timeframe=5Month", "limit=1"),
    "/v2/stocks/AAPL/trades": ("limit=0", "limit=x", "sort=up", "feed=nope", "start=bad", "end=2026-13-01", "asof=bad", "page_token=-"),
    "/v2/stocks/AAPL/quotes": ("limit=10001", "sort=up", "feed=nope"),
    "/v2/stocks/AAPL/quotes/latest": ("feed=nope",),
    "/v1/corporate-actions?symbols=AAPL": ("limit=0", "sort=up", "start=bad", "end=bad", "types=bad", "page_token=-"),
    "/v1beta1/screener/stocks/movers": ("top=0", "top=x"),
    "/v1beta1/screener/stocks/most-actives": ("by=bad", "top=0"),
    "/v1beta1/news": ("limit=51", "sort=up", "start=bad"),
}


@pytest.mark.parametrize("path", [*TRADING, *DATA])
def test_one_bad_parameter_is_422_with_a_code_on_trading_and_400_without_one_on_data(raw, path):
    for parameter in TRADING.get(path) or DATA[path]:
        answer = raw.get(f"{path}{'&' if '?' in path else '?'}{parameter}")
        if path in TRADING:
            assert (answer.status_code, answer.json()["code"]) == MALFORMED, (parameter, answer.text)
        else:
            assert (answer.status_code, list(answer.json())) == (400, ["message"]), (parameter, answer.text)


UNKNOWN = (
    ("GET", "/v2/orders/none"), ("PATCH", "/v2/orders/none"), ("DELETE", "/v2/orders/none"), ("GET", "/v2/positions/NOPE"),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=none"), ("DELETE", "/v2/positions/NOPE"), ("GET", "/v2/assets/NOPE"),
    ("GET", "/v2/watchlists/none"), ("DELETE", "/v2/watchlists/none"), ("GET", "/v2/nothing"), ("POST", "/v3/nothing"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_what_does_not_exist_is_404_with_its_code(raw, method, path):
    answer = raw.request(method, path, json={"qty": "1"} if method == "PATCH" else None)
    assert (answer.status_code, answer.json()["code"]) == (404, 40410000), answer.text


def every_route(world) -> list[tuple[str, str]]:
    """Method and path of every REST route of every host, parameters filled in."""
    core = Core(world, Options(start=0))
    found = []
    for route in core._routes().routes:
        if isinstance(route, Route) and not route.path.startswith("/sim"):
            path = route.path.replace(":path}", "}")
            while "{" in path:
                path = path[: path.index("{")] + "AAPL" + path[path.index("}") + 1 :]
            found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return sorted(set(found))


def test_wrong_keys_are_refused_on_every_route_of_every_host_and_right_ones_nowhere(opened, generated):
    exchange = opened(generated, start=(9, 45), key="K", secret="S", polygon=Terms(key="P"))
    found = every_route(generated)
    assert len(found) > 90
    wrong = (
        {},
        {"APCA-API-KEY-ID": "K"},
        {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "s"},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic K"},
    )
    alpaca, polygon = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}, {"Authorization": "Bearer P"}
    with httpx.Client(base_url=exchange.url, trust_env=False) as client:
        for method, path in found:
            host = host_of(path)
            for headers in (*wrong, polygon if host != "polygon" else alpaca):
                answer = client.request(method, path, headers=headers)
                body = answer.json()
                assert answer.status_code == 401, (method, path, headers)
                if host == "polygon":
                    assert (body["status"], list(body)) == ("ERROR", ["status", "request_id", "error"])
                elif host == "data":
                    assert body == {"message": "unauthorized."}
                else:
                    assert body == {"code": 40110000, "message": "request is not authorized"}
            assert client.request(method, path, headers=polygon if host == "polygon" else alpaca).status_code != 401, (method, path)


def test_a_body_that_is_no_json_object_is_the_same_error_on_every_route_that_reads_one(raw, generated):
    """400 40010000; too large is 413. Before anything in it is judged, and before what the path names is looked for or not."""
    for method, path in every_route(generated):
        if method not in ("POST", "PUT", "PATCH") or host_of(path) != "trading":
            continue
        for content, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400), (b"null", 400), (json.dumps({"a": "x" * 1_100_000}).encode(), 413)):
            answer = raw.request(method, path, content=content)
            assert answer.status_code in (status, 404), (method, path, content[:10], answer.text)
            assert answer.json()["code"] == (40410000 if answer.status_code == 404 else 40010000)
    for path in ("/v2/orders", "/v2/watchlists"):
        assert raw.post(path, content=b"{").status_code == 400
