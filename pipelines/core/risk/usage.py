"""How much of each limit is in use: the gate's own answers about what is already held, as if it were asked for now."""

from collections.abc import Callable, Iterator

import msgspec

from pipelines.core.briefing import Briefing
from pipelines.core.market.session import new_york
from pipelines.core.risk import permissions, rooms
from pipelines.core.risk.checks import Ask, Book, Check, Code, Exposure, Facts, Proposal
from pipelines.core.risk.limits import Limits
from pipelines.core.words import counted

SINGLE = (rooms.position_size, rooms.sector, rooms.correlation, rooms.budget)
"""Asked for each symbol held."""

WHOLE: dict[Callable[[Ask], rooms.Room], str] = {
    rooms.gross: "long and short added up",
    rooms.net: "long less short",
    rooms.beta: "times beta, long less short",
    rooms.concentration: "in the five largest",
    rooms.heat: "lost if every stop were hit",
}
"""The same whichever symbol is asked about, and what its dollars are: the gate's own words are of one more entry."""

STATES = (permissions.daily_loss, permissions.drawdown, permissions.order_rate)

Correlate = Callable[[str, str], float | None]


def usage(book: Book, briefing: Briefing, limits: Limits, correlate: Correlate, at: int) -> list[Check]:
    """One check a limit and thing limited, each with its present value; `passed` is False where a market that moved has gone over a limit."""
    found = [*_states(book, briefing, limits, correlate, at), *_positions(book, briefing, limits, correlate, at)]
    unique = {(check.code, check.detail): check for check in found}
    return list(unique.values())


def _states(book: Book, briefing: Briefing, limits: Limits, correlate: Correlate, at: int) -> Iterator[Check]:
    """What does not depend on any symbol."""
    ask = Ask(_nothing(at), book, briefing, limits, correlate)
    for permission in STATES:
        yield permission(ask)
    held = {e.symbol for e in book.exposures}
    most = limits.max_positions
    yield ask.check(Code.POSITIONS, len(held), most, len(held) <= most, f"{counted(len(held), 'symbol')} held or being entered", "max_positions")
    for strategy, count in sorted(book.entries.items()):
        detail = f"{counted(count, 'entry')} of {strategy} today"
        yield ask.check(Code.ENTRIES, count, limits.max_entries, count <= limits.max_entries, detail, "max_entries")
    if book.models:
        (count, value), by = book.modelled, book.opened_by
        entries, worth = limits.max_model_entries, limits.max_model_value
        yield ask.check(Code.MODEL_ENTRIES, count, entries, count <= entries, f"{counted(count, 'entry')} of models today{by}", "max_model_entries")
        yield ask.check(Code.MODEL_VALUE, value, worth, value <= worth, f"{value:,.2f} opened by models{by}", "max_model_value")
    for who, (losses, until) in sorted(book.resting.items()):
        setting = "symbol_losses" if who in briefing.symbols else "strategy_losses"
        rests = f", rests until {new_york(until):%H:%M} New York" if at < until else ""
        yield ask.check(Code.COOLDOWN, losses, getattr(limits, setting), at >= until, f"{counted(losses, 'loss')} in a row of {who}{rests}", setting)


def _positions(book: Book, briefing: Briefing, limits: Limits, correlate: Correlate, at: int) -> Iterator[Check]:
    """Each held symbol put to the gate against all the others."""
    known = [e for e in book.exposures if e.symbol in briefing.symbols]
    for number, held in enumerate(known):
        others = tuple(e for e in book.exposures if e is not held)
        ask = Ask(_again(held, at), msgspec.structs.replace(book, exposures=others), briefing, limits, correlate)
        for room in SINGLE:
            answer = room(ask)
            if answer is not None:
                yield answer[0]
        for whole, words in WHOLE.items() if number == 0 else ():
            check, _ = whole(ask)
            yield msgspec.structs.replace(check, detail=f"{check.value * book.equity:,.2f} {words}")


def _again(held: Exposure, at: int) -> Proposal:
    """What is held as an order of one share at its whole value: the sums come out the same, and no price is needed."""
    value = abs(held.value) or 1e-9
    return Proposal(held.strategy, held.symbol, 1 if held.value >= 0 else -1, 1, value, held.heat or 1e-9, Facts(value, at), at)


def _nothing(at: int) -> Proposal:
    return Proposal("", "", 1, 0, 1.0, 1.0, Facts(1.0, at), at)
