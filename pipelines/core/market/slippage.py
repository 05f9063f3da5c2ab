"""What an order will cost beside the price that it was decided at: half the spread, and its own footprint in the market.

    expected = spread / 2 + k * sigma * sqrt(participation)          all fractions of the price

sigma is the volatility of a day, participation the order's shares over the symbol's average daily volume. The square root is the common
finding of studies of impact, near the power 3/5 of Almgren, Thum, Hauptmann and Li (2005, "Direct estimation of equity market impact") and
with a k of order one: Toth et al. (2011, "Anomalous price impact and the critical nature of liquidity in financial markets"). A market order
pays the mean of a footprint that grows with the root: two thirds of its end. So k is 2/3 until our own executions say otherwise.

k is fitted to what entries cost against the price they were decided at, spread taken off, by least absolute deviations: a minute's move
between decision and fill is many times the impact, and has heavy tails, which squares would follow. Its interval turns the sign test of the
slope around (Koenker 2005, "Quantile Regression", section 3.5): it asks nothing of the errors but a median of zero.
"""

from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

PRIOR = 2 / 3

ENOUGH = 30
"""Executions, and `WIDEST` the width of the interval, from which the measured k stands in the place of the prior."""
WIDEST = 1.0

CONFIDENCE = 1.96
"""Standard normal quantile of a 95 % interval."""


EXECUTIONS = pl.Schema(
    [
        ("session", pl.Date),
        ("symbol", pl.String),
        ("cost", pl.Float64),
        ("spread", pl.Float64),
        ("sigma", pl.Float64),
        ("participation", pl.Float64),
    ]
)


class Basis(StrEnum):
    """Where k comes from."""

    PRIOR = "prior"
    MEASURED = "measured"


class Slippage(BaseModel):
    """The model with its evidence. `low` and `high` are the 95 % interval of the measured k, None where executions are too few to bound it."""

    model_config = ConfigDict(frozen=True)

    impact: float
    """The k in use."""
    basis: Basis
    measured: float | None
    low: float | None
    high: float | None
    executions: int
    median_cost: float | None
    """Of the executions, fraction of the price; spread included."""

    def expected(self, *, spread: float, sigma: float, participation: float) -> float:
        """Cost of an order as a fraction of the price."""
        return spread / 2 + self.impact * sigma * float(np.sqrt(participation))


def executions(orders: pl.DataFrame, liquidity: pl.DataFrame) -> pl.DataFrame:
    """Rows of `EXECUTIONS`: one for each filled entry whose symbol's liquidity was known that morning.

    `orders`: session, symbol, side (buy or sell), role, filled, average, arrival. `liquidity`: session (the trading session), symbol, adv, spread,
    sigma. `cost` is what was paid above (or got below) the arrival price.
    """
    entries = orders.filter((pl.col("role") == "entry") & (pl.col("filled") > 0) & (pl.col("arrival") > 0)).drop_nulls("average")
    sign = pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)
    known = entries.join(liquidity.drop_nulls(["adv", "spread", "sigma"]).filter(pl.col("adv") > 0), on=["session", "symbol"])
    return known.select(
        "session",
        "symbol",
        (sign * (pl.col("average") / pl.col("arrival") - 1)).alias("cost"),
        "spread",
        "sigma",
        (pl.col("filled") / pl.col("adv")).alias("participation"),
    )


def fit(known: pl.DataFrame) -> Slippage:
    """The model from rows of `executions`; the prior where they are too few, or say too little."""
    usable = known.filter((pl.col("sigma") > 0) & (pl.col("participation") > 0))
    if usable.is_empty():
        return Slippage(impact=PRIOR, basis=Basis.PRIOR, measured=None, low=None, high=None, executions=0, median_cost=None)
    rest = (usable["cost"] - usable["spread"] / 2).to_numpy()
    size = usable["sigma"].to_numpy() * np.sqrt(usable["participation"].to_numpy())
    measured, low, high = slope(rest, size)
    trusted = len(size) >= ENOUGH and low is not None and high is not None and high - low <= WIDEST
    return Slippage(
        impact=max(measured, 0.0) if trusted else PRIOR,
        basis=Basis.MEASURED if trusted else Basis.PRIOR,
        measured=measured,
        low=low,
        high=high,
        executions=len(size),
        median_cost=float(np.median(usable["cost"].to_numpy())),
    )


def slope(y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[float, float | None, float | None]:
    """The slope through the origin with the least sum of absolute deviations, and its interval; `x` above zero.

    The sum of |y - k x| is least at the weighted median of y / x with weights x. The sum of x sign(y - k x) has, at the true k, mean zero and
    variance sum of x^2: the interval is where it is within 1.96 deviations. None where there are too few to bound it.
    """
    order = np.argsort(y / x, kind="stable")
    ratios, weights = (y / x)[order], x[order]
    below = np.cumsum(weights)
    total, reach = below[-1], CONFIDENCE * float(np.sqrt(np.sum(x**2)))
    measured = float(ratios[np.searchsorted(below, total / 2)])
    # At k just past the i-th ratio the signed sum is total - 2 * below[i].
    low, high = np.searchsorted(below, (total - reach) / 2), np.searchsorted(below, (total + reach) / 2)
    if total <= reach or high >= len(ratios):
        return measured, None, None
    return measured, float(ratios[low]), float(ratios[high])
