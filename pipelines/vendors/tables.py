"""One Parquet or CSV file as typed columns, and beside them the rows that could not be read, with the reason and their text."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipelines.core.errors import DataError
from pipelines.core.market.session import NEW_YORK
from pipelines.vendors.source import MALFORMED, RAW, UTC_TIME

SUFFIXES = {".parquet", ".csv"}
WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def columns(path: Path) -> pl.LazyFrame:
    """The file as it is; every cell of a CSV is text until it has been judged."""
    frame = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path, infer_schema=False)
    names = frame.collect_schema().names()
    return frame.rename({"trade_count": "trades"}) if "trade_count" in names and "trades" not in names else frame


def typed(path: Path, needed: Mapping[str, pl.DataType], optional: Mapping[str, pl.DataType]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """(rows, malformed): the named columns in their types, and as `MALFORMED` what could not be read.

    A needed cell must be there; an optional one may be empty, and its column may be missing. `DataError` names the needed columns that are.
    """
    frame = columns(path)
    kinds = frame.collect_schema()
    if lacking := [name for name in needed if name not in kinds]:
        raise DataError(
            f"expected columns {', '.join(needed)} in {path}, found no {', '.join(lacking)} among {', '.join(kinds.names())}; rename or add"
        )
    wanted = {**needed, **optional}
    cells = {name: _cell(name, kinds[name], kind) if name in kinds else pl.lit(None, kind) for name, kind in wanted.items()}
    reason = pl.coalesce(
        *(_reason(name, kinds[name], cells[name], needed=name in needed, kind=kind) for name, kind in wanted.items() if name in kinds)
    )
    rows = frame.filter(reason.is_null()).select(cell.alias(name) for name, cell in cells.items())
    moment = cells["timestamp"].cast(UTC_TIME) if "timestamp" in cells else pl.lit(None, UTC_TIME)
    refused = frame.filter(reason.is_not_null()).select(
        cells["symbol"].fill_null("").alias("symbol"), moment.alias("timestamp"), reason.alias("reason"), raw(kinds.names()).alias("raw")
    )
    return rows, refused


def refused(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Rows that were read and cannot be meant, as `MALFORMED`."""
    return rows.select(
        "symbol", pl.lit(None, UTC_TIME).alias("timestamp"), pl.lit(reason).alias("reason"), raw(rows.columns).alias("raw")
    ).match_to_schema(MALFORMED)


def raw(names: list[str]) -> pl.Expr:
    """A row's text."""
    return pl.struct(names).struct.json_encode().str.slice(0, RAW)


def _cell(name: str, found: pl.DataType, kind: pl.DataType) -> pl.Expr:
    """The column in this type; null where a cell cannot be."""
    column = pl.col(name)
    if found == kind:
        return column
    if isinstance(kind, pl.Datetime):
        return _moment(column, found, kind)
    if found == pl.String:
        if kind == pl.Boolean:
            return column.str.to_lowercase().replace_strict(WORDS, default=None, return_dtype=pl.Boolean)
        if kind == pl.Date:
            return column.str.to_date("%Y-%m-%d", strict=False)
        if kind == pl.Int64:
            return column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    return column.cast(kind, strict=False)


def _moment(column: pl.Expr, found: pl.DataType, kind: pl.Datetime) -> pl.Expr:
    """A time in UTC. Text may have a zone, and is UTC without one; a bare day is midnight in New York."""
    if found == pl.String:
        zoned = column.str.to_datetime("%+", time_unit=kind.time_unit, time_zone="UTC", strict=False)
        plain = [column.str.to_datetime(f"%Y-%m-%d{gap}%H:%M:%S%.f", time_unit=kind.time_unit, strict=False) for gap in (" ", "T")]
        day = _midnight(column.str.to_date("%Y-%m-%d", strict=False), kind)
        return pl.coalesce(zoned, *(each.dt.replace_time_zone("UTC") for each in plain), day)
    if found == pl.Date:
        return _midnight(column, kind)
    return column.cast(kind, strict=False)


def _midnight(day: pl.Expr, kind: pl.Datetime) -> pl.Expr:
    return day.cast(pl.Datetime(kind.time_unit)).dt.replace_time_zone(NEW_YORK.key).dt.convert_time_zone("UTC")


def _reason(name: str, found: pl.DataType, cell: pl.Expr, *, needed: bool, kind: pl.DataType) -> pl.Expr:
    """What is wrong with the cell, null if nothing is."""
    empty = pl.col(name).is_null()
    lost = pl.when(cell.is_null() & ~empty).then(
        pl.format(f"{name}: expected {_word(kind)}, found {{}}", pl.col(name).cast(pl.String, strict=False).str.slice(0, 60))
    )
    return lost.when(empty).then(pl.lit(f"{name}: expected {_word(kind)}, found nothing")) if needed else lost.otherwise(pl.lit(None, pl.String))


def _word(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Datetime):
        return "a time"
    return "a number" if kind.is_numeric() else {pl.Date(): "a day", pl.Boolean(): "true or false"}.get(kind, "a text")
