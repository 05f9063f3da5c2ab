"""Bring your own bars: Parquet or CSV files in a folder, behind the same interface as the vendors.

The folder holds `daily/` and `minute/` with any number of `*.parquet` and `*.csv` files, and may hold `assets.csv`
(symbol, name, exchange, tradable, shortable). Bars have symbol, timestamp (UTC, bar start), open, high, low, close, volume, and may have
vwap and trades (or trade_count). Daily bars are stamped at midnight in New York.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from pipelines.core.briefing import Origin
from pipelines.core.errors import MissingData
from pipelines.core.market.session import NEW_YORK
from pipelines.vendors.source import ASSETS, BARS, UTC_TIME


class Files:
    """A folder of bars as a source."""

    feed = "files"
    origin = Origin.VENDOR

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def assets(self) -> pl.DataFrame:
        """`assets.csv` where there is one; else every symbol of the bars, tradable, nameless and not shortable."""
        listed = self._folder / "assets.csv"
        if listed.exists():
            return pl.read_csv(listed, schema_overrides=dict(ASSETS)).select(ASSETS.names())
        symbols = pl.concat([self._scan(kind).select("symbol") for kind in ("daily", "minute")]).unique().sort("symbol").collect()
        return symbols.select(
            "symbol",
            pl.col("symbol").alias("name"),
            pl.lit("").alias("exchange"),
            pl.lit(True).alias("tradable"),
            pl.lit(False).alias("shortable"),
        )

    def daily(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """Daily bars from `daily/`."""
        return self._bars("daily", symbols, _new_york(first, time(0)), _new_york(last + timedelta(1), time(0)))

    def minutes(self, symbols: Sequence[str], session: date) -> pl.DataFrame:
        """Minute bars from `minute/`."""
        return self._bars("minute", symbols, _new_york(session, time(4)), _new_york(session, time(20)))

    def _bars(self, kind: str, symbols: Sequence[str], start: datetime, end: datetime) -> pl.DataFrame:
        wanted = pl.col("symbol").is_in(list(symbols)) & (pl.col("timestamp") >= start) & (pl.col("timestamp") < end)
        return self._scan(kind).filter(wanted).with_columns(pl.lit(self.feed).alias("feed")).collect().match_to_schema(BARS)

    def _scan(self, kind: str) -> pl.LazyFrame:
        files = sorted(path for path in (self._folder / kind).glob("*") if path.suffix in {".parquet", ".csv"})
        if not files:
            raise MissingData(f"expected .parquet or .csv files of bars in {self._folder / kind}, found none; put them there or unset BARS_FOLDER")
        return pl.concat([_normal(path) for path in files])


def _normal(path: Path) -> pl.LazyFrame:
    """One file's rows in the columns of `BARS`, but for `feed`."""
    frame = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path, try_parse_dates=True)
    names = frame.collect_schema().names()
    trades = next((name for name in ("trades", "trade_count") if name in names), None)
    return frame.select(
        "symbol",
        pl.col("timestamp").cast(UTC_TIME),
        *(pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "volume")),
        (pl.col("vwap") if "vwap" in names else pl.lit(None)).cast(pl.Float64).alias("vwap"),
        (pl.col(trades) if trades else pl.lit(None)).cast(pl.Int64).alias("trades"),
    )


def _new_york(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)
