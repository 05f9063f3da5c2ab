"""Corporate actions of a generated world: an occasional split, which a later reverse split undoes, and quarterly dividends."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from random import Random

import numpy as np

from live.sim.worlds.actions import Action, Actions
from live.sim.worlds.world import Floats

_RATE = 1 / 500  # splits a session of one symbol
_RATIOS = (2, 2, 3, 4, 5, 10)
_QUARTER = 63  # sessions between two dividends
_PAYERS = 0.7


def events(symbols: Sequence[str], days: Sequence[date], *, seed: int) -> Actions:
    """Every symbol draws from its own series, day by day: a longer calendar leaves the days before unchanged."""
    rows = []
    for symbol in symbols:
        rng, scale = Random(f"{seed}:actions:{symbol}"), 1
        pays, first, rate = rng.random() < _PAYERS, rng.randrange(_QUARTER), Decimal(rng.randint(10, 90)) / 100
        for n, day in enumerate(days):
            if pays and n % _QUARTER == first:
                rows.append(Action(symbol, day, rate=rate))
            if rng.random() < _RATE:
                times = rng.choice(_RATIOS)
                new, old = (times, 1) if scale == 1 else (1, scale)
                scale = times if scale == 1 else 1
                rows.append(Action(symbol, day, new=Decimal(new), old=Decimal(old)))
    return Actions(rows)


def scales(actions: Actions, symbols: Sequence[str], days: Sequence[date]) -> Floats:
    """Shares on each day (row) for one share of each symbol (column) at the start."""
    found = np.ones((len(days), len(symbols)))
    rank, column = {day: row for row, day in enumerate(days)}, {symbol: n for n, symbol in enumerate(symbols)}
    for action in actions.rows:
        if not action.rate:
            found[rank[action.ex_date] :, column[action.symbol]] *= float(action.ratio)
    return found
