"""Which names move together: the correlation that the gate looks up, by the same function that the pipeline publishes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.risk.correlation import Matrix, Returns, shrunk


@dataclass(frozen=True, slots=True)
class Correlations:
    """Shrunk correlation of daily log returns between the briefing's symbols; a symbol with too little history is not in it."""

    place: dict[str, int]
    matrix: Matrix

    @classmethod
    def of(cls, returns: Mapping[str, Sequence[float | None]]) -> "Correlations":
        """From aligned returns, oldest first, None where unknown; a symbol without any is left out."""
        known = {symbol: series for symbol, series in returns.items() if series}
        if not known:
            return cls({}, np.empty((0, 0)))
        values = np.array([[np.nan if r is None else r for r in series] for series in known.values()], dtype=np.float64).T
        result = shrunk(Returns(tuple(known), values))
        return cls({symbol: i for i, symbol in enumerate(result.symbols)}, result.matrix)

    def between(self, a: str, b: str) -> float | None:
        """The correlation of two symbols, None where it is unknown."""
        if a not in self.place or b not in self.place:
            return None
        return float(self.matrix[self.place[a], self.place[b]])
