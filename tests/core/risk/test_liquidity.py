"""The spread against the authors' own package, and against spreads that are known."""

from collections.abc import Callable

import bidask
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.market.liquidity import PAIRS, clear, edge, spreads

PRICES = ("open", "high", "low", "close")


def traded(seed: int, bars: int, spread: float, *, sigma: float = 0.0005, trades: int = 20, price: float = 100.0) -> pl.DataFrame:
    """Bars of trades at bid or ask, as chance has it, around a random walk."""
    rng = np.random.default_rng(seed)
    middle = price * np.exp(np.cumsum(rng.normal(0, sigma / np.sqrt(trades), bars * trades)))
    prints = (middle * (1 + spread / 2 * rng.choice([-1, 1], bars * trades))).reshape(bars, trades)
    columns = {"open": prints[:, 0], "high": prints.max(axis=1), "low": prints.min(axis=1), "close": prints[:, -1]}
    return pl.DataFrame({"symbol": ["A"] * bars, "run": np.zeros(bars, np.int64), **columns})


def columns(bars: pl.DataFrame) -> list[np.ndarray]:
    return [bars[name].to_numpy() for name in PRICES]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 400), st.floats(0.0001, 0.02), st.integers(1, 20), st.integers(0, 3))
def test_it_is_the_authors_estimate(seed: int, bars: int, spread: float, trades: int, digits: int) -> None:
    """Rounded prices make bars without a move and opens at the extreme, which the estimator has rules for."""
    rounded = traded(seed, bars, spread, trades=trades).with_columns(pl.col(*PRICES).round(digits))
    ours, theirs = edge(*columns(rounded)).square, bidask.edge(*columns(rounded), sign=True)
    assert np.sign(ours) * np.sqrt(abs(ours)) == pytest.approx(theirs, rel=1e-9, abs=1e-12, nan_ok=True)


def test_it_is_the_authors_estimate_on_real_minutes(real: Callable[[str], pl.DataFrame]) -> None:
    bars = real("minute/us_2019-02-11_15").sort("symbol", "timestamp")
    for symbol in ("SPY", "AMT", "PPLT", "BAC"):
        own = columns(bars.filter(pl.col("symbol") == symbol))
        found = edge(*own).square
        assert np.sign(found) * np.sqrt(abs(found)) == pytest.approx(bidask.edge(*own, sign=True), rel=1e-9)


@pytest.mark.parametrize("spread", [0.0005, 0.002, 0.01])
def test_a_known_spread_is_found_within_its_interval(spread: float) -> None:
    inside = 0
    for seed in range(40):
        row = spreads(traded(seed, 780, spread)).row(0, named=True)
        inside += row["spread_high"] >= spread
        assert row["spread"] == pytest.approx(spread, rel=0.5)
    assert inside >= 36


def test_the_night_between_two_sessions_is_no_bounce() -> None:
    days = [traded(seed, 390, 0.001, price=price).with_columns(pl.lit(seed, pl.Int64).alias("run")) for seed, price in ((1, 100.0), (2, 110.0))]
    both = pl.concat(days)
    apart, together = edge(*columns(both), both["run"].to_numpy()), edge(*columns(both))
    assert np.sqrt(apart.square) == pytest.approx(0.001, rel=0.3)
    assert apart.pairs == together.pairs - 1 == 778
    assert together.error > 10 * apart.error


def test_no_spread_is_narrower_than_a_tick_and_too_few_bars_have_none() -> None:
    assert spreads(traded(1, 400, 0.0, price=20.0))["spread"].item() >= 0.01 / 21
    assert spreads(traded(1, PAIRS, 0.01)).is_empty(), "a pair short"
    assert spreads(traded(1, PAIRS + 1, 0.01)).height == 1
    flat = traded(1, 400, 0.0, sigma=0.0)
    assert spreads(flat).is_empty()


def test_a_year_of_days_tells_a_wide_spread_and_says_nothing_of_a_narrow_one() -> None:
    """Two per cent a day: four basis points are lost in it, and what is estimated all the same is many times as much."""
    narrow, wide = (pl.concat([spreads(traded(seed, 300, spread, sigma=0.02)) for seed in range(30)]) for spread in (0.0004, 0.06))
    assert narrow["spread"].max() > 0.004  # type: ignore[operator]  # a float column
    assert clear(narrow).height <= 1
    assert clear(wide).height >= 27
    assert clear(wide)["spread"].median() == pytest.approx(0.06, rel=0.1)
