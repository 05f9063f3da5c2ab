"""Bring your own data: Parquet or CSV files in a folder, behind the same interface as the vendors.

    daily/*.parquet|csv     symbol, timestamp, open, high, low, close, volume; may have vwap, and trades or trade_count
    minute/*.parquet|csv    the same
    trades/*.parquet|csv    symbol, timestamp, price, size; may have exchange, id, conditions (separated by spaces), tape
    assets.csv|parquet      symbol; may have name, exchange, tradable, shortable
    actions.csv|parquet     symbol, kind (split or dividend), ex_date, and ratio (new shares for each old one) or cash (dollars a share)
    members.csv|parquet     symbol, first, last: the days of index membership, both included; an empty last is still a member
    sectors.csv|parquet     symbol, sector, first, last: the days of a company's sector, likewise

Only daily or minute is needed. Times are UTC and a bar's start, daily bars at midnight in New York. Text is read as 2026-11-20T14:30:00Z
or 2026-11-20 14:30:00; a bare day in daily/ is midnight in New York. A row that cannot be read is set aside and the rest of its file stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl

from pipelines.core.briefing import Origin
from pipelines.core.errors import DataError, MissingData
from pipelines.core.market.session import NEW_YORK
from pipelines.vendors import calendar, tables
from pipelines.vendors.source import ACTIONS, ASSETS, BARS, MALFORMED, TRADES, UTC_TIME, Fetched, Traffic

CHUNK = 1_000_000
"""Rows expected in a chunk at most."""

MINUTES = 960
"""Minute bars of one symbol and session at most, 04:00 to 20:00."""

WHOLE_DAY = (time.min, time.max)
EXTENDED = (time(4), time(19, 59, 59, 999_999))


class Files:
    """A folder of bars as a source."""

    feed = "files"
    origin = Origin.VENDOR
    dated = False

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._read = 0
        self._malformed = MALFORMED.to_frame()

    @property
    def traffic(self) -> Traffic:
        """Readings of the folder."""
        return Traffic(self._read)

    @property
    def malformed(self) -> pl.DataFrame:
        """What `assets` and `actions` could not read."""
        return self._malformed

    def assets(self, day: date | None = None) -> pl.DataFrame:
        """The file of assets where there is one; else every symbol of the bars, tradable, nameless and not shortable."""
        listed = self._table("assets", {"symbol": pl.String()}, {name: kind for name, kind in ASSETS.items() if name != "symbol"})
        if listed is None:
            paths = [*self._files("minute"), *self._files("daily")] or self._some("daily")
            symbols = pl.concat([tables.columns(path).select(pl.col("symbol").cast(pl.String)) for path in paths]).drop_nulls().unique().collect()
            listed = symbols.select("symbol", *(pl.lit(None, kind).alias(name) for name, kind in ASSETS.items() if name != "symbol"))
        return (
            listed.with_columns(
                pl.col("name").fill_null(pl.col("symbol")),
                pl.col("exchange").fill_null(""),
                pl.col("tradable").fill_null(True),
                pl.col("shortable").fill_null(False),
            )
            .unique("symbol", keep="first")
            .sort("symbol")
        )

    def daily(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Daily bars from `daily/`."""
        return self._bars("daily", symbols, calendar.sessions(first, last), max(1, CHUNK // max(1, len(symbols))), WHOLE_DAY)

    def minutes(self, symbols: Sequence[str], first: date, last: date) -> Iterator[Fetched]:
        """Minute bars from `minute/`."""
        return self._bars("minute", symbols, calendar.sessions(first, last), max(1, CHUNK // MINUTES // max(1, len(symbols))), EXTENDED)

    def trades(self, symbols: Sequence[str], session: date) -> Iterator[Fetched]:
        """Trades from `trades/`."""
        optional = {"exchange": pl.String(), "id": pl.String(), "conditions": pl.String(), "tape": pl.String()}
        rows, malformed = self._rows("trades", {"price": pl.Float64(), "size": pl.Float64()}, optional, symbols, [session], EXTENDED)
        shown = rows.with_columns(pl.col("conditions").str.split(" "), pl.lit(self.feed).alias("feed")).match_to_schema(TRADES)
        yield Fetched(shown, malformed, tuple(symbols), (session,))

    def actions(self, symbols: Sequence[str], first: date, last: date) -> pl.DataFrame:
        """The file of actions; none without one."""
        found = self._table(
            "actions", {"symbol": pl.String(), "kind": pl.String(), "ex_date": pl.Date()}, {"ratio": pl.Float64(), "cash": pl.Float64()}
        )
        if found is None:
            return ACTIONS.to_frame()
        split, dividend = pl.col("kind") == "split", pl.col("kind") == "dividend"
        sound = (split & (pl.col("ratio") > 0)) | (dividend & (pl.col("cash") > 0))
        wrong = found.filter(~sound.fill_null(False))
        if wrong.height:
            reason = "expected a split with a ratio above 0, or a dividend with cash above 0"
            self._malformed = pl.concat([self._malformed, tables.refused(wrong, reason)])
        kept = found.filter(sound.fill_null(False) & pl.col("symbol").is_in(list(symbols)) & pl.col("ex_date").is_between(first, last))
        return kept.select(
            "symbol",
            "kind",
            "ex_date",
            pl.when(split).then("ratio").otherwise(1.0).alias("ratio"),
            pl.when(split).then(0.0).otherwise("cash").alias("cash"),
            pl.lit("files").alias("source"),
        ).sort("symbol", "ex_date", "kind")

    def members(self, day: date) -> list[str] | None:
        """The file of members; None without one. A row that cannot be read is an error: half an index is no index."""
        found = self._spans("members", {"symbol": pl.String()}, day)
        return None if found is None else sorted(set(found["symbol"]))

    def sectors(self, day: date) -> dict[str, str] | None:
        """The file of sectors; None without one. A company that changed its sector has the one of that day."""
        found = self._spans("sectors", {"symbol": pl.String(), "sector": pl.String()}, day)
        return None if found is None else dict(found.select("symbol", "sector").iter_rows())

    def _spans(self, name: str, needed: Mapping[str, pl.DataType], day: date) -> pl.DataFrame | None:
        """The rows of one file whose days have this one among them."""
        before = self._malformed.height
        found = self._table(name, {**needed, "first": pl.Date()}, {"last": pl.Date()})
        if found is None:
            return None
        if self._malformed.height > before:
            columns = ", ".join(needed)
            raise DataError(f"expected {columns}, first and last (days) in {self._folder}/{name}, found {self._malformed['raw'][before]}; correct it")
        return found.filter((pl.col("first") <= day) & (pl.col("last").is_null() | (pl.col("last") >= day)))

    def _bars(self, kind: str, symbols: Sequence[str], days: list[date], step: int, hours: tuple[time, time]) -> Iterator[Fetched]:
        needed = dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64())
        for at in range(0, len(days), step):
            chunk = days[at : at + step]
            rows, malformed = self._rows(kind, needed, {"vwap": pl.Float64(), "trades": pl.Int64()}, symbols, chunk, hours)
            yield Fetched(rows.with_columns(pl.lit(self.feed).alias("feed")).match_to_schema(BARS), malformed, tuple(symbols), tuple(chunk))

    def _rows(
        self,
        kind: str,
        needed: Mapping[str, pl.DataType],
        optional: Mapping[str, pl.DataType],
        symbols: Sequence[str],
        days: list[date],
        hours: tuple[time, time],
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(rows, malformed) of one folder. A row without a readable symbol or time is malformed on whatever days are asked for."""
        start, end = (datetime.combine(day, hour, NEW_YORK).astimezone(UTC) for day, hour in zip((days[0], days[-1]), hours, strict=True))
        asked = pl.col("symbol").is_in(list(symbols)) & pl.col("timestamp").is_between(start, end)
        here = (pl.col("symbol").is_in(list(symbols)) | (pl.col("symbol") == "")) & pl.col("timestamp").is_between(start, end).fill_null(True)
        columns = {"symbol": pl.String(), "timestamp": TRADES["timestamp"] if kind == "trades" else UTC_TIME, **needed}
        parts = [tables.typed(path, columns, optional) for path in self._some(kind)]
        self._read += 1
        rows, malformed = pl.collect_all([pl.concat([part[0] for part in parts]).filter(asked), pl.concat([part[1] for part in parts]).filter(here)])
        return rows, malformed

    def _table(self, name: str, needed: Mapping[str, pl.DataType], optional: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
        """The one file of this name, or None; what could not be read goes to `malformed`."""
        path = next((each for each in sorted(self._folder.glob(f"{name}.*")) if each.suffix in tables.SUFFIXES), None)
        if path is None:
            return None
        self._read += 1
        rows, malformed = pl.collect_all(list(tables.typed(path, needed, optional)))
        self._malformed = pl.concat([self._malformed, malformed])
        return rows

    def _files(self, kind: str) -> list[Path]:
        return sorted(path for path in (self._folder / kind).glob("*") if path.suffix in tables.SUFFIXES)

    def _some(self, kind: str) -> list[Path]:
        files = self._files(kind)
        if not files:
            raise MissingData(f"expected .parquet or .csv files in {self._folder / kind}, found none; put them there or unset BARS_FOLDER")
        return files
