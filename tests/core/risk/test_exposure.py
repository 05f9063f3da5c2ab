"""Beta against scipy's regression; sector weights add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, norm

from pipelines.core.risk.correlation import Returns
from pipelines.core.risk.exposure import betas, by_sector


def test_raw_beta_and_its_error_are_those_of_the_regression() -> None:
    rng = np.random.default_rng(3)
    market = rng.normal(0, 0.01, 300)
    own = 1.7 * market + rng.normal(0, 0.01, 300)
    own[270:280] = np.nan
    row = betas(Returns(("A",), own[:, None]), market).row(0, named=True)
    both = np.isfinite(own[-252:])
    expected = linregress(market[-252:][both], own[-252:][both])
    assert row["raw"] == pytest.approx(expected.slope, rel=1e-12)
    assert row["error"] == pytest.approx(expected.stderr, rel=1e-12)
    assert row["beta"] == row["blume"] == pytest.approx(2 / 3 * expected.slope + 1 / 3, rel=1e-12)
    assert row["vasicek"] is None
    assert row["sessions"] == 242


def invented(
    seed: int, names: int = 200
) -> tuple[Returns, np.ndarray[tuple[int, ...], np.dtype[np.float64]], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Returns of names whose true betas are known, some far noisier than others; the market's; the true betas."""
    rng = np.random.default_rng(seed)
    market, true = rng.normal(0, 0.01, 252), rng.normal(1.1, 0.4, names)
    noise = rng.uniform(0.005, 0.08, names)
    return Returns(tuple(f"S{i:03d}" for i in range(names)), market[:, None] * true + rng.normal(0, 1, (252, names)) * noise), market, true


def test_vasicek_is_the_posterior_mean_of_a_normal_slope_under_a_normal_prior() -> None:
    """Against the product of the two densities on a grid: no formula of ours."""
    rows = betas(*invented(1)[:2])
    mean, deviation = rows["raw"].mean(), rows["raw"].std()
    grid = np.linspace(-5, 7, 200_001)
    for row in rows.sample(5, seed=2).iter_rows(named=True):
        density = norm.pdf(grid, mean, deviation) * norm.pdf(row["raw"], grid, row["error"])
        assert row["vasicek"] == pytest.approx(np.sum(grid * density) / np.sum(density), abs=1e-6)
        assert row["beta"] == row["vasicek"]


def test_shrunk_betas_are_nearer_the_truth_than_raw_ones_and_noisy_names_are_pulled_in_most() -> None:
    returns, market, true = invented(4)
    rows = betas(returns, market)
    wrong = {name: float(np.mean((rows[name].to_numpy() - true) ** 2)) for name in ("raw", "blume", "vasicek")}
    assert wrong["vasicek"] < wrong["blume"] < wrong["raw"]
    pull = (rows["vasicek"] - rows["raw"]).abs() / (rows["raw"] - rows["raw"].mean()).abs()
    assert np.corrcoef(pull, rows["error"])[0, 1] > 0.8


def test_the_benchmark_has_a_beta_of_one() -> None:
    market = np.random.default_rng(4).normal(0, 0.01, 100)
    assert betas(Returns(("SPY",), market[:, None]), market)["beta"].item() == pytest.approx(1.0)


def test_too_few_shared_returns_or_a_flat_market_give_no_beta() -> None:
    market = np.random.default_rng(5).normal(0, 0.01, 100)
    short = market.copy()
    short[:41] = np.nan
    assert betas(Returns(("A",), short[:, None]), market).is_empty()
    assert betas(Returns(("A",), market[:, None]), np.zeros(100)).is_empty()


def test_sector_weights_add_up_gross_net_and_by_beta_heaviest_first() -> None:
    weights = {"JPM": 0.02, "BAC": -0.03, "XOM": 0.04, "ZZZ": 0.01}
    sectors = {"JPM": "Financials", "BAC": "Financials", "XOM": "Energy"}
    found = by_sector(weights, sectors, {"JPM": 1.0, "BAC": 1.5, "XOM": 0.5})
    assert found.columns == ["sector", "weight", "net", "beta", "symbols"]
    expected = [("Financials", 0.05, -0.01, -0.025, 2), ("Energy", 0.04, 0.04, 0.02, 1), ("Unknown", 0.01, 0.01, None, 1)]
    assert [(s, pytest.approx(w), pytest.approx(n), b if b is None else pytest.approx(b), c) for s, w, n, b, c in found.rows()] == expected
    assert by_sector(weights, sectors)["beta"].null_count() == 3
    assert by_sector({}, {}).is_empty()


@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.floats(-0.1, 0.1)))
def test_gross_is_never_below_net_and_the_sectors_add_up_to_the_book(weights: dict[str, float]) -> None:
    found = by_sector(weights, {"A": "X", "B": "X", "C": "Y"}, dict.fromkeys("ABCDEFGH", 1.0))
    assert (found["weight"] >= found["net"].abs() - 1e-15).all()
    assert found["weight"].sum() == pytest.approx(sum(map(abs, weights.values())))
    assert found["net"].sum() == pytest.approx(sum(weights.values()), abs=1e-12)
    assert found["beta"].to_list() == found["net"].to_list()
