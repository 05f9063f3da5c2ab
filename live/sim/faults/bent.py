"""A world whose prices faults have moved: the same minutes until then, scaled or missing from then on. Bent nowhere it answers what it was given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from live.sim.clock import DAY, MINUTE
from live.sim.worlds.recording.ticks import Ticks
from live.sim.worlds.sessions import Session
from live.sim.worlds.world import Bars, World, group, join


@dataclass(slots=True)
class Bend:
    """From `start` on: prices times `factor`, or no minutes at all when `factor` is None. An open end is None."""

    symbols: tuple[str, ...]
    start: int
    factor: float | None
    until: int | None = None

    def concerns(self, symbol: str) -> bool:
        return any(fnmatchcase(symbol, pattern) for pattern in self.symbols)


class BentWorld:
    """Stands in for a world. What is not bent, and whatever else that world can do, is the world's own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bends: list[Bend] = []
        self._days: dict[date, Mapping[str, Bars]] = {}
        self.kind, self.name, self.seed = world.kind, world.name, world.seed
        self.calendar, self.assets, self.rescaled = world.calendar, world.assets, world.rescaled
        self.first, self.last = world.first, world.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def bend(self, bend: Bend) -> None:
        """Whole minutes only: a change inside a minute shows from the next one on."""
        bend.start += -bend.start % MINUTE
        self._bends.append(bend)
        self._days.clear()

    def straighten(self, bend: Bend, at: int) -> None:
        """Let a bend end."""
        bend.until = at + -at % MINUTE
        self._days.clear()

    def day(self, day: date) -> Mapping[str, Bars]:
        if not self._bends:
            return self._world.day(day)
        if day not in self._days:
            self._days[day] = {symbol: self._bent(symbol, bars) for symbol, bars in self._world.day(day).items()}
        return self._days[day]

    def ticks(self, day: date) -> Mapping[str, Ticks]:
        """Of symbols that are bent that day nothing recorded is left: what happens inside their minutes is invented."""
        session = self.calendar.find(day)
        found = self._world.ticks(day)
        if session is None or not self._bends:
            return found
        bent = [bend for bend in self._bends if bend.start < session.midnight + DAY and (bend.until is None or bend.until > session.midnight)]
        return {symbol: played for symbol, played in found.items() if not any(bend.concerns(symbol) for bend in bent)}

    def daily(self, symbol: str, before: date, since: date | None = None) -> Bars:
        """Days since the first bend are added up from their bent minutes."""
        bars = self._world.daily(symbol, before, since)
        bends = [bend for bend in self._bends if bend.concerns(symbol)]
        if not bends or not len(bars):
            return bars
        first = int(np.searchsorted(bars.t, min(bend.start for bend in bends), side="right")) - 1
        first = max(first, 0)
        rows = [self._summed(symbol, int(at), bars.cut(n, n + 1)) for n, at in enumerate(bars.t.tolist()) if n >= first]
        return join([bars.cut(0, first), *rows])

    def _summed(self, symbol: str, midnight: int, known: Bars) -> Bars:
        session = self.calendar.on(midnight + 12 * 60 * MINUTE)
        bars = None if session is None else self.day(session.date).get(symbol)
        if bars is None or session is None:
            return known
        regular = _regular(bars, session)
        return group(regular, np.full(len(regular), session.midnight, np.int64)) if len(regular) else known

    def _bent(self, symbol: str, bars: Bars) -> Bars:
        for bend in self._bends:
            if not bend.concerns(symbol) or not len(bars):
                continue
            inside = (bars.t >= bend.start) & (bars.t < (np.iinfo(np.int64).max if bend.until is None else bend.until))
            if not inside.any():
                continue
            bars = _kept(bars, ~inside) if bend.factor is None else _scaled(bars, np.where(inside, bend.factor, 1.0))
        return bars


def _regular(bars: Bars, session: Session) -> Bars:
    first, last = np.searchsorted(bars.t, [session.open, session.close])
    return bars.cut(int(first), int(last))


def _kept(bars: Bars, rows: Any) -> Bars:
    return Bars(*(getattr(bars, name)[rows] for name in ("t", "o", "h", "l", "c", "v", "n", "vw")))


def _scaled(bars: Bars, factor: Any) -> Bars:
    """To the cent, and never below one."""
    moved = {
        name: np.where(factor == 1, getattr(bars, name), np.maximum(np.round(getattr(bars, name) * factor, 2), 0.01)) for name in ("o", "h", "l", "c")
    }
    return replace(bars, **moved, vw=np.where(factor == 1, bars.vw, np.round(bars.vw * factor, 4)))
