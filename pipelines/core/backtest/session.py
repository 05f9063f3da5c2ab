"""One session of a backtest from its bars to its books: what the journal of a live session would have told, and what it all cost."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import repeat
from typing import NamedTuple

import numpy as np
import polars as pl

from pipelines.core.analytics.session.ledger import Ledger
from pipelines.core.backtest.costs import FEES, Costs, charged, due
from pipelines.core.backtest.fills import Charge, Venue
from pipelines.core.backtest.run import Step, run
from pipelines.core.briefing import Briefing
from pipelines.core.journal import Manifest
from pipelines.core.market import indicators
from pipelines.core.market.bars import Bar
from pipelines.core.market.indicators import Batch, Indicators
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Market
from pipelines.core.trading.seats import Allocation

FIELDS = ("open", "high", "low", "close", "volume", "vwap", "trades")


class Left(NamedTuple):
    """Shares that could not be sold before the close: valued at their last price, and gone by the next session."""

    symbol: str
    quantity: int
    price: float


class Played(NamedTuple):
    """A session and what came of it. Dollars; `end` is what the next session starts with, fees paid."""

    session: date
    start: float
    end: float
    fees: float
    tables: dict[str, pl.DataFrame]
    """As `analytics.ledger` has them; `fills` with what each cost: `reference` price, `spread`, `impact` and the fees."""
    left: tuple[Left, ...]


def play(
    head: Manifest,
    strategies: Sequence[Allocation],
    frame: pl.DataFrame,
    costs: Costs,
    *,
    equity: float,
    inside: Sequence[Market] = (),
    watch: Callable[[Step], None] | None = None,
) -> Played:
    """Run a session. `frame`: the minute bars of its briefing's symbols, as `bars` takes them; `watch` is shown every step."""
    ordered = frame.sort("timestamp", "symbol")
    engine = Engine(head.briefing, head.limits, strategies, run=head.run, ready=ready(valued(head.briefing, ordered)))
    venue, ledger, number = Venue(costs, head.briefing), Ledger(head), 0
    for step in run(engine, bars(ordered), equity=equity, venue=venue, feed=head.briefing.feed, inside=inside):
        ledger.on_event(step.event)
        for decision in step.decisions:
            number += 1
            ledger.on_decision(number, decision)
        if watch is not None:
            watch(step)
    tables = ledger.frames()
    tables["fills"] = charged(_priced(tables["fills"], venue.charges), costs)
    fees, book = due(tables["fills"]), engine.portfolio
    left = tuple(Left(s, p.quantity, book.prices[s]) for s, p in sorted(book.positions.items())) if book else ()
    return Played(head.session, equity, (book.equity if book else equity) - fees, fees, tables, left)


def bars(ordered: pl.DataFrame) -> list[Bar]:
    """Bars with trades as values. Rows: symbol, timestamp (UTC, bar start), open, high, low, close, volume; as `features.traded` gives them."""
    starts = ordered["timestamp"].dt.epoch("us").cast(pl.Int64) * 1_000
    return list(map(Bar, ordered["symbol"].to_list(), starts.to_list(), *(ordered[name].to_list() for name in FIELDS)))


def valued(briefing: Briefing, frame: pl.DataFrame) -> pl.DataFrame:
    """The bars with their indicators, computed at once from the briefing's seeds by the function that steps them live; by symbol and time."""
    opens = pl.DataFrame({"session": [briefing.session], "open": [briefing.open]})
    seeds = {symbol: brief.seed for symbol, brief in briefing.symbols.items() if brief.seed is not None}
    states = np.array(list(seeds.values()), dtype=np.float64).reshape(len(seeds), indicators.SLOTS)
    return indicators.minutes(frame, opens, Batch(frame.clear(), tuple(seeds), states)).frame


def ready(valued: pl.DataFrame) -> dict[str, Iterator[Indicators]]:
    """The indicators of each symbol's bars in order of time, as an engine takes them; used up by one."""
    known = valued.select("symbol", *Indicators._fields).partition_by("symbol", as_dict=True, include_key=False)
    # Rows to named tuples without a Python call each.
    return {
        str(symbol): map(tuple.__new__, repeat(Indicators), zip(*own.to_dict(as_series=False).values(), strict=True))
        for (symbol,), own in known.items()
    }


def _priced(fills: pl.DataFrame, charges: Sequence[Charge]) -> pl.DataFrame:
    """The fills with what they cost in their price: the n-th fill of an order is the n-th charge of it."""
    rows = [(c.order, c.reference, c.spread, c.impact) for c in charges]
    schema = {"order": pl.String, "reference": pl.Float64, "spread": pl.Float64, "impact": pl.Float64}
    counted = [frame.with_columns(pl.int_range(pl.len()).over("order").alias("nth")) for frame in (fills, pl.DataFrame(rows, schema, orient="row"))]
    return counted[0].join(counted[1], on=["order", "nth"], how="left", maintain_order="left").drop("nth")


def costs_of(fills: pl.DataFrame) -> pl.DataFrame:
    """Rows trade, spread, impact, fees: dollars of each round trip, fees not yet rounded."""
    fees = pl.sum_horizontal(FEES).alias("fees")
    return fills.with_columns(fees).group_by("trade", maintain_order=True).agg(pl.col("spread", "impact", "fees").sum())
