"""What trading a symbol costs before anyone looks at the order: its spread, estimated from bars alone.

EDGE, the estimator of Ardia, Guidotti and Kroencke (2024, "Efficient estimation of bid-ask spreads from open, high, low, and close prices",
Journal of Financial Economics 161): opens and closes bounce between bid and ask while the middle of high and low does not, so products of
their differences from bar to bar have the squared spread in their mean. Two such conditions are weighted by their variances and
corrected for how often a price is the bar's extreme, which is where thin trading biases the older estimators (Corwin and Schultz 2012, Abdi
and Ranaldo 2017).

Its error goes with the volatility of a bar. On daily bars of large names, whose spread is a few basis points, it says little; on minute bars
it says much: so minutes are asked first, days where there are too few of them.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

PAIRS = 120
"""Fewest pairs of neighbouring bars that a spread is estimated from: two hours of minutes, half a year of days."""

SURE = 3.0
"""Standard errors above nothing from which a spread is `clear`."""

TICK = 0.01
"""Dollars: no quote of a stock above one dollar is narrower (Regulation NMS, rule 612)."""

SCHEMA = {"symbol": pl.String, "spread": pl.Float64, "spread_high": pl.Float64, "pairs": pl.Int64}

Column = NDArray[np.float64]


class Spread(NamedTuple):
    """The squared relative spread and its standard error. Noise can take the square below zero: then the spread is small beside it."""

    square: float
    error: float
    pairs: int


def edge(first: Column, high: Column, low: Column, close: Column, run: NDArray[np.int64] | None = None) -> Spread:
    """The spread from the prices of bars that follow each other. Bars of two `run`s (sessions) do not: the night between them is no bounce.

    NaN where the bars say nothing: nothing moved, or opens (or closes) are never off their bar's extreme.
    """
    pair = np.ones(max(len(close) - 1, 0), bool) if run is None else np.diff(run) == 0
    o, h, lo, c = (np.log(column) for column in (first, high, low, close))
    mid = (h + lo) / 2
    o, h, lo, mid, h1, l1, c1, m1 = (a[pair] for a in (o[1:], h[1:], lo[1:], mid[1:], h[:-1], lo[:-1], c[:-1], mid[:-1]))
    moved = ((h != lo) | (lo != c1)).astype(np.float64)
    if moved.sum() < 2:
        return Spread(np.nan, np.nan, len(moved))
    opens, closes = np.mean(moved * (o != h)) + np.mean(moved * (o != lo)), np.mean(moved * (c1 != h1)) + np.mean(moved * (c1 != l1))
    if opens == 0 or closes == 0:
        return Spread(np.nan, np.nan, len(moved))
    # Means are taken out over the bars that moved only: the others bring no drift either.
    up, across, gap = (r - moved * r.mean() / moved.mean() for r in (mid - o, mid - c1, o - c1))
    one = -4 / opens * up * (o - m1) - 4 / closes * across * (c1 - m1)
    two = -4 / opens * up * (o - c1) - 4 / closes * gap * (c1 - m1)
    total = one.var() + two.var()
    both = (two.var() * one + one.var() * two) / total if total > 0 else (one + two) / 2
    return Spread(float(both.mean()), float(both.std() / np.sqrt(len(both))), len(both))


def spreads(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, spread, spread_high, pairs: fractions of the price, for each symbol with enough bars that say something.

    `bars`: symbol, run (Int64), open, high, low, close; sorted by symbol and time, with trades. `spread_high` is two standard errors up. Neither
    is narrower than a tick at the last close.
    """
    rows = []
    for (symbol,), own in bars.group_by("symbol", maintain_order=True):
        first, high, low, close, run = (own[name].to_numpy() for name in ("open", "high", "low", "close", "run"))
        found = edge(first, high, low, close, run)
        if found.pairs < PAIRS or not np.isfinite(found.square):
            continue
        least = TICK / own["close"][-1]
        values = (found.square, found.square + 2 * found.error)
        rows.append((symbol, *(max(float(np.sqrt(max(value, 0.0))), least) for value in values), found.pairs))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def clear(found: pl.DataFrame) -> pl.DataFrame:
    """Those of the rows of `spreads` that stand out of their noise. In daily bars a large name's few basis points do not: what is estimated then is
    chance, tens of basis points as often as none, and nobody should be charged it."""
    square, error = pl.col("spread") ** 2, (pl.col("spread_high") ** 2 - pl.col("spread") ** 2) / 2
    return found.filter(square > SURE * error)


def regular(minutes: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """Minutes of the regular sessions, each session a `run` of its own: spreads before and after hours are others.

    `minutes` with `session`; `hours`: session, open, close (UTC).
    """
    edges = hours.select("session", pl.col("open", "close").dt.cast_time_unit("us").name.prefix("_"))
    inside = minutes.join(edges, on="session", how="left").filter(pl.col("timestamp").is_between(pl.col("_open"), pl.col("_close"), closed="left"))
    return inside.select("symbol", "timestamp", "open", "high", "low", "close", pl.col("session").to_physical().cast(pl.Int64).alias("run")).sort(
        "symbol", "timestamp"
    )
