"""The gate: each control refuses what it is for, with its numbers and where its limit came from, and only that."""

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import SECTORS, briefing_of, symbol_brief

from pipelines.core.briefing import Briefing
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.risk import gate, permissions, rooms, sizing
from pipelines.core.risk.checks import Ask, Book, Code, Exposure, Facts, Proposal
from pipelines.core.risk.gate import Approved, Denied, Reduced, admit
from pipelines.core.risk.limits import Limits, source_of
from pipelines.core.risk.permissions import PERMISSIONS
from pipelines.core.risk.rooms import ROOMS
from pipelines.core.trading import seats

ROOT = Path(__file__).parents[3]

Correlate = Callable[[str, str], float | None]
HOUR = 60 * MINUTE


def alone(a: str, b: str) -> float | None:
    return 0.0


def together(a: str, b: str) -> float | None:
    return 0.9


def held(*symbols: str, value: float = 2_000.0, heat: float = 60.0, strategy: str = "momentum") -> tuple[Exposure, ...]:
    return tuple(Exposure(strategy, symbol, value, heat) for symbol in symbols)


def book(**changes: Any) -> Book:
    plain = Book(
        equity=100_000,
        start=100_000,
        peak=100_000,
        buying_power=100_000,
        state="active",
        feeds={"alpaca": True},
        exposures=(),
        budgets={},
        stopped={},
        resting={},
        entries={},
        requests=0,
    )
    return msgspec.structs.replace(plain, **changes)


def proposal(briefing: Briefing, **changes: Any) -> Proposal:
    at = changes.pop("at", briefing.hours.open + HOUR)
    facts = msgspec.structs.replace(Facts(100.0, at - MINUTE), **changes.pop("facts", {}))
    plain = Proposal("momentum", "AAPL", 1, 20, 100.0, 3.0, facts, at)
    return msgspec.structs.replace(plain, **changes)


def verdict(
    briefing: Briefing, wish: dict[str, Any] | None = None, state: dict[str, Any] | None = None, correlate: Correlate = alone, **limits: Any
) -> Approved | Reduced | Denied:
    return admit(Ask(proposal(briefing, **(wish or {})), book(**(state or {})), briefing, Limits(**limits), correlate))


def test_an_ordinary_entry_is_approved_and_shows_every_control_with_its_origin(briefing: Briefing) -> None:
    found = verdict(briefing, {"facts": {"low": 90.0, "high": 110.0}}, {"budgets": {"momentum": 1.0}})
    assert isinstance(found, Approved)
    assert found.quantity == 20
    assert {check.code for check in found.checks} == set(Code) - {Code.SHORTABLE, Code.SCORE, *ELSEWHERE, *MODELS}
    assert all(check.passed and check.origin and check.detail for check in found.checks)


def test_a_model_passes_the_same_controls_and_two_of_its_own(briefing: Briefing) -> None:
    def asked(**opened: tuple[int, float]) -> Approved | Reduced | Denied:
        return verdict(briefing, {"model": "mcp claude"}, {"models": {f"mcp {name}": done for name, done in opened.items()}})

    person, model = verdict(briefing), asked()
    assert isinstance(person, Approved) and isinstance(model, Approved)
    assert {check.code for check in model.checks} == {check.code for check in person.checks} | MODELS
    other = asked(claude=(4, 8_000.0), cursor=(6, 9_000.0))
    assert isinstance(other, Denied), "a program that goes by another name has no other limit"
    assert (other.by.value, other.by.limit, other.by.origin) == (11, 10, "MAX_MODEL_ENTRIES")
    assert other.by.detail == "entry 11 of models today (mcp claude: 4 for 8,000.00, mcp cursor: 6 for 9,000.00)"
    left = asked(claude=(2, 23_500.0))
    assert isinstance(left, Reduced)
    assert (left.quantity, left.by.code, left.by.value, left.by.limit) == (15, Code.MODEL_VALUE, 25_500.0, 25_000.0)


def test_every_control_has_a_test_of_its_no_here() -> None:
    assert {code for _, _, _, code in DENIED} | {code for _, _, code in ROOMY} | BY_BRIEF == set(Code) - ELSEWHERE


MODELS = {Code.MODEL_ENTRIES, Code.MODEL_VALUE}
"""Asked of models alone."""

ELSEWHERE = {Code.QUANTITY, Code.SENSE}
"""No controls of the gate: what sizing leaves, and what never comes to it."""

BY_BRIEF = {Code.REGIME, Code.HISTORY, Code.TRADABLE, Code.SHORTABLE, Code.SESSION, Code.CORRELATION, Code.PARTICIPATION, Code.BETA}
"""Tested one by one below."""

DENIED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], Code]] = [
    ({}, {"state": "halted"}, {}, Code.STATE),
    ({}, {"stopped": {"momentum": "100 entries today"}}, {}, Code.STRATEGY),
    ({"symbol": "ZZZZ"}, {}, {}, Code.BRIEFING),
    ({"at": int(1.8e18)}, {}, {}, Code.BRIEFING),
    ({}, {}, {"restricted": "MSFT, aapl"}, Code.RESTRICTED),
    ({"facts": {"halted": "T1 news pending"}}, {}, {}, Code.HALTED),
    ({"facts": {"tainted": "a trade was cancelled"}}, {}, {}, Code.TAINTED),
    ({"facts": {"seen": 0}}, {}, {}, Code.STALE_DATA),
    ({}, {"feeds": {"alpaca": False, "polygon": False}}, {}, Code.FEED),
    ({"price": 400.0, "quantity": 5}, {}, {}, Code.PRICE_SCALE),
    ({"price": 103.5, "facts": {"price": 100.0}}, {}, {"price_collar_atr": 20}, Code.COLLAR),
    ({"price": 102.5, "facts": {"price": 100.0}}, {}, {"price_collar_atr": 1}, Code.COLLAR),
    ({"facts": {"low": 95.0, "high": 100.0}}, {}, {}, Code.BAND),
    ({"stop": 0.0}, {}, {}, Code.STOP),
    ({"score": 0.44}, {}, {"min_score": 0.45}, Code.SCORE),
    ({"score": math.nan}, {}, {"min_score": 0.45}, Code.SCORE),
    ({}, {"equity": 94_900.0}, {"max_drawdown": 1}, Code.DAILY_LOSS),
    ({}, {"peak": 105_000.0}, {}, Code.DRAWDOWN),
    ({}, {"resting": {"AAPL": (2, 2**62)}}, {}, Code.COOLDOWN),
    ({}, {"resting": {"momentum": (6, 2**62)}}, {}, Code.COOLDOWN),
    ({}, {"entries": {"momentum": 100}}, {}, Code.ENTRIES),
    ({"model": "mcp x"}, {}, {"max_model_entries": 0}, Code.MODEL_ENTRIES),
    ({"model": "mcp x"}, {"models": {"mcp x": (1, 24_500.0)}}, {}, Code.MODEL_VALUE),
    ({}, {"requests": 120}, {}, Code.ORDER_RATE),
    ({}, {"exposures": held("AAPL")}, {}, Code.DUPLICATE),
    ({}, {"exposures": held("AAPL", value=-500, strategy="reversion")}, {}, Code.SELF_CROSS),
    ({}, {"exposures": held("JPM", "XOM")}, {"max_positions": 2}, Code.POSITIONS),
    ({}, {"buying_power": 500.0}, {}, Code.BUYING_POWER),
    ({"side": -1}, {}, {"shorts": False}, Code.SHORTABLE),
]


@pytest.mark.parametrize(("wish", "state", "limits", "code"), DENIED)
def test_it_refuses(wish: dict[str, Any], state: dict[str, Any], limits: dict[str, Any], code: Code, briefing: Briefing) -> None:
    found = verdict(briefing, wish, state, **limits)
    assert isinstance(found, Denied)
    assert (found.by.code, found.by.passed) == (code, False)
    assert found.by.detail
    assert found.by.origin


def under(briefing: Briefing, **changes: object) -> Briefing:
    return briefing.model_copy(update={"regime": briefing.regime.model_copy(update=changes)})


def test_the_regime_may_forbid_entries_and_tightens_two_limits(briefing: Briefing) -> None:
    found = verdict(under(briefing, entries=False))
    assert isinstance(found, Denied)
    assert found.by.code is Code.REGIME
    found = verdict(under(briefing, position_multiplier=0.75, heat_multiplier=0.5))
    assert isinstance(found, Reduced)
    assert (found.quantity, found.by.code, found.by.limit) == (15, Code.POSITION_SIZE, 0.015)
    assert found.by.origin == "MAX_POSITION_SIZE X 0.75 BY REGIME"
    assert {check.code: check.limit for check in found.checks}[Code.HEAT] == 0.005


def test_names_of_one_cluster_are_one_bet(briefing: Briefing) -> None:
    symbols = {s: symbol_brief(s, cluster=3) for s in ("AAPL", "JPM", "XOM", "BAC")}
    found = verdict(briefing.model_copy(update={"symbols": symbols}), state={"exposures": held("JPM", "XOM", "BAC", value=2_500)})
    assert isinstance(found, Denied)
    assert found.by.code is Code.CORRELATION


@pytest.mark.parametrize(
    ("change", "side", "code"),
    [
        ({"history": 14}, 1, Code.HISTORY),
        ({"close": None}, 1, Code.HISTORY),
        ({"tradable": False}, 1, Code.TRADABLE),
        ({"shortable": False}, -1, Code.SHORTABLE),
    ],
)
def test_it_refuses_what_the_briefing_does_not_carry(change: dict[str, Any], side: int, code: Code, briefing: Briefing) -> None:
    changed = briefing.model_copy(update={"symbols": {"AAPL": symbol_brief("AAPL", **change)}})
    found = verdict(changed, {"side": side})
    assert isinstance(found, Denied)
    assert found.by.code is code


def test_without_atr_a_symbol_with_history_may_be_traded(briefing: Briefing) -> None:
    changed = briefing.model_copy(update={"symbols": {"AAPL": symbol_brief("AAPL", atr=None)}})
    assert isinstance(verdict(changed), Approved)


def test_the_buffers_count_from_the_real_open_and_close(briefing: Briefing) -> None:
    def at(moment: int) -> object:
        return verdict(briefing, {"at": moment})

    hours = briefing.hours
    assert isinstance(at(hours.open + 5 * MINUTE - 1), Denied)
    assert isinstance(at(hours.open + 5 * MINUTE), Approved)
    assert isinstance(at(hours.close - 15 * MINUTE - 1), Approved)
    assert isinstance(at(hours.close - 15 * MINUTE), Denied)


def test_a_price_is_stale_from_the_limit_on(briefing: Briefing) -> None:
    at = briefing.hours.open + HOUR
    assert isinstance(verdict(briefing, {"facts": {"seen": at - 150 * SECOND + 1}}), Approved)
    assert isinstance(verdict(briefing, {"facts": {"seen": at - 150 * SECOND}}), Denied)


def test_one_healthy_feed_of_two_is_enough_and_no_word_of_any_is_no_objection(briefing: Briefing) -> None:
    assert isinstance(verdict(briefing, state={"feeds": {"alpaca": False, "polygon": True}}), Approved)
    assert isinstance(verdict(briefing, state={"feeds": {}}), Approved)


ROOMY: list[tuple[dict[str, Any], tuple[Exposure, ...], Code]] = [
    ({"max_position_size": 0.015}, (), Code.POSITION_SIZE),
    ({"max_position_size": 0.025}, held("AAPL", value=1_000, strategy="orb"), Code.POSITION_SIZE),
    ({"max_order_value": 1_500.0}, (), Code.ORDER_VALUE),
    ({"max_order_quantity": 15}, (), Code.ORDER_QUANTITY),
    ({"max_gross_exposure": 0.055}, held("JPM", "XOM"), Code.GROSS),
    ({"max_gross_exposure": 0.11}, held("JPM"), Code.BUDGET),
    ({"max_net_exposure": 0.055}, held("JPM", "XOM"), Code.NET),
    ({"max_sector_exposure": 0.035}, held("MSFT"), Code.SECTOR),
    ({"max_concentration": 0.055}, held("JPM", "XOM"), Code.CONCENTRATION),
    ({"max_portfolio_heat": 0.00105}, held("JPM"), Code.HEAT),
]


@pytest.mark.parametrize(("limits", "exposures", "code"), ROOMY)
def test_a_limit_on_a_sum_cuts_the_quantity_to_what_is_left(
    limits: dict[str, Any], exposures: tuple[Exposure, ...], code: Code, briefing: Briefing
) -> None:
    budgets = {"momentum": 0.3182} if code is Code.BUDGET else {}
    found = verdict(briefing, state={"exposures": exposures, "budgets": budgets}, **limits)
    assert isinstance(found, Reduced)
    assert (found.quantity, found.wanted, found.by.code) == (15, 20, code)
    assert found.by.value > found.by.limit


def test_shares_of_the_day_and_of_the_quote_bound_the_order(briefing: Briefing) -> None:
    thin = briefing.model_copy(update={"symbols": {"AAPL": symbol_brief("AAPL", adv=1_500)}})
    for found in (verdict(thin), verdict(briefing, {"facts": {"displayed": 15.0}})):
        assert isinstance(found, Reduced)
        assert (found.quantity, found.by.code) == (15, Code.PARTICIPATION)


def test_long_and_short_cancel_in_the_net_and_add_up_in_the_gross(briefing: Briefing) -> None:
    short = held("JPM", value=-2_000)
    assert isinstance(verdict(briefing, state={"exposures": short}, max_net_exposure=0.005), Approved)
    found = verdict(briefing, state={"exposures": short}, max_gross_exposure=0.03)
    assert isinstance(found, Reduced)
    assert found.quantity == 10


def test_beta_weighs_the_names_and_an_unknown_one_counts_as_the_market(briefing: Briefing) -> None:
    symbols = {"AAPL": symbol_brief("AAPL", beta=2.0), "JPM": symbol_brief("JPM", beta=None)}
    changed = briefing.model_copy(update={"symbols": symbols})
    found = verdict(changed, state={"exposures": held("JPM")}, max_beta_exposure=0.05)
    assert isinstance(found, Reduced)
    assert (found.quantity, found.by.code) == (15, Code.BETA)  # 2,000 + 2 x 15 x 100 = 5 % of 100,000
    hedge = verdict(changed, {"side": -1}, {"exposures": held("JPM")}, max_beta_exposure=0.05)
    assert isinstance(hedge, Approved)


def test_what_brings_the_market_exposure_down_is_never_refused_for_it(briefing: Briefing) -> None:
    over = held("JPM", "XOM", value=-60_000, heat=0)
    found = verdict(briefing, state={"exposures": over}, max_gross_exposure=4, max_concentration=4)
    assert isinstance(found, Approved)


def test_names_that_move_together_are_one_bet(briefing: Briefing) -> None:
    peers = {"exposures": held("JPM", "XOM", "BAC", value=2_500)}
    assert isinstance(verdict(briefing, state=peers), Approved)
    found = verdict(briefing, state=peers, correlate=together)
    assert isinstance(found, Denied)
    assert found.by.code is Code.CORRELATION
    assert found.by.value == pytest.approx(0.095)
    assert "BAC, JPM, XOM" in found.by.detail


def test_every_limit_says_what_it_is_and_which_rule_it_answers_to() -> None:
    for name, field in Limits.model_fields.items():
        assert field.description, name
        assert source_of(name), name


def test_every_limit_is_asked_by_a_control_or_makes_the_size() -> None:
    """A setting that nothing reads would be a promise."""
    asked = {name for module in (permissions, rooms) for name in re.findall(r"limits\.([a-z_]+)", inspect.getsource(module))}
    asked |= {name for name in Limits.model_fields if f'"{name}"' in inspect.getsource(permissions.cooldown)}
    sized = {name for module in (sizing, seats) for name in re.findall(r"limits\.([a-z_]+)", inspect.getsource(module))}
    assert set(Limits.model_fields) - asked - sized == {"restricted"}
    assert "banned" in asked, "that is the restricted list as symbols"


@given(
    quantity=st.integers(1, 400),
    side=st.sampled_from([-1, 1]),
    price=st.floats(98.1, 101.9),
    stop=st.floats(0.05, 20),
    values=st.lists(st.floats(-5_000, 5_000), min_size=4, max_size=4),
    heats=st.lists(st.floats(0, 300), min_size=4, max_size=4),
)
@settings(max_examples=200)
def test_whatever_is_admitted_stays_within_every_limit(
    quantity: int, side: int, price: float, stop: float, values: list[float], heats: list[float]
) -> None:
    briefing, limits = briefing_of(SECTORS), Limits(max_net_exposure=0.09, max_beta_exposure=0.085, max_concentration=0.12)
    others = [s for s in SECTORS if s != "AAPL"]
    exposures = tuple(Exposure("momentum", s, v, h) for s, v, h in zip(others, values, heats, strict=True))
    found = verdict(
        briefing,
        {"quantity": quantity, "side": side, "price": price, "stop": stop},
        {"exposures": exposures},
        together,
        max_net_exposure=0.09,
        max_beta_exposure=0.085,
        max_concentration=0.12,
    )
    if isinstance(found, Denied):
        return
    value, equity, sizes = found.quantity * price, 100_000.0, [abs(v) for v in values]
    before, after = sum(values), sum(values) + side * value
    assert 1 <= found.quantity <= quantity
    assert value <= limits.max_position_size * equity + 1e-6
    assert value + sum(sizes) <= limits.max_gross_exposure * equity + 1e-6
    assert value + sizes[others.index("MSFT")] <= limits.max_sector_exposure * equity + 1e-6
    assert value + sum(sizes) <= limits.max_correlated_exposure * equity + 1e-6
    assert value + sum(sizes) <= limits.max_concentration * equity + 1e-6
    assert abs(after) <= max(limits.max_net_exposure * equity, abs(before)) + 1e-6
    assert abs(after) <= max(limits.max_beta_exposure * equity, abs(before)) + 1e-6
    assert found.quantity * stop + sum(heats) <= limits.max_portfolio_heat * equity + 1e-6
    assert math.isfinite(value)


def test_every_control_of_the_catalogue_has_its_place_in_the_table() -> None:
    """C1 to C26 in the gate's docstring: each names controls of the gate, or files that are there."""
    rows = dict(re.findall(r"^    C(\d+) +.{38}(.+?)  +\S", gate.__doc__ or "", re.MULTILINE))
    assert sorted(map(int, rows)) == list(range(1, 27))
    controls = {control.__name__ for control in (*PERMISSIONS, *ROOMS)}
    named = {name for places in rows.values() for name in places.split(", ")}
    assert {name for name in named if name not in controls and not (ROOT / name).exists()} == set()
    assert {source_of(name) for name in Limits.model_fields if source_of(name) != "practice"} >= {"RTS 6 article 15(3)", "RTS 6 article 15(1)"}
