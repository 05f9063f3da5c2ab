"""A feed of the market: the minutes and trades of one session, told as they come due. What it shows may be thinner than the market, or late."""

from functools import partial

import numpy as np

from live.sim.clock import MINUTE
from live.sim.venue.agenda import BOUNDARY, TRADE
from live.sim.venue.desk import Desk
from live.sim.venue.matching import Matching
from live.sim.worlds.slips import Slip, Slips
from live.sim.worlds.tape import Print, Tape, ticks
from live.sim.worlds.world import Bars, World, empty

Row = tuple[str, Bars, int]
"""A symbol, and its minute by bars and position."""


class Feed:
    """`lag` is how long after the market it speaks. The one that has a `matching` is the market itself: orders meet its trades."""

    def __init__(self, name: str, world: World, tape: Tape, slips: Slips, desk: Desk, *, lag: int = 0) -> None:
        self.name = name
        self.world = world
        self.tape = tape
        self.slips = slips
        self.lag = lag
        self.matching: Matching | None = None
        self._desk = desk
        self._agenda = desk.agenda
        self._rows: dict[int, list[Row]] | None = None
        self._silent: dict[int, list[str]] = {}  # recorded symbols in minutes that have no bar, only quotes or trades that make none
        self._expanded: set[tuple[str, int]] = set()

    @property
    def now(self) -> int:
        """The moment of the market that is shown now."""
        return self._agenda.now - self.lag

    @property
    def minutes(self) -> dict[int, list[Row]]:
        """What starts when, in the running session."""
        if self._rows is None:
            self._rows, self._silent = {}, {}
            for symbol, bars in self.tape.columns.items():
                for row, start in enumerate(bars.t.tolist()):
                    self._rows.setdefault(start, []).append((symbol, bars, row))
            for symbol in self.tape.ticks:
                starts, barred = self.tape.minutes(symbol), self.tape.columns.get(symbol, empty()).t
                for start in np.setdiff1d(starts, barred).tolist():
                    self._silent.setdefault(start, []).append(symbol)
        return self._rows

    @property
    def starts(self) -> set[int]:
        """Of all minutes in which anything happens."""
        return {*self.minutes, *self._silent}

    def plan(self, moments: list[int]) -> None:
        """Enter the edges of a session's minutes into the agenda."""
        self._expanded.clear()
        for at in moments:
            if at >= self.now:
                self._agenda.at(at + self.lag, BOUNDARY, partial(self._boundary, at))

    def forget(self) -> None:
        """The tape has changed."""
        self._rows = None

    def watch(self, symbol: str) -> None:
        """Somebody wants this symbol's trades from now on."""
        self._expand(symbol, self.now - self.now % MINUTE, since=self.now + 1)

    def _boundary(self, at: int) -> None:
        """The minute before is complete, the next begins. Nothing is made of a feed that only shows when nobody listens."""
        audience = self._desk.audience
        if self.matching is None and (audience is None or not audience.hears(self)):
            return
        done = self.minutes.get(at - MINUTE)
        if done and audience is not None:
            audience.bars(self, self._told(done))
        for symbol, bars, row in self.minutes.get(at, ()):
            if self._watched(symbol) or (self._desk.working(symbol) and self._touched(symbol, bars, row)):
                self._expand(symbol, at, since=at)
        for symbol in self._silent.get(at, ()):
            if self._watched(symbol) or (self.matching is not None and self._desk.working(symbol)):
                self._expand(symbol, at, since=at)

    def _watched(self, symbol: str) -> bool:
        return self._desk.audience is not None and self._desk.audience.watches(self, symbol)

    def _touched(self, symbol: str, bars: Bars, row: int) -> bool:
        """Whether the minute can matter to an order. Recorded quotes may go beyond its bar."""
        if self.matching is None:
            return False
        return symbol in self.tape.ticks or self.matching.touched(symbol, ticks(float(bars.h[row])), ticks(float(bars.l[row])))

    def _told(self, rows: list[Row]) -> list[Row]:
        """The minute as it is told at first; what was wrong is put right later."""
        if not self.slips.rate:
            return rows
        for symbol, bars, row in rows:
            if (slip := self.slips.find(symbol, bars, row)) is not None:
                self._agenda.at(slip.known + self.lag, BOUNDARY, partial(self._amend, symbol, slip, bars, row))
        return [(symbol, *self.slips.first(symbol, bars, row)) for symbol, bars, row in rows]

    def _amend(self, symbol: str, slip: Slip, bars: Bars, row: int) -> None:
        if self._desk.audience is not None:
            self._desk.audience.amend(self, symbol, slip, bars, row)

    def _expand(self, symbol: str, minute: int, *, since: int) -> None:
        """Enter a minute's trades from that moment on into the agenda, once. What is told of them may differ from what they are."""
        if (symbol, minute) in self._expanded:
            return
        self._expanded.add((symbol, minute))
        slip = self.slips.of(symbol, minute)
        for trade in self.tape.path(symbol, minute):
            if trade.at >= since:
                told = trade if slip is None or slip.kind == "cancel" or trade != slip.trade else slip.told
                self._agenda.at(trade.at + self.lag, TRADE, partial(self._trade, symbol, trade, told))
        if slip is not None and slip.kind == "cancel" and slip.told is not None and slip.told.at >= since:
            self._agenda.at(slip.told.at + self.lag, TRADE, partial(self._tell, symbol, slip.told))

    def _trade(self, symbol: str, trade: Print, told: Print | None) -> None:
        if told is not None:
            self._tell(symbol, told)
        if self.matching is not None and trade.counts:
            self.matching.trade(symbol, trade)

    def _tell(self, symbol: str, trade: Print) -> None:
        if self._desk.audience is not None and self._watched(symbol):
            self._desk.audience.trade(self, symbol, trade)
