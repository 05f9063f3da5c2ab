"""The whole graph, really run by Dagster, from own files to a published briefing; and what stops it."""

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from pipelines import publish
from pipelines.core.briefing import Severity
from pipelines.core.errors import MissingData, StaleBriefing
from pipelines.core.journal import GENESIS, Employed, Manifest, encode, seal
from pipelines.core.learning.features import FEATURES
from pipelines.core.learning.training import SCORERS
from pipelines.core.market.bars import SECOND
from pipelines.core.risk.regimes import RegimeName
from pipelines.core.trading.decisions import TradeClosed
from pipelines.core.trading.orders import Side
from pipelines.definitions import defs
from pipelines.defs.checks import CHECKS
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar

DATA_SESSION, SESSION = date(2024, 6, 18), date(2024, 6, 20)


def run(daybot: DayBot, job: str = "pre_open", only: list[str] | None = None, day: date = DATA_SESSION) -> dg.ExecuteInProcessResult:
    found = defs().resolve_job_def(job)
    return found.execute_in_process(partition_key=day.isoformat(), resources={"daybot": daybot}, raise_on_error=False, op_selection=only)


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


def test_after_close_publishes_a_briefing_for_the_next_session(evening: Any) -> None:
    snapshot = publish.current(evening.daybot.settings)
    briefing = snapshot.briefing()
    assert (briefing.session, briefing.data_session) == (SESSION, DATA_SESSION)
    assert briefing.version == snapshot.version
    assert briefing.hours == calendar.session_of(SESSION)
    assert briefing.benchmark == "SPY"
    assert briefing.regime.name is not RegimeName.UNKNOWN
    ran = {(check.asset, check.name, check.severity) for check in briefing.checks}
    assert ran == {tuple(check) for check in CHECKS}
    assert [check for check in briefing.checks if not check.passed] == []
    apple = briefing.symbols["AAPL"]
    assert apple.sector == "Information Technology"
    assert apple.history == 90
    assert apple.atr is not None
    assert 0 < apple.atr < 10
    assert len(apple.returns) == 60
    assert None not in apple.returns
    assert apple.seed is not None
    assert snapshot.table("trades").is_empty()
    assert snapshot.table("performance").height > 0
    assert {"universe", "features", "regime", "correlation", "betas", "sector_exposure", "watchlist", "quarantine"} <= set(
        snapshot.sql("SELECT table_name FROM duckdb_tables()")["table_name"]
    )


def test_the_briefing_carries_scorers_that_held_and_no_others(evening: Any, tmp_path: Path) -> None:
    daybot = evening.copy(tmp_path)
    assert publish.current(daybot.settings).briefing().scorers == {}, "a day's examples teach nothing"
    plain = {"features": FEATURES, "mean": [0.0] * len(FEATURES), "scale": [1.0] * len(FEATURES), "weights": [0.1] * len(FEATURES), "intercept": 0.2}
    marks = {"examples": 900, "sessions": 40, "auc": 0.6, "loss": 0.6, "base_loss": 0.69, "session": DATA_SESSION}
    rows = [{**plain, **marks, "strategy": name, "auc_low": low, "trusted": low > 0.5} for name, low in (("momentum", 0.55), ("orb", 0.49))]
    daybot.warehouse.replace({"scorers": pl.DataFrame(rows, schema=SCORERS)}, [DATA_SESSION])
    assert run(daybot, "after_close", ["briefing"]).success
    found = publish.current(daybot.settings).briefing()
    assert list(found.scorers) == ["momentum"]
    assert (found.scorers["momentum"].features, found.scorers["momentum"].intercept) == (FEATURES, 0.2)
    assert "scorers" in found.inputs


def test_symbol_without_history_stays_last_on_the_watchlist_and_says_why(morning: Any) -> None:
    briefing = publish.current(morning.daybot.settings).briefing(SESSION)
    last = briefing.watchlist[-1]
    assert (last.symbol, last.reasons) == ("ZZZZ", ("no daily history: 0 of 15 sessions",))
    assert briefing.symbols["ZZZZ"].atr is None
    assert [line.rank for line in briefing.watchlist] == list(range(1, 8))


def test_second_run_asks_the_vendor_for_no_bars_and_publishes_the_same_content(morning: Any, tmp_path: Path) -> None:
    daybot = morning.copy(tmp_path)
    first = publish.current(daybot.settings).version
    again = run(daybot)
    asked = {e.asset_key.to_user_string(): e.materialization.metadata.get("requests") for e in again.get_asset_materialization_events()}
    assert asked["daily_bars"] == dg.MetadataValue.int(0)
    assert asked["minute_bars"] == dg.MetadataValue.int(0)
    second = publish.current(daybot.settings).version
    assert first != second
    assert first.rsplit("-", 1)[1] == second.rsplit("-", 1)[1]


def test_a_backfill_of_an_earlier_session_leaves_the_newest_briefing_current(morning: Any, tmp_path: Path) -> None:
    daybot = morning.copy(tmp_path, history_sessions=89)
    newest, before = publish.current(daybot.settings).version, calendar.previous_session(DATA_SESSION)
    result = run(daybot, day=before)
    assert result.success
    assert publish.current(daybot.settings).version == newest
    assert publish.current(daybot.settings).briefing().session == SESSION
    (made,) = result.asset_materializations_for_node("briefing")
    version = str(made.metadata["version"].value)
    assert publish.named(daybot.settings, version).briefing().session == DATA_SESSION
    assert made.metadata["current"].value == newest
    assert run(daybot).success
    assert publish.current(daybot.settings).briefing(DATA_SESSION).version == version


def test_a_briefing_that_was_not_released_is_in_no_later_snapshot(folder: Path, tools: Callable[..., DayBot]) -> None:
    daybot = tools(bars_folder=str(folder), history_sessions=89)
    in_the_way = daybot.settings.snapshots / "publish.lock"
    in_the_way.mkdir(parents=True)
    assert not run(daybot).success
    in_the_way.rmdir()
    assert run(daybot, day=calendar.previous_session(DATA_SESSION)).success
    snapshot = publish.current(daybot.settings)
    assert snapshot.table("briefings")["version"].to_list() == [snapshot.version]
    with pytest.raises(StaleBriefing):
        snapshot.briefing(SESSION)


def test_benchmark_without_history_gives_way_to_the_equal_weighted_universe(folder: Path, tools: Callable[..., DayBot]) -> None:
    daybot = tools(bars_folder=str(folder), benchmark="ZZZZ")
    assert run(daybot).success
    assert publish.current(daybot.settings).briefing().benchmark == "EQUAL-WEIGHT"


def spoil_gaps(daily: pl.DataFrame, minute: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return daily.filter(~((pl.col("symbol") == "BAC") & (pl.col("timestamp") > datetime(2024, 5, 1).astimezone()))), minute


def spoil_prices(daily: pl.DataFrame, minute: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    broken = (pl.col("timestamp") > datetime(2024, 6, 13).astimezone()) & pl.col("symbol").is_in(["BAC", "JPM"])
    return daily.with_columns(pl.when(broken).then(pl.col("low") / 2).otherwise("high").alias("high")), minute


def spoil_ranges(daily: pl.DataFrame, minute: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    flat = [pl.when(pl.col("symbol") == "BAC").then(100.0).otherwise(name).alias(name) for name in ("open", "high", "low", "close")]
    return daily.with_columns(flat), minute


def spoil_minutes(daily: pl.DataFrame, minute: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return daily, minute.filter(pl.col("timestamp") < datetime(2020, 1, 1).astimezone())


@pytest.mark.parametrize(
    ("spoil", "check"),
    [(spoil_gaps, "complete"), (spoil_prices, "sane"), (spoil_ranges, "usable"), (spoil_minutes, "inside")],
    ids=lambda x: str(x)[:14],
)
def test_a_failed_blocking_check_publishes_nothing_and_current_stays(
    folder: Path, tools: Callable[..., DayBot], spoil: Callable[..., tuple[pl.DataFrame, pl.DataFrame]], check: str
) -> None:
    daybot = tools(bars_folder=str(folder))
    earlier = calendar.previous_session(DATA_SESSION)
    release(daybot, "before")
    files = [folder / name / "all.parquet" for name in ("daily", "minute")]
    for path, frame in zip(files, spoil(*(pl.read_parquet(path) for path in files)), strict=True):
        frame.write_parquet(path)
    result = run(daybot)
    assert not result.success
    assert verdicts(result)[check] is False
    assert not result.asset_materializations_for_node("briefing")
    assert publish.current(daybot.settings).version == "before"
    with pytest.raises(StaleBriefing):
        publish.current(daybot.settings).briefing(earlier)


def test_a_matrix_that_is_not_positive_stops_the_briefing_also_in_a_run_of_its_own(morning: Any, tmp_path: Path) -> None:
    daybot = morning.copy(tmp_path)
    version = publish.current(daybot.settings).version
    rows = daybot.warehouse.read("correlation", DATA_SESSION)
    wrong = rows.with_columns(pl.when(pl.col("a") == pl.col("b")).then(pl.col("rho")).otherwise(-0.9).alias("rho"))
    daybot.warehouse.replace({"correlation": wrong}, [DATA_SESSION])
    assert verdicts(run(daybot, only=["correlation_checks"]))["proper"] is False
    assert not run(daybot, only=["briefing"]).success
    assert publish.current(daybot.settings).version == version


def test_an_unknown_split_is_published_and_the_session_starts_in_reducing(folder: Path, tools: Callable[..., DayBot]) -> None:
    path = folder / "daily" / "all.parquet"
    halved = (pl.col("symbol") == "BAC") & (pl.col("timestamp") > datetime(2024, 6, 10).astimezone())
    prices = [pl.when(halved).then(pl.col(name) / 2).otherwise(name).alias(name) for name in ("open", "high", "low", "close")]
    pl.read_parquet(path).with_columns(*prices, pl.when(halved).then(pl.col("volume") * 2).otherwise("volume").alias("volume")).write_parquet(path)
    daybot = tools(bars_folder=str(folder))
    result = run(daybot)
    assert result.success
    briefing = publish.current(daybot.settings).briefing()
    found = {check.name: check for check in briefing.checks}
    assert (found["split"].passed, found["split"].severity) == (False, Severity.REDUCING)
    assert "BAC 2024-06-10 unknown split" in found["split"].detail
    assert [doubt.partition(":")[0] for doubt in briefing.doubts] == ["daily_bars split"]
    assert (found["plausible"].passed, found["plausible"].severity) == (False, Severity.ADVICE)
    assert not found["agreeing"].passed, "the minute bars were not halved"
    shown = {e.check_name: e.metadata for e in result.get_asset_check_evaluations()}
    assert "BAC | 2024-06-10 | unknown split" in str(shown["split"]["worst"].value)


def test_quarantined_bars_are_kept_with_their_reason(folder: Path, tools: Callable[..., DayBot]) -> None:
    path = folder / "daily" / "all.parquet"
    frame = pl.read_parquet(path)
    wrong = (pl.col("symbol") == "BAC") & (pl.col("timestamp") == frame["timestamp"].min())
    frame.with_columns(pl.when(wrong).then(-1.0).otherwise("low").alias("low")).write_parquet(path)
    daybot = tools(bars_folder=str(folder))
    assert run(daybot).success
    assert run(daybot).success, "and a second run neither loses nor doubles it"
    kept = publish.current(daybot.settings).table("quarantine")
    assert kept.select("symbol", "resolution", "reason").rows() == [("BAC", "day", "a price is not finite or not above zero")]


def test_a_broken_journal_stops_the_evening(folder: Path, tools: Callable[..., DayBot]) -> None:
    daybot = tools(bars_folder=str(folder))
    daybot.settings.journals.mkdir(parents=True)
    (daybot.settings.journals / f"{DATA_SESSION}-1.jsonl").write_text(json.dumps({"hash": "0" * 64, "record": {}}) + "\n")
    assert not run(daybot, "after_close").success
    with pytest.raises(MissingData, match="make demo"):
        publish.current(daybot.settings)


def test_journal_becomes_tables_and_performance_however_often_it_is_read(morning: Any, tmp_path: Path) -> None:
    daybot = morning.copy(tmp_path)
    briefing = publish.current(daybot.settings).briefing()
    limits = daybot.settings.limits
    head = Manifest(
        session=DATA_SESSION,
        run="1",
        mode="sim",
        account="A",
        code="c",
        strategies=(Employed(name="momentum", parameters={}, version="v"),),
        limits=limits,
        briefing=briefing,
    )
    closed = [
        TradeClosed(f"T{i}", "AAPL", "momentum", Side.BUY, 10, 100.0, 100.0 + p / 10, p, p / 50, "target", 0, 600 * SECOND)
        for i, p in enumerate((50.0, -25.0))
    ]
    daybot.settings.journals.mkdir(parents=True)
    records = [("session", head.model_dump_json().encode()), *(("decision", encode(line)) for line in closed)]
    previous, lines = GENESIS, b""
    for number, (kind, data) in enumerate(records, start=1):
        line, previous = seal(previous, number, 0, kind, data)
        lines += line + b"\n"
    (daybot.settings.journals / f"{DATA_SESSION}-1.jsonl").write_bytes(lines)
    evening = ["journal", "performance", "sector_exposure", "briefing"]
    assert run(daybot, "after_close", evening).success
    assert run(daybot, "after_close", evening).success
    snapshot = publish.current(daybot.settings)
    assert snapshot.table("trades")["profit"].to_list() == [50.0, -25.0]
    measured = dict(snapshot.table("performance").select("metric", "value").iter_rows())
    assert (measured["profit"], measured["win_rate"], measured["profit_factor"]) == (25.0, 0.5, 2.0)


def release(daybot: DayBot, name: str) -> None:
    empty = pl.DataFrame(schema={"session": pl.Date, "version": pl.String, "json": pl.String})
    daybot.warehouse.replace({"briefings": empty}, [DATA_SESSION])
    publish.release(daybot.settings, name, daybot.warehouse.copy)
