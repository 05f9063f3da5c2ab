"""One definition per indicator: a scalar recurrence over its own slots of a state vector.

`step` is that definition. Live, the engine calls it once a bar with a list of floats; the batch form compiles the same function (numba)
and runs it over arrays grouped by symbol. The two give the same bits: no fast-math, no vectorised shortcut, the same order of additions.

Averages are seeded as TA-Lib seeds them: with the plain mean of the first n values, and no value before it. NaN means "not yet".
Wilder (1978), "New Concepts in Technical Trading Systems", for ATR (page 23) and RSI (page 65); Bollinger (2001) with the population deviation.

To add an indicator: give it slots at the end of the layout, write its recurrence, add its value to `Indicators` and its test.
"""

import math
from collections.abc import Callable, MutableSequence
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
import polars as pl
from numba.extending import register_jitable
from numpy.typing import NDArray

from pipelines.core.market.session import NEW_YORK

OPENING_RANGE = 15
"""Minutes of the session that make the opening range."""

WINDOW = 20
"""Bars in the Bollinger bands and in the mean that relative volume is measured against."""

# The layout of the state: where each recurrence keeps its slots.
EMA_9, EMA_21, EMA_50 = 0, 2, 4
ATR, GAIN, LOSS = 6, 8, 10
LAST_CLOSE = 12
DAY, TURNOVER, VOLUME = 13, 14, 15
RANGE_HIGH, RANGE_LOW = 16, 17
CLOSES = 18  # a count, then a ring
VOLUMES = CLOSES + 1 + WINDOW
SLOTS = VOLUMES + 1 + WINDOW


F = TypeVar("F", bound=Callable[..., object])


def shared(function: F) -> F:
    """Plain Python when called from Python, compiled when called from compiled code: one text, two speeds."""
    return cast(F, register_jitable(function))


def compiled(function: F) -> F:
    """Machine code, kept on disk between runs."""
    return cast(F, numba.njit(cache=True)(function))


class Indicators(NamedTuple):
    """Values after one bar; dollars but for `rsi_14` (0 to 100) and `relative_volume` (a ratio). NaN until warm."""

    ema_9: float
    ema_21: float
    ema_50: float
    atr_14: float
    rsi_14: float
    bb_lower: float
    bb_middle: float
    bb_upper: float
    vwap: float
    relative_volume: float
    range_high: float
    range_low: float


def fresh() -> list[float]:
    """The state before the first bar."""
    state = [0.0] * SLOTS
    state[LAST_CLOSE] = math.nan
    state[DAY] = -1.0
    return state


@shared
def _average(state: MutableSequence[float], at: int, length: int, weight: float, value: float) -> float:
    """Exponential mean with the given weight, seeded with the mean of the first `length` values; slots: count, value."""
    state[at] += 1.0
    if state[at] < length:
        state[at + 1] += value
        return math.nan
    if state[at] == length:
        state[at + 1] = (state[at + 1] + value) / length
    else:
        state[at + 1] += weight * (value - state[at + 1])
    return state[at + 1]


@shared
def _push(state: MutableSequence[float], at: int, value: float) -> None:
    """Put a value into the ring of the last `WINDOW` values; slots: count, ring."""
    state[at + 1 + int(state[at]) % WINDOW] = value
    state[at] += 1.0


@shared
def _mean(state: MutableSequence[float], at: int) -> float:
    """Mean of a full ring, added up anew each time so that no error can build up."""
    if state[at] < WINDOW:
        return math.nan
    total = 0.0
    for i in range(at + 1, at + 1 + WINDOW):
        total += state[i]
    return total / WINDOW


@shared
def _deviation(state: MutableSequence[float], at: int, mean: float) -> float:
    """Population standard deviation of a full ring, by the two-pass formula."""
    total = 0.0
    for i in range(at + 1, at + 1 + WINDOW):
        total += (state[i] - mean) * (state[i] - mean)
    return math.sqrt(total / WINDOW)


@shared
def _strength(gain: float, loss: float) -> float:
    """RSI from Wilder's mean gain and loss: 100 * gain / (gain + loss); 0 where the price never moved, as TA-Lib has it."""
    return 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 0.0 * (gain + loss)


@shared
def step(state: MutableSequence[float], day: int, minute: int, high: float, low: float, close: float, volume: float, vwap: float) -> Indicators:
    """Advance one symbol by one bar. `day` numbers the session, `minute` counts from its open, `vwap` is the bar's own.

    Session values (VWAP, opening range) start anew when `day` changes and leave out bars before the open (`minute` below 0).
    """
    if state[DAY] != day:
        state[DAY] = day
        state[TURNOVER], state[VOLUME] = 0.0, 0.0
        state[RANGE_HIGH], state[RANGE_LOW] = -math.inf, math.inf

    last = state[LAST_CLOSE]
    atr, rsi = math.nan, math.nan
    if not math.isnan(last):
        reach = max(high - low, abs(high - last), abs(low - last))
        atr = _average(state, ATR, 14, 1.0 / 14.0, reach)
        gain = _average(state, GAIN, 14, 1.0 / 14.0, max(close - last, 0.0))
        loss = _average(state, LOSS, 14, 1.0 / 14.0, max(last - close, 0.0))
        rsi = _strength(gain, loss)
    state[LAST_CLOSE] = close

    usual = _mean(state, VOLUMES)
    _push(state, VOLUMES, volume)
    _push(state, CLOSES, close)
    middle = _mean(state, CLOSES)
    width = 2.0 * _deviation(state, CLOSES, middle)

    if minute >= 0:
        state[TURNOVER] += vwap * volume
        state[VOLUME] += volume
        if minute < OPENING_RANGE:
            state[RANGE_HIGH] = max(state[RANGE_HIGH], high)
            state[RANGE_LOW] = min(state[RANGE_LOW], low)
    ranged = minute >= OPENING_RANGE and state[RANGE_HIGH] >= state[RANGE_LOW]

    return Indicators(
        _average(state, EMA_9, 9, 2.0 / 10.0, close),
        _average(state, EMA_21, 21, 2.0 / 22.0, close),
        _average(state, EMA_50, 50, 2.0 / 51.0, close),
        atr,
        rsi,
        middle - width,
        middle,
        middle + width,
        state[TURNOVER] / state[VOLUME] if state[VOLUME] > 0.0 else math.nan,
        volume / usual if usual > 0.0 else math.nan,
        state[RANGE_HIGH] if ranged else math.nan,
        state[RANGE_LOW] if ranged else math.nan,
    )


class Batch(NamedTuple):
    """The batch form's answer: the bars with a column per indicator, and each symbol's state after its last bar."""

    frame: pl.DataFrame
    seeds: dict[str, tuple[float, ...]]


def minutes(bars: pl.DataFrame, opens: pl.DataFrame) -> Batch:
    """Indicators of minute bars. `bars`: symbol, timestamp (UTC, bar start), high, low, close, volume, vwap; `opens`: session (date), open (UTC).

    Every bar's New York date has to be in `opens`. Rows come back sorted by symbol and time.
    """
    # Both clocks in one unit: Polars refuses to mix, and a minute does not need finer than microseconds.
    edges = opens.select("session", pl.col("open").dt.cast_time_unit("us").alias("_open"))
    dated = (
        bars.with_columns(pl.col("timestamp").dt.cast_time_unit("us"))
        .with_columns(pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session"))
        .join(edges, on="session", how="left")
        .with_columns(
            pl.col("session").to_physical().cast(pl.Int64).alias("_day"),
            (pl.col("timestamp") - pl.col("_open")).dt.total_minutes().alias("_minute"),
        )
    )
    strangers = dated.filter(pl.col("_open").is_null())["session"].unique().to_list()
    if strangers:
        raise ValueError(f"expected every bar on a session of the calendar, found bars on {', '.join(map(str, sorted(strangers)))}")
    return _batch(dated.drop("_open"))


def days(bars: pl.DataFrame) -> Batch:
    """Indicators of daily bars, each bar a session of its own (so `vwap` is the bar's own and the opening range stays NaN)."""
    return _batch(bars.with_columns(pl.col("timestamp").to_physical().cast(pl.Int64).alias("_day"), pl.lit(0, pl.Int64).alias("_minute")))


def _batch(bars: pl.DataFrame) -> Batch:
    ordered = bars.sort("symbol", "timestamp")
    runs = ordered["symbol"].rle()
    lengths = runs.struct.field("len").to_numpy().astype(np.int64)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    day, minute = (np.ascontiguousarray(ordered[name].to_numpy()) for name in ("_day", "_minute"))
    high, low, close, volume, vwap = (ordered[name].cast(pl.Float64).to_numpy() for name in ("high", "low", "close", "volume", "vwap"))
    values = np.empty((len(Indicators._fields), len(ordered)))
    seeds = np.tile(np.array(fresh()), (len(lengths), 1))
    _run(bounds, day, minute, high, low, close, volume, vwap, values, seeds)
    frame = ordered.drop("_day", "_minute").with_columns(pl.Series(name, values[i]) for i, name in enumerate(Indicators._fields))
    return Batch(frame, {symbol: tuple(row.tolist()) for symbol, row in zip(runs.struct.field("value").to_list(), seeds, strict=True)})


@compiled
def _run(
    bounds: NDArray[np.int64],
    day: NDArray[np.int64],
    minute: NDArray[np.int64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volume: NDArray[np.float64],
    vwap: NDArray[np.float64],
    values: NDArray[np.float64],
    seeds: NDArray[np.float64],
) -> None:
    """`step` over each symbol's rows: `values` is (indicator, row), `seeds` (symbol, slot)."""
    for symbol in range(len(bounds) - 1):
        state = seeds[symbol]
        for row in range(bounds[symbol], bounds[symbol + 1]):
            after = step(state, day[row], minute[row], high[row], low[row], close[row], volume[row], vwap[row])
            for field in range(len(after)):
                values[field, row] = after[field]
