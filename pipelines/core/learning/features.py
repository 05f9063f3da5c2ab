"""What a scorer looks at: scale-free, signed by the side, and all of it known at the decision. One function for training and for trading."""

import math
from collections.abc import Mapping

from pipelines.core.briefing import SymbolBrief
from pipelines.core.market.session import Session

FEATURES = ("vwap", "trend", "slope", "strength", "volume", "move", "range", "minute", "time", "side")


def features(side: int, price: float, at: int, indicators: Mapping[str, float], brief: SymbolBrief, hours: Session) -> tuple[float, ...]:
    """The values of `FEATURES` for an entry on this side; NaN where something is not known. Distances are in daily ATR 14.

    vwap, trend, slope: price over VWAP, EMA 9 over EMA 21, EMA 21 over EMA 50; strength: RSI 14 from 50, -1 to 1; volume: logarithm of the relative
    volume; move: price over the last daily close; range: width of the opening range; minute: ATR 14 of minutes; time: share of the session gone.
    """

    def value(name: str) -> float:
        return indicators.get(name, math.nan)

    atr, relative = brief.atr or math.nan, value("relative_volume")
    return (
        side * (price - value("vwap")) / atr,
        side * (value("ema_9") - value("ema_21")) / atr,
        side * (value("ema_21") - value("ema_50")) / atr,
        side * (value("rsi_14") - 50) / 50,
        math.log(relative) if relative > 0 else math.nan,
        side * (price - (math.nan if brief.close is None else brief.close)) / atr,
        (value("range_high") - value("range_low")) / atr,
        value("atr_14") / atr,
        (at - hours.open) / (hours.close - hours.open),
        float(side),
    )
