"""Daily bars of the tests' own making that are as rough as real ones and yet clean, and ways to spoil them."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from pipelines.vendors import calendar

LAST = date(2024, 6, 18)


def walks(seed: int, days: int = 120, symbols: int = 12) -> pl.DataFrame:
    """Daily bars of random walks with fat tails: Student's t with 3 degrees of freedom, moves to 20 % on many times the volume, wide ranges.

    Prices have two decimals and four below a dollar; nothing in them is wrong.
    """
    rng = np.random.default_rng(seed)
    window = calendar.trailing(LAST, days)
    frames = []
    for number in range(symbols):
        size = rng.uniform(0.005, 0.03)
        moves = np.clip(rng.standard_t(3, days) * size, -0.2, 0.2)
        news = rng.random(days) < 0.01
        moves[news] = rng.choice([-0.2, 0.2], news.sum())
        night = rng.uniform(0, 1, days)
        level = rng.uniform(2, 500)
        close = level * np.exp(np.cumsum(moves))
        opening = np.concatenate([[level], close[:-1]]) * np.exp(moves * night)
        reach = np.abs(rng.standard_t(3, (2, days))) * size / 2
        high = np.maximum(opening, close) * np.exp(np.minimum(reach[0], 0.2))
        low = np.minimum(opening, close) * np.exp(-np.minimum(reach[1], 0.2))
        volume = rng.lognormal(13, 0.4, days) * (1 + 30 * np.abs(moves))
        frames.append(bars(f"S{number:02d}", window, opening, high, low, close, volume))
    return pl.concat(frames)


def bars(symbol: str, window: Sequence[date], *columns: np.ndarray) -> pl.DataFrame:
    """One symbol's daily bars from arrays of open, high, low, close and volume."""
    named = dict(zip(("open", "high", "low", "close", "volume"), columns, strict=True))
    frame = pl.DataFrame({"symbol": [symbol] * len(window), "session": window, **named})
    prices = ("open", "high", "low", "close")
    digits = [pl.when(pl.col(name) < 1).then(pl.col(name).round(4)).otherwise(pl.col(name).round(2)).alias(name) for name in prices]
    return frame.with_columns(*digits, pl.col("volume").round(0))


def changed(frame: pl.DataFrame, at: int, **values: pl.Expr) -> pl.DataFrame:
    """The frame with these expressions in row `at`."""
    here = pl.int_range(pl.len()) == at
    return frame.with_columns(pl.when(here).then(value).otherwise(name).alias(name) for name, value in values.items())
