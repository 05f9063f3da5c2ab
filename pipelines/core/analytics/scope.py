"""Which part of what was traded a question is about: a book, days, and a strategy, symbol, sector, side, regime or hour."""

from datetime import date

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

DIMENSIONS = ("strategy", "symbol", "sector", "side", "regime", "hour")
"""What round trips are told apart by; `hour` is that of the entry in New York."""


class Scope(BaseModel):
    """Everything that is None is not restricted. Only one book at a time is ever counted: simulated, paper and real money do not add up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    book: str | None = Field(None, description="Whose money: mode and account, or the run of a backtest; empty: the book that traded last.")
    first: date | None = Field(None, description="First session.")
    last: date | None = Field(None, description="Last session.")
    strategy: str | None = Field(None, description="Only round trips of this strategy.")
    symbol: str | None = Field(None, description="Only round trips in this symbol.")
    sector: str | None = Field(None, description="Only round trips in this GICS sector.")
    side: str | None = Field(None, description="buy for long, sell for short.")
    regime: str | None = Field(None, description="Only round trips in this volatility regime.")
    hour: int | None = Field(None, ge=0, le=23, description="Only entries in this hour, New York.")

    @property
    def narrow(self) -> bool:
        """Whether it is about some of the round trips of a day only."""
        return any(getattr(self, name) is not None for name in DIMENSIONS)

    def days(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of the book and the days. Columns book, session."""
        kept = [pl.col("book") == self.book] if self.book is not None else []
        kept += [pl.col("session") >= self.first] if self.first is not None else []
        kept += [pl.col("session") <= self.last] if self.last is not None else []
        return frame.filter(*kept) if kept else frame

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of the book, the days, and whatever of `DIMENSIONS` the frame has."""
        wanted = {name: getattr(self, name) for name in DIMENSIONS if name in frame.columns and getattr(self, name) is not None}
        return self.days(frame).filter(*(pl.col(name) == value for name, value in wanted.items()))
