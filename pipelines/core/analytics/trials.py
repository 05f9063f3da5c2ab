"""What to believe of the best of many tries: the more are tried, the better the best one looks, though none of them is any good.

Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and Non-Normality", Journal of
Portfolio Management 40(5). Sharpe ratios here are by day, not yearly.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]


def sharpe(returns: Values) -> float:
    """Mean over deviation (n - 1); NaN below two days or where nothing moved."""
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    return float(np.mean(returns)) / deviation if deviation > 0 else math.nan


def expected_best(sharpes: Values) -> float:
    """The greatest Sharpe ratio to expect of so many tries whose true ones are all nought (equation 1, with their own deviation).

    SR0 = sd * ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e))), g the Euler-Mascheroni constant, Z the normal quantile. The tries count as independent, which
    errs on the side of disbelief where they resemble each other. 0 with fewer than two.
    """
    known = sharpes[np.isfinite(sharpes)]
    if len(known) < 2:
        return 0.0
    quantiles = stats.norm.ppf([1 - 1 / len(known), 1 - 1 / (len(known) * math.e)])
    return float(np.std(known, ddof=1) * ((1 - np.euler_gamma) * quantiles[0] + np.euler_gamma * quantiles[1]))


def probabilistic(returns: Values, benchmark: float) -> float:
    """Probability that the true Sharpe ratio is above `benchmark`, given the days, their skewness and kurtosis (equation 2); NaN where unknown.

    Phi((SR - SR0) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2)); with `expected_best` as the benchmark it is the deflated ratio.
    """
    ratio = sharpe(returns)
    if not math.isfinite(ratio) or len(returns) < 3:
        return math.nan
    skew, kurtosis = float(stats.skew(returns)), float(stats.kurtosis(returns, fisher=False))
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return float(stats.norm.cdf((ratio - benchmark) * math.sqrt(len(returns) - 1) / math.sqrt(spread))) if spread > 0 else math.nan
