"""Batch equals streaming: the indicators that the night computed are those that the engine would step to, bit for bit."""

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.core.market import indicators
from pipelines.core.market.indicators import Batch, Indicators, fresh, step
from pipelines.core.market.session import NEW_YORK
from pipelines.core.quality.verdict import Verdict, named

SAMPLE = 60
"""Symbols that are stepped: a step in plain Python is some 10 microseconds, and the formula does not know the symbol. Half of them are those with
the most minutes, half those with the fewest. The seeds of all are compared."""


def parity(minutes: pl.DataFrame, opens: pl.DataFrame, seeds: Mapping[str, tuple[float, ...]], sample: int = SAMPLE) -> Verdict:
    """The gate: stepping the last session's minutes one by one gives the batch's values, and its last states are the seeds.

    `minutes` and `opens` as `indicators.minutes` takes them, over all sessions that the seeds come from; the earlier ones are taken in batch.
    """
    day = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date()
    dated = minutes.with_columns(day.alias("_date")).sort("symbol", "timestamp")
    if dated.is_empty():
        return Verdict(not seeds, f"no minutes, and {len(seeds)} seeds", {"minutes": 0})
    last = max(dated["_date"])
    early, late = (dated.filter(rule).drop("_date") for rule in (pl.col("_date") < last, pl.col("_date") == last))
    before = indicators.minutes(early, opens) if early.height else None
    batch = indicators.minutes(late, opens, before)
    states = (before.seeds if before else {}) | batch.seeds
    off = [(symbol, "seed") for symbol in sorted({*states, *seeds}) if not _same(states.get(symbol, ()), seeds.get(symbol, ()))]
    bars = late.filter(pl.col("symbol").is_in(_sample(late, sample)))
    for symbol, values, state in _stepped(bars, opens, before):
        ours = batch.frame.filter(pl.col("symbol") == symbol).select(Indicators._fields).to_numpy().T
        off += [(symbol, name) for name, one, other in zip(Indicators._fields, values, ours, strict=True) if not _same(one, other)]
        off += [] if _same(state, states[symbol]) else [(symbol, "state")]
    worst = pl.DataFrame(off, schema={"symbol": pl.String, "differs": pl.String}, orient="row")
    detail = f"{bars.height} minutes of {last} stepped one by one in {bars['symbol'].n_unique()} symbols, {len(states)} seeds: {worst.height} differ"
    numbers = {"minutes": bars.height, "seeds": len(states), "different": worst.height}
    return Verdict(worst.is_empty(), detail + (f": {named(worst)}" if worst.height else ""), numbers, worst)


def _sample(bars: pl.DataFrame, size: int) -> list[str]:
    ranked = bars.group_by("symbol").len().sort("len", "symbol", descending=[True, False])["symbol"].to_list()
    return ranked if len(ranked) <= size else ranked[: size - size // 2] + ranked[len(ranked) - size // 2 :]


def _stepped(bars: pl.DataFrame, opens: pl.DataFrame, before: Batch | None) -> Iterator[tuple[str, NDArray[np.float64], list[float]]]:
    """By symbol the values (indicator, bar) and the state after the last bar, as the engine comes to them: one step a bar, plain Python."""
    first, session = opens.select("open", "session").sort("session").row(-1)
    day = (session - date(1970, 1, 1)).days
    known = before.seeds if before else {}
    for (symbol,), own in bars.group_by("symbol", maintain_order=True):
        state = list(known.get(str(symbol), ())) or fresh()
        since = [(moment - first).total_seconds() // 60 for moment in own["timestamp"]]
        rows = own.select("high", "low", "close", "volume", "vwap").cast(pl.Float64).iter_rows()
        values = [step(state, day, int(minute), *row) for minute, row in zip(since, rows, strict=True)]
        yield str(symbol), np.array(values, dtype=np.float64).T, state


def _same(one: object, other: object) -> bool:
    """Equal to the bit, NaN being itself."""
    return np.array_equal(np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64), equal_nan=True)
