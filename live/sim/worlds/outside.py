"""Thin minutes of a generated world before the open and after the close: few trades, small sizes, prices that lead to the next official one."""

import numpy as np

from live.sim.clock import MINUTE
from live.sim.worlds.world import Bars, Floats, Integers

_SPREAD = 0.0012  # of the price: how far a path strays from the straight way
_SHARE = 4e-5  # of a day's volume in a minute that trades


def outside(rng: np.random.Generator, start: int, end: int, first: Floats, last: Floats, *, volume: Floats, opening: bool) -> list[Bars]:
    """Minutes from `start` to `end` for every symbol, from its first price to its last. Trading thickens towards the regular session."""
    count, size = (end - start) // MINUTE, len(first)
    near = np.linspace(0, 1, count) if opening else np.linspace(1, 0, count)
    trades = rng.random((size, count)) < 0.02 + 0.4 * near**3
    walk = np.cumsum(rng.standard_normal((size, count)), axis=1) / np.sqrt(count)
    bridge = walk - walk[:, -1:] * np.linspace(0, 1, count)
    way = np.log(first)[:, None] + np.log(last / first)[:, None] * np.linspace(0, 1, count)
    close = np.round(np.exp(way + _SPREAD * bridge), 2)
    opens = np.round(close * np.exp(2e-4 * rng.standard_normal((size, count))), 2)
    reach = np.abs(2e-4 * rng.standard_normal((size, count)))
    shares: Integers = np.maximum(volume[:, None] * _SHARE * rng.exponential(1.0, (size, count)), 1).astype(np.int64)
    high = np.round(np.maximum(opens, close) * (1 + reach), 2)
    low = np.round(np.minimum(opens, close) * (1 - reach), 2)
    starts = start + MINUTE * np.arange(count, dtype=np.int64)
    mean = np.round((high + low + close) / 3, 4)
    deals: Integers = np.maximum(shares // 60, 1)
    columns = (opens, high, low, close, shares, deals, mean)
    return [Bars(starts[trades[row]], *(column[row][trades[row]] for column in columns)) for row in range(size)]
