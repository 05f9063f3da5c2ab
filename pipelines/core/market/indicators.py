"""One definition per indicator: a scalar recurrence over its own slots of a state vector.

`step` is that definition. Live, the engine calls it once a bar with a list of floats; the batch form compiles the same function (numba)
and runs it over arrays grouped by symbol. The two give the same bits: no fast-math, no vectorised shortcut, the same order of additions.

Averages are seeded as TA-Lib seeds them: with the plain mean of the first n values, and no value before it. NaN means "not yet"; `WARM_UP`
says how long. Wilder (1978), "New Concepts in Technical Trading Systems", for ATR (page 23) and RSI (page 65); Bollinger (2001) with the
population deviation.

To add an indicator:
1. give it slots after the last ones of the layout (`SLOTS` grows by them), their power of a split's ratio in `SHARES` and, where nought is
   not its beginning, a value in `fresh`;
2. write its recurrence as a `@shared` function of the state, its place and this bar's numbers, scalar arithmetic only; call it in `step`;
3. give its value a field in `Indicators`, in the same place of the tuple that `step` returns, and a line in `WARM_UP`;
4. in tests/core/market/test_indicators.py name the reference that it equals (TA-Lib or a formula in Polars). That it is the same bits in batch and
   bar by bar, and silent until warm, the tests there find out for every field by themselves.
"""

import math
from collections.abc import MutableSequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.core.compiled import compiled, shared
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
CLOSES = 18  # a place, a mean, a sum of squares, then the ring
VOLUMES = CLOSES + 3 + WINDOW
SLOTS = VOLUMES + 3 + WINDOW

SHARES = {
    **dict.fromkeys((EMA_9 + 1, EMA_21 + 1, EMA_50 + 1, ATR + 1, GAIN + 1, LOSS + 1, LAST_CLOSE, RANGE_HIGH, RANGE_LOW), -1),
    **dict.fromkeys((CLOSES + 1, *range(CLOSES + 3, VOLUMES)), -1),
    CLOSES + 2: -2,
    **dict.fromkeys((VOLUME, VOLUMES + 1, *range(VOLUMES + 3, SLOTS)), 1),
    VOLUMES + 2: 2,
}
"""With which power of a split's ratio each slot goes: dollars a share fall by it, shares rise; counts and turnover in dollars stay."""


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


WARM_UP = {
    "ema_9": 9,
    "ema_21": 21,
    "ema_50": 50,
    "atr_14": 15,
    "rsi_14": 15,
    "bb_lower": 20,
    "bb_middle": 20,
    "bb_upper": 20,
    "vwap": 1,
    "relative_volume": 21,
    "range_high": 2,
    "range_low": 2,
}
"""Bars until the first value. VWAP counts from the session's first bar with volume; the range needs a bar in the session's first 15
minutes and one after them, so 16 where no minute is missing."""


def fresh() -> list[float]:
    """The state before the first bar."""
    state = [0.0] * SLOTS
    state[LAST_CLOSE] = state[CLOSES + 1] = state[VOLUMES + 1] = math.nan
    state[DAY] = -1.0
    return state


@shared
def _average(state: MutableSequence[float], at: int, length: int, weight: float, value: float) -> float:
    """Exponential mean with the given weight, seeded with the mean of the first `length` values; slots: count up to `length`, value."""
    if state[at] >= length:
        state[at + 1] += weight * (value - state[at + 1])
        return state[at + 1]
    state[at] += 1.0
    state[at + 1] += value
    if state[at] < length:
        return math.nan
    state[at + 1] /= length
    return state[at + 1]


@shared
def _roll(state: MutableSequence[float], at: int, value: float) -> float:
    """Mean of the last `WINDOW` values; slots: place in the ring, mean, sum of squared deviations from it, ring. NaN until the ring is full.

    Mean and squares move by what enters and what leaves (Welford 1962, for a window: Chan, Golub and LeVeque 1983) and are added up anew,
    in two passes, each time the ring is full: so rounding can build up over 20 bars at most, and the cost is that of one pass in 20.
    """
    place = int(state[at])
    gone, before = state[at + 3 + place], state[at + 1]
    state[at + 3 + place] = value
    if place + 1 < WINDOW:
        mean = before + (value - gone) / WINDOW
        state[at] = place + 1.0
        state[at + 1] = mean
        state[at + 2] += (value - gone) * ((value - mean) + (gone - before))
        return mean
    total, squares = 0.0, 0.0
    for i in range(at + 3, at + 3 + WINDOW):
        total += state[i]
    mean = total / WINDOW
    for i in range(at + 3, at + 3 + WINDOW):
        squares += (state[i] - mean) * (state[i] - mean)
    state[at], state[at + 1], state[at + 2] = 0.0, mean, squares
    return mean


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

    usual = state[VOLUMES + 1]
    _roll(state, VOLUMES, volume)
    middle = _roll(state, CLOSES, close)
    width = 2.0 * math.sqrt(max(state[CLOSES + 2], 0.0) / WINDOW)

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
    """The batch form's answer: the bars with a column per indicator, and the state after each symbol's last bar, (symbol, slot)."""

    frame: pl.DataFrame
    symbols: tuple[str, ...]
    states: NDArray[np.float64]

    @property
    def seeds(self) -> dict[str, tuple[float, ...]]:
        """The states by symbol, as the live side takes them."""
        return {symbol: tuple(state.tolist()) for symbol, state in zip(self.symbols, self.states, strict=True)}


def minutes(bars: pl.DataFrame, opens: pl.DataFrame, before: Batch | None = None) -> Batch:
    """Indicators of minute bars. `bars`: symbol, timestamp (UTC, bar start), high, low, close, volume, vwap; `opens`: session (date), open (UTC).

    Every bar's New York date has to be in `opens`. Rows come back sorted by symbol and time. `before` goes on from where an earlier batch ended.
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
    return _batch(dated.drop("_open"), before)


def days(bars: pl.DataFrame, before: Batch | None = None) -> Batch:
    """Indicators of daily bars, each bar a session of its own (so `vwap` is the bar's own and the opening range stays NaN)."""
    numbered = bars.with_columns(pl.col("timestamp").to_physical().cast(pl.Int64).alias("_day"), pl.lit(0, pl.Int64).alias("_minute"))
    return _batch(numbered, before)


def _batch(bars: pl.DataFrame, before: Batch | None) -> Batch:
    ordered = bars if _ordered(bars) else bars.sort("symbol", "timestamp")
    runs = ordered["symbol"].rle()
    symbols = tuple(runs.struct.field("value").to_list())
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(runs.struct.field("len").to_numpy(), dtype=np.int64)])
    day, minute = (np.ascontiguousarray(ordered[name].to_numpy()) for name in ("_day", "_minute"))
    high, low, close, volume, vwap = (ordered[name].cast(pl.Float64).to_numpy() for name in ("high", "low", "close", "volume", "vwap"))
    values = np.empty((len(Indicators._fields), len(ordered)))
    known = dict(zip(before.symbols, before.states, strict=True)) if before else {}
    states = np.array([known.get(symbol, fresh()) for symbol in symbols], dtype=np.float64).reshape(len(symbols), SLOTS)
    advance(bounds, day, minute, high, low, close, volume, vwap, values, states)
    frame = ordered.drop("_day", "_minute").with_columns(pl.Series(name, values[i]) for i, name in enumerate(Indicators._fields))
    return Batch(frame, symbols, states)


def _ordered(bars: pl.DataFrame) -> bool:
    """Whether the rows are sorted by symbol and time already, as the lake hands them out: looking is cheaper than sorting."""
    runs = bars["symbol"].rle()
    ends = np.cumsum(runs.struct.field("len").to_numpy())[:-1]
    later = np.diff(bars["timestamp"].to_physical().to_numpy()) >= 0
    later[ends - 1] = True
    return bool(later.all()) and runs.struct.field("value").is_sorted()


@compiled
def advance(
    bounds: NDArray[np.int64],
    day: NDArray[np.int64],
    minute: NDArray[np.int64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    close: NDArray[np.float64],
    volume: NDArray[np.float64],
    vwap: NDArray[np.float64],
    values: NDArray[np.float64],
    states: NDArray[np.float64],
) -> None:
    """`step` over each symbol's rows, from `bounds[symbol]` to the next one; fills `values` (indicator, row), moves `states` (symbol, slot) on."""
    for symbol in range(len(bounds) - 1):
        state = states[symbol]
        for row in range(bounds[symbol], bounds[symbol + 1]):
            after = step(state, day[row], minute[row], high[row], low[row], close[row], volume[row], vwap[row])
            for field in range(len(after)):
                values[field, row] = after[field]
