"""Sizing and the gate for one wish, as numbers: `trading/entries.py`, `risk/sizing.py`, `risk/permissions.py` and `risk/rooms.py` compiled.

The formulas are theirs; what is written anew is which of them apply where everybody is one strategy in a recorded market.
"""

import math
from typing import NamedTuple

import numpy as np

from pipelines.core.compiled import shared
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.risk.checks import DEAREST, LEAST
from pipelines.core.risk.gate import LEAST_SHARE
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.rooms import LARGEST, fits, fits_signed
from pipelines.core.risk.sizing import independence, shares, spans
from pipelines.core.sweep.records import Book, Trades
from pipelines.core.sweep.shapes import Flags, Floats, Ints, Names, Terms
from pipelines.core.trading.orders import rounded
from pipelines.core.trading.strategy import Signal

ENTERING, OPEN, CLOSING, CLOSED = range(4)
"""Stages of a trade."""


class Sized(NamedTuple):
    """What a wish comes to; 0 shares: nothing. A target of NaN is none."""

    shares: int
    stop: float
    target: float


class Sums(NamedTuple):
    """The open trades as the rooms see them, all that waits counted as filled. Dollars."""

    gross: float
    net: float
    sector: float
    alike: float
    beta: float
    largest: float
    heat: float
    weighted: float
    """Values times what they correlate with the wish, where that is positive."""


@shared
def on_tick(price: float, toward: int) -> float:
    """A price that an order can have; NaN where it cannot be one."""
    return rounded(price, toward) if price > 0 else math.nan


@shared
def correlation(names: Names, a: int, b: int) -> float:
    """Of two symbols' daily returns; 0 where it is unknown."""
    if names.place[a] < 0 or names.place[b] < 0:
        return 0.0
    found: float = names.rho[names.place[a], names.place[b]]
    return found


@shared
def sums(trades: Trades, open_: int, names: Names, limits: Limits, symbol: int, sign: int, scratch: Floats) -> Sums:
    """Over the open trades, in the order in which they were opened."""
    gross = net = sector = alike = beta = heat = weighted = 0.0
    for i in range(open_):
        trade = trades[i]
        other, price = trade.symbol, trade.price
        worst = trade.entered - trade.left + (trade.quantity - trade.entered if trade.stage == ENTERING else 0)
        value = worst * price * trade.sign
        scratch[i] = abs(value)
        gross += abs(value)
        net += value
        beta += value * names.beta[other]
        heat += abs(worst) * max((price - trade.stop) * trade.sign, 0.0)
        if names.sector[other] == names.sector[symbol]:
            sector += abs(value)
        rho = correlation(names, symbol, other)
        weighted += abs(value) * max(rho * sign * math.copysign(1.0, value), 0.0)
        together = names.cluster[other] >= 0 and names.cluster[other] == names.cluster[symbol]
        if together or rho > limits.max_correlation:
            alike += abs(value)
    largest = 0.0
    for _ in range(min(LARGEST - 1, open_)):
        most = np.argmax(scratch[:open_])
        largest += scratch[most]
        scratch[most] = -1.0
    return Sums(gross, net, sector, alike, beta, largest, heat, weighted)


@shared
def permitted(
    book: Book, limits: Limits, names: Names, terms: Terms, allowed: Flags, until: Ints, symbol: int, sign: int, price: float, at: int
) -> bool:
    """Every permission that a minute can change; `allowed` are the others."""
    equity = book.start + book.realised + book.open_profit
    return (
        not (book.over or book.lost)
        and book.open < limits.max_positions
        and allowed[0 if sign > 0 else 1, symbol]
        and book.count < limits.max_entries
        and (at - terms.open) / MINUTE >= limits.market_open_buffer
        and (terms.close - at) / MINUTE > limits.market_close_buffer
        and limits.stale_after > MINUTE / SECOND
        and not abs(price / names.close[symbol] - 1) > limits.max_gap
        and (book.start - equity) / book.start < limits.max_daily_loss
        and 1 - equity / book.peak < limits.max_drawdown
        and at >= until[symbol]
        and at >= book.until
        and book.requests < limits.max_order_rate
    )


@shared
def bounded(quantity: int, price: float, equity: float, adv: float, limits: Limits, terms: Terms) -> int:
    """The wish after the trade's own bounds."""
    quantity = min(quantity, max(fits(limits.max_position_size * terms.position * equity - 0.0, price), 0))
    quantity = min(quantity, max(fits(limits.max_order_value, price), 0), limits.max_order_quantity)
    return quantity if math.isnan(adv) else min(quantity, max(fits(limits.max_participation * adv, 1.0), 0))


@shared
def sized(
    signal: Signal,
    book: Book,
    trades: Trades,
    limits: Limits,
    budget: float,
    names: Names,
    terms: Terms,
    symbol: int,
    price: float,
    scratch: Floats,
) -> Sized:
    """Shares after sizing and all rooms, with the exits on the tick."""
    sign = signal.side
    if signal.stop < LEAST or signal.stop > DEAREST or signal.target < LEAST or signal.target > DEAREST:
        return Sized(0, math.nan, math.nan)
    near, far = spans(price, names.atr[symbol], terms.stop, terms.target, limits)
    near = near if math.isnan(signal.stop) else signal.stop
    far = far if math.isnan(signal.target) else signal.target
    stop, target = on_tick(price - sign * near, sign), on_tick(price + sign * far, -sign)
    risk = (price - stop) * sign
    if not risk > 0:
        return Sized(0, stop, target)
    equity = book.start + book.realised + book.open_profit
    held = sums(trades, book.open, names, limits, symbol, sign, scratch)
    money = limits.risk_per_trade * equity
    if terms.size != 1.0:
        money *= terms.size
    diversified = independence(held.gross, held.weighted)
    if diversified < 1.0:
        money *= diversified
    wanted = bounded(shares(money, risk), price, equity, names.adv[symbol], limits, terms)
    quantity = wanted
    if not math.isnan(budget):
        quantity = min(quantity, fits(budget * limits.max_gross_exposure * equity - held.gross, price))
    quantity = min(quantity, fits(limits.max_gross_exposure * equity - held.gross, price))
    quantity = min(quantity, fits_signed(wanted, price, held.net, sign, limits.max_net_exposure * equity))
    quantity = min(quantity, fits(limits.max_sector_exposure * equity - held.sector, price))
    quantity = min(quantity, fits(limits.max_correlated_exposure * equity - held.alike, price))
    quantity = min(quantity, fits_signed(wanted, price, held.beta, names.beta[symbol] * sign, limits.max_beta_exposure * equity))
    quantity = min(quantity, fits(limits.max_concentration * equity - held.largest, price))
    quantity = min(quantity, fits(limits.max_portfolio_heat * terms.heat * equity - held.heat, risk))
    quantity = min(quantity, fits(max(4 * book.start - held.gross, 0.0), price))
    if quantity < 1 or quantity < LEAST_SHARE * wanted:
        return Sized(0, stop, target)
    return Sized(quantity, stop, target)
