"""A split overnight and one in the middle of history fake nothing: the briefing is that of a market that never split, bit for bit."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines import publish, settings
from pipelines.core.briefing import Briefing
from pipelines.core.market.adjustment import rescaled
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot

DATA_SESSION, SESSION, MIDDLE = date(2024, 6, 18), date(2024, 6, 20), date(2024, 5, 15)
PAID = f"symbol,kind,ex_date,ratio,cash\nJPM,dividend,{MIDDLE},,1.25\n"
SPLIT = f"{PAID}AAPL,split,{SESSION},4,\nMSFT,split,{MIDDLE},2,\n"


def split(bars: pl.DataFrame) -> pl.DataFrame:
    """The same market as the tape has it: AAPL before it becomes four, MSFT before it became two."""
    day = pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date()
    ratio = pl.when(pl.col("symbol") == "AAPL").then(4.0).when((pl.col("symbol") == "MSFT") & (day < MIDDLE)).then(2.0).otherwise(1.0)
    prices = [name for name in ("open", "high", "low", "close", "vwap") if name in bars.columns]
    return bars.with_columns(*(pl.col(name) * ratio for name in prices), pl.col("volume") / ratio)


def brief(daybot: DayBot) -> tuple[Briefing, dg.ExecuteInProcessResult]:
    result = defs().resolve_job_def("pre_open").execute_in_process(partition_key=DATA_SESSION.isoformat(), resources={"daybot": daybot})
    return publish.current(daybot.settings).briefing(), result


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, market: tuple[pl.DataFrame, pl.DataFrame], make: Callable[..., DayBot]) -> Briefing:
    """What is known of the market that never split."""
    folder = own(tmp_path_factory.mktemp("own"), market, lambda bars: bars)
    (folder / "actions.csv").write_text(PAID)
    return brief(make(tmp_path_factory.mktemp("whole"), folder))[0]


@pytest.fixture(scope="module")
def make() -> Callable[..., DayBot]:
    def make(home: Path, folder: Path) -> DayBot:
        plain = {"alpaca_base_url": settings.PAPER_URL, "benchmark": "SPY", "watchlist_size": 50, "minute_sessions": 2, "history_sessions": 90}
        return DayBot(settings.load(_env_file=None, daybot_mode="paper", daybot_home=home, bars_folder=str(folder), universe="all", **plain))

    return make


def own(folder: Path, market: tuple[pl.DataFrame, pl.DataFrame], change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    for name, frame in zip(("daily", "minute"), market, strict=True):
        (folder / name).mkdir()
        change(frame).write_parquet(folder / name / "all.parquet")
    return folder


def test_the_briefing_is_that_of_a_market_without_splits(
    whole: Briefing, tmp_path: Path, market: tuple[pl.DataFrame, pl.DataFrame], make: Callable[..., DayBot]
) -> None:
    (tmp_path / "own").mkdir()
    folder = own(tmp_path / "own", market, split)
    (folder / "actions.csv").write_text(SPLIT)
    daybot = make(tmp_path / "home", folder)
    found, run = brief(daybot)
    for name, known in whole.symbols.items():
        assert found.symbols[name] == known, "close, ATR, returns, beta, volume and seed, to the last bit"
    assert found.watchlist == whole.watchlist
    assert found.regime == whole.regime
    assert daybot.bars("day", [DATA_SESSION]).filter(pl.col("symbol") == "AAPL")["close"].item() == pytest.approx(
        4 * (whole.symbols["AAPL"].close or 0)
    )
    table = publish.current(daybot.settings).table("corporate_actions")
    assert table.select("symbol", "kind", "ex_date", "ratio", "cash").rows() == [
        ("AAPL", "split", SESSION, 4.0, 0.0),
        ("JPM", "dividend", MIDDLE, 1.0, 1.25),
        ("MSFT", "split", MIDDLE, 2.0, 0.0),
    ]
    metadata = run.asset_materializations_for_node("corporate_actions")[0].metadata
    assert [metadata[name].value for name in ("splits", "dividends", "next_session")] == [2, 1, 1]


def test_without_the_file_of_actions_the_numbers_are_wrong_and_a_check_says_so(
    whole: Briefing, tmp_path: Path, market: tuple[pl.DataFrame, pl.DataFrame], make: Callable[..., DayBot]
) -> None:
    (tmp_path / "own").mkdir()
    found, _ = brief(make(tmp_path / "home", own(tmp_path / "own", market, split)))
    assert any("MSFT" in check.detail and str(MIDDLE) in check.detail for check in found.checks if not check.passed)
    assert not any("MSFT" in check.detail for check in whole.checks if not check.passed)
    split_day = [abs(value) for value in found.symbols["MSFT"].returns if value is not None]
    assert max(split_day) > 0.6, "what the table of actions is for"
    seed, true = found.symbols["AAPL"].seed, whole.symbols["AAPL"].seed
    assert seed is not None
    assert rescaled(seed, 4.0) == true, "and a seed can be brought to the new scale by itself"
