"""Ratios of a series of daily returns. A ratio that the days cannot give is None, never zero.

Yearly figures take 252 days. Volatility and Sharpe (1994, "The Sharpe Ratio") use the deviation with n - 1; Sortino and Price (1994, "Performance
Measurement in a Downside Risk Framework") the root mean square of the negative returns over all days, target zero; Calmar (Young 1991) the
compound yearly return over the deepest fall. Rates without risk are taken as zero. Below `ENOUGH` days the ratios of risk say nothing and are None.
"""

import math

import numpy as np
from numpy.typing import NDArray

YEAR = 252
ENOUGH = 20
"""Days from which a ratio is told."""

Days = NDArray[np.float64]


def ratios(returns: Days, benchmark: Days | None = None, *, enough: int = ENOUGH) -> dict[str, float | None]:
    """volatility, sharpe, sortino, calmar, annual_return; with the benchmark's returns of the same days beta and alpha (yearly, Jensen 1968)."""
    found: dict[str, float | None] = dict.fromkeys(("annual_return", "volatility", "sharpe", "sortino", "calmar", "beta", "alpha"))
    if len(returns) < max(enough, 2):
        return found
    mean, deviation = float(np.mean(returns)), float(np.std(returns, ddof=1))
    downside, fall = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))), drawdown(returns)
    annual = float(np.prod(1 + returns) ** (YEAR / len(returns)) - 1)
    found |= {"annual_return": annual, "volatility": deviation * np.sqrt(YEAR)}
    found["sharpe"] = mean / deviation * np.sqrt(YEAR) if deviation > 0 else None
    found["sortino"] = mean / downside * np.sqrt(YEAR) if downside > 0 else None
    found["calmar"] = annual / fall if fall > 0 else None
    if benchmark is not None and np.var(benchmark) > 0:
        beta = float(np.cov(returns, benchmark)[0, 1] / np.var(benchmark, ddof=1))
        alpha = float((1 + mean - beta * np.mean(benchmark)) ** YEAR - 1)
        found |= {"beta": beta, "alpha": alpha}
    return {name: None if value is None else float(value) for name, value in found.items()}


def total(returns: Days) -> float:
    """What they compound to."""
    return float(np.prod(1 + returns) - 1)


def drawdown(returns: Days) -> float:
    """The deepest fall from a peak so far, the beginning included, as a positive fraction."""
    wealth = np.concatenate([np.ones(1), np.cumprod(1 + returns)])
    return float(np.max(1 - wealth / np.maximum.accumulate(wealth)))


def value_at_risk(returns: Days, tail: float) -> float | None:
    """The loss that a day exceeds with probability `tail`, a fraction of equity, plus is a loss; None with fewer than 1 / `tail` days.

    Historical simulation: the empirical quantile, linear between two days (Jorion 2006, "Value at Risk", chapter 10).
    """
    return -float(np.quantile(returns, tail)) if len(returns) >= math.ceil(1 / tail) else None


def expected_shortfall(returns: Days, tail: float) -> float | None:
    """The mean loss of the days in the tail, plus is a loss: of the worst floor((n - 1) `tail`) + 1; None with fewer than 1 / `tail` days.

    Acerbi and Tasche (2002), "On the coherence of expected shortfall".
    """
    if len(returns) < math.ceil(1 / tail):
        return None
    count = int((len(returns) - 1) * tail) + 1
    return -float(np.mean(np.partition(returns, count - 1)[:count]))
