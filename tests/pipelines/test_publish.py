"""A snapshot is uniquely named, never changes, and readers in other processes never notice that the next one is made."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from market import briefing_of

from pipelines import publish
from pipelines.core.errors import BrokenSnapshot, DataError, MissingData, SettingsError, StaleBriefing
from pipelines.core.journal import GENESIS, Manifest, encode, seal
from pipelines.core.risk.limits import Limits
from pipelines.defs.resources import DayBot
from pipelines.settings import Settings

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


def test_a_snapshot_cannot_be_written_to(tools: Callable[..., DayBot]) -> None:

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


FIRST = datetime(2024, 6, 18, 21, tzinfo=UTC)


def versions(count: int) -> list[str]:
    """Names as the briefing makes them, an hour apart; the second is for an older session, as in a backfill."""
    sessions = [date(2024, 6, 20), date(2024, 1, 3), *[date(2024, 6, 21)] * count]
    return [publish.version(sessions[i], FIRST + timedelta(hours=i), f"{i:08x}") for i in range(count)]


def publish_briefing(daybot: DayBot, name: str, *, json: str | None = None) -> publish.Snapshot:
    """A snapshot with the briefing that it was published with, as the asset makes it."""
    made = briefing_of(["AAPL"]).model_copy(update={"version": name, "session": date.fromisoformat(name[:10])})
    rows = {"briefings": pl.DataFrame({"session": [made.session], "version": [name], "json": [json or made.model_dump_json()]})}
    copy, record = (partial(do, tables=rows, sessions=[made.session]) for do in (daybot.warehouse.copy, daybot.warehouse.replace))
    return publish.release(daybot.settings, name, copy, record)


def kept(settings: Settings) -> list[str]:
    """What is in the folder, the lock aside."""
    return sorted(path.name for path in settings.snapshots.iterdir() if path.name != "publish.lock")


def test_a_publication_for_an_earlier_session_is_listed_and_the_newest_session_stays_current(tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=10), versions(4)
    for name in names[:2]:
        publish_briefing(daybot, name)
    assert [one.version for one in publish.published(daybot.settings)] == [names[1], names[0]]
    assert publish.current(daybot.settings).briefing().session == date(2024, 6, 20)
    assert publish.named(daybot.settings, names[1]).briefing().session == date(2024, 1, 3)
    publish_briefing(daybot, names[2])
    assert publish.current(daybot.settings).version == names[2]
    publish_briefing(daybot, names[3])
    assert publish.current(daybot.settings).version == names[3], "the same session once more: the later state"
    assert publish.current(daybot.settings).briefing(date(2024, 1, 3)).version == names[1], "what the backfill made is in the next one"


def test_a_backfill_of_many_sessions_does_not_push_the_current_snapshot_out(tools: Callable[..., DayBot]) -> None:
    daybot = tools(snapshots_kept=2)
    newest = publish.version(date(2024, 6, 20), FIRST, "0" * 8)
    publish_briefing(daybot, newest)
    for day in range(1, 6):
        publish_briefing(daybot, publish.version(date(2024, 1, 3 + day), FIRST + timedelta(hours=day), f"{day:08x}"))
    assert publish.current(daybot.settings).briefing().version == newest
    assert len(publish.published(daybot.settings)) == 3, "the newest two and the current one"


DIES = """
import os, signal, sys
from datetime import date
from pathlib import Path
import polars as pl
from pipelines import publish, settings
from pipelines.store import Warehouse
home = settings.load(_env_file=None, daybot_home=Path(sys.argv[1]))
warehouse, name, where = Warehouse(home), sys.argv[2], sys.argv[3]
def die(): os.kill(os.getpid(), signal.SIGKILL)
session = date.fromisoformat(name[:10])
rows = {"briefings": pl.DataFrame({"session": [session], "version": [name], "json": ["{}"]})}
def copy(target):
    warehouse.copy(target, rows, [session])
    if where == "drafted": die()
def record():
    if where == "released": die()
    warehouse.replace(rows, [session])
    if where == "recorded": die()
publish.release(home, name, copy, record)
"""


@pytest.mark.parametrize("where", ["drafted", "released", "recorded"])
def test_killed_while_it_publishes_it_leaves_no_row_of_a_version_that_is_no_file(where: str, tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=10), versions(3)
    publish_briefing(daybot, names[0])
    killed = subprocess.run([sys.executable, "-c", DIES, str(daybot.settings.daybot_home), names[2], where], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert publish.current(daybot.settings).version == names[0]
    assert sorted(publish.current(daybot.settings).table("briefings")["version"]) == [names[0]]
    publish_briefing(daybot, names[1])
    there = {one.version for one in publish.published(daybot.settings)}
    for name in there:
        assert set(publish.named(daybot.settings, name).table("briefings")["version"]) <= there
    assert (names[2] in there) is (where != "drafted")


def test_only_the_newest_snapshots_are_kept_whatever_session_they_are_for(tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=2), versions(4)
    for name in names:
        publish_value(daybot, name, 1)
    assert kept(daybot.settings) == ["2024-06-21-" + name[11:] + ".duckdb" for name in names[2:]] + ["CURRENT"]
    assert [one.version for one in publish.published(daybot.settings)] == [names[3], names[2]]


def test_the_snapshot_that_the_last_session_began_with_is_kept(tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=2), versions(5)
    publish_value(daybot, names[0], 0)
    journal = daybot.settings.journals / "2024-06-20-01-abcd.jsonl"
    journal.parent.mkdir(parents=True)
    said = Manifest(
        session=date(2024, 6, 20), run="abcd", mode="sim", account="A", code="c", strategies=(), limits=Limits(),
        briefing=briefing_of([]).model_copy(update={"version": names[0]}),
    )  # fmt: skip
    journal.write_bytes(seal(GENESIS, 1, 0, "session", encode(said))[0] + b"\n" + b"half of the next rec")
    for i, name in enumerate(names[1:], start=1):
        publish_value(daybot, name, i)
    assert [one.version for one in publish.published(daybot.settings)] == [names[4], names[3], names[0]]


@pytest.mark.parametrize("content", [b"", b"{", b"not a journal\n"])
def test_a_journal_that_cannot_be_read_stops_no_publication(content: bytes, tools: Callable[..., DayBot]) -> None:
    daybot = tools(snapshots_kept=2)
    daybot.settings.journals.mkdir(parents=True)
    (daybot.settings.journals / "2024-06-20-01-abcd.jsonl").write_bytes(content)
    for name in versions(3):
        publish_value(daybot, name, 1)
    assert len(publish.published(daybot.settings)) == 2


def test_of_two_publications_at_a_time_the_later_state_is_the_current_one(tools: Callable[..., DayBot]) -> None:
    daybot, copying, done = tools(), threading.Event(), threading.Event()

    def slowly(target: Path) -> None:
        daybot.warehouse.copy(target)
        copying.set()
        done.wait(30)

    publish_value(daybot, "0", 0)
    first = threading.Thread(target=publish.release, args=(daybot.settings, "1", slowly))
    first.start()
    assert copying.wait(30)
    second = threading.Thread(target=publish_value, args=(daybot, "2", 2))
    second.start()
    second.join(0.5)
    assert second.is_alive(), "it waits for the one that has copied already"
    assert publish.current(daybot.settings).version == "0", "readers wait for nobody"
    done.set()
    for thread in (first, second):
        thread.join(30)
    assert publish.current(daybot.settings).table("t")["value"].unique().to_list() == [2]


def test_a_copy_that_fails_leaves_what_was_current_and_nothing_else(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    publish_value(daybot, "a", 1)

    def full(target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        publish.release(daybot.settings, "b", full)
    assert kept(daybot.settings) == ["CURRENT", "a.duckdb"]
    assert publish.current(daybot.settings).table("t")["value"][0] == 1
    publish_value(daybot, "b", 2)
    assert publish.current(daybot.settings).version == "b"


def test_a_released_file_is_read_only(tools: Callable[..., DayBot]) -> None:
    assert publish_value(tools(), "a", 1).path.stat().st_mode & 0o222 == 0


def test_going_back_is_undone_by_the_next_publication(tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=10), versions(3)
    for name in names[:2]:
        publish_briefing(daybot, name)
    assert publish.use(daybot.settings, names[0]).version == names[0]
    assert publish.current(daybot.settings).briefing().version == names[0]
    assert publish.use(daybot.settings, "2024-01").version == names[1], "an unmistakable beginning is enough, and forward is a way as well"
    publish.use(daybot.settings, names[0])
    publish_briefing(daybot, names[2])
    assert publish.current(daybot.settings).version == names[2]


def test_nothing_is_used_that_cannot_be_read_or_told_apart(tools: Callable[..., DayBot]) -> None:
    daybot, names = tools(snapshots_kept=10), versions(4)
    for name in names[:3]:
        publish_briefing(daybot, name)
    publish_briefing(daybot, names[3], json='{"version": 1}')
    publish.use(daybot.settings, names[2])
    spoil(publish.named(daybot.settings, names[0]).path, cut=5000)
    for wrong, error, said in [
        ("2024-06-21", MissingData, "fits 2"),
        ("2031", MissingData, "fits 0"),
        ("../" + names[0], MissingData, "fits 0"),
        (names[0], BrokenSnapshot, "cannot be read"),
        (names[3], BrokenSnapshot, "as this version of DayBot writes it, found version: Input should be a valid string"),
    ]:
        with pytest.raises(error, match=said):
            publish.use(daybot.settings, wrong)
        assert publish.current(daybot.settings).version == names[2]


def spoil(path: Path, *, cut: int | None = None, at: int | None = None) -> None:
    """Cut the file to a length, or overwrite some of it."""
    path.chmod(0o644)
    with path.open("rb+") as file:
        if cut is not None:
            file.truncate(cut)
        if at is not None:
            file.seek(at)
            file.write(b"\xa5" * 4096)


@pytest.mark.parametrize("how", [{"cut": 0}, {"cut": 100}, {"cut": 20_000}, {"at": 0}, {"at": 4096}, {"at": 16_384}, {"at": 300_000}], ids=str)
def test_a_file_that_is_not_what_was_published_is_named_with_the_way_back(how: dict[str, int], tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    dense = np.random.default_rng(1).normal(size=100_000)
    daybot.warehouse.replace({"t": pl.DataFrame({"session": [DAY] * len(dense), "value": dense})}, [DAY])
    snapshot = publish.release(daybot.settings, "a", daybot.warehouse.copy)
    spoil(snapshot.path, **how)
    with pytest.raises(BrokenSnapshot, match=r"a\.duckdb .*daybot snapshots use"):
        snapshot.table("t")


def test_a_pointer_that_names_nothing_is_said_to(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    publish_value(daybot, "a", 1)
    pointer = daybot.settings.snapshots / "CURRENT"
    for content, said in ((b"", "found it empty"), (b"b", r"b\.duckdb, found no such file"), (b"\xff\xfe", "found no such file")):
        pointer.write_bytes(content)
        with pytest.raises(BrokenSnapshot, match=said):
            publish.current(daybot.settings)
    publish_value(daybot, "c", 3)
    assert publish.current(daybot.settings).table("t")["value"][0] == 3


def test_rows_of_every_table_are_counted(tools: Callable[..., DayBot]) -> None:
    assert publish_value(tools(), "a", 1).rows() == {"t": 1000}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{beside}')",
        "SELECT * FROM read_parquet('{beside}')",
        "SELECT * FROM '{beside}'",
        "COPY t TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SELECT * FROM hidden",
        "CREATE TABLE more AS SELECT 1",
    ],
)
def test_a_query_reads_the_snapshots_tables_and_nothing_else_of_this_machine(query: str, tmp_path: Path, tools: Callable[..., DayBot]) -> None:
    found, beside = publish_value(tools(), "a", 1), tmp_path / "beside.csv"
    beside.write_text("secret\n1\n")
    hidden = pl.DataFrame({"secret": [1]})
    with pytest.raises((duckdb.Error, MissingData)):
        found.sql(query.format(beside=beside, folder=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} & {"out.csv", "out", "other.duckdb"} == set()
    assert (found.table("t")["value"].unique().to_list(), hidden.height) == ([1], 1)


def test_what_was_not_signed_with_the_key_is_not_traded_on_also_where_every_hash_in_it_is_right(tools: Callable[..., DayBot], tmp_path: Path) -> None:
    key = tmp_path / "snapshot.key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    night = tools(snapshot_key_file=str(key), snapshots_kept=2)
    name, other, *more = versions(5)[::-1]
    publish_briefing(night, name)
    assert publish.genuine(night.settings).version == name
    (night.settings.snapshots / f"{other}.sig").write_bytes((night.settings.snapshots / f"{name}.sig").read_bytes())
    stranger = tools(snapshots_kept=2)  # writes into the same home, without the key
    assert stranger.settings.snapshots == night.settings.snapshots
    publish_briefing(stranger, other)
    publish.use(stranger.settings, other)
    for settings, said in ((night.settings, "found another one"), (stranger.settings, None)):
        if said is None:
            assert publish.genuine(settings).version == other
        else:
            with pytest.raises(BrokenSnapshot, match=said):
                publish.genuine(settings)
    publish.use(night.settings, name)
    spoil(publish.current(night.settings).path, at=300_000)
    with pytest.raises(BrokenSnapshot, match="SNAPSHOT_KEY_FILE, found another one"):
        publish.genuine(night.settings)
    for version in more:
        publish_briefing(night, version)
    assert {path.stem for path in night.settings.snapshots.glob("*.sig")} <= {one.version for one in publish.published(night.settings)}
    key.chmod(0o640)
    with pytest.raises(SettingsError, match="readable by nobody else"):
        publish.genuine(night.settings)


def test_a_key_that_is_none_stops_the_night_before_it_publishes(tools: Callable[..., DayBot], tmp_path: Path) -> None:
    key = tmp_path / "short.key"
    key.write_bytes(b"short")
    key.chmod(0o600)
    for path, said in ((key, "at least 32 bytes"), (tmp_path / "none", "No such file")):
        night = tools(snapshot_key_file=str(path))
        with pytest.raises(SettingsError, match=said):
            publish_briefing(night, versions(1)[0])
        assert publish.published(night.settings) == []
