"""Your own files as a source: Parquet and CSV alike, and what cannot be read is told."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.errors import DataError, MissingData
from pipelines.defs.resources import DayBot
from pipelines.vendors.files import Files
from pipelines.vendors.source import ACTIONS, ASSETS, BARS, MALFORMED, TRADES, whole

FIRST, LAST = date(2024, 6, 3), date(2024, 6, 18)
HEAD = "symbol,timestamp,open,high,low,close,volume\n"


def csv(folder: Path, name: str, text: str) -> Files:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return Files(folder)


def test_own_files_may_be_csv_and_an_empty_folder_is_an_error(
    folder: Path, tools: Callable[..., DayBot], market: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    source = tools(bars_folder=str(folder)).source
    assert isinstance(source, Files)
    before = whole(source.daily(["AAPL"], FIRST, LAST))
    assert (before.symbols, len(before.sessions), before.rows.schema) == (("AAPL",), 12, BARS)
    (folder / "daily" / "all.parquet").unlink()
    market[0].write_csv(folder / "daily" / "all.csv")
    after = whole(source.daily(["AAPL"], FIRST, LAST))
    assert after.rows.equals(before.rows)
    assert after.malformed.is_empty()
    (folder / "daily" / "all.csv").unlink()
    with pytest.raises(MissingData, match="BARS_FOLDER"):
        whole(source.daily(["AAPL"], FIRST, LAST))


def test_minutes_keep_the_extended_hours_and_the_count_under_either_name(folder: Path) -> None:
    found = whole(Files(folder).minutes(["AAPL", "ZZZZ"], date(2024, 6, 17), LAST))
    assert found.rows.group_by("symbol").len().sort("symbol").rows() == [("AAPL", 840), ("ZZZZ", 840)]
    assert found.rows["trades"].unique().to_list() == [10]
    assert found.rows["timestamp"].min() == datetime(2024, 6, 17, 13, 0, tzinfo=UTC)


def test_a_bad_row_is_set_aside_with_its_reason_and_the_rest_of_its_file_stays(tmp_path: Path) -> None:
    rows = [
        "AAPL,2024-06-17T04:00:00Z,1,2,0.5,1.5,100",
        "AAPL,2024-06-18,1,2,0.5,1.5,100",
        "AAPL,2024-06-13 04:00:00,1,2,0.5,n/a,100",
        "AAPL,2024-06-14T04:00:00Z,1,2,0.5,1.5,",
        "AAPL,tomorrow,1,2,0.5,1.5,100",
        ",2024-06-12T04:00:00Z,1,2,0.5,1.5,100",
        "MSFT,2024-06-12T04:00:00Z,x,2,0.5,1.5,100",
    ]
    found = whole(csv(tmp_path, "daily/a.csv", HEAD + "\n".join(rows)).daily(["AAPL"], FIRST, LAST))
    assert found.rows["timestamp"].dt.date().to_list() == [date(2024, 6, 17), date(2024, 6, 18)]
    assert found.rows["timestamp"].dt.hour().to_list() == [4, 4], "a bare day is midnight in New York"
    assert found.malformed.schema == MALFORMED
    assert found.malformed.select("symbol", "reason").rows() == [
        ("AAPL", "close: expected a number, found n/a"),
        ("AAPL", "volume: expected a number, found nothing"),
        ("AAPL", "timestamp: expected a time, found tomorrow"),
        ("", "symbol: expected a text, found nothing"),
    ]
    assert '"close":"n/a"' in found.malformed["raw"][0]
    assert found.malformed["timestamp"][0] == datetime(2024, 6, 13, 4, tzinfo=UTC), "so that it is known which bar it is"


def test_a_parquet_file_with_text_for_prices_loses_only_what_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "daily").mkdir()
    stamp = [datetime(2024, 6, day, 4, tzinfo=UTC) for day in (17, 18)]
    prices = {name: ["10.0", "ten"] for name in ("open", "high", "low", "close")}
    pl.DataFrame({"symbol": ["A", "A"], "timestamp": stamp, **prices, "volume": [1, 2]}).write_parquet(tmp_path / "daily" / "a.parquet")
    found = whole(Files(tmp_path).daily(["A"], FIRST, LAST))
    assert (found.rows["close"].to_list(), found.malformed["reason"].to_list()) == ([10.0], ["open: expected a number, found ten"])


def test_a_file_without_a_needed_column_is_refused_by_name(tmp_path: Path) -> None:
    source = csv(tmp_path, "daily/a.csv", "symbol,time,open,high,low,close,volume\nA,2024-06-17,1,1,1,1,1\n")
    with pytest.raises(DataError, match=r"found no timestamp among symbol, time"):
        whole(source.daily(["A"], FIRST, LAST))


def test_actions_are_read_and_one_that_cannot_be_meant_is_told(tmp_path: Path) -> None:
    sound = ["A,split,2024-06-10,2,", "A,dividend,2024-06-12,,0.24", "A,split,2023-01-03,3,"]
    wrong = ["B,split,2024-06-10,0,", "B,spin,2024-06-10,2,", "A,split,soon,2,"]
    source = csv(tmp_path, "actions.csv", "\n".join(["symbol,kind,ex_date,ratio,cash", *sound, *wrong]))
    found = source.actions(["A", "B"], FIRST, LAST)
    assert found.schema == ACTIONS
    assert found.rows() == [("A", "split", date(2024, 6, 10), 2.0, 0.0, "files"), ("A", "dividend", date(2024, 6, 12), 1.0, 0.24, "files")]
    assert sorted(source.malformed["reason"]) == [
        "ex_date: expected a day, found soon",
        "expected a split with a ratio above 0, or a dividend with cash above 0",
        "expected a split with a ratio above 0, or a dividend with cash above 0",
    ]
    assert Files(tmp_path / "elsewhere").actions(["A"], FIRST, LAST).is_empty()


def test_membership_is_of_the_day_and_half_an_index_is_an_error(tmp_path: Path) -> None:
    source = csv(tmp_path, "members.csv", "symbol,first,last\nOLD,2000-01-03,2024-06-10\nNEW,2024-06-11,\nALL,2000-01-03,\n")
    assert source.members(date(2024, 6, 10)) == ["ALL", "OLD"]
    assert source.members(date(2024, 6, 11)) == ["ALL", "NEW"]
    assert Files(tmp_path / "elsewhere").members(FIRST) is None
    with pytest.raises(DataError, match="members"):
        csv(tmp_path, "members.csv", "symbol,first,last\nOLD,long ago,\n").members(FIRST)


def test_assets_are_listed_or_else_every_symbol_of_the_bars(folder: Path) -> None:
    bare = Files(folder).assets()
    assert bare.schema == ASSETS
    assert bare.row(0) == ("AAPL", "AAPL", "", True, False)
    assert bare.height == 7
    listed = csv(folder, "assets.csv", "symbol,name,tradable\nAAPL,Apple,yes\nBAC,,false\nJPM,,perhaps\n")
    assert listed.assets().rows() == [("AAPL", "Apple", "", True, False), ("BAC", "BAC", "", False, False)]
    assert listed.malformed["reason"].to_list() == ["tradable: expected true or false, found perhaps"]


def test_trades_may_be_own_files_too(tmp_path: Path) -> None:
    text = "symbol,timestamp,price,size,conditions\nA,2024-06-18T13:30:00.123456789Z,10.01,100,O I\nA,2024-06-18T13:30:01Z,ten,100,\n"
    found = whole(csv(tmp_path, "trades/a.csv", text).trades(["A"], LAST), TRADES)
    assert found.rows.schema == TRADES
    assert found.rows.select("price", "size", "conditions").rows() == [(10.01, 100.0, ["O", "I"])]
    assert found.malformed["reason"].to_list() == ["price: expected a number, found ten"]
