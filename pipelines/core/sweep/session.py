"""A session of many parameter sets, compiled: minute by minute, symbol by symbol, each set with an account of its own.

A minute goes as in `backtest/run.py`: what waits takes at its open, what rests meets its bar, then the strategy sees its bars. Not modelled, and
told by `Book.beyond`: the daily loss or the end of the day falling on a fill at a minute's open, or on a stop that was filled in part.
"""

import inspect
import math
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, cast

import numba
import numpy as np

from pipelines.core.backtest import fills
from pipelines.core.compiled import shared
from pipelines.core.market import bars
from pipelines.core.market import indicators as market_indicators
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk import checks, gate, rooms, sizing
from pipelines.core.risk.limits import Limits
from pipelines.core.sweep import account, entry, records, shapes
from pipelines.core.sweep.account import ENTRY, NONE, SIGNAL, close, inside, mark, opening, settle, wait, watch
from pipelines.core.sweep.entry import CLOSING, ENTERING, Sized, permitted, sized
from pipelines.core.sweep.records import TRADE, Book, Ended, Trades
from pipelines.core.sweep.shapes import Flags, Floats, Ints, Market, Names, Setups, Terms
from pipelines.core.trading import orders, portfolio, strategy
from pipelines.core.trading.strategy import Signals

SOURCES = (bars, market_indicators, fills, checks, gate, rooms, sizing, account, entry, records, shapes, orders, portfolio, strategy)


class Candle(NamedTuple):
    """A bar as compiled strategies see it."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class Desk(NamedTuple):
    """Where a worker plays one set after the other: compiled code makes no arrays of its own."""

    trades: Trades
    """Places for as many as may be open at once."""
    line: Ints
    """Open trades by symbol."""
    values: Floats
    """What each is worth, while it is looked at."""
    slots: Ints
    """Each symbol's open trade; -1: it has none."""
    entries: Ints
    """Each symbol's entries of the day."""
    losses: Ints
    until: Ints
    """Each symbol's losses in a row, and until when it rests."""

    @classmethod
    def of(cls, places: int, symbols: int) -> "Desk":
        """A new one."""
        trades = cast(Trades, np.zeros(places, TRADE))
        return cls(trades, np.zeros(places, np.int64), np.empty(places), *np.zeros((4, symbols), np.int64))


class Compiled(NamedTuple):
    """A strategy's two machine codes."""

    find: Callable[..., Setups]
    """`(market)`: where entries are thinkable at all."""
    trade: Callable[..., None]
    """Sets through a session, one after the other; `grants[granted[k]]` are the symbols that set k may trade."""


@shared
def candle(market: Market, m: int, s: int) -> Candle:
    """One bar."""
    return Candle(market.open[m, s], market.high[m, s], market.low[m, s], market.close[m, s], market.volume[m, s])


@shared
def indicators(market: Market, m: int, s: int) -> Indicators:
    """Its indicators."""
    v = market.values[m, s]
    return Indicators(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11])


@shared
def begin(book: Book, trades: Trades, slots: Ints, symbol: int, sign: int, wish: Sized, price: float) -> None:
    """A trade begins: its entry waits for the next minute."""
    trade = trades[book.open]
    trade.symbol, trade.sign, trade.stage, trade.quantity = symbol, sign, ENTERING, wish.shares
    trade.entered, trade.left, trade.opened, trade.why, trade.sold = 0, 0, 0, 0, 0
    trade.stop, trade.target, trade.price = wish.stop, wish.target, price
    trade.paid, trade.received, trade.average = 0.0, 0.0, 0.0
    trade.room, trade.minute, trade.ticket, trade.rests, trade.fresh = 0, -1, NONE, 0, 0
    slots[symbol] = book.open
    book.open += 1
    book.count += 1
    book.requests += 1
    wait(book, trade, ENTRY, wish.shares)


@shared
def exits(
    book: Book,
    trades: Trades,
    closed: Ended,
    limits: Limits,
    market: Market,
    names: Names,
    terms: Terms,
    until: Ints,
    losses: Ints,
    line: Ints,
    m: int,
) -> None:
    """The minute's bars against what rests, in the order in which the bars come."""
    for k in range(book.open):
        i = line[k]
        if trades[i].rests and not math.isnan(market.close[m, trades[i].symbol]):
            inside(book, trades, closed, i, limits, market, names, terms, until, losses, m)
            if book.beyond:
                return


@shared
def learn(
    enter: Any,
    leave: Any,
    own: Any,
    limits: Limits,
    budget: float,
    book: Book,
    trades: Trades,
    market: Market,
    setups: Setups,
    names: Names,
    terms: Terms,
    allowed: Flags,
    until: Ints,
    entries: Ints,
    slots: Ints,
    line: Ints,
    scratch: Floats,
    m: int,
) -> None:
    """The strategy sees the minute's bars: of symbols that it holds, of those with a setup, and the first one, on which the day may end."""
    at, symbols = market.starts[m] + MINUTE, market.close.shape[1]
    since, left = market.starts[m] - terms.open, terms.close - market.starts[m]
    held, k, c, stop = book.open, 0, setups.begin[m], setups.begin[m + 1]
    first = market.first[m] if at >= book.deadline and not book.over else symbols
    while k < held or c < stop or first < symbols:
        mine = trades[line[k]].symbol if k < held else symbols
        asked = setups.symbol[c] if c < stop else symbols
        s = min(mine, asked, first)
        i, price = slots[s], market.close[m, s]
        if i >= 0 and not math.isnan(price):
            trade = trades[i]
            mark(book, trade, price)
            position = (trade.entered - trade.left) * trade.sign
            out = trade.stage < CLOSING and leave(own, candle(market, m, s), indicators(market, m, s), position)
            if out:
                close(book, trade, SIGNAL)
            watch(book, trades, i if out else -1, at)
        elif i < 0 and asked == s:
            signal = enter(own, candle(market, m, s), setups.last[c], indicators(market, m, s), entries[s], since, left)
            if signal.side != 0 and permitted(book, limits, names, terms, allowed, until, s, signal.side, price, at):
                wish = sized(signal, book, trades, limits, budget, names, terms, s, price, scratch)
                if wish.shares > 0:
                    begin(book, trades, slots, s, signal.side, wish, price)
                    entries[s] += 1
        if not math.isnan(price):
            watch(book, trades, -1, at)
        k += mine == s
        c += asked == s
        first = symbols if first == s else first


@shared
def through(
    enter: Any,
    leave: Any,
    own: Any,
    limits: Limits,
    budget: float,
    market: Market,
    setups: Setups,
    names: Names,
    terms: Terms,
    allowed: Flags,
    book: Book,
    closed: Ended,
    desk: Desk,
) -> None:
    """One set through the session."""
    trades, line, scratch, slots, entries, losses, until = desk
    slots[:] = -1
    entries[:] = losses[:] = until[:] = 0
    for m in range(len(market.starts)):
        if market.first[m] < 0:
            continue
        book.requests = 0
        if book.waiting:
            opening(book, trades, closed, limits, market, names, terms, until, losses, m)
            settle(book, trades, slots, line)
        exits(book, trades, closed, limits, market, names, terms, until, losses, line, m)
        if book.gone:
            settle(book, trades, slots, line)
        if book.beyond or (book.over and book.open == 0):
            return
        before = book.open
        learn(enter, leave, own, limits, budget, book, trades, market, setups, names, terms, allowed, until, entries, slots, line, scratch, m)
        if book.gone or book.open != before:
            settle(book, trades, slots, line)


def stamp(signals: Signals) -> str:
    """Hash of all the text that becomes machine code: numba's cache on disk looks at one file only."""
    modules = [*SOURCES, *(inspect.getmodule(function) for function in signals)]
    text = "".join(inspect.getsource(module) for module in modules if module is not None)
    return sha256(text.encode()).hexdigest()


@lru_cache(maxsize=8)
def kernel(signals: Signals) -> Compiled:
    """Machine code of one strategy's sweep; from the cache on disk where neither the strategy nor a formula has changed."""
    setup, enter, leave, version = signals.setup, signals.enter, signals.leave, stamp(signals)

    def find(market: Market) -> Setups:
        minutes, symbols = market.close.shape
        begins = np.zeros(minutes + 1, np.int64)
        who, before = np.empty(minutes * symbols, np.int64), np.empty(minutes * symbols)
        last = np.full(symbols, np.nan)
        count = 0 if version else 1  # naming it here makes it a part of the cache's key
        for m in range(minutes):
            begins[m] = count
            for s in range(symbols):
                if not math.isnan(market.close[m, s]):
                    if setup(candle(market, m, s), last[s], indicators(market, m, s)) != 0:
                        who[count], before[count] = s, last[s]
                        count += 1
                    last[s] = market.close[m, s]
        begins[minutes] = count
        return Setups(begins, who[:count].copy(), before[:count].copy())

    def trade(
        own: Any,
        limits: Any,
        budget: float,
        market: Market,
        setups: Setups,
        names: Names,
        terms: Terms,
        grants: Flags,
        granted: Ints,
        books: Any,
        closed: Any,
        desk: Desk,
    ) -> None:
        for k in range(len(books) if version else 0):
            allowed = grants[granted[k]]
            through(enter, leave, own[k], limits[k], budget, market, setups, names, terms, allowed, books[k], closed[k], desk)

    # Counting who refers to which array took half of the time; where none is made there is nothing to count.
    return Compiled(_cached(find, version), _cached(trade, version, _nrt=False))


def _cached(function: Callable[..., Any], version: str, **options: bool) -> Callable[..., Any]:
    """Machine code, kept on disk under a name of its own: two pieces of one name, compiled by two processes, cannot live together in a third."""
    function.__qualname__ = f"{function.__name__}_{version[:16]}"
    return cast(Callable[..., Any], numba.njit(cache=True, error_model="numpy", nogil=True, **options)(function))
