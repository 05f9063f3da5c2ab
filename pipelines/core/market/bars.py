"""Market facts as immutable values. Prices in dollars, sizes in shares, times in nanoseconds since 1970 UTC."""

from math import isfinite
from typing import NamedTuple

from pipelines.core.errors import BadBar

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


class Bar(NamedTuple):
    """One minute (or one day) of trading in one symbol; `start` is the bar's left edge, as both vendors stamp it."""

    symbol: str
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float
    trades: int


def checked(bar: Bar) -> Bar:
    """The bar itself, or `BadBar` if no market can have printed it: not finite, not positive, or outside its own range."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(isfinite(p) and p > 0 for p in prices):
        raise BadBar(f"{bar.symbol} {bar.start}: expected finite prices above zero, found open/high/low/close {prices}")
    if not (isfinite(bar.volume) and bar.volume >= 0):
        raise BadBar(f"{bar.symbol} {bar.start}: expected a volume of zero or more, found {bar.volume}")
    if bar.high < max(bar.open, bar.close) or bar.low > min(bar.open, bar.close):
        raise BadBar(f"{bar.symbol} {bar.start}: expected open and close inside [low, high], found open/high/low/close {prices}")
    return bar
