"""A snapshot is uniquely named, never changes, and readers in other processes never notice that the next one is made."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines import publish
from pipelines.core.errors import DataError, MissingData, StaleBriefing
from pipelines.defs.resources import DayBot

DAY = date(2024, 6, 18)

READER = """
import sys
from pathlib import Path
from pipelines import publish, settings
home = settings.load(_env_file=None, daybot_home=Path(sys.argv[1]))
seen, last = set(), 0
print("ready", flush=True)
while "9" not in seen:
    snapshot = publish.current(home)
    values = snapshot.table("t")["value"].unique().to_list()
    assert len(values) == 1, f"half of one state and half of another: {values}"
    assert values[0] >= last, f"went back from {last} to {values[0]}"
    last = values[0]
    seen.add(snapshot.version)
print("done", flush=True)
"""


def publish_value(daybot: DayBot, name: str, value: int) -> publish.Snapshot:
    daybot.warehouse.replace({"t": pl.DataFrame({"session": [DAY] * 1000, "value": [value] * 1000})}, [DAY])
    return publish.release(daybot.settings, name, daybot.warehouse.copy)


def test_a_reader_in_another_process_sees_whole_states_in_order_while_new_ones_are_published(tools: Callable[..., DayBot], tmp_path: Path) -> None:
    daybot = tools(snapshots_kept=10)
    publish_value(daybot, "0", 0)
    with subprocess.Popen([sys.executable, "-c", READER, str(daybot.settings.daybot_home)], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(1, 10):
            publish_value(daybot, str(number), number)
        assert reader.stdout.read() == "done\n"
    assert reader.returncode == 0


def test_a_held_snapshot_keeps_its_state_after_the_next_is_published(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    first = publish_value(daybot, "a", 1)
    publish_value(daybot, "b", 2)
    assert first.sql("SELECT DISTINCT value FROM t WHERE session = ?", [DAY])["value"].to_list() == [1]
    assert publish.current(daybot.settings).table("t")["value"][0] == 2


def test_only_the_newest_snapshots_are_kept(tools: Callable[..., DayBot]) -> None:
    daybot = tools(snapshots_kept=2)
    for name in ("c", "a", "b"):
        publish_value(daybot, name, 1)
    assert sorted(path.name for path in daybot.settings.snapshots.iterdir()) == ["CURRENT", "a.duckdb", "b.duckdb", "publish.lock"]


def test_a_snapshot_cannot_be_written_to(tools: Callable[..., DayBot]) -> None:
    import duckdb

    with pytest.raises(duckdb.InvalidInputException):
        publish_value(tools(), "a", 1).sql("CREATE TABLE x AS SELECT 1")


def test_a_name_is_used_once(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    publish_value(daybot, "a", 1)
    with pytest.raises(DataError, match="published already"):
        publish_value(daybot, "a", 2)


def test_without_a_snapshot_the_error_says_how_to_make_one(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(MissingData, match="make demo"):
        publish.current(tools().settings)


def test_a_briefing_for_another_session_is_stale(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    row = pl.DataFrame({"session": [DAY], "version": ["a"], "json": ["{}"]})
    daybot.warehouse.replace({"briefings": row}, [DAY])
    snapshot = publish_value(daybot, "a", 1)
    with pytest.raises(StaleBriefing, match="2024-06-20"):
        snapshot.briefing(date(2024, 6, 20))


def test_an_unknown_table_names_the_known_ones(tools: Callable[..., DayBot]) -> None:
    with pytest.raises(MissingData, match=r"\['t'\]"):
        publish_value(tools(), "a", 1).table("x")


def test_the_version_says_session_moment_and_content() -> None:
    made = datetime(2024, 6, 18, 21, 5, 6, 789_000, tzinfo=UTC)
    assert publish.version(date(2024, 6, 20), made, "abcdef0123456789") == "2024-06-20-20240618T210506789Z-abcdef01"
