"""Opening-range breakout, the plain one: one trade a name a day, in the direction in which the first minutes are left behind.

Long when a bar closes above the high of the first 15 minutes by a margin, before a given minute, on volume above the recent mean; short is its
mirror image. The stop is the far side of the range, the target a multiple of that risk; there is no other exit but the end of the day.
Toby Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout"; Zarattini and Aziz (2023), "Can Day Trading Really Be
Profitable?", for the stop at the other side of the range.
"""

from typing import ClassVar

from pydantic import Field

from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Intent, Needs, Strategy, View


class OpeningRange(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "orb"
    needs: ClassVar[Needs] = Needs(warmup=20)

    margin: float = Field(0.0005, ge=0, le=0.05, description="How far beyond the range a bar has to close, fraction of the price.")
    volume: float = Field(1.5, ge=0, description="Least volume of the bar over the mean of the 20 bars before it.")
    until: int = Field(120, ge=16, le=390, description="Last minute of the session at which it enters.")
    reward: float = Field(2.0, gt=0, le=20, description="Target distance in multiples of the distance to the stop.")
    widest: float = Field(0.03, gt=0, le=0.5, description="Widest range that it trades, fraction of the price: the stop is its other side.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """An entry, or nothing. Comparisons with NaN are false: no value, no signal."""
        now, close, last = view.indicators, view.bar.close, view.last_close
        if view.position or view.entries or last is None or not now.relative_volume >= self.volume:
            return None
        if view.bar.start - view.session.open > self.until * MINUTE or not 0 < now.range_high - now.range_low <= self.widest * close:
            return None
        above, below = now.range_high * (1 + self.margin), now.range_low * (1 - self.margin)
        if last <= above < close:
            return self._enter(Side.BUY, close, close - now.range_low, f"closed above the opening range high {now.range_high:.2f}")
        if self.shorts and last >= below > close:
            return self._enter(Side.SELL, close, now.range_high - close, f"closed below the opening range low {now.range_low:.2f}")
        return None

    def _enter(self, side: Side, close: float, risk: float, reason: str) -> Enter:
        return Enter(side, f"{reason} at {close:.2f}, stop at its other side", stop=risk, target=risk * self.reward)
