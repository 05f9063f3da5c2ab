"""Volatility regimes: a transparent rule on where today's volatility stands in its own past year, and what follows from it.

Two measures. Realised volatility is the root mean square of the benchmark's last 20 daily log returns, times sqrt(252): root mean square and not
standard deviation, because over 20 days the mean is noise (Figlewski 1997, "Forecasting Volatility", section 2). Market-wide ATR is the median
over the universe of ATR 14 in per cent of the close: the same question asked of all names, which an index at rest can hide.
Each has a percentile: its rank among the same figure on each of the last 252 sessions (or as many as there are, 20 at least). The score is
the mean of the percentiles that are known.

Levels. Below 0.25 is calm, below 0.75 normal, below 0.95 elevated, from there stressed.
Hysteresis. Up at once, down late: the regime rises with the score; it falls only when the score is `BAND` below the edge it came over, and not
in the first `STAY` sessions after a change. The rule runs over the series from its beginning, so a session's regime follows
from prices alone: computed on the day, again later or in a backfill, it is the same.
"""

from bisect import bisect_right
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

WINDOW = 20
YEAR = 252
NAMES = 5
"""Fewest symbols that a median says something of the market from."""
EDGES = (0.25, 0.75, 0.95)
BAND = 0.1
STAY = 5


class RegimeName(StrEnum):
    """From quiet to dangerous; UNKNOWN when history is too short to say."""

    CALM = "calm"
    NORMAL = "normal"
    ELEVATED = "elevated"
    STRESSED = "stressed"
    UNKNOWN = "unknown"


LEVELS = (RegimeName.CALM, RegimeName.NORMAL, RegimeName.ELEVATED, RegimeName.STRESSED)


class Effect(NamedTuple):
    """What a regime does: multiples of the risk per trade, of the stop and target distances and of two limits; whether entries are allowed."""

    size: float
    stop: float
    target: float
    position: float
    """Of `max_position_size`."""
    heat: float
    """Of `max_portfolio_heat`."""
    entries: bool


EFFECTS = {
    RegimeName.CALM: Effect(size=1.0, stop=1.0, target=1.0, position=1.0, heat=1.0, entries=True),
    RegimeName.NORMAL: Effect(size=1.0, stop=1.0, target=1.0, position=1.0, heat=1.0, entries=True),
    RegimeName.ELEVATED: Effect(size=0.75, stop=1.15, target=1.15, position=0.75, heat=0.75, entries=True),
    RegimeName.STRESSED: Effect(size=0.5, stop=1.3, target=1.3, position=0.5, heat=0.5, entries=True),
    RegimeName.UNKNOWN: Effect(size=0.5, stop=1.0, target=1.0, position=0.5, heat=0.5, entries=True),
}


class Regime(BaseModel):
    """The regime of one session with the numbers that decided it. Volatility is a yearly fraction (0.18 = 18 %), ATR a daily one."""

    model_config = ConfigDict(frozen=True)

    name: RegimeName
    volatility: float | None
    percentile: float | None
    """Of the volatility."""
    atr: float | None
    """Median over the universe of ATR 14 over close."""
    atr_percentile: float | None
    score: float | None
    """What the levels are read from: the mean of the two percentiles, or the one that is known."""
    sessions: int
    size_multiplier: float
    stop_multiplier: float
    target_multiplier: float
    position_multiplier: float
    heat_multiplier: float
    entries: bool


def realised_volatility(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rolling 20-session realised volatility, yearly; one value per full window, so `len(returns) - 19` values."""
    if len(returns) < WINDOW:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(returns, WINDOW)
    return np.asarray(np.sqrt(np.mean(windows**2, axis=1) * YEAR))


def market_atr(values: pl.DataFrame) -> pl.DataFrame:
    """Rows session, atr: the median of ATR 14 over close, where five symbols have one. `values`: session, close, atr_14 (NaN until warm)."""
    known = values.select("session", (pl.col("atr_14") / pl.col("close")).alias("atr")).filter(pl.col("atr").is_finite())
    return (
        known.group_by("session").agg(pl.col("atr").median(), pl.len().alias("names")).filter(pl.col("names") >= NAMES).drop("names").sort("session")
    )


def percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each value's rank among the last 252 known ones, itself included, in (0, 1]; NaN where it is unknown or fewer than 20 are known."""
    found = np.full(len(values), np.nan)
    for i in np.flatnonzero(np.isfinite(values)):
        past = values[max(0, i - YEAR + 1) : i + 1]
        past = past[np.isfinite(past)]
        if len(past) >= WINDOW:
            found[i] = np.mean(past <= values[i])
    return found


def history(returns: NDArray[np.float64], atr: NDArray[np.float64] | None = None) -> pl.DataFrame:
    """A row for each session, oldest first: volatility, percentile, atr, atr_percentile, score, name; null where unknown.

    `returns` are the benchmark's daily log returns without gaps, `atr` the market-wide ATR of the same sessions, NaN where unknown.
    """
    volatility = np.concatenate([np.full(min(WINDOW - 1, len(returns)), np.nan), realised_volatility(returns)])
    breadth = np.full(len(returns), np.nan) if atr is None else atr
    ranks = np.column_stack([percentiles(volatility), percentiles(breadth)])
    known = np.isfinite(ranks)
    score = np.full(len(returns), np.nan)
    np.divide(np.where(known, ranks, 0.0).sum(axis=1), known.sum(axis=1), out=score, where=known.any(axis=1))
    columns = {"volatility": volatility, "percentile": ranks[:, 0], "atr": breadth, "atr_percentile": ranks[:, 1], "score": score}
    return pl.DataFrame({**columns, "name": pl.Series([name.value for name in names(score)], dtype=pl.String)}).fill_nan(None)


def names(score: NDArray[np.float64]) -> list[RegimeName]:
    """The regime of each session from its score, with hysteresis; UNKNOWN where the score is NaN."""
    found: list[RegimeName] = []
    level, since = -1, 0
    for value in score.tolist():
        if value != value:
            level, since = -1, 0
        else:
            high, low = bisect_right(EDGES, value), bisect_right(EDGES, value + BAND)
            since += 1
            if level < high:
                level, since = high, 0
            elif low < level and since >= STAY:
                level, since = low, 0
        found.append(LEVELS[level] if level >= 0 else RegimeName.UNKNOWN)
    return found


def classify(returns: NDArray[np.float64], atr: NDArray[np.float64] | None = None) -> Regime:
    """The regime after the last of these sessions, as `history` has it."""
    rows = history(returns, atr)
    last = rows.row(-1, named=True) if rows.height else dict.fromkeys(rows.columns)
    name = RegimeName(last["name"] or RegimeName.UNKNOWN)
    effect = {f"{part}_multiplier": value for part, value in EFFECTS[name]._asdict().items() if part != "entries"}
    return Regime.model_validate({**last, "name": name, "sessions": len(returns), "entries": EFFECTS[name].entries, **effect})
