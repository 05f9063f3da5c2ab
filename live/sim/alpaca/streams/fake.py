"""The test feed: FAKEPACA, a stock that nobody lists, trades every second of every day while somebody listens."""

from random import Random

import numpy as np

from live.sim.alpaca.streams.broadcast import Streams
from live.sim.clock import MINUTE, SECOND
from live.sim.venue.agenda import BOUNDARY
from live.sim.venue.venue import Venue
from live.sim.worlds.tape import CENT, Print
from live.sim.worlds.world import Bars

_SECONDS = MINUTE // SECOND


class Fake:
    """Wakes itself up from second to second as long as the test feed has a client."""

    def __init__(self, venue: Venue, streams: Streams) -> None:
        self._venue = venue
        self._streams = streams
        self._runs = False

    def start(self) -> None:
        if not self._runs:
            self._runs = True
            self._later()

    def _later(self) -> None:
        now = self._venue.now
        self._venue.agenda.at(now - now % SECOND + SECOND, BOUNDARY, self._tick)

    def _tick(self) -> None:
        self._runs = any(line.open and line.feed == "test" for line in self._streams.market)
        if not self._runs:
            return
        now = self._venue.now
        self._streams.fake(_print(now), _bar(now - MINUTE) if now % MINUTE == 0 else None)
        self._later()


def _print(at: int) -> Print:
    rng = Random(at)
    price = 1_342_800 + rng.randrange(-40, 41) * CENT
    return Print(at, price, rng.randrange(1, 6) * 100, price - CENT, price + CENT)


def _bar(start: int) -> Bars:
    path = [_print(start + n * SECOND) for n in range(_SECONDS)]
    prices = [trade.price / 10_000 for trade in path]
    volume = sum(trade.size for trade in path)
    worth = sum(trade.size * trade.price for trade in path) / 10_000
    first, high, low, last, mean = (np.array([value]) for value in (prices[0], max(prices), min(prices), prices[-1], round(worth / volume, 4)))
    count, shares = np.array([_SECONDS], np.int64), np.array([volume], np.int64)
    return Bars(np.array([start], np.int64), first, high, low, last, shares, count, mean)
