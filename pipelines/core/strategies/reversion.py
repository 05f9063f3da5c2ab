"""Mean reversion to VWAP: lean against a name that has run far from the session's average price without the volume to carry it.

Long when a bar closes below the lower Bollinger band (20, 2) and more than a number of band widths under VWAP, RSI 14 is oversold and the bar closes
in its upper half (the fall was bought); short is its mirror image. Leaves when the price is back at VWAP. Not in the first half hour, when VWAP
means little, and not in the last hour, when there is no time to come back.
John Bollinger (2001), "Bollinger on Bollinger Bands", chapter on reversals; a contrast to `momentum`, on the same indicators.
"""

import math
from typing import ClassVar

from pydantic import Field

from pipelines.core.compiled import shared
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import NOTHING, Enter, Intent, Leave, Needs, Signal, Signals, Strategy, View


@shared
def beyond(bar: Bar, last: float, now: Indicators) -> int:
    """+1 below the lower Bollinger band (to be bought), -1 above the upper one. Comparisons with NaN are false: no value, no signal."""
    if bar.close < now.bb_lower:
        return 1
    return -1 if bar.close > now.bb_upper else 0


@shared
def enter(own: "Reversion", bar: Bar, last: float, now: Indicators, entries: int, since: int, left: int) -> Signal:
    """A bar beyond its band, stretched from VWAP, exhausted, that closes against the run."""
    if entries >= own.entries or since < own.first * MINUTE or left <= own.last * MINUTE:
        return NOTHING
    side = beyond(bar, last, now)
    distance = (now.vwap - bar.close) * side
    if side == 0 or not distance > 0 or distance < own.stretch * (now.bb_upper - now.bb_middle):
        return NOTHING
    above = bar.close * 2 - (bar.high + bar.low)  # of the bar's middle, on which a bar turns either way
    bought = side > 0 and above >= 0 and now.rsi_14 <= own.oversold
    sold = side < 0 and own.shorts and above <= 0 and now.rsi_14 >= 100 - own.oversold
    return Signal(side, own.risk * distance, distance) if bought or sold else NOTHING


@shared
def leave(own: "Reversion", bar: Bar, now: Indicators, position: int) -> bool:
    """The price is back at VWAP."""
    return bar.close >= now.vwap if position > 0 else bar.close <= now.vwap


class Reversion(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "reversion"
    needs: ClassVar[Needs] = Needs(warmup=20)
    signals: ClassVar[Signals | None] = Signals(beyond, enter, leave)

    stretch: float = Field(1.0, ge=0, le=20, description="Least distance from VWAP, in half widths of the Bollinger band.")
    oversold: float = Field(25.0, ge=0, le=50, description="RSI 14 below which a name is oversold; above 100 minus it, overbought.")
    risk: float = Field(0.75, gt=0, le=10, description="Stop distance as a share of the distance to VWAP, which is the target.")
    first: int = Field(30, ge=0, le=390, description="Minute of the session from which it enters.")
    last: int = Field(60, ge=0, le=390, description="Minutes before the close at which it enters no more.")
    entries: int = Field(2, ge=1, description="Most entries in one symbol a day.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """An entry against the run, an exit at VWAP, or nothing."""
        bar, now, hours = view.bar, view.indicators, view.session
        if view.position:
            return Leave(f"back at VWAP {now.vwap:.2f}: {bar.close:.2f}") if leave(self, bar, now, view.position) else None
        last = math.nan if view.last_close is None else view.last_close
        side, stop, target = enter(self, bar, last, now, view.entries, bar.start - hours.open, hours.close - bar.start)
        if side == 0:
            return None
        reason = f"{target / now.vwap:.2%} from VWAP {now.vwap:.2f} at {bar.close:.2f}, RSI {now.rsi_14:.0f}, beyond its band"
        return Enter(Side.BUY if side > 0 else Side.SELL, reason, stop=stop, target=target)
