"""Mean reversion to VWAP: lean against a name that has run far from the session's average price without the volume to carry it.

Long when a bar closes below the lower Bollinger band (20, 2) and more than a number of band widths under VWAP, RSI 14 is oversold and the bar closes
in its upper half (the fall was bought); short is its mirror image. Leaves when the price is back at VWAP. Not in the first half hour, when VWAP
means little, and not in the last hour, when there is no time to come back.
John Bollinger (2001), "Bollinger on Bollinger Bands", chapter on reversals; a contrast to `momentum`, on the same indicators.
"""

from typing import ClassVar

from pydantic import Field

from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Intent, Leave, Strategy, View


class Reversion(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "reversion"

    stretch: float = Field(1.0, ge=0, le=20, description="Least distance from VWAP, in half widths of the Bollinger band.")
    oversold: float = Field(25.0, ge=0, le=50, description="RSI 14 below which a name is oversold; above 100 minus it, overbought.")
    risk: float = Field(0.75, gt=0, le=10, description="Stop distance as a share of the distance to VWAP, which is the target.")
    first: int = Field(30, ge=0, le=390, description="Minute of the session from which it enters.")
    last: int = Field(60, ge=0, le=390, description="Minutes before the close at which it enters no more.")
    entries: int = Field(2, ge=1, description="Most entries in one symbol a day.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """An entry against the run, an exit at VWAP, or nothing. Comparisons with NaN are false: no value, no signal."""
        bar, now = view.bar, view.indicators
        if view.position:
            back = bar.close >= now.vwap if view.position > 0 else bar.close <= now.vwap
            return Leave(f"back at VWAP {now.vwap:.2f}: {bar.close:.2f}") if back else None
        since, left = bar.start - view.session.open, view.session.close - bar.start
        if view.entries >= self.entries or since < self.first * MINUTE or left <= self.last * MINUTE:
            return None
        away = now.vwap - bar.close
        if abs(away) < self.stretch * (now.bb_upper - now.bb_middle):
            return None
        if bar.close < now.bb_lower and now.rsi_14 <= self.oversold and _closed_high(bar):
            return self._enter(Side.BUY, bar, now, away)
        if self.shorts and bar.close > now.bb_upper and now.rsi_14 >= 100 - self.oversold and not _closed_high(bar):
            return self._enter(Side.SELL, bar, now, -away)
        return None

    def _enter(self, side: Side, bar: Bar, now: Indicators, distance: float) -> Enter | None:
        if not distance > 0:
            return None
        reason = f"{distance / now.vwap:.2%} from VWAP {now.vwap:.2f} at {bar.close:.2f}, RSI {now.rsi_14:.0f}, beyond its band"
        return Enter(side, reason, stop=self.risk * distance, target=distance)


def _closed_high(bar: Bar) -> bool:
    """The close lies in the upper half of the bar."""
    return bar.close * 2 >= bar.high + bar.low
