"""Portfolio weights against libraries that are not ours, their own definitions, and what they are for."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from pipelines.core.errors import DataError
from pipelines.core.portfolio import members
from pipelines.core.portfolio.weights import METHODS, covariance, hierarchical, minimum, parity, risk, spread
from pipelines.core.risk.correlation import Matrix, Returns

KNOWN = np.array(
    [
        [3.44819e-05, -9.3285e-06, 6.4759e-06, -2.15607e-05, 3.2904e-05, 9.43e-08],
        [-9.3285e-06, 0.0001076605, 6.11461e-05, -2.7846e-05, -2.20885e-05, -2.23252e-05],
        [6.4759e-06, 6.11461e-05, 0.0001410076, -6.37225e-05, 1.55471e-05, -3.17123e-05],
        [-2.15607e-05, -2.7846e-05, -6.37225e-05, 0.000255981, -9.21306e-05, -1.11534e-05],
        [3.2904e-05, -2.20885e-05, 1.55471e-05, -9.21306e-05, 0.0002358097, 2.75634e-05],
        [9.43e-08, -2.23252e-05, -3.17123e-05, -1.11534e-05, 2.75634e-05, 0.0003724453],
    ]
)
"""What PyPortfolioOpt 1.6.0 was asked about for the two tests below."""


def returns(seed: int, days: int, width: int) -> Matrix:
    """A common factor and own moves of very different size."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(days, width)) * np.geomspace(0.001, 0.03, width)
    return np.asarray(own + rng.normal(size=(days, 1)) * 0.005)


def test_hierarchical_weights_are_those_of_pyportfolioopt() -> None:
    theirs = [0.48792086942139806, 0.1608416863722537, 0.1228039933711376, 0.1009147473093623, 0.07134752568406517, 0.056171177841783194]
    assert hierarchical(KNOWN) == pytest.approx(theirs, rel=1e-12)


def test_least_variance_is_that_of_pyportfolioopt_and_not_above_it() -> None:
    theirs = np.array([0.4737634218807821, 0.1928627997485194, 0.0662554496273029, 0.1541278271219104, 0.0591695372940976, 0.0538209643273875])
    ours = minimum(KNOWN)
    assert ours == pytest.approx(theirs, abs=1e-6)  # theirs is a solver's
    assert ours @ KNOWN @ ours <= theirs @ KNOWN @ theirs * (1 + 1e-12)


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(25, 300))
@settings(max_examples=60)
def test_the_covariance_is_scikit_learns(seed: int, width: int, days: int) -> None:
    values = returns(seed, days, width)
    theirs, _ = ledoit_wolf(values)
    assert covariance(values) == pytest.approx(theirs, rel=1e-9, abs=1e-18)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(25, 300))
@settings(max_examples=60)
def test_every_method_spreads_everything_and_keeps_its_promise(seed: int, width: int, days: int) -> None:
    cov = covariance(returns(seed, days, width))
    found = {name: weigh(cov) for name, weigh in METHODS.items()}
    for weights in found.values():
        assert weights.sum() == pytest.approx(1.0)
        assert (weights >= 0).all()
        assert risk(weights, cov).sum() == pytest.approx(1.0)
    variance = {name: float(w @ cov @ w) for name, w in found.items()}
    assert variance["minimum"] <= min(variance.values()) * (1 + 1e-9)
    assert risk(found["parity"], cov) == pytest.approx(np.full(width, 1 / width), abs=1e-9)
    slope = cov @ found["minimum"]  # Kuhn and Tucker: nobody who is out would lower it, and nobody who is in is dearer than another
    assert (slope >= variance["minimum"] * (1 - 1e-6)).all()


def test_risk_is_shared_by_the_budgets_that_were_asked_for() -> None:
    cov, budgets = covariance(returns(3, 200, 4)), [0.4, 0.3, 0.2, 0.1]
    assert risk(parity(cov, budgets), cov) == pytest.approx(budgets, abs=1e-9)
    with pytest.raises(DataError, match="a budget above zero for each of 4"):
        parity(cov, [1.0, 0.0, 1.0, 1.0])


def test_a_copy_of_a_strategy_takes_from_its_twin_and_not_from_the_third() -> None:
    values = returns(5, 250, 2) / np.geomspace(0.001, 0.03, 2) * 0.01
    noise = np.random.default_rng(1).normal(size=250) * 1e-5
    both = covariance(np.column_stack([values[:, 0], values[:, 1], values[:, 1] + noise]))
    found = hierarchical(both)
    assert found[1] + found[2] == pytest.approx(hierarchical(covariance(values))[1], abs=0.1)


def test_what_cannot_be_weighed_is_said() -> None:
    values = returns(1, 40, 3)
    values[:, 1] = 0.5
    with pytest.raises(DataError, match="found 1 that never do"):
        covariance(values)
    values[3, 0] = math.nan
    with pytest.raises(DataError, match="1 missing"):
        covariance(values)


def backtests(days: int) -> pl.DataFrame:
    """Momentum trades daily, orb every other day, reversion never."""
    rng, rows = np.random.default_rng(2), []
    for i in range(days):
        session = date(2024, 1, 2) + timedelta(days=i)
        rows += [(session, "momentum", float(rng.normal(0, 100)), 1.0), (session, "live", 5.0, 0.0)]
        rows += [(session, "orb", float(rng.normal(0, 300)), 1.0)] * (i % 2)
    return pl.DataFrame(rows, schema=["session", "setup", "profit", "fees"], orient="row")


def test_strategies_are_weighed_by_their_days_alone() -> None:
    found = members.strategies(backtests(60), ["momentum", "orb", "reversion"], 100_000.0)
    assert set(found["name"]) == {"momentum", "orb"}
    assert set(found["observations"]) == {60}
    for method in ("minimum", "parity", "hierarchical"):
        weight = dict(found.filter(pl.col("method") == method).select("name", "weight").iter_rows())
        assert weight["momentum"] > weight["orb"], "the quieter one gets more"
    assert members.strategies(backtests(19), ["momentum", "orb"], 100_000.0).is_empty()


def test_names_without_the_whole_history_are_left_out() -> None:
    values = returns(4, 80, 3)
    values[5, 1] = math.nan
    found = members.names(["C", "A", "B", "Z"], Returns(("A", "B", "C"), values))
    assert found.filter(pl.col("method") == "parity")["name"].to_list() == ["C", "A"]
    assert found["weight"].sum() == pytest.approx(4.0)


def test_the_table_has_every_method_with_its_risk() -> None:
    found = spread(["a", "b"], returns(9, 50, 2))
    assert found.group_by("method").agg(pl.col("weight", "risk").sum()).sort("method").rows() == [
        (method, pytest.approx(1.0), pytest.approx(1.0)) for method in sorted(METHODS)
    ]
