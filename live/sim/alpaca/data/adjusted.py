"""Raw bars on the scale of now: splits and dividends that have come into force change every bar before their day."""

from datetime import date

import numpy as np

from live.sim.clock import local, new_york
from live.sim.errors import invalid
from live.sim.worlds.actions import Action
from live.sim.worlds.world import Bars, Floats, World

_KINDS = ("raw", "split", "dividend", "spin-off", "all")


def adjustment(text: str | None) -> frozenset[str]:
    """What is asked for, as a comma list. Raises Refusal."""
    names = [name for name in (text or "raw").split(",") if name]
    unknown = [name for name in names if name not in _KINDS]
    if unknown or ("raw" in names and len(names) > 1):
        raise invalid(f"invalid adjustment: {text}")
    return frozenset({"split", "dividend"}) if "all" in names else frozenset(names)


class Adjusted:
    """Adjusts bars of one symbol, with what is known at `now`."""

    def __init__(self, world: World, symbol: str, how: frozenset[str], *, now: int) -> None:
        today = new_york(now).date()
        self._world = world
        self._symbol = symbol
        self._steps: list[tuple[int, float, float]] = []  # before that moment: times this price, times this many shares
        for action in world.actions.of(symbol):
            if action.ex_date <= today and ("dividend" if action.rate else "split") in how:
                price, shares = self._factors(action)
                self._steps.append((local(action.ex_date, 0), price, shares))

    def __call__(self, bars: Bars) -> Bars:
        if not self._steps or not len(bars):
            return bars
        price, shares = np.ones(len(bars)), np.ones(len(bars))
        for at, lower, more in self._steps:
            before = bars.t < at
            price[before] *= lower
            shares[before] *= more
        o, h, low, c, vw = (_rounded(column, price) for column in (bars.o, bars.h, bars.l, bars.c, bars.vw))
        return Bars(bars.t, o, h, low, c, np.round(bars.v * shares).astype(np.int64), bars.n, vw)

    def _factors(self, action: Action) -> tuple[float, float]:
        if not action.rate:
            return float(action.old / action.new), float(action.ratio)
        close = self._close(action.ex_date)
        return (max(1 - float(action.rate) / close, 0.0001) if close else 1.0), 1.0

    def _close(self, day: date) -> float | None:
        bars = self._world.daily(self._symbol, day)
        return float(bars.c[-1]) if len(bars) else None


def _rounded(column: Floats, factor: Floats) -> Floats:
    """Untouched bars keep their exact prices."""
    return np.where(factor == 1, column, np.round(column * factor, 4))
