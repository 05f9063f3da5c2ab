"""Regimes follow the rank of today's volatility in its own past."""

import numpy as np
import pytest

from pipelines.core.risk.regimes import EFFECTS, RegimeName, classify, realised_volatility


def test_realised_volatility_is_the_yearly_root_mean_square() -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, 30)
    found = realised_volatility(returns)
    assert len(found) == 11
    assert found[-1] == pytest.approx(np.sqrt(np.mean(returns[-20:] ** 2) * 252))


@pytest.mark.parametrize(("last", "name"), [(0.2, RegimeName.CALM), (1.0, RegimeName.NORMAL), (4.0, RegimeName.STRESSED)])
def test_the_last_month_decides(last: float, name: RegimeName) -> None:
    pattern = np.tile([0.01, -0.01], 140) * np.linspace(0.5, 1.5, 280)[np.random.default_rng(2).permutation(280)]
    returns = np.concatenate([pattern, np.tile([0.01, -0.01], 10) * last])
    found = classify(returns)
    assert found.name is name
    assert (found.size_multiplier, found.stop_multiplier) == EFFECTS[name]


def test_too_little_history_is_unknown_and_halves_the_size() -> None:
    found = classify(np.full(38, 0.01))
    assert (found.name, found.volatility, found.size_multiplier) == (RegimeName.UNKNOWN, None, 0.5)
    assert classify(np.full(39, 0.01)).name is not RegimeName.UNKNOWN
