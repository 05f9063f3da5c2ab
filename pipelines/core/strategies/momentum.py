"""Momentum breakout: follow a name that leaves its opening range with trend, volume and strength behind it, up or down.

Long when a bar closes above the high of the first 15 minutes (and the bar before did not), above the session's VWAP, with EMA 9 over EMA 21,
RSI 14 inside a band (strong, not exhausted) and volume above the recent mean; short is its mirror image. Leaves when the trend turns: close on
the other side of VWAP and EMA 9 on the other side of EMA 21.
The opening range breakout is Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout".
"""

import math
from typing import ClassVar

from pydantic import Field

from pipelines.core.compiled import shared
from pipelines.core.market.bars import Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import NOTHING, Enter, Intent, Leave, Needs, Signal, Signals, Strategy, View


@shared
def _trend(now: Indicators, close: float) -> int:
    """+1 where VWAP and the two EMAs agree on up, -1 on down, 0 where they do not agree or are not known."""
    if close > now.vwap and now.ema_9 > now.ema_21:
        return 1
    return -1 if close < now.vwap and now.ema_9 < now.ema_21 else 0


@shared
def breakout(bar: Bar, last: float, now: Indicators) -> int:
    """The side on which the bar left the opening range with the trend; 0 where it did not. Comparisons with NaN are false: no value, no signal."""
    if last <= now.range_high < bar.close and _trend(now, bar.close) > 0:
        return 1
    return -1 if last >= now.range_low > bar.close and _trend(now, bar.close) < 0 else 0


@shared
def enter(own: "Momentum", bar: Bar, last: float, now: Indicators, entries: int, since: int, left: int) -> Signal:
    """A breakout with volume and strength."""
    side = breakout(bar, last, now)
    if side == 0 or entries >= own.entries or not now.relative_volume >= own.volume:
        return NOTHING
    strength = now.rsi_14 if side > 0 else 100 - now.rsi_14
    if not own.rsi_low <= strength <= own.rsi_high or (side < 0 and not own.shorts):
        return NOTHING
    return Signal(side, math.nan, math.nan)


@shared
def leave(own: "Momentum", bar: Bar, now: Indicators, position: int) -> bool:
    """The trend turned against the position."""
    return _trend(now, bar.close) == (-1 if position > 0 else 1)


class Momentum(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "momentum"
    needs: ClassVar[Needs] = Needs(warmup=21)
    signals: ClassVar[Signals | None] = Signals(breakout, enter, leave)

    rsi_low: float = Field(55.0, ge=50, le=100, description="Least RSI 14 at a long entry; 100 minus it is the greatest at a short one.")
    rsi_high: float = Field(80.0, ge=50, le=100, description="Greatest RSI 14 at a long entry; 100 minus it is the least at a short one.")
    volume: float = Field(1.2, ge=0, description="Least volume of the bar over the mean of the 20 bars before it.")
    entries: int = Field(2, ge=1, description="Most entries in one symbol a day.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """A breakout to enter, a turned trend to leave, or nothing."""
        bar, now, last = view.bar, view.indicators, view.last_close
        close = bar.close
        if view.position:
            if not leave(self, bar, now, view.position):
                return None
            return Leave(f"trend turned: {close:.2f} against VWAP {now.vwap:.2f}, EMA 9 {now.ema_9:.2f} against EMA 21 {now.ema_21:.2f}")
        if last is None:
            return None
        side = enter(self, bar, last, now, view.entries, 0, 0).side
        if side == 0:
            return None
        support = f"VWAP {now.vwap:.2f}, RSI {now.rsi_14:.0f}, volume {now.relative_volume:.1f}x"
        if side > 0:
            return Enter(Side.BUY, f"broke the opening range high {now.range_high:.2f} at {close:.2f}, {support}")
        return Enter(Side.SELL, f"broke the opening range low {now.range_low:.2f} at {close:.2f}, {support}")
