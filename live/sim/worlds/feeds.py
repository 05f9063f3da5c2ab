"""What one venue sees of the consolidated tape: the thin share of the volume that IEX prints, and the minutes in which it prints nothing.

A world's minutes are the whole market (`sip`, and Polygon). The view is drawn anew from seed, symbol and minute, never from what came before,
so a minute looks the same alone and in a day of them.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from live.sim.clock import MINUTE
from live.sim.worlds.world import Bars, Floats, Integers

SHARE = 0.025
"""Mean share of the volume; single minutes vary around it by a factor of about two either way."""
_SWING = 0.55  # of the share's logarithm
_REACH = 0.35  # of a bar's range: how far a venue's first and last print lie from the market's

Words = npt.NDArray[np.uint64]


def iex(bars: Bars, *, seed: int, symbol: str) -> Bars:
    """The minutes in which the venue printed. Prices stay inside the consolidated range; a single print has one price."""
    chance = _draws(bars.t, seed=seed, symbol=symbol, count=8)
    normal = np.sqrt(-2 * np.log(1 - chance[0])) * np.cos(2 * np.pi * chance[1])
    wanted = bars.v * SHARE * np.exp(_SWING * normal - _SWING**2 / 2)
    prints = wanted / np.maximum(bars.v / np.maximum(bars.n, 1), 1)  # how many of the usual size are to be expected
    likely = np.maximum(1 - np.exp(-prints), 1e-9)
    seen = chance[2] < likely
    volume: Integers = np.clip(np.round(wanted / likely), 1, bars.v).astype(np.int64)
    trades: Integers = np.clip(np.round(bars.n * volume / np.maximum(bars.v, 1)), 1, volume).astype(np.int64)
    first = _between(bars, bars.o, chance[3])
    last = np.where(trades == 1, first, _between(bars, bars.c, chance[4]))
    top, bottom = np.maximum(first, last), np.minimum(first, last)
    more = trades > 2
    high = np.where(more, _cents(top + (bars.h - top) * np.sqrt(chance[5]), top, bars.h), top)
    low = np.where(more, _cents(bottom - (bottom - bars.l) * np.sqrt(chance[6]), bars.l, bottom), bottom)
    mean = np.round(np.clip((high + low + last) / 3 + (high - low) * 0.1 * (chance[7] - 0.5), low, high), 4)
    whole = Bars(bars.t, first, high, low, last, volume, trades, np.where(trades == 1, first, mean))
    return Bars(*(getattr(whole, name)[seen] for name in ("t", "o", "h", "l", "c", "v", "n", "vw")))


def _between(bars: Bars, price: Floats, chance: Floats) -> Floats:
    """Near that price, inside the range of the minute."""
    return _cents(price + (bars.h - bars.l) * _REACH * (chance - 0.5), bars.l, bars.h)


def _cents(prices: Floats, low: Floats, high: Floats) -> Floats:
    """A venue prints whole cents, but never outside what the whole market saw."""
    return np.asarray(np.clip(np.round(prices, 2), low, high))


def _draws(starts: Integers, *, seed: int, symbol: str, count: int) -> list[Floats]:
    """Uniform numbers in [0, 1) by minute: the counter-based splitmix64 generator, so that no minute depends on another."""
    key = np.uint64(int.from_bytes(blake2b(f"{seed}:iex:{symbol}".encode(), digest_size=8).digest(), "little"))
    minutes: Words = (starts // MINUTE).astype(np.uint64)
    return [_mixed(key + minutes * np.uint64(count) + np.uint64(n)) for n in range(count)]


def _mixed(words: Words) -> Floats:
    mixed = words * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11), np.float64) / float(1 << 53)
