"""What one venue sees of the consolidated tape: the thin share of the volume that IEX prints, and the minutes in which it prints nothing.

A world's minutes are the whole market (`sip`, and Polygon). The view is drawn anew from seed, symbol and minute, never from what came before,
so a minute looks the same alone and in a day of them.
"""

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from live.sim.clock import MINUTE
from live.sim.worlds.world import Bars, Floats, Integers, join

SHARE = 0.025
"""Mean share of the volume; single minutes vary around it by a factor of about two either way."""
_SWING = 0.55  # of the share's logarithm
_REACH = 0.35  # of a bar's range: how far a venue's first and last print lie from the market's
_DRAWS = 8  # a minute of a symbol

Words = npt.NDArray[np.uint64]


def iex(bars: Bars, *, seed: int, symbol: str) -> Bars:
    """The minutes of one symbol in which the venue printed."""
    return session({symbol: bars}, seed=seed)[symbol]


def session(columns: Mapping[str, Bars], *, seed: int) -> dict[str, Bars]:
    """The same of many symbols at once."""
    found, owners = seen(columns, seed=seed)
    edges = np.searchsorted(owners, np.arange(len(columns) + 1)).tolist()
    return {symbol: found.cut(edges[n], edges[n + 1]) for n, symbol in enumerate(columns)}


def seen(columns: Mapping[str, Bars], *, seed: int) -> tuple[Bars, Integers]:
    """All minutes in which the venue printed, symbol after symbol, and the position of each one's symbol.

    Prices stay inside the consolidated range; a single print has one price.
    """
    sizes = [len(bars) for bars in columns.values()]
    owners: Integers = np.repeat(np.arange(len(sizes)), sizes)
    bars = join(list(columns.values()))
    chance = _draws(bars.t, np.array([_key(seed, symbol) for symbol in columns], np.uint64)[owners])
    normal = np.sqrt(-2 * np.log(1 - chance[0])) * np.cos(2 * np.pi * chance[1])
    wanted = bars.v * SHARE * np.exp(_SWING * normal - _SWING**2 / 2)
    prints = wanted / np.maximum(bars.v / np.maximum(bars.n, 1), 1)  # how many of the usual size are to be expected
    likely = np.maximum(1 - np.exp(-prints), 1e-9)
    printed = (chance[2] < likely) & (bars.v > 0)
    volume: Integers = np.clip(np.round(wanted / likely), 1, np.maximum(bars.v, 1)).astype(np.int64)
    trades: Integers = np.clip(np.round(bars.n * volume / np.maximum(bars.v, 1)), 1, volume).astype(np.int64)
    first = _between(bars, bars.o, chance[3])
    last = np.where(trades == 1, first, _between(bars, bars.c, chance[4]))
    top, bottom = np.maximum(first, last), np.minimum(first, last)
    more = trades > 2
    high = np.where(more, _cents(top + (bars.h - top) * np.sqrt(chance[5]), top, bars.h), top)
    low = np.where(more, _cents(bottom - (bottom - bars.l) * np.sqrt(chance[6]), bars.l, bottom), bottom)
    mean = np.round(np.clip((high + low + last) / 3 + (high - low) * 0.1 * (chance[7] - 0.5), low, high), 4)
    whole = Bars(bars.t, first, high, low, last, volume, trades, np.where(trades == 1, first, mean))
    return Bars(*(getattr(whole, name)[printed] for name in ("t", "o", "h", "l", "c", "v", "n", "vw"))), owners[printed]


def share(bars: Bars, *, seed: int, symbol: str) -> Bars:
    """Days whose minutes nobody knows: the venue's share of the volume, at the market's prices."""
    chance = _draws(bars.t, np.full(len(bars), _key(seed, symbol), np.uint64))
    volume: Integers = np.clip(np.round(bars.v * SHARE * (0.8 + 0.4 * chance[0])), 1, np.maximum(bars.v, 1)).astype(np.int64)
    trades: Integers = np.clip(np.round(bars.n * volume / np.maximum(bars.v, 1)), 1, volume).astype(np.int64)
    return Bars(bars.t, bars.o, bars.h, bars.l, bars.c, volume, trades, bars.vw)


def _between(bars: Bars, price: Floats, chance: Floats) -> Floats:
    """Near that price, inside the range of the minute."""
    return _cents(price + (bars.h - bars.l) * _REACH * (chance - 0.5), bars.l, bars.h)


def _cents(prices: Floats, low: Floats, high: Floats) -> Floats:
    """A venue prints whole cents, but never outside what the whole market saw."""
    return np.asarray(np.clip(np.round(prices, 2), low, high))


def _key(seed: int, symbol: str) -> int:
    return int.from_bytes(blake2b(f"{seed}:iex:{symbol}".encode(), digest_size=8).digest(), "little")


def _draws(starts: Integers, keys: Words) -> list[Floats]:
    """Uniform numbers in [0, 1) by minute: the counter-based splitmix64 generator, so that no minute depends on another."""
    minutes: Words = (starts // MINUTE).astype(np.uint64)
    return [_mixed(keys + minutes * np.uint64(_DRAWS) + np.uint64(n)) for n in range(_DRAWS)]


def _mixed(words: Words) -> Floats:
    mixed = words * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11), np.float64) / float(1 << 53)
