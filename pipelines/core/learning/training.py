"""Training, and the only test that counts: sessions after those that were learned from, with nothing in between that could leak.

Walk-forward: the sessions are cut into blocks, each block is predicted by a model of all that ended before it began, less an embargo. An example
whose trade was still open when the block began is purged: its outcome was not known (Lopez de Prado 2018, "Advances in Financial Machine
Learning", chapter 7).
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from pipelines.core.errors import DataError
from pipelines.core.learning.features import FEATURES
from pipelines.core.learning.scorer import Scorer

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST = 300
"""Examples of a strategy below which nothing is learned: ten features, thirty of each."""

BLOCKS = 5
EMBARGO = timedelta(days=1)
"""Between the last outcome that is learned from and the first entry that is predicted."""

NORMAL = 1.6449
"""Normal quantile at 95 %."""

SCORERS = pl.Schema(
    [
        ("session", pl.Date),
        ("strategy", pl.String),
        ("features", pl.List(pl.String)),
        *((name, pl.List(pl.Float64)) for name in ("mean", "scale", "weights")),
        ("intercept", pl.Float64),
        *((name, pl.Int64) for name in ("examples", "sessions")),
        *((name, pl.Float64) for name in ("auc", "auc_low", "loss", "base_loss")),
        ("trusted", pl.Boolean),
    ]
)

STRENGTH = 1.0
"""Weight of the data against the penalty |w|^2 / 2 on standardised features (scikit-learn's C)."""


def logistic(values: Values, won: Flags, strength: float = STRENGTH) -> tuple[Values, float]:
    """(weights, intercept) that minimise |w|^2 / 2 + strength * sum of log(1 + exp(-y (w x + b))), y = +-1; the intercept is not penalised.

    `values` is (example, feature). The problem is convex: Newton steps in a trust region on its exact Hessian.
    """
    design, signs = np.column_stack([values, np.ones(len(values))]), np.where(won, 1.0, -1.0)
    ridge = np.append(np.ones(values.shape[1]), 0.0)

    def cost(w: Values) -> tuple[float, Values]:
        margin = signs * (design @ w)
        slope = ridge * w - strength * (design.T @ (signs * expit(-margin)))
        return float(w @ (ridge * w) / 2 + strength * np.logaddexp(0.0, -margin).sum()), slope

    def curvature(w: Values) -> Values:
        p = expit(design @ w)
        return np.asarray(np.diag(ridge) + strength * (design.T * (p * (1 - p))) @ design)

    found = minimize(cost, np.zeros(design.shape[1]), jac=True, hess=curvature, method="trust-exact", options={"gtol": 1e-10 * max(len(values), 1)})
    return found.x[:-1], float(found.x[-1])


def area(scores: Values, won: Flags) -> float:
    """Area under the ROC curve: the chance that a winner scored above a loser, ties counted half (Mann and Whitney)."""
    winners, losers = int(won.sum()), int((~won).sum())
    if not winners or not losers:
        return float("nan")
    return float((rankdata(scores)[won].sum() - winners * (winners + 1) / 2) / (winners * losers))


def doubt(auc: float, winners: int, losers: int) -> float:
    """Standard error of that area (Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve")."""
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (winners - 1) * (one - auc**2) + (losers - 1) * (two - auc**2)
    return float(np.sqrt(max(spread, 0.0) / (winners * losers)))


def splits(rows: pl.DataFrame, blocks: int = BLOCKS, embargo: timedelta = EMBARGO) -> Iterator[tuple[Flags, Flags]]:
    """(learned from, predicted) for every block of sessions but the first. Rows: session, opened_at, closed_at."""
    sessions = rows["session"].unique().sort().to_list()
    edges = [len(sessions) * i // blocks for i in range(blocks + 1)]
    for first, last in pairwise(edges[1:]):
        inside = rows["session"].is_between(sessions[first], sessions[last - 1])
        began = rows.filter(inside)["opened_at"].min()
        before = rows["closed_at"] < pl.Series([began]).item() - embargo
        yield before.to_numpy(), inside.to_numpy()


def train(rows: pl.DataFrame, strategy: str) -> Scorer | None:
    """The strategy's scorer by its rows of `EXAMPLES`, with its out-of-sample marks; None where there are too few examples or only one outcome."""
    known = rows.filter(pl.all_horizontal(pl.col(FEATURES).is_finite()), pl.col("strategy") == strategy).sort("opened_at", "symbol")
    values, won = known.select(FEATURES).to_numpy(), (known["profit"] > 0).to_numpy()
    if known.height < LEAST or known["session"].n_unique() < BLOCKS or won.all() or not won.any():
        return None
    said, base, true = [], [], []
    for learned, predicted in splits(known):
        if len(set(won[learned])) < 2:
            continue
        mean, scale = _scales(values[learned])
        weights, intercept = logistic((values[learned] - mean) / scale, won[learned])
        said.append(expit((values[predicted] - mean) / scale @ weights + intercept))
        base.append(np.full(int(predicted.sum()), won[learned].mean()))
        true.append(won[predicted])
    if not said:
        return None
    scores, outcome = np.concatenate(said), np.concatenate(true)
    auc = area(scores, outcome)
    low = auc - NORMAL * doubt(auc, int(outcome.sum()), int((~outcome).sum()))
    mean, scale = _scales(values)
    weights, intercept = logistic((values - mean) / scale, won)
    return Scorer(
        strategy=strategy,
        features=FEATURES,
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        weights=tuple(weights.tolist()),
        intercept=intercept,
        examples=known.height,
        sessions=known["session"].n_unique(),
        auc=auc,
        auc_low=low,
        loss=loss(scores, outcome),
        base_loss=loss(np.concatenate(base), outcome),
    )


def loss(probabilities: Values, won: Flags) -> float:
    """Mean logarithmic loss."""
    if len(probabilities) != len(won):
        raise DataError(f"expected as many probabilities as outcomes, found {len(probabilities)} and {len(won)}")
    kept = np.clip(probabilities, 1e-15, 1 - 1e-15)
    return float(-np.log(np.where(won, kept, 1 - kept)).mean())


def _scales(values: Values) -> tuple[Values, Values]:
    """Mean and deviation of each feature; one that never differs has deviation 1."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0, spread, 1.0)
