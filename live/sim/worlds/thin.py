"""A world as the `iex` feed shows it: the venue's own minutes, and days that are the sum of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from live.sim.clock import new_york
from live.sim.worlds.feeds import seen, session, share
from live.sim.worlds.recording.ticks import Ticks
from live.sim.worlds.world import Bars, World, group, join

_RECENT = 8  # sessions whose minutes are kept


class ThinWorld:
    """Stands in for a world. What is not thin is the world's own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._days: dict[date, tuple[Mapping[str, Bars], Mapping[str, Bars]]] = {}
        self._sums: dict[date, Mapping[str, Bars | None]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def day(self, day: date) -> Mapping[str, Bars]:
        """Drawn once a session, and again when faults have changed the world's own minutes."""
        whole = self._world.day(day)
        known = self._days.get(day)
        if known is None or known[0] is not whole:
            self._days.pop(next(iter(self._days)) if len(self._days) >= _RECENT else day, None)
            known = self._days[day] = whole, session(whole, seed=self._world.seed)
        return known[1]

    def ticks(self, day: date) -> Mapping[str, Ticks]:
        """None: the venue's own trades are invented, whatever was recorded of the market."""
        return {}

    def daily(self, symbol: str, before: date, since: date | None = None) -> Bars:
        """A session in which the venue printed nothing has no day; of one without minutes only the volume is known to be thin."""
        whole = self._world.daily(symbol, before, since)
        rows = list[Bars]()
        for n, at in enumerate(whole.t.tolist()):
            sums = self._summed(new_york(at).date())
            if symbol not in sums:
                rows.append(share(whole.cut(n, n + 1), seed=self._world.seed, symbol=symbol))
            elif (found := sums[symbol]) is not None:
                rows.append(found)
        return join(rows)

    def _summed(self, day: date) -> Mapping[str, Bars | None]:
        """One bar of every symbol that has minutes, None where the venue printed nothing in regular hours.

        Only asked of sessions that are over: nothing changes them any more.
        """
        if day not in self._sums:
            self._sums[day] = self._sum(day)
        return self._sums[day]

    def _sum(self, day: date) -> Mapping[str, Bars | None]:
        found, hours = self._world.day(day), self._world.calendar.find(day)
        if hours is None or not found:
            return {}
        bars, owners = seen(found, seed=self._world.seed)
        regular = (bars.t >= hours.open) & (bars.t < hours.close)
        kept = Bars(*(getattr(bars, name)[regular] for name in ("t", "o", "h", "l", "c", "v", "n", "vw")))
        sums = group(kept, owners[regular])
        symbols, midnight = list(found), np.array([hours.midnight], np.int64)
        printed = {symbols[rank]: replace(sums.cut(n, n + 1), t=midnight) for n, rank in enumerate(sums.t.tolist())}
        return {symbol: printed.get(symbol) for symbol in symbols}
