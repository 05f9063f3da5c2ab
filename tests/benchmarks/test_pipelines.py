"""Speed of the night as ratios to a floor measured in the same run. DAYBOT_BENCH=large takes the sizes that the targets are stated for."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from pipelines import publish, settings
from pipelines.core.market import indicators
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.store import Warehouse
from pipelines.vendors import calendar
from pipelines.vendors.source import BARS, whole

LARGE = os.environ.get("DAYBOT_BENCH") == "large"
LAST = date(2024, 6, 18)


def cpu(work: Callable[[], object], rounds: int = 3) -> float:
    """CPU seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def peak(work: Callable[[], object]) -> float:
    """Megabytes by which the process grew at most while it worked."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    work()
    return _memory("VmHWM") - before


def _memory(which: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which))
    return int(line.split()[1]) / 1024


def day_bars(symbols: int, window: Sequence[date]) -> pl.DataFrame:
    """Daily bars of a random walk."""
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (symbols, len(window))), axis=1)).ravel()
    starts = pl.Series(window).cast(pl.Datetime("us")).dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC")
    return _bars(np.repeat(np.arange(symbols), len(window)), pl.concat([starts] * symbols), close, rng.integers(1_000_000, 2_000_000, len(close)))


def minute_bars(symbols: int, window: Sequence[date]) -> pl.DataFrame:
    """Minute bars of the regular session of each day."""
    rng = np.random.default_rng(8)
    opens = [moment(calendar.session_of(day).open) for day in window]
    times = pl.Series([start + timedelta(minutes=n) for start in opens for n in range(390)], dtype=pl.Datetime("us", "UTC"))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.0005, (symbols, len(times))), axis=1)).ravel()
    return _bars(np.repeat(np.arange(symbols), len(times)), pl.concat([times] * symbols), close, rng.integers(100, 10_000, len(close)))


def _bars(which: np.ndarray, times: pl.Series, close: np.ndarray, volume: np.ndarray) -> pl.DataFrame:
    names = pl.Series([f"S{i:03}" for i in range(int(which.max()) + 1)])
    columns = {"open": close, "high": close * 1.002, "low": close * 0.998, "close": close, "volume": volume.astype(float), "vwap": close}
    made = pl.DataFrame({"symbol": names.gather(which), "timestamp": times, **columns}).with_columns(trades=pl.lit(10), feed=pl.lit("files"))
    return made.match_to_schema(BARS, integer_cast="upcast")


def fed(home: Path, symbols: int, window: Sequence[date]) -> DayBot:
    """Tools over a market of these sessions in own files, minutes on the last five of them."""
    for name, frame in (("daily", day_bars(symbols, window)), ("minute", minute_bars(symbols, window[-5:]))):
        (home / "own" / name).mkdir(parents=True)
        frame.drop("feed").write_parquet(home / "own" / name / "all.parquet")
    given = {"daybot_mode": "paper", "daybot_home": home, "universe": "all", "history_sessions": 60, "minute_sessions": 1, "benchmark": "S000"}
    return DayBot(settings.load(_env_file=None, bars_folder=str(home / "own"), **given))


def night(daybot: DayBot, session: date) -> dg.ExecuteInProcessResult:
    """The whole pre-open job."""
    job = defs().resolve_job_def("pre_open")
    return job.execute_in_process(partition_key=session.isoformat(), resources={"daybot": daybot})


@pytest.mark.benchmark
def test_a_day_of_minute_bars_from_files_to_publication_against_parquet_there_and_back(tmp_path: Path) -> None:
    symbols = 500 if LARGE else 100
    window = calendar.trailing(LAST, 61)
    night(fed(tmp_path / "warm", 5, window), window[-1])
    daybot = fed(tmp_path / "home", symbols, window)
    night(daybot, window[-2])  # the history is there; what follows is one more day
    done: list[dg.ExecuteInProcessResult] = []
    begin = time.process_time()
    grown = peak(lambda: done.append(night(daybot, LAST)))
    spent = time.process_time() - begin
    day = publish.bars(daybot.settings, "minute", LAST, LAST)
    file = tmp_path / "floor.parquet"
    floor = cpu(lambda: (day.write_parquet(file), pl.read_parquet(file)))
    parts = {event.step_key: event.step_success_data.duration_ms for event in done[0].all_events if event.is_step_success}
    shown = ", ".join(f"{name} {parts[name] / 1e3:.2f}" for name in sorted(parts, key=lambda name: -parts[name])[:5])
    print(
        f"\na day of {day.height:,} minute bars of {symbols} symbols, own files to publication: {spent:.2f} s CPU, {spent / day.height * 1e6:.1f} us "
        f"a bar, {spent / floor:.0f}x Parquet there and back, +{grown:.0f} MB; seconds by the clock: {shown}"
    )
    assert publish.current(daybot.settings).briefing().data_session == LAST
    assert spent < 200 * floor + 10.0, "most of it does not depend on the number of bars"


@pytest.mark.benchmark
def test_one_more_day_costs_the_same_with_a_thousand_behind_it(tmp_path: Path) -> None:
    counts = (1, 100, 1000) if LARGE else (1, 100)
    costs, growth = {}, {}
    for count in counts:
        window = calendar.trailing(LAST, max(count, 60) + 4)
        daybot = fed(tmp_path / str(count), 20, window)
        history(daybot, window[:-4], window[-4 - count : -4])
        night(daybot, window[-4])  # the first one after a bulk load leaves DuckDB the free blocks that the next ones work in
        before = size(daybot)
        times = []
        for session in window[-3:] if LARGE else window[-2:]:
            begin = time.process_time()
            night(daybot, session)
            times.append(time.process_time() - begin)
        costs[count], growth[count] = min(times), (size(daybot) - before) / len(times)
    few, most = counts[0], counts[-1]
    shown = ", ".join(f"{count:,}: {costs[count]:.2f} s and {growth[count]:.0f} KB" for count in counts)
    print(f"\none more day with so many sessions behind it, 20 symbols: {shown}; {costs[most] / costs[few]:.2f}x from {few} to {most}")
    assert costs[most] < 1.2 * costs[few] + 0.1


def history(daybot: DayBot, listed: Sequence[date], nights: Sequence[date]) -> None:
    """As if each of these sessions had had its night: bars in the lake, and the rows of a real night on every session in the tables."""
    last = nights[-1]
    night(daybot, last)
    feed, names = daybot.source.feed, daybot.universe(last)["symbol"].to_list()
    new_york = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key)
    dated = whole(daybot.source.daily(names, listed[0], last)).rows.with_columns(new_york.dt.date().alias("session"))
    bad = dated.clear().with_columns(reason=pl.lit(""), raw=pl.lit(""))
    days = dated.partition_by("session", as_dict=True)
    for asked, sessions in daybot.lake.missing("day", listed, feed, names):
        for day in sessions:
            daybot.lake.put("day", day, feed, days[(day,)], bad, asked)
    others = pl.DataFrame({"session": nights[:-1]}, schema={"session": pl.Date})
    tables = publish.current(daybot.settings).sql("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'trading_calendar'")["table_name"]
    for table in tables:
        one = daybot.warehouse.read(table).filter(pl.col("session") == pl.col("session").max())
        daybot.warehouse.replace({table: one.drop("session").join(others, how="cross").select(one.columns)}, nights[:-1])


def size(daybot: DayBot) -> float:
    """Kilobytes on disk of lake and warehouse."""
    files = [*Path(daybot.settings.lake).rglob("*.parquet"), daybot.settings.warehouse]
    return sum(file.stat().st_size for file in files) / 1024


@pytest.mark.benchmark
def test_replacing_a_day_costs_the_same_in_a_table_ten_times_as_long(tmp_path: Path) -> None:
    a_day = 10_000 if LARGE else 2_000
    costs = {}
    for sessions in (100, 1000):
        warehouse = Warehouse(settings.load(_env_file=None, daybot_home=tmp_path / str(sessions)))
        window = calendar.trailing(LAST, sessions)
        day = pl.DataFrame({"symbol": [f"S{i:05}" for i in range(a_day)], **{name: np.arange(a_day) / 7 for name in "abcdefgh"}})
        warehouse.replace({"rows": pl.DataFrame({"session": window}).join(day, how="cross")}, window)
        middle = window[sessions // 2]
        again = day.select(pl.lit(middle).alias("session"), pl.all())
        costs[sessions * a_day] = cpu(lambda w=warehouse, f=again, m=middle: w.replace({"rows": f}, [m]), 5)  # type: ignore[misc]
    (short, quick), (long, slow) = costs.items()
    print(f"\nreplacing a day of {a_day:,} rows: {quick * 1e3:.0f} ms in {short:,} rows, {slow * 1e3:.0f} ms in {long:,} rows, {slow / quick:.2f}x")
    assert slow < 1.2 * quick + 0.02


@pytest.mark.benchmark
def test_publishing_against_a_bare_copy(tmp_path: Path) -> None:
    rows = 5_000_000 if LARGE else 500_000
    known = settings.load(_env_file=None, daybot_home=tmp_path / "home", snapshots_kept=2)
    warehouse = Warehouse(known)
    values = np.random.default_rng(3).normal(0, 1, (rows, 4))
    frame = pl.DataFrame(values, schema=["a", "b", "c", "d"]).with_columns(session=pl.lit(LAST))
    warehouse.replace({"rows": frame, "briefings": pl.DataFrame({"session": [LAST], "version": ["v"], "json": [""]})}, [LAST])
    names = iter(range(100))

    def snapshot() -> None:
        publish.release(known, f"v{next(names)}", warehouse.copy)

    def bare() -> None:
        with (tmp_path / "bare").open("wb") as file:
            with known.warehouse.open("rb") as source:
                shutil.copyfileobj(source, file)
            os.fsync(file.fileno())

    ours, floor = wall(snapshot), wall(bare)
    megabytes = known.warehouse.stat().st_size / 2**20
    print(f"\npublishing {megabytes:.0f} MB: {ours * 1e3:.0f} ms, {ours / floor:.2f}x a copy with fsync ({floor * 1e3:.0f} ms)")
    assert ours < 4 * floor + 0.5


def wall(work: Callable[[], object]) -> float:
    """Seconds by the clock of the fastest of five rounds: what waits for a disk has no CPU time."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


@pytest.mark.benchmark
def test_parquet_to_parquet_against_reading_and_writing_the_same_columns(tmp_path: Path) -> None:
    symbols, sessions = (2_000, 2_500) if LARGE else (200, 2_500)
    bars = day_bars(symbols, calendar.trailing(LAST, sessions)).drop("trades", "feed").sort("symbol", "timestamp")
    source, made, again = (tmp_path / name for name in ("source.parquet", "made.parquet", "again.parquet"))
    bars.write_parquet(source)
    result = indicators.days(pl.read_parquet(source)).frame
    ours = cpu(lambda: indicators.days(pl.read_parquet(source)).frame.write_parquet(made))
    floor = cpu(lambda: (pl.read_parquet(source), result.write_parquet(again)))
    grown = peak(lambda: indicators.days(pl.read_parquet(source)).frame.write_parquet(made))
    print(f"\nParquet to Parquet, {bars.height:,} bars, {result.width} columns out: {ours / floor:.2f}x reading and writing, +{grown:.0f} MB")
    assert ours < 1.4 * floor


@pytest.mark.benchmark
def test_what_dagster_adds_to_an_asset(tmp_path: Path) -> None:
    window = calendar.trailing(LAST, 61)
    daybot = fed(tmp_path / "home", 50, window)
    night(daybot, LAST)
    graph = defs().resolve_asset_graph()
    order = [
        key.to_user_string()
        for key in graph.toposorted_asset_keys
        if graph.get(key).group_name not in {"journal", "analytics", "research", "studies"}
    ]
    named = {next(iter(asset.keys)).to_user_string(): asset for asset in defs().assets or () if isinstance(asset, dg.AssetsDefinition)}

    context = dg.build_asset_context(partition_key=LAST.isoformat())

    def bare() -> None:
        for name in order:
            named[name](context, daybot=daybot)

    def managed() -> None:
        dg.materialize([named[name] for name in order], partition_key=LAST.isoformat(), resources={"daybot": daybot})

    rounds = [(cpu(bare, 1), cpu(managed, 1)) for _ in range(3 if LARGE else 2)]  # in turns: a busy machine slows both
    functions, managed_all = (min(times) for times in zip(*rounds, strict=True))
    added, ratio = (managed_all - functions) / len(order), managed_all / functions
    print(f"\nDagster in process: {managed_all:.2f} s CPU for {len(order)} assets, {ratio:.2f}x their functions, {added * 1e3:.0f} ms an asset")
    assert managed_all < 4 * functions
