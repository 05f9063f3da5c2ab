"""Faults of matching and of the clock: executions by script, cancels that do not land, halts, jumps; the money is right under all of them."""

import json
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.requests import ReplaceOrderRequest
from websockets.sync.client import connect

BRACKET = {"order_class": "bracket", "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}


@pytest.fixture
def flat(client, market):
    """A stepped exchange at 09:31 where AAA stands at 100 and BBB at 50."""
    trader = client(market({"AAA": [100.0] * 390, "BBB": [50.0] * 390}))
    trader.exchange.step_to(9, 31)
    return trader


@pytest.fixture
def rising(client, market):
    """AAA rises from 100 by a dollar a minute."""
    trader = client(market({"AAA": [100.0 + n for n in range(60)]}))
    trader.exchange.step_to(9, 31)
    return trader


def books(trader: Any) -> dict[str, Any]:
    """Truth, with the money counted once more from the executions."""
    found = trader.exchange.books()
    cash = Decimal(found["account"]["start"])
    for fill in found["fills"]:
        cash -= Decimal(fill["price"]) * Decimal(fill["qty"]) * (1 if fill["side"] == "buy" else -1)
    assert cash == Decimal(found["account"]["cash"])
    return found


def fills(trader: Any) -> list[tuple[str, str, str]]:
    return [(fill["side"], fill["qty"], fill["price"]) for fill in books(trader)["fills"]]


def statuses(trader: Any) -> list[tuple[str | None, str]]:
    return [(order.get("group_role"), order["status"]) for order in books(trader)["orders"]]


def position(trader: Any, symbol: str = "AAA") -> str:
    return next((row["qty"] for row in books(trader)["positions"] if row["symbol"] == symbol), "0")


def kinds(trader: Any) -> list[str]:
    return [row["kind"] for row in trader.exchange.books()["faults"]]


def test_entry_of_a_bracket_gets_one_share_and_no_protection(flat):
    flat.exchange.inject(kind="match.partial", symbol="AAA", role="entry", shares=1)
    order = flat.send("AAA", "buy", 50, **BRACKET)
    flat.exchange.step(300)
    assert statuses(flat) == [("entry", "partially_filled"), ("take_profit", "held"), ("stop_loss", "held")]
    flat.raw.delete(f"/v2/orders/{order['id']}")
    flat.exchange.step(5)
    assert (position(flat), statuses(flat)[0]) == ("1", ("entry", "canceled"))
    assert kinds(flat) == ["match.partial"]


def test_executions_follow_a_script_to_the_second(flat):
    flat.exchange.inject(kind="match.fills", fills=[[0, 10, 99.5], [2, 30], [5, 9]], client_order_id="mine*", start="arrival")
    flat.send("AAA", "buy", 50, type="limit", limit_price=95, client_order_id="mine-1")
    flat.exchange.step(60)
    assert fills(flat) == [("buy", "10", "99.5"), ("buy", "30", "95"), ("buy", "9", "95")]
    assert statuses(flat) == [(None, "partially_filled")]


def test_immediate_order_is_cancelled_after_its_script(flat):
    flat.exchange.inject(kind="match.partial", shares=2)
    flat.send("AAA", "buy", 5, type="limit", limit_price=101, time_in_force="ioc")
    flat.exchange.step(10)
    assert (len(fills(flat)), statuses(flat)) == (1, [(None, "canceled")])


def test_take_profit_sells_a_part_and_falls_silent(rising):
    rising.exchange.inject(kind="match.partial", role="take_profit", shares=4)
    rising.send("AAA", "buy", 10, order_class="bracket", take_profit={"limit_price": 105}, stop_loss={"stop_price": 90})
    rising.exchange.step(1200)
    assert [(side, qty) for side, qty, _ in fills(rising)] == [("buy", "10"), ("sell", "4")]
    assert statuses(rising) == [("entry", "filled"), ("take_profit", "partially_filled"), ("stop_loss", "held")]
    assert books(rising)["orders"][2]["qty"] == "6"


def test_no_fill_however_good_the_price_until_the_fault_is_removed(flat):
    fault = flat.exchange.inject(kind="match.none", symbol="AAA")
    flat.send("AAA", "buy", 5)
    flat.send("BBB", "buy", 5)
    flat.exchange.step(120)
    assert (position(flat), position(flat, "BBB"), kinds(flat)) == ("0", "5", ["match.none"])
    flat.exchange.relent(fault["id"])
    flat.exchange.step(120)
    assert position(flat) == "5"


def test_both_exits_of_a_pair_are_filled_and_the_position_flips(rising):
    rising.exchange.inject(kind="match.both", symbol="AAA")
    rising.send("AAA", "buy", 10, order_class="bracket", take_profit={"limit_price": 105}, stop_loss={"stop_price": 90})
    rising.exchange.step(1200)
    assert fills(rising)[1:] == [("sell", "10", "105"), ("sell", "10", "90")]
    assert position(rising) == "-10"
    assert statuses(rising) == [("entry", "filled"), ("take_profit", "filled"), ("stop_loss", "filled")]


@pytest.mark.parametrize("silent", [False, True])
def test_broker_cancels_the_stop_leg_alone(flat, listening, silent):
    heard = listening(flat.exchange, updates=True)
    flat.exchange.inject(kind="match.cancel", event="fill", role="entry", leg="stop_loss", seconds=5, silent=silent)
    flat.send("AAA", "buy", 10, **BRACKET)
    count = flat.exchange.step(60)["sent"]["trading"]
    events = [update.event for update in heard.take(heard.updates, count)]
    assert statuses(flat) == [("entry", "filled"), ("take_profit", "new"), ("stop_loss", "canceled")]
    assert ("canceled" in events) is not silent


def test_somebody_else_cancels_at_a_time_and_trades(flat):
    flat.send("AAA", "buy", 5, type="limit", limit_price=90)
    flat.send("BBB", "buy", 5, type="limit", limit_price=40)
    flat.exchange.inject(kind="match.cancel", symbol="BBB", at="09:40", times=1)
    flat.exchange.inject(kind="match.manual", at="09:41", order={"symbol": "BBB", "side": "buy", "qty": 7, "type": "market", "time_in_force": "day"})
    flat.exchange.step_to(9, 45)
    assert statuses(flat) == [(None, "new"), (None, "canceled"), (None, "filled")]
    first = books(flat)["orders"][0]["id"]
    assert flat.raw.post("/sim/manual", json={"cancel": first}).json()["status"] == "pending_cancel"
    assert flat.raw.post("/sim/manual", json={"close": "BBB"}).json()["side"] == "sell"
    assert (
        flat.raw.post("/sim/manual", json={"order": {"symbol": "AAA", "side": "buy", "qty": 1, "type": "market", "time_in_force": "day"}}).status_code
        == 200
    )
    assert flat.raw.post("/sim/manual", json={}).status_code == 422
    flat.exchange.step(30)
    assert (position(flat), position(flat, "BBB")) == ("1", "0")


def test_six_hundred_open_orders(flat):
    resting = {"symbol": "AAA", "side": "buy", "qty": 1, "type": "limit", "limit_price": 1, "time_in_force": "day"}
    flat.exchange.inject(kind="match.manual", copies=600, order=resting)
    flat.exchange.step(5)
    assert len(flat.raw.get("/v2/orders", params={"limit": 500}).json()) == 500
    assert len(books(flat)["orders"]) == 600


def test_refused_manual_order_is_logged(flat):
    flat.exchange.inject(kind="match.manual", order={"symbol": "NONE", "side": "buy", "qty": 1, "type": "market", "time_in_force": "day"})
    assert flat.exchange.books()["faults"][-1]["hit"] == {"refused": 'asset "NONE" not found'}


def test_cancel_takes_long_or_for_ever(flat):
    flat.exchange.inject(kind="match.cancel_slow", symbol="AAA", seconds=8)
    flat.exchange.inject(kind="match.cancel_stuck", symbol="BBB")
    first = flat.send("AAA", "buy", 1, type="limit", limit_price=90)
    second = flat.send("BBB", "buy", 1, type="limit", limit_price=40)
    flat.exchange.step(5)
    for order in (first, second):
        flat.trading.cancel_order_by_id(order["id"])
    flat.exchange.step(7)
    assert [flat.status(order["id"]) for order in (first, second)] == ["pending_cancel", "pending_cancel"]
    flat.exchange.step(60)
    assert [flat.status(order["id"]) for order in (first, second)] == ["canceled", "pending_cancel"]
    flat.exchange.step_to(16, 1)
    assert flat.status(second["id"]) == "expired"


@pytest.mark.parametrize(("shares", "status", "held"), [(0, "filled", "5"), (2, "canceled", "2")])
def test_fill_after_the_cancel_was_accepted(flat, shares, status, held):
    flat.exchange.inject(kind="match.cancel_fill", shares=shares)
    order = flat.send("AAA", "buy", 5, type="limit", limit_price=90)
    flat.exchange.step(5)
    assert flat.raw.delete(f"/v2/orders/{order['id']}").status_code == 204
    flat.exchange.step(10)
    assert (flat.status(order["id"]), position(flat)) == (status, held)


@pytest.mark.parametrize(("fill", "status"), [(False, "new"), (True, "filled")])
def test_replacement_is_accepted_and_then_rejected(flat, listening, fill, status):
    heard = listening(flat.exchange, updates=True)
    flat.exchange.inject(kind="match.replace_reject", fill=fill)
    order = flat.send("AAA", "buy", 5, type="limit", limit_price=90)
    flat.exchange.step(5)
    new = flat.trading.replace_order_by_id(order["id"], ReplaceOrderRequest(limit_price=91))
    count = flat.exchange.step(10)["sent"]["trading"]
    events = [update.event for update in heard.take(heard.updates, count)]
    assert "order_replace_rejected" in events
    assert (flat.status(order["id"]), flat.status(new.id)) == (status, "rejected")


def test_halted_symbol_has_no_fills_no_bars_and_says_so(flat, listening):
    def subscribe(stream, hear):
        stream.subscribe_bars(hear, "*")
        stream.subscribe_trading_statuses(hear, "*")

    heard = listening(flat.exchange, subscribe)
    flat.exchange.inject(kind="match.halt", symbol="AAA", at="09:35", lasts=300, gap=-10, reason="LUDP")
    flat.exchange.step_to(9, 35, 1)
    flat.send("AAA", "buy", 5)
    flat.exchange.step_to(9, 40)
    assert position(flat) == "0"
    count = flat.exchange.step_to(9, 42)["sent"]["market"]
    said = heard.take(heard.market, count)
    turns = [(message.status_code, message.reason_code, message.tape) for message in said if hasattr(message, "status_code")]
    bars = [message.timestamp.minute for message in said if getattr(message, "symbol", "") == "AAA" and hasattr(message, "close")]
    assert turns == [("H", "LUDP", "C"), ("T", "LUDP", "C")]
    assert bars == [31, 32, 33, 34, 40, 41]
    assert (position(flat), float(books(flat)["fills"][0]["price"]) <= 90.01) == ("5", True)
    shown = flat.raw.get("/v2/stocks/AAA/bars", params={"timeframe": "1Min"}).json()["bars"]
    assert [row["t"][14:16] for row in shown[-3:]] == ["34", "40", "41"]


def test_halt_lasts_until_its_fault_is_removed(flat):
    fault = flat.exchange.inject(kind="match.halt", symbol="AAA")
    flat.send("AAA", "buy", 5)
    flat.exchange.step(1800)
    assert position(flat) == "0"
    flat.exchange.relent(fault["id"])
    flat.exchange.step(120)
    assert position(flat) == "5"


def test_price_band_is_told(flat):
    with connect(flat.exchange.url.replace("http", "ws") + "/v2/iex", proxy=None) as socket:
        socket.recv(timeout=5)
        for message in ({"action": "auth", "key": "SIM", "secret": "SIM"}, {"action": "subscribe", "lulds": ["AAA"]}):
            socket.send(json.dumps(message))
            socket.recv(timeout=5)
        flat.exchange.inject(kind="match.luld", percent=5)
        (band,) = json.loads(socket.recv(timeout=5))
    assert (band["T"], band["S"], band["u"], band["d"]) == ("l", "AAA", 105.0, 95.0)
    assert kinds(flat) == ["match.luld"]


def test_price_jumps_for_everybody_from_the_next_minute_on(flat, listening):
    heard = listening(flat.exchange, lambda stream, hear: stream.subscribe_bars(hear, "AAA"))
    flat.exchange.inject(kind="match.jump", symbol="AAA", percent=-20, at="09:35:30")
    flat.send("AAA", "buy", 5, **BRACKET)
    count = flat.exchange.step_to(9, 38)["sent"]["market"]
    assert [bar.close for bar in heard.take(heard.market, count)] == [100.0] * 5 + [80.0] * 2
    shown = flat.raw.get("/v2/stocks/AAA/bars", params={"timeframe": "1Min"}).json()["bars"]
    assert [row["c"] for row in shown] == [100.0] * 6 + [80.0] * 2
    side, qty, price = fills(flat)[-1]
    assert (side, qty, float(price) <= 80.01) == ("sell", "5", True)
    assert flat.raw.get("/v2/stocks/AAA/trades/latest").json()["trade"]["p"] == 80.0


def test_jump_through_a_stop_before_it_is_placed(flat):
    flat.exchange.inject(kind="match.jump", symbol="AAA", percent=-20, event="fill", side="buy")
    flat.send("AAA", "buy", 5)
    flat.exchange.step(120)
    flat.send("AAA", "sell", 5, type="stop", stop_price=95)
    flat.exchange.step(60)
    assert (position(flat), float(fills(flat)[-1][2]) <= 80.01) == ("0", True)


def test_market_closes_unscheduled(flat):
    flat.send("AAA", "buy", 5, type="limit", limit_price=90)
    flat.exchange.inject(kind="clock.close", at="12:00")
    flat.exchange.step_to(12, 5)
    assert statuses(flat) == [(None, "expired")]
    clock = flat.trading.get_clock()
    assert (clock.is_open, clock.next_open.isoformat()) == (False, "2026-11-23T09:30:00-05:00")
    assert [row["close"] for row in flat.raw.get("/v2/calendar", params={"start": "2026-11-20", "end": "2026-11-20"}).json()] == ["12:00"]
    assert flat.send("AAA", "buy", 1)["status"] == "accepted"
    flat.exchange.step(3600)
    assert position(flat) == "0"
    assert flat.raw.get("/v2/stocks/AAA/bars", params={"timeframe": "1Min"}).json()["bars"][-1]["t"] == "2026-11-20T16:59:00Z"
