"""What a trade goes through in a session, and what that does to the account: `backtest/fills.py`, `trading/trades.py` and `account.py` as numbers.

Their words are told in the same order, so that sums of floats have the same bits. Signs and prices are as there.
"""

import math

from pipelines.core.backtest.fills import ENDLESS, beyond, burden, no_better, no_worse, touched
from pipelines.core.compiled import shared
from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.limits import Limits
from pipelines.core.sweep.entry import CLOSED, CLOSING, OPEN
from pipelines.core.sweep.records import Book, Ended, Trade, Trades
from pipelines.core.sweep.shapes import Ints, Market, Names, Terms
from pipelines.core.trading.portfolio import averaged

NONE, ENTRY, EXIT, STOP = range(4)
"""The order of a trade that waits to take."""

SIGNAL, DEADLINE, LOSS, TARGET, STOPPED, BOTH = range(1, 7)
"""Why a trade ended."""


@shared
def equity(book: Book) -> float:
    """The portfolio's equity."""
    return book.start + book.realised + book.open_profit


@shared
def mark(book: Book, trade: Trade, price: float) -> None:
    """The symbol's newest price."""
    book.open_profit += (trade.entered - trade.left) * trade.sign * (price - trade.price)
    book.peak = max(book.peak, equity(book))
    trade.price = price


@shared
def book_fill(book: Book, trades: Trades, i: int, side: int, shares: int, price: float, terms: Terms, at: int) -> None:
    """Shares of a trade, bought or sold: trade, portfolio and fees."""
    trade = trades[i]
    held = (trade.entered - trade.left) * trade.sign
    average, profit = averaged(held, trade.average, side * shares, price)
    trade.average = average
    if side == trade.sign:
        trade.opened = trade.opened if trade.opened else at
        trade.entered += shares
        trade.paid += shares * price
    else:
        trade.left += shares
        trade.received += shares * price
    book.realised += profit
    book.open_profit = 0.0
    for k in range(book.open):
        other = trades[k]
        if other.entered != other.left:
            book.open_profit += (other.entered - other.left) * other.sign * (other.price - other.average)
    book.peak = max(book.peak, equity(book))
    if side < 0:
        book.sec += shares * price * terms.sec
        book.taf += min(shares * terms.taf, terms.taf_cap)
    book.cat += shares * terms.cat


@shared
def since(filled: int, told: float, now: int, average: float) -> float:
    """Price of the shares beyond those known, out of cumulative words (`OrderUpdate.since`)."""
    return (average * now - told * filled) / (now - filled)


@shared
def room(trade: Trade, volume: float, minute: int, terms: Terms) -> int:
    """Shares that the minute still has for our orders in the symbol."""
    if trade.minute != minute:
        trade.minute = minute
        trade.room = ENDLESS if math.isnan(terms.participation) else math.floor(terms.participation * volume)
    return trade.room


@shared
def wait(book: Book, trade: Trade, ticket: int, wanted: int) -> None:
    """An order of the trade waits to take, behind those that wait already."""
    if trade.ticket == NONE:
        book.waiting += 1
    book.turn += 1
    trade.ticket, trade.wanted, trade.filled, trade.turn = ticket, wanted, 0, book.turn
    trade.value, trade.told = 0.0, 0.0


@shared
def done(book: Book, trade: Trade) -> None:
    """Nothing of the trade waits any more."""
    trade.ticket = NONE
    book.waiting -= 1


@shared
def rest(trade: Trade, shares: int, fresh: int) -> None:
    """Stop and target begin."""
    trade.rests, trade.exits, trade.fresh = 1, shares, fresh
    trade.far_filled, trade.far_value, trade.far_told = 0, 0.0, 0.0


@shared
def take(book: Book, trades: Trades, i: int, names: Names, terms: Terms, volume: float, reference: float, minute: int, at: int) -> None:
    """The waiting order gets what there is at this price; a triggered stop and an exit sell, an entry buys (or the other way round)."""
    trade = trades[i]
    shares = min(trade.wanted - trade.filled, room(trade, volume, minute, terms))
    if shares < 1:
        return
    side = trade.sign if trade.ticket == ENTRY else -trade.sign
    spread, impact = burden(reference, names.half[trade.symbol], names.root[trade.symbol], trade.wanted)
    paid = reference + side * (spread + impact)
    trade.room -= shares
    before, told = trade.filled, trade.told
    trade.filled += shares
    trade.value += shares * paid
    trade.told = paid if before == 0 else trade.value / trade.filled
    if trade.ticket == STOP:
        trade.sold |= 2
    book_fill(book, trades, i, side, shares, since(before, told, trade.filled, trade.told), terms, at)


@shared
def end(book: Book, trades: Trades, closed: Ended, i: int, limits: Limits, until: Ints, losses: Ints, at: int) -> None:
    """A round trip is over."""
    trade = trades[i]
    trade.stage = CLOSED
    book.gone += 1
    profit = (trade.received - trade.paid) * trade.sign
    record = closed[book.closed]
    book.closed += 1
    record.symbol, record.side, record.quantity = trade.symbol, trade.sign, trade.entered
    record.opened, record.closed = trade.opened, at
    record.why = trade.why if trade.why else TARGET - 1 + trade.sold
    record.entry, record.exit, record.profit = trade.paid / trade.entered, trade.received / trade.left, profit
    losses[trade.symbol] = losses[trade.symbol] + 1 if profit < 0 else 0
    book.losses = book.losses + 1 if profit < 0 else 0
    if losses[trade.symbol] >= limits.symbol_losses:
        until[trade.symbol], losses[trade.symbol] = at - at % MINUTE + limits.cooldown * MINUTE, 0
    if book.losses >= limits.strategy_losses:
        book.until, book.losses = at - at % MINUTE + limits.cooldown * MINUTE, 0


@shared
def close(book: Book, trade: Trade, why: int) -> None:
    """The trade wants to be flat: what rests or waits is cancelled, and what is held is sold. Each is a request."""
    if trade.stage >= CLOSING:
        return
    trade.stage, trade.why = CLOSING, why
    if trade.ticket == ENTRY and trade.entered == 0:
        book.requests += 1
        done(book, trade)
        trade.stage = CLOSED
        book.gone += 1
    elif trade.entered > trade.left:
        book.requests += 2
        trade.rests = 0
        wait(book, trade, EXIT, trade.entered - trade.left)


@shared
def flatten(book: Book, trades: Trades, why: int, first: int) -> None:
    """Close everything, the trade that this event is about first."""
    if first >= 0:
        close(book, trades[first], why)
    for k in range(book.open):
        close(book, trades[k], why)


@shared
def watch(book: Book, trades: Trades, first: int, at: int) -> None:
    """What has to be true after every event: the daily loss and the end of the day."""
    if equity(book) <= book.floor and not book.lost:
        book.lost = 1
        flatten(book, trades, LOSS, first)
    if at >= book.deadline and not book.over:
        book.over = 1
        flatten(book, trades, DEADLINE, first)


@shared
def settle(book: Book, trades: Trades, slots: Ints, line: Ints) -> None:
    """Take ended trades off the list; `slots` says where a symbol's trade is (-1: it has none), `line` has them by symbol."""
    kept = 0
    for k in range(book.open):
        if trades[k].stage == CLOSED:
            slots[trades[k].symbol] = -1
        else:
            if kept < k:
                trades[kept] = trades[k]
            slots[trades[kept].symbol] = kept
            kept += 1
    book.open, book.gone = kept, 0
    for k in range(kept):
        at = k
        while at > 0 and trades[line[at - 1]].symbol > trades[k].symbol:
            line[at] = line[at - 1]
            at -= 1
        line[at] = k


@shared
def next_turn(book: Book, trades: Trades, after: int) -> int:
    """The trade whose order waits next in turn; -1: none does."""
    best = -1
    for k in range(book.open):
        turn = trades[k].turn
        if trades[k].ticket != NONE and turn > after and (best < 0 or turn < trades[best].turn):
            best = k
    return best


@shared
def opening(
    book: Book, trades: Trades, closed: Ended, limits: Limits, market: Market, names: Names, terms: Terms, until: Ints, losses: Ints, m: int
) -> None:
    """The minute's beginning: what waits takes; an entry that does not get all gives up, and what it got is protected."""
    start = market.starts[m]
    last = book.turn
    i = next_turn(book, trades, 0)
    while i >= 0 and trades[i].turn <= last:
        trade = trades[i]
        turn, symbol, row = trade.turn, trade.symbol, m
        while math.isnan(market.close[row, symbol]):
            row -= 1
        reference = market.open[m, symbol] if row == m else market.close[row, symbol]
        before = trade.filled
        take(book, trades, i, names, terms, market.volume[row, symbol], reference, m, start)
        if trade.filled > before:
            if (equity(book) <= book.floor and not book.lost) or (start >= book.deadline and not book.over):
                book.beyond = 1
                return
            if trade.filled == trade.wanted:
                ticket = trade.ticket
                done(book, trade)
                if ticket == ENTRY:
                    trade.stage = OPEN
                    rest(trade, trade.wanted, 1)
                else:
                    end(book, trades, closed, i, limits, until, losses, start)
        i = next_turn(book, trades, turn)
    if book.waiting == 0:
        return
    for k in range(book.open):
        trade = trades[k]
        if trade.ticket != ENTRY:
            continue
        book.requests += 1
        done(book, trade)
        if trade.entered == 0:
            trade.stage = CLOSED
            book.gone += 1
        else:
            book.requests += 1
            trade.stage = OPEN
            rest(trade, trade.entered, 0)


@shared
def inside(
    book: Book,
    trades: Trades,
    closed: Ended,
    i: int,
    limits: Limits,
    market: Market,
    names: Names,
    terms: Terms,
    until: Ints,
    losses: Ints,
    m: int,
) -> None:
    """What a bar does to the exits that rest in its symbol: the stop comes first."""
    trade, symbol = trades[i], trades[i].symbol
    first, low, high, volume = market.open[m, symbol], market.low[m, symbol], market.high[m, symbol], market.volume[m, symbol]
    at, side = market.starts[m] + MINUTE, -trade.sign
    if touched(side, trade.stop, low, high):
        trade.rests = 0
        wait(book, trade, STOP, trade.exits)
        take(book, trades, i, names, terms, volume, no_better(side, trade.stop, first), m, at)
        whole = trade.filled == trade.wanted
        if whole:
            done(book, trade)
        if trade.filled:
            if not whole and ((equity(book) <= book.floor and not book.lost) or (at >= book.deadline and not book.over)):
                book.beyond = 1
                return
            watch(book, trades, i, at)
        elif at >= book.deadline and not book.over:
            book.beyond = 1
            return
        if whole:
            end(book, trades, closed, i, limits, until, losses, at)
    elif not math.isnan(trade.target) and not trade.fresh and beyond(side, trade.target, low if side > 0 else high):
        price = no_worse(side, trade.target, first)
        shares = min(trade.exits, room(trade, volume, m, terms))
        if shares >= 1:
            trade.room -= shares
            trade.exits -= shares
            before, told = trade.far_filled, trade.far_told
            trade.far_filled += shares
            trade.far_value += shares * price
            trade.far_told = price if before == 0 else trade.far_value / trade.far_filled
            trade.sold |= 1
            whole = trade.exits == 0
            if whole:
                trade.rests = 0
            book_fill(book, trades, i, side, shares, since(before, told, trade.far_filled, trade.far_told), terms, at)
            watch(book, trades, i, at)
            if whole:
                end(book, trades, closed, i, limits, until, losses, at)
    trade.fresh = 0
