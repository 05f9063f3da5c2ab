"""What many tries do to the best of them: against the published figures, against simulation, and on a grid."""

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.core.analytics.trials import expected_best, probabilistic, sharpe
from pipelines.core.risk.limits import Limits
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.sweep.ranking import plateau, ranked
from pipelines.core.sweep.run import SESSIONS, TRADES, Swept, Variant, grid


def test_the_expected_best_is_that_of_simulated_worthless_tries() -> None:
    rng = np.random.default_rng(2)
    tries = rng.normal(0, 0.1, (4000, 100))
    simulated = float(np.mean(tries.max(axis=1)))
    assert expected_best(tries[0]) == pytest.approx(simulated * float(np.std(tries[0], ddof=1)) / 0.1, rel=0.02)


def test_the_deflated_ratio_of_the_papers_example() -> None:
    """Bailey and Lopez de Prado (2014), section "A numerical example": SR 2.5 by year, 1250 days, skewness -3, kurtosis 10, 100 tries: 0.9004."""
    ratio, best = 2.5 / math.sqrt(250), math.sqrt(1 / 2 / 250)
    tries = np.random.default_rng(1).normal(0, 1, 100)
    tries = (tries - tries.mean()) / tries.std(ddof=1) * best
    threshold = expected_best(tries)
    assert threshold == pytest.approx(0.1132, abs=1e-4)
    spread = 1 + 3 * ratio + (10 - 1) / 4 * ratio**2
    score = (ratio - threshold) * math.sqrt(1249) / math.sqrt(spread)
    assert 0.5 * (1 + math.erf(score / math.sqrt(2))) == pytest.approx(0.9004, abs=1e-4)


def test_the_probability_is_that_of_normal_returns_where_they_are_normal() -> None:
    rng = np.random.default_rng(7)
    known = [probabilistic(rng.normal(0, 0.01, 250), 0.0) for _ in range(2000)]
    assert np.mean(np.array(known) > 0.95) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("returns", [np.array([]), np.array([0.1]), np.zeros(5)])
def test_a_ratio_that_cannot_be_said_is_unknown(returns: np.ndarray) -> None:
    assert math.isnan(sharpe(returns))
    assert math.isnan(probabilistic(returns, 0.0))


def test_a_lonely_peak_loses_to_a_plateau() -> None:
    variants = grid(Momentum(), Limits(), {"volume": [1, 2, 3, 4, 5], "rsi_low": [50, 55, 60]})
    values = np.zeros(15)
    values[0] = 9.0  # the corner
    values[[7, 8, 10, 11, 13, 14]] = 2.0  # a block of good ones
    smooth = plateau(variants, values)
    assert smooth.argmax() in {7, 8, 10, 11, 13, 14}
    assert smooth[0] == 0.0


def swept(variants: list[Variant], rates: list[float], days: int) -> Swept:
    """Sessions whose returns are noise around a rate."""
    rng, rows = np.random.default_rng(3), []
    for k, rate in enumerate(rates):
        start = 100_000.0
        for n in range(days):
            end = start * (1 + rate + rng.normal(0, 0.002))
            rows.append((k, date(2026, 1, 1) + timedelta(days=n), start, end, 0.0, 1, False))
            start = end
    return Swept(pl.DataFrame(schema=TRADES), pl.DataFrame(rows, schema=SESSIONS, orient="row"))


def test_sets_are_ranked_on_the_earlier_sessions_and_warned_about() -> None:
    variants = grid(Momentum(), Limits(), {"volume": [1, 2, 3]})
    found = ranked(swept(variants, [0.0, 0.002, 0.0021], 100), variants, aside=0.3)
    assert (found.tried, found.earlier, found.later) == (3, 70, 30)
    assert found.table["rank"].to_list() == [1, 2, 3]
    assert found.table["set"][0] in {1, 2}
    assert found.table["deflated"][0] > 0.95
    assert [warning.split()[0] for warning in found.warnings] == ["3"]


def test_luck_is_called_luck() -> None:
    variants = grid(Momentum(), Limits(), {"volume": [i / 10 for i in range(40)]})
    found = ranked(swept(variants, [0.0] * 40, 30), variants, aside=0.0)
    assert found.table["deflated"][0] < 0.95
    assert len(found.warnings) == 4
