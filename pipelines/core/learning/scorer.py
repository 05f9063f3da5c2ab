"""A strategy's scorer: the probability that an entry ends with a profit, by logistic regression on what was known at its decision."""

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Scorer(BaseModel):
    """One strategy's model, and how it did on sessions that it had not seen. `mean` and `scale` standardise the features, in their order."""

    model_config = ConfigDict(frozen=True)

    strategy: str
    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    examples: int
    sessions: int
    auc: float
    """Area under the ROC curve out of sample: 0.5 is a coin."""
    auc_low: float
    """Its lower bound, one-sided at 95 % (Hanley and McNeil 1982)."""
    loss: float
    """Mean logarithmic loss out of sample."""
    base_loss: float
    """The same of always saying the rate of the sessions before."""

    @property
    def trusted(self) -> bool:
        """Better than chance and than the plain rate, out of sample. Only such a one reaches a briefing."""
        return self.auc_low > 0.5 and self.loss < self.base_loss

    def probability(self, values: Sequence[float]) -> float:
        """Of a profit after costs; NaN where a value is not known."""
        terms = zip(self.weights, values, self.mean, self.scale, strict=True)
        total = self.intercept + math.fsum(weight * (value - mean) / scale for weight, value, mean, scale in terms)
        if math.isnan(total):
            return math.nan
        # The same in both, and neither overflows.
        return 1 / (1 + math.exp(-total)) if total >= 0 else math.exp(total) / (1 + math.exp(total))
