"""The gate: each control refuses what it is for, with its numbers, and only that."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import SECTORS, briefing_of

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.risk.limits import Approved, Book, Code, Denied, Exposure, Limits, Proposal, Reduced, admit

BOOK = Book(equity=100_000, start=100_000, buying_power=100_000, active=True, state="active", feed_healthy=True, exposures={})


def alone(a: str, b: str) -> float | None:
    return 0.0


def together(a: str, b: str) -> float | None:
    return 0.9


def proposal(briefing: Briefing, **changes: object) -> Proposal:
    at = briefing.hours.open + 60 * MINUTE
    plain = Proposal(symbol="AAPL", side=1, quantity=20, price=100.0, stop=3.0, bar=at - MINUTE, at=at)
    return replace(plain, **changes)


def held(*symbols: str, value: float = 2_000.0, heat: float = 60.0) -> dict[str, Exposure]:
    return {s: Exposure(s, value, heat) for s in symbols}


def test_an_ordinary_entry_is_approved_and_shows_every_control(briefing: Briefing) -> None:
    verdict = admit(proposal(briefing), BOOK, briefing, Limits(), alone)
    assert isinstance(verdict, Approved)
    assert verdict.quantity == 20
    assert {check.code for check in verdict.checks} == set(Code) - {Code.SHORTABLE, Code.QUANTITY}
    assert all(check.passed for check in verdict.checks)


REFUSALS: dict[str, tuple[dict[str, object], dict[str, object], Code]] = {
    "halted": ({}, {"active": False, "state": "halted"}, Code.STATE),
    "not in the briefing": ({"symbol": "ZZZZ"}, {}, Code.BRIEFING),
    "feed down": ({}, {"feed_healthy": False}, Code.FEED),
    "daily loss": ({}, {"equity": 94_900.0}, Code.DAILY_LOSS),
    "already held": ({}, {"exposures": held("AAPL")}, Code.DUPLICATE),
    "no money": ({}, {"buying_power": 500.0}, Code.BUYING_POWER),
    "price from another world": ({"price": 400.0, "quantity": 5}, {}, Code.PRICE_SCALE),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_it_refuses(case: str, briefing: Briefing) -> None:
    wish, book, code = REFUSALS[case]
    verdict = admit(proposal(briefing, **wish), replace(BOOK, **book), briefing, Limits(), alone)
    assert isinstance(verdict, Denied)
    assert verdict.by.code is code
    assert not verdict.by.passed
    assert verdict.by.detail


def test_the_regime_may_forbid_entries_and_tightens_two_limits(briefing: Briefing) -> None:
    def under(**changes: object) -> Briefing:
        return briefing.model_copy(update={"regime": briefing.regime.model_copy(update=changes)})

    closed = under(entries=False)
    verdict = admit(proposal(closed), BOOK, closed, Limits(), alone)
    assert isinstance(verdict, Denied)
    assert verdict.by.code is Code.REGIME
    tense = under(position_multiplier=0.75, heat_multiplier=0.5)
    verdict = admit(proposal(tense), BOOK, tense, Limits(), alone)
    assert isinstance(verdict, Reduced)
    assert (verdict.quantity, verdict.by.code, verdict.by.limit) == (15, Code.POSITION_SIZE, 0.015)
    assert {check.code: check.limit for check in verdict.checks}[Code.HEAT] == 0.005


@pytest.mark.parametrize(
    ("change", "side", "code"),
    [
        ({"history": 14}, 1, Code.HISTORY),
        ({"atr": None}, 1, Code.HISTORY),
        ({"tradable": False}, 1, Code.TRADABLE),
        ({"shortable": False}, -1, Code.SHORTABLE),
    ],
)
def test_it_refuses_what_the_briefing_does_not_carry(
    change: dict[str, object], side: int, code: Code, briefing: Briefing, brief: Callable[..., SymbolBrief]
) -> None:
    changed = briefing.model_copy(update={"symbols": {"AAPL": brief("AAPL", **change)}})
    verdict = admit(proposal(changed, side=side), BOOK, changed, Limits(), alone)
    assert isinstance(verdict, Denied)
    assert verdict.by.code is code


def test_the_buffers_count_from_the_real_open_and_close(briefing: Briefing) -> None:
    def verdict(at: int) -> object:
        return admit(proposal(briefing, at=at, bar=at - MINUTE), BOOK, briefing, Limits(), alone)

    hours = briefing.hours
    assert isinstance(verdict(hours.open + 5 * MINUTE - 1), Denied)
    assert isinstance(verdict(hours.open + 5 * MINUTE), Approved)
    assert isinstance(verdict(hours.close - 15 * MINUTE - 1), Approved)
    assert isinstance(verdict(hours.close - 15 * MINUTE), Denied)


def test_a_price_is_stale_from_the_limit_on(briefing: Briefing) -> None:
    at = briefing.hours.open + 60 * MINUTE
    fresh = admit(proposal(briefing, bar=at - 150 * SECOND + 1), BOOK, briefing, Limits(), alone)
    stale = admit(proposal(briefing, bar=at - 150 * SECOND), BOOK, briefing, Limits(), alone)
    assert isinstance(fresh, Approved)
    assert isinstance(stale, Denied)
    assert stale.by.code is Code.STALE_DATA


def test_too_many_positions_are_refused(briefing: Briefing) -> None:
    verdict = admit(proposal(briefing), replace(BOOK, exposures=held("JPM", "XOM")), briefing, Limits(max_positions=2), alone)
    assert isinstance(verdict, Denied)
    assert (verdict.by.code, verdict.by.value, verdict.by.limit) == (Code.POSITIONS, 3, 2)


@pytest.mark.parametrize(
    ("limits", "book", "code"),
    [
        ({"max_position_size": 0.015}, {}, Code.POSITION_SIZE),
        ({"max_gross_exposure": 0.055}, held("JPM", "XOM"), Code.GROSS),
        ({"max_sector_exposure": 0.035}, held("MSFT"), Code.SECTOR),
        ({"max_portfolio_heat": 0.00105}, held("JPM"), Code.HEAT),
    ],
)
def test_a_limit_on_a_sum_cuts_the_quantity_to_what_is_left(
    limits: dict[str, float], book: dict[str, Exposure], code: Code, briefing: Briefing
) -> None:
    verdict = admit(proposal(briefing), replace(BOOK, exposures=book), briefing, Limits(**limits), alone)
    assert isinstance(verdict, Reduced)
    assert (verdict.quantity, verdict.wanted, verdict.by.code) == (15, 20, code)


def test_names_that_move_together_are_one_bet(briefing: Briefing) -> None:
    book = replace(BOOK, exposures=held("JPM", "XOM", "BAC", value=2_500))
    limits = Limits(max_correlated_exposure=0.08)
    assert isinstance(admit(proposal(briefing), book, briefing, limits, alone), Approved)
    verdict = admit(proposal(briefing), book, briefing, limits, together)
    assert isinstance(verdict, Denied)
    assert verdict.by.code is Code.CORRELATION
    assert verdict.by.value == pytest.approx(0.095)
    assert "BAC, JPM, XOM" in verdict.by.detail


@given(
    quantity=st.integers(1, 400),
    price=st.floats(71, 129),
    stop=st.floats(0.05, 20),
    values=st.lists(st.floats(0, 5_000), min_size=4, max_size=4),
    heats=st.lists(st.floats(0, 300), min_size=4, max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_admitted_stays_within_every_limit(quantity: int, price: float, stop: float, values: list[float], heats: list[float]) -> None:
    briefing = briefing_of(SECTORS)
    limits = Limits()
    others = [s for s in SECTORS if s != "AAPL"]
    exposures = {s: Exposure(s, v, h) for s, v, h in zip(others, values, heats, strict=True)}
    verdict = admit(proposal(briefing, quantity=quantity, price=price, stop=stop), replace(BOOK, exposures=exposures), briefing, limits, together)
    if isinstance(verdict, Denied):
        return
    value, equity = verdict.quantity * price, BOOK.equity
    assert 1 <= verdict.quantity <= quantity
    assert value <= limits.max_position_size * equity + 1e-6
    assert value + sum(values) <= limits.max_gross_exposure * equity + 1e-6
    assert value + exposures["MSFT"].value <= limits.max_sector_exposure * equity + 1e-6
    assert value + sum(values) <= limits.max_correlated_exposure * equity + 1e-6
    assert verdict.quantity * stop + sum(heats) <= limits.max_portfolio_heat * equity + 1e-6
    assert value <= BOOK.buying_power + 1e-6
