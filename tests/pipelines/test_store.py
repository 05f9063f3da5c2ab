"""The warehouse replaces whole partitions or nothing."""

from collections.abc import Callable
from datetime import date

import duckdb
import polars as pl
import pytest

from pipelines.core.errors import DataError, MissingData
from pipelines.defs.resources import DayBot

DAY, OTHER = date(2024, 6, 18), date(2024, 6, 17)


def rows(session: date, *values: float) -> pl.DataFrame:
    return pl.DataFrame({"session": [session] * len(values), "value": list(values)}, schema={"session": pl.Date, "value": pl.Float64})


def test_replacing_a_session_leaves_the_others(tools: Callable[..., DayBot]) -> None:
    warehouse = tools().warehouse
    warehouse.replace({"t": rows(DAY, 1.0, 2.0)}, [DAY])
    warehouse.replace({"t": rows(OTHER, 3.0)}, [OTHER])
    warehouse.replace({"t": rows(DAY, 4.0)}, [DAY])
    assert sorted(warehouse.read("t")["value"]) == [3.0, 4.0]
    assert warehouse.read("t", DAY)["value"].to_list() == [4.0]


def test_a_failed_insert_leaves_every_table_as_it_was(tools: Callable[..., DayBot]) -> None:
    warehouse = tools().warehouse
    warehouse.replace({"a": rows(DAY, 1.0), "b": rows(DAY, 1.0)}, [DAY])
    wrong = rows(DAY, 2.0).with_columns(pl.lit("text").alias("value"))
    with pytest.raises(duckdb.ConversionException):
        warehouse.replace({"a": rows(DAY, 2.0), "b": wrong}, [DAY])
    assert warehouse.read("a")["value"].to_list() == [1.0]
    assert warehouse.read("b")["value"].to_list() == [1.0]


def test_scope_replaces_only_its_own_rows(tools: Callable[..., DayBot]) -> None:
    warehouse = tools().warehouse
    for kind, value in (("day", 1.0), ("minute", 2.0), ("day", 3.0)):
        warehouse.replace({"t": rows(DAY, value).with_columns(pl.lit(kind).alias("kind"))}, [DAY], kind=kind)
    assert sorted(warehouse.read("t")["value"]) == [2.0, 3.0]


def test_a_new_column_is_added_and_old_rows_have_null(tools: Callable[..., DayBot]) -> None:
    warehouse = tools().warehouse
    warehouse.replace({"t": rows(OTHER, 1.0)}, [OTHER])
    warehouse.replace({"t": rows(DAY, 2.0).with_columns(pl.lit("new").alias("word"))}, [DAY])
    assert warehouse.read("t").sort("session")["word"].to_list() == [None, "new"]


def test_rows_of_a_session_that_is_not_replaced_are_refused(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(DataError, match="name them as well"):
        tools().warehouse.replace({"t": rows(OTHER, 1.0)}, [DAY])


def test_reading_an_unknown_table_says_what_to_do(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(MissingData, match="materialise the asset"):
        tools().warehouse.read("nothing")
