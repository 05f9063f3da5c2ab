"""From a wish to an order: distances, size, gate, lineage. One way for strategies and for people, with an answer that explains itself."""

import math
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from pipelines.core.briefing import Briefing
from pipelines.core.learning.features import features
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk import rooms
from pipelines.core.risk.checks import OF_EQUITY, Ask, Book, Check, Code, Exposure, Proposal, senseless
from pipelines.core.risk.gate import Denied, Reduced, admit
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.peers import Correlations
from pipelines.core.risk.sizing import Distances, Step, distances, diversification, risked
from pipelines.core.trading.commands import MANUAL, Open
from pipelines.core.trading.decisions import Lineage
from pipelines.core.trading.instruments import Instrument
from pipelines.core.trading.orders import Side, on_tick
from pipelines.core.trading.strategy import Enter

OWN = (rooms.position_size, rooms.order_value, rooms.order_quantity, rooms.participation)
"""Bounds that size a trade by itself: they make it smaller, where the others say that there is no room for it."""


class Wish(Struct, frozen=True):
    """An entry that a strategy or a person wants. Prices in dollars; None is to be worked out."""

    strategy: str
    version: str
    symbol: str
    side: Side
    reason: str
    quantity: int | None = None
    limit: float | None = None
    stop: float | None = None
    target: float | None = None
    model: str = ""
    """The program in whose name a model asks; empty where a person or a strategy does."""


class Plan(Struct, frozen=True):
    """What an entry comes to: `quantity` 0 and `refused` set where it was not let through."""

    quantity: int
    wanted: int
    price: float
    limit: float | None
    """On the tick that pays no more than was said."""
    stop: float
    target: float | None
    reason: str
    lineage: Lineage
    refused: Check | None


def nonsense(wish: Enter | Open) -> Check | None:
    """The first of an entry's prices and distances that can be none."""
    return next(iter(senseless(limit=wish.limit, stop=wish.stop, target=wish.target).values()), None)


def plan(wish: Wish, instrument: Instrument, book: Book, briefing: Briefing, limits: Limits, peers: Correlations, *, feed: str, at: int) -> Plan:
    """Size the wish and pass it through the gate. The price is the limit, or the newest one; it does not touch any state."""
    sign, brief = wish.side.sign, instrument.brief
    limit = None if wish.limit is None else on_tick(wish.limit, toward=-sign)
    price = instrument.price if limit is None else limit
    away = distances(price, brief.atr, briefing.regime, limits)
    # A stop is rounded towards the price (less risk than planned, never more), a target too (sooner, never later).
    stop = _exit(wish.stop if wish.stop is not None else price - sign * away.stop, sign)
    target = _exit(wish.target if wish.target is not None else price + sign * away.target, -sign)
    risk = (price - stop) * sign if stop is not None else 0.0
    steps = _steps(wish, risk, away, book, briefing, limits, peers)
    quantity = wish.quantity if wish.quantity is not None else steps[-1].shares
    known = _finite(instrument.values)
    score = _score(wish, price, at, known, instrument, briefing)
    proposal = Proposal(wish.strategy, wish.symbol, sign, quantity, price, risk, instrument.facts(sign, at), at, score, wish.model)
    ask = Ask(proposal, book, briefing, limits, peers.between)
    if wish.quantity is None:
        ask, steps = _bounded(ask, steps)
    verdict = admit(ask)
    checks = verdict.checks
    shown = price if math.isfinite(price) else 0.0  # before a symbol's first price; a journal holds no other numbers
    lineage = Lineage(
        strategy=wish.strategy,
        version=wish.version,
        briefing=briefing.version,
        feed=feed,
        bar=instrument.bar.start if instrument.bar is not None else instrument.seen,
        arrival=shown,
        atr=brief.atr,
        indicators=known,
        sizing=tuple(steps),
        checks=checks,
    )
    wanted, reason, refused = ask.proposal.quantity, wish.reason, None
    if isinstance(verdict, Denied):
        return Plan(0, wanted, shown, limit, stop or 0.0, target, reason, lineage, verdict.by)
    if isinstance(verdict, Reduced):
        reason += f"; {verdict.wanted} cut to {verdict.quantity} by {verdict.by.code}: {verdict.by.detail}"
    if verdict.quantity < 1:
        tightest = min(steps, key=lambda step: step.shares)
        refused = Check(Code.QUANTITY, 0.0, 1.0, False, f"less than one share: {tightest.detail}", "sizing")
    return Plan(verdict.quantity, wanted, shown, limit, stop or 0.0, target, reason, lineage, refused)


def _steps(wish: Wish, risk: float, away: Distances, book: Book, briefing: Briefing, limits: Limits, peers: Correlations) -> list[Step]:
    """The walk from the risk of one trade to shares; an asked-for quantity is a step of its own."""
    if wish.quantity is not None:
        return [Step("asked for", wish.quantity, f"{wish.quantity} shares were asked for")]
    if not risk > 0:
        return [Step("risk", 0, "the stop is not on the losing side of the price")]
    sign = wish.side.sign
    held = [(e.value, _along(peers, wish.symbol, sign, e)) for e in book.exposures if e.symbol != wish.symbol]
    steps = risked(book.equity, risk, briefing.regime, limits, diversification(held))
    basis = away.basis if wish.stop is None else "the strategy's own stop"
    return [Step("stop", steps[0].shares, basis), *steps]


def _along(peers: Correlations, symbol: str, sign: int, held: Exposure) -> float | None:
    """Correlation as the two trades would lose together: opposite directions count it negative."""
    rho = peers.between(symbol, held.symbol)
    return None if rho is None else rho * sign * math.copysign(1.0, held.value)


def _bounded(ask: Ask, steps: list[Step]) -> tuple[Ask, list[Step]]:
    """The size after the trade's own bounds, each of which is a step where it takes something away."""
    steps, quantity = list(steps), ask.proposal.quantity
    if ask.proposal.symbol not in ask.briefing.symbols or not math.isfinite(ask.proposal.price):
        return ask, steps
    for room in OWN:
        found = room(ask)
        if found is not None and found[1] < quantity:
            quantity = max(found[1], 0)
            limit = f"{found[0].limit:.2%} of equity" if found[0].code in OF_EQUITY else f"{found[0].limit:,g}"
            steps.append(Step(found[0].code.value.lower().replace("_", " "), quantity, f"{found[0].detail}; limit {limit}"))
    wish = ask.proposal
    sized = replace(wish, quantity=quantity)
    return Ask(sized, ask.book, ask.briefing, ask.limits, ask.correlate), steps


def _score(wish: Wish, price: float, at: int, known: Mapping[str, float], instrument: Instrument, briefing: Briefing) -> float | None:
    """The chance of a profit by the strategy's scorer; NaN without one; None for people, whom nobody scores."""
    if wish.strategy == MANUAL:
        return None
    scorer = briefing.scorers.get(wish.strategy)
    return math.nan if scorer is None else scorer.probability(features(wish.side.sign, price, at, known, instrument.brief, briefing.hours))


def _exit(price: float | None, toward: int) -> float | None:
    """On the tick; a price that cannot be one (not above zero, not known) is none."""
    return on_tick(price, toward=toward) if price is not None and price > 0 else None


def _finite(values: Indicators | None) -> dict[str, float]:
    return {} if values is None else {name: value for name, value in values._asdict().items() if math.isfinite(value)}
