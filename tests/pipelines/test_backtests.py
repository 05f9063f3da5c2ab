"""`daybot backtest` as people run it, the market behind it, and what a morning of the past may know."""

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from recorded import recorded
from typer.testing import CliRunner, Result

from live import journal
from live.cli import app
from pipelines import publish, roster
from pipelines.core.analytics.session import ledger
from pipelines.core.backtest.replay import replay
from pipelines.core.briefing import Briefing
from pipelines.core.journal import manifest
from pipelines.core.market.session import moment
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.research import cache
from pipelines.research.files import Files
from pipelines.research.market import Home
from pipelines.settings import Settings, load
from pipelines.vendors import calendar

EAGER = ["--strategies", "momentum:0.5,reversion:0.5", "--set", "reversion.oversold=45", "--set", "reversion.stretch=0.1"]
"""Strategies that find something to do in a market without any pattern."""

FIRST, LAST = date(2024, 6, 17), date(2024, 6, 18)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(_env_file=None, daybot_home=tmp_path / "home", history_sessions=90, universe="all")


def ran(folder: Path, *options: str, world: str = "minute/all.parquet", history: str = "daily/all.parquet") -> Result:
    """The command in this process, on the invented market's files; everyone may trade, with nothing in the way."""
    limits = folder / "limits.toml"
    limits.write_text("max_sector_exposure = 1.0\nmax_portfolio_heat = 0.2\nmax_correlated_exposure = 1.0\nmax_concentration = 1.0\n")
    files = ["--world", str(folder / world), "--history", str(folder / history), "--limits", str(limits), "--home", str(folder / "home")]
    return CliRunner().invoke(app, ["backtest", *files, *EAGER, *options])


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_it_runs_on_your_own_files_and_carries_equity_from_session_to_session(folder: Path) -> None:
    found = told(ran(folder, "--json"))
    first, second = found["sessions"]
    assert (first["session"], second["session"]) == (str(FIRST), str(LAST))
    assert (first["start"], second["start"], found["numbers"]["end"]) == (100_000.0, first["end"], second["end"])
    assert found["numbers"]["trades"] == len(found["trades"]) > 0
    assert found["numbers"]["net"] == pytest.approx(found["numbers"]["profit"] - found["numbers"]["fees"])
    assert {trade["strategy"] for trade in found["trades"]} <= {"momentum", "reversion"}
    assert "ZZZZ" not in {trade["symbol"] for trade in found["trades"]}  # it has no daily history


@pytest.mark.parametrize("option", ["--world", "--history", "--actions", "--ticks", "--halts"])
def test_a_file_that_does_not_exist_is_named(folder: Path, option: str) -> None:
    done = ran(folder, option, "nowhere.parquet")
    assert (done.exit_code, "found nowhere.parquet, which does not exist" in done.output) == (1, True), done.output


def test_without_a_history_it_says_so_and_what_that_stops(folder: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.toml"
    few.write_text("min_history = 0\nmax_sector_exposure = 1.0\n")
    alone = ["backtest", "--world", str(folder / "minute" / "all.parquet"), "--home", str(folder / "home"), *EAGER, "--json"]
    found = told(CliRunner().invoke(app, alone))
    assert "--history" in found["words"]["history"]
    assert found["numbers"]["trades"] == 0
    assert [(row["code"], row["value"], row["limit"]) for row in found["refused"]][:1] == [("HISTORY", 0.0, 15.0)]
    asked = told(CliRunner().invoke(app, [*alone, "--limits", str(few)]))
    assert asked["numbers"]["trades"] > 0
    assert "history" not in told(ran(folder, "--json"))["words"]


def test_the_same_question_is_answered_from_the_cache_and_any_other_is_not(folder: Path) -> None:
    once = told(ran(folder, "--json", "--from", str(LAST)))
    again = told(ran(folder, "--json", "--from", str(LAST)))
    anew = told(ran(folder, "--json", "--from", str(LAST), "--no-cache"))
    assert (once["cached"], again["cached"], anew["cached"]) == (False, True, False)
    assert {**again, "cached": False} == once == anew
    for other in (["--set", "momentum.volume=1.3"], ["--equity", "50000"], ["--set", "costs.spread=0.001"], ["--watchlist", "3"]):
        assert told(ran(folder, "--json", "--from", str(LAST), *other))["cached"] is False
    bars = pl.read_parquet(folder / "minute" / "all.parquet")
    bars.with_columns(pl.col("volume") + 1).write_parquet(folder / "minute" / "all.parquet")
    assert told(ran(folder, "--json", "--from", str(LAST)))["cached"] is False


@pytest.mark.parametrize(
    ("changed", "another"), [("core/trading/engine.py", True), ("vendors/sectors.py", True), ("core/new.py", True), ("defs/asset.py", False)]
)
def test_other_code_that_decides_is_another_question(changed: str, another: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = cache.key("data", {}, [FIRST])
    copy = shutil.copytree(Path(cache.__file__).parents[1], tmp_path / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "__file__", str(copy / "research" / "cache.py"))
    assert cache.key("data", {}, [FIRST]) == here
    with (copy / changed).open("a") as file:
        file.write("MORE = 1\n")
    assert (cache.key("data", {}, [FIRST]) != here) is another


def test_the_terminal_says_what_it_was_and_where_it_is_from(folder: Path) -> None:
    ran(folder, "--from", str(LAST))
    shown = ran(folder, "--from", str(LAST)).output
    for words in ("from the cache", "By strategy", "Regulatory fees", "assumed", "1 sessions say little"):
        assert words in shown, words


def test_the_tear_sheet_needs_nothing_else(folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    assert ran(folder, "--html", str(sheet)).exit_code == 0
    page = sheet.read_text()
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert " src=" not in page
    assert "<link" not in page
    for title in ("Equity", "By strategy", "Refused", "Round trips", "momentum"):
        assert title in page


def test_its_journal_is_one_that_every_reader_of_journals_takes(folder: Path, tmp_path: Path) -> None:
    found = told(ran(folder, "--journal", str(tmp_path / "journals"), "--json"))
    paths = sorted((tmp_path / "journals").glob("*.jsonl"))
    assert [path.name[:10] for path in paths] == [str(FIRST), str(LAST)]
    trades = []
    for path in paths:
        records = list(journal.read(path))
        head = manifest(records[0])
        assert (head.mode, head.session.isoformat()) == ("backtest", path.name[:10])
        assert replay(records, roster.restored(head)).difference is None  # indicators all at once and bar by bar: the same decisions
        trades += ledger.tables(records)["trades"]["profit"].to_list()
    assert sum(trades) == pytest.approx(found["numbers"]["profit"])


def test_a_halt_in_a_file_and_trades_inside_the_minutes_are_heeded(folder: Path, tmp_path: Path) -> None:
    opening = moment(calendar.session_of(LAST).open)
    names = pl.read_parquet(folder / "minute" / "all.parquet")["symbol"].unique().to_list()
    halts = pl.DataFrame({"symbol": names, "timestamp": [opening + timedelta(minutes=5)] * len(names), "halted": True, "reason": "T1"})
    halts.write_csv(tmp_path / "halts.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
    stopped = told(ran(folder, "--from", str(LAST), "--json", "--halts", str(tmp_path / "halts.csv")))
    assert stopped["numbers"]["trades"] == 0
    assert {refused["code"] for refused in stopped["refused"]} == {"HALTED", "HISTORY"}
    ticks = pl.DataFrame({"symbol": ["AAPL"], "timestamp": [opening + timedelta(minutes=100, seconds=30)], "price": [100.0], "size": [10.0]})
    ticks.write_parquet(tmp_path / "ticks.parquet")
    assert told(ran(folder, "--from", str(LAST), "--json", "--ticks", str(tmp_path / "ticks.parquet")))["cached"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "momentum.volum=2"], "momentum"),
        (["--set", "costs.sprea=2"], "expected costs among spread"),
        (["--set", "orb.volume=2"], "a strategy that trades"),
        (["--set", "volume"], "expected --set like momentum.volume=1.5"),
        (["--strategies", "nobody"], "expected a strategy that is installed"),
        (["--from", "2024-07-01"], "found sessions from 2024-06-17 to 2024-06-18"),
        (["--journal", "one.jsonl"], "a file holds one session"),
        (["--world", "none.parquet"], "does not exist"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(folder: Path, options: list[str], words: str) -> None:
    found = ran(folder, *options)
    assert found.exit_code == 1
    assert words in found.output


# --- what a morning knows


def files(settings: Settings, folder: Path, **more: Any) -> Files:
    return Files(settings, [folder / "minute" / "all.parquet"], [folder / "daily" / "all.parquet"], **more)


def plain(briefing: Briefing) -> dict[str, Any]:
    """All that a briefing says of the market."""
    return briefing.model_dump(exclude={"version", "created_at", "checks", "inputs"})


def test_a_briefing_of_the_past_does_not_know_its_day(folder: Path, settings: Settings) -> None:
    known = plain(files(settings, folder).briefing(LAST))
    assert known["data_session"] == FIRST
    for name in ("minute", "daily"):
        path = folder / name / "all.parquet"
        bars = pl.read_parquet(path)
        later = pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date() >= LAST
        prices = [pl.when(later).then(pl.col(n) * 3).otherwise(n).alias(n) for n in ("open", "high", "low", "close")]
        bars.with_columns(prices).write_parquet(path)
    assert plain(files(settings, folder).briefing(LAST)) == known


def test_a_history_adjusted_for_a_later_split_comes_back_to_the_scale_of_the_minutes(folder: Path, settings: Settings) -> None:
    known = files(settings, folder).briefing(LAST)
    path = folder / "daily" / "all.parquet"
    bars, apple = pl.read_parquet(path), pl.col("symbol") == "AAPL"
    prices = [pl.when(apple).then(pl.col(n) / 4).otherwise(n).alias(n) for n in ("open", "high", "low", "close")]
    bars.with_columns(*prices, pl.when(apple).then(pl.col("volume") * 4).otherwise("volume").alias("volume")).write_parquet(path)
    market = files(settings, folder)
    found = market.briefing(LAST)
    assert market.notes["history rescaled"] == "AAPL x 4"
    for one in ("close", "atr", "adv", "spread"):
        assert getattr(found.symbols["AAPL"], one) == pytest.approx(getattr(known.symbols["AAPL"], one), rel=1e-9), one
    assert found.symbols["AAPL"].seed == pytest.approx(known.symbols["AAPL"].seed, nan_ok=True)


def test_a_split_in_a_file_of_actions_is_in_the_briefing_of_its_morning(folder: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text(f"symbol,kind,ex_date,ratio\nAAPL,split,{LAST},2\n")
    plainly = files(settings, folder).briefing(LAST).symbols["AAPL"]
    split = files(settings, folder, actions=tmp_path / "actions.csv").briefing(LAST).symbols["AAPL"]
    assert (split.close, split.atr, split.adv) == (
        pytest.approx((plainly.close or 0) / 2),
        pytest.approx((plainly.atr or 0) / 2),
        pytest.approx((plainly.adv or 0) * 2),
    )


def test_days_that_the_history_lacks_are_made_of_their_minutes(folder: Path, settings: Settings) -> None:
    path = folder / "daily" / "all.parquet"
    bars = pl.read_parquet(path)
    bars.filter(pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date() != FIRST).write_parquet(path)
    market = files(settings, folder)
    inside = market.bars(FIRST, ["AAPL"]).filter(pl.col("timestamp").is_between(*map(moment, calendar.session_of(FIRST)[1:]), closed="left"))
    assert market.briefing(LAST).symbols["AAPL"].close == inside["close"][-1]
    assert market.briefing(LAST).symbols["ZZZZ"].history == 1


def test_the_night_and_a_backtest_make_the_same_briefing_and_the_asset_tries_every_strategy(folder: Path, tools: Callable[..., DayBot]) -> None:
    daybot = tools(bars_folder=str(folder))
    job = defs().resolve_job_def("after_close")
    assert job.execute_in_process(partition_key=str(LAST), resources={"daybot": daybot}).success
    published = publish.current(daybot.settings).briefing()
    assert plain(Home(daybot.settings, anew=True).briefing(published.session)) == plain(published)
    made = publish.current(daybot.settings).table("backtests")
    assert set(made["session"]) <= {LAST}
    assert set(made["setup"]) <= {"live", "momentum", "orb", "reversion"}
    live, alone = (made.filter(pl.col("setup") == setup).drop("setup", "trade") for setup in ("live", "momentum"))
    assert live.equals(alone)  # the settings name momentum, and nothing else
    home = CliRunner().invoke(app, ["backtest", "--home", str(daybot.settings.daybot_home), "--from", str(LAST), "--json"], env={"UNIVERSE": "all"})
    assert told(home)["words"]["briefings"].startswith("0 as published, 1 made")


@pytest.mark.parametrize(
    ("minutes", "days", "traded"),
    [
        ("minute/us_2019-02-11_15.parquet", "daily/sp500_a_c_2018_2021.parquet", {"AAPL", "AMZN", "AMT", "BAC"}),
        ("minute/us_2023-05-24_26_extended.parquet", "daily/us_2022_2024.parquet", {"AAPL", "TSLA"}),
    ],
)
def test_a_real_market_trades_what_has_history(tmp_path: Path, minutes: str, days: str, traded: set[str]) -> None:
    files = ["--world", str(recorded(minutes)), "--history", str(recorded(days)), "--home", str(tmp_path)]
    found = told(CliRunner().invoke(app, ["backtest", *files, "--strategies", "momentum:0.6,orb:0.4", "--json"]))
    assert {trade["symbol"] for trade in found["trades"]} <= traded
    assert found["numbers"]["sessions"] == {"us_2019": 5, "us_2023": 3}[Path(minutes).name[:7]]
    assert all(trade["spread"] >= 0 and trade["fees"] > 0 for trade in found["trades"])
    assert found["numbers"]["max_exposure"] <= 1.0
