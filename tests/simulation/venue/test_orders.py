"""The life of orders at the venue, through alpaca-py's own client: brackets, pairs, cancels, replaces and every documented refusal."""

import json
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

FLAT = [100.0] * 390


def bracket(symbol: str = "AAA", qty: int = 10, *, limit: float | None = None, profit: float = 102.0, loss: float = 98.0) -> Any:
    common: dict[str, Any] = {
        "symbol": symbol,
        "qty": qty,
        "side": "buy",
        "time_in_force": "day",
        "order_class": "bracket",
        "take_profit": TakeProfitRequest(limit_price=profit),
        "stop_loss": StopLossRequest(stop_price=loss),
    }
    return MarketOrderRequest(**common) if limit is None else LimitOrderRequest(limit_price=limit, **common)


def refusal(error: pytest.ExceptionInfo[APIError]) -> tuple[int, dict[str, Any]]:
    return error.value.status_code, json.loads(str(error.value))


def test_market_order_is_pending_then_new_then_filled_at_the_ask(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    order = trader.trading.submit_order(MarketOrderRequest(symbol="AAA", qty=10, side="buy", time_in_force="day"))
    assert order.status.value == "pending_new"
    assert order.legs is None
    trader.exchange.step(10)
    filled = trader.trading.get_order_by_id(order.id)
    assert filled.status.value == "filled"
    assert filled.filled_avg_price in ("100", "100.01")
    (row,) = [row for row in trader.exchange.books()["orders"] if row["id"] == str(order.id)]
    assert [step["status"] for step in row["history"]] == ["pending_new", "new", "filled"]


def test_legs_are_held_until_the_entry_is_filled_then_the_profit_works_and_the_stop_stays_held(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    entry = trader.trading.submit_order(bracket(limit=99.0))
    trader.exchange.step(60)
    assert [leg["status"] for leg in trader.raw.get(f"/v2/orders/{entry.id}?nested=true").json()["legs"]] == ["held", "held"]
    trader.trading.replace_order_by_id(entry.id, ReplaceOrderRequest(limit_price=101.0))
    trader.exchange.step(120)
    parent = trader.trading.get_orders(GetOrdersRequest(status="open", nested=True))[0]
    assert parent.status.value == "filled"
    assert {leg.type.value: leg.status.value for leg in parent.legs} == {"limit": "new", "stop": "held"}


def test_cancelling_a_partly_filled_entry_leaves_naked_shares(client, market):
    trader = client(market({"AAA": FLAT}), partial_rate=1.0)
    trader.exchange.step_to(9, 31)
    entry = trader.trading.submit_order(bracket(qty=100))
    for _ in range(200):
        trader.exchange.step(0.05)
        if trader.status(entry.id) == "partially_filled":
            break
    trader.trading.cancel_order_by_id(entry.id)
    trader.exchange.step(5)
    done = trader.raw.get(f"/v2/orders/{entry.id}?nested=true").json()
    if done["status"] == "filled":
        pytest.fail("the fixture's latencies let the rest fill before the cancel arrived: choose another seed")
    assert done["status"] == "canceled"
    assert 0 < int(done["filled_qty"]) < 100
    assert [leg["status"] for leg in done["legs"]] == ["canceled", "canceled"]
    position = trader.trading.get_open_position("AAA")
    assert position.qty == position.qty_available == done["filled_qty"]


def test_naked_shares_can_be_protected_by_an_oco_pair_that_holds_them_once(client, market):
    trader = client(market({"AAA": [100.0] * 20 + [99.0, 97.0, 96.0] + [96.0] * 300}))
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 10)
    trader.exchange.step(5)
    pair = trader.trading.submit_order(
        LimitOrderRequest(
            symbol="AAA",
            qty=10,
            side="sell",
            time_in_force="day",
            order_class="oco",
            take_profit=TakeProfitRequest(limit_price=103),
            stop_loss=StopLossRequest(stop_price=98),
        )
    )
    assert pair.type.value == "limit"
    assert pair.limit_price == "103"
    trader.exchange.step(5)
    assert trader.trading.get_open_position("AAA").qty_available == "0"
    nested = trader.trading.get_orders(GetOrdersRequest(status="open", nested=True))
    assert [(order.status.value, [leg.status.value for leg in order.legs]) for order in nested] == [("new", ["held"])]
    trader.exchange.step_to(10, 0)
    closed = trader.raw.get(f"/v2/orders/{pair.id}?nested=true").json()
    assert closed["status"] == "canceled"
    assert closed["legs"][0]["status"] == "filled"
    assert trader.trading.get_all_positions() == []


def test_a_stop_that_fires_cancels_the_profit_and_the_other_way_round(client, market):
    falling = [100.0] * 10 + [97.0] * 100
    rising = [100.0] * 10 + [103.0] * 100
    trader = client(market({"DOWN": falling, "UP": rising}))
    trader.exchange.step_to(9, 31)
    for symbol in ("DOWN", "UP"):
        trader.trading.submit_order(bracket(symbol))
    trader.exchange.step_to(9, 50)
    legs = {}
    for parent in trader.trading.get_orders(GetOrdersRequest(status="closed", nested=True)):
        legs[parent.symbol] = {leg.type.value: leg for leg in parent.legs}
    assert {kind: leg.status.value for kind, leg in legs["DOWN"].items()} == {"limit": "canceled", "stop": "filled"}
    assert {kind: leg.status.value for kind, leg in legs["UP"].items()} == {"limit": "filled", "stop": "canceled"}
    assert legs["UP"]["limit"].filled_avg_price == "102"
    assert 96.9 <= float(legs["DOWN"]["stop"].filled_avg_price) <= 98
    assert trader.trading.get_all_positions() == []


def test_closing_is_refused_while_legs_hold_the_shares_and_works_after_cancelling_them(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    entry = trader.trading.submit_order(bracket())
    trader.exchange.step(5)
    with pytest.raises(APIError) as error:
        trader.trading.close_position("AAA")
    status, body = refusal(error)
    related = sorted(body.pop("related_orders"))
    assert (status, body) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient qty available for order (requested: 10, available: 0)",
            "symbol": "AAA",
            "existing_qty": "10",
            "held_for_orders": "10",
            "available": "0",
        },
    )
    assert related == sorted(str(leg.id) for leg in entry.legs)
    trader.trading.cancel_order_by_id(entry.legs[0].id)
    trader.exchange.step(5)
    assert [trader.status(leg.id) for leg in entry.legs] == ["canceled", "canceled"]
    assert trader.trading.close_position("AAA", ClosePositionRequest(percentage="50")).qty == "5"
    trader.exchange.step(5)
    assert trader.trading.get_open_position("AAA").qty == "5"


def test_client_order_ids_are_unique_for_ever(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    order = trader.send("AAA", "buy", 1, type="limit", limit_price="90", client_order_id="mine")
    trader.trading.cancel_order_by_id(order["id"])
    trader.exchange.step(5)
    again = trader.raw.post(
        "/v2/orders", json={"symbol": "AAA", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day", "client_order_id": "mine"}
    )
    assert (again.status_code, again.json()) == (422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert str(trader.trading.get_order_by_client_id("mine").id) == order["id"]


def test_orders_that_could_trade_with_each_other_are_refused(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    resting = trader.send("AAA", "buy", 5, type="limit", limit_price="90")
    with pytest.raises(APIError) as error:
        trader.trading.submit_order(LimitOrderRequest(symbol="AAA", qty=5, side="sell", time_in_force="day", limit_price=89))
    status, body = refusal(error)
    assert (status, body["code"], body["message"]) == (403, 40310000, "potential wash trade detected. use complex orders")
    assert body["existing_order_id"] == resting["id"]
    assert body["reject_reason"] == "opposite side limit order exists"
    trader.send("AAA", "sell", 5, type="limit", limit_price="120")


def test_open_orders_reserve_buying_power(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    assert trader.trading.get_account().buying_power == "400000"
    order = trader.send("AAA", "buy", 3000, type="limit", limit_price=90)
    assert trader.trading.get_account().buying_power == "130000"
    refused = trader.raw.post(
        "/v2/orders", json={"symbol": "AAA", "qty": 2000, "side": "buy", "type": "limit", "limit_price": 100, "time_in_force": "day"}
    )
    assert refused.status_code == 403
    assert refused.json() == {"code": 40310000, "message": "insufficient buying power", "buying_power": "130000", "cost_basis": "200000"}
    trader.trading.cancel_order_by_id(order["id"])
    trader.exchange.step(5)
    assert trader.trading.get_account().buying_power == "400000"


def test_replace_makes_a_successor_and_keeps_the_old_order_as_replaced(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    old = trader.trading.submit_order(LimitOrderRequest(symbol="AAA", qty=5, side="buy", time_in_force="day", limit_price=90, client_order_id="a"))
    with pytest.raises(APIError) as error:
        trader.trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91))
    assert refusal(error) == (422, {"code": 42210000, "message": "cannot replace order in pending_new status"})
    trader.exchange.step(5)
    with pytest.raises(APIError) as error:
        trader.trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=90))
    assert refusal(error)[1]["message"] == "order parameters are not changed"
    new = trader.trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91, qty=7))
    assert new.id != old.id
    assert new.replaces == old.id
    assert trader.status(old.id) == "pending_replace"
    trader.exchange.step(5)
    before = trader.trading.get_order_by_client_id("a")
    assert (before.status.value, before.replaced_by) == ("replaced", new.id)
    assert trader.status(new.id) == "new"
    with pytest.raises(APIError) as error:
        trader.trading.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=92))
    assert refusal(error)[1]["message"] == "order already replaced"
    assert [order.id for order in trader.trading.get_orders()] == [new.id]


def test_cancelling_a_successor_before_it_stands_ends_the_order(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    old = trader.send("AAA", "buy", 5, type="limit", limit_price=90)
    trader.exchange.step(5)
    new = trader.trading.replace_order_by_id(old["id"], ReplaceOrderRequest(limit_price=91))
    trader.trading.cancel_order_by_id(new.id)
    trader.exchange.step(5)
    assert trader.status(old["id"]) in ("replaced", "canceled")
    assert trader.status(new.id) == "canceled"
    assert trader.trading.get_orders() == []
    assert trader.trading.get_account().buying_power == "400000"


def test_a_bracket_stop_can_be_moved_and_its_group_stays(client, market):
    trader = client(market({"AAA": [100.0] * 60 + [99.0] * 300}))
    trader.exchange.step_to(9, 31)
    entry = trader.trading.submit_order(bracket())
    trader.exchange.step(5)
    stop = next(leg for leg in entry.legs if leg.type.value == "stop")
    with pytest.raises(APIError) as error:
        trader.trading.replace_order_by_id(stop.id, ReplaceOrderRequest(qty=3))
    assert refusal(error)[1]["message"] == "qty cannot be changed for advanced orders"
    moved = trader.trading.replace_order_by_id(stop.id, ReplaceOrderRequest(stop_price=99.5))
    trader.exchange.step(5)
    row = trader.raw.get(f"/v2/orders/{moved.id}").json()
    assert (row["status"], row["group_role"], row["stop_price"]) == ("held", "stop_loss", "99.5")
    assert row["group_id"] == trader.raw.get(f"/v2/orders/{entry.id}").json()["group_id"]
    trader.exchange.step_to(10, 40)
    assert trader.status(moved.id) == "filled"
    assert trader.trading.get_all_positions() == []


def test_bulk_calls_answer_207_with_a_row_each(client, market):
    trader = client(market({"AAA": FLAT, "BBB": FLAT}))
    trader.exchange.step_to(9, 31)
    assert trader.raw.delete("/v2/orders").status_code == 207
    assert trader.trading.cancel_orders() == []
    assert trader.trading.close_all_positions() == []
    trader.trading.submit_order(bracket("AAA"))
    trader.send("BBB", "buy", 4)
    trader.exchange.step(5)
    rows = trader.trading.close_all_positions(cancel_orders=False)
    assert {row.symbol: row.status for row in rows} == {"AAA": 403, "BBB": 200}
    trader.exchange.step(5)
    (row,) = trader.trading.cancel_orders()
    assert row.status == 200
    trader.exchange.step(5)
    rows = trader.trading.close_all_positions(cancel_orders=True)
    assert [(row.symbol, row.status) for row in rows] == [("AAA", 200)]
    trader.exchange.step(5)
    assert trader.trading.get_all_positions() == []


def test_lists_are_flat_or_nested_and_filter(client, market):
    trader = client(market({"AAA": FLAT, "BBB": FLAT}))
    trader.exchange.step_to(9, 31)
    entry = trader.trading.submit_order(bracket(limit=90, profit=95, loss=85))
    trader.exchange.step(60)
    other = trader.send("BBB", "sell", 2, type="limit", limit_price=120)
    flat = trader.trading.get_orders(GetOrdersRequest(status="all"))
    assert len(flat) == 4
    assert all(order.legs is None for order in flat)
    assert [order.symbol for order in flat][:1] == ["BBB"]
    nested = trader.trading.get_orders(GetOrdersRequest(status="open", nested=True, direction="asc"))
    assert [(order.symbol, len(order.legs or [])) for order in nested] == [("AAA", 2), ("BBB", 0)]
    assert [order.id for order in trader.trading.get_orders(GetOrdersRequest(symbols=["BBB"]))] == [nested[1].id]
    assert len(trader.trading.get_orders(GetOrdersRequest(side="buy"))) == 1
    after = trader.trading.get_orders(GetOrdersRequest(status="all", after=entry.submitted_at))
    assert [str(order.id) for order in after] == [other["id"]]
    assert len(trader.trading.get_orders(GetOrdersRequest(status="all", limit=2))) == 2
    assert trader.trading.get_orders(GetOrdersRequest(status="closed")) == []


def test_short_sales_open_and_cover(client, market):
    trader = client(market({"AAA": [100.0] * 10 + [90.0] * 380}))
    trader.exchange.step_to(9, 31)
    order = trader.send("AAA", "sell", 10)
    assert order["position_intent"] == "sell_to_open"
    trader.exchange.step_to(9, 45)
    short = trader.raw.get("/v2/positions/AAA").json()
    assert (short["side"], short["qty"], short["qty_available"], short["market_value"]) == ("short", "-10", "-10", "-900")
    too_much = trader.raw.post("/v2/orders", json={"symbol": "AAA", "qty": 15, "side": "buy", "type": "market", "time_in_force": "day"})
    assert too_much.status_code == 403
    trader.trading.close_position("AAA")
    trader.exchange.step(5)
    assert 99.5 < float(trader.trading.get_account().equity) - 100_000 < 100.5
    trader.raw.patch("/v2/account/configurations", json={"no_shorting": True})
    refused = trader.raw.post("/v2/orders", json={"symbol": "AAA", "qty": 1, "side": "sell", "type": "market", "time_in_force": "day"})
    assert (refused.status_code, refused.json()["message"]) == (403, "account is not allowed to short")


def test_trailing_stop_follows_and_sells(client, market):
    prices = [100.0] * 5 + [100.0 + n * 0.5 for n in range(1, 11)] + [105.0 - n * 0.5 for n in range(1, 11)] + [100.0] * 300
    trader = client(market({"AAA": prices}))
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 10)
    trader.exchange.step(5)
    order = trader.trading.submit_order(TrailingStopOrderRequest(symbol="AAA", qty=10, side="sell", time_in_force="day", trail_price=2))
    trader.exchange.step_to(9, 45)
    shown = trader.trading.get_order_by_id(order.id)
    assert (shown.hwm, shown.stop_price, shown.status.value) == ("105", "103", "new")
    trader.exchange.step_to(10, 0)
    sold = trader.trading.get_order_by_id(order.id)
    assert sold.status.value == "filled"
    assert 102.4 <= float(sold.filled_avg_price) <= 103


def test_day_orders_expire_at_the_close_and_early_ones_wait_for_the_open(client, market):
    trader = client(market({"AAA": FLAT}))
    early = trader.trading.submit_order(MarketOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day"))
    resting = trader.trading.submit_order(LimitOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day", limit_price=80))
    kept = trader.trading.submit_order(LimitOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="gtc", limit_price=81))
    guarded = trader.trading.submit_order(bracket())
    assert early.status.value == "accepted"
    trader.exchange.step_to(9, 29)
    assert trader.status(early.id) == "accepted"
    trader.exchange.step_to(9, 31)
    assert trader.status(early.id) == "filled"
    trader.exchange.step_to(16, 0, 1)
    assert [trader.status(order.id) for order in (resting, kept)] == ["expired", "new"]
    assert {trader.status(leg.id) for leg in guarded.legs} == {"expired"}
    late = trader.trading.submit_order(MarketOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day"))
    assert late.status.value == "accepted"
    assert late.expires_at.isoformat() == "2026-11-23T21:00:00+00:00"


def test_immediate_orders_fill_or_are_cancelled(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    far = trader.send("AAA", "buy", 10, type="limit", limit_price=95, time_in_force="ioc")
    near = trader.send("AAA", "buy", 10, type="limit", limit_price=101, time_in_force="fok")
    trader.exchange.step(5)
    assert (trader.status(far["id"]), trader.status(near["id"])) == ("canceled", "filled")


def test_cancelling_a_final_order_names_its_state(client, market):
    trader = client(market({"AAA": FLAT}))
    trader.exchange.step_to(9, 31)
    order = trader.send("AAA", "buy", 1)
    trader.exchange.step(5)
    with pytest.raises(APIError) as error:
        trader.trading.cancel_order_by_id(order["id"])
    assert refusal(error) == (422, {"code": 42210000, "message": 'order is already in "filled" state'})
    unknown = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(APIError) as error:
        trader.trading.cancel_order_by_id(unknown)
    assert refusal(error) == (404, {"code": 40410000, "message": f"order not found for {unknown}"})


def test_notional_orders_buy_fractions(client, market):
    trader = client(market({"AAA": [30.0] * 390}))
    trader.exchange.step_to(9, 31)
    order = trader.trading.submit_order(MarketOrderRequest(symbol="AAA", notional=100, side="buy", time_in_force="day"))
    assert (order.qty, order.notional) == (None, "100")
    trader.exchange.step(5)
    assert 3.33 <= float(trader.trading.get_open_position("AAA").qty) <= 3.334
    trader.trading.close_position("AAA")
    trader.exchange.step(5)
    assert trader.trading.get_all_positions() == []


def test_buy_stop_triggers_when_the_market_rises_to_it(client, market):
    trader = client(market({"AAA": [100.0] * 10 + [101.0] * 20}))
    trader.exchange.step_to(9, 31)
    order = trader.trading.submit_order(StopOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day", stop_price=100.5))
    trader.exchange.step_to(9, 39)
    assert trader.status(order.id) == "new"
    trader.exchange.step_to(9, 45)
    assert trader.status(order.id) == "filled"


MARKET = {"symbol": "AAA", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
LIMIT = {**MARKET, "type": "limit", "limit_price": "100"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, 40010001),
        ({**MARKET, "qty": None}, 422, 40010001),
        ({**MARKET, "notional": 5}, 422, 40010001),
        ({**MARKET, "qty": "-1"}, 422, 40010001),
        ({**MARKET, "qty": "ten"}, 422, 40010001),
        ({**MARKET, "side": "hold"}, 422, 40010001),
        ({**MARKET, "type": None}, 422, 40010001),
        ({**MARKET, "limit_price": 5}, 422, 40010001),
        ({**MARKET, "type": "limit"}, 422, 40010001),
        ({**MARKET, "type": "stop"}, 422, 40010001),
        ({**MARKET, "time_in_force": "opg"}, 422, 40010001),
        ({**MARKET, "extended_hours": True}, 422, 40010001),
        ({**MARKET, "client_order_id": "x" * 129}, 422, 40010001),
        ({**MARKET, "order_class": "mleg"}, 422, 40010001),
        ({**MARKET, "order_class": "bracket"}, 422, 40010001),
        ({**MARKET, "qty": "1.5", "time_in_force": "gtc"}, 422, 40010001),
        ({**MARKET, "type": "trailing_stop"}, 422, 40010001),
        ({**MARKET, "symbol": "NOPE"}, 422, 42210000),
        ({**LIMIT, "limit_price": "290.123"}, 422, 42210000),
        ({**LIMIT, "order_class": "oco", "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}, 422, 42210000),
        ({**LIMIT, "order_class": "bracket", "take_profit": {"limit_price": 100}, "stop_loss": {"stop_price": 90}}, 422, 42210000),
        ({**LIMIT, "order_class": "bracket", "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 100}}, 422, 42210000),
        ({**MARKET, "qty": None, "notional": "0.5"}, 403, 40310000),
        ({**MARKET, "qty": "100000"}, 403, 40310000),
    ],
)
def test_bad_orders_are_refused_with_the_documented_code(client, market, body, status, code):
    trader = client(market({"AAA": [100.0] * 30}))
    trader.exchange.step_to(9, 31)
    answer = trader.raw.post("/v2/orders", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert trader.exchange.books()["orders"] == []
