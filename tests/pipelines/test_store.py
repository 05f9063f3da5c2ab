"""The warehouse replaces whole partitions or nothing; the lake never shows half a file and asks only for what is missing."""

from collections.abc import Callable
from datetime import date

import duckdb
import polars as pl
import pytest

from pipelines import publish
from pipelines.core.errors import DataError, MissingData
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar
from pipelines.vendors.screen import screen
from pipelines.vendors.source import BARS

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


def bars(session: date, *symbols: str) -> pl.DataFrame:
    stamp = pl.lit(session).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York").dt.convert_time_zone("UTC")
    frame = pl.DataFrame({"symbol": list(symbols)}).with_columns(stamp.alias("timestamp"))
    prices = [pl.lit(10.0).alias(name) for name in ("open", "high", "low", "close", "volume", "vwap")]
    return frame.with_columns(*prices, pl.lit(1, pl.Int64).alias("trades"), pl.lit("iex").alias("feed")).match_to_schema(BARS)


def test_lake_asks_once_for_each_run_of_sessions_with_the_same_gap(tools: Callable[..., DayBot]) -> None:
    lake = tools().lake
    window = calendar.trailing(DAY, 5)
    assert lake.missing("day", window, "iex", ["A", "B"]) == [(("A", "B"), window)]
    for day in window[:3]:
        found = screen(bars(day, "A"), [day])
        lake.put("day", day, "iex", found.good, found.bad, ["A", "B"])
    assert lake.missing("day", window, "iex", ["A", "B"]) == [(("A", "B"), window[3:])]
    assert lake.missing("day", window, "iex", ["A", "B", "C"]) == [(("C",), window[:3]), (("A", "B", "C"), window[3:])]
    assert lake.missing("day", window, "sip", ["A"]) == [(("A",), window)]


def test_lake_remembers_that_a_session_had_nothing(tools: Callable[..., DayBot]) -> None:
    lake = tools().lake
    found = screen(BARS.to_frame(), [DAY])
    lake.put("day", DAY, "iex", found.good, found.bad, ["A"])
    assert lake.missing("day", [DAY], "iex", ["A"]) == []


def test_lake_adds_symbols_to_a_session_and_leaves_no_scraps(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    for symbol in ("A", "B"):
        found = screen(bars(DAY, symbol), [DAY])
        daybot.lake.put("day", DAY, "iex", found.good, found.bad, [symbol])
    read = publish.bars(daybot.settings, "day", DAY, DAY)
    assert read["symbol"].to_list() == ["A", "B"]
    assert read["session"].to_list() == [DAY, DAY]
    assert [path.name for path in daybot.settings.bars("day", DAY).iterdir()] == ["iex.parquet"]


def test_bars_of_two_feeds_are_never_mixed_unasked(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    found = screen(bars(DAY, "A"), [DAY])
    for feed in ("iex", "generated"):
        daybot.lake.put("day", DAY, feed, found.good, found.bad, ["A"])
    with pytest.raises(DataError, match="say which with feed="):
        publish.bars(daybot.settings, "day", DAY, DAY)
    assert publish.bars(daybot.settings, "day", DAY, DAY, feed="iex").height == 1
