"""Execution quality from a session's journal tables: shortfall, stages, the funnel, and what a refused wish would have earned."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.core.analytics import books
from pipelines.core.analytics.execution import execution
from pipelines.core.analytics.scope import Scope
from pipelines.core.analytics.session import ledger
from pipelines.core.analytics.wishes import CANDIDATES, EXITS, play, tried

DAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
KEY = {"session": DAY, "run": "r1"}


def after(milliseconds: float) -> datetime:
    return AT + timedelta(milliseconds=milliseconds)


def frame(name: str, *rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([KEY | row for row in rows], schema=ledger.SCHEMAS[name])


def order(name: str, **more: Any) -> dict[str, Any]:
    entry = {
        "order": name, "trade": name.partition("-")[0], "symbol": "AAA", "side": "buy", "role": "entry", "quantity": 100, "status": "filled",
        "filled": 100, "average": 100.05, "reference": 100.0, "arrival": 100.0, "last": 101.0, "strategy": "orb", "feed": "sip",
        "received_at": AT, "submitted_at": AT, "decided_at": after(2), "durable_at": after(5), "sent_at": after(6), "answered_at": after(40),
        "filled_at": after(90), "updated_at": after(100),
    }  # fmt: skip
    return entry | more


def tables(*orders: dict[str, Any], speed: float = 1.0) -> books.Tables:
    run = {"mode": "paper", "account": "PA1", "speed": speed, "origin": "vendor", "regime": "calm"}
    fills = [
        {"order": o["order"], "trade": o["trade"], "symbol": "AAA", "side": o["side"], "role": o["role"], "quantity": o["filled"],
         "price": o["average"], "at": AT}
        for o in orders if o["filled"]
    ]  # fmt: skip
    return {**ledger.empty(), "runs": frame("runs", run), "orders": frame("orders", *orders), "fills": frame("fills", *fills)}


def measured(*orders: dict[str, Any], speed: float = 1.0) -> Any:
    return execution(books.executions(tables(*orders, speed=speed)), CANDIDATES.to_frame(), Scope())


def test_shortfall_is_cost_and_what_was_missed_and_fees() -> None:
    """Perold's three parts, worked out by hand: 60 of 100 shares at 5 cents above arrival; the other 40 would have gained a dollar each."""
    found = measured(order("t1-entry", filled=60, status="canceled")).numbers
    assert found.cost == pytest.approx(60 * 0.05)
    assert found.missed == pytest.approx(40 * 1.0)
    assert found.fees == pytest.approx(0.01), "CAT on 60 shares is less, but the broker rounds a day's up to the cent"
    assert found.shortfall == pytest.approx(3 + 40 + found.fees)
    assert found.shortfall_bp == pytest.approx(found.shortfall / 6_000 * 1e4)
    assert (found.cost_bp, found.median_bp, found.fill_rate) == (pytest.approx(5.0), pytest.approx(5.0), 0.6)


def test_a_sell_below_its_reference_costs_and_an_exit_that_rested_is_measured_against_its_own_price() -> None:
    rows = [
        order("t1-entry"),
        order("t1-exit", role="exit", side="sell", average=99.9, reference=100.0),
        order("t2-entry"),
        order("t2-stop", role="stop", side="sell", average=97.95, reference=98.0, stop=98.0),
        order("t3-entry"),
        order("t3-target", role="target", side="sell", average=104.02, reference=104.0),
    ]
    found = measured(*rows)
    costs = dict(found.by["type"].select("type", "cost").iter_rows())
    assert costs["stop"] == pytest.approx(100 * 0.05)
    assert costs["limit"] == pytest.approx(-100 * 0.02), "better than its price"
    assert costs["market"] == pytest.approx(3 * 100 * 0.05 + 100 * 0.1)
    assert found.numbers.missed == 0


def test_exits_that_were_not_needed_count_as_no_order() -> None:
    unused = order("t1-entry/stop", role="stop", side="sell", filled=0, average=None, status="canceled", filled_at=None)
    found = measured(order("t1-entry"), unused)
    assert (found.numbers.orders, found.numbers.fill_rate) == (1, 1.0)


def test_stages_are_told_one_by_one_and_only_where_they_were_written_down() -> None:
    old = order("t2-entry", decided_at=None, durable_at=None, sent_at=None)
    found = measured(order("t1-entry"), old).latency
    stages = {row["stage"]: (row["orders"], row["p50"]) for row in found.iter_rows(named=True)}
    assert stages == {"decide": (1, 2.0), "journal": (1, 3.0), "send": (1, 1.0), "acknowledge": (1, 34.0), "fill": (2, 50.0), "to_fill": (2, 90.0)}


def test_what_the_machine_takes_is_of_its_own_clock_and_unknown_where_the_sessions_stood_still() -> None:
    fast = {row["stage"]: row["p50"] for row in measured(order("t1-entry"), speed=10.0).latency.iter_rows(named=True)}
    assert fast == {"decide": 0.2, "journal": 0.3, "send": 0.1, "acknowledge": 3.4, "fill": 50.0, "to_fill": 90.0}
    assert measured(order("t1-entry"), speed=0.0).latency["stage"].to_list() == ["to_fill"]


def test_nothing_traded_is_nothing_known() -> None:
    found = execution(books.EXECUTIONS.to_frame(), CANDIDATES.to_frame(), Scope())
    assert (found.numbers.orders, found.numbers.cost) == (0, 0)
    assert all(getattr(found.numbers, name) is None for name in ("fill_rate", "cost_bp", "median_bp", "shortfall_bp", "seconds_to_fill"))
    assert found.latency.is_empty()


def wish(code: str | None, outcome: str, forgone: float | None, *, first: bool = True, wanted: int = 10) -> dict[str, Any]:
    return {
        "session": DAY, "book": "paper PA1", "mode": "paper", "symbol": "AAA", "strategy": "orb", "side": "buy", "outcome": outcome, "code": code,
        "setting": code and f"MAX_{code}", "value": 0.06, "limit": 0.05, "forgone_r": None,
        "forgone": forgone, "wanted": wanted, "first": first,
        "quantity": 0 if outcome == "refused" else wanted // 2,
    }  # fmt: skip


def test_the_funnel_counts_everything_and_a_repeated_wish_is_forgone_once() -> None:
    wishes = [
        wish("SECTOR", "refused", 12.0), wish("SECTOR", "refused", 11.0, first=False), wish("HEAT", "refused", -30.0),
        wish("SECTOR", "reduced", 4.0), wish(None, "entered", None), wish(None, "entered", None),
    ]  # fmt: skip
    candidates = pl.DataFrame(wishes, schema={name: CANDIDATES[name] for name in wishes[0]})
    found = execution(books.executions(tables(order("t1-entry"), order("t2-entry", filled=0, average=None))), candidates, Scope())
    steps = {(row["step"], row["code"]): row["candidates"] for row in found.funnel.iter_rows(named=True)}
    assert steps == {
        ("wanted", None): 6,
        ("refused", "SECTOR"): 2,
        ("refused", "HEAT"): 1,
        ("reduced", "SECTOR"): 1,
        ("sent", None): 2,
        ("filled", None): 1,
    }
    forgone = {row["code"]: (row["candidates"], row["shares"], row["forgone"]) for row in found.refused.iter_rows(named=True)}
    assert forgone == {"SECTOR": (2, 15, 16.0), "HEAT": (1, 10, -30.0)}


# --- what a wish would have earned


def lane(*bars: tuple[float, float, float, float]) -> tuple[Any, ...]:
    start = np.arange(len(bars), dtype=np.int64) * 60
    return (start, *(np.array(values, dtype=np.float64) for values in zip(*bars, strict=True)))


RISING = lane((100, 100.5, 99.8, 100.2), (100.2, 101.2, 100.1, 101.0), (101.0, 103.0, 100.9, 102.5), (102.5, 102.6, 97.0, 97.5))


@pytest.mark.parametrize(
    ("side", "stop", "target", "until", "earned"),
    [
        (1, 99.0, 102.0, 240, 2.0),  # goes through the target by more than a tick
        (1, 99.0, 103.0, 240, -1.0),  # only touches it, then the stop
        (1, 99.9, 102.0, 240, -0.1),  # the bar that fills it also stops it out
        (1, 99.0, 110.0, 180, 2.5),  # neither: the last close before everything is closed
        (1, 96.0, 110.0, 240, -2.5),
        (-1, 102.0, 99.9, 240, -2.0),  # the bar that fills it cannot reach its target
        (-1, 104.0, 97.0, 240, 2.5),  # touched only
        (-1, 104.0, 97.5, 240, 2.5),
    ],
)
def test_a_wish_is_played_by_the_rules_of_the_fills(side: int, stop: float, target: float, until: int, earned: float) -> None:
    assert play(*RISING, 0, until, side, stop, target) == pytest.approx(earned)


def test_a_gap_takes_the_stop_where_the_market_is_and_a_wish_beyond_it_was_never_sent() -> None:
    gap = lane((100, 100.1, 99.9, 100), (95, 96, 94, 95))
    assert play(*gap, 0, 120, 1, 99.0, np.nan) == pytest.approx(-5.0)
    assert np.isnan(play(*gap, 60, 120, 1, 99.0, np.nan)), "it would have opened below its stop"
    assert np.isnan(play(*gap, 120, 120, 1, 90.0, np.nan)), "no minute was left"


def test_every_pair_of_exits_is_the_same_play() -> None:
    near, far = np.array([1.0, 0.1, 4.0]), np.array([2.0, 2.0, 10.0])
    found = tried(*RISING, 0, 240, 1, 100.0, near, far)
    assert found.tolist() == [play(*RISING, 0, 240, 1, 100.0 - n, 100.0 + f) for n, f in zip(near, far, strict=True)]
    assert EXITS.names()[:3] == ["session", "book", "mode"]
