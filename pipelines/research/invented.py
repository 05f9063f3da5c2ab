"""An invented day to examine a strategy on, or a recorded one in its place. The same seed gives the same day."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipelines.core.briefing import Briefing, Origin, SymbolBrief
from pipelines.core.errors import DataError, SettingsError
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import NEW_YORK, moment, nanoseconds
from pipelines.core.risk.regimes import classify
from pipelines.vendors import calendar

SESSION = date(2026, 11, 20)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
LEAST = 60
"""Minutes of a day that are never cut away: before them nothing is warm."""


def day(seed: int) -> tuple[Briefing, list[Bar]]:
    """A briefing without seeds, and a session of minute bars: walks with drifts that turn, U-shaped volume and some empty minutes."""
    rng = np.random.default_rng(seed)
    hours = calendar.session_of(SESSION)
    count = (hours.close - hours.open) // MINUTE
    smile = 1.0 + 2.0 * np.abs(np.linspace(-1, 1, count)) ** 2
    bars: list[Bar] = []
    for symbol in SYMBOLS:
        turns = np.repeat(rng.normal(0, 0.0006, count // 30 + 1), 30)[:count]
        closes = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0012, count) + turns)), 2)
        opens = np.concatenate([[100.0], closes[:-1]])
        reach = np.round(np.abs(rng.normal(0, 0.05, (2, count))), 2)
        volumes = np.round(rng.gamma(2, 1_000, count) * smile)
        for i in np.flatnonzero(rng.random(count) > 0.02):
            high, low = max(opens[i], closes[i]) + reach[0, i], min(opens[i], closes[i]) - reach[1, i]
            prices = (float(opens[i]), float(high), float(low), float(closes[i]))
            bars.append(Bar(symbol, hours.open + int(i) * MINUTE, *prices, float(volumes[i]), float((high + low + closes[i]) / 3), 40))
    return _briefing(SESSION, SYMBOLS, Origin.GENERATED), sorted(bars, key=lambda bar: (bar.start, bar.symbol))


def recorded(path: Path) -> tuple[Briefing, list[Bar]]:
    """The first whole session of a file of minute bars (symbol, timestamp UTC, open, high, low, close, volume)."""
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    needed = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    if missing := [name for name in needed if name not in frame.columns]:
        raise DataError(f"expected columns {', '.join(needed)} in {path}, found none of {', '.join(missing)}; rename them")
    dated = frame.with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC"))).filter(pl.col("volume") > 0)
    dated = dated.with_columns(pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session")).sort("timestamp", "symbol")
    sessions = [found for found in dated["session"].unique().sort() if calendar.is_session(found)]
    if not sessions:
        raise DataError(f"expected minute bars of an exchange session in {path}, found none; timestamps are the bar's start in UTC")
    rows = dated.filter(pl.col("session") == sessions[0])
    bars = [
        Bar(row["symbol"], nanoseconds(row["timestamp"]), row["open"], row["high"], row["low"], row["close"], float(row["volume"]),
            row.get("vwap") or (row["high"] + row["low"] + row["close"]) / 3, 0)
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    return _briefing(sessions[0], tuple(rows["symbol"].unique().sort()), Origin.RECORDED), bars


def cuts(bars: Sequence[Bar], seed: int, count: int) -> list[int]:
    """Moments at which to cut the day."""
    starts = sorted({bar.start for bar in bars})
    late = starts[min(LEAST, len(starts) // 2) :]
    return sorted(int(cut) for cut in np.random.default_rng(seed).choice(late, min(count, len(late)), replace=False))


def parameters(words: Sequence[str]) -> dict[str, Any]:
    """`volume=1.5` as a value; what is no JSON is text."""
    given: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise SettingsError(f"expected a parameter as name=value, such as volume=1.5, found {word!r}")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


def _briefing(session: date, symbols: Sequence[str], origin: Origin) -> Briefing:
    hours = calendar.session_of(session)
    plain = {"exchange": "NYSE", "sector": "Unknown", "tradable": True, "shortable": True, "history": 0}
    unknown: dict[str, Any] = {"close": None, "atr": None, "beta": None, "adv": None, "returns": (), "seed": None}
    return Briefing(
        version="examination",
        session=session,
        open=moment(hours.open),
        close=moment(hours.close),
        data_session=calendar.previous_session(session),
        created_at=datetime.combine(session, datetime.min.time(), UTC),
        origin=origin,
        feed=origin.value,
        benchmark="none",
        regime=classify(np.empty(0)),
        symbols={s: SymbolBrief.model_validate({"symbol": s, "name": s, **plain, **unknown}) for s in symbols},
        watchlist=(),
        checks=(),
        inputs={},
    )
