"""Volatility regimes: a transparent rule on where today's volatility stands in its own past year, and what follows from it.

The rule. Realised volatility is the root mean square of the benchmark's last 20 daily log returns, times sqrt(252).
Its percentile is its rank among the same figure on each of the last 252 sessions (or as many as there are, 20 at least).
Below 25 % is calm, below 75 % normal, below 95 % elevated, from there stressed. Root mean square and not standard deviation:
over 20 days the mean is noise (Figlewski 1997, "Forecasting Volatility", section 2).
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

WINDOW = 20
YEAR = 252


class RegimeName(StrEnum):
    """From quiet to dangerous; UNKNOWN when history is too short to say."""

    CALM = "calm"
    NORMAL = "normal"
    ELEVATED = "elevated"
    STRESSED = "stressed"
    UNKNOWN = "unknown"


# What each regime does: multiples of the size, and of the stop and target distances.
EFFECTS: dict[RegimeName, tuple[float, float]] = {
    RegimeName.CALM: (1.0, 1.0),
    RegimeName.NORMAL: (1.0, 1.0),
    RegimeName.ELEVATED: (0.75, 1.15),
    RegimeName.STRESSED: (0.5, 1.3),
    RegimeName.UNKNOWN: (0.5, 1.0),
}


class Regime(BaseModel):
    """The regime of one session with the numbers that decided it. Volatility is a yearly fraction (0.18 = 18 %)."""

    model_config = ConfigDict(frozen=True)

    name: RegimeName
    volatility: float | None
    percentile: float | None
    sessions: int
    size_multiplier: float
    stop_multiplier: float


def realised_volatility(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rolling 20-session realised volatility, yearly; one value per full window, so `len(returns) - 19` values."""
    if len(returns) < WINDOW:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(returns, WINDOW)
    return np.asarray(np.sqrt(np.mean(windows**2, axis=1) * YEAR))


def classify(returns: NDArray[np.float64]) -> Regime:
    """The regime after the last of these daily log returns of the benchmark (oldest first, no gaps)."""
    history = realised_volatility(returns)[-YEAR:]
    if len(history) < WINDOW:
        return _regime(RegimeName.UNKNOWN, None, None, len(returns))
    percentile = float(np.mean(history <= history[-1]))
    if percentile < 0.25:
        name = RegimeName.CALM
    elif percentile < 0.75:
        name = RegimeName.NORMAL
    elif percentile < 0.95:
        name = RegimeName.ELEVATED
    else:
        name = RegimeName.STRESSED
    return _regime(name, float(history[-1]), percentile, len(returns))


def _regime(name: RegimeName, volatility: float | None, percentile: float | None, sessions: int) -> Regime:
    size, stop = EFFECTS[name]
    return Regime(name=name, volatility=volatility, percentile=percentile, sessions=sessions, size_multiplier=size, stop_multiplier=stop)
