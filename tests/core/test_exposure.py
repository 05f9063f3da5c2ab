"""Beta against scipy's regression; sector weights add up."""

import numpy as np
import pytest
from scipy.stats import linregress

from pipelines.core.risk.correlation import Returns
from pipelines.core.risk.exposure import betas, by_sector


def test_raw_beta_is_the_regression_slope_and_beta_is_pulled_to_one() -> None:
    rng = np.random.default_rng(3)
    market = rng.normal(0, 0.01, 300)
    own = 1.7 * market + rng.normal(0, 0.01, 300)
    own[270:280] = np.nan
    row = betas(Returns(("A",), own[:, None]), market).row(0, named=True)
    both = np.isfinite(own[-252:])
    slope = linregress(market[-252:][both], own[-252:][both]).slope
    assert row["raw"] == pytest.approx(slope, rel=1e-12)
    assert row["beta"] == pytest.approx(2 / 3 * slope + 1 / 3, rel=1e-12)
    assert row["sessions"] == 242


def test_the_benchmark_has_a_beta_of_one() -> None:
    market = np.random.default_rng(4).normal(0, 0.01, 100)
    assert betas(Returns(("SPY",), market[:, None]), market)["beta"].item() == pytest.approx(1.0)


def test_too_few_shared_returns_or_a_flat_market_give_no_beta() -> None:
    market = np.random.default_rng(5).normal(0, 0.01, 100)
    short = market.copy()
    short[:41] = np.nan
    assert betas(Returns(("A",), short[:, None]), market).is_empty()
    assert betas(Returns(("A",), market[:, None]), np.zeros(100)).is_empty()


def test_sector_weights_add_up_in_absolute_value_heaviest_first() -> None:
    found = by_sector({"JPM": 0.02, "BAC": -0.03, "XOM": 0.04, "ZZZ": 0.01}, {"JPM": "Financials", "BAC": "Financials", "XOM": "Energy"})
    assert [(s, pytest.approx(w), n) for s, w, n in found.rows()] == [("Financials", 0.05, 2), ("Energy", 0.04, 1), ("Unknown", 0.01, 1)]
    assert by_sector({}, {}).is_empty()
