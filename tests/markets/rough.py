"""A rough market for property tests: three days, one of them short, with gaps, missing minutes, halts, a split, a reverse split and dividends."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from live.sim.worlds.actions import Action, Actions
from live.sim.worlds.halts import Halt
from live.sim.worlds.recorded import RecordedWorld

BEFORE, FIRST, SHORT, LAST = date(2026, 11, 24), date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)
SYMBOLS = ("AAA", "BBB", "PNY")
_START = {"AAA": 100.0, "BBB": 31.0, "PNY": 0.85}
_SPLIT, _REVERSE = Action("AAA", SHORT, new=Decimal(2)), Action("BBB", LAST, old=Decimal(3))
_MINUTE = 60_000_000_000


class RoughWorld(RecordedWorld):
    """A recording with halts: at ten past ten every day, of a different symbol."""

    def halts(self, day: date) -> list[Halt]:
        session = self.calendar.find(day)
        if session is None:
            return []
        start = session.open + 40 * _MINUTE
        return [Halt(SYMBOLS[day.day % 3], start, start + 5 * _MINUTE, volatile=True)]


@cache
def rough(seed: int) -> RoughWorld:
    """The same market for the same seed; minutes move by up to three percent and jump in between."""
    rng = np.random.default_rng(seed)
    rows, price = [], dict(_START)
    for day in (BEFORE, FIRST, SHORT, LAST):
        price["AAA"] /= 2 if day == SHORT else 1
        price["BBB"] *= 3 if day == LAST else 1
        for symbol in SYMBOLS:
            rows += _minutes(rng, symbol, day, price)
    actions = Actions([_SPLIT, _REVERSE, Action("BBB", SHORT, rate=Decimal("0.25")), Action("AAA", LAST, rate=Decimal("0.1"))])
    names = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rough.parquet"
        pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").dt.convert_time_zone("UTC")).write_parquet(path)
        return RoughWorld(minutes=[path], actions=actions, seed=seed)


def _minutes(rng: np.random.Generator, symbol: str, day: date, price: dict[str, float]) -> list[tuple[object, ...]]:
    """From 08:00 to 20:00 New York; `price` goes on from day to day. Most minutes outside of the session are missing, some inside too."""
    rows: list[tuple[object, ...]] = []
    begin = datetime(day.year, day.month, day.day, 8, tzinfo=ZoneInfo("America/New_York"))
    close = 13 if day == SHORT else 16
    for minute in range(720 if close == 16 else 540):
        at = begin + timedelta(minutes=minute)
        regular = (at.hour, at.minute) >= (9, 30) and at.hour < close
        if rng.random() > (0.9 if regular else 0.05):
            continue
        jump = rng.normal(0, 0.02) if rng.random() < 0.03 else 0.0
        first = price[symbol] * np.exp(jump)
        last = first * np.exp(rng.normal(0, 0.006)) * (_START[symbol] * 1.0 / first) ** 0.002
        high, low = max(first, last) * (1 + rng.exponential(0.002)), min(first, last) * (1 - rng.exponential(0.002))
        rounded = [round(float(value), 2 if value >= 1 else 4) for value in (first, max(high, first), min(low, first), last)]
        o, h, low_, c = rounded[0], max(rounded), min(rounded), rounded[3]
        price[symbol] = c
        rows.append((symbol, at, o, h, low_, c, int(rng.integers(1, 20_000))))
    return rows
