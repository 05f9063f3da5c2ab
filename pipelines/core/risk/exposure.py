"""What a book leans on: the market (beta) and sectors (weights)."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.core.risk.correlation import Matrix, Returns

YEAR = 252
LEAST = 60
"""Returns shared with the benchmark below which a slope says nothing."""


def betas(returns: Returns, benchmark: Matrix) -> pl.DataFrame:
    """Rows symbol, beta, raw, sessions: slope of each symbol's daily log returns on the benchmark's over the last 252 sessions.

    `raw` is the least-squares slope. `beta` = 2/3 raw + 1/3 is Blume's adjustment (1975, "Betas and their regression tendencies"): measured
    betas fall back toward 1. Symbols that share fewer than 60 returns with the benchmark have no row.
    """
    rows = []
    market = benchmark[-YEAR:]
    for symbol, own in zip(returns.symbols, returns.values[-YEAR:].T, strict=True):
        both = np.isfinite(own) & np.isfinite(market)
        if both.sum() < LEAST:
            continue
        deviation = market[both] - market[both].mean()
        spread = float(deviation @ deviation)
        if spread == 0.0:
            continue
        raw = float(deviation @ own[both]) / spread
        rows.append((symbol, 2 / 3 * raw + 1 / 3, raw, int(both.sum())))
    schema = {"symbol": pl.String, "beta": pl.Float64, "raw": pl.Float64, "sessions": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def by_sector(weights: Mapping[str, float], sectors: Mapping[str, str]) -> pl.DataFrame:
    """Rows sector, weight, symbols, heaviest first: the weights (fractions, short ones negative) added up by sector in absolute value."""
    sums: dict[str, list[float]] = {}
    for symbol, weight in weights.items():
        sums.setdefault(sectors.get(symbol, UNKNOWN_SECTOR), []).append(abs(weight))
    rows = sorted(((sector, sum(parts), len(parts)) for sector, parts in sums.items()), key=lambda row: (-row[1], row[0]))
    return pl.DataFrame(rows, schema={"sector": pl.String, "weight": pl.Float64, "symbols": pl.Int64}, orient="row")
