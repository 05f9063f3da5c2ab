"""What is told of two briefings: only what is different, in words, and nothing of what is the same."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from market import briefing_of, symbol_brief

from pipelines.core.briefing import Briefing, Candidate, CheckResult, Severity, SymbolBrief
from pipelines.core.changes import Change, compare, counted
from pipelines.core.risk.regimes import RegimeName


def watching(*symbols: str, **changes: object) -> Briefing:
    """A briefing with these at the top of the watchlist, in this order."""
    lines = tuple(Candidate(rank=i, symbol=s, score=1 / i, reasons=()) for i, s in enumerate(symbols, start=1))
    return briefing_of(symbols).model_copy(update={"watchlist": lines, **changes})


def knowing(**symbols: SymbolBrief) -> Briefing:
    return watching("AAPL").model_copy(update={"symbols": symbols})


def checked(*verdicts: tuple[str, bool]) -> Briefing:
    checks = (CheckResult(name=n, asset="bars", passed=p, severity=Severity.ADVICE, detail=f"{n} said so") for n, p in verdicts)
    return watching("AAPL", checks=tuple(checks))


def test_of_one_briefing_nothing_changed() -> None:
    one = watching("AAPL", "MSFT", "JPM")
    assert all(found == [] for found in compare(one, one, beyond=0.0).values())


def test_a_watchlist_tells_who_came_who_went_and_who_moved() -> None:
    found = compare(watching("AAPL", "MSFT", "JPM"), watching("JPM", "XOM", "AAPL"), beyond=0.1)
    assert found["watchlist"] == [
        Change("XOM", None, 2, "in"),
        Change("MSFT", 2, None, "out"),
        Change("JPM", 3, 1, "up 2"),
        Change("AAPL", 1, 3, "down 2"),
    ]


@given(
    st.permutations(["AAPL", "BAC", "JPM", "MSFT", "XOM"]),
    st.integers(1, 5),
    st.permutations(["AAPL", "BAC", "JPM", "MSFT", "XOM"]),
    st.integers(1, 5),
)
def test_the_changes_of_a_watchlist_lead_from_one_to_the_other(old: list[str], some: int, new: list[str], others: int) -> None:
    before, after = watching(*old[:some]), watching(*new[:others])
    ranks = {line.symbol: line.rank for line in before.watchlist}
    for change in compare(before, after, beyond=0.1)["watchlist"]:
        assert ranks.pop(change.what, None) == change.before
        if change.after is not None:
            ranks[change.what] = int(change.after)
    assert ranks == {line.symbol: line.rank for line in after.watchlist}


def test_figures_are_told_beyond_the_threshold_largest_first() -> None:
    before = knowing(A=symbol_brief("A", atr=2.0, adv=1e6, beta=1.0), B=symbol_brief("B", atr=1.0), C=symbol_brief("C", atr=1.0))
    after = knowing(A=symbol_brief("A", atr=2.3, adv=1.05e6, beta=1.2), B=symbol_brief("B", atr=0.5), C=symbol_brief("C", atr=1.0999))
    found = compare(before, after, beyond=0.1)
    assert found["atr"] == [Change("B", 1.0, 0.5, "-50.0%"), Change("A", 2.0, 2.3, "+15.0%")]
    assert found["adv"] == []
    assert found["beta"] == [Change("A", 1.0, 1.2, "+0.20")]
    assert [change.what for change in compare(before, after, beyond=0.04)["adv"]] == ["A"]


def test_what_became_known_or_unknown_is_told_whatever_its_size() -> None:
    before, after = (
        knowing(A=symbol_brief("A", atr=None), B=symbol_brief("B", beta=0.1)),
        knowing(A=symbol_brief("A"), B=symbol_brief("B", beta=None)),
    )
    found = compare(before, after, beyond=100.0)
    assert found["atr"] == [Change("A", None, 2.0, "now known")]
    assert found["beta"] == [Change("B", 0.1, None, "no longer known")]


def test_a_company_that_changed_its_sector_or_may_no_longer_be_traded_is_told() -> None:
    before, after = knowing(A=symbol_brief("A", sector="Energy")), knowing(A=symbol_brief("A", sector="Utilities", tradable=False, shortable=False))
    found = compare(before, after, beyond=0.1)
    assert found["sector"] == [Change("A", "Energy", "Utilities")]
    assert found["tradable"] == found["shortable"] == [Change("A", True, False)]


def test_verdicts_are_told_where_they_are_others() -> None:
    found = compare(checked(("a", True), ("b", True), ("old", True)), checked(("a", True), ("b", False), ("new", True)), beyond=0.1)
    assert found["checks"] == [
        Change("bars.b", True, False, "b said so"),
        Change("bars.new", None, True, "new said so"),
        Change("bars.old", True, None, "not run"),
    ]


def test_the_regime_is_told_with_the_numbers_that_decided_it() -> None:
    one = watching("AAPL")
    regime = one.regime.model_copy(update={"name": RegimeName.STRESSED, "size_multiplier": 0.25})
    found = compare(one, one.model_copy(update={"regime": regime, "session": date(2026, 11, 23)}), beyond=0.1)
    assert found["briefing"] == [Change("session", "2026-11-20", "2026-11-23")]
    assert found["regime"] == [Change("name", one.regime.name.value, "stressed"), Change("size_multiplier", one.regime.size_multiplier, 0.25)]


def test_inputs_are_told_by_their_versions_and_tables_by_their_rows() -> None:
    before, after = watching("A", inputs={"universe": "aa", "betas": "bb"}), watching("A", inputs={"universe": "aa", "betas": "cc"})
    assert compare(before, after, beyond=0.1)["inputs"] == [Change("betas", "bb", "cc")]
    assert counted({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 1500, "d": 4}) == [
        Change("b", 2, 1500, "+1,498"),
        Change("c", 3, None, "gone"),
        Change("d", None, 4, "new"),
    ]
