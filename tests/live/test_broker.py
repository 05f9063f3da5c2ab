"""Orders through alpaca-py against the simulated exchange: what the venue's books say, and what we were told."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from desk import Desk, bracket, oco, play, sale, settings, world
from hypothesis import given
from hypothesis import strategies as st

from live.brokers.budget import Budget
from live.brokers.route import connect
from live.clock import SECOND, SteppedClock
from live.sim.embedded import Exchange
from pipelines.core.errors import OrderRejected
from pipelines.core.trading.events import Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.settings import Settings

Act = Callable[[Desk], Any]
ENTRY, STOP, TARGET = "d-0001-entry", "d-0001-entry/stop", "d-0001-entry/target"
ORDERS = {"method": "POST", "path": "/v2/orders"}


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path) -> Settings:
    return settings(exchange.url, tmp_path)


def once(desk: Desk, name: str = ENTRY) -> bool:
    return len(desk.books.named(name)) == 1


async def bought(desk: Desk) -> None:
    desk.submit(bracket())
    await desk.step(2)
    assert desk.status(ENTRY) is Status.FILLED


# --- every shape, under our names


def test_a_bracket_fills_and_its_legs_carry_our_names(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await bought(desk)
        desk.cancel(TARGET)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.answers(ENTRY) == [Outcome.ACCEPTED]
    assert (desk.status(TARGET), desk.status(STOP)) == (Status.CANCELED, Status.CANCELED)
    assert desk.books.positions == {"AAA": 10}


@pytest.mark.parametrize(
    ("shape", "kinds"), [(Shape.OTO, [("limit", "canceled"), ("stop", "canceled")]), (Shape.SIMPLE, [("limit", "canceled")])], ids=["oto", "simple"]
)
def test_a_limit_entry_rests_at_its_price_and_is_cancelled_with_its_stop(
    exchange: Exchange, known: Settings, shape: Shape, kinds: list[tuple[str, str]]
) -> None:
    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, shape, limit=95.0, stop=90.0))
        await desk.step(2)
        assert [(o["limit_price"], o["status"]) for o in desk.books.named(ENTRY)] == [("95", "new")]
        desk.cancel(ENTRY)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert [(o["type"], o["status"]) for o in desk.books.raw["orders"]] == kinds


def test_shares_held_are_protected_by_a_lone_stop_or_a_pair(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.SIMPLE))
        await desk.step(2)
        desk.submit(Order("d-0001-protect1", "AAA", Side.SELL, 4, Shape.STOP, stop=90.0), Role.STOP)
        desk.submit(oco("d-0001-protect2", 6), Role.STOP)
        await desk.step(2)

    desk = play(exchange, known, act)
    assert sorted((o["type"], o["qty"], o["status"]) for o in desk.books.open) == [("limit", "6", "new"), ("stop", "4", "new"), ("stop", "6", "held")]
    assert desk.status("d-0001-protect2/stop") is Status.WORKING


def test_a_refusal_carries_the_brokers_code_and_is_not_tried_again(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        desk.submit(bracket(quantity=1_000_000))
        await desk.step(60, by=20)

    desk = play(exchange, known, act)
    assert (desk.last(ENTRY).outcome, desk.last(ENTRY).code) == (Outcome.REJECTED, 40310000)
    assert "insufficient buying power" in desk.last(ENTRY).message
    assert desk.books.raw["orders"] == []


def test_the_third_of_five_entries_lacks_buying_power_and_the_others_go_on(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.refuse", reason="buying_power", client_order_id="d-0003-entry")

    async def act(desk: Desk) -> None:
        for n in range(1, 6):
            desk.submit(bracket(f"d-000{n}-entry", 1))
        await desk.step(3)

    desk = play(exchange, known, act)
    assert [desk.books.status(f"d-000{n}-entry") for n in range(1, 6)] == ["filled", "filled", None, "filled", "filled"]
    assert desk.answers("d-0003-entry") == [Outcome.REJECTED]


# --- no answer


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rest.reset", "stage": "before"},
        {"kind": "rest.reset", "stage": "after"},
        {"kind": "rest.stall", "seconds": 0.05, "stage": "before"},
        {"kind": "rest.status", "status": 504, "stage": "after"},
        {"kind": "rest.status", "status": 502, "body": "html", "stage": "before"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
@pytest.mark.parametrize("role", [Role.ENTRY, Role.EXIT])
def test_an_order_without_an_answer_is_unknown_until_the_broker_tells_and_is_one_order(
    exchange: Exchange, known: Settings, fault: dict[str, Any], role: Role
) -> None:
    async def act(desk: Desk) -> None:
        if role is Role.EXIT:
            desk.submit(Order("d-0000-entry", "AAA", Side.BUY, 10, Shape.SIMPLE))
            await desk.step(2)
        exchange.inject(**fault, **ORDERS)
        desk.submit(bracket() if role is Role.ENTRY else sale(ENTRY), role)
        await desk.step(15)

    desk = play(exchange, known, act)
    assert desk.answers(ENTRY) == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert [order["status"] for order in desk.books.named(ENTRY)] == ["filled"]
    assert desk.status(ENTRY) is Status.FILLED
    assert desk.books.positions == ({"AAA": 10} if role is Role.ENTRY else {})
    assert desk.books.faults == [fault["kind"]]
    assert desk.tainted == []


@pytest.mark.parametrize("hidden", [2.0, 5.0])
def test_an_order_that_the_broker_does_not_find_at_first_is_not_sent_again(exchange: Exchange, known: Settings, hidden: float) -> None:
    exchange.inject(kind="rest.hidden", seconds=hidden)
    exchange.inject(kind="rest.reset", stage="after", **ORDERS)

    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(12)

    desk = play(exchange, known, act)
    assert desk.answers(ENTRY) == [Outcome.UNKNOWN, Outcome.ACCEPTED]
    assert once(desk)
    assert desk.status(STOP) is Status.WORKING


def test_a_duplicate_id_is_adopted(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(2)
        desk.submit(bracket())
        await desk.step(2)

    desk = play(exchange, known, act)
    assert desk.answers(ENTRY) == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert once(desk)


def test_an_order_under_our_id_that_is_another_is_cancelled_and_its_symbol_quarantined(exchange: Exchange, known: Settings) -> None:
    body = {"symbol": "AAA", "side": "buy", "qty": "7", "type": "limit", "limit_price": "90", "time_in_force": "day", "client_order_id": ENTRY}
    exchange.inject(kind="match.manual", order=body)

    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(3)

    desk = play(exchange, known, act)
    assert desk.tainted == ["AAA"]
    assert [order["status"] for order in desk.books.named(ENTRY)] == ["canceled"]
    assert desk.books.positions == {}


def test_an_order_that_never_arrives_is_sent_once_more_then_its_symbol_is_quarantined_and_it_is_asked_for_on(
    exchange: Exchange, known: Settings
) -> None:
    exchange.inject(kind="rest.reset", stage="before", times=2, **ORDERS)

    async def act(desk: Desk) -> None:
        desk.submit(bracket())
        await desk.step(30, by=2)
        assert (desk.tainted, desk.answers(ENTRY)) == (["AAA"], [Outcome.UNKNOWN])
        await desk.step(340, by=20)

    desk = play(exchange, known, act)
    assert desk.answers(ENTRY) == [Outcome.UNKNOWN, Outcome.REJECTED]
    assert desk.books.faults == ["rest.reset"] * 2
    assert desk.books.raw["orders"] == []


def test_an_entry_that_shows_up_after_it_was_given_up_is_cancelled(exchange: Exchange, known: Settings) -> None:
    hidden = exchange.inject(kind="rest.hidden", seconds=1_000)
    exchange.inject(kind="rest.reset", stage="after", **ORDERS)
    exchange.inject(kind="rest.refuse", reason="other", status=503, skip=0, **ORDERS)
    mute = exchange.inject(kind="stream.mute", stream="trading")

    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.BRACKET, limit=95.0, target=110.0, stop=90.0))
        await desk.step(360, by=20, heard=False)
        assert desk.answers(ENTRY) == [Outcome.UNKNOWN, Outcome.REJECTED]
        exchange.relent(hidden["id"])
        exchange.relent(mute["id"])
        await desk.broker.catch_up(0)
        await desk.step(2, heard=False)

    desk = play(exchange, known, act)
    assert [order["status"] for order in desk.books.named(ENTRY)] == ["canceled"]


# --- the rate limit, and who goes first


def test_more_requests_than_the_broker_allows_wait_and_exits_go_first(exchange: Exchange, tmp_path: Path) -> None:
    known = settings(exchange.url, tmp_path, broker_rate=20, broker_reserve=8)

    async def act(desk: Desk) -> None:
        for n in range(15):
            desk.submit(Order(f"d-{n:04d}-entry", "BBB", Side.BUY, 1, Shape.SIMPLE))
        await desk.step(1)
        assert len(desk.books.raw["orders"]) == 12
        while desk.books.positions != {"BBB": 12}:  # what comes to the venue after its tick is filled at a later one
            await desk.step(1)
        desk.submit(sale("d-0000-exit1", 1, "BBB"), Role.EXIT)
        await desk.step(5)
        assert desk.status("d-0000-exit1") is Status.FILLED
        await desk.step(60, by=10)

    desk = play(exchange, known, act)
    late = [f"d-{n:04d}-entry" for n in range(12, 15)]
    assert [desk.last(name).outcome for name in late] == [Outcome.REJECTED] * 3
    assert len(desk.books.raw["orders"]) == 13


def test_a_429_holds_everybody_for_as_long_as_it_says_and_an_exit_is_sent_after_it(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await bought(desk)
        desk.cancel(TARGET)
        await desk.step(1)
        exchange.inject(kind="rest.limit", path="/v2/*", times=2, retry_after=7)
        desk.submit(sale("d-0001-exit1"), Role.EXIT)
        await desk.step(6)
        assert desk.books.positions == {"AAA": 10}
        await desk.step(12)

    desk = play(exchange, known, act)
    assert desk.books.positions == {}
    assert desk.books.faults == ["rest.limit"] * 2


def test_the_brokers_own_count_is_heeded(tmp_path: Path) -> None:
    """At a real limit of 30 a minute no request is refused: what is not urgent stops before."""
    with Exchange(world(tmp_path, {"AAA": [100.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=30) as exchange:
        exchange.step_to(10, 0)

        async def act(desk: Desk) -> None:
            for n in range(40):
                desk.submit(Order(f"d-{n:04d}-entry", "AAA", Side.BUY, 1, Shape.SIMPLE))
            await desk.step(1)
            desk.submit(sale("d-0000-exit1", 1), Role.EXIT)
            await desk.step(3)
            await desk.step(2)

        desk = play(exchange, settings(exchange.url, tmp_path, broker_reserve=10), act)
    assert desk.status("d-0000-exit1") is Status.FILLED
    assert not [e for e in desk.said if getattr(e, "code", None) == 42910000]


def test_a_look_at_the_account_counts_as_the_three_requests_that_it_is(exchange: Exchange, tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        budget = desk.broker.lanes.budget
        for _ in range(3):
            assert budget.wait(urgent=True) == 0
            await desk.broker.standing()
        assert budget.wait(urgent=True) == 0
        await desk.broker.time()
        assert budget.wait(urgent=True) == 60

    play(exchange, settings(exchange.url, tmp_path, broker_rate=10, broker_reserve=0), act)


@given(gaps=st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=80), limit=st.integers(2, 20), share=st.floats(0, 0.9))
def test_no_minute_holds_more_requests_than_allowed_and_no_more_ordinary_ones_than_are_left(
    gaps: list[tuple[float, bool]], limit: int, share: float
) -> None:
    clock = SteppedClock(0)
    budget = Budget(clock, limit=limit, reserve=(reserve := int(limit * share)))
    sent: list[tuple[int, bool]] = []
    for gap, urgent in gaps:
        clock.set(clock.now() + round(gap * SECOND))
        if budget.wait(urgent=urgent) == 0:
            budget.spend()
            sent.append((clock.now(), urgent))
    for at, urgent in sent:
        window = [when for when, _ in sent if at - 60 * SECOND < when <= at]
        assert len(window) <= limit
        before = [when for when in window if when < at]
        assert urgent or len(before) < limit - reserve


# --- exits that are refused for the moment


@pytest.mark.parametrize("seconds", [0.1, 3.0, 10.0])
def test_an_exit_waits_for_shares_that_a_cancelled_order_still_holds(exchange: Exchange, known: Settings, seconds: float) -> None:
    exchange.inject(kind="rest.held", seconds=seconds)

    async def act(desk: Desk) -> None:
        await bought(desk)
        desk.cancel(TARGET)
        await desk.step(1)
        desk.submit(sale("d-0001-exit1"), Role.EXIT)
        await desk.step(14)

    desk = play(exchange, known, act)
    assert desk.books.positions == {}
    assert desk.answers("d-0001-exit1") == [Outcome.ACCEPTED]


def test_an_exit_cancels_what_holds_its_shares_where_that_is_its_own_trade(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await bought(desk)
        desk.submit(sale("d-0001-exit1"), Role.EXIT)
        await desk.step(5)

    desk = play(exchange, known, act)
    assert desk.books.positions == {}
    assert desk.books.open == []


def test_an_exit_is_refused_where_the_shares_have_gone_and_never_becomes_a_short_sale(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        desk.submit(sale("d-0001-exit1"), Role.EXIT)
        await desk.step(3)

    desk = play(exchange, known, act)
    assert desk.last("d-0001-exit1").outcome is Outcome.REJECTED
    assert desk.books.raw["orders"] == []


def test_a_wash_trade_is_tried_again_until_the_other_order_is_gone(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.refuse", reason="wash", side="sell", times=4, **ORDERS)

    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.SIMPLE))
        await desk.step(2)
        desk.submit(sale("d-0001-exit1"), Role.EXIT)
        await desk.step(10)

    desk = play(exchange, known, act)
    assert desk.books.faults == ["rest.refuse"] * 4
    assert desk.books.positions == {}


# --- cancels


def test_a_cancel_that_stays_pending_is_said_to_be_accepted_and_the_order_to_live(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.cancel_stuck", symbol="AAA")

    async def act(desk: Desk) -> None:
        await bought(desk)
        desk.cancel(TARGET)
        await desk.step(60, by=20)

    desk = play(exchange, known, act)
    assert desk.answers(TARGET) == [Outcome.ACCEPTED]
    assert desk.status(TARGET) is Status.WORKING


def test_a_fill_after_a_cancel_was_accepted_is_told(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.cancel_fill", symbol="AAA", shares=4)

    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.SIMPLE, limit=95.0))
        await desk.step(2)
        desk.cancel(ENTRY)
        await desk.step(3)

    desk = play(exchange, known, act)
    assert (desk.filled(ENTRY), desk.status(ENTRY)) == (4, Status.CANCELED)
    assert desk.books.positions == {"AAA": 4}


def test_a_cancel_of_an_order_without_an_answer_finds_it_by_its_id(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.reset", stage="after", **ORDERS)

    async def act(desk: Desk) -> None:
        desk.submit(Order(ENTRY, "AAA", Side.BUY, 10, Shape.SIMPLE, limit=95.0))
        await desk.settle()
        desk.cancel(ENTRY)
        await desk.step(3)

    desk = play(exchange, known, act)
    assert [order["status"] for order in desk.books.named(ENTRY)] == ["canceled"]


# --- an answer that is no JSON


def test_a_broken_error_body_is_still_a_refusal(tmp_path: Path) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "14")
            self.end_headers()
            self.wfile.write(b"<html>no</html"[:14])

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(OrderRejected) as refusal:
            connect(settings(f"http://127.0.0.1:{server.server_port}", tmp_path)).get_account()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (refusal.value.status, refusal.value.code) == (401, None)


def test_the_form_is_what_alpaca_knows_of_each_role(exchange: Exchange, known: Settings) -> None:
    async def act(desk: Desk) -> None:
        await bought(desk)

    desk = play(exchange, known, act)
    order = desk.books.named(ENTRY)[0]
    raw = httpx.get(f"{exchange.url}/v2/orders/{order['id']}", headers={"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}).json()
    assert (raw["position_intent"], raw["time_in_force"], raw["order_class"]) == ("buy_to_open", "day", "bracket")
