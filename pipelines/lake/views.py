"""The lake's bars as somebody wants to see them: as last learned, as first fetched, as the live runner saw them; and as of when."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias

import polars as pl

from pipelines.lake.layout import FETCHED, File, Kind, Resolution, files, once, scan
from pipelines.lake.storage import Storage

View: TypeAlias = Literal["latest", "first", "seen"]

KINDS: dict[View, tuple[Kind, ...]] = {"latest": FETCHED, "first": FETCHED, "seen": ("seen",)}


def bars(where: Storage, found: Sequence[File], view: View, symbols: Sequence[str] | None, asof: datetime | None) -> pl.DataFrame:
    """The bars of these files (at least one), each once, by symbol and time."""
    keep = [pl.col("symbol").is_in(list(symbols))] if symbols is not None else []
    keep += [pl.col("learned_at") <= asof] if asof is not None else []
    rows = scan(where, found).filter(*keep).collect()
    return once(rows, "last" if view == "latest" else "first").drop_nulls("close")


def feeds(where: Storage, resolution: Resolution, first: date, last: date, symbols: Sequence[str] | None) -> pl.DataFrame:
    """Rows symbol, feed, sessions, first, last: every feed that the lake has fetched bars of, and of when. Two for a symbol are two series."""
    found = files(where, resolution, first, last, None, FETCHED)
    schema = {"symbol": pl.String, "feed": pl.String, "sessions": pl.Int64, "first": pl.Date, "last": pl.Date}
    if not found:
        return pl.DataFrame(schema=schema)
    rows = scan(where, found).filter(pl.col("close").is_not_null())
    chosen = rows if symbols is None else rows.filter(pl.col("symbol").is_in(list(symbols)))
    days = pl.col("session")
    spans = chosen.group_by("symbol", "feed").agg(days.n_unique().alias("sessions"), days.min().alias("first"), days.max().alias("last"))
    return spans.sort("symbol", "first", "feed").collect().cast(dict(schema))  # type: ignore[arg-type]
