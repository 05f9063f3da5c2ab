"""A small invented market on disk as own files, and the night side's tools on top of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from pipelines import settings
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar

DATA_SESSION = date(2024, 6, 18)
"""The session after it is the 20th: the 19th is a holiday."""

SYMBOLS = ("AAPL", "BAC", "JPM", "MSFT", "SPY", "XOM", "ZZZZ")
SESSIONS = 90


def daily(rng: np.random.Generator) -> pl.DataFrame:
    """Daily bars with a common factor; ZZZZ has none."""
    window = calendar.trailing(DATA_SESSION, SESSIONS)
    market = rng.normal(0, 0.01, len(window))
    frames = []
    for symbol in SYMBOLS[:-1]:
        close = 100 * np.exp(np.cumsum(market + rng.normal(0, 0.01, len(window))))
        start = close * (1 + rng.normal(0, 0.002, len(window)))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": [symbol] * len(window),
                    "timestamp": pl.Series(window).cast(pl.Datetime("us")).dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC"),
                    "open": start,
                    "high": np.maximum(start, close) * 1.005,
                    "low": np.minimum(start, close) * 0.995,
                    "close": close,
                    "volume": rng.integers(1_000_000, 2_000_000, len(window)),
                }
            )
        )
    return pl.concat(frames)


def minutes(rng: np.random.Generator, days: pl.DataFrame) -> pl.DataFrame:
    """Two sessions of minute bars around each day's close; one row in ten has volume 0; ZZZZ trades around 50 dollars."""
    frames = []
    for session in calendar.trailing(DATA_SESSION, 2):
        start = moment(calendar.session_of(session).open)
        times = [start + timedelta(minutes=n) for n in range(-30, 390)]
        for symbol in SYMBOLS:
            last = days.filter((pl.col("symbol") == symbol) & (pl.col("timestamp").dt.date() == session))["close"]
            close = (last.item() if len(last) else 50.0) * np.exp(rng.normal(0, 0.001, len(times)))
            frames.append(
                pl.DataFrame(
                    {
                        "symbol": [symbol] * len(times),
                        "timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
                        "open": close,
                        "high": close * 1.001,
                        "low": close * 0.999,
                        "close": close,
                        "volume": np.where(np.arange(len(times)) % 10 == 0, 0, 1000),
                        "vwap": close,
                        "trade_count": np.full(len(times), 10),
                    }
                )
            )
    return pl.concat(frames)


@pytest.fixture(scope="session")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Daily and minute bars of the invented market, the same in every run."""
    rng = np.random.default_rng(20240618)
    days = daily(rng)
    return days, minutes(rng, days)


@pytest.fixture
def folder(tmp_path: Path, market: tuple[pl.DataFrame, pl.DataFrame]) -> Path:
    """The market as own files; a test may spoil its copy."""
    return _written(tmp_path, market)


def _written(path: Path, market: tuple[pl.DataFrame, pl.DataFrame]) -> Path:
    for name, frame in zip(("daily", "minute"), market, strict=True):
        (path / "own" / name).mkdir(parents=True)
        frame.write_parquet(path / "own" / name / "all.parquet")
    return path / "own"


@pytest.fixture
def tools(tmp_path: Path) -> Callable[..., DayBot]:
    """The night side's tools with a home of their own; settings of the machine play no part."""
    return lambda **changes: _tools(tmp_path / "home", **changes)


def _tools(home: Path, **changes: object) -> DayBot:
    given = {"daybot_mode": "paper", "daybot_home": home, "universe": "all", "history_sessions": SESSIONS, "snapshots_kept": 2}
    plain = {"alpaca_base_url": settings.PAPER_URL, "bars_folder": "", "benchmark": "SPY", "watchlist_size": 50, "minute_sessions": 2}
    return DayBot(settings.load(_env_file=None, **{**given, **plain, **changes}))


@dataclass(frozen=True)
class Ran:
    """A job that Dagster has run over the market: to be looked at, and to be gone on with in a copy."""

    daybot: DayBot
    result: dg.ExecuteInProcessResult

    def copy(self, path: Path, **changes: object) -> DayBot:
        """The tools over a copy of the home."""
        kept = self.daybot.settings
        shutil.copytree(kept.daybot_home, path / "copy")
        return _tools(path / "copy", bars_folder=kept.bars_folder, **changes)


@pytest.fixture(scope="session")
def morning(market: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`pre_open` after the market's last session, run once for all tests."""
    return _ran("pre_open", market, tmp_path_factory.mktemp("morning"))


@pytest.fixture(scope="session")
def evening(market: tuple[pl.DataFrame, pl.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same of `after_close`."""
    return _ran("after_close", market, tmp_path_factory.mktemp("evening"))


def _ran(job: str, market: tuple[pl.DataFrame, pl.DataFrame], path: Path) -> Ran:
    daybot = _tools(path / "home", bars_folder=str(_written(path, market)))
    result = defs().resolve_job_def(job).execute_in_process(partition_key=DATA_SESSION.isoformat(), resources={"daybot": daybot})
    assert result.success
    return Ran(daybot, result)
