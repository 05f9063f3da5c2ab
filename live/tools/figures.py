"""The tools that measure: what was earned, risked and paid, from the published snapshot and, once it is not in there yet, the running session.

The formulas are `pipelines.core.analytics`'; the rows of earlier sessions are the night's marts, today's are made by the same functions.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

import polars as pl
from pydantic import BaseModel

from live import journal
from live.problems import finite, missing
from live.tools.asks import Empty, PeriodRequest, StrategyRequest, TradesRequest
from live.tools.desk import Desk
from live.tools.reading import page
from live.tools.reports import Figures, Span, Synced, SyncLine, TripLine, Trips
from pipelines import journals, publish, traded
from pipelines.core.analytics import books, execution, optimization, performance, risk, wishes
from pipelines.core.analytics.scope import Scope
from pipelines.core.analytics.session import ledger
from pipelines.core.analytics.session.ledger import Ledger
from pipelines.core.errors import JournalError, MissingData
from pipelines.publish import Snapshot

ROWS = 200
"""Rows of a table at most; the snapshot has all."""

Frames = dict[str, pl.DataFrame]

MARTS: dict[str, pl.Schema] = {
    "trading_days": books.DAYS, "round_trips": books.TRIPS, "executions": books.EXECUTIONS, "candidates": wishes.CANDIDATES, "exits": wishes.EXITS,
}  # fmt: skip


async def performance_figures(desk: Desk, ask: PeriodRequest) -> Figures:
    """What was earned: returns, ratios, drawdowns, expectancy; by strategy, symbol, sector, hour and regime."""

    def measured(rows: Frames, scope: Scope) -> tuple[BaseModel, Frames]:
        found = performance.performance(rows["trading_days"], rows["round_trips"], scope)
        return found.numbers, {"curve": found.curve, "drawdowns": found.drawdowns} | {f"by_{name}": frame for name, frame in found.by.items()}

    return await _figures(desk, ask, measured)


async def risk_figures(desk: Desk, ask: PeriodRequest) -> Figures:
    """What was risked: value at risk, expected shortfall, beta, drawdown, heat and exposure."""

    def measured(rows: Frames, scope: Scope) -> tuple[BaseModel, Frames]:
        found = risk.risk(rows["trading_days"], rows["round_trips"], scope)
        return found.numbers, {"history": found.history, "drawdowns": found.drawdowns, "tail": found.tail}

    return await _figures(desk, ask, measured)


async def execution_figures(desk: Desk, ask: PeriodRequest) -> Figures:
    """What orders cost against the price that they were decided at, how fast they filled, and what was never sent and why."""

    def measured(rows: Frames, scope: Scope) -> tuple[BaseModel, Frames]:
        found = execution.execution(rows["executions"], rows["candidates"], scope)
        tables = {"latency": found.latency, "funnel": found.funnel, "refused": found.refused}
        return found.numbers, tables | {f"by_{name}": frame for name, frame in found.by.items()}

    return await _figures(desk, ask, measured, "executions", "candidates")


async def optimization_figures(desk: Desk, ask: PeriodRequest) -> Figures:
    """What to change, with its evidence, silent where that is thin; and what each limit took away and what that would have earned."""

    def measured(rows: Frames, scope: Scope) -> tuple[BaseModel, Frames]:
        orders = execution.execution(rows["executions"], rows["candidates"], scope)
        whole = performance.performance(rows["trading_days"], rows["round_trips"], scope)
        found = optimization.optimization(rows["trading_days"], rows["round_trips"], rows["candidates"], rows["exits"], scope)
        worst = {f"by_{name}": whole.by[name] for name in ("hour", "symbol", "strategy", "regime")}
        return whole.numbers, {"suggestions": found.table, "verdict": found.verdict, "limits": orders.refused, "funnel": orders.funnel, **worst}

    return await _figures(desk, ask, measured, "executions", "candidates", "exits")


async def strategy_figures(desk: Desk, ask: StrategyRequest) -> Figures:
    """One strategy: what it earned and how."""
    known = {employed.name for employed in desk.manifest.strategies} | set(desk.runner.engine.account.seats)
    found = await performance_figures(desk, PeriodRequest(**ask.model_dump()))
    if not found.of.trades and ask.strategy not in known:
        raise missing("UNKNOWN_STRATEGY", f"expected one of {sorted(known)} or one that has traded, found {ask.strategy!r}")
    return found


async def trade_figures(desk: Desk, ask: TradesRequest) -> Trips:
    """Round trips, the newest first."""
    rows, scope, of = await asyncio.to_thread(_rows, desk, ask, desk.frozen())
    trips = scope.rows(rows["round_trips"]).sort("closed_at", "trade", descending=[True, False])
    lines, after = page([TripLine(**{n: row[n] for n in TripLine.model_fields}) for row in trips.iter_rows(named=True)], ask)
    return Trips(**desk.head, of=of, trades=tuple(lines), next=after)


async def sync(desk: Desk, ask: Empty) -> Synced:
    """Read every journal that is new or longer than it was into tables, as the night does. Asking again adds nothing twice.

    Only read: the database is the night's to write. What this holds is in every answer of the analytics until the night has published it.
    """
    snapshot, lines = await asyncio.to_thread(_synced, desk, desk.frozen())
    return Synced(**desk.head, snapshot=snapshot, journals=tuple(lines), added=sum(line.added for line in lines))


def _synced(desk: Desk, today: Ledger) -> tuple[str | None, list[SyncLine]]:
    snapshot = _snapshot(desk)
    taken = _taken(snapshot)
    lines = []
    for path in journals.sessions(desk.settings.journals):
        run = journals.stem(path).rpartition("-")[2]
        own = path == desk.runner.journal.path
        size = sum(part.stat().st_size for part in journals.parts(path))
        before = desk.shelf.get(path)
        error, added = "", before is None or before[0] != size
        try:
            frames = today.frames() if own else before[1] if before is not None and not added else ledger.tables(journal.read(path))
        except JournalError as broken:
            frames, error, added = ledger.empty(), str(broken), False
        else:
            desk.shelf[path] = (size, frames)
        session = frames["runs"]["session"].to_list()
        lines.append(
            SyncLine(
                journal=path.name, session=session[0] if session else None, run=run, records=desk.runner.journal.seq if own else _records(frames),
                rows={name: frame.height for name, frame in frames.items()}, published=(session[0], run) in taken if session else False,
                added=added, error=error,
            )
        )  # fmt: skip
    return snapshot.version if snapshot else None, lines


def _records(frames: Frames) -> int:
    return int(frames["decisions"]["seq"].max() or 0) if frames["decisions"].height else 0  # type: ignore[arg-type]  # an integer column


def _taken(snapshot: Snapshot | None) -> set[tuple[date, str]]:
    """Session and run of what the night has published."""
    if snapshot is None:
        return set()
    try:
        return set(snapshot.table("runs").select("session", "run").iter_rows())
    except MissingData:
        return set()


async def _figures(desk: Desk, ask: PeriodRequest, measured: Callable[[Frames, Scope], tuple[BaseModel, Frames]], *more: str) -> Figures:
    rows, scope, of = await asyncio.to_thread(_rows, desk, ask, desk.frozen(), *more)
    numbers, tables = await asyncio.to_thread(measured, rows, scope)
    metrics = {name: finite(float(value)) if isinstance(value, int | float) else None for name, value in numbers.model_dump().items()}
    notes = [f"{name}: the first {ROWS} of {frame.height} rows" for name, frame in tables.items() if frame.height > ROWS]
    if of.today:
        notes.append("today's candidates and what refusals would have earned come with the night; today's orders and trades are in")
    shown = {name: tuple(map(_plain, frame.head(ROWS).iter_rows(named=True))) for name, frame in tables.items()}
    return Figures(**desk.head, of=of, metrics=metrics, tables=shown, notes=tuple(notes))


def _rows(desk: Desk, ask: PeriodRequest, today: Ledger, *more: str) -> tuple[Frames, Scope, Span]:
    """Rows of this account's days and round trips and of `more` marts, earlier sessions and today's; the scope that was asked for and what it
    stands on. What a question does not need is not read: a year has a hundred thousand exits.
    """
    wanted = ("trading_days", "round_trips", *more)
    mode = desk.settings.daybot_mode.value
    scope = Scope(book=f"{mode} {desk.manifest.account}", first=ask.start_date, last=ask.end_date, strategy=ask.strategy, symbol=ask.symbol)
    snapshot = _snapshot(desk)
    past = _published(snapshot, scope, wanted)
    fresh = _fresh(desk, today, set(past["trading_days"]["session"]))
    rows = {name: pl.concat([past[name], fresh.get(name, past[name].clear())]) for name in wanted}
    days = scope.days(rows["trading_days"])["session"]
    first, last = (days.min(), days.max()) if len(days) else (None, None)
    trips = scope.rows(rows["round_trips"]).height
    version = snapshot.version if snapshot else None
    in_it = fresh != {} and desk.manifest.session in set(scope.days(fresh["trading_days"])["session"])
    return rows, scope, Span(first=first, last=last, sessions=days.n_unique(), trades=trips, snapshot=version, today=in_it)


def _fresh(desk: Desk, today: Ledger, known: set[date]) -> Frames:
    """The marts of this account's sessions that the night has not published: today's, and those that `sync` has read."""
    head = desk.manifest
    own = desk.runner.journal.path
    read = [today.frames(), *(frames for path, (_, frames) in desk.shelf.items() if path != own)]
    ours = [one for one in read if one["runs"].select("mode", "account").rows()[:1] == [(head.mode, head.account)]]
    by_session: dict[date, list[Frames]] = {}
    for one in ours:
        by_session.setdefault(one["runs"]["session"].item(0), []).append(one)
    whole = [{n: pl.concat([r[n] for r in runs]) for n in runs[0]} for session, runs in sorted(by_session.items()) if session not in known]
    if not whole:
        return {}
    made = [{"trading_days": books.days(t, None), "round_trips": books.trips(t), "executions": books.executions(t)} for t in whole]
    return {name: pl.concat([one[name] for one in made]) for name in made[0]}


def _published(snapshot: Snapshot | None, scope: Scope, wanted: Iterable[str]) -> Frames:
    """The marts' rows of the account's book; none before the first night that had any."""
    if snapshot is None or not traded.books(snapshot).height:
        return {name: pl.DataFrame(schema=MARTS[name]) for name in wanted}
    rows = {name: snapshot.sql(f"SELECT * FROM {name} WHERE book = ?", [scope.book]) for name in wanted}
    return {name: frame.match_to_schema(MARTS[name], extra_columns="ignore") for name, frame in rows.items()}


def _snapshot(desk: Desk) -> Snapshot | None:
    try:
        return publish.current(desk.settings)
    except MissingData:  # before the first night
        return None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: no infinities."""
    return {n: finite(v) if isinstance(v, float) else v.isoformat() if isinstance(v, date | datetime) else v for n, v in row.items()}
