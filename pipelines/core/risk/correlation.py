"""Aligned daily returns and how they move together: shrunk over sixty days for the gate, exponentially weighted over a year for what changes.

The sample correlation of many names over few days is noisy and may not even be positive definite; Ledoit and Wolf (2004, "A well-conditioned
estimator for large-dimensional covariance matrices") pull it toward the identity by the share that minimises the expected squared error.
RiskMetrics (1996, "Technical Document", section 5.2) lets old days fade instead.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

SESSIONS = 60
OVERLAP = 40
"""Sessions that any two symbols must have in common, of 60."""

DECAY = 0.97
"""What a day's weight keeps a day later. RiskMetrics takes 0.94 (a memory of some 32 days) for daily and 0.97 (66 days) for monthly horizons;
the longer one, because correlations need more days than volatilities do."""

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
    """Log returns on every session after the first. `bars`: symbol, session, close; one bar for each symbol and session.

    Closes have to be on one share scale. Whether a dividend counts as a return is up to the bars: closes adjusted for splits give price
    returns, closes adjusted for dividends as well give total returns.
    """
    symbols = tuple(bars["symbol"].unique().sort())
    closes = np.full((len(sessions), len(symbols)), np.nan)
    places = bars.select(
        pl.col("session").replace_strict({day: i for i, day in enumerate(sessions)}, default=None, return_dtype=pl.Int64).alias("row"),
        pl.col("symbol").replace_strict({symbol: i for i, symbol in enumerate(symbols)}, default=None, return_dtype=pl.Int64).alias("column"),
        "close",
    ).drop_nulls("row")
    closes[places["row"].to_numpy(), places["column"].to_numpy()] = places["close"].to_numpy()
    return Returns(symbols, np.diff(np.log(closes), axis=0))


def shrunk(returns: Returns, *, sessions: int = SESSIONS, overlap: int = OVERLAP) -> Correlation:
    """Ledoit and Wolf's correlation over the last `sessions` of the symbols with enough of them.

    A symbol may miss so many returns (10 of 60) that any two still share `overlap`; a missing one counts as its mean, which leaves the matrix
    positive semidefinite. A symbol whose price never moved has no correlation and is left out.
    """
    window = returns.values[-sessions:]
    kept = _enough(window, overlap)
    standard = standardised(window[:, kept])
    share = shrinkage(standard)
    # Scaled before the product and not after it: passes over the whole matrix are what costs beside the product itself.
    standard *= np.sqrt((1 - share) / max(len(standard), 1))
    return Correlation(tuple(returns.symbols[i] for i in kept), _product(standard), share)


def weighted(returns: Returns, *, decay: float = DECAY, sessions: int = 252, overlap: int = OVERLAP) -> Correlation:
    """RiskMetrics' correlation: day t of n counts decay^(n-t), means are taken as zero, nothing is shrunk.

    The same symbols stay in as with `shrunk`, by their last 60 sessions; what is missing counts as no move.
    """
    kept = _enough(returns.values[-SESSIONS:], overlap)
    fading = np.nan_to_num(returns.values[-sessions:, kept])
    fading *= np.sqrt(decay ** np.arange(len(fading) - 1, -1, -1.0))[:, None]
    fading /= np.sqrt(np.einsum("ij,ij->j", fading, fading))
    return Correlation(tuple(returns.symbols[i] for i in kept), _product(fading), 0.0)


def standardised(values: Matrix) -> Matrix:
    """Columns with mean 0 and population variance 1; NaN becomes the mean."""
    if not values.size:
        return values
    centred: Matrix = np.nan_to_num(values - np.nanmean(values, axis=0))
    centred /= np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(centred))
    return centred


def shrinkage(values: Matrix) -> float:
    """Ledoit and Wolf's share of the scaled identity for centred `values` (observation, variable), section 3.2 of the paper.

    d2 = |S - m I|^2 is how far the sample covariance S is from the target (m: mean variance), b2 its sampling error; the share is min(b2, d2) / d2.
    Neither needs S itself: |S|^2 is that of the small matrix X X', and the sum of products of squares is a sum over observations.
    """
    count, width = values.shape
    if not values.size:
        return 0.0
    small: Matrix = values @ values.T if count < width else values.T @ values
    norms = np.einsum("ij,ij->i", values, values)
    mean = float(np.sum(norms)) / count / width
    total = float(np.sum(small**2)) / count**2
    distance = total - width * mean**2
    error = float((np.sum(norms**2) / count - total) / count)
    # As far from the target as rounding alone takes it is no distance.
    if distance <= 1e-14 * total or error <= 0:
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


def _enough(window: Matrix, overlap: int) -> NDArray[np.intp]:
    """The columns that are known well enough, so that any two share `overlap` rows, and whose price moved."""
    if len(window) < overlap:
        return np.empty(0, np.intp)
    enough = np.isfinite(window).sum(axis=0) >= (len(window) + overlap) / 2
    return np.flatnonzero(enough & (np.fmax.reduce(window, axis=0) > np.fmin.reduce(window, axis=0)))


def _product(columns: Matrix) -> Matrix:
    """X'X as a correlation: a product with its own transpose is symmetric to the bit (BLAS computes one triangle) and no eigenvalue is negative."""
    matrix: Matrix = columns.T @ columns
    np.fill_diagonal(matrix, 1.0)
    return np.clip(matrix, -1.0, 1.0, out=matrix)
