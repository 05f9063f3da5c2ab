"""The best quote over all venues, out of the quotes that each of them sent."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from live.sim.worlds.tape import Record
from live.sim.worlds.world import Integers

_SPLIT = 10_000  # of a dollar

Side = tuple[int, int, str]
"""Price in ten-thousandths of a dollar, shares, venue; the price is 0 where nobody quotes."""
NOBODY: Side = (0, 0, "")


@dataclass(frozen=True, slots=True)
class Quotes:
    """Changes of the best quote in order of time."""

    at: Integers
    rows: list[tuple[Side, Side]]
    """Bid and ask."""

    def prices(self, n: int) -> tuple[int, int]:
        """Of nothing, before the first."""
        return (self.rows[n][0][0], self.rows[n][1][0]) if n >= 0 else (0, 0)

    def record(self, n: int) -> Record:
        (_, bid_size, bid_venue), (_, ask_size, ask_venue) = self.rows[n]
        return Record(0, True, True, bid_size=bid_size, ask_size=ask_size, bid_venue=bid_venue, ask_venue=ask_venue)


def best(quotes: pl.DataFrame, trades: pl.DataFrame) -> Quotes:
    """Of one symbol and session, from the columns of a `Recording`. Trades tell which quotes cannot stand any more."""
    times, rows, book = list[int](), list[tuple[Side, Side]](), _Book()
    for at, bid, ask, single in _events(quotes, trades):
        found = book.after(bid, ask) if single else _sound(bid, ask)
        if found is not None and (not rows or found != rows[-1]):
            times.append(at)
            rows.append(found)
    return Quotes(np.array(times, np.int64), rows)


def _events(quotes: pl.DataFrame, trades: pl.DataFrame) -> list[tuple[int, Side, Side, bool]]:
    """Quotes in order of time. Where each is of one venue, a trade comes among them as what it proves: nobody bid more, nobody asked less."""
    sides = [_sides(quotes, name) for name in ("bid", "ask")]
    found = list(zip(quotes["timestamp"].to_list(), *sides, quotes["single"].to_list(), strict=True))
    if not (found and found[0][3]):
        return found
    moved = trades.filter(pl.col("last"))
    prices = np.round(moved["price"].to_numpy() * _SPLIT).astype(np.int64).tolist()
    proofs = [(at, (price + 1, 0, ""), (price - 1, 0, ""), True) for at, price in zip(moved["timestamp"].to_list(), prices, strict=True)]
    return sorted([*proofs, *found], key=lambda event: event[0])


def _sides(quotes: pl.DataFrame, name: str) -> list[Side]:
    """A price without a size is no quote."""
    prices = np.round(quotes[name].to_numpy() * _SPLIT).astype(np.int64).tolist()
    rows = zip(prices, quotes[f"{name}_size"].to_list(), quotes[f"{name}_exchange"].to_list(), strict=True)
    return [(price, size, venue) if price > 0 and size > 0 else (0, 0, venue) for price, size, venue in rows]


def _sound(bid: Side, ask: Side) -> tuple[Side, Side] | None:
    """None for a bid at or above its ask, which nobody can mean."""
    return None if bid[0] and ask[0] and bid[0] >= ask[0] else (bid, ask)


class _Book:
    """What each venue quotes. A quote that a newer one of another venue crosses or locks, or that a trade passes over, is stale: it counts no more
    until its venue renews it."""

    def __init__(self) -> None:
        self._bids: dict[str, Side] = {}
        self._asks: dict[str, Side] = {}

    def after(self, bid: Side, ask: Side) -> tuple[Side, Side]:
        """The best of both sides after a venue's quote; of equal prices the larger size. A venue that crosses itself quotes nothing.

        Without a venue it is a trade: what would have been bid above it, or asked below.
        """
        venue = bid[2]
        if not venue:
            self._drop(above=bid[0], below=ask[0])
            return self._best()
        bid, ask = _sound(bid, ask) or (NOBODY, NOBODY)
        self._bids.pop(venue, None)
        self._asks.pop(venue, None)
        self._drop(above=ask[0] or None, below=bid[0])
        if bid[0]:
            self._bids[venue] = bid
        if ask[0]:
            self._asks[venue] = ask
        return self._best()

    def _drop(self, *, above: int | None, below: int) -> None:
        """Bids at `above` or more, asks at `below` or less."""
        if above is not None and any(side[0] >= above for side in self._bids.values()):
            self._bids = {name: side for name, side in self._bids.items() if side[0] < above}
        if any(side[0] <= below for side in self._asks.values()):
            self._asks = {name: side for name, side in self._asks.items() if side[0] > below}

    def _best(self) -> tuple[Side, Side]:
        top = max(self._bids.values(), key=lambda side: side[:2], default=NOBODY)
        return top, min(self._asks.values(), key=lambda side: (side[0], -side[1]), default=NOBODY)
