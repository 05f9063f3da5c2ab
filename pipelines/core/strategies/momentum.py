"""Momentum breakout: follow a name that leaves its opening range with trend, volume and strength behind it, up or down.

Long when a bar closes above the high of the first 15 minutes (and the bar before did not), above the session's VWAP, with EMA 9 over EMA 21,
RSI 14 inside a band (strong, not exhausted) and volume above the recent mean; short is its mirror image. Leaves when the trend turns: close on
the other side of VWAP and EMA 9 on the other side of EMA 21.
The opening range breakout is Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout".
"""

from typing import ClassVar

from pydantic import Field

from pipelines.core.market.indicators import Indicators
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Intent, Leave, Strategy, View


class Momentum(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "momentum"

    rsi_low: float = Field(55.0, ge=50, le=100, description="Least RSI 14 at a long entry; 100 minus it is the greatest at a short one.")
    rsi_high: float = Field(80.0, ge=50, le=100, description="Greatest RSI 14 at a long entry; 100 minus it is the least at a short one.")
    volume: float = Field(1.2, ge=0, description="Least volume of the bar over the mean of the 20 bars before it.")
    entries: int = Field(2, ge=1, description="Most entries in one symbol a day.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """A breakout to enter, a turned trend to leave, or nothing. Comparisons with NaN are false: no value, no signal."""
        if view.position:
            return self._leave(view)
        now, close, last = view.indicators, view.bar.close, view.last_close
        if last is None or view.entries >= self.entries or not now.relative_volume >= self.volume:
            return None
        if last <= now.range_high < close and _trend(now, close) > 0 and self.rsi_low <= now.rsi_14 <= self.rsi_high:
            return Enter(Side.BUY, f"broke the opening range high {now.range_high:.2f} at {close:.2f}, {_support(now)}")
        if not self.shorts:
            return None
        if last >= now.range_low > close and _trend(now, close) < 0 and self.rsi_low <= 100 - now.rsi_14 <= self.rsi_high:
            return Enter(Side.SELL, f"broke the opening range low {now.range_low:.2f} at {close:.2f}, {_support(now)}")
        return None

    def _leave(self, view: View) -> Leave | None:
        now, close = view.indicators, view.bar.close
        against = -1 if view.position > 0 else 1
        if _trend(now, close) != against:
            return None
        return Leave(f"trend turned: {close:.2f} against VWAP {now.vwap:.2f}, EMA 9 {now.ema_9:.2f} against EMA 21 {now.ema_21:.2f}")


def _trend(now: Indicators, close: float) -> int:
    """+1 where VWAP and the two EMAs agree on up, -1 on down, 0 where they do not agree or are not known."""
    if close > now.vwap and now.ema_9 > now.ema_21:
        return 1
    return -1 if close < now.vwap and now.ema_9 < now.ema_21 else 0


def _support(now: Indicators) -> str:
    return f"VWAP {now.vwap:.2f}, RSI {now.rsi_14:.0f}, volume {now.relative_volume:.1f}x"
