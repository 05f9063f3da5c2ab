"""Orders that belong together, as a client sees them: replacements inside a group, lists without doubles, and what cannot rest beside what."""

from datetime import date
from decimal import Decimal

import pytest

from live.sim.clock import SECOND, local
from live.sim.venue.venue import Venue

DAY = date(2026, 11, 20)
FLAT = [100.0] * 390
BRACKET = {"order_class": "bracket", "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}


@pytest.fixture
def flat(client, market):
    """A stepped exchange at 09:35 where AAA stands at 100."""
    return client(market({"AAA": FLAT, "BBB": FLAT}), start=(9, 35))


def nested(trader, status: str = "all") -> list[dict]:
    return trader.raw.get("/v2/orders", params={"nested": "true", "status": status, "limit": 500}).json()


def every_id(rows: list[dict]) -> list[str]:
    return [row["id"] for row in rows] + [leg["id"] for row in rows for leg in row["legs"] or []]


def refused(trader, symbol: str, side: str, **body) -> tuple[int, int, str]:
    answer = trader.raw.post("/v2/orders", json={"symbol": symbol, "side": side, "qty": 1, "type": "market", "time_in_force": "day", **body})
    return answer.status_code, answer.json()["code"], answer.json()["message"]


def test_a_replaced_entry_hands_its_legs_over_and_is_closed(flat):
    entry = flat.send("AAA", "buy", 5, type="limit", limit_price=95, **BRACKET)
    flat.exchange.step(5)
    answer = flat.raw.patch(f"/v2/orders/{entry['id']}", json={"limit_price": 96}).json()
    assert (answer["group_id"], answer["group_role"], answer["status"]) == (entry["group_id"], "entry", "pending_new")
    assert len(set(every_id(nested(flat)))) == len(every_id(nested(flat))) == 4
    flat.exchange.step(5)
    assert len(set(every_id(nested(flat)))) == len(every_id(nested(flat))) == 4
    (shown,) = nested(flat, "open")
    assert (shown["id"], [leg["id"] for leg in shown["legs"]]) == (answer["id"], [leg["id"] for leg in entry["legs"]])
    assert [row["id"] for row in nested(flat, "closed")] == [entry["id"]]
    flat.raw.delete(f"/v2/orders/{answer['id']}")
    flat.exchange.step(5)
    assert nested(flat, "open") == flat.raw.get("/v2/orders").json() == []


def test_the_successor_of_a_leg_is_listed_in_its_parent_from_the_first_moment_on(flat):
    entry = flat.send("AAA", "buy", 5, **BRACKET)
    flat.exchange.step(5)
    profit, stop = entry["legs"]
    answer = flat.raw.patch(f"/v2/orders/{stop['id']}", json={"stop_price": 91}).json()
    assert (answer["group_id"], answer["group_role"]) == (entry["group_id"], "stop_loss")
    (shown,) = nested(flat)
    assert [(leg["id"], leg["status"]) for leg in shown["legs"]] == [
        (profit["id"], "new"),
        (stop["id"], "pending_replace"),
        (answer["id"], "pending_new"),
    ]
    flat.exchange.step(5)
    (shown,) = nested(flat)
    assert [(leg["id"], leg["status"]) for leg in shown["legs"]] == [(profit["id"], "new"), (answer["id"], "held")]
    assert len(flat.raw.get("/v2/orders?status=all").json()) == 4


def test_a_successor_that_is_rejected_leaves_its_group_as_it_was(flat):
    flat.exchange.inject(kind="match.replace_reject", role="stop_loss")
    entry = flat.send("AAA", "buy", 5, **BRACKET)
    flat.exchange.step(5)
    profit, stop = entry["legs"]
    answer = flat.raw.patch(f"/v2/orders/{stop['id']}", json={"stop_price": 91}).json()
    flat.exchange.step(5)
    assert flat.status(answer["id"]) == "rejected"
    (shown,) = nested(flat)
    assert [(leg["id"], leg["status"]) for leg in shown["legs"]] == [(profit["id"], "new"), (stop["id"], "held")]


def test_exits_protect_only_what_was_not_sold_before_the_entry_was_complete(flat):
    flat.exchange.inject(kind="match.fills", role="entry", fills=[[0, 3], [5, 4]])
    entry = flat.send("AAA", "buy", 7, **BRACKET)
    flat.exchange.step(3)
    assert flat.raw.delete("/v2/positions/AAA").json()["qty"] == "3"
    flat.exchange.step(10)
    legs = flat.raw.get(f"/v2/orders/{entry['id']}?nested=true").json()["legs"]
    assert [(leg["qty"], leg["status"]) for leg in legs] == [("4", "new"), ("4", "held")]
    position = flat.raw.get("/v2/positions/AAA").json()
    assert (position["qty"], position["qty_available"]) == ("4", "0")


def test_an_exit_that_is_replaced_while_the_other_fills_in_part_shrinks_too(market):
    venue = Venue(market({"AAA": FLAT}), start=local(DAY, 9, 35), cash=Decimal(100_000), partial_rate=0.0)
    entry = venue.submit({"symbol": "AAA", "side": "buy", "qty": 10, "type": "market", "time_in_force": "day", **BRACKET})
    venue.advance(venue.now + 10 * SECOND)
    profit, stop = entry.legs
    moved = venue.replace(stop, {"stop_price": 91})
    venue.matching.force(profit, Decimal(4), Decimal(110))
    venue.advance(venue.now + 5 * SECOND)
    assert (moved.status, moved.qty, profit.remaining) == ("held", 6, 6)
    assert venue.desk.free("AAA") == 0


def test_an_event_is_named_after_the_state_it_tells(flat, listening):
    heard = listening(flat.exchange, updates=True)
    entry = flat.send("AAA", "buy", 5, **BRACKET)
    flat.exchange.step(5)
    moved = flat.raw.patch(f"/v2/orders/{entry['legs'][1]['id']}", json={"stop_price": 91}).json()
    count = flat.exchange.step(5)["sent"]["trading"]
    told = [(update.event, str(update.order.id), update.order.status.value) for update in heard.take(heard.updates, count)]
    assert told[-3:] == [
        ("pending_replace", entry["legs"][1]["id"], "pending_replace"),
        ("replaced", entry["legs"][1]["id"], "replaced"),
        ("held", moved["id"], "held"),
    ]


def test_an_order_that_waited_for_the_open_is_routed_before_it_works(client, market, listening):
    trader = client(market({"AAA": FLAT}), start=(9, 25))
    heard = listening(trader.exchange, updates=True)
    order = trader.send("AAA", "buy", 5, type="limit", limit_price=90)
    count = trader.exchange.step_to(9, 31)["sent"]["trading"]
    assert [update.event for update in heard.take(heard.updates, count)] == ["accepted", "pending_new", "new"]
    (row,) = [row for row in trader.exchange.books()["orders"] if row["id"] == order["id"]]
    assert [step["status"] for step in row["history"]] == ["accepted", "pending_new", "new"]


def test_the_reason_of_a_wash_trade_names_what_rests(flat):
    flat.send("AAA", "buy", 10)
    flat.exchange.step(5)
    cases = [({"type": "stop", "stop_price": 90}, "market/stop"), ({"type": "limit", "limit_price": 120}, "limit")]
    for resting, words in cases:
        order = flat.send("AAA", "sell", 1, **resting)
        flat.exchange.step(5)
        answer = flat.raw.post("/v2/orders", json={"symbol": "AAA", "side": "buy", "qty": 1, "type": "market", "time_in_force": "day"})
        assert answer.status_code == 403
        assert answer.json() == {
            "code": 40310000,
            "message": "potential wash trade detected. use complex orders",
            "existing_order_id": order["id"],
            "reject_reason": f"opposite side {words} order exists",
        }
        flat.raw.delete(f"/v2/orders/{order['id']}")
        flat.exchange.step(5)


def test_complex_orders_never_open_both_sides_at_once(flat):
    """What is exempt from the wash rule meets this one: otherwise exits of one side would protect shares that the other has sold."""
    flat.send("AAA", "buy", 5, type="limit", limit_price=90, **{**BRACKET, "stop_loss": {"stop_price": 80}})
    flat.exchange.step(5)
    answer = (403, 40310000, "cannot open a short sell while a long buy order is open")
    assert refused(flat, "AAA", "sell", type="trailing_stop", trail_percent=5) == answer
    assert refused(flat, "AAA", "sell", type="limit", limit_price=120) == answer
    short = {"order_class": "bracket", "take_profit": {"limit_price": 80}, "stop_loss": {"stop_price": 130}}
    assert refused(flat, "AAA", "sell", type="limit", limit_price=120, **short) == answer
    flat.send("BBB", "sell", 5, type="limit", limit_price=120)
    assert refused(flat, "BBB", "buy", **BRACKET) == (403, 40310000, "cannot open a long buy while a short sell order is open")
    flat.send("BBB", "buy", 5, type="limit", limit_price=90)


def test_a_row_of_cancelling_all_that_fails_has_status_500_and_says_why(flat):
    order = flat.send("AAA", "buy", 5, type="limit", limit_price=90)
    flat.exchange.step(5)
    flat.raw.patch(f"/v2/orders/{order['id']}", json={"limit_price": 91})
    (row,) = flat.raw.delete("/v2/orders").json()
    assert row == {"id": order["id"], "status": 500, "body": {"code": 42210000, "message": 'order is already in "pending_replace" state'}}


def test_a_part_of_whole_shares_is_closed_in_whole_shares(flat):
    flat.send("AAA", "buy", 5)
    flat.send("BBB", "buy", 2.5)
    flat.exchange.step(5)
    assert flat.raw.delete("/v2/positions/AAA?percentage=50").json()["qty"] == "2"
    assert flat.raw.delete("/v2/positions/BBB?percentage=50").json()["qty"] == "1.25"
    flat.exchange.step(5)
    answer = flat.raw.delete("/v2/positions/AAA?percentage=10")
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"type": "trailing_stop", "trail_price": 2}, {"time_in_force": "ioc"}),
        ({"type": "trailing_stop", "trail_percent": 2}, {"trail": 100}),
        ({"type": "limit", "limit_price": 120, "extended_hours": True}, {"time_in_force": "fok"}),
        ({"type": "limit", "limit_price": 120, "qty": 0.5}, {"time_in_force": "gtc"}),
        ({"type": "limit", "limit_price": 120}, {"time_in_force": "opg"}),
        ({"type": "limit", "limit_price": 120}, {"time_in_force": 5}),
        ({"type": "limit", "limit_price": 120}, {"limit_price": 121, "client_order_id": "x" * 129}),
        ({"type": "limit", "limit_price": 120}, {"limit_price": 121, "client_order_id": 7}),
    ],
)
def test_a_replacement_obeys_the_rules_of_a_new_order(flat, body, change):
    flat.send("AAA", "buy", 5)
    flat.exchange.step(5)
    order = flat.send("AAA", "sell", body.get("qty", 5), **{name: value for name, value in body.items() if name != "qty"})
    flat.exchange.step(5)
    answer = flat.raw.patch(f"/v2/orders/{order['id']}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001), answer.text
    assert flat.status(order["id"]) == "new"
