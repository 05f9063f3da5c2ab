"""The gate's permissions: yes or no, in the order in which a person would ask. None: the question does not arise."""

import math
from collections.abc import Callable

from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.core.risk.checks import Ask, Check, Code
from pipelines.core.words import counted

Permission = Callable[[Ask], Check | None]


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


def regime(ask: Ask) -> Check:
    """The volatility regime has entries at all."""
    now = ask.briefing.regime
    return ask.check(Code.REGIME, now.entries, 1, now.entries, f"the {now.name} regime {'allows' if now.entries else 'has no'} entries")


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
    words = f"{abs(since):.1f} minutes {'after' if since >= 0 else 'before'} the open"
    return ask.check(Code.SESSION, since, needed, since >= needed, words, "market_open_buffer")


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
    seen, limit = ask.proposal.facts.seen, ask.limits.stale_after
    age = (ask.proposal.at - seen) / SECOND
    detail = f"the price of {ask.proposal.symbol} began to hold {age:.0f} s ago" if seen else f"{ask.proposal.symbol} has no price yet"
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


def score(ask: Ask) -> Check | None:
    """The night's scorer gives the entry enough of a chance (`core.learning`). Where it is asked for and none held, the answer is no."""
    found, least, who = ask.proposal.score, ask.limits.min_score, ask.proposal.strategy
    if found is None or (least == 0 and math.isnan(found)):
        return None
    if not math.isnan(found):
        return ask.check(Code.SCORE, found, least, found >= least, f"{found:.0%} chance of a profit by the scorer of {who}", "min_score")
    why = "a value that it needs is not known" if who in ask.briefing.scorers else "no scorer held on sessions that it had not seen"
    return ask.check(Code.SCORE, 0, least, False, f"{who} in {ask.proposal.symbol}: {why}; MIN_SCORE=0 asks none", "min_score")


def daily_loss(ask: Ask) -> Check:
    """The day's loss, realised and open, is below the limit; reaching it closes everything (engine)."""
    loss, limit = (ask.book.start - ask.book.equity) / ask.book.start, ask.limits.max_daily_loss
    return ask.check(Code.DAILY_LOSS, loss, limit, loss < limit, f"{'down' if loss >= 0 else 'up'} {abs(loss):.2%} on the day", "max_daily_loss")


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


def model_entries(ask: Ask) -> Check | None:
    """Models have not opened as much as they may; all programs together, because a name is only what a program says of itself."""
    if not ask.proposal.model:
        return None
    count, limit = ask.book.modelled[0] + 1, ask.limits.max_model_entries
    detail = f"entry {count} of models today{ask.book.opened_by}"
    return ask.check(Code.MODEL_ENTRIES, count, limit, count <= limit, detail, "max_model_entries")


def order_rate(ask: Ask) -> Check:
    """Requests in the last minute leave the broker's limit to exits (RTS 6 article 15(1)(d))."""
    rate, limit = ask.book.requests, ask.limits.max_order_rate
    return ask.check(Code.ORDER_RATE, rate, limit, rate < limit, f"{counted(rate, 'request')} in the last minute", "max_order_rate")


def duplicate(ask: Ask) -> Check:
    """The strategy has no trade in the symbol yet (15c3-5(c)(1)(ii): duplicative orders)."""
    wish = ask.proposal
    held = any(e.symbol == wish.symbol and e.strategy == wish.strategy for e in ask.book.exposures)
    detail = f"{wish.symbol} {'is' if held else 'is not'} held or being traded by {wish.strategy}"
    return ask.check(Code.DUPLICATE, held, 0, not held, detail, "order")


def self_cross(ask: Ask) -> Check:
    """Nobody on this account is on the other side: orders would cross, and positions would net to nothing (FINRA 5210, Alpaca's wash-trade rule).

    Strategies on one side share the broker's position, each with its own shares and exits. Two sides cannot: the broker would hold the
    difference alone, take no stop for the rest, and refuse the opposite orders. So the second is refused until the first is flat.
    """
    wish = ask.proposal
    against = sorted(e.strategy for e in ask.book.exposures if e.symbol == wish.symbol and e.value * wish.side < 0)
    apart = "one account holds one side, and no stop would protect the other; taken once it is flat"
    detail = f"{wish.symbol} is held the other way by {', '.join(against)}: {apart}" if against else f"nobody holds {wish.symbol} the other way"
    return ask.check(Code.SELF_CROSS, len(against), 0, not against, detail, "order")


def positions(ask: Ask) -> Check:
    """The number of symbols."""
    count = len({e.symbol for e in ask.book.exposures} | {ask.proposal.symbol})
    return ask.check(
        Code.POSITIONS, count, ask.limits.max_positions, count <= ask.limits.max_positions, f"{count} symbols with this one", "max_positions"
    )


PERMISSIONS: tuple[Permission, ...] = (
    *(
        state,
        strategy,
        briefed,
        regime,
        restricted,
        history,
        tradable,
        shortable,
        opened,
        closing,
        halted,
        tainted,
        stale,
        feed,
        scale,
        collar,
        band,
        stop,
        score,
    ),
    *(daily_loss, drawdown, cooldown, entries, model_entries, order_rate, duplicate, self_cross, positions),
)
