"""How many shares, and how far away stop and target are: from the risk of one trade, each step with its reason in words and numbers.

quantity = floor(risk_per_trade * equity * regime * diversification / stop distance): the fixed fractional rule on a volatility stop
(Tharp 1998, "Trade Your Way to Financial Freedom", chapter 12). The stop is `stop_atr` daily ATRs away, the target `target_atr`,
both stretched in a nervous regime. What the limits leave of it is the gate's business.
"""

import math
from collections.abc import Iterable

from msgspec import Struct

from pipelines.core.compiled import shared
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.regimes import Regime


class Step(Struct, frozen=True):
    """One bound on the quantity: shares it allows, and why in words with numbers."""

    bound: str
    shares: int
    detail: str


class Distances(Struct, frozen=True):
    """How far stop and target are from the entry, dollars a share, and what they stand on."""

    stop: float
    target: float
    basis: str


def distances(price: float, atr: float | None, regime: Regime, limits: Limits) -> Distances:
    """By ATR, or, where it is not known, by the default percentages; `basis` says which."""
    near, far = spans(price, atr or 0.0, regime.stop_multiplier, regime.target_multiplier, limits)
    if atr is not None and atr > 0:
        multiples = f"{near / atr:.4g} and {far / atr:.4g} ATR of {atr:.2f}"
        return Distances(near, far, f"{multiples} ({regime.name} regime: {limits.stop_atr:g} and {limits.target_atr:g} stretched)")
    words = f"ATR is not known: {limits.default_stop_loss:.1%} and {limits.default_take_profit:.1%} of {price:.2f} by default"
    return Distances(near, far, words)


@shared
def spans(price: float, atr: float, stop_multiplier: float, target_multiplier: float, limits: Limits) -> tuple[float, float]:
    """Distances of stop and target, dollars a share; an ATR of 0 is an unknown one."""
    if atr > 0:
        return limits.stop_atr * stop_multiplier * atr, limits.target_atr * target_multiplier * atr
    return limits.default_stop_loss * price, limits.default_take_profit * price


def diversification(held: Iterable[tuple[float, float | None]]) -> float:
    """What correlation to the book leaves of the risk: 1 / (1 + rho), rho the value-weighted mean of the positive correlations.

    `held` are (value, correlation) of what is held, both signed as this trade would lose with it: a short counts its correlation negative.
    An unknown correlation takes nothing away: sector and size limits hold such names. Between 1/2 (the same bet again) and 1. A rule of
    ours: two equal bets of correlation rho have 2 (1 + rho) times the variance of one, and independent ones twice.
    """
    total = weighted = 0.0
    for value, rho in held:
        total += abs(value)
        weighted += abs(value) * max(rho or 0.0, 0.0)
    return independence(total, weighted)


@shared
def independence(total: float, weighted: float) -> float:
    """1 / (1 + the weighted mean of correlations); 1 where nothing is held."""
    return 1.0 / (1.0 + weighted / total) if total > 0 else 1.0


def risked(equity: float, stop: float, regime: Regime, limits: Limits, diversified: float = 1.0) -> list[Step]:
    """The steps from the plain risk budget to what regime and correlation leave of it; the last one is the tightest. Whole shares."""
    budget = limits.risk_per_trade * equity
    steps = [_step("risk", budget, stop, f"{limits.risk_per_trade:.2%} of {equity:,.2f}")]
    if regime.size_multiplier != 1.0:
        budget *= regime.size_multiplier
        steps.append(_step("regime", budget, stop, f"times {regime.size_multiplier:g} ({regime.name} regime)"))
    if diversified < 1.0:
        budget *= diversified
        steps.append(_step("diversification", budget, stop, f"times {diversified:.2f} for correlation to the book"))
    return steps


def _step(bound: str, budget: float, stop: float, words: str) -> Step:
    return Step(bound, shares(budget, stop), f"{budget:,.2f} at risk ({words}) over a stop {stop:.2f} away")


@shared
def shares(budget: float, stop: float) -> int:
    """Whole shares that lose the budget at a stop this far away."""
    return max(0, math.floor(budget / stop))
