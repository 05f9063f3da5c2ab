"""Distances and sizes, each step with its reason; nothing ever exceeds the risk that one trade may take."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import classify
from pipelines.core.risk.sizing import distances, diversification, risked

CALM = classify(np.full(300, 0.01)).model_copy(update={"size_multiplier": 1.0, "stop_multiplier": 1.0, "target_multiplier": 1.0})


def test_stop_and_target_are_atrs_away_and_stretched_by_the_regime() -> None:
    found = distances(50.0, 2.0, CALM.model_copy(update={"stop_multiplier": 1.5, "target_multiplier": 2.0}), Limits())
    assert (found.stop, found.target) == (4.5, 12.0)
    assert "2.25 and 6 ATR of 2.00" in found.basis


def test_without_atr_the_default_percentages_stand_in_and_say_so() -> None:
    found = distances(50.0, None, CALM, Limits())
    assert (found.stop, found.target) == (1.0, 2.0)
    assert found.basis.startswith("ATR is not known")


def test_the_risk_budget_is_cut_by_regime_and_correlation_step_by_step() -> None:
    nervous = CALM.model_copy(update={"size_multiplier": 0.5})
    steps = risked(100_000, 3.0, nervous, Limits(risk_per_trade=0.005), diversified=0.8)
    assert [(step.bound, step.shares) for step in steps] == [("risk", 166), ("regime", 83), ("diversification", 66)]


def test_the_same_bet_again_gets_half_of_the_risk() -> None:
    assert diversification([]) == 1.0
    assert diversification([(1_000.0, 1.0)]) == 0.5
    assert diversification([(1_000.0, 0.0), (-500.0, -0.9)]) == 1.0
    assert diversification([(1_000.0, None)]) == 1.0


@given(equity=st.floats(1_000, 1e7), stop=st.floats(0.01, 100), diversified=st.floats(0.5, 1), size=st.floats(0.1, 1))
@settings(max_examples=200)
def test_no_step_risks_more_than_the_one_before(equity: float, stop: float, diversified: float, size: float) -> None:
    limits = Limits()
    steps = risked(equity, stop, CALM.model_copy(update={"size_multiplier": size}), limits, diversified)
    shares = [step.shares for step in steps]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] * stop <= limits.risk_per_trade * equity * (1 + 1e-9)
    assert steps[-1].shares * stop == pytest.approx(limits.risk_per_trade * equity * size * diversified, abs=stop * 1.01)
