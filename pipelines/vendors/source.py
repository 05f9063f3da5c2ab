"""The one interface of every history vendor and the shape of what it returns.

A source is synchronous and returns rows as the vendor has them; what no market can have printed is put aside by `screen.py`, not here.
"""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl

from pipelines.core.briefing import Origin

UTC_TIME = pl.Datetime("us", "UTC")

BARS = pl.Schema(
    [
        ("symbol", pl.String),
        ("timestamp", UTC_TIME),
        *((name, pl.Float64) for name in ("open", "high", "low", "close", "volume", "vwap")),
        ("trades", pl.Int64),
        ("feed", pl.String),
    ]
)
"""Bars: raw dollars and shares; `timestamp` is the bar's start (daily: midnight in New York); `vwap` and `trades` null where the vendor has none."""

ASSETS = pl.Schema([("symbol", pl.String), ("name", pl.String), ("exchange", pl.String), ("tradable", pl.Boolean), ("shortable", pl.Boolean)])
"""What the broker lists."""


class Source(Protocol):
    """A vendor of history. Nothing after the data session's own end is ever asked for."""

    @property
    def feed(self) -> str:
        """What the bars' `feed` column says and the lake's files are named after; invented prices never share a name with real ones."""
        ...

    @property
    def origin(self) -> Origin:
        """Whether the prices are a vendor's, a recording's or invented."""
        ...

    def assets(self) -> pl.DataFrame:
        """Everything the broker lists now, as `ASSETS`."""
        ...

    def daily(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Daily bars of the sessions from `first` to `last`, both included, as `BARS`; no row where the symbol did not trade."""
        ...

    def minutes(self, symbols: Sequence[str], session: date) -> pl.DataFrame:
        """Minute bars of one session with its extended hours, 04:00 to 20:00 in New York, as `BARS`."""
        ...
