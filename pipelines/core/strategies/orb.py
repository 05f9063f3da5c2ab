"""Opening-range breakout, the plain one: one trade a name a day, in the direction in which the first minutes are left behind.

Long when a bar closes above the high of the first 15 minutes by a margin, before a given minute, on volume above the recent mean; short is its
mirror image. The stop is the far side of the range, the target a multiple of that risk; there is no other exit but the end of the day.
Toby Crabel (1990), "Day Trading with Short Term Price Patterns and Opening Range Breakout"; Zarattini and Aziz (2023), "Can Day Trading Really Be
Profitable?", for the stop at the other side of the range.
"""

from typing import ClassVar

from pydantic import Field

from pipelines.core.compiled import shared
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import NOTHING, Enter, Intent, Needs, Signal, Signals, Strategy, View


@shared
def outside(bar: Bar, last: float, now: Indicators) -> int:
    """The side of the opening range that the bar closed on; 0 inside it. Comparisons with NaN are false: no value, no signal."""
    if bar.close > now.range_high:
        return 1
    return -1 if bar.close < now.range_low else 0


@shared
def enter(own: "OpeningRange", bar: Bar, last: float, now: Indicators, entries: int, since: int, left: int) -> Signal:
    """The day's first close beyond the range by the margin, with volume, early enough; its stop is the range's other side."""
    if entries or not now.relative_volume >= own.volume or since > own.until * MINUTE:
        return NOTHING
    side, close = outside(bar, last, now), bar.close
    if side == 0 or not 0 < now.range_high - now.range_low <= own.widest * close:
        return NOTHING
    if side > 0:
        crossed, risk = last <= now.range_high * (1 + own.margin) < close, close - now.range_low
    else:
        crossed, risk = own.shorts and last >= now.range_low * (1 - own.margin) > close, now.range_high - close
    return Signal(side, risk, risk * own.reward) if crossed else NOTHING


@shared
def leave(own: "OpeningRange", bar: Bar, now: Indicators, position: int) -> bool:
    """Never: stop, target or the end of the day."""
    return False


class OpeningRange(Strategy):
    """Keeps no state of its own."""

    name: ClassVar[str] = "orb"
    needs: ClassVar[Needs] = Needs(warmup=20)
    signals: ClassVar[Signals | None] = Signals(outside, enter, leave)

    margin: float = Field(0.0005, ge=0, le=0.05, description="How far beyond the range a bar has to close, fraction of the price.")
    volume: float = Field(1.5, ge=0, description="Least volume of the bar over the mean of the 20 bars before it.")
    until: int = Field(120, ge=16, le=390, description="Last minute of the session at which it enters.")
    reward: float = Field(2.0, gt=0, le=20, description="Target distance in multiples of the distance to the stop.")
    widest: float = Field(0.03, gt=0, le=0.5, description="Widest range that it trades, fraction of the price: the stop is its other side.")
    shorts: bool = Field(True, description="Whether it may sell short.")

    def on_bar(self, view: View) -> Intent | None:
        """An entry, or nothing."""
        now, bar, last, hours = view.indicators, view.bar, view.last_close, view.session
        if view.position or last is None:
            return None
        side, stop, target = enter(self, bar, last, now, view.entries, bar.start - hours.open, hours.close - bar.start)
        if side == 0:
            return None
        edge = f"above the opening range high {now.range_high:.2f}" if side > 0 else f"below the opening range low {now.range_low:.2f}"
        reason = f"closed {edge} at {bar.close:.2f}, stop at its other side"
        return Enter(Side.BUY if side > 0 else Side.SELL, reason, stop=stop, target=target)
