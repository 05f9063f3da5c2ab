"""What the broker says: any single update may be lost, repeated, late, bent or unknown, and orders may be replaced; the end is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, bracket, oco, play, settings, world

from live.brokers import reading
from live.brokers.route import connect
from live.sim.embedded import Exchange
from pipelines.core.errors import Unreachable
from pipelines.core.trading.events import Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.settings import Settings

ENTRY, STOP, TARGET = "d-0001-entry", "d-0001-entry/stop", "d-0001-entry/target"
PATCH = {"method": "PATCH", "path": "/v2/orders/*"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """10:00; AAA stands at 100 dollars, UPP rises by a dollar a minute from then on."""
    prices = {"AAA": [100.0] * 390, "UPP": [100.0] * 30 + [100.0 + n for n in range(360)]}
    with Exchange(world(tmp_path, prices), stepped=True, partial_rate=0.0, rate_limit=0) as running:
        running.step_to(10, 0)
        yield running


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path) -> Settings:
    return settings(exchange.url, tmp_path)


# --- updates that do not come as they should


SPOILED: dict[str, tuple[dict[str, Any], ...]] = {
    "clean": (),
    "mute": ({"kind": "stream.mute", "stream": "trading"},),
    "the first fill lost": ({"kind": "stream.drop", "stream": "trading", "type": "fill"},),
    "every second update lost": ({"kind": "stream.drop", "stream": "trading", "times": 0, "probability": 0.5},),
    "everything twice": ({"kind": "stream.duplicate", "stream": "trading", "times": 0, "copies": 2, "seconds": 3},),
    "reordered": ({"kind": "stream.reorder", "stream": "trading", "times": 0, "probability": 0.6, "seconds": 4},),
    "late": ({"kind": "stream.delay", "stream": "trading", "seconds": 5, "times": 0, "probability": 0.5},),
    "unknown status": ({"kind": "stream.set", "stream": "trading", "field": "order.status", "to": "pondering", "times": 0, "probability": 0.5},),
    "unknown event": ({"kind": "stream.set", "stream": "trading", "field": "event", "to": "restated", "times": 0},),
    "a field missing": ({"kind": "stream.remove", "stream": "trading", "field": "order.filled_qty", "times": 0, "probability": 0.5},),
    "an order missing": ({"kind": "stream.remove", "stream": "trading", "field": "order", "times": 3},),
    "no JSON": ({"kind": "stream.malformed", "stream": "trading", "times": 2},),
}


@pytest.mark.parametrize("how", SPOILED)
def test_no_single_update_matters(exchange: Exchange, known: Settings, how: str) -> None:
    """A bracket in two pieces, its target sold in two more; what we know in the end is what the venue has, share by share."""
    exchange.inject(kind="match.fills", role="entry", fills=[[0, 4], [2, 6]])
    exchange.inject(kind="match.fills", role="take_profit", fills=[[0, 3], [2, 7]])
    for fault in SPOILED[how]:
        exchange.inject(**fault)

    async def act(desk: Desk) -> None:
        since = desk.clock.now() - 1
        desk.submit(bracket(symbol="UPP", target=103.0))
        for _ in range(12):
            await desk.step(30, by=15, heard=False)
            await desk.broker.catch_up(since)

    desk = play(exchange, known, act)
    assert desk.books.positions == {}
    assert [desk.filled(name) for name in (ENTRY, TARGET, STOP)] == [10, 10, 0]
    assert [desk.status(name) for name in (ENTRY, TARGET, STOP)] == [Status.FILLED, Status.FILLED, Status.CANCELED]
    assert {e.id for e in desk.said if hasattr(e, "broker_id")} == {ENTRY, TARGET, STOP}, "nothing is taken for somebody else's"
    for name in (ENTRY, TARGET):
        told = [update.filled for update in desk.updates(name)]
        assert told == sorted(told), "what was known is never taken back"
        sold = [f for f in desk.books.raw["fills"] if f["order_id"] == desk.updates(name)[0].broker_id]
        worth = sum(float(f["price"]) * int(f["qty"]) for f in sold)
        assert desk.updates(name)[-1].average == pytest.approx(worth / 10)


def test_a_stream_that_comes_back_says_that_something_may_be_missing(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        desk.broker.updates._reconnect_min_backoff = desk.broker.updates._reconnect_max_backoff = 0.01
        exchange.inject(kind="stream.close", stream="trading", code=1011)
        await desk.until(lambda: desk.missed > 0)

    desk = play(exchange, known, act)
    assert desk.missed == 1


# --- replacements


async def held(desk: Desk, **more: Any) -> None:
    desk.submit(bracket(**more))
    await desk.step(2)


@pytest.mark.parametrize(("role", "price", "field"), [(Role.STOP, 95.0, "stop_price"), (Role.TARGET, 120.0, "limit_price")])
def test_the_legs_of_a_bracket_move_and_keep_their_names(exchange: Exchange, known: Settings, role: Role, price: float, field: str) -> None:
    name = STOP if role is Role.STOP else TARGET

    async def act(desk: Desk) -> None:
        await held(desk)
        desk.replace(name, role, price)
        await desk.step(2)
        desk.replace(name, role, price + 1)
        await desk.step(2)
        desk.cancel(name)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.answers(name) == [Outcome.ACCEPTED] * 3
    chain = [order for order in desk.books.raw["orders"] if order[field] and order["type"] == ("stop" if role is Role.STOP else "limit")]
    assert [order["status"] for order in chain] == ["replaced", "replaced", "canceled"]
    assert desk.updates(name)[-1].price == price + 1
    assert (desk.status(STOP), desk.status(TARGET)) == (Status.CANCELED, Status.CANCELED)


@pytest.mark.parametrize(("name", "role"), [("d-0001-protect1/stop", Role.STOP), ("d-0001-protect1", Role.TARGET)])
def test_both_halves_of_a_pair_move(exchange: Exchange, known: Settings, name: str, role: Role) -> None:
    price = 95.0 if role is Role.STOP else 120.0

    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.SIMPLE))
        await desk.step(2)
        desk.submit(oco("d-0001-protect1"), Role.STOP)
        await desk.step(2)
        desk.replace(name, role, price)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.updates(name)[-1].price == price
    assert desk.status(name) is Status.WORKING
    assert sorted(float(o["stop_price"] or o["limit_price"]) for o in desk.books.open) == sorted([price, 110.0 if role is Role.STOP else 90.0])


def test_a_replacement_that_is_taken_back_leaves_the_old_order_with_the_name(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.replace_reject", role="stop_loss")

    async def act(desk: Desk) -> None:
        await held(desk)
        desk.replace(STOP, Role.STOP, 95.0)
        await desk.step(2)
        assert desk.answers(STOP) == [Outcome.ACCEPTED, Outcome.REJECTED]
        desk.replace(STOP, Role.STOP, 96.0)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert [(o["type"], o["stop_price"]) for o in desk.books.open if o["type"] == "stop"] == [("stop", "96")]
    assert desk.status(STOP) is Status.WORKING


def test_a_fill_that_beats_the_replacement_counts_once(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.replace_reject", role="take_profit", fill=True)

    async def act(desk: Desk) -> None:
        await held(desk)
        desk.replace(TARGET, Role.TARGET, 120.0)
        await desk.step(3)
        await desk.broker.catch_up(0)
        await desk.step(1)

    desk = play(exchange, known, act)
    assert desk.books.positions == {}
    assert (desk.filled(TARGET), desk.status(TARGET), desk.status(STOP)) == (10, Status.FILLED, Status.CANCELED)
    assert Outcome.REJECTED in desk.answers(TARGET)


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_replacement_without_an_answer_is_found_out(exchange: Exchange, known: Settings, stage: str) -> None:
    exchange.inject(kind="rest.reset", stage=stage, **PATCH)

    async def act(desk: Desk) -> None:
        await held(desk)
        desk.replace(STOP, Role.STOP, 95.0)
        await desk.step(5)

    desk = play(exchange, known, act)
    assert desk.answers(STOP) == [Outcome.UNKNOWN, Outcome.ACCEPTED if stage == "after" else Outcome.REJECTED]
    resting = [o["stop_price"] for o in desk.books.open if o["type"] == "stop"]
    assert resting == ["95" if stage == "after" else "90"]
    assert desk.updates(STOP)[-1].price == float(resting[0])


def test_a_mute_stream_does_not_hide_who_carries_the_name(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="stream.mute", stream="trading")

    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(2, heard=False)
        await desk.broker.catch_up(0)
        desk.replace(STOP, Role.STOP, 95.0)
        await desk.step(2, heard=False)
        await desk.broker.catch_up(0)
        await desk.settle(heard=False)

    desk = play(exchange, known, act)
    assert (desk.status(STOP), desk.updates(STOP)[-1].price) == (Status.WORKING, 95.0)


# --- reading the account


def test_a_successor_of_a_run_that_died_recognises_its_orders_through_a_chain_of_replacements(exchange: Exchange, known: Settings) -> None:
    async def first(desk: Desk) -> None:
        await held(desk)
        for price in (95.0, 96.0):
            desk.replace(STOP, Role.STOP, price)
            await desk.step(2)

    async def second(desk: Desk) -> None:
        desk.broker.resume([bracket()], [])
        await desk.broker.catch_up(0)
        desk.cancel(STOP)
        await desk.step(2)

    play(exchange, known, first)
    desk = play(exchange, known, second)
    assert [e.price for e in desk.updates(STOP)] == [96.0, 96.0]
    assert desk.books.open == []


def test_six_hundred_orders_are_read_to_the_last(exchange: Exchange, known: Settings) -> None:
    limit = {"symbol": "AAA", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1", "time_in_force": "day"}
    exchange.inject(kind="match.manual", order=limit, copies=600)
    exchange.step(2)
    route = connect(known)
    assert len(reading.orders(route, status="open")) == 600
    assert len({body["id"] for body in reading.orders(route, status="all", since=0)}) == 600
    assert len(reading.standing(route, 0).resting) == 600


def test_executions_are_read_to_the_last(exchange: Exchange, known: Settings) -> None:
    buy = {"symbol": "AAA", "side": "buy", "qty": "1", "type": "market", "time_in_force": "day"}
    exchange.inject(kind="match.manual", order=buy, copies=250)
    exchange.step(5)
    rows = reading.executions(connect(known), 0)
    assert len({row["id"] for row in rows}) == 250


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        ({"kind": "rest.status", "status": 500}, "/v2/positions"),
        ({"kind": "rest.reset"}, "/v2/orders"),
        ({"kind": "rest.remove", "field": "equity"}, "/v2/account"),
    ],
    ids=["positions", "orders", "account"],
)
def test_a_query_that_fails_is_not_flat(exchange: Exchange, known: Settings, fault: dict[str, Any], path: str) -> None:
    exchange.inject(**fault, path=path, method="GET")
    with pytest.raises(Unreachable):
        reading.standing(connect(known), 0)


def test_what_rests_is_read_with_what_it_can_do(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.partial", role="entry", shares=4)

    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(2)

    play(exchange, known, act)
    found = reading.standing(connect(known), 0)
    assert {symbol: held.quantity for symbol, held in found.held.items()} == {"AAA": 4}
    assert [(r.type, r.left, r.armed, r.closes) for r in found.resting] == [
        ("market", 6, True, False),
        ("limit", 10, False, True),
        ("stop", 10, False, True),
    ]
    assert len({r.pair for r in found.resting}) == 2, "the exits are one pair, the entry stands for itself"


@pytest.mark.parametrize("mode", ["account", "trading", "closing"])
def test_restrictions_of_the_account_are_seen(exchange: Exchange, known: Settings, mode: str) -> None:
    exchange.inject(kind="rest.blocked", mode=mode)
    expected = {"account": ("trading_blocked", "account_blocked"), "trading": ("trading_blocked",), "closing": ("status LIMITED",)}
    assert reading.standing(connect(known), 0).restrictions == expected[mode]


def test_trades_of_other_clients_are_found_by_their_executions(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="stream.mute", stream="trading")

    async def act(desk: Desk) -> None:
        exchange.inject(kind="match.manual", order={"symbol": "AAA", "side": "buy", "qty": "3", "type": "market", "time_in_force": "day"})
        await desk.step(3, heard=False)
        await desk.broker.audit(0)

    desk = play(exchange, known, act)
    assert [(e.symbol, e.filled, e.status) for e in desk.said] == [("AAA", 3, Status.FILLED)]  # type: ignore[union-attr]
