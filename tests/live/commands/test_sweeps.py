"""`daybot sweep` as people use it: on their own files, with a table, JSON, a file, and clear words about what cannot be tried."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from commands import Ran, daybot
from market import day_bars
from walks import bars

from pipelines.core.errors import SettingsError
from pipelines.research.sweep import values
from pipelines.vendors import calendar

SHIFTS = (0, 3, 4)
"""Sessions in days after the tests' own, a Friday: that, Monday and Tuesday."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Minutes of three sessions in two symbols."""
    frames = []
    for seed, days in enumerate(SHIFTS):
        made = day_bars(("AAPL", "XOM"), seed=seed)
        rows = [(b.symbol, b.start, b.open, b.high, b.low, b.close, b.volume) for b in made]
        frame = pl.DataFrame(rows, schema=["symbol", "timestamp", "open", "high", "low", "close", "volume"], orient="row")
        frames.append(frame.with_columns(pl.from_epoch("timestamp", "ns").dt.replace_time_zone("UTC") + timedelta(days=days)))
    folder = tmp_path_factory.mktemp("world")
    pl.concat(frames).write_parquet(folder / "minutes.parquet")
    window = calendar.trailing(date(2026, 11, 19), 40)
    walk = 100 * np.exp(np.cumsum(np.random.default_rng(8).normal(0, 0.01, len(window))))
    daily = [bars(symbol, window, walk, walk + 1, walk - 1, walk, np.full(len(window), 1e7)) for symbol in ("AAPL", "XOM")]
    stamps = pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC").alias("timestamp")
    pl.concat(daily).with_columns(stamps).drop("session").write_parquet(folder / "daily.parquet")
    return folder


@pytest.fixture
def sweep(world: Path, tmp_path: Path) -> Callable[..., Ran]:
    """The command on that world."""
    fixed = ("--strategy", "momentum", *files(world), "--home", str(tmp_path))
    return lambda *more: daybot("sweep", *fixed, *more)


def files(world: Path) -> tuple[str, ...]:
    return "--world", str(world / "minutes.parquet"), "--history", str(world / "daily.parquet")


def told_by(ran: Ran) -> Any:
    """The JSON among what it printed."""
    return json.loads(next(line for line in ran.output.splitlines() if line.startswith("{")))


def test_every_combination_is_a_row_and_its_profit_is_that_of_a_backtest(world: Path, sweep: Callable[..., Ran], tmp_path: Path) -> None:
    ran = sweep("--set", "volume=1:1.5:0.25", "--set", "stop_atr=1,1.5", "--aside", "0", "--json", "--csv", str(tmp_path / "table.csv"))
    assert ran.code == 0, ran.output
    told = told_by(ran)
    assert (told["tried"], told["sessions"], len(told["days"])) == (6, {"earlier": 3, "later": 0}, 18)
    assert sorted((row["volume"], row["stop_atr"]) for row in told["table"]) == [(v, s) for v in (1.0, 1.25, 1.5) for s in (1.0, 1.5)]
    assert pl.read_csv(tmp_path / "table.csv").height == 6
    (row,) = [row for row in told["table"] if (row["volume"], row["stop_atr"]) == (1.25, 1.5)]
    limits = tmp_path / "limits.toml"
    limits.write_text("stop_atr = 1.5\n")
    command = ("backtest", "--strategies", "momentum", "--set", "momentum.volume=1.25", "--limits", str(limits), *files(world))
    alone = daybot(*command, "--home", str(tmp_path), "--json")
    assert alone.code == 0, alone.output
    report = told_by(alone)
    assert row["trades"] == report["numbers"]["trades"] > 0
    assert row["net"] == pytest.approx(report["numbers"]["end"] - report["numbers"]["start"], abs=1e-9)


def test_the_table_says_what_to_believe(sweep: Callable[..., Ran]) -> None:
    ran = sweep("--set", "volume=1,1.5")
    assert ran.code == 0, ran.output
    assert "2 sets" in ran.output
    assert "not distinguishable from luck" in ran.output


def test_what_cannot_be_tried_is_said(sweep: Callable[..., Ran]) -> None:
    ran = sweep("--set", "volumes=1")
    assert ran.code == 1
    assert "expected parameters of momentum" in ran.output


@pytest.mark.parametrize("text", ["", "much", "1:2", "2:1:0.5", "1:2:0", "0:1:1e-9"])
def test_values_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="first:last:step"):
        values(text)


@pytest.mark.parametrize(
    ("text", "found"), [("1.5", (1.5,)), ("1,2", (1, 2)), ("1:2:0.2", (1, 1.2, 1.4, 1.6, 1.8, 2)), ("0:1:0.3", (0, 0.3, 0.6, 0.9)), ("3:3:1", (3,))]
)
def test_values_are_lists_or_ranges_with_their_end(text: str, found: tuple[float, ...]) -> None:
    assert values(text) == found
