"""Aligned daily returns and their shrunk correlation: what moves together, as far as sixty days can tell.

The sample correlation of many names over few days is noisy and may not even be positive definite; Ledoit and Wolf (2004, "A well-conditioned
estimator for large-dimensional covariance matrices") pull it toward the identity by the share that minimises the expected squared error.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

SESSIONS = 60
OVERLAP = 40
"""Sessions that any two symbols must have in common."""

Matrix = NDArray[np.float64]


class Returns(NamedTuple):
    """Daily log returns: `values` is (session, symbol), NaN where a close is missing on the session or on the one before it."""

    symbols: tuple[str, ...]
    values: Matrix

    def of(self, symbol: str) -> Matrix:
        """One symbol's column; all NaN for a symbol without bars."""
        return self.values[:, self.symbols.index(symbol)] if symbol in self.symbols else np.full(len(self.values), np.nan)


class Correlation(NamedTuple):
    """`matrix` is (symbol, symbol), symmetric, positive semidefinite, with a unit diagonal; `shrinkage` in [0, 1] is the identity's share."""

    symbols: tuple[str, ...]
    matrix: Matrix
    shrinkage: float


def aligned(bars: pl.DataFrame, sessions: Sequence[date]) -> Returns:
    """Log returns on every session after the first. `bars`: symbol, session, close; one bar for each symbol and session."""
    symbols = tuple(bars["symbol"].unique().sort())
    closes = np.full((len(sessions), len(symbols)), np.nan)
    places = bars.select(
        pl.col("session").replace_strict({day: i for i, day in enumerate(sessions)}, default=None, return_dtype=pl.Int64).alias("row"),
        pl.col("symbol").replace_strict({symbol: i for i, symbol in enumerate(symbols)}, return_dtype=pl.Int64).alias("column"),
        "close",
    ).drop_nulls("row")
    closes[places["row"].to_numpy(), places["column"].to_numpy()] = places["close"].to_numpy()
    return Returns(symbols, np.diff(np.log(closes), axis=0))


def shrunk(returns: Returns) -> Correlation:
    """Correlation over the last 60 sessions of the symbols with enough of them.

    A symbol may miss 10 of 60 returns, so that any two share 40; a missing one counts as its mean, which leaves the matrix positive
    semidefinite. A symbol whose price never moved has no correlation and is left out.
    """
    window = returns.values[-SESSIONS:]
    known = np.isfinite(window)
    least = (len(window) + min(OVERLAP, len(window))) / 2
    enough = (known.sum(axis=0) >= least) & (len(window) >= OVERLAP)
    kept = [i for i in np.flatnonzero(enough) if np.ptp(window[known[:, i], i]) > 0]
    symbols = tuple(returns.symbols[i] for i in kept)
    if not kept:
        return Correlation((), np.empty((0, 0)), 0.0)
    standard = standardised(window[:, kept])
    share = shrinkage(standard)
    matrix = (1 - share) * (standard.T @ standard) / len(standard)
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    return Correlation(symbols, np.clip(matrix, -1.0, 1.0), share)


def standardised(values: Matrix) -> Matrix:
    """Columns with mean 0 and population variance 1; NaN becomes the mean."""
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    return np.asarray(centred / np.sqrt(np.mean(centred**2, axis=0)))


def shrinkage(values: Matrix) -> float:
    """Ledoit and Wolf's share of the scaled identity for centred `values` (observation, variable), section 3.2 of the paper.

    d2 = |S - m I|^2 is how far the sample covariance S is from the target (m: mean variance), b2 its sampling error; the share is min(b2, d2) / d2.
    """
    count, width = values.shape
    squares = values**2
    sample: Matrix = values.T @ values / count
    mean = float(np.trace(sample)) / width
    total = float(np.sum(sample**2))
    distance = total - width * mean**2
    error = float((np.sum(squares.T @ squares) / count - total) / count)
    if distance <= 0 or error <= 0:
        return 0.0
    return float(min(error / distance, 1.0))


def long(correlation: Correlation) -> pl.DataFrame:
    """The whole matrix as rows a, b, rho: both triangles and the diagonal."""
    symbols = np.array(correlation.symbols, dtype=object)
    width = len(symbols)
    return pl.DataFrame(
        {"a": np.repeat(symbols, width), "b": np.tile(symbols, width), "rho": correlation.matrix.ravel()},
        schema={"a": pl.String, "b": pl.String, "rho": pl.Float64},
    )
