"""Whether a mean could be luck: bootstrap by session, and what many questions at once do to the answer.

A session is one draw: trades of a day share its market. The draws come from a generator that the caller seeds: the same seed, the same answer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

DRAWS = 4_000


class Evidence(NamedTuple):
    """A mean a session with its 95 % interval, and the probability of one so far above zero where the true one is zero."""

    mean: float
    low: float
    high: float
    p: float


def evidence(values: Values, rng: np.random.Generator, draws: int = DRAWS) -> Evidence:
    """Of one value a session, at least two that differ: the studentized bootstrap.

    Efron and Tibshirani (1993), "An Introduction to the Bootstrap", sections 12.5 and 16.4: each resample's distance from the mean in units of its
    own error stands for how far the mean may be from the truth. Skewed and heavy-tailed days are treated as they are.
    """
    count, mean = len(values), float(np.mean(values))
    error = float(np.std(values, ddof=1)) / np.sqrt(count)
    drawn = values[rng.integers(0, count, size=(draws, count))]
    errors = np.std(drawn, axis=1, ddof=1) / np.sqrt(count)
    known = errors > 0
    distances = (np.mean(drawn, axis=1)[known] - mean) / errors[known]
    low, high = np.quantile(distances, [0.025, 0.975])
    p = (1 + int(np.sum(distances >= mean / error))) / (1 + len(distances))
    return Evidence(mean, mean - float(high) * error, mean - float(low) * error, p)


def t_ratio(values: Values) -> float:
    """Mean over its standard error; 0 where nothing differs."""
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values)) / error if error > 0 else 0.0


def adjusted(p: Values) -> Values:
    """The share of false ones to expect among all that are no larger, each p in its place.

    Benjamini and Yekutieli (2001), "The control of the false discovery rate in multiple testing under dependency", Annals of Statistics 29(4):
    holds however the questions depend on each other, as hours, symbols and limits of the same trades do.
    """
    count = len(p)
    if not count:
        return p
    order = np.argsort(p)
    ranks = np.arange(1, count + 1)
    raised = p[order] * count / ranks * np.sum(1 / ranks)
    found = np.empty(count)
    found[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return found
