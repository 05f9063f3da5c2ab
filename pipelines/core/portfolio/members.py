"""What is weighed against each other: the strategies by their backtested days, the names of the watchlist by their returns."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipelines.core.portfolio.weights import SCHEMA, spread
from pipelines.core.risk.correlation import Matrix, Returns

LEAST = 20
"""Sessions below which nothing is weighed: a covariance of fewer says nothing."""

YEAR = 252

BOOKED = {"book": pl.String, **SCHEMA}


def strategies(backtests: pl.DataFrame, setups: Sequence[str], equity: float) -> pl.DataFrame:
    """Weights of strategies by the days that each had alone. `backtests`: session, setup, profit, fees; a day began with `equity` (all in dollars).

    A day on which a strategy did nothing is a return of nought. One that never traded is left out, and there are no rows below `LEAST` days.
    """
    known = backtests.filter(pl.col("setup").is_in(list(setups)))
    days = known.group_by("session", "setup").agg((pl.col("profit") - pl.col("fees")).sum() / equity)
    table = days.pivot("setup", index="session", values="profit").sort("session").fill_null(0.0)
    names = [name for name in setups if name in table.columns]
    return _weighed("strategies", names, table.select(names).to_numpy()[-YEAR:])


def names(symbols: Sequence[str], returns: Returns) -> pl.DataFrame:
    """Weights of these symbols by their daily returns, of those that have all of the last `YEAR` sessions (or of as many as there are)."""
    known = [symbol for symbol in symbols if symbol in returns.symbols]
    window = np.column_stack([returns.of(symbol) for symbol in known])[-YEAR:] if known else np.empty((0, 0))
    whole = np.flatnonzero(np.isfinite(window).all(axis=0))
    return _weighed("watchlist", [known[i] for i in whole], window[:, whole])


def _weighed(book: str, members: list[str], returns: Matrix) -> pl.DataFrame:
    moved = [i for i in range(len(members)) if np.ptp(returns[:, i]) > 0] if len(returns) >= LEAST else []
    if not moved:
        return pl.DataFrame(schema=BOOKED)
    return spread([members[i] for i in moved], returns[:, moved]).select(pl.lit(book).alias("book"), pl.all())
