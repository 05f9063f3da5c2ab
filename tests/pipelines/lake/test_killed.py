"""kill -9 at random moments: the warehouse and the lake hold whole states afterwards, and the next writer goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from whole import contents, whole

from pipelines import publish
from pipelines.defs.resources import DayBot
from pipelines.lake.bars import Lake

DAY = date(2024, 6, 18)
ROWS = 20_000

PREAMBLE = f"""
import sys
from datetime import UTC, date, datetime
from pathlib import Path
import polars as pl
from pipelines import settings
from pipelines import publish
from pipelines.lake.bars import Lake
from pipelines.store import Warehouse
from pipelines.vendors.source import BARS
chosen = settings.load(_env_file=None, daybot_mode="paper", daybot_home=Path(sys.argv[1]))
day, number, rows = date.fromisoformat("{DAY}"), int(sys.argv[2]), {ROWS}
"""

REPLACES = (
    PREAMBLE
    + """
warehouse = Warehouse(chosen)
while True:
    number += 1
    frame = pl.DataFrame({"session": [day] * rows, "value": [number] * rows})
    warehouse.replace({"first": frame, "second": frame}, [day])
    print(number, flush=True)
"""
)

PUTS = (
    PREAMBLE
    + """
lake, start = Lake(chosen), datetime(2024, 6, 18, 4, tzinfo=UTC)
times = pl.datetime_range(start, start.replace(hour=23), "1m", time_unit="us", eager=True)[:rows // 20]
symbols = [f"S{i:02d}" for i in range(20)]
while True:
    number += 1
    prices = {name: pl.lit(float(number)) for name in ("open", "high", "low", "close", "volume", "vwap")}
    known = {**prices, "trades": pl.lit(number, pl.Int64), "feed": pl.lit("iex")}
    good = pl.DataFrame({"symbol": symbols}).join(pl.DataFrame({"timestamp": times}), how="cross").with_columns(**known).match_to_schema(BARS)
    lake.put("minute", day, "iex", good, good.clear().with_columns(pl.lit("").alias("reason")), symbols)
    print(number, flush=True)
"""
)

PUBLISHES = (
    PREAMBLE
    + """
import numpy as np
warehouse, noise = Warehouse(chosen), np.random.default_rng(number).normal(size=(rows, 10))
while True:
    number += 1
    frame = pl.DataFrame(noise).with_columns(session=pl.lit(day), value=pl.lit(number))
    warehouse.replace({"first": frame, "second": frame}, [day])
    publish.release(chosen, f"2024-06-20-{number:08d}", warehouse.copy)
    print(number, flush=True)
"""
)


def killed(program: str, home: Path, number: int, seconds: float) -> int:
    """Run the writer so long from its first write on, then end it without a word; the last number that it said was written."""
    with subprocess.Popen([sys.executable, "-c", program, str(home), str(number)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return int((first + process.stdout.read()).split()[-1])


def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Chances of this run; the seed is in the output of a failed test."""
    seed = time.time_ns() % 1_000_000
    sys.stdout.write(f"{request.node.name}: seed {seed}\n")
    return random.Random(seed)


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> list[float]:
    """Seconds until each kill."""
    chance = seeded(request)
    return [chance.uniform(0.05, 0.8) for _ in range(4)]


def test_a_killed_replacement_leaves_both_tables_at_one_state(tools: Callable[..., DayBot], moments: list[float]) -> None:
    daybot, number = tools(), 0
    for seconds in moments:
        said = killed(REPLACES, daybot.settings.daybot_home, number, seconds)
        first, second = (daybot.warehouse.read(name) for name in ("first", "second"))
        assert first.equals(second)
        assert (first.height, first["value"].n_unique()) == (ROWS, 1)
        number = first["value"][0]
        assert number in (said, said + 1), "what it said is there, and what it did not say may be"
    frame = pl.DataFrame({"session": [DAY], "value": [-1]})
    daybot.warehouse.replace({"first": frame, "second": frame}, [DAY])
    assert daybot.warehouse.read("second")["value"].to_list() == [-1]


def test_a_killed_answer_is_in_the_lake_whole_or_not_at_all(tools: Callable[..., DayBot], moments: list[float]) -> None:
    daybot, number = tools(), 0
    for seconds in moments:
        said = killed(PUTS, daybot.settings.daybot_home, number, seconds)
        found = publish.bars(daybot.settings, "minute", DAY, DAY)
        assert (found.height, found["close"].n_unique()) == (ROWS, 1)
        number = int(found["close"][0])
        assert number in (said, said + 1)
        first = publish.bars(daybot.settings, "minute", DAY, DAY, view="first")
        assert (first.height, first["close"].unique().to_list()) == (ROWS, [1.0]), "and whatever was merged, the first is still the first"
    rows = publish.bars(daybot.settings, "minute", DAY, DAY).drop("session", "learned_at")
    Lake(daybot.settings).put(
        "minute", DAY, "iex", rows.with_columns(close=pl.lit(0.5)), rows.clear().with_columns(reason=pl.lit("")), rows["symbol"].unique()
    )
    assert set(publish.bars(daybot.settings, "minute", DAY, DAY)["close"]) == {0.5}


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_a_killed_publication_leaves_the_last_or_the_next_state_whole(
    kills: int, tools: Callable[..., DayBot], request: pytest.FixtureRequest
) -> None:
    daybot, chance, number, left = tools(snapshots_kept=5), seeded(request), 0, Counter[str]()
    for _ in range(kills):
        said = killed(PUBLISHES, daybot.settings.daybot_home, number, chance.uniform(0.0, 0.8))
        left.update(path.suffix or path.name for path in daybot.settings.daybot_home.rglob("*") if path.is_file())
        current, there = publish.current(daybot.settings), publish.published(daybot.settings)
        assert int(current.version[11:]) in (said, said + 1), "what it said is current, and what it did not say may be"
        for snapshot in there:
            first, second = snapshot.table("first"), snapshot.table("second")
            assert first.equals(second)
            assert (first.height, first["value"].unique().to_list()) == (ROWS, [int(snapshot.version[11:])]), "each holds what its name says"
        number = int(there[0].version[11:])
    began = time.monotonic()
    frame = pl.DataFrame({"session": [DAY], "value": [-1]})
    daybot.warehouse.replace({"first": frame, "second": frame}, [DAY])
    publish.release(daybot.settings, "2024-06-20-99999999", daybot.warehouse.copy)
    assert time.monotonic() - began < 60, "nobody waits for a lock of the dead"
    assert publish.current(daybot.settings).table("second")["value"].to_list()[-1] == -1
    rest = [path.name for path in daybot.settings.daybot_home.rglob("*") if path.suffix in {".draft", ".tmp", ".wal"}]
    assert rest == [], "the next publication clears away what the killed ones left"
    sys.stdout.write(f"{kills} kills; files there after them: {dict(left)}\n")


STEP = " - STEP_START - "
BEFORE, AFTER = date(2024, 6, 17), date(2024, 6, 18)


def night(folder: Path, home: Path, day: date, *, kill_at: int | None = None, after: float = 0.0) -> tuple[int, int]:
    """`dagster job execute` of the evening after `day`, killed so many seconds after so many steps have begun: (exit code, steps)."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))} | {
        "DAYBOT_HOME": str(home), "DAGSTER_HOME": str(home), "BARS_FOLDER": str(folder), "UNIVERSE": "all", "HISTORY_SESSIONS": "90",
    }  # fmt: skip
    words = ["dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "after_close", "--tags", f'{{"dagster/partition": "{day}"}}']
    with subprocess.Popen([sys.executable, "-m", *words], cwd=home, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        steps = 0
        for line in run.stdout:
            steps += STEP in line
            if steps == kill_at:
                time.sleep(after)
                run.send_signal(signal.SIGKILL)
                break
        run.stdout.read()
    return run.returncode, steps


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_night_killed_at_any_step_is_healed_by_the_next_run(
    folder: Path, tools: Callable[..., DayBot], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    chance, homes = seeded(request), {name: tmp_path / name for name in ("killed", "undisturbed")}
    for home in homes.values():
        home.mkdir()
    code, steps = night(folder, homes["killed"], BEFORE)
    assert (code, steps > 10) == (0, True)
    daybot = tools(bars_folder=str(folder), daybot_home=homes["killed"])
    first = whole(publish.current(daybot.settings))
    for place in [*sorted(chance.sample(range(1, steps + 1), 7)), steps]:  # the last step publishes
        code, _ = night(folder, homes["killed"], AFTER, kill_at=place, after=chance.uniform(0.0, 0.4))
        found = whole(publish.current(daybot.settings))
        assert code in (-signal.SIGKILL, 0)
        assert found.version == first.version or found.data_session == AFTER, "the old one, or already the new one"
    for home in homes.values():
        if home == homes["undisturbed"]:
            night(folder, home, BEFORE)
        assert night(folder, home, AFTER)[0] == 0
    assert whole(publish.current(daybot.settings)).data_session == AFTER
    ours, theirs = (contents(tools(bars_folder=str(folder), daybot_home=home), [BEFORE, AFTER]) for home in homes.values())
    assert ours.keys() == theirs.keys()
    for name, frame in ours.items():
        assert frame.equals(theirs[name]), name
