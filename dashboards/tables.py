"""Tables as people want them: readable here, whole as CSV or Parquet in their own tools."""

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import polars as pl
import streamlit as st

from dashboards import words
from pipelines.core.words import counted

ROW, HEAD = 33, 35
"""Pixels of a row, and of the head with its border."""

TALLEST = 14
"""Rows beyond which a table scrolls in itself."""

MOST = 2_000
"""Rows that a page sends to the browser; the files have all."""

DIGITS = re.compile(r"%\.(?P<digits>\d)f|dollar")
"""How many are shown after the point, where a column's form says; of dollars two."""

Columns = Mapping[str, Any]
"""Streamlit's column configurations, or plain titles."""


def shown(frame: pl.DataFrame, name: str, columns: Columns, *, rows: int = TALLEST, export: pl.DataFrame | None = None) -> None:
    """The frame, and beneath it both files: of `export` where that says more than what is shown. `name` begins the file names."""
    height = tall(frame.height, rows)
    st.dataframe(
        _unsigned(frame.head(MOST), columns), hide_index=True, width="stretch", placeholder=words.NONE, column_config=dict(columns), height=height,
        key=f"table-{name}",
    )  # fmt: skip
    exported(frame if export is None else export, name)


def chosen(frame: pl.DataFrame, name: str, columns: Columns, *, rows: int = TALLEST, export: pl.DataFrame | None = None) -> int | None:
    """The same with a row to pick, by mouse or keyboard; its number, None while none is picked."""
    event = st.dataframe(
        _unsigned(frame.head(MOST), columns), hide_index=True, width="stretch", placeholder=words.NONE, column_config=dict(columns),
        height=tall(frame.height, rows), on_select="rerun", selection_mode="single-row", key=f"pick-{name}",
    )  # fmt: skip
    exported(frame if export is None else export, name)
    picked = event["selection"]["rows"]
    return int(picked[0]) if picked and picked[0] < frame.height else None


def exported(frame: pl.DataFrame, name: str) -> None:
    """Both files, made when somebody wants one."""
    row = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small")
    if frame.height > MOST:
        row.caption(f"first {MOST:,} of {frame.height:,} rows")
    for kind, mime, write in (("csv", "text/csv", csv), ("parquet", "application/vnd.apache.parquet", parquet)):
        row.download_button(
            kind.upper() if kind == "csv" else "Parquet", _made(write, frame), f"{name}.{kind}", mime, key=f"{name}-{kind}", on_click="ignore",
            type="tertiary", icon=":material/download:", help=f"{counted(frame.height, 'row')}, every column; times in UTC",
        )  # fmt: skip


def csv(frame: pl.DataFrame) -> bytes:
    """Times as ISO 8601; what a column holds in lists is joined."""
    flat = [pl.col(name).list.join("; ") for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(flat).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6f%:z").encode()


def parquet(frame: pl.DataFrame) -> bytes:
    """As it is."""
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def tall(rows: int, most: int | None = None) -> int:
    """Pixels that show all rows and their head, or `most` of them and half of the next: there is more to scroll to."""
    return ROW * max(rows, 1) + HEAD if most is None or rows <= most else ROW * most + ROW // 2 + HEAD


def measured(frame: pl.DataFrame) -> pl.DataFrame:
    """What controls measured and allowed in their units, for people. `frame`: code, value, limit, and others that stay."""
    said = [
        pl.Series(name, [words.measured(code, value) for code, value in frame.select("code", name).iter_rows()], pl.String)
        for name in ("value", "limit")
    ]
    return frame.with_columns(said)


def _made(write: Callable[[pl.DataFrame], bytes], frame: pl.DataFrame) -> Callable[[], bytes]:
    return lambda: write(frame)


def _unsigned(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Nought in the digits that are shown is not minus nought."""
    found = {name: DIGITS.match(_form(columns[name])) for name, kind in frame.schema.items() if kind.is_float() and name in columns}
    least = {name: 0.5 * 10.0 ** -int(one["digits"] or 2) for name, one in found.items() if one}
    return frame.with_columns(pl.when(pl.col(name).is_between(-size, 0.0)).then(0.0).otherwise(name).alias(name) for name, size in least.items())


def _form(column: Any) -> str:
    """A number's, by Streamlit's configuration."""
    return str(column["type_config"].get("format") or "") if isinstance(column, dict) else ""


# --- columns that are the same everywhere


def price(title: str) -> Any:
    """Dollars a share."""
    return st.column_config.NumberColumn(title, format="%.2f")


def dollars(title: str, meaning: str | None = None) -> Any:
    """An amount of money."""
    return st.column_config.NumberColumn(title, format="dollar", help=meaning)


def number(title: str, digits: int = 2, meaning: str | None = None) -> Any:
    """Any other number."""
    return st.column_config.NumberColumn(title, format=f"%.{digits}f", help=meaning)


def whole(title: str) -> Any:
    """A count."""
    return st.column_config.NumberColumn(title, format="localized")


def percent(title: str, digits: int = 1, meaning: str | None = None) -> Any:
    """A column of per cents (already times 100)."""
    return st.column_config.NumberColumn(title, format=f"%.{digits}f %%", help=meaning)


def clock(title: str) -> Any:
    """A time of day, New York."""
    return st.column_config.DatetimeColumn(title, format="HH:mm:ss")


def stamp(title: str) -> Any:
    """A day and time, New York."""
    return st.column_config.DatetimeColumn(title, format="D MMM, HH:mm")


def day(title: str) -> Any:
    """A session."""
    return st.column_config.DateColumn(title, format="ddd D MMM YYYY")


def long(title: str) -> Any:
    """Prose."""
    return st.column_config.TextColumn(title, width="large")


def pinned(title: str) -> Any:
    """A name that stays in sight."""
    return st.column_config.TextColumn(title, pinned=True)
