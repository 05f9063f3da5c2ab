"""The gate: every order that adds risk passes here, whoever asked for it; an order that reduces risk never does.

Exposure is counted at worst case: positions, working orders and orders whose outcome is unknown, all as if filled (RTS 6 article 15(2)).
Permissions say yes or no; rooms say how many shares a limit on a sum leaves. `admit` asks them in the order of the two lists below,
the cheap and absolute ones first, and stops at the first no. To add a control: write its function, put it into a list, test it.
"""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.core.risk.limits import Limits

LEAST_SHARE = 0.5
"""An entry cut below this share of what was wanted is not the trade that was meant: it is refused instead."""

LARGEST = 5
"""Positions in the concentration limit."""

NOISE = 1e-9
"""Shares: what floating point may take from a whole number."""


class Code(StrEnum):
    """What a control looks at."""

    STATE = "STATE"
    STRATEGY = "STRATEGY"
    BRIEFING = "BRIEFING"
    RESTRICTED = "RESTRICTED"
    HISTORY = "HISTORY"
    TRADABLE = "TRADABLE"
    SHORTABLE = "SHORTABLE"
    SESSION = "SESSION"
    HALTED = "HALTED"
    TAINTED = "TAINTED"
    STALE_DATA = "STALE_DATA"
    FEED = "FEED"
    PRICE_SCALE = "PRICE_SCALE"
    COLLAR = "COLLAR"
    BAND = "BAND"
    STOP = "STOP"
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    COOLDOWN = "COOLDOWN"
    ENTRIES = "ENTRIES"
    ORDER_RATE = "ORDER_RATE"
    DUPLICATE = "DUPLICATE"
    SELF_CROSS = "SELF_CROSS"
    POSITIONS = "POSITIONS"
    POSITION_SIZE = "POSITION_SIZE"
    ORDER_VALUE = "ORDER_VALUE"
    ORDER_QUANTITY = "ORDER_QUANTITY"
    PARTICIPATION = "PARTICIPATION"
    BUDGET = "BUDGET"
    GROSS = "GROSS"
    NET = "NET"
    SECTOR = "SECTOR"
    CORRELATION = "CORRELATION"
    BETA = "BETA"
    CONCENTRATION = "CONCENTRATION"
    HEAT = "HEAT"
    BUYING_POWER = "BUYING_POWER"
    QUANTITY = "QUANTITY"


class Check(Struct, frozen=True):
    """One control as it stood: what was measured, what was allowed, in words with numbers, and where the limit came from."""

    code: Code
    value: float
    limit: float
    passed: bool
    detail: str
    origin: str = ""


class Facts(Struct, frozen=True):
    """What the market says of a symbol at this moment. Dollars, shares, nanoseconds UTC."""

    price: float
    """The newest price of any kind."""
    seen: int
    """When that price began to hold: a bar's start, a trade's or a quote's time."""
    halted: str = ""
    """Why it is halted; empty where it trades."""
    tainted: str = ""
    low: float = 0.0
    high: float = math.inf
    displayed: float | None = None
    """Shares that the quote shows on the side that would be hit; None where quotes are not followed."""


class Proposal(Struct, frozen=True):
    """An entry that somebody wants. `price` is what it is expected to pay, `stop` the distance to its stop, dollars a share."""

    strategy: str
    symbol: str
    side: int
    quantity: int
    price: float
    stop: float
    facts: Facts
    at: int


class Exposure(Struct, frozen=True):
    """What one trade may come to at worst: shares held, working and unknown, all as if filled. Dollars, `value` signed."""

    strategy: str
    symbol: str
    value: float
    heat: float


class Book(Struct, frozen=True):
    """The account as the gate sees it. Dollars."""

    equity: float
    start: float
    """Equity at the start of the session."""
    peak: float
    """Highest equity of the session."""
    buying_power: float
    """What is free after all that works or is unknown has filled."""
    state: str
    feeds: Mapping[str, bool]
    """Health of each market data source; none known counts as healthy."""
    exposures: tuple[Exposure, ...]
    budgets: Mapping[str, float]
    """Share of the gross exposure that each strategy may use."""
    stopped: Mapping[str, str]
    """Strategies that may not enter, and why."""
    resting: Mapping[str, tuple[int, int]]
    """Symbols and strategies after a losing streak: losses in a row, and until when they rest."""
    entries: Mapping[str, int]
    """Entries of each strategy today."""
    requests: int
    """Requests made of the broker in the last minute."""


class Ask(Struct, frozen=True):
    """Everything that a control may look at."""

    proposal: Proposal
    book: Book
    briefing: Briefing
    limits: Limits
    correlate: Callable[[str, str], float | None]
    """Correlation of two symbols' daily returns, None where it is unknown."""

    @property
    def brief(self) -> SymbolBrief:
        """What the briefing knows of the symbol; `BRIEFING` has made sure that it does."""
        return self.briefing.symbols[self.proposal.symbol]

    def check(self, code: Code, value: float, limit: float, passed: bool, detail: str, setting: str = "") -> Check:
        """A check that names the setting that its limit came from."""
        return Check(code, float(value), float(limit), passed, detail, setting.upper() or f"briefing {self.briefing.version}")


class Approved(Struct, frozen=True):
    """Go ahead with this quantity."""

    quantity: int
    checks: tuple[Check, ...]


class Reduced(Struct, frozen=True):
    """Go ahead with less: `by` is the tightest limit."""

    quantity: int
    wanted: int
    by: Check
    checks: tuple[Check, ...]


class Denied(Struct, frozen=True):
    """No: the first limit that stopped it, and all that was checked until then."""

    by: Check
    checks: tuple[Check, ...]


def admit(ask: Ask) -> Approved | Reduced | Denied:
    """Pass an entry through every control."""
    wanted = ask.proposal.quantity
    passed: list[Check] = []
    for permission in PERMISSIONS:
        check = permission(ask)
        if check is None:
            continue
        passed.append(check)
        if not check.passed:
            return Denied(check, tuple(passed))
    quantity, tightest = wanted, None
    for room in ROOMS:
        found = room(ask)
        if found is None:
            continue
        check, shares = found
        passed.append(check)
        if shares < quantity:
            quantity, tightest = max(shares, 0), check
    if tightest is None:
        return Approved(quantity, tuple(passed))
    if quantity < max(1.0, LEAST_SHARE * wanted):
        return Denied(tightest, tuple(passed))
    return Reduced(quantity, wanted, tightest, tuple(passed))


# --- permissions: yes or no, in the order in which a person would ask


def state(ask: Ask) -> Check:
    """The trading state takes entries."""
    active = ask.book.state == "active"
    return ask.check(Code.STATE, active, 1, active, f"trading state is {ask.book.state}", "trading state")


def strategy(ask: Ask) -> Check:
    """The strategy has not been stopped (RTS 6 article 15(3): until a person lets it go on)."""
    why = ask.book.stopped.get(ask.proposal.strategy)
    return ask.check(Code.STRATEGY, why is None, 1, why is None, why or f"{ask.proposal.strategy} may trade", "trading state")


def briefed(ask: Ask) -> Check:
    """The briefing is for this very session and knows the symbol."""
    symbol = ask.proposal.symbol
    today = moment(ask.proposal.at).astimezone(NEW_YORK).date()
    if today != ask.briefing.session:
        return ask.check(Code.BRIEFING, 0, 1, False, f"the briefing is for {ask.briefing.session}, today is {today}")
    known = symbol in ask.briefing.symbols
    return ask.check(Code.BRIEFING, known, 1, known, f"{symbol} {'is' if known else 'is not'} in the briefing")


def restricted(ask: Ask) -> Check:
    """The symbol is not on the restricted list (15c3-5(c)(2)(ii))."""
    free = ask.proposal.symbol not in ask.limits.banned
    return ask.check(Code.RESTRICTED, free, 1, free, f"{ask.proposal.symbol} {'is not' if free else 'is'} on the restricted list", "restricted")


def history(ask: Ask) -> Check:
    """Enough daily bars, up to the data session, to know how the symbol moves."""
    brief, needed = ask.brief, ask.limits.min_history
    enough = brief.history >= needed and (brief.close is not None or needed == 0)
    missing = "" if brief.close is not None or not brief.history else f", none of them on {ask.briefing.data_session}"
    return ask.check(Code.HISTORY, brief.history, needed, enough, f"{brief.history} of {needed} daily bars of {brief.symbol}{missing}", "min_history")


def tradable(ask: Ask) -> Check:
    """The broker takes orders in it."""
    return ask.check(Code.TRADABLE, ask.brief.tradable, 1, ask.brief.tradable, f"{ask.proposal.symbol} tradable at the broker")


def shortable(ask: Ask) -> Check | None:
    """Short sales are allowed, and the broker lends the shares."""
    if ask.proposal.side > 0:
        return None
    if not ask.limits.shorts:
        return ask.check(Code.SHORTABLE, 0, 1, False, "short sales are switched off", "shorts")
    return ask.check(Code.SHORTABLE, ask.brief.shortable, 1, ask.brief.shortable, f"{ask.proposal.symbol} can be sold short")


def opened(ask: Ask) -> Check:
    """The open is far enough behind, by the session's real edges."""
    since = (ask.proposal.at - ask.briefing.hours.open) / MINUTE
    needed = ask.limits.market_open_buffer
    return ask.check(Code.SESSION, since, needed, since >= needed, f"{since:.1f} minutes after the open", "market_open_buffer")


def closing(ask: Ask) -> Check:
    """The close is far enough ahead, half days included."""
    left = (ask.briefing.hours.close - ask.proposal.at) / MINUTE
    needed = ask.limits.market_close_buffer
    return ask.check(Code.SESSION, left, needed, left > needed, f"{left:.1f} minutes before the close", "market_close_buffer")


def halted(ask: Ask) -> Check:
    """Trading in the symbol is not halted."""
    why = ask.proposal.facts.halted
    return ask.check(Code.HALTED, not why, 1, not why, f"{ask.proposal.symbol} {f'is halted: {why}' if why else 'trades'}", "exchange")


def tainted(ask: Ask) -> Check:
    """Nothing that was said of the symbol has been taken back lately (FIA: market data reasonability)."""
    why = ask.proposal.facts.tainted
    return ask.check(Code.TAINTED, not why, 1, not why, why or f"nothing said of {ask.proposal.symbol} was taken back", "market data")


def stale(ask: Ask) -> Check:
    """The price is fresh."""
    age, limit = (ask.proposal.at - ask.proposal.facts.seen) / SECOND, ask.limits.stale_after
    detail = f"the price of {ask.proposal.symbol} began to hold {age:.0f} s ago"
    return ask.check(Code.STALE_DATA, age, limit, age < limit, detail, "stale_after")


def feed(ask: Ask) -> Check:
    """At least one market data source is healthy."""
    feeds = ask.book.feeds
    healthy = not feeds or any(feeds.values())
    return ask.check(Code.FEED, healthy, 1, healthy, "market data feed healthy" if healthy else f"no healthy feed of {sorted(feeds)}", "market data")


def scale(ask: Ask) -> Check | None:
    """A price far from the last daily close: a split overnight, history on another scale, or news that makes yesterday's ATR meaningless."""
    close = ask.brief.close
    if close is None:
        return None
    gap, price = abs(ask.proposal.price / close - 1), ask.proposal.price
    detail = f"{ask.proposal.symbol} at {price:.2f}, last daily close {close:.2f}"
    return ask.check(Code.PRICE_SCALE, gap, ask.limits.max_gap, gap <= ask.limits.max_gap, detail, "max_gap")


def collar(ask: Ask) -> Check:
    """The entry's price is near the newest one (RTS 6 article 15(1)(a)): within a fraction of it, and within ATRs where ATR is known."""
    fresh, price, atr = ask.proposal.facts.price, ask.proposal.price, ask.brief.atr
    away = abs(price - fresh)
    limit, setting = ask.limits.price_collar * fresh, "price_collar"
    if atr is not None and ask.limits.price_collar_atr * atr < limit:
        limit, setting = ask.limits.price_collar_atr * atr, "price_collar_atr"
    detail = f"{ask.proposal.symbol} at {price:.2f}, newest price {fresh:.2f}, may be {limit:.2f} away"
    return ask.check(Code.COLLAR, away, limit, away <= limit, detail, setting)


def band(ask: Ask) -> Check | None:
    """The price lies inside the limit-up limit-down band, where one is known."""
    facts, price = ask.proposal.facts, ask.proposal.price
    if math.isinf(facts.high):
        return None
    inside = facts.low < price < facts.high
    edge = facts.high if price >= facts.high else facts.low
    detail = f"{ask.proposal.symbol} at {price:.2f}, allowed between {facts.low:.2f} and {facts.high:.2f}"
    return ask.check(Code.BAND, price, edge, inside, detail, "exchange")


def stop(ask: Ask) -> Check:
    """The entry has a stop on the right side, so that what it may lose is known."""
    distance = ask.proposal.stop
    return ask.check(Code.STOP, distance, 0, distance > 0, f"stop {distance:.2f} a share away on the losing side", "order")


def daily_loss(ask: Ask) -> Check:
    """The day's loss, realised and open, is below the limit; reaching it closes everything (engine)."""
    loss, limit = (ask.book.start - ask.book.equity) / ask.book.start, ask.limits.max_daily_loss
    return ask.check(Code.DAILY_LOSS, loss, limit, loss < limit, f"down {loss:.2%} on the day", "max_daily_loss")


def drawdown(ask: Ask) -> Check:
    """The fall from the day's highest equity is below the limit."""
    fall, limit = 1 - ask.book.equity / ask.book.peak, ask.limits.max_drawdown
    return ask.check(Code.DRAWDOWN, fall, limit, fall < limit, f"down {fall:.2%} from the day's high of {ask.book.peak:,.2f}", "max_drawdown")


def cooldown(ask: Ask) -> Check:
    """Neither symbol nor strategy rests after a losing streak."""
    at = ask.proposal.at
    for who, setting in ((ask.proposal.symbol, "symbol_losses"), (ask.proposal.strategy, "strategy_losses")):
        losses, until = ask.book.resting.get(who, (0, 0))
        if at < until:
            left = (until - at) / MINUTE
            detail = f"{who} lost {losses} times in a row and rests for {left:.0f} more minutes"
            return ask.check(Code.COOLDOWN, losses, getattr(ask.limits, setting), False, detail, setting)
    return ask.check(Code.COOLDOWN, 0, ask.limits.symbol_losses, True, "no losing streak", "symbol_losses")


def entries(ask: Ask) -> Check:
    """The strategy has not executed so often that a person has to look (RTS 6 article 15(3))."""
    count, limit = ask.book.entries.get(ask.proposal.strategy, 0) + 1, ask.limits.max_entries
    return ask.check(Code.ENTRIES, count, limit, count <= limit, f"entry {count} of {ask.proposal.strategy} today", "max_entries")


def order_rate(ask: Ask) -> Check:
    """Requests in the last minute leave the broker's limit to exits (RTS 6 article 15(1)(d))."""
    rate, limit = ask.book.requests, ask.limits.max_order_rate
    return ask.check(Code.ORDER_RATE, rate, limit, rate < limit, f"{rate} requests in the last minute", "max_order_rate")


def duplicate(ask: Ask) -> Check:
    """The strategy has no trade in the symbol yet (15c3-5(c)(1)(ii): duplicative orders)."""
    wish = ask.proposal
    held = any(e.symbol == wish.symbol and e.strategy == wish.strategy for e in ask.book.exposures)
    detail = f"{wish.symbol} {'is' if held else 'is not'} held or being traded by {wish.strategy}"
    return ask.check(Code.DUPLICATE, held, 0, not held, detail, "order")


def self_cross(ask: Ask) -> Check:
    """Nobody on this account is on the other side: orders would cross, and positions would net to nothing (FINRA 5210, Alpaca's wash-trade rule)."""
    wish = ask.proposal
    against = sorted(e.strategy for e in ask.book.exposures if e.symbol == wish.symbol and e.value * wish.side < 0)
    detail = f"{wish.symbol} is held the other way by {', '.join(against)}" if against else f"nobody holds {wish.symbol} the other way"
    return ask.check(Code.SELF_CROSS, len(against), 0, not against, detail, "order")


def positions(ask: Ask) -> Check:
    """The number of symbols."""
    count = len({e.symbol for e in ask.book.exposures} | {ask.proposal.symbol})
    return ask.check(
        Code.POSITIONS, count, ask.limits.max_positions, count <= ask.limits.max_positions, f"{count} symbols with this one", "max_positions"
    )


# --- rooms: a limit on a sum, with the shares that it leaves. Values are fractions of equity, this entry at its wanted size included.

Room = tuple[Check, int]


def _room(ask: Ask, code: Code, used: float, limit: float, detail: str, setting: str) -> Room:
    """How many shares fit between what is used (dollars) and the limit (fraction of equity)."""
    price, equity = ask.proposal.price, ask.book.equity
    value = (used + ask.proposal.quantity * price) / equity
    shares = math.floor((limit * equity - used) / price + NOISE)
    return ask.check(code, value, limit, value <= limit + NOISE, detail, setting), shares


def _signed_room(ask: Ask, code: Code, net: float, weight: float, limit: float, detail: str, setting: str) -> Room:
    """The same where long and short cancel: `net` dollars before, and each dollar of this entry counts `weight` (its sign included)."""
    price, equity = ask.proposal.price, ask.book.equity
    after = net + ask.proposal.quantity * price * weight
    value = abs(after) / equity
    if weight == 0.0 or value <= limit + NOISE or abs(after) <= abs(net):
        return ask.check(code, value, limit, True, detail, setting), ask.proposal.quantity
    left = limit * equity - net * math.copysign(1.0, weight)
    return ask.check(code, value, limit, False, detail, setting), math.floor(left / (price * abs(weight)) + NOISE)


def position_size(ask: Ask) -> Room:
    """One symbol, whoever holds it."""
    used = sum(abs(e.value) for e in ask.book.exposures if e.symbol == ask.proposal.symbol)
    detail = f"{used + ask.proposal.quantity * ask.proposal.price:,.2f} in {ask.proposal.symbol}"
    return _room(ask, Code.POSITION_SIZE, used, ask.limits.max_position_size, detail, "max_position_size")


def order_value(ask: Ask) -> Room:
    """One order's dollars (RTS 6 article 15(1)(b))."""
    value, limit = ask.proposal.quantity * ask.proposal.price, ask.limits.max_order_value
    check = ask.check(Code.ORDER_VALUE, value, limit, value <= limit, f"an order of {value:,.2f}", "max_order_value")
    return check, math.floor(limit / ask.proposal.price + NOISE)


def order_quantity(ask: Ask) -> Room:
    """One order's shares (RTS 6 article 15(1)(c))."""
    shares, limit = ask.proposal.quantity, ask.limits.max_order_quantity
    return ask.check(Code.ORDER_QUANTITY, shares, limit, shares <= limit, f"an order of {shares:,} shares", "max_order_quantity"), limit


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
    detail = f"{own}: {_names(peers)} and {ask.proposal.symbol}"
    return _room(ask, Code.SECTOR, _gross(peers), ask.limits.max_sector_exposure, detail, "max_sector_exposure")


def correlation(ask: Ask) -> Room:
    """One bet: names that move together, or that the night put into one cluster."""
    limit = ask.limits.max_correlation
    peers = [e for e in ask.book.exposures if e.symbol != ask.proposal.symbol and (ask.correlate(ask.proposal.symbol, e.symbol) or 0.0) > limit]
    detail = f"correlated above {limit:g}: {_names(peers)} and {ask.proposal.symbol}"
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
    """The loss if every stop were hit at once."""
    used, distance = sum(e.heat for e in ask.book.exposures), ask.proposal.stop
    limit, equity = ask.limits.max_portfolio_heat, ask.book.equity
    value = (used + ask.proposal.quantity * distance) / equity
    check = ask.check(
        Code.HEAT, value, limit, value <= limit + NOISE, f"{used:,.2f} at risk before, {distance:.2f} a share more", "max_portfolio_heat"
    )
    return check, math.floor((limit * equity - used) / distance + NOISE)


def buying_power(ask: Ask) -> Room:
    """What the broker lets this account buy, less all that is on its way (the intraday margin rule of 2026; there is no day-trade counter)."""
    wanted, free = ask.proposal.quantity * ask.proposal.price, ask.book.buying_power
    check = ask.check(Code.BUYING_POWER, wanted, free, wanted <= free, f"{wanted:,.2f} of {free:,.2f} free", "broker")
    return check, math.floor(free / ask.proposal.price + NOISE)


def _sector(briefing: Briefing, symbol: str) -> str | None:
    brief = briefing.symbols.get(symbol)
    return brief.sector if brief else None


def _beta(briefing: Briefing, symbol: str) -> float:
    brief = briefing.symbols.get(symbol)
    return 1.0 if brief is None or brief.beta is None else brief.beta


def _gross(exposures: list[Exposure]) -> float:
    return sum(abs(e.value) for e in exposures)


def _names(exposures: list[Exposure]) -> str:
    return ", ".join(sorted({e.symbol for e in exposures})) or "nothing"


Permission = Callable[[Ask], Check | None]

PERMISSIONS: tuple[Permission, ...] = (
    *(state, strategy, briefed, restricted, history, tradable, shortable, opened, closing, halted, tainted, stale, feed, scale, collar, band, stop),
    *(daily_loss, drawdown, cooldown, entries, order_rate, duplicate, self_cross, positions),
)

ROOMS: tuple[Callable[[Ask], Room | None], ...] = (
    *(position_size, order_value, order_quantity, participation, budget, gross, net, sector, correlation, beta, concentration, heat, buying_power),
)
