"""The fit against scikit-learn's quantile regression, its interval against repetition, and what it does with little evidence."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import QuantileRegressor

from pipelines.core.market.slippage import ENOUGH, PRIOR, Basis, Slippage, executions, fit, slope


def invented(seed: int, count: int, impact: float, noise: float = 0.0003, participation: float = 0.01) -> pl.DataFrame:
    """Executions with heavy-tailed moves between decision and fill."""
    rng = np.random.default_rng(seed)
    sigma, part = rng.uniform(0.01, 0.04, count), participation * rng.uniform(0.2, 2, count)
    spread = rng.uniform(0.0001, 0.001, count)
    cost = spread / 2 + impact * sigma * np.sqrt(part) + noise * rng.standard_t(2, count)
    return pl.DataFrame({"cost": cost, "spread": spread, "sigma": sigma, "participation": part})


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(3, 60))
def test_the_slope_is_that_of_a_median_regression_through_the_origin(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x, noise = rng.uniform(0.1, 2, count), rng.standard_t(2, count)
    y = 0.7 * x + noise
    theirs = QuantileRegressor(quantile=0.5, alpha=0.0, fit_intercept=False).fit(x[:, None], y).coef_[0]
    assert np.abs(y - slope(y, x)[0] * x).sum() == pytest.approx(np.abs(y - theirs * x).sum(), rel=1e-7)


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    held = 0
    for seed in range(400):
        rows = invented(seed, 60, 0.8)
        found = fit(rows)
        held += found.low is not None and found.high is not None and found.low <= 0.8 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_enough_executions_replace_the_prior_and_one_wild_fill_changes_little() -> None:
    rows = invented(1, 200, 0.3)
    found = fit(rows)
    assert found.basis is Basis.MEASURED
    assert found.executions == 200
    assert found.impact == pytest.approx(0.3, abs=0.1)
    wild = fit(pl.concat([rows, pl.DataFrame({"cost": [5.0], "spread": [0.0001], "sigma": [0.02], "participation": [0.01]})]))
    assert wild.impact == pytest.approx(found.impact, abs=0.02)


@pytest.mark.parametrize(
    "rows", [invented(1, 0, 0.3), invented(1, 3, 0.3), invented(1, ENOUGH - 1, 0.3, noise=0.00001), invented(1, 200, 0.3, participation=1e-7)]
)
def test_thin_evidence_leaves_the_prior_and_says_so(rows: pl.DataFrame) -> None:
    found = fit(rows)
    assert (found.impact, found.basis, found.executions) == (PRIOR, Basis.PRIOR, rows.height)


def test_expected_cost_is_half_the_spread_and_the_root_of_the_participation() -> None:
    model = Slippage(impact=0.5, basis=Basis.PRIOR, measured=None, low=None, high=None, executions=0, median_cost=None)
    assert model.expected(spread=0.0004, sigma=0.02, participation=0.01) == pytest.approx(0.0002 + 0.5 * 0.02 * 0.1)
    assert model.expected(spread=0.0004, sigma=0.02, participation=0.0) == pytest.approx(0.0002)


def test_executions_are_filled_entries_with_the_liquidity_of_their_morning_and_a_sign() -> None:
    orders = pl.DataFrame(
        {
            "session": ["1", "1", "1", "1", "2"],
            "symbol": ["A", "B", "A", "A", "A"],
            "side": ["buy", "sell", "sell", "buy", "buy"],
            "role": ["entry", "entry", "stop", "entry", "entry"],
            "filled": [10, 20, 10, 0, 10],
            "average": [101.0, 49.0, 99.0, None, 100.0],
            "arrival": [100.0, 50.0, None, 100.0, 100.0],
        }
    )
    liquidity = pl.DataFrame({"session": ["1", "1"], "symbol": ["A", "B"], "adv": [1e3, 1e4], "spread": [0.001, 0.002], "sigma": [0.02, 0.03]})
    found = executions(orders, liquidity).sort("symbol")
    assert found["symbol"].to_list() == ["A", "B"]
    assert found["cost"].to_list() == pytest.approx([0.01, 0.02]), "a sale below the arrival price costs"
    assert found["participation"].to_list() == [0.01, 0.002]
