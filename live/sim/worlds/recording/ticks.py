"""Recorded trades and quotes of a day, handed out minute by minute, each trade with the quote that stood."""

import numpy as np
import polars as pl

from live.sim.clock import DAY, MINUTE
from live.sim.worlds.recording.nbbo import Quotes
from live.sim.worlds.tape import CENT, Print, Record
from live.sim.worlds.world import Integers

_SPLIT = 10_000  # of a dollar
_A_DAY = 10_000_000  # numbers of one symbol's trades


class Ticks:
    """Trades and quotes of one symbol and session, in order of time; a trade comes before the quotes of its very moment."""

    def __init__(self, trades: pl.DataFrame, quotes: Quotes, *, midnight: int) -> None:
        """`trades` as `Recording` holds them."""
        self._at = trades["timestamp"].to_numpy()
        self._price: list[int] = np.round(trades["price"].to_numpy() * _SPLIT).astype(np.int64).tolist()
        self._size: list[int] = trades["size"].to_list()
        self._venue: list[str] = trades["exchange"].to_list()
        self._letters: list[str] = trades["conditions"].to_list()
        self._counts: list[bool] = trades["last"].to_list()
        self._quotes = quotes
        self._first = midnight // DAY * _A_DAY + 1
        self._standing: Integers = np.searchsorted(quotes.at, self._at, side="left") - 1  # the quote before each trade
        counted = np.where(trades["last"].to_numpy(), np.arange(len(self._at)), -1)
        self._last: list[int] = np.maximum.accumulate(counted).tolist() if len(counted) else []
        self.minutes: Integers = np.unique(np.concatenate((self._at, quotes.at)) // MINUTE * MINUTE)
        """Starts of all minutes in which anything happened, a bar or not."""

    def path(self, minute: int) -> list[Print]:
        """Everything of the minute that starts then."""
        first, last = (int(n) for n in np.searchsorted(self._at, [minute, minute + MINUTE]))
        start, end = (int(n) for n in np.searchsorted(self._quotes.at, [minute, minute + MINUTE]))
        found = [self._trade(n) for n in range(first, last)] + [self._quote(n) for n in range(start, end)]
        return sorted(found, key=lambda each: (each.at, each.quoted))

    def auction(self, letter: str) -> Print | None:
        """The largest print with that condition."""
        found = [n for n, letters in enumerate(self._letters) if letter in letters]
        return self._trade(max(found, key=lambda n: self._size[n])) if found else None

    def _trade(self, n: int) -> Print:
        bid, ask = self._quotes.prices(int(self._standing[n]))
        record = Record(self._first + n, False, self._counts[n], self._venue[n], tuple(self._letters[n].replace(" ", "")))
        return Print(int(self._at[n]), self._price[n], self._size[n], bid, ask, record)

    def _quote(self, n: int) -> Print:
        bid, ask = self._quotes.prices(n)
        at = int(self._quotes.at[n])
        before = int(np.searchsorted(self._at, at, side="right")) - 1
        known = self._last[before] if before >= 0 else -1
        price = self._price[known] if known >= 0 else (bid + ask) // 2 // CENT * CENT if bid and ask else bid or ask
        return Print(at, price, 0, bid, ask, self._quotes.record(n))
