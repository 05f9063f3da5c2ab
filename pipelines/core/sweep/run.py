"""Over days and parameter sets: each set trades the days in their order with an account of its own, as a backtest of it would."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import ValidationError

from pipelines.core.backtest.costs import Costs, rounded_up
from pipelines.core.backtest.run import Step
from pipelines.core.backtest.session import play
from pipelines.core.errors import SettingsError
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.limits import Limits
from pipelines.core.sweep.account import BOTH, DEADLINE, LOSS, SIGNAL, STOPPED, TARGET
from pipelines.core.sweep.records import BOOK, CLOSED, Records, records
from pipelines.core.sweep.session import Compiled, Desk, kernel
from pipelines.core.sweep.shapes import Day, Floats, Ints, allowed
from pipelines.core.trading.decisions import TradeClosed
from pipelines.core.trading.seats import Allocation
from pipelines.core.trading.strategy import Signals, Strategy

PART = 16
"""Sets that a worker plays in one go."""

WHY = {SIGNAL: "signal", DEADLINE: "close", LOSS: "daily loss", TARGET: "target", STOPPED: "stop", BOTH: "stop and target"}
"""Classes of reasons for which trades end."""

TRADES = pl.Schema(
    [
        ("set", pl.Int64),
        ("session", pl.Date),
        ("symbol", pl.String),
        ("side", pl.Int64),
        ("quantity", pl.Int64),
        *((name, pl.Float64) for name in ("entry", "exit", "profit")),
        *((name, pl.Datetime("ns", "UTC")) for name in ("opened", "closed")),
        ("why", pl.String),
    ]
)
"""A round trip a row: `side` +1 or -1, prices and profit in dollars before fees, `why` one of `WHY`."""

SESSIONS = pl.Schema(
    [
        ("set", pl.Int64),
        ("session", pl.Date),
        *((name, pl.Float64) for name in ("start", "end", "fees")),
        ("trades", pl.Int64),
        ("engine", pl.Boolean),
    ]
)
"""A set's day a row, equity in dollars, `end` after fees; `engine`: the engine ran it, because compiled code does not model where it came."""


class Variant(NamedTuple):
    """One parameter set. `changes` are the values that make it differ from the others."""

    changes: dict[str, float]
    strategy: Strategy
    limits: Limits


class Swept(NamedTuple):
    """What all sets came to: rows of `TRADES` and of `SESSIONS`."""

    trades: pl.DataFrame
    sessions: pl.DataFrame


def grid(strategy: Strategy, limits: Limits, values: Mapping[str, Sequence[float]]) -> list[Variant]:
    """Every combination of the values; a name is a parameter of the strategy, or else a limit. Raises SettingsError with what is wrong."""
    own, common = type(strategy).model_fields, type(limits).model_fields
    strangers = sorted(name for name in values if name not in own and name not in common)
    if strangers:
        raise SettingsError(f"expected parameters of {strategy.name} ({', '.join(own)}) or limits, found {', '.join(strangers)}")
    found = []
    for combination in product(*values.values()):
        changes = dict(zip(values, combination, strict=True))
        mine = {name: _as(own[name].annotation, value) for name, value in changes.items() if name in own}
        rest = {name: _as(common[name].annotation, value) for name, value in changes.items() if name not in own}
        try:
            made = type(strategy).model_validate(strategy.model_dump() | mine), Limits.model_validate(limits.model_dump() | rest)
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}") from None
        found.append(Variant(changes, *made))
    return found


def sweep(
    days: Iterable[Day],
    variants: Sequence[Variant],
    costs: Costs,
    *,
    equity: float,
    budget: float | None = None,
    workers: int = 2,
    watch: Callable[[date], None] | None = None,
) -> Swept:
    """Trade every set through the days. `watch` is told each day that is done."""
    code = kernel(_signals(variants))
    own, bounds = records([v.strategy for v in variants]), records([v.limits for v in variants])
    start, most = np.full(len(variants), float(equity)), int(bounds["max_entries"].max())
    trades, sessions = [pl.DataFrame(schema=TRADES)], [pl.DataFrame(schema=SESSIONS)]
    with ThreadPoolExecutor(workers) as pool:
        for day in days:
            books, closed = _books(start, bounds, day), np.zeros((len(variants), most), CLOSED)
            if day.inside:
                books["beyond"] = 1
            else:
                _trade(pool, code, day, variants, own, bounds, budget, books, closed)
            end = books["start"] + books["realised"] + books["open_profit"]
            fees = np.array([rounded_up(*sums) for sums in zip(books["sec"], books["taf"], books["cat"], strict=True)])
            books["beyond"][bounds["min_score"] > 0] = 1  # scorers are the engine's
            for k in np.flatnonzero(books["beyond"]).tolist():
                closed[k], books["closed"][k], fees[k], end[k] = _by_engine(day, variants[k], budget, costs, float(start[k]), most)
            end = end - fees
            trades.append(_trades(day, books["closed"], closed))
            columns = (np.arange(len(variants)), [day.briefing.session] * len(variants), start, end, fees, books["closed"], books["beyond"] > 0)
            sessions.append(pl.DataFrame(dict(zip(SESSIONS, columns, strict=True)), schema=SESSIONS))
            start = end
            if watch is not None:
                watch(day.briefing.session)
    return Swept(pl.concat(trades), pl.concat(sessions))


def why_of(reason: str) -> int:
    """The class of a reason that the engine gave a `TradeClosed`."""
    for code, word in ((BOTH, "stop and target"), (STOPPED, "stop"), (TARGET, "target")):
        if reason == word:
            return code
    return LOSS if reason.startswith("daily loss ") else DEADLINE if reason.endswith(" minutes before the close") else SIGNAL


def _as(kind: object, value: float) -> float | int | bool:
    if kind is bool and value in {0, 1}:
        return bool(value)
    return int(value) if kind is int and float(value).is_integer() else value


def _signals(variants: Sequence[Variant]) -> Signals:
    if not variants:
        raise SettingsError("expected at least one parameter set, found none")
    strategy = variants[0].strategy
    if strategy.signals is None or strategy.needs.trades:
        raise SettingsError(f"expected a strategy that offers compiled signals and looks at bars only, found {strategy.name}; backtest it instead")
    return strategy.signals


def _books(start: Floats, bounds: Records, day: Day) -> Records:
    books = np.zeros(len(start), BOOK)
    books["start"] = books["peak"] = start
    books["floor"] = start * (1 - bounds["max_daily_loss"])
    books["deadline"] = day.terms.close - bounds["market_close_buffer"] * MINUTE
    return books


def _trade(
    pool: ThreadPoolExecutor,
    code: Compiled,
    day: Day,
    variants: Sequence[Variant],
    own: Records,
    bounds: Records,
    budget: float | None,
    books: Records,
    closed: Records,
) -> None:
    """The day of every set; each worker has a part of them."""
    setups, share = code.find(day.market), np.nan if budget is None else budget
    keys = [(v.limits.restricted, v.limits.min_history, v.limits.shorts) for v in variants]
    kinds = {key: v.limits for key, v in zip(keys, variants, strict=True)}
    grants = np.array([allowed(day.briefing, day.symbols, limits) for limits in kinds.values()])
    granted = np.array([list(kinds).index(key) for key in keys])
    places = int(bounds["max_positions"].max())

    def some(part: slice) -> None:
        desk = Desk.of(places, len(day.symbols))
        code.trade(own[part], bounds[part], share, day.market, setups, day.names, day.terms, grants, granted[part], books[part], closed[part], desk)

    for _ in pool.map(some, (slice(k, k + PART) for k in range(0, len(variants), PART))):
        pass


def _by_engine(day: Day, variant: Variant, budget: float | None, costs: Costs, equity: float, most: int) -> tuple[Records, int, float, float]:
    """(round trips, their number, fees, equity before fees) of a set's day, from the engine itself."""
    briefing = day.briefing
    head = Manifest(
        session=briefing.session,
        run="sweep",
        mode="backtest",
        account="",
        speed=0.0,
        code="",
        strategies=(),
        limits=variant.limits,
        briefing=briefing,
    )
    closed, count, places = np.zeros(most, CLOSED), 0, {s: i for i, s in enumerate(day.symbols)}

    def watch(step: Step) -> None:
        nonlocal count
        for made in step.decisions:
            if isinstance(made, TradeClosed):
                numbers = (places[made.symbol], made.side.sign, made.quantity, made.opened, made.at, why_of(made.reason))
                closed[count] = (*numbers, made.entry, made.exit, made.profit)
                count += 1

    done = play(head, [Allocation(variant.strategy, "sweep", budget)], day.bars, costs, equity=equity, inside=day.inside, watch=watch)
    return closed, count, done.fees, done.end + done.fees


def _trades(day: Day, counts: Ints, closed: Records) -> pl.DataFrame:
    sets = np.repeat(np.arange(len(counts)), counts)
    rows = closed[sets, np.arange(len(sets)) - np.repeat(np.cumsum(counts) - counts, counts)]
    codes = pl.Series(rows["why"]).replace_strict(WHY, return_dtype=pl.String)
    symbols = pl.Series(day.symbols, dtype=pl.String).gather(rows["symbol"])
    numbers = {name: rows[name] for name in ("side", "quantity", "entry", "exit", "profit", "opened", "closed")}
    columns = {
        "set": sets,
        "session": [day.briefing.session] * len(rows),
        "symbol": symbols,
        **numbers,
        "why": codes,
    }
    return pl.DataFrame({name: columns[name] for name in TRADES}).cast(dict(TRADES.items()))
