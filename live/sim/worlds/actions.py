"""Corporate actions of a world: splits that move raw prices, dividends that do not, and the factors that adjust a history for both."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

import polars as pl

from live.sim.errors import WorldError

_NEEDED = ("symbol", "type", "ex_date")


@dataclass(frozen=True, slots=True)
class Action:
    """A split of `new` shares for `old`, or a dividend of `rate` dollars a share; in force from the morning of `ex_date`."""

    symbol: str
    ex_date: date
    new: Decimal = Decimal(1)
    old: Decimal = Decimal(1)
    rate: Decimal = Decimal(0)
    process_date: date | None = None

    @property
    def kind(self) -> str:
        if self.rate:
            return "cash_dividends"
        return "forward_splits" if self.new > self.old else "reverse_splits"

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE_DNS, f"{self.symbol}.{self.kind}.{self.ex_date}.daybot.sim"))

    @property
    def ratio(self) -> Decimal:
        """Shares after for each share before; 1 for a dividend."""
        return self.new / self.old

    @property
    def processed(self) -> date:
        return self.process_date or (self.ex_date + timedelta(days=20 if self.rate else 0))


class Actions:
    """All actions of a world, by symbol and day."""

    def __init__(self, rows: Iterable[Action] = ()) -> None:
        self.rows = sorted(rows, key=lambda row: (row.ex_date, row.symbol, row.kind))
        self._of: dict[str, list[Action]] = {}
        for row in self.rows:
            self._of.setdefault(row.symbol, []).append(row)

    def of(self, symbol: str) -> list[Action]:
        return self._of.get(symbol, [])

    def on(self, day: date) -> list[Action]:
        return [row for row in self.rows if row.ex_date == day]

    def ratio(self, symbol: str, day: date) -> Decimal:
        """Of the splits that go into force on that day."""
        return math.prod((row.ratio for row in self.of(symbol) if row.ex_date == day), start=Decimal(1))


def read(path: Path) -> Actions:
    """CSV or Parquet with symbol, type (split or dividend), ex_date, and new_rate and old_rate, or rate. Raises WorldError."""
    if not path.is_file():
        raise WorldError(f"Expected a CSV or Parquet file of corporate actions, found nothing at {path}. Check the path.")
    try:
        table = pl.read_csv(path, infer_schema=False) if path.suffix.lower() in (".csv", ".txt") else pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise WorldError(f"{path.name} cannot be read: {broken}. Write it again as CSV or Parquet.") from broken
    lacking = [column for column in _NEEDED if column not in table.columns]
    if lacking:
        raise WorldError(f"{path.name} lacks {', '.join(lacking)}; needed are {', '.join(_NEEDED)}, and new_rate and old_rate, or rate.")
    try:
        return Actions(_row(row) for row in table.to_dicts())
    except (ArithmeticError, ValueError) as wrong:
        raise WorldError(f"{path.name}: {wrong}. Days look like 2026-11-20, rates are numbers > 0, type is split or dividend.") from None


def _row(row: Mapping[str, object]) -> Action:
    day = date.fromisoformat(str(row["ex_date"])[:10])
    if row["type"] not in ("split", "dividend"):
        raise ValueError(f"type {row['type']!r} is unknown")
    if row["type"] == "dividend":
        return Action(str(row["symbol"]), day, rate=_rate(row, "rate"))
    return Action(str(row["symbol"]), day, new=_rate(row, "new_rate"), old=_rate(row, "old_rate"))


def _rate(row: Mapping[str, object], name: str) -> Decimal:
    value = Decimal(str(row.get(name)))
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{name} {value} is no positive number")
    return value
