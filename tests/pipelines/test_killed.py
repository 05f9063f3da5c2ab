"""kill -9 at random moments: the warehouse and the lake hold whole states afterwards, and the next writer goes on."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

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


def killed(program: str, home: Path, number: int, seconds: float) -> int:
    """Run the writer so long from its first write on, then end it without a word; the last number that it said was written."""
    with subprocess.Popen([sys.executable, "-c", program, str(home), str(number)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return int((first + process.stdout.read()).split()[-1])


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> list[float]:
    """Seconds until each kill; the seed is in the output of a failed test."""
    seed = time.time_ns() % 1_000_000
    sys.stdout.write(f"{request.node.name}: seed {seed}\n")
    return [random.Random(seed + i).uniform(0.05, 0.8) for i in range(4)]


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
