"""What Dagster keeps of its own does not grow for ever: old runs go with everything that they left, and a year of nights stays as wide as a month."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

import dagster as dg
import numpy as np
import polars as pl
import pytest

from pipelines import publish, settings
from pipelines.core.market.session import moment
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.defs.running.tidy import forget
from pipelines.vendors import calendar

ROOT = Path(__file__).parents[3]
LAST = date(2024, 6, 18)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's own storage in files, configured as ours is."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as found:
        yield found


def run(instance: dg.DagsterInstance, daybot: DayBot, day: date, job: str = "pre_open", only: list[str] | None = None) -> str:
    """Of the whole job, or of some of it."""
    done = defs().resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=day.isoformat(), resources={"daybot": daybot}, op_selection=only
    )  # fmt: skip
    assert done.success
    return done.run_id


def left(instance: dg.DagsterInstance, of: str) -> list[str]:
    """Files whose name has this run in it."""
    return [str(path) for path in Path(instance.root_directory).rglob(f"*{of}*")]


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="thing")])
def thing() -> dg.MaterializeResult:
    """An asset that is made and found sound."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


def checks(instance: dg.DagsterInstance, of: str) -> int:
    """Verdicts that Dagster's index has of this run."""
    with closing(sqlite3.connect(Path(instance.root_directory) / "history" / "runs" / "index.db")) as index:
        (count,) = index.execute("SELECT count(*) FROM asset_check_executions WHERE run_id = ?", [of]).fetchone()
    return int(count)


def test_old_runs_go_with_what_they_left_and_the_newest_of_each_asset_stays(
    instance: dg.DagsterInstance, folder: Path, tools: Callable[..., DayBot], monkeypatch: pytest.MonkeyPatch
) -> None:
    daybot, days = tools(bars_folder=str(folder)), calendar.trailing(LAST, 2)
    old = run(instance, daybot, days[0], only=["trading_calendar"])
    alone = run(instance, daybot, days[0], only=["universe"])
    checked, kept = (dg.materialize([thing], instance=instance).run_id for _ in range(2))
    new = run(instance, daybot, days[1], only=["trading_calendar"])
    assert left(instance, old)
    assert checks(instance, checked) == 1
    monkeypatch.setenv("RUNS_KEPT", "0")
    defs().resolve_job_def("tidy").execute_in_process(instance=instance)
    monkeypatch.setenv("RUNS_KEPT", "14")
    defs().resolve_job_def("tidy").execute_in_process(instance=instance)
    assert {old, alone, new} <= set(instance.get_run_ids()), "none of them is a fortnight old"
    assert {old, checked} <= set(forget(instance, datetime.now(UTC) + timedelta(seconds=1)))
    assert set(instance.get_run_ids()) == {alone, new, kept}
    assert left(instance, old) == []
    assert (checks(instance, checked), checks(instance, kept)) == (0, 1)
    assert left(instance, alone)
    assert instance.get_latest_materialization_event(dg.AssetKey("universe")).run_id == alone  # type: ignore[union-attr]  # it is there
    assert daybot.warehouse.read("universe", days[0]).height, "the data are none of Dagster's"


@pytest.mark.soak
@pytest.mark.timeout(14400)
@pytest.mark.parametrize(("count", "month"), [(12, 4), (252, 21)], ids=["fortnight", "year"])
def test_nights_later_storage_memory_and_the_time_of_a_night_are_what_they_were(
    count: int, month: int, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A night is both of its jobs; Dagster keeps the runs of the last `month` of them."""
    window = calendar.trailing(LAST, count + 90)
    daybot = fed(tmp_path, window)
    ends, spent, held, kept = [], [], [], []
    for number, session in enumerate(window[-count:]):
        begin = time.process_time()
        for day, job in ((calendar.previous_session(session), "pre_open"), (session, "after_close")):
            run(instance, daybot, day, job)
        ends.append(datetime.now(UTC))
        if number >= month:
            forget(instance, ends[number - month])
        spent.append(time.process_time() - begin)
        held.append(megabytes("VmRSS"))
        kept.append(sum(path.stat().st_size for path in Path(instance.root_directory).rglob("*") if path.is_file()) / 2**20)
        if (number + 1) % month == 0:
            sys.stdout.write(
                f"\n{number + 1:>3} nights: {median(spent[-month:]):.1f} s CPU a night, {held[-1]:.0f} MB held, Dagster {kept[-1]:.0f} MB"
            )
            sys.stdout.flush()
    assert publish.current(daybot.settings).briefing().data_session == LAST
    first, last = slice(month, 2 * month), slice(-month, None)
    assert median(spent[last]) < 1.25 * median(spent[first]) + 0.2
    assert max(held[last]) < max(held[first]) + 100
    assert max(kept[last]) < 1.15 * max(kept[first])


def fed(home: Path, window: list[date]) -> DayBot:
    """The tools over an invented market of six names with minutes on every session, as own files."""
    rng, names = np.random.default_rng(3), ["SPY", "AAPL", "MSFT", "JPM", "XOM", "BAC"]
    days, minutes = [], []
    opens = [moment(calendar.session_of(day).open) for day in window]
    for symbol in names:
        path = 100 * np.exp(np.cumsum(rng.normal(0, 0.0006, (len(window), 390)).ravel())).reshape(len(window), 390)
        times = pl.Series([start + timedelta(minutes=n) for start in opens for n in range(390)], dtype=pl.Datetime("us", "UTC"))
        minutes.append(_rows(symbol, times, path.ravel(), 1000.0))
        start = pl.Series(window).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
        days.append(_rows(symbol, start, path[:, -1], 390_000.0))
    for name, frames in (("daily", days), ("minute", minutes)):
        (home / "own" / name).mkdir(parents=True)
        pl.concat(frames).write_parquet(home / "own" / name / "all.parquet")
    given = {"daybot_mode": "paper", "daybot_home": home / "home", "universe": "all", "history_sessions": 60, "minute_sessions": 1}
    return DayBot(settings.load(_env_file=None, bars_folder=str(home / "own"), snapshots_kept=5, **given))


def _rows(symbol: str, times: pl.Series, close: np.ndarray, volume: float) -> pl.DataFrame:
    columns = {"open": close, "high": close * 1.002, "low": close * 0.998, "close": close, "vwap": close}
    return pl.DataFrame({"timestamp": times, **columns}).with_columns(symbol=pl.lit(symbol), volume=pl.lit(volume), trade_count=pl.lit(10))


def megabytes(which: str) -> float:
    """Of this process, by the kernel."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) / 1024
