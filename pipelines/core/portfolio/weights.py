"""Weights from a covariance: long only, adding up to 1. Nothing here looks at mean returns, which no history short enough to matter can tell.

equal          1 / n: what the others have to beat (DeMiguel, Garlappi and Uppal 2009)
minimum        least variance: min w' S w with w >= 0 and sum w = 1 (Markowitz 1952)
parity         every member adds its budget of the risk, an equal one unless said otherwise: w_i (S w)_i = b_i w' S w (Maillard, Roncalli and
               Teiletche 2010, "The Properties of Equally Weighted Risk Contribution Portfolios")
hierarchical   halves of a correlation tree by inverse variance (Lopez de Prado 2016, "Building Diversified Portfolios that Outperform Out of
               Sample"): no inversion of S, so that near copies of one name take nothing from the others
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.optimize import nnls
from scipy.spatial.distance import squareform

from pipelines.core.errors import DataError
from pipelines.core.risk.clusters import distance
from pipelines.core.risk.correlation import Matrix, shrinkage

Weights = NDArray[np.float64]

ROUNDS = 10_000
CLOSE = 1e-13
"""Relative change of a round below which risk parity has arrived."""

SCHEMA = {"method": pl.String, "name": pl.String, "weight": pl.Float64, "risk": pl.Float64, "volatility": pl.Float64, "observations": pl.Int64}


def covariance(returns: Matrix) -> Matrix:
    """Ledoit and Wolf's (2004) shrunk covariance of `returns` (observation, member): (1 - d) S + d m I, m the mean variance. Positive definite.

    `DataError` below two observations, where a return is missing, or where a member never moved: it would be given everything.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise DataError(f"expected two or more observations without a gap, found an array of {values.shape} with {np.isnan(values).sum()} missing")
    centred: Matrix = values - values.mean(axis=0)
    sample: Matrix = centred.T @ centred / len(values)
    still = np.flatnonzero(np.diag(sample) <= 0)
    if still.size:
        raise DataError(f"expected members whose returns move, found {still.size} that never do (column {still[0]} first)")
    share = shrinkage(centred)
    shrunk: Matrix = (1 - share) * sample
    shrunk[np.diag_indices_from(shrunk)] += share * float(np.trace(sample)) / len(sample)
    return shrunk


def equal(cov: Matrix) -> Weights:
    """1 / n."""
    return np.full(len(cov), 1.0 / len(cov))


def minimum(cov: Matrix) -> Weights:
    """Least variance without short positions.

    Its conditions are those of min w' S w / 2 - 1' w over w >= 0, scaled to 1: with S = L L' a problem of nonnegative least squares, which is
    solved exactly by an active set (Lawson and Hanson 1974).
    """
    lower = np.linalg.cholesky(cov)
    found, _ = nnls(lower.T, np.linalg.solve(lower, np.ones(len(cov))))
    return np.asarray(found / found.sum())


def parity(cov: Matrix, budgets: Sequence[float] | None = None) -> Weights:
    """Risk parity, by cyclical coordinates of min w' S w / 2 - sum b_i ln w_i, which is convex (Griveau-Billion, Richard and Roncalli 2013)."""
    shares = equal(cov) if budgets is None else np.asarray(budgets, np.float64)
    if len(shares) != len(cov) or not (shares > 0).all():
        raise DataError(f"expected a budget above zero for each of {len(cov)} members, found {list(shares)}")
    shares = shares / shares.sum()
    variance = np.diag(cov)
    found = np.sqrt(shares / variance)
    for _ in range(ROUNDS):
        before = found.copy()
        for i in range(len(found)):
            rest = float(cov[i] @ found) - variance[i] * found[i]
            found[i] = (-rest + np.sqrt(rest**2 + 4 * variance[i] * shares[i])) / (2 * variance[i])
        if np.abs(found - before).max() <= CLOSE * found.max():
            break
    return np.asarray(found / found.sum())


def hierarchical(cov: Matrix) -> Weights:
    """Hierarchical risk parity on a tree by single linkage of sqrt((1 - rho) / 2); a half's risk is that of its inverse-variance portfolio."""
    if len(cov) < 2:
        return equal(cov)
    deviation = np.sqrt(np.diag(cov))
    apart = distance(np.clip(cov / np.outer(deviation, deviation), -1.0, 1.0))
    found, groups = np.ones(len(cov)), [leaves_list(linkage(squareform(apart, checks=False), "single"))]
    while groups:
        group = groups.pop()
        if len(group) < 2:
            continue
        left, right = group[: len(group) // 2], group[len(group) // 2 :]
        near, far = _inverse(cov, left), _inverse(cov, right)
        found[left] *= far / (near + far)
        found[right] *= near / (near + far)
        groups += [left, right]
    return found


METHODS: Mapping[str, Callable[[Matrix], Weights]] = {"equal": equal, "minimum": minimum, "parity": parity, "hierarchical": hierarchical}


def risk(weights: Weights, cov: Matrix) -> Weights:
    """Each member's share of the variance: w_i (S w)_i / w' S w; they add up to 1, and are negative where a member hedges the others."""
    along = cov @ weights
    return np.asarray(weights * along / float(weights @ along))


def spread(names: Sequence[str], returns: Matrix) -> pl.DataFrame:
    """Every method's rows method, name, weight, risk (share of the variance), volatility (of the whole, an observation), observations."""
    cov, rows = covariance(returns), []
    for method, weigh in METHODS.items():
        found = weigh(cov)
        shares, deviation = risk(found, cov), float(np.sqrt(found @ cov @ found))
        rows += [(method, name, float(w), float(r), deviation, len(returns)) for name, w, r in zip(names, found, shares, strict=True)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _inverse(cov: Matrix, members: NDArray[np.int32]) -> float:
    """Variance of these members by inverse variance."""
    own = cov[np.ix_(members, members)]
    share = 1 / np.diag(own)
    share /= share.sum()
    return float(share @ own @ share)
