"""Speed of the core as ratios to a floor measured in the same run; absolute times on a shared machine are noise."""

import time
from collections.abc import Callable

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
