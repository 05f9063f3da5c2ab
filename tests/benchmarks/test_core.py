"""Speed of the core as ratios to a floor measured in the same run; absolute times on a shared machine are noise."""

import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from market import SECTORS, briefing_of, day_bars

from pipelines.core.backtest.run import run
from pipelines.core.market import indicators
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.seats import Allocation

ROUNDS = 5


def least(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of several rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


@pytest.mark.benchmark
def test_all_indicators_of_a_million_bars_against_a_polars_ewm_of_one_column() -> None:
    symbols, days = 400, 2_500
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (symbols, days)), axis=1)).ravel()
    stamp = np.tile(np.arange(days, dtype=np.int64) * 86_400_000_000, symbols)
    names = np.repeat([f"S{i:04d}" for i in range(symbols)], days)
    columns = {"symbol": names, "timestamp": stamp, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": close, "vwap": close}
    bars = pl.DataFrame(columns).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
    indicators.days(bars.head(100))
    ours = least(lambda: indicators.days(bars))
    floor = least(lambda: bars.select(pl.col("close").ewm_mean(span=9).over("symbol")))
    print(f"\n12 indicators of {len(bars):,} bars: {ours / floor:.1f}x one Polars ewm_mean.over, {ours / len(bars) * 1e9:.0f} ns a bar")
    assert ours < 60 * floor


@pytest.mark.benchmark
def test_the_engine_with_gate_and_portfolio_against_the_indicators_alone() -> None:
    bars = day_bars()
    state = {s: indicators.fresh() for s in SECTORS}

    def floor() -> None:
        for bar in bars:
            indicators.step(state[bar.symbol], 1, 1, bar.high, bar.low, bar.close, bar.volume, bar.vwap)

    def engine() -> None:
        for _ in run(Engine(briefing_of(SECTORS), Limits(), [Allocation(Momentum(), "v")], run="b"), bars, equity=100_000.0):
            pass

    ours, least_possible = least(engine), least(floor)
    print(f"\nengine: {ours / least_possible:.1f}x its indicators, {len(bars) / ours:,.0f} bars a CPU second")
    assert ours < 10 * least_possible
