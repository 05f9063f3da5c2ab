"""What the tape gets wrong at first: a trade told late, told wrongly, or told although it never was, each put right half a minute later.

A world's bars are the truth; a slip says what was first told in their place.
"""

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from live.sim.clock import MILLISECOND, MINUTE, SECOND
from live.sim.worlds.tape import Print, Tape, ticks
from live.sim.worlds.world import Bars

_KINDS = ("late", "correction", "cancel")
_AFTER = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Slip:
    """`trade` is the true trade; for a cancel the true one before it. `told` is what was said at first, None when nothing was."""

    kind: str
    known: int
    trade: Print
    told: Print | None


class Slips:
    """At most one a minute of a symbol, about `rate` of the minutes; the same ones every time it is asked."""

    def __init__(self, tape: Tape, *, seed: int, rate: float) -> None:
        self._tape = tape
        self._seed = seed
        self.rate = rate
        self._known: dict[tuple[str, int], Slip | None] = {}

    def find(self, symbol: str, bars: Bars, row: int) -> Slip | None:
        """Only minutes with at least six trades slip, and never by their first or last: open and close stand. Recorded ticks are told as recorded."""
        minute = int(bars.t[row])
        if not self.rate or self._tape.recorded(symbol, minute):
            return None
        if (symbol, minute) not in self._known:
            self._known[symbol, minute] = self._draw(symbol, bars, row)
        return self._known[symbol, minute]

    def of(self, symbol: str, minute: int) -> Slip | None:
        """Of a minute of the running session."""
        bars = self._tape.columns.get(symbol)
        if not self.rate or bars is None:
            return None
        row = int(np.searchsorted(bars.t, minute))
        return self.find(symbol, bars, row) if row < len(bars) and bars.t[row] == minute else None

    def _draw(self, symbol: str, bars: Bars, row: int) -> Slip | None:
        minute = int(bars.t[row])
        rng = Random(f"{self._seed}:slip:{symbol}:{minute}")
        if rng.random() >= self.rate:
            return None
        path = self._tape.expand(symbol, bars, row)
        if len(path) < 6:
            return None
        kind, at = rng.choice(_KINDS), rng.randrange(1, len(path) - 1)
        trade, known = path[at], minute + MINUTE + _AFTER
        if kind == "late":
            return Slip(kind, known, trade, None)
        inside = rng.randint(ticks(float(bars.l[row])) // 100, ticks(float(bars.h[row])) // 100) * 100
        wrong = replace(trade, price=inside, size=trade.size + rng.randrange(1, 50) * 100)
        return Slip(kind, known, trade, wrong if kind == "correction" else replace(wrong, at=trade.at + MILLISECOND))

    def first(self, symbol: str, bars: Bars, row: int) -> tuple[Bars, int]:
        """The bar as it is sent when its minute ends."""
        slip = self.find(symbol, bars, row)
        return (bars, row) if slip is None else (_told(bars, row, slip, self._tape.expand(symbol, bars, row)), 0)

    def seen(self, symbol: str, bars: Bars, now: int) -> Bars:
        """Bars of a session as they were known: the newest may not have been put right yet."""
        late = int(np.searchsorted(bars.t, now - MINUTE - _AFTER, side="right")) if self.rate else len(bars)
        if late >= len(bars):
            return bars
        columns = {name: getattr(bars, name).copy() for name in ("t", "o", "h", "l", "c", "v", "n", "vw")}
        for row in range(late, len(bars)):
            told, at = self.first(symbol, bars, row)
            for name, column in columns.items():
                column[row] = getattr(told, name)[at]
        return Bars(**columns)


def _told(bars: Bars, row: int, slip: Slip, path: list[Print]) -> Bars:
    """One row: the true bar without what was not known, with what was not true."""
    without = [trade for trade in path if slip.kind == "cancel" or trade != slip.trade]
    trades = without if slip.told is None else [*without, slip.told]
    highest, lowest = max(trade.price for trade in trades), min(trade.price for trade in trades)
    volume = sum(trade.size for trade in trades)
    gone = slip.trade.size * slip.trade.price if slip.kind != "cancel" else 0
    came = slip.told.size * slip.told.price if slip.told is not None else 0
    worth = float(bars.vw[row]) * int(bars.v[row]) + (came - gone) / 10_000
    count = int(bars.n[row]) + {"late": -1, "correction": 0, "cancel": 1}[slip.kind]
    one = bars.cut(row, row + 1)
    return replace(
        one,
        h=np.array([highest / 10_000]),
        l=np.array([lowest / 10_000]),
        v=np.array([volume], np.int64),
        n=np.array([max(count, 1)], np.int64),
        vw=np.array([round(worth / max(volume, 1), 4)]),
    )
