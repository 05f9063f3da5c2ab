"""A session under faults of the broker: what the venue's books say must hold whatever goes wrong (rows of the fault matrix in each test's name)."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from floor import Floor, floor_settings, play

from live.sim.embedded import Exchange
from pipelines.core.trading.decisions import TradingState
from pipelines.core.trading.events import Answer, Outcome
from pipelines.settings import Settings


def manual(exchange: Exchange, **what: Any) -> dict[str, Any]:
    answer = httpx.post(f"{exchange.url}/sim/manual", json=what)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_clean_session_is_protected_and_goes_home_flat(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        assert floor.protected()
        await floor.step_to(15, 44, by=600)
        await floor.step(120, by=5)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert [c.quantity for c in floor.closed] == [100]
    assert floor.runner.oversight.flat
    assert set(floor.codes) <= {"FEED"}


# --- the update stream


def test_f2_a_mute_update_stream_changes_nothing(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="stream.mute", stream="trading")

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(20, heard=False)
        assert floor.protected()
        floor.close()
        await floor.step(25, heard=False)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert [c.quantity for c in floor.closed] == [100]


@pytest.mark.parametrize("kind", ["rest.reset", "rest.status"])
@pytest.mark.parametrize("stage", ["before", "after"])
def test_f16_f17_f18_an_entry_without_an_answer_is_one_position(exchange: Exchange, known: Settings, kind: str, stage: str) -> None:
    exchange.inject(kind=kind, stage=stage, method="POST", path="/v2/orders")

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(15)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 100}
    assert floor.protected()
    assert Outcome.UNKNOWN in [event.outcome for event in floor.events if isinstance(event, Answer)]


def test_f22_an_entry_without_buying_power_is_refused_once(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.refuse", reason="buying_power", times=0)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(20)

    floor = play(exchange, known, act)
    assert floor.books.faults == ["rest.refuse"]
    assert floor.books.raw["orders"] == []


def test_f23_shares_are_protected_although_a_plain_order_of_the_other_side_rests(exchange: Exchange, known: Settings) -> None:
    """Somebody's own limit order to buy rests; a partly filled entry needs its own protection beside it."""
    exchange.inject(kind="match.partial", role="entry", shares=40)

    async def act(floor: Floor) -> None:
        await floor.step(1)
        manual(exchange, order={"symbol": "AAA", "side": "buy", "qty": "1", "type": "limit", "limit_price": "80", "time_in_force": "day"})
        floor.buy()
        await floor.step(20)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 40}
    assert floor.protected()


@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_f24_shares_that_stay_held_delay_the_exit_and_no_more(exchange: Exchange, known: Settings, seconds: float) -> None:
    exchange.inject(kind="rest.held", seconds=seconds)

    async def act(floor: Floor) -> None:
        await floor.held()
        floor.close()
        await floor.step(seconds + 6)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []


# --- fills


@pytest.mark.parametrize("shares", [1, 99])
def test_f25_a_partly_filled_entry_is_protected_within_ten_seconds(exchange: Exchange, known: Settings, shares: int) -> None:
    exchange.inject(kind="match.partial", role="entry", shares=shares)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(11)
        assert floor.protected()
        await floor.step(30, by=5)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": shares}
    assert floor.protected()
    assert "NAKED" not in floor.codes


def test_f26_a_partly_filled_target_leaves_the_rest_protected(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="match.partial", role="take_profit", shares=30, start="arrival")
        exchange.inject(kind="match.jump", symbol="AAA", percent=12)
        await floor.step(180, by=20)
        await floor.step(10)

    exchange.inject(kind="match.partial", role="take_profit", shares=30)
    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 70}
    assert floor.protected()


def test_f27_both_exits_fill_and_the_short_is_bought_back(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.both", symbol="AAA")

    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="match.jump", symbol="AAA", percent=12)
        await floor.step(180, by=10)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert "BOTH_EXITS_FILLED" in floor.codes


@pytest.mark.parametrize("silent", [False, True])
def test_f28_a_stop_that_the_broker_cancels_is_replaced(exchange: Exchange, known: Settings, silent: bool) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="match.cancel", symbol="AAA", role="stop_loss", silent=silent)
        await floor.step(20)
        assert floor.protected()

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 100}
    assert "NAKED" not in floor.codes


def test_f29_a_stop_that_the_price_has_passed_becomes_a_sale(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.partial", role="entry", shares=40)
    exchange.inject(kind="rest.refuse", reason="stop_price", status=422, client_order_id="*protect*", times=0)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(30)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []


def test_f31_a_cancel_that_stays_pending_is_told_and_the_guard_does_not_sleep(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        stuck = exchange.inject(kind="match.cancel_stuck", symbol="AAA", times=2)
        floor.close()
        await floor.step(60, by=2)
        assert "NAKED" in floor.codes, "a stop that is being cancelled protects nobody"
        exchange.relent(stuck["id"])

    play(exchange, known, act)


def test_f32_a_fill_after_the_cancel_is_protected(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="match.partial", role="entry", shares=40)
    exchange.inject(kind="match.cancel_fill", role="entry", shares=25)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(20)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 65}
    assert floor.protected()


# --- what others do


def test_f34_a_position_that_somebody_closes_by_hand_is_closed_here_too(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        for order in floor.books.open:
            if order["type"] == "limit":
                manual(exchange, cancel=order["id"])
        await floor.step(0.2, by=0.2)
        exchange.step(0.3)
        manual(exchange, close="AAA")
        await floor.step(30)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}, "no sale of ours may have made it a short"
    assert floor.books.open == []
    assert len(floor.closed) == 1
    assert floor.state is TradingState.ACTIVE


def test_f34_cancelled_exits_come_back(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        for order in floor.books.open:
            if order["type"] == "limit":
                manual(exchange, cancel=order["id"])
        await floor.step(10)

    floor = play(exchange, known, act)
    assert floor.protected()
    assert floor.books.positions == {"AAA": 100}


@pytest.mark.parametrize(("policy", "left"), [("leave", {"BBB": 7}), ("protect", {"BBB": 7}), ("close", {})])
def test_f34_somebody_elses_position_is_treated_as_the_settings_say(exchange: Exchange, tmp_path: Path, policy: str, left: dict[str, int]) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        manual(exchange, order={"symbol": "BBB", "side": "buy", "qty": "7", "type": "market", "time_in_force": "day"})
        await floor.step(40)
        assert floor.protected()

    floor = play(exchange, floor_settings(exchange.url, tmp_path / "home", external=policy), act)
    assert floor.books.positions == {"AAA": 100, **left}
    assert floor.protected("BBB") is (policy != "leave")
    assert "POSITIONS_DIFFER" in floor.codes


def test_f35_an_empty_or_failed_answer_is_not_flat(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="rest.empty", times=1)
        await floor.step(12)
        exchange.inject(kind="rest.status", status=500, method="GET", path="/v2/positions", times=2)
        await floor.step(12)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 100}
    assert floor.protected()
    assert floor.state is TradingState.ACTIVE
    assert "POSITIONS_DIFFER" not in floor.codes


def test_f35_positions_that_stay_empty_while_the_account_is_worth_them_cost_no_stop(exchange: Exchange, known: Settings) -> None:
    """Found by a day of random faults: after fifteen seconds the guard took the stops for exits without shares and cancelled them again and again."""

    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="rest.empty", for_=40)
        await floor.step(60)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 100}
    assert floor.protected()
    assert "OVERPROTECTED" not in floor.codes
    assert [o["status"] for o in floor.books.raw["orders"] if o["symbol"] == "AAA"] == ["filled", "new", "held"], "nothing was cancelled or sent anew"


def test_f36_orders_that_lag_behind_positions_cause_no_second_exit(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.stale", seconds=10)

    async def act(floor: Floor) -> None:
        await floor.held()
        await floor.step(15)
        assert floor.protected()
        floor.close()
        await floor.step(30)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert [f["qty"] for f in floor.books.raw["fills"] if f["side"] == "sell"] == ["100"]


def test_f37_six_hundred_orders_of_others_hide_none_of_ours(exchange: Exchange, known: Settings) -> None:
    limit = {"symbol": "BBB", "side": "buy", "qty": "1", "type": "limit", "limit_price": "1", "time_in_force": "day"}
    mute = exchange.inject(kind="stream.mute", stream="trading")

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(2, heard=False)
        exchange.inject(kind="match.manual", order=limit, copies=600)
        await floor.step(12, by=3, heard=False)
        assert floor.runner.engine.portfolio is not None
        assert floor.runner.engine.portfolio.quantity("AAA") == 100
        assert len(floor.runner.oversight.reconciler.external) == 600
        exchange.relent(mute["id"])

    floor = play(exchange, known, act)
    assert floor.protected()


# --- the account, the kill switch, the end


def test_f38_an_account_that_may_only_close_stops_the_entries(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="rest.blocked", mode="closing")
        await floor.step(8)
        floor.close()
        await floor.step(10)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.state is TradingState.HALTED
    assert "ACCOUNT_RESTRICTED" in floor.codes


def test_f46_a_kill_while_ten_entries_are_in_flight_leaves_nothing(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.reset", stage="after", method="POST", path="/v2/orders", times=3)

    async def act(floor: Floor) -> None:
        for n in range(10):
            floor.buy("AAA" if n % 2 else "BBB", 10, name=f"open-{n}")
        floor.flatten()
        await floor.step(40)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert floor.state is TradingState.HALTED


def test_f47_the_daily_loss_closes_all_and_what_is_unknown_too(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held(quantity=400)
        exchange.inject(kind="rest.reset", stage="after", method="POST", path="/v2/orders")
        floor.buy("BBB", 100)
        exchange.inject(kind="match.jump", symbol="AAA", percent=-20)
        await floor.step(150, by=2)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert floor.state is TradingState.HALTED


def test_f49_a_broker_that_is_down_to_the_close_is_told_at_once_and_protection_rests(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        await floor.step_to(15, 44, by=600)
        exchange.inject(kind="rest.status", status=503, path="/v2/*", times=0)
        await floor.step(120, by=5)
        assert "BROKER_SILENT" in floor.codes
        assert floor.protected(), "what rests at the broker stays there"

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 100}
    assert floor.closed == []


def test_an_engine_that_does_not_close_in_time_is_helped(exchange: Exchange, known: Settings) -> None:
    """Every exit of the engine is refused: ten minutes before the close the guard sells, past it."""
    exchange.inject(kind="rest.refuse", reason="other", client_order_id="*-exit*", times=0)

    async def act(floor: Floor) -> None:
        await floor.held()
        await floor.step_to(15, 44, by=600)
        await floor.step(150, by=10)
        assert floor.books.positions == {"AAA": 100}
        await floor.step(300, by=10)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert "NOT_FLAT" in floor.codes
    assert [c.quantity for c in floor.closed] == [100]


def test_an_engine_that_places_no_stop_is_overruled(exchange: Exchange, known: Settings) -> None:
    """Neither protection nor exit of the engine gets through: the guard's own stop does, and is not fought over."""
    exchange.inject(kind="match.partial", role="entry", shares=40)
    exchange.inject(kind="rest.status", status=503, client_order_id="2026*protect*", times=0)
    exchange.inject(kind="rest.status", status=503, client_order_id="2026*exit*", times=0)

    async def act(floor: Floor) -> None:
        floor.buy()
        await floor.step(60)

    floor = play(exchange, known, act)
    assert floor.books.positions == {"AAA": 40}
    assert floor.protected()
    assert {"NAKED", "GUARDED"} <= set(floor.codes)
    assert [o["client_order_id"] for o in floor.books.open if o["type"] == "limit"] == ["guard-20261120-test-AAA-1"]
