"""The Risk page says what the briefing, the settings and the equity table say."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pipelines.core.risk.limits import Limits

Open = Callable[..., Any]


def test_the_regime_is_the_briefings_with_what_it_does(traded: Any, opened: Open) -> None:
    page, regime = opened(traded.path, "risk"), traded.briefing.regime
    assert page.metric("Regime") == regime.name.value.capitalize()
    assert page.metric("Volatility") == f"{regime.volatility * 100:.1f} %"
    assert page.metric("Size of an entry") == f"× {regime.size_multiplier:.2f}"
    assert page.metric("Stops and targets") == f"× {regime.stop_multiplier:.2f}"


def test_every_limit_is_shown_as_the_session_was_traded_under_it(traded: Any, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_SECTOR_EXPOSURE", "0.033")  # today's settings do not change what was
    assert json.loads(traded.tables["runs"]["limits"][-1])["max_sector_exposure"] == 0.025
    shown = {row["setting"]: row for row in opened(traded.path, "risk").table("setting", "meaning").iter_rows(named=True)}
    assert set(shown) == {name.upper() for name in Limits.model_fields}
    assert all(shown[name.upper()]["meaning"] == field.description for name, field in Limits.model_fields.items())
    assert (shown["MAX_SECTOR_EXPOSURE"]["value"], shown["MAX_SECTOR_EXPOSURE"]["changed"]) == ("0.025", f"default {Limits().max_sector_exposure:g}")
    assert (shown["STOP_ATR"]["value"], shown["STOP_ATR"]["changed"]) == (f"{Limits().stop_atr:g}", "")


def test_peak_use_is_that_of_the_equity_table(traded: Any, opened: Open) -> None:
    page, equity = opened(traded.path, "risk"), traded.tables["equity"]
    assert page.metric("Gross exposure, peak") == f"{(equity['gross'] / equity['equity']).max() * 100:.2f} %"
    assert page.metric("Heat, peak") == f"{(equity['heat'] / equity['equity']).max() * 100:.2f} %"
    assert page.metric("Positions, peak") == str(equity["positions"].max())


def test_names_that_move_as_one_are_called_one_bet(traded: Any, opened: Open) -> None:
    words = opened(traded.path, "risk").words
    assert f"3 pairs above {Limits().max_correlation:g} count as one bet: " in words
    assert all(f"{a}–{b} 0." in words for a, b in (("AAPL", "MSFT"), ("AAPL", "NVDA"), ("MSFT", "NVDA")))


def test_the_watchlist_says_why(traded: Any, opened: Open) -> None:
    shown = opened(traded.path, "risk").table("symbol", "score", "why")
    assert shown["symbol"].to_list() == [c.symbol for c in traded.briefing.watchlist]
    assert shown["why"][0] == "moves 1.0% a day · calm"
    assert shown["atr"].to_list() == pytest.approx([2.0] * 6)


def test_a_failed_check_stands_out_and_says_what_it_does(traded: Any, opened: Open) -> None:
    page = opened(traded.path, "risk")
    stopped = "The session starts in REDUCING: no entries until a person resumes. daily_bars split: AAPL unknown split"
    assert [e.value for e in page.app.error] == [stopped]
    assert [w.value for w in page.app.warning] == ["features agreeing: XOM 100.00 against 50.00 a day"]
    assert page.table("asset", "check")["passed"].to_list() == ["✓", "✗", "✗"]


def test_before_the_session_nothing_was_used(night: Any, opened: Open) -> None:
    page = opened(night.path, "risk")
    assert "Nothing was traded in this session" in page.words
    assert "Nothing was held in this session" in page.words
    assert page.metric("Regime") == night.briefing.regime.name.value.capitalize()


def test_a_missing_table_takes_only_its_part_of_the_page(bare: Any, opened: Open) -> None:
    page = opened(bare.path, "risk")
    assert "expected table fills" in page.words
    assert page.table("symbol", "why").height == 6
    assert page.table("setting", "meaning").height == len(Limits.model_fields)


def test_a_quiet_session_used_nothing(quiet: Any, opened: Open) -> None:
    page = opened(quiet.path, "risk")
    assert page.metric("Positions, peak") == "0"
    assert pl.Series([page.metric("Heat, peak"), page.metric("Gross exposure, peak")]).to_list() == ["0.00 %", "0.00 %"]
