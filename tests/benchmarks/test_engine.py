"""Speed of indicators, strategy, gate, engine and sweeps, each as a ratio to a floor of the same run.

`DAYBOT_BENCH=big` sweeps 500 symbols x 60 sessions x 390 minutes with 100 parameter sets; otherwise sizes are small.
"""

import os
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from market import CLOSE, OPEN, SECTORS, briefing_of, day_bars

from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.fills import Venue
from pipelines.core.backtest.run import run
from pipelines.core.backtest.session import bars, ready, valued
from pipelines.core.briefing import Briefing
from pipelines.core.market import indicators
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.risk.checks import Ask, Facts, Proposal
from pipelines.core.risk.gate import admit
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.sweep.run import grid, sweep
from pipelines.core.sweep.shapes import Day, day
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, MarketBar
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import View

BIG = os.environ.get("DAYBOT_BENCH") == "big"
ROUNDS = 5


def least(*works: Callable[[], object]) -> list[float]:
    """CPU seconds of each work's fastest round; rounds are interleaved, so that all see the same machine."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for i, work in enumerate(works):
            begin = time.process_time()
            work()
            best[i] = min(best[i], time.process_time() - begin)
    return best


def market(symbols: int, seed: int) -> tuple[Briefing, pl.DataFrame]:
    """A briefing and its day of minutes: random walks with a drift after the opening range."""
    names = [f"S{i:03d}" for i in range(symbols)]
    rng = np.random.default_rng(seed)
    drift = rng.choice([-0.00015, 0.00015], (symbols, 1)) * (np.arange(390) > 20)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.001, (symbols, 390)) + drift, axis=1)), 2)
    opened = np.hstack([np.full((symbols, 1), 100.0), close[:, :-1]])
    high, low = np.maximum(opened, close) + 0.03, np.minimum(opened, close) - 0.03
    stamps = pl.datetime_range(OPEN, CLOSE, "1m", closed="left", eager=True)
    columns = {
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "vwap": (high + low + close) / 3,
        "volume": rng.integers(500, 50_000, close.shape),
    }
    frame = pl.DataFrame({"symbol": np.repeat(names, 390), "timestamp": pl.concat([stamps] * symbols), **{n: c.ravel() for n, c in columns.items()}})
    return briefing_of(names), frame.with_columns(pl.lit(50).alias("trades"))


def armed(briefing: Briefing, frame: pl.DataFrame | None = None) -> Engine:
    """An engine that may trade."""
    limits, values = Limits(max_sector_exposure=1.0), None if frame is None else ready(frame)
    engine = Engine(briefing, limits, [Allocation(Momentum(), "v")], run="b", ready=values)
    engine.process(AccountState(1e5, 1e5, 4e5, (), briefing.hours.open))
    engine.process(Command("arm", Resume(), "benchmark", briefing.hours.open))
    return engine


@pytest.mark.benchmark
def test_a_bar_through_indicators_strategy_and_gate() -> None:
    """What live does with a bar, part by part; the floor is the plain-Python indicators alone."""
    made, briefing = day_bars(), briefing_of(SECTORS)
    engine, strategy = armed(briefing), Momentum()
    values = [indicators.Indicators(*[100.0] * 12)] * len(made)
    views = [View(bar, bar.open, now, briefing.hours, 0, 0.0, 0) for bar, now in zip(made, values, strict=True)]
    at = briefing.hours.open + 60 * MINUTE
    wish = Proposal("momentum", "AAPL", 1, 15, 100.0, 3.0, Facts(100.0, at - MINUTE), at)
    ask = Ask(wish, engine.book(at), briefing, Limits(), lambda a, b: None)

    def step() -> None:
        state = {s: indicators.fresh() for s in SECTORS}
        for bar in made:
            indicators.step(state[bar.symbol], 1, 30, bar.high, bar.low, bar.close, bar.volume, bar.vwap)

    def decide() -> None:
        for view in views:
            strategy.on_bar(view)

    def gate() -> None:
        for _ in range(200):
            admit(ask)

    def whole() -> None:
        subject = armed(briefing)
        for bar in made:
            subject.process(MarketBar(bar, "b", bar.start + MINUTE))

    floor, asked, passed, all_of_it = least(step, decide, gate, whole)
    count = len(made)
    print(
        f"\none bar: indicators {floor / count * 1e6:.2f} us; against them strategy {asked / floor:.2f}x, all of it {all_of_it / floor:.2f}x, "
        f"one pass of the gate {passed / 200 / (floor / count):.1f}x"
    )
    assert asked < floor
    assert all_of_it < 4 * floor
    assert passed / 200 < 60 * floor / count


@pytest.mark.benchmark
def test_a_backtest_with_gate_portfolio_and_costs() -> None:
    """Bars a CPU second in plain Python; the floor is stepping the indicators in plain Python, which a backtest has precomputed."""
    briefing, frame = market(100 if BIG else 30, 1)
    ordered = frame.sort("timestamp", "symbol")
    made, known = bars(ordered), valued(briefing, ordered)

    def floor() -> None:
        state = {s: indicators.fresh() for s in briefing.symbols}
        for bar in made:
            indicators.step(state[bar.symbol], 1, 1, bar.high, bar.low, bar.close, bar.volume, bar.vwap)

    def backtest() -> int:
        engine = Engine(briefing, Limits(max_sector_exposure=1.0), [Allocation(Momentum(), "v")], run="b", ready=ready(known))
        return sum(len(step.decisions) for step in run(engine, made, equity=1e5, venue=Venue(Costs(), briefing)))

    assert backtest() > 20
    least_possible, ours = least(floor, backtest)
    print(f"\nbacktest: {len(made) / ours:,.0f} bars a CPU second, {ours / least_possible:.2f}x stepping its indicators in plain Python")
    assert ours < 2 * least_possible


@pytest.mark.benchmark
def test_a_sweep_against_the_engine_and_against_reading_the_bars() -> None:
    """Bars times sets a CPU second, preparation included; the floors are a pass over the closes for each set, and one engine run of the same days."""
    symbols, sessions = (500, 60) if BIG else (60, 3)
    costs = Costs()
    made = [market(symbols, seed) for seed in range(min(sessions, 5))]
    variants = grid(Momentum(), Limits(max_sector_exposure=1.0), {"volume": [1 + i / 10 for i in range(10)], "rsi_low": [50 + i for i in range(10)]})
    days: list[Day] = [day(*made[0], costs)]
    sweep(days, variants[:1], costs, equity=1e5)  # compiled, or read from the cache
    cells = sum(made[i % len(made)][1].height for i in range(sessions)) * len(variants)

    def swept() -> int:
        return sweep((day(*made[i % len(made)], costs) for i in range(sessions)), variants, costs, equity=1e5).trades.height

    closes = [frame["close"].to_numpy() for _, frame in made]

    def floor() -> None:
        for i in range(sessions * len(variants)):
            closes[i % len(closes)].max()

    begin = time.process_time()
    trades = swept()
    ours = time.process_time() - begin
    begin = time.process_time()
    floor()
    least_possible = time.process_time() - begin
    begin = time.process_time()
    briefing, frame = made[0]
    engine = Engine(briefing, variants[0].limits, [Allocation(variants[0].strategy, "v")], run="b", ready=ready(valued(briefing, frame)))
    ordered: list[Bar] = bars(frame.sort("timestamp", "symbol"))
    for _ in run(engine, ordered, equity=1e5, venue=Venue(costs, briefing)):
        pass
    alone = (time.process_time() - begin) / frame.height
    print(
        f"\nsweep: {symbols} symbols x {sessions} sessions x {len(variants)} sets: {cells / ours / 1e6:,.0f} M bars a CPU second ({trades} trades), "
        f"{alone / (ours / cells):,.0f}x the engine, {ours / least_possible:.1f}x reading the closes"
    )
    assert trades > 100
    assert alone > (50 if BIG else 10) * ours / cells
