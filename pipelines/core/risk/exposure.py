"""What a book leans on: the market (beta) and sectors (weights)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.core.risk import regimes
from pipelines.core.risk.correlation import Matrix, Returns
from pipelines.core.risk.regimes import RegimeName

YEAR = 252
LEAST = 60
"""Returns shared with the benchmark below which a slope says nothing."""

CROSS_SECTION = 20
"""Names from which their betas say what a beta usually is; with fewer, Blume's rule stands in."""

BETAS = {
    "symbol": pl.String,
    "beta": pl.Float64,
    "raw": pl.Float64,
    "error": pl.Float64,
    "blume": pl.Float64,
    "vasicek": pl.Float64,
    "sessions": pl.Int64,
}

EQUAL_WEIGHT = "EQUAL-WEIGHT"
"""The benchmark's name when it is the mean return of the universe."""


class Benchmark(NamedTuple):
    """Daily log returns, NaN where unknown."""

    name: str
    returns: Matrix


def benchmark(returns: Returns, name: str) -> Benchmark:
    """The named symbol, or the mean of all symbols on each session where it has too little history to have a regime."""
    own = returns.of(name)
    if regimes.classify(own[np.isfinite(own)]).name is not RegimeName.UNKNOWN:
        return Benchmark(name, own)
    known = np.isfinite(returns.values)
    counts = known.sum(axis=1)
    sums = np.where(known, returns.values, 0.0).sum(axis=1)
    mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return Benchmark(EQUAL_WEIGHT, mean)


def betas(returns: Returns, benchmark: Matrix) -> pl.DataFrame:
    """Rows of `BETAS`: slope of each symbol's daily log returns on the benchmark's over the last 252 sessions, and what to believe of it.

    `raw` is the least-squares slope and `error` its standard error. Measured betas fall back toward the usual one, the more so the worse they
    are known. `vasicek` (1973, "A note on using cross-sectional information in Bayesian estimation of security betas") weighs each slope with the
    mean and variance of all symbols' slopes by their precisions; `blume` (1975, "Betas and their regression tendencies") is 2/3 raw + 1/3 for
    everyone. `beta`, which the briefing carries, is Vasicek's: a thin, noisy name is pulled in further than a precise one. With fewer than 20
    names there is no cross-section to speak of (`vasicek` is null), and it is Blume's.
    Symbols that share fewer than 60 returns with the benchmark have no row.
    """
    own, market = returns.values[-YEAR:], benchmark[-YEAR:, None]
    both = np.isfinite(own) & np.isfinite(market)
    count = both.sum(axis=0)
    kept = np.flatnonzero(count >= LEAST)
    own, both, count = own[:, kept], both[:, kept], count[kept]
    x, y = _centred(np.broadcast_to(market, own.shape), both, count), _centred(own, both, count)
    spread = np.einsum("ij,ij->j", x, x)
    moved = spread > 0
    kept, x, y, count, spread = kept[moved], x[:, moved], y[:, moved], count[moved], spread[moved]
    raw = np.einsum("ij,ij->j", x, y) / spread
    rest = y - x * raw
    error = np.sqrt(np.einsum("ij,ij->j", rest, rest) / (count - 2) / spread)
    blume = 2 / 3 * raw + 1 / 3
    shrunk = vasicek(raw, error) if len(raw) >= CROSS_SECTION else None
    columns = {
        "symbol": [returns.symbols[i] for i in kept],
        "beta": blume if shrunk is None else shrunk,
        "raw": raw,
        "error": error,
        "blume": blume,
        "vasicek": [None] * len(raw) if shrunk is None else shrunk,
        "sessions": count,
    }
    return pl.DataFrame(columns, schema=BETAS)


def vasicek(raw: Matrix, error: Matrix) -> Matrix:
    """Each slope and the cross-section's mean, weighted by precision: (prior variance * raw + error^2 * mean) / (prior variance + error^2)."""
    mean, prior = float(np.mean(raw)), float(np.var(raw, ddof=1))
    if prior == 0.0:
        return raw
    return np.asarray((prior * raw + error**2 * mean) / (prior + error**2))


def by_sector(weights: Mapping[str, float], sectors: Mapping[str, str], betas: Mapping[str, float] | None = None) -> pl.DataFrame:
    """Rows sector, weight, net, beta, symbols, heaviest first: the weights (fractions, short ones negative) added up by sector.

    `weight` is gross: long and short add up, as the sector limit counts them. `net` is long less short, `beta` is net with each weight times
    the symbol's beta; null where the beta of one of the sector's symbols is not known.
    """
    known = betas or {}
    held: dict[str, list[tuple[float, float | None]]] = {}
    for symbol, weight in weights.items():
        held.setdefault(sectors.get(symbol, UNKNOWN_SECTOR), []).append((weight, known.get(symbol)))
    rows = [(sector, sum(abs(w) for w, _ in parts), sum(w for w, _ in parts), _leaning(parts), len(parts)) for sector, parts in held.items()]
    schema = {"sector": pl.String, "weight": pl.Float64, "net": pl.Float64, "beta": pl.Float64, "symbols": pl.Int64}
    return pl.DataFrame(sorted(rows, key=lambda row: (-row[1], row[0])), schema=schema, orient="row")


def _centred(values: Matrix, known: NDArray[np.bool_], count: NDArray[np.int64]) -> Matrix:
    """Deviations from the mean of what is known of each column; 0 where it is not."""
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    return np.where(known, values - mean, 0.0)


def _leaning(parts: list[tuple[float, float | None]]) -> float | None:
    products = [weight * beta for weight, beta in parts if beta is not None]
    return sum(products) if len(products) == len(parts) else None
