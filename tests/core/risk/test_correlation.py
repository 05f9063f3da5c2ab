"""Correlation against scikit-learn and pandas, and what must hold for any returns."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from pipelines.core.risk.correlation import Returns, aligned, long, shrinkage, shrunk, standardised, weighted


def invented(seed: int, sessions: int, symbols: int, holes: float = 0.0) -> Returns:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.01, (sessions, 1)) + rng.normal(0, 0.01, (sessions, symbols))
    values[rng.random(values.shape) < holes] = np.nan
    return Returns(tuple(f"S{i:03d}" for i in range(symbols)), values)


@pytest.mark.parametrize(("sessions", "symbols"), [(60, 5), (60, 59), (60, 200), (45, 10)])
def test_shrinkage_and_matrix_are_those_of_scikit_learn(sessions: int, symbols: int) -> None:
    returns = invented(symbols, sessions, symbols)
    expected, share = ledoit_wolf(standardised(returns.values), assume_centered=True)
    found = shrunk(returns)
    assert found.shrinkage == pytest.approx(share, rel=1e-10)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-12)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 90), st.floats(0, 0.3))
def test_matrix_is_symmetric_positive_with_a_unit_diagonal_whatever_is_missing(seed: int, symbols: int, holes: float) -> None:
    returns = invented(seed, 60, symbols, holes)
    for found in (shrunk(returns), weighted(returns, decay=0.94)):
        assert np.array_equal(found.matrix, found.matrix.T)
        assert np.array_equal(np.diag(found.matrix), np.ones(len(found.symbols)))
        assert np.abs(found.matrix).max(initial=0) <= 1
        assert 0 <= found.shrinkage <= 1
        if found.symbols:
            assert np.linalg.eigvalsh(found.matrix).min() > -1e-10


@given(st.integers(0, 10_000), st.floats(0, 0.3))
@settings(max_examples=20)
def test_any_two_symbols_share_forty_of_sixty_returns(seed: int, holes: float) -> None:
    returns = invented(seed, 60, 20, holes)
    known = np.isfinite(returns.values[:, [returns.symbols.index(symbol) for symbol in shrunk(returns).symbols]])
    assert (known.T.astype(int) @ known.astype(int)).min(initial=60) >= 40


@pytest.mark.parametrize("decay", [0.94, 0.97])
def test_weighted_correlation_is_that_of_pandas_exponential_means(decay: float) -> None:
    returns = invented(7, 252, 6)
    frame = pd.DataFrame(returns.values)
    moments = np.array([[(frame[a] * frame[b]).ewm(alpha=1 - decay, adjust=True).mean().iloc[-1] for b in frame] for a in frame])
    expected = moments / np.sqrt(np.outer(np.diag(moments), np.diag(moments)))
    np.testing.assert_allclose(weighted(returns, decay=decay).matrix, expected, atol=1e-12)


def test_what_fades_follows_a_change_that_sixty_equal_days_still_average_away() -> None:
    rng = np.random.default_rng(11)
    market = rng.normal(0, 0.01, 252)
    other = np.concatenate([rng.normal(0, 0.01, 232), market[232:]])
    returns = Returns(("A", "B"), np.column_stack([market, other]))
    assert weighted(returns, decay=0.94).matrix[0, 1] > shrunk(returns).matrix[0, 1] + 0.2


def test_symbols_with_too_few_returns_or_a_frozen_price_are_left_out() -> None:
    returns = invented(1, 60, 4)
    returns.values[:11, 1] = np.nan
    returns.values[:, 2] = 0.0
    assert shrunk(returns).symbols == ("S000", "S003")


def test_too_short_a_history_has_no_correlation() -> None:
    assert shrunk(invented(1, 39, 4)).symbols == ()
    assert long(shrunk(invented(1, 39, 4))).height == 0


def test_identity_needs_no_shrinking_further() -> None:
    assert shrinkage(np.vstack([np.eye(4), -np.eye(4)])) == 0.0


def test_returns_need_both_days() -> None:
    days = [date(2024, 6, 10) + timedelta(n) for n in range(4)]
    bars = pl.DataFrame({"symbol": ["A"] * 4 + ["B"] * 3, "session": [*days, *days[:2], days[3]], "close": [1.0, 2.0, 4.0, 8.0, 1.0, 1.0, 1.0]})
    found = aligned(bars, days)
    assert found.symbols == ("A", "B")
    np.testing.assert_allclose(found.of("A"), np.log(2))
    assert found.of("B")[0] == 0
    assert np.isnan(found.of("B")[1:]).all()
    assert np.isnan(found.of("C")).all()
