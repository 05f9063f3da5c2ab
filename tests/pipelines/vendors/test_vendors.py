"""Which source the settings choose, the calendar and the sectors."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise

import polars as pl
import pytest

from live.sim.polygon.industries import industry
from live.sim.worlds.universe import listings
from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.core.errors import DataError, SettingsError
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar, industries, sectors
from pipelines.vendors.choice import choose, second


def test_no_source_at_all_names_the_settings(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(SettingsError, match="ALPACA_API_KEY"):
        _ = tools(alpaca_api_key="", polygon_api_key="").source


def test_own_files_come_first_then_alpaca_then_polygon_unless_one_is_named(tools: Callable[..., DayBot]) -> None:
    keys = {"alpaca_api_key": "A", "alpaca_secret_key": "S", "polygon_api_key": "P"}
    assert choose(tools(bars_folder="own", **keys).settings).__class__.__name__ == "Files"
    assert choose(tools(**keys).settings).__class__.__name__ == "Alpaca"
    assert choose(tools(polygon_api_key="P").settings).__class__.__name__ == "Polygon"
    assert choose(tools(history_source="polygon", **keys).settings).__class__.__name__ == "Polygon"
    with pytest.raises(SettingsError, match="BARS_FOLDER empty"):
        choose(tools(history_source="files", **keys).settings)


def test_the_second_source_is_the_other_vendor_and_only_where_both_have_keys(tools: Callable[..., DayBot]) -> None:
    keys = {"alpaca_api_key": "A", "alpaca_secret_key": "S", "polygon_api_key": "P"}
    assert second(tools(**keys).settings).__class__.__name__ == "Polygon"
    assert second(tools(history_source="polygon", **keys).settings).__class__.__name__ == "Alpaca"
    assert second(tools(alpaca_api_key="A", alpaca_secret_key="S").settings) is None
    assert second(tools(bars_folder="own", **keys).settings) is None, "own files are compared only with whom one names"
    assert second(tools(bars_folder="own", second_source="polygon", **keys).settings).__class__.__name__ == "Polygon"
    assert second(tools(second_source="none", **keys).settings) is None
    with pytest.raises(SettingsError, match="two different sources"):
        second(tools(second_source="alpaca", **keys).settings)


def test_early_closes_and_clock_changes_are_the_exchange_own() -> None:
    thanksgiving = calendar.session_of(date(2026, 11, 27))
    assert (thanksgiving.close - thanksgiving.open) == 3.5 * 3600 * 1e9
    early = calendar.calendar().filter(pl.col("session") == date(2026, 11, 27))
    assert early["early"].item() is True
    assert early["close"].item() == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    assert calendar.calendar().filter(pl.col("session") == date(2024, 3, 11))["open"].item() == datetime(2024, 3, 11, 13, 30, tzinfo=UTC)


def test_neighbouring_sessions_skip_holidays_and_weekends() -> None:
    assert calendar.next_session(date(2024, 6, 18)) == date(2024, 6, 20)
    assert calendar.previous_session(date(2024, 6, 20)) == date(2024, 6, 18)
    assert calendar.previous_session(date(2024, 6, 16)) == date(2024, 6, 14)
    assert calendar.sessions(date(2025, 1, 8), date(2025, 1, 10)) == [date(2025, 1, 8), date(2025, 1, 10)], "the day of mourning"


def test_a_day_without_a_session_is_refused_with_the_one_before() -> None:
    with pytest.raises(DataError, match="2024-06-18"):
        calendar.session_of(date(2024, 6, 19))


@pytest.mark.parametrize(
    ("symbol", "sector"),
    [
        ("AAPL", "Information Technology"),
        ("BRK.B", "Financials"),
        ("DUK", "Utilities"),
        ("EQIX", "Real Estate"),
        ("STE", "Health Care"),
        ("SPY", UNKNOWN_SECTOR),
    ],
)
def test_sectors_are_gics_names_or_unknown(symbol: str, sector: str) -> None:
    assert sectors.with_sectors(pl.DataFrame({"symbol": [symbol]}))["sector"].item() == sector


def test_every_member_of_the_index_has_a_sector() -> None:
    known = sectors.sectors()
    assert len(sectors.members()) > 490
    assert {known[symbol] for symbol in sectors.members()} == set(sectors.GICS)


def test_the_industry_code_says_the_sector_where_both_are_known() -> None:
    """Against the codes that 40 companies have filed with the SEC, and their GICS sectors."""
    filed = {row.symbol: industry(row.symbol, row.sector) for row in listings() if row.sector}
    known = sectors.sectors()
    apart = {symbol for symbol, found in filed.items() if found is not None and industries.sector(found.code) != known[symbol]}
    assert len(filed) == 40
    assert apart == {"DIS", "V"}, "amusement parks, and a payment network under business services: registered as something else"


@pytest.mark.parametrize("sic", ["", "abc", "99", "12345", "9999", "8600", "-100", "٣٥٧١"])
def test_what_is_no_industry_stays_unknown(sic: str) -> None:
    assert industries.sector(sic) == UNKNOWN_SECTOR


def test_every_industry_leads_to_a_sector_of_gics_or_to_unknown_and_no_two_rows_contend() -> None:
    assert {industries.sector(f"{code:04d}") for code in range(10_000)} == {*sectors.GICS, UNKNOWN_SECTOR}
    for rows in (industries.WITHIN, industries.GROUPS):
        assert all(first <= last < following for (first, last, _), (following, _, _) in pairwise(rows))
