"""The gate's rooms: each limit on a sum, with the shares that it leaves. None: the limit does not apply.

Values are fractions of equity, this entry at its wanted size included.
"""

import math
from collections.abc import Callable

from pipelines.core.briefing import Briefing
from pipelines.core.compiled import shared
from pipelines.core.risk.checks import Ask, Check, Code, Exposure
from pipelines.core.risk.limits import Limits

LARGEST = 5
"""Positions in the concentration limit."""

NOISE = 1e-9
"""Shares: what floating point may take from a whole number."""

Room = tuple[Check, int]


def _room(ask: Ask, code: Code, used: float, limit: float, detail: str, setting: str) -> Room:
    """How many shares fit between what is used (dollars) and the limit (fraction of equity)."""
    price, equity = ask.proposal.price, ask.book.equity
    value = (used + ask.proposal.quantity * price) / equity
    return ask.check(code, value, limit, value <= limit + NOISE, detail, setting), fits(limit * equity - used, price)


@shared
def fits(left: float, price: float) -> int:
    """Whole shares at this price for so many dollars."""
    return math.floor(left / price + NOISE)


def _signed_room(ask: Ask, code: Code, net: float, weight: float, limit: float, detail: str, setting: str) -> Room:
    """The same where long and short cancel: `net` dollars before, and each dollar of this entry counts `weight` (its sign included)."""
    price, equity = ask.proposal.price, ask.book.equity
    value = abs(net + ask.proposal.quantity * price * weight) / equity
    shares = fits_signed(ask.proposal.quantity, price, net, weight, limit * equity)
    return ask.check(code, value, limit, shares >= ask.proposal.quantity, detail, setting), shares


@shared
def fits_signed(quantity: int, price: float, net: float, weight: float, most: float) -> int:
    """Whole shares of the quantity that keep the net sum within `most` dollars either way, or bring it nearer to nothing."""
    after = net + quantity * price * weight
    if weight == 0.0 or abs(after) <= most * (1.0 + NOISE) or abs(after) <= abs(net):
        return quantity
    return fits(most - net * math.copysign(1.0, weight), price * abs(weight))


def position_size(ask: Ask) -> Room:
    """One symbol, whoever holds it; the regime may make it smaller."""
    limit = ask.limits.max_position_size * ask.briefing.regime.position_multiplier
    used = sum(abs(e.value) for e in ask.book.exposures if e.symbol == ask.proposal.symbol)
    before = f", {used:,.2f} of it before" if used else ""
    detail = f"{used + ask.proposal.quantity * ask.proposal.price:,.2f} in {ask.proposal.symbol}{before}"
    return _room(ask, Code.POSITION_SIZE, used, limit, detail, _stretched("max_position_size", ask.briefing.regime.position_multiplier))


def order_value(ask: Ask) -> Room:
    """One order's dollars (RTS 6 article 15(1)(b))."""
    value, limit = ask.proposal.quantity * ask.proposal.price, ask.limits.max_order_value
    check = ask.check(Code.ORDER_VALUE, value, limit, value <= limit, f"an order of {value:,.2f}", "max_order_value")
    return check, fits(limit, ask.proposal.price)


def order_quantity(ask: Ask) -> Room:
    """One order's shares (RTS 6 article 15(1)(c))."""
    shares, limit = ask.proposal.quantity, ask.limits.max_order_quantity
    return ask.check(Code.ORDER_QUANTITY, shares, limit, shares <= limit, f"an order of {shares:,} shares", "max_order_quantity"), limit


def model_value(ask: Ask) -> Room | None:
    """What models have opened in the session, closed or not: one that opens and closes all day is held by it too."""
    if not ask.proposal.model:
        return None
    used, limit, price = ask.book.modelled[1], ask.limits.max_model_value, ask.proposal.price
    value = used + ask.proposal.quantity * price
    check = ask.check(Code.MODEL_VALUE, value, limit, value <= limit, f"{value:,.2f} opened by models{ask.book.opened_by}", "max_model_value")
    return check, fits(limit - used, price)


def participation(ask: Ask) -> Room | None:
    """A share of the symbol's average daily volume, and of what the quote shows."""
    adv, shown = ask.brief.adv, ask.proposal.facts.displayed
    bounds = [(ask.limits.max_participation * adv, f"{adv:,.0f} shares a day", "max_participation")] if adv is not None else []
    bounds += [(ask.limits.max_displayed * shown, f"{shown:,.0f} shares shown by the quote", "max_displayed")] if shown is not None else []
    if not bounds:
        return None
    most, words, setting = min(bounds)
    shares = ask.proposal.quantity
    detail = f"{shares:,} shares of {ask.proposal.symbol} against {words}"
    return ask.check(Code.PARTICIPATION, shares, most, shares <= most, detail, setting), math.floor(most + NOISE)


def budget(ask: Ask) -> Room | None:
    """The strategy's own share of the gross exposure; who has none named (a person) has all of it."""
    name = ask.proposal.strategy
    share = ask.book.budgets.get(name)
    if share is None:
        return None
    used = sum(abs(e.value) for e in ask.book.exposures if e.strategy == name)
    detail = f"{name} uses {used:,.2f} of {share:.0%} of the gross exposure"
    return _room(ask, Code.BUDGET, used, share * ask.limits.max_gross_exposure, detail, "strategies")


def gross(ask: Ask) -> Room:
    """Everything, long and short added up."""
    used = sum(abs(e.value) for e in ask.book.exposures)
    return _room(ask, Code.GROSS, used, ask.limits.max_gross_exposure, f"{used:,.2f} held before", "max_gross_exposure")


def net(ask: Ask) -> Room:
    """Long less short."""
    before = sum(e.value for e in ask.book.exposures)
    return _signed_room(ask, Code.NET, before, ask.proposal.side, ask.limits.max_net_exposure, f"{before:+,.2f} net before", "max_net_exposure")


def sector(ask: Ask) -> Room:
    """One GICS sector; names whose sector is unknown are a sector of their own."""
    own = ask.brief.sector
    peers = [e for e in ask.book.exposures if _sector(ask.briefing, e.symbol) == own]
    detail = f"{own}: {_names(peers, ask)}"
    return _room(ask, Code.SECTOR, _gross(peers), ask.limits.max_sector_exposure, detail, "max_sector_exposure")


def correlation(ask: Ask) -> Room:
    """One bet: names that move together, or that the night put into one cluster."""
    limit = ask.limits.max_correlation
    peers = [e for e in ask.book.exposures if e.symbol != ask.proposal.symbol and _alike(ask, e.symbol)]
    detail = f"correlated above {limit:g} or in one cluster: {_names(peers, ask)}"
    return _room(ask, Code.CORRELATION, _gross(peers), ask.limits.max_correlated_exposure, detail, "max_correlated_exposure")


def beta(ask: Ask) -> Room:
    """The market: values times betas, long less short. An unknown beta counts as 1."""
    before = sum(e.value * _beta(ask.briefing, e.symbol) for e in ask.book.exposures)
    own = _beta(ask.briefing, ask.proposal.symbol)
    detail = f"{before:+,.2f} of the market before, beta {own:.2f}"
    return _signed_room(ask, Code.BETA, before, own * ask.proposal.side, ask.limits.max_beta_exposure, detail, "max_beta_exposure")


def concentration(ask: Ask) -> Room:
    """The five largest names, this one among them."""
    sums: dict[str, float] = {}
    for e in ask.book.exposures:
        sums[e.symbol] = sums.get(e.symbol, 0.0) + abs(e.value)
    own = sums.pop(ask.proposal.symbol, 0.0)
    others = sorted(sums.values(), reverse=True)[: LARGEST - 1]
    detail = f"the {len(others) + 1} largest positions"
    return _room(ask, Code.CONCENTRATION, own + sum(others), ask.limits.max_concentration, detail, "max_concentration")


def heat(ask: Ask) -> Room:
    """The loss if every stop were hit at once; the regime may allow less of it."""
    used, distance, equity = sum(e.heat for e in ask.book.exposures), ask.proposal.stop, ask.book.equity
    limit, setting = bearable(ask.briefing, ask.limits)
    value = (used + ask.proposal.quantity * distance) / equity
    check = ask.check(Code.HEAT, value, limit, value <= limit + NOISE, f"{used:,.2f} at risk before, {distance:.2f} a share more", setting)
    return check, fits(limit * equity - used, distance)


def bearable(briefing: Briefing, limits: Limits) -> tuple[float, str]:
    """The most heat, fraction of equity, and the setting that it comes from."""
    multiplier = briefing.regime.heat_multiplier
    return limits.max_portfolio_heat * multiplier, _stretched("max_portfolio_heat", multiplier)


def buying_power(ask: Ask) -> Room:
    """What the broker lets this account buy, less all that is on its way (the intraday margin rule of 2026; there is no day-trade counter)."""
    wanted, free = ask.proposal.quantity * ask.proposal.price, ask.book.buying_power
    check = ask.check(Code.BUYING_POWER, wanted, free, wanted <= free, f"{wanted:,.2f} of {free:,.2f} free", "broker")
    return check, fits(free, ask.proposal.price)


def _stretched(setting: str, multiplier: float) -> str:
    """Where a limit comes from that the regime has a say in."""
    return setting if multiplier == 1.0 else f"{setting} x {multiplier:g} by regime"


def _sector(briefing: Briefing, symbol: str) -> str | None:
    brief = briefing.symbols.get(symbol)
    return brief.sector if brief else None


def _beta(briefing: Briefing, symbol: str) -> float:
    brief = briefing.symbols.get(symbol)
    return 1.0 if brief is None or brief.beta is None else brief.beta


def _alike(ask: Ask, symbol: str) -> bool:
    other = ask.briefing.symbols.get(symbol)
    together = other is not None and other.cluster is not None and other.cluster == ask.brief.cluster
    return together or (ask.correlate(ask.proposal.symbol, symbol) or 0.0) > ask.limits.max_correlation


def _gross(exposures: list[Exposure]) -> float:
    return sum(abs(e.value) for e in exposures)


def _names(exposures: list[Exposure], ask: Ask) -> str:
    """What counts together, the one that is asked for last."""
    return ", ".join([*sorted({e.symbol for e in exposures} - {ask.proposal.symbol}), ask.proposal.symbol])


ROOMS: tuple[Callable[[Ask], Room | None], ...] = (
    *(position_size, order_value, order_quantity, model_value, participation, budget),
    *(gross, net, sector, correlation, beta, concentration, heat, buying_power),
)
