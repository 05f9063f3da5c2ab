"""The assets that fetch, really run by Dagster against the simulated exchange: interrupted, bent, and compared with a second vendor."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from live.sim.embedded import Exchange
from live.sim.worlds.generated import GeneratedWorld
from pipelines import publish
from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot

SESSION, DAY_AFTER = date(2024, 6, 18), date(2024, 6, 20)
SYMBOLS = ("AAPL", "MSFT", "SPY")


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with Exchange(GeneratedWorld(day=DAY_AFTER, seed=7), day=DAY_AFTER) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange) -> Iterator[Exchange]:
    yield running
    running.relent()


@pytest.fixture
def night(exchange: Exchange, tools: Callable[..., DayBot]) -> Callable[..., DayBot]:
    """Tools that ask the exchange; the same home each time, as after a restart."""

    def make(**changes: Any) -> DayBot:
        plain = {"daybot_mode": "sim", "alpaca_feed": "sip", "alpaca_base_url": exchange.url}
        keys = {"alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", "vendor_retries": 1, "vendor_backoff": 0.01, "polygon_rate": 1000}
        return tools(**{**plain, **keys, "universe": ",".join(SYMBOLS), "history_sessions": 60, **changes})

    return make


def run(daybot: DayBot, *assets: str) -> dict[str, dict[str, Any]] | None:
    """The metadata of each materialisation, None if the run failed."""
    job = defs().resolve_job_def("pre_open")
    result = job.execute_in_process(partition_key=SESSION.isoformat(), resources={"daybot": daybot}, raise_on_error=False, op_selection=list(assets))
    made = result.get_asset_materialization_events()
    told = {each.asset_key.to_user_string(): {name: value.value for name, value in each.materialization.metadata.items()} for each in made}
    return told if result.success else None


def test_an_interrupted_fetch_goes_on_where_it_stopped(night: Callable[..., DayBot], exchange: Exchange) -> None:
    assert run(night(), "universe")
    fault = exchange.inject(kind="rest.unauthorized", path="/v2/stocks/bars", skip=1, times=0)
    assert run(night(), "minute_bars") is None, "the first of two sessions came, the second was refused"
    first = night().bars("minute", [date(2024, 6, 17), SESSION])
    assert first["session"].unique().to_list() == [date(2024, 6, 17)]
    exchange.relent(fault["id"])
    told = run(night(), "minute_bars")
    assert told is not None
    assert (told["minute_bars"]["chunks"], told["minute_bars"]["symbols_unanswered"]) == (1, 0)
    whole = night().bars("minute", [date(2024, 6, 17), SESSION])
    assert whole["session"].unique().sort().to_list() == [date(2024, 6, 17), SESSION]
    assert whole.filter(whole["session"] == date(2024, 6, 17)).equals(first), "and was not fetched again"


def test_what_is_malformed_is_counted_kept_with_its_text_and_asked_for_again(night: Callable[..., DayBot], exchange: Exchange) -> None:
    assert run(night(), "universe")
    rows = [{"t": "2024-06-18T04:00:00Z", "o": 10, "h": 11, "l": 9, "c": 10, "v": 5, "n": 1, "vw": 10}]
    broken = [{"t": "2024-06-17T04:00:00Z", "o": "ten", "h": 11, "l": 9, "c": 10, "v": 5, "n": 1, "vw": 10}, "<html>"]
    exchange.inject(kind="rest.set", path="/v2/stocks/bars", field="bars.AAPL", to=[*rows, *broken])
    exchange.inject(kind="rest.status", status=503, path="/v2/stocks/bars")
    told = run(night(), "daily_bars")
    assert told is not None
    shown = told["daily_bars"]
    assert (shown["malformed_fetched"], shown["retries"], shown["quarantined"]) == (2, 1, 2)
    assert shown["rows_fetched"] == 1 + 2 * 60
    kept = night().warehouse.read("quarantine").sort("session")
    assert kept.select("session", "symbol", "feed").rows() == [(date(2024, 6, 17), "AAPL", "generated"), (SESSION, "AAPL", "generated")]
    assert kept["raw"].to_list() == ['{"t": "2024-06-17T04:00:00Z", "o": "ten", "h": 11, "l": 9, "c": 10, "v": 5, "n": 1, "vw": 10}', "<html>"]


def test_a_symbol_that_was_not_answered_for_is_asked_again(night: Callable[..., DayBot], exchange: Exchange) -> None:
    assert run(night(), "universe")
    exchange.inject(kind="rest.set", path="/v2/stocks/bars", field="bars.AAPL", to="unavailable")
    first, second = run(night(), "daily_bars"), run(night(), "daily_bars")
    assert first is not None
    assert second is not None
    assert first["daily_bars"]["symbols_unanswered"] == 60
    assert (second["daily_bars"]["rows_fetched"], second["daily_bars"]["symbols_unanswered"]) == (60, 0)
    third = run(night(), "daily_bars")
    assert third is not None
    assert third["daily_bars"]["requests"] == 0


def test_the_second_vendor_gives_the_session_under_its_own_feed(night: Callable[..., DayBot]) -> None:
    daybot = night(polygon_api_key="SIM")
    told = run(daybot, "universe", "second_bars")
    assert told is not None
    shown = told["second_bars"]
    assert (shown["feed"], shown["rows_fetched"]) == ("polygon-generated", 3)
    theirs = publish.bars(daybot.settings, "day", SESSION, SESSION, feed="polygon-generated")
    assert theirs["symbol"].to_list() == sorted(SYMBOLS)
    again = run(daybot, "second_bars")
    assert again is not None
    assert again["second_bars"]["requests"] == 0


def test_a_second_vendor_that_fails_or_is_not_there_is_told_and_fails_nothing(night: Callable[..., DayBot], exchange: Exchange) -> None:
    exchange.inject(kind="rest.status", status=500, path="/v2/aggs/*", times=0)
    told = run(night(polygon_api_key="SIM"), "universe", "second_bars")
    assert told is not None
    assert "HTTP 500" in told["second_bars"]["unanswered"]
    alone = run(night(), "second_bars")
    assert alone is not None
    assert "POLYGON_API_KEY" in alone["second_bars"]["unanswered"]


def test_an_unknown_sector_is_asked_of_polygon_once(night: Callable[..., DayBot], exchange: Exchange) -> None:
    def sector() -> str:
        return str(dict(night().universe(SESSION).select("symbol", "sector").iter_rows())["SPY"])

    assert run(night(), "universe")
    assert sector() == UNKNOWN_SECTOR, "nobody to ask"
    fault = exchange.inject(kind="rest.status", status=500, path="/v3/reference/tickers/*", times=0)
    assert run(night(polygon_api_key="SIM"), "universe"), "a fallback that fails fails nothing"
    assert sector() == UNKNOWN_SECTOR
    exchange.relent(fault["id"])
    exchange.inject(kind="rest.set", path="/v3/reference/tickers/SPY", field="results.sic_code", to="6798", times=1)
    assert run(night(polygon_api_key="SIM"), "universe")
    assert sector() == "Real Estate"
    assert run(night(polygon_api_key="SIM"), "universe"), "asked again it would have none now"
    assert sector() == "Real Estate"
    assert run(night(), "universe"), "and it is remembered without a key"
    assert sector() == "Real Estate"
    assert night().warehouse.read("industries").select("symbol", "sic").rows() == [("SPY", "6798")]


def test_the_index_is_that_of_the_day_where_own_files_say_so(folder: Path, tools: Callable[..., DayBot]) -> None:
    lines = ["symbol,first,last", "AAPL,2000-01-03,", "BAC,2000-01-03,2024-06-17", "XOM,2024-06-18,", "GONE,2000-01-03,"]
    (folder / "members.csv").write_text("\n".join(lines))
    daybot = tools(bars_folder=str(folder), universe="sp500")
    assert run(daybot, "universe")
    assert daybot.universe(SESSION)["symbol"].to_list() == ["AAPL", "XOM"], "BAC left the day before, GONE has no bars"
