"""Faults of REST: requests lost before and after they acted, refusals, and answers that say something else than the books."""

from typing import Any

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.requests import MarketOrderRequest

from live.sim.errors import SimulationError

ORDER = {"symbol": "AAA", "side": "buy", "qty": 3, "type": "market", "time_in_force": "day"}


@pytest.fixture
def flat(client, market):
    """A stepped exchange at 09:30 where everything stands still."""
    trader = client(market({"AAA": [100.0] * 60, "BBB": [50.0] * 60}))
    trader.exchange.step_to(9, 30)
    return trader


def post(trader: Any, **more: Any) -> httpx.Response:
    return trader.raw.post("/v2/orders", json={**ORDER, **more})


def orders(trader: Any) -> list[dict[str, Any]]:
    return trader.exchange.books()["orders"]


def kinds(trader: Any) -> list[str]:
    return [row["kind"] for row in trader.exchange.books()["faults"]]


@pytest.mark.parametrize(("stage", "accepted"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(("kind", "more"), [("rest.reset", {}), ("rest.stall", {"seconds": 0.02})])
def test_connection_is_lost_before_or_after_the_order_was_accepted(flat, stage, accepted, kind, more):
    flat.exchange.inject(kind=kind, method="POST", path="/v2/orders", stage=stage, **more)
    with pytest.raises(httpx.TransportError):
        post(flat, client_order_id="once")
    assert len(orders(flat)) == accepted
    again = post(flat, client_order_id="once")
    assert again.status_code == (422 if accepted else 200)
    assert len(orders(flat)) == 1
    assert kinds(flat) == [kind]


@pytest.mark.parametrize(("stage", "accepted"), [("before", 0), ("after", 4)])
def test_server_error_says_nothing_about_the_order(flat, stage, accepted):
    for status, body, begins in ((500, "json", "{"), (502, "html", "<html>"), (503, "empty", ""), (504, "html", "<html>")):
        flat.exchange.inject(kind="rest.status", method="post", path="/v2/orders", status=status, body=body, stage=stage)
        answer = post(flat)
        assert answer.status_code == status
        assert answer.text.startswith(begins)
    assert len(orders(flat)) == accepted


def test_stall_outlasts_a_client_that_gives_up(flat):
    flat.exchange.inject(kind="rest.stall", path="/v2/orders", seconds=30, stage="after")
    with pytest.raises(httpx.ReadTimeout):
        flat.raw.post("/v2/orders", json=ORDER, timeout=0.1)
    assert len(orders(flat)) == 1


def test_real_client_repeats_an_order_that_was_answered_with_504(flat):
    flat.trading._retry_wait = 0
    flat.exchange.inject(kind="rest.status", method="POST", status=504, stage="after", times=2)
    request = MarketOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day")
    flat.trading.submit_order(request)
    assert len(orders(flat)) == 3
    flat.exchange.inject(kind="rest.status", method="POST", status=504, stage="after", client_order_id="mine-*")
    with pytest.raises(APIError) as refused:
        flat.trading.submit_order(MarketOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day", client_order_id="mine-1"))
    assert refused.value.code == 40010001
    assert len(orders(flat)) == 4


def test_slow_answer_is_still_an_answer(flat):
    flat.exchange.inject(kind="rest.slow", path="/v2/account", seconds=0.05)
    assert flat.raw.get("/v2/account").elapsed.total_seconds() >= 0.05
    assert kinds(flat) == ["rest.slow"]


def test_burst_of_429_says_that_nothing_remains(flat):
    flat.exchange.inject(kind="rest.limit", path="/v2/*", times=2, retry_after=3)
    first, second, third = (flat.raw.get("/v2/account") for _ in range(3))
    assert (first.status_code, second.status_code, third.status_code) == (429, 429, 200)
    assert (first.json()["code"], first.headers["x-ratelimit-remaining"], first.headers["retry-after"]) == (42910000, "0", "3")


@pytest.mark.parametrize("body", ["json", "html"])
def test_401_may_be_a_page_of_a_proxy(flat, body):
    flat.exchange.inject(kind="rest.unauthorized", path="/v2/clock", body=body)
    answer = flat.raw.get("/v2/clock")
    assert (answer.status_code, answer.text[0]) == (401, "{" if body == "json" else "<")
    assert flat.raw.get("/v2/clock").status_code == 200


def test_third_entry_of_five_lacks_buying_power(flat):
    flat.exchange.inject(kind="rest.refuse", reason="buying_power", skip=2)
    assert [post(flat).status_code for _ in range(5)] == [200, 200, 403, 200, 200]
    assert len(orders(flat)) == 4


def test_broker_refuses_in_its_own_words(flat):
    for reason, status, key in (
        ("wash", 403, "existing_order_id"),
        ("held", 403, "held_for_orders"),
        ("duplicate", 422, "code"),
        ("liquidation", 403, "message"),
        ("stop_price", 422, "message"),
    ):
        flat.exchange.inject(kind="rest.refuse", reason=reason, symbol="A*")
        answer = post(flat)
        assert answer.status_code == status
        assert key in answer.json()
    assert orders(flat) == []


def test_refusal_by_status_code_and_message(flat):
    flat.exchange.inject(kind="rest.refuse", status=422, code=42210000, message="no", extra={"base_price": "100"})
    assert post(flat).json() == {"code": 42210000, "message": "no", "base_price": "100"}


def test_order_is_hidden_and_then_found(flat):
    flat.exchange.inject(kind="rest.hidden", seconds=5)
    post(flat, client_order_id="mine")
    found = [flat.raw.get("/v2/orders:by_client_order_id", params={"client_order_id": "mine"}).status_code]
    flat.exchange.step(5)
    found.append(flat.raw.get("/v2/orders:by_client_order_id", params={"client_order_id": "mine"}).status_code)
    assert found == [404, 200]
    assert kinds(flat) == ["rest.hidden"]


def test_hidden_order_is_missing_from_lists(flat):
    flat.exchange.inject(kind="rest.hidden", seconds=5, path="/v2/orders")
    post(flat)
    assert flat.raw.get("/v2/orders").json() == []


def test_positions_are_empty_or_fail_once(flat):
    post(flat)
    flat.exchange.step(30)
    flat.exchange.inject(kind="rest.empty")
    flat.exchange.inject(kind="rest.status", method="GET", path="/v2/positions", status=500, skip=1)
    flat.exchange.inject(kind="rest.empty", path="/v2/positions/AAA")
    assert flat.raw.get("/v2/positions").json() == []
    assert flat.raw.get("/v2/positions").status_code == 500
    assert flat.raw.get("/v2/positions").json()[0]["qty"] == "3"
    assert [flat.raw.get("/v2/positions/AAA").status_code for _ in range(2)] == [404, 200]
    assert flat.exchange.books()["positions"][0]["qty"] == "3"


def test_orders_lag_positions(flat):
    flat.exchange.step(60)
    order = post(flat).json()
    flat.exchange.step(8)
    flat.exchange.inject(kind="rest.stale", seconds=10)
    (shown,) = flat.raw.get("/v2/orders").json()
    assert (shown["id"], shown["status"], shown["filled_qty"], shown["filled_at"], shown["filled_avg_price"]) == (
        order["id"],
        "pending_new",
        "0",
        None,
        None,
    )
    assert flat.raw.get("/v2/positions").json()[0]["qty"] == "3"
    assert flat.raw.get("/v2/orders", params={"status": "closed"}).json() == []
    assert flat.status(order["id"]) == "pending_new"
    flat.exchange.step(10)
    assert flat.raw.get("/v2/orders").json() == []
    assert flat.status(order["id"]) == "filled"


def test_a_bracket_that_lags_keeps_its_open_exits_in_the_nested_list(flat):
    """Its entry is filled, but the family is open as long as one of its legs is."""
    flat.exchange.step(60)
    exits = {"order_class": "bracket", "take_profit": {"limit_price": "190"}, "stop_loss": {"stop_price": "50"}}
    order = post(flat, **exits).json()
    flat.exchange.step(60)
    flat.exchange.inject(kind="rest.stale", seconds=8)
    (shown,) = flat.raw.get("/v2/orders", params={"status": "open", "nested": "true"}).json()
    assert (shown["id"], shown["status"]) == (order["id"], "filled")
    assert sorted(leg["status"] for leg in shown["legs"]) == ["held", "new"]


def test_fields_are_missing_and_enums_unknown(flat):
    order = post(flat).json()
    flat.exchange.inject(kind="rest.remove", path="/v2/orders*", field="filled_avg_price")
    flat.exchange.inject(kind="rest.set", path="/v2/orders*", field="status", to="mystery")
    (shown,) = flat.raw.get("/v2/orders").json()
    assert (shown["id"], shown["status"]) == (order["id"], "mystery")
    assert "filled_avg_price" not in shown
    assert flat.raw.get("/v2/orders").json()[0]["status"] == "pending_new"
    flat.exchange.inject(kind="rest.set", path="/v2/stocks/bars", field="bars.AAA.c", to=None)
    flat.exchange.step(60)
    bars = flat.raw.get("/v2/stocks/bars", params={"symbols": "AAA,BBB", "timeframe": "1Min"}).json()["bars"]
    assert (bars["AAA"][0]["c"], bars["BBB"][0]["c"]) == (None, 50.0)


@pytest.mark.parametrize(("mode", "buy", "sell"), [("closing", 403, 200), ("trading", 403, 403), ("account", 403, 403)])
def test_account_is_blocked_or_may_only_close(flat, mode, buy, sell):
    post(flat)
    flat.exchange.step(30)
    flat.exchange.inject(kind="rest.blocked", mode=mode)
    assert (post(flat).status_code, post(flat, side="sell").status_code) == (buy, sell)
    account = flat.raw.get("/v2/account").json()
    assert (account["account_blocked"], account["trading_blocked"], account["status"] == "LIMITED") == (
        mode == "account",
        mode != "closing",
        mode == "closing",
    )


def test_shares_stay_held_for_a_while_after_the_cancel(flat):
    post(flat)
    flat.exchange.step(30)
    stop = post(flat, side="sell", type="stop", stop_price=90).json()
    flat.exchange.step(5)
    flat.raw.delete(f"/v2/orders/{stop['id']}")
    flat.exchange.step(4)
    flat.exchange.inject(kind="rest.held", seconds=10)
    refused = flat.raw.delete("/v2/positions/AAA")
    assert (refused.status_code, refused.json()["held_for_orders"], refused.json()["available"]) == (403, "3", "0")
    assert post(flat, side="sell").json()["code"] == 40310000
    flat.exchange.step(10)
    assert post(flat, side="sell").status_code == 200
    assert kinds(flat) == ["rest.held", "rest.held"]


def test_clock_answers_are_off(flat):
    flat.exchange.inject(kind="clock.skew", seconds=-3600)
    shown = flat.trading.get_clock()
    assert (shown.timestamp.hour, shown.is_open) == (8, False)
    assert flat.exchange.clock()["now"] == "2026-11-20T14:30:00Z"


def test_probability_is_seeded_and_skips_and_times_count(client, market):
    world = market({"AAA": [100.0] * 30})

    def run() -> list[int]:
        trader = client(world, scenario=[{"kind": "rest.status", "path": "/v2/account", "probability": 0.5, "skip": 2, "times": 4}])
        return [trader.raw.get("/v2/account").status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert first.count(500) == 4
    assert first[:2] == [200, 200]


def test_outage_of_everything_in_a_window(flat):
    flat.exchange.inject(kind="rest.status", status=503, **{"from": "09:31", "until": "09:32"})
    seen = []
    for _ in range(3):
        seen.append({flat.raw.get(path).status_code for path in ("/v2/account", "/v2/clock", "/v2/orders")})
        flat.exchange.step(60)
    assert seen == [{200}, {503}, {200}]


@pytest.mark.parametrize(
    ("path", "broken", "denied", "limited"),
    [
        ("/v2/account", {"code": 50010000}, {"code": 40110000, "message": "request is not authorized"}, {"code": 42910000}),
        (
            "/v2/stocks/AAA/trades/latest",
            {"message": "internal server error occurred"},
            {"message": "unauthorized."},
            {"message": "too many requests."},
        ),
        ("/v2/aggs/ticker/AAA/prev", {"status": "ERROR"}, {"status": "ERROR", "error": "Unknown API Key"}, {"status": "ERROR"}),
    ],
)
def test_each_host_fails_in_its_own_words(flat, path, broken, denied, limited):
    for kind, status, words in (("rest.status", 500, broken), ("rest.unauthorized", 401, denied), ("rest.limit", 429, limited)):
        flat.exchange.inject(kind=kind, path=path)
        answer = flat.raw.get(path, headers={"Authorization": "Bearer SIM"})
        assert answer.status_code == status
        assert {**answer.json(), **words} == answer.json()
        assert ("code" in answer.json(), "error" in answer.json()) == (path == "/v2/account", "aggs" in path)
        assert flat.raw.get(path, headers={"Authorization": "Bearer SIM"}).status_code == 200


def test_requests_are_aimed_by_the_symbols_they_name(flat):
    flat.exchange.step(60)
    flat.exchange.inject(kind="rest.status", symbol="AAA", status=503, times=0)
    bearer = {"Authorization": "Bearer SIM"}
    asset = next(row["id"] for row in flat.raw.get("/v2/assets").json() if row["symbol"] == "AAA")
    hit = (
        "/v2/stocks/AAA/bars?timeframe=1Min", "/v2/stocks/bars?timeframe=1Min&symbols=BBB,AAA", "/v2/stocks/quotes/latest?symbols=AAA",
        "/v2/aggs/ticker/AAA/prev", "/v3/trades/AAA", "/v2/snapshot/locale/us/markets/stocks/tickers/AAA", "/v2/assets/AAA", f"/v2/assets/{asset}",
    )  # fmt: skip
    spared = ("/v2/stocks/BBB/bars?timeframe=1Min", "/v2/stocks/quotes/latest?symbols=BBB", "/v2/aggs/ticker/BBB/prev", "/v2/account", "/v2/assets")
    found = {path: flat.raw.get(path, headers=bearer).status_code for path in hit + spared}
    assert found == {**dict.fromkeys(hit, 503), **dict.fromkeys(spared, 200)}
    assert post(flat, symbol=asset).status_code == 503
    assert post(flat, symbol="BBB").status_code == 200
    log = flat.raw.get("/sim/faults/log").json()
    assert len(log) == len(hit) + 1
    assert log[1]["hit"]["symbol"] == "BBB,AAA"


def test_refusals_carry_the_figures_of_the_order(flat):
    flat.exchange.inject(kind="rest.refuse", reason="buying_power", times=2)
    assert post(flat).json()["cost_basis"] == "300"
    assert post(flat, type="limit", limit_price=99.5).json()["cost_basis"] == "298.5"
    flat.exchange.inject(kind="rest.refuse", reason="held")
    held = post(flat).json()
    assert list(held) == ["code", "message", "symbol", "existing_qty", "held_for_orders", "available", "related_orders"]


def test_what_no_log_can_repeat_breaks_nothing(flat):
    flat.exchange.inject(kind="rest.status", method="POST", times=0)
    for body in (b'{"symbol": "\\ud800"}', b"[" * 100_000, b'{"symbol": "' + b"A" * 3_000_000 + b'"}'):
        assert flat.raw.post("/v2/orders", content=body).status_code == 500
    assert len(flat.exchange.books()["faults"]) == 3
    flat.exchange.relent()
    flat.exchange.inject(kind="rest.slow", seconds=0, times=0)
    statuses = [flat.raw.post("/v2/orders", content=body).status_code for body in (b"[" * 100_000, b'"' + b"A" * 3_000_000 + b'"')]
    assert statuses == [400, 413]
    flat.exchange.inject(kind="clock.skew", seconds=9e8)
    assert flat.raw.get("/v2/clock").status_code == 200


def test_inject_says_what_is_wrong(flat):
    for fault, words in (
        ({"kind": "rest.statu"}, "Did you mean 'rest.status'"),
        ({"kind": "mute"}, "Did you mean 'stream.mute'"),
        ({"kind": "rest.status", "statuss": 500}, "Did you mean 'status'"),
        ({"kind": "rest.reset", "stage": "during"}, "one of 'before', 'after'"),
        ({"kind": "stream.mute", "stream": "markt"}, "Did you mean 'market'"),
        ({"kind": "match.jump"}, "needs percent"),
        ({"kind": "match.jump", "percent": "ten"}, "must be a number"),
        ({"kind": "match.jump", "percent": 1, "at": "08:00"}, "past"),
        ({"kind": "rest.reset", "at": "10:00"}, "not at a moment"),
        ({"kind": "rest.reset", "every": 10}, "not every so often"),
        ({"kind": "stream.mute", "probability": 2}, "probability"),
        ({"kind": "stream.close", "code": 1005}, "close code"),
        ({"kind": "match.partial", "shares": -1}, "above 0"),
    ):
        with pytest.raises(SimulationError, match=words):
            flat.exchange.inject(**fault)
    assert flat.raw.get("/sim/faults").json() == []


def test_a_stall_whose_client_has_gone_ends_quietly(flat, caplog):
    flat.exchange.inject(kind="rest.stall", path="/v2/orders", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        flat.raw.post("/v2/orders", json=ORDER, timeout=0.1)
    assert flat.raw.get("/v2/account").status_code == 200
    assert (orders(flat), caplog.text) == ([], "")
