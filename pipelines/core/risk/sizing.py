"""How many shares: from the risk of one trade down to what every other bound leaves, each reduction with its reason."""

import math
from dataclasses import dataclass

from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import Regime


@dataclass(frozen=True, slots=True)
class Step:
    """One bound on the quantity: shares it allows, and why in words with numbers."""

    bound: str
    shares: int
    detail: str


@dataclass(frozen=True, slots=True)
class Size:
    """The quantity with the walk that led to it; the stop and target distances in dollars."""

    quantity: int
    stop: float
    target: float
    steps: tuple[Step, ...]


def size(*, equity: float, price: float, atr: float, adv: float | None, regime: Regime, limits: Limits) -> Size:
    """Shares for a new position, whole and never above any bound.

    quantity = floor(risk_per_trade * equity * regime size multiplier / stop distance), stop distance = stop_atr * ATR * regime stop multiplier:
    the fixed fractional rule on a volatility stop (Tharp 1998, "Trade Your Way to Financial Freedom", chapter 12). Then the position limit
    and the share of the symbol's daily volume cut it.
    """
    stop = limits.stop_atr * atr * regime.stop_multiplier
    target = limits.target_atr * atr * regime.target_multiplier
    budget = limits.risk_per_trade * equity * regime.size_multiplier
    cap = limits.max_position_size * regime.position_multiplier
    steps = [
        Step("risk", math.floor(budget / stop), f"{budget:,.2f} at risk over a stop {stop:.2f} away ({regime.name} regime)"),
        Step("position size", math.floor(cap * equity / price), f"{cap:.1%} of {equity:,.2f} at {price:.2f}"),
    ]
    if adv is not None:
        steps.append(Step("participation", math.floor(limits.max_participation * adv), f"{limits.max_participation:.1%} of {adv:,.0f} shares a day"))
    return Size(max(0, min(step.shares for step in steps)), stop, target, tuple(steps))
