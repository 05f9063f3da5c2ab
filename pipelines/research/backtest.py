"""Backtests of recorded sessions, one after the other: each with the briefing of its own morning, equity carried from one to the next."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines import roster
from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.report import Report, growth, report
from pipelines.core.backtest.run import Step
from pipelines.core.backtest.session import Played, play
from pipelines.core.briefing import Briefing
from pipelines.core.errors import MissingData, SettingsError
from pipelines.core.journal import Manifest
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.seats import Allocation
from pipelines.core.words import counted
from pipelines.research import cache
from pipelines.research.market import Market
from pipelines.research.past import choices
from pipelines.settings import Settings

MODE = "backtest"
"""In a journal's manifest, in the place of sim, paper or live."""

Watch = Callable[[Step], None]
Record = Callable[[Manifest], AbstractContextManager[Watch | None]]
"""Opens something that is shown every step of a session: a journal."""


@dataclass(frozen=True)
class Setup:
    """What is tried: who trades, under which limits, at which costs, with how much (dollars)."""

    strategies: tuple[Allocation, ...]
    limits: Limits
    costs: Costs
    equity: float = 100_000.0

    @property
    def configuration(self) -> dict[str, Any]:
        """All of it as JSON values."""
        names = [roster.employed(allocation).model_dump(mode="json") for allocation in self.strategies]
        return {"strategies": names, "limits": self.limits.model_dump(), "costs": self.costs.model_dump(), "equity": self.equity}

    @property
    def words(self) -> str:
        """Who trades, with budgets."""
        return ", ".join(a.strategy.name + (f" ({a.budget:.0%})" if a.budget is not None else "") for a in self.strategies)


def chosen(market: Market, first: date | None, last: date | None) -> list[date]:
    """The sessions from `first` to `last`; `MissingData` names those that there are."""
    found = market.sessions(first, last)
    if not found:
        known = market.sessions(None, None)
        there = f"sessions from {known[0]} to {known[-1]}" if known else "none at all"
        raise MissingData(f"expected minutes from {first or 'the beginning'} to {last or 'the end'} in the {market.name}, found {there}")
    return found


def key(market: Market, sessions: Sequence[date], setup: Setup, settings: Settings) -> str:
    """The name of the result: another one where code, data or configuration is another."""
    configuration = {**setup.configuration, "briefing": choices(settings)._asdict(), "history": [settings.history_sessions, settings.minute_sessions]}
    return cache.key(market.version(sessions), configuration, sessions)


def backtest(
    market: Market,
    sessions: Sequence[date],
    setup: Setup,
    name: str,
    benchmark: str,
    *,
    show: Callable[[date, Played | None], None] = lambda _, __: None,
    record: Record = lambda _: nullcontext(),
) -> Report:
    """Run the sessions. `name` is that of the result, `show` is told each session before it (None) and after it."""
    played: list[Played] = []
    seen: list[tuple[Briefing, pl.DataFrame]] = []
    equity = setup.equity
    for session in sessions:
        show(session, None)
        briefing = market.briefing(session)
        bars = market.bars(session, sorted(briefing.symbols))
        if equity <= 0:
            raise SettingsError(f"expected equity above zero on {session}, found {equity:,.2f}; the account was lost")
        head = manifest(briefing, setup, f"b{name[:5]}")
        strategies = [Allocation(a.strategy.model_copy(deep=True), a.version, a.budget) for a in setup.strategies]
        with record(head) as watch:
            one = play(head, strategies, bars, setup.costs, equity=equity, inside=market.inside(session), watch=watch)
        played.append(one)
        own = bars.filter(pl.col("symbol") == benchmark)
        seen.append((briefing, bars if own.is_empty() else own))
        equity = one.end
        show(session, one)
    index, path = growth(seen, benchmark)
    return report(played, path, _words(market, setup, name, index, [brief for brief, _ in seen]))


def manifest(briefing: Briefing, setup: Setup, run: str) -> Manifest:
    """The head of a session's journal."""
    return Manifest(
        session=briefing.session,
        run=run,
        mode=MODE,
        account=MODE,
        speed=0.0,
        code=cache.code()[:16],
        strategies=tuple(roster.employed(a) for a in setup.strategies),
        limits=setup.limits,
        briefing=briefing,
    )


def _words(market: Market, setup: Setup, name: str, index: str, briefings: Sequence[Briefing]) -> dict[str, str]:
    computed = sum("-computed-" in briefing.version for briefing in briefings)
    origins = sorted({briefing.origin.value for briefing in briefings})
    return {
        "result": name,
        "market": market.name,
        "origin": ", ".join(origins),
        "sessions": f"{briefings[0].session} to {briefings[-1].session}",
        "strategies": setup.words,
        "benchmark": index,
        "briefings": f"{len(briefings) - computed} as published, {computed} made of the data until the day before",
        "symbols": f"{len({symbol for briefing in briefings for symbol in briefing.symbols})}",
        "spread": spread(setup.costs, briefings),
        **market.notes,
    }


def spread(costs: Costs, briefings: Sequence[Briefing]) -> str:
    """What orders that take were charged, in words: each symbol's own, and where none was known the one that is assumed."""
    assumed = f"{costs.spread * 1e4:g} bp"
    if not costs.own:
        return f"{assumed} assumed for every symbol, no footprint"
    unknown = {briefing.session: sum(brief.spread is None for brief in briefing.symbols.values()) for briefing in briefings}
    days = [session for session, symbols in unknown.items() if symbols]
    if not days:
        return "each symbol's own"
    span = f"{days[0]} to {days[-1]}" if len(days) > 1 else f"{days[0]}"
    most = counted(max(unknown.values()), "symbol")
    return f"each symbol's own; {assumed} assumed, not measured, for {most} in {counted(len(days), 'session')} ({span})"
