"""What the sessions risked: tails of the daily returns, slope on the benchmark, and the history of heat and exposure.

Losses are fractions of equity, plus is a loss. A figure that the days cannot give is None, never zero.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from pipelines.core.analytics import performance, returns
from pipelines.core.analytics.scope import Scope

TAIL = 10
"""Days shown of the worst."""


class RiskMeasures(BaseModel):
    """The numbers of a scope."""

    model_config = ConfigDict(frozen=True)

    sessions: int = Field(description="Sessions of the book in the scope.")
    equity: float | None = Field(description="Equity after the last session, dollars: what the fractions are of today.")
    var_95: float | None = Field(description="Loss that one day in twenty exceeds (historical value at risk); None below 20 sessions.")
    var_99: float | None = Field(description="Loss that one day in a hundred exceeds; None below 100 sessions.")
    es_95: float | None = Field(description="Mean loss of the worst twentieth of the days (expected shortfall).")
    es_99: float | None = Field(description="Mean loss of the worst hundredth of the days.")
    worst_day: float | None = Field(description="Return of the worst session.")
    best_day: float | None = Field(description="Return of the best session.")
    downside: float | None = Field(description="Root mean square of the negative returns over all days, a year's worth.")
    skew: float | None = Field(description="Skewness of daily returns; below zero the bad days are the long ones. None below 20 sessions.")
    kurtosis: float | None = Field(description="Excess kurtosis of daily returns; 0 is the normal distribution's.")
    beta: float | None = Field(description="Slope of daily returns on the benchmark's.")
    beta_error: float | None = Field(description="Standard error of that slope.")
    correlation: float | None = Field(description="Correlation of daily returns with the benchmark's.")
    max_drawdown: float | None = Field(description="Deepest fall of the daily curve.")
    drawdown: float | None = Field(description="How far the curve is below its highest point after the last session.")
    deepest_day: float | None = Field(description="Deepest fall inside a session, from its highest equity.")
    heat: float | None = Field(description="Mean loss if every stop were hit at once, fraction of equity.")
    max_heat: float | None = Field(description="The greatest it ever was.")
    exposure: float | None = Field(description="Mean gross value over equity.")
    max_exposure: float | None = Field(description="The greatest it ever was.")


class Risk(NamedTuple):
    """What the sessions of a scope risked.

    history    session, regime, return, drawdown (of the curve), fall (inside the session), heat, max_heat, exposure, max_exposure, positions
    drawdowns  as in `performance.Performance`
    tail       session, return, regime: the worst sessions
    """

    scope: Scope
    numbers: RiskMeasures
    history: pl.DataFrame
    drawdowns: pl.DataFrame
    tail: pl.DataFrame


def risk(days: pl.DataFrame, trips: pl.DataFrame, scope: Scope) -> Risk:
    """The risk of a scope; arguments as in `performance.performance`. Heat and exposure are the whole account's, whatever the scope."""
    found = performance.performance(days, trips, scope)
    known = scope.days(days).select("session", "regime", pl.col("drawdown").alias("fall"), *HEAT, "positions").sort("session")
    history = found.curve.select("session", "return", "drawdown").join(known, on="session", maintain_order="left")
    tail = history.filter(pl.col("return") < 0).sort("return").head(TAIL).select("session", "return", "regime")
    return Risk(scope, _measures(found, history), history, found.drawdowns, tail)


HEAT = ("heat", "max_heat", "exposure", "max_exposure")


def _measures(found: performance.Performance, history: pl.DataFrame) -> RiskMeasures:
    daily, enough = found.curve["return"].to_numpy(), found.curve.height >= returns.ENOUGH
    moves = enough and float(np.std(daily)) > 0
    slope = _slope(found.curve.drop_nulls("benchmark"))
    return RiskMeasures(
        sessions=len(daily),
        equity=found.numbers.end,
        var_95=returns.value_at_risk(daily, 0.05),
        var_99=returns.value_at_risk(daily, 0.01),
        es_95=returns.expected_shortfall(daily, 0.05),
        es_99=returns.expected_shortfall(daily, 0.01),
        worst_day=float(daily.min()) if len(daily) else None,
        best_day=float(daily.max()) if len(daily) else None,
        downside=float(np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2) * returns.YEAR)) if enough else None,
        skew=float(stats.skew(daily)) if moves else None,
        kurtosis=float(stats.kurtosis(daily)) if moves else None,
        **slope,
        max_drawdown=found.numbers.max_drawdown,
        drawdown=found.curve["drawdown"].to_list()[-1] if len(daily) else None,
        deepest_day=_of(history["fall"].max()),
        heat=_of(history["heat"].mean()),
        max_heat=_of(history["max_heat"].max()),
        exposure=_of(history["exposure"].mean()),
        max_exposure=_of(history["max_exposure"].max()),
    )


def _slope(both: pl.DataFrame) -> dict[str, float | None]:
    """Least squares on the benchmark, where enough days and moves are known."""
    own, market = both["return"].to_numpy(), both["benchmark"].to_numpy()
    if len(own) < returns.ENOUGH or not (np.var(own) > 0 and np.var(market) > 0):
        return {"beta": None, "beta_error": None, "correlation": None}
    line = stats.linregress(market, own)
    return {"beta": float(line.slope), "beta_error": float(line.stderr), "correlation": float(line.rvalue)}


def _of(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
