"""The path inside each minute: a bar becomes timed trades with a quote around each, the same ones every time it is asked.

The trades touch open, high, low and close and their sizes add up to the volume. Prices here are integers in ten-thousandths of a dollar.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

import numpy as np

from live.sim.clock import MILLISECOND, MINUTE, new_york
from live.sim.worlds.sessions import Session
from live.sim.worlds.world import Bars, Integers, World, empty

CENT = 100
_RECENT = timedelta(days=10)  # holds a session or two, whatever the holidays
_TRADES = 14
_BAND = 5  # percent
_SPREAD = 10_000  # one basis point of the price, at least a cent


@dataclass(frozen=True, slots=True)
class Record:
    """What a recording says of one of its trades or quotes. Codes are the tape's letters, sizes of quotes shares."""

    number: int
    quote: bool
    counts: bool
    """Whether it moves the last price; a quote never stands in the way."""
    venue: str = ""
    conditions: tuple[str, ...] = ()
    bid_size: int = 0
    ask_size: int = 0
    bid_venue: str = ""
    ask_venue: str = ""


@dataclass(frozen=True, slots=True)
class Print:
    """One trade and the quote that stands from it on; recorded ones are either a trade or a quote.

    A quote's `price` is the last one before it, its `size` 0. A `bid` or `ask` of 0 is a side that nobody quotes.
    """

    at: int
    price: int
    size: int
    bid: int
    ask: int
    record: Record | None = None

    @property
    def traded(self) -> bool:
        return self.size > 0

    @property
    def quoted(self) -> bool:
        return self.record is None or self.record.quote

    @property
    def counts(self) -> bool:
        return self.record is None or self.record.counts

    @property
    def shown(self) -> tuple[int, int]:
        """Sizes of bid and ask in shares: as recorded, otherwise a round lot at least."""
        if self.record is not None:
            return self.record.bid_size, self.record.ask_size
        size = max(100, self.size // 100 * 100)
        return size, size


def ticks(price: float | Decimal) -> int:
    return round(price * 10_000)


def dollars(price: int) -> Decimal:
    return Decimal(price).scaleb(-4)


class Tape:
    """Reads minutes of the current session; knows nothing of orders."""

    def __init__(self, world: World, session: Session) -> None:
        self._world = world
        self._paths: dict[tuple[str, int], list[Print]] = {}
        self._rank = {symbol: rank for rank, symbol in enumerate(world.assets)}
        self._past: dict[str, int | None] = {}
        self.session = session
        self.columns = world.day(session.date)
        self.halts = world.halts(session.date)
        self.ticks = world.ticks(session.date)

    def turn(self, session: Session) -> None:
        """To the next session."""
        self.session = session
        self.columns = self._world.day(session.date)
        self.halts = self._world.halts(session.date)
        self.ticks = self._world.ticks(session.date)
        self._paths.clear()
        self._past.clear()

    def reread(self, now: int) -> None:
        """The world has other minutes from here on."""
        self.columns, self.ticks = self._world.day(self.session.date), self._world.ticks(self.session.date)
        self._paths = {key: path for key, path in self._paths.items() if key[1] <= now and path}

    def path(self, symbol: str, minute: int) -> list[Print]:
        """Trades of the minute that starts then, and recorded quotes between them; empty when nothing happened."""
        known = self._paths.get((symbol, minute))
        if known is None:
            known = self._paths[symbol, minute] = self._walked(symbol, minute)
        return known

    def _walked(self, symbol: str, minute: int) -> list[Print]:
        if symbol in self.ticks:  # also in minutes that have no bar
            return self.ticks[symbol].path(minute)
        row = self._row(symbol, minute)
        return [] if row is None else self.expand(symbol, self.columns[symbol], row)

    def last(self, symbol: str, at: int) -> Print | None:
        """The last price at that moment with the quote that stands: the newest print that counts, or else the previous close."""
        return next((trade for trade in self._back(symbol, at) if trade.counts), None) or self._before(symbol)

    def trade(self, symbol: str, at: int) -> Print | None:
        """The newest trade up to that moment that counts."""
        return next((trade for trade in self._back(symbol, at) if trade.traded and trade.counts), None) or self._before(symbol)

    def quote(self, symbol: str, at: int) -> Print | None:
        """The newest quote up to that moment."""
        return next((trade for trade in self._back(symbol, at) if trade.quoted), None) or self._before(symbol)

    def minutes(self, symbol: str) -> Integers:
        """Starts of the session's minutes in which anything happened, a bar or not."""
        if symbol in self.ticks:
            return self.ticks[symbol].minutes
        return self.columns[symbol].t if symbol in self.columns else empty().t

    def recorded(self, symbol: str, at: int) -> bool:
        """Whether the ticks of that day are known, of whatever session."""
        return symbol in self._world.ticks(new_york(at).date())

    def _back(self, symbol: str, at: int) -> Iterator[Print]:
        """What happened up to that moment, the newest first."""
        path, minute = self.path(symbol, at - at % MINUTE), at - at % MINUTE
        yield from reversed(path[: bisect.bisect_right(path, at, key=lambda trade: trade.at)])
        starts = self.minutes(symbol)
        for row in range(int(np.searchsorted(starts, minute)) - 1, -1, -1):
            yield from reversed(self.path(symbol, int(starts[row])))

    def span(self, symbol: str, at: int) -> tuple[int, int]:
        """Lowest bid and highest ask of the minute of the newest trade, up to that moment."""
        last = self.last(symbol, at)
        if last is None:
            raise ValueError(f"{symbol} has never traded")
        seen = [trade for trade in self.path(symbol, last.at - last.at % MINUTE) if trade.at <= at] or [last]
        return min(trade.bid for trade in seen), max(trade.ask for trade in seen)

    def previous(self, symbol: str) -> int | None:
        """Closing price of the session before this one, in today's shares when the symbol was split over night."""
        if symbol not in self._past:
            before = self.session.date
            bars = self._world.daily(symbol, before, before - _RECENT)
            bars = bars if len(bars) else self._world.daily(symbol, before)
            close = ticks(float(bars.c[-1])) if len(bars) else self._earlier(symbol)
            ratio = self._world.actions.ratio(symbol, self.session.date)
            self._past[symbol] = close if close is None or ratio == 1 else max(round(close / ratio / CENT) * CENT, CENT)
        return self._past[symbol]

    def halted(self, symbol: str, at: int) -> bool:
        return any(halt.symbol == symbol and halt.start <= at < halt.end for halt in self.halts)

    def band(self, symbol: str, at: int) -> tuple[int, int]:
        """Limit-up limit-down: five percent around the mean of the last five minutes, more below three dollars and near the close."""
        bars = self.columns.get(symbol)
        done = int(np.searchsorted(bars.t, at - MINUTE, side="right")) if bars is not None else 0
        reference = ticks(float(bars.c[max(done - 5, 0) : done].mean())) if bars is not None and done else self.previous(symbol) or 0
        width = _BAND if reference >= 30_000 else 4 * _BAND
        width *= 2 if at >= self.session.close - 25 * MINUTE else 1
        reach = reference * width // 100
        return (reference - reach) // CENT * CENT, (reference + reach) // CENT * CENT

    def _row(self, symbol: str, minute: int) -> int | None:
        bars = self.columns.get(symbol)
        if bars is None:
            return None
        row = int(np.searchsorted(bars.t, minute))
        return row if row < len(bars) and bars.t[row] == minute else None

    def _before(self, symbol: str) -> Print | None:
        close = self.previous(symbol)
        if close is None:
            return None
        bid = close - close % CENT
        return Print(self.session.midnight, close, 100, bid, bid + spread_of(close))

    def _earlier(self, symbol: str) -> int | None:
        """A symbol without daily history may still have been recorded on an earlier session."""
        earlier: Session | None = self.session
        while earlier is not None and earlier.date > self._world.first:
            earlier = self._world.calendar.before(earlier.date)
            if earlier is not None and symbol in (columns := self._world.day(earlier.date)):
                return ticks(float(columns[symbol].c[-1]))
        return None

    def expand(self, symbol: str, bars: Bars, row: int) -> list[Print]:
        """What happened inside one bar of whatever session, recorded or invented."""
        start = int(bars.t[row])
        if (played := self._world.ticks(new_york(start).date()).get(symbol)) is not None:
            return played.path(start)
        volume = int(bars.v[row])
        rng = Random((self._world.seed * 1_000_003 + self._rank[symbol]) * 10**12 + start // MINUTE)
        corners = tuple(ticks(float(column[row])) for column in (bars.o, bars.h, bars.l, bars.c))
        prices = _walk(rng, corners, min(_TRADES, max(volume, 1)))
        times = sorted(rng.randrange(60, 59_940) for _ in prices)
        shares = _shares(rng, volume, len(prices))
        return [self._quoted(rng, start + at * MILLISECOND, price, size) for at, price, size in zip(times, prices, shares, strict=True)]

    @staticmethod
    def _quoted(rng: Random, at: int, price: int, size: int) -> Print:
        """The trade happened at the bid or at the ask: which of them decides where the other stands."""
        spread = spread_of(price)
        if rng.random() < 0.5:
            return Print(at, price, size, price - price % CENT, price - price % CENT + spread)
        ask = price + -price % CENT
        return Print(at, price, size, max(ask - spread, CENT), ask)


def spread_of(price: int) -> int:
    return max(CENT, price // _SPREAD // CENT * CENT)


def _walk(rng: Random, corners: tuple[int, ...], count: int) -> list[int]:
    """Prices through open, both extremes in random order, and close, with cents in between that stay inside the bar."""
    o, high, low, c = corners
    rising = c >= o if rng.random() < 0.75 else c < o
    turns = [o, low, high, c] if rising else [o, high, low, c]
    if count < 4:
        spare = [price for price in dict.fromkeys((high, low)) if price not in (o, c)]
        return [*[o, *spare][: count - 1], c]
    extra = count - 4
    shares = [extra // 3 + (extra % 3 > leg) for leg in range(3)]
    prices = [o]
    for leg, between in enumerate(shares):
        first, last = turns[leg], turns[leg + 1]
        for step in range(1, between + 1):
            ideal = first + (last - first) * step / (between + 1) + rng.gauss(0, 0.12) * (high - low)
            prices.append(min(max(round(ideal / CENT) * CENT, low), high))
        prices.append(last)
    return prices


def _shares(rng: Random, volume: int, count: int) -> list[int]:
    """Whole sizes of at least one share that add up to the volume."""
    weights = [rng.expovariate(1) + 0.05 for _ in range(count)]
    total, left = sum(weights), volume - count
    sizes = [1 + int(left * weight / total) for weight in weights]
    sizes[-1] += volume - sum(sizes)
    return sizes
