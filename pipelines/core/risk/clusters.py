"""Groups of names that move together, so that five positions are not one bet.

The distance of two names is sqrt((1 - rho) / 2), which is a metric (Mantegna 1999, "Hierarchical structure in financial markets", with his
scale of 2 taken out: 0 for the same series, 1 for its mirror image). Names are joined bottom up by complete linkage: two groups become one
while even their least alike members are alike enough. So the cut says something about every pair: of one cluster, any two names correlate
at `ALIKE` or more.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from pipelines.core.risk.correlation import Correlation, Matrix

ALIKE = 0.5
"""Correlation at which the tree is cut. At 0.5 a quarter of the variance of each is shared; two positions of one size carry 1.73 times the risk
of one, and not the 1.41 of two independent ones. Shrunk correlations of large US names lie between 0.1 and 0.8."""

SCHEMA = {"symbol": pl.String, "cluster": pl.Int64, "members": pl.Int64, "mean_rho": pl.Float64, "place": pl.Int64}


def clusters(correlation: Correlation, *, alike: float = ALIKE) -> pl.DataFrame:
    """Rows symbol, cluster, members, mean_rho, place: one for each symbol, clusters numbered from 1, the largest first.

    `mean_rho` is the mean correlation with the other members, null for a name on its own. `place` orders the names along the tree, so that a
    map in that order shows the clusters as blocks.
    """
    symbols, matrix = correlation.symbols, correlation.matrix
    if len(symbols) < 2:
        return pl.DataFrame([(symbol, 1, 1, None, 0) for symbol in symbols], schema=SCHEMA, orient="row")
    tree = linkage(squareform(distance(matrix), checks=False), "complete", optimal_ordering=len(symbols) <= 1000)
    # A hair above the cut, or a pair at exactly `alike` would fall to rounding.
    labels = fcluster(tree, np.sqrt((1 - alike) / 2) * (1 + 1e-12), "distance")
    places = np.empty(len(symbols), np.int64)
    places[leaves_list(tree)] = np.arange(len(symbols))
    return _numbered(symbols, labels, matrix, places)


def distance(matrix: Matrix) -> Matrix:
    """Mantegna's distance between any two, in [0, 1], zero on the diagonal."""
    found: Matrix = np.sqrt(np.clip((1 - matrix) / 2, 0.0, 1.0))
    np.fill_diagonal(found, 0.0)
    return found


def _numbered(symbols: tuple[str, ...], labels: NDArray[np.int64], matrix: Matrix, places: NDArray[np.int64]) -> pl.DataFrame:
    """Numbers by size, then by the first member's name, so that they do not hang on the order of the tree."""
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    groups.sort(key=lambda members: (-len(members), min(symbols[i] for i in members)))
    rows = []
    for number, members in enumerate(groups, start=1):
        inside = matrix[np.ix_(members, members)]
        others = len(members) - 1
        means = (inside.sum(axis=1) - 1) / others if others else [None]
        rows += [(symbols[i], number, len(members), mean, int(places[i])) for i, mean in zip(members, means, strict=True)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("symbol")
