"""Momentum breakout: buy a name that leaves its opening range upwards with trend, volume and strength behind it.

Long when a bar closes above the high of the first 15 minutes (and the bar before did not), above the session's VWAP, with EMA 9 over EMA 21,
RSI 14 inside a band (strong, not exhausted) and volume above the recent mean. Leaves when the trend turns: close below VWAP and EMA 9 below EMA 21.
The opening range breakout is Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout".
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Leave, View


class Momentum(BaseModel):
    """The parameters are the fields; the object keeps no state of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rsi_low: float = Field(55.0, ge=0, le=100, description="Least RSI 14 at the entry.")
    rsi_high: float = Field(80.0, ge=0, le=100, description="Greatest RSI 14 at the entry.")
    volume: float = Field(1.2, ge=0, description="Least volume of the bar over the mean of the 20 bars before it.")
    entries: int = Field(2, ge=1, description="Most entries in one symbol a day.")

    @property
    def name(self) -> str:
        """Part of every order's lineage."""
        return "momentum"

    @property
    def parameters(self) -> Mapping[str, float]:
        """All that its answers depend on."""
        return self.model_dump()

    def on_bar(self, view: View) -> Enter | Leave | None:
        """A breakout to enter, a turned trend to leave, or nothing. Comparisons with NaN are false: no value, no signal."""
        now, close = view.indicators, view.bar.close
        if view.position:
            if close < now.vwap and now.ema_9 < now.ema_21:
                return Leave(f"trend turned: {close:.2f} below VWAP {now.vwap:.2f}, EMA 9 {now.ema_9:.2f} below EMA 21 {now.ema_21:.2f}")
            return None
        if view.last_close is None or view.entries >= self.entries:
            return None
        breakout = view.last_close <= now.range_high < close
        trend = close > now.vwap and now.ema_9 > now.ema_21
        strength = self.rsi_low <= now.rsi_14 <= self.rsi_high
        if not (breakout and trend and strength and now.relative_volume >= self.volume):
            return None
        return Enter(
            Side.BUY,
            f"broke the opening range high {now.range_high:.2f} at {close:.2f}, VWAP {now.vwap:.2f}, "
            f"RSI {now.rsi_14:.0f}, volume {now.relative_volume:.1f}x",
        )
