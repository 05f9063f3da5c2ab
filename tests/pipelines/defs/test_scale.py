"""The same code on Celery: real Redis, real workers, a real backfill through Dagster's daemon, and the same bytes as one machine's."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from commands import free_port, until
from whole import contents

from pipelines.core.errors import SettingsError
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.defs.running.executor import chosen
from pipelines.vendors import calendar

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
LAST = date(2024, 6, 18)

needs_celery = pytest.mark.skipif(
    shutil.which("redis-server") is None or find_spec("dagster_celery") is None,
    reason="needs redis-server (Debian: apt-get install redis-server) and the extra `scale`",
)


@pytest.fixture
def long_folder(folder: Path, market: tuple[pl.DataFrame, pl.DataFrame]) -> Path:
    """The invented market with minute bars on each of its sessions: the last session's, shifted, on the scale of each day's close."""
    daily, minutes = market
    closes = daily.select("symbol", pl.col("timestamp").dt.date().alias("day"), pl.col("close").alias("level"))
    last = minutes.filter(pl.col("timestamp").dt.date() == LAST)
    days = pl.DataFrame({"day": calendar.trailing(LAST, 90)})
    scale = pl.col("level") / pl.col("level").filter(pl.col("day") == LAST).first().over("symbol")
    scaled = closes.with_columns(scale.alias("scale")).select("symbol", "day", "scale")
    moved = last.join(days, how="cross").join(scaled, on=["symbol", "day"], how="left").with_columns(pl.col("scale").fill_null(1.0))
    prices = [(pl.col(name) * pl.col("scale")).alias(name) for name in ("open", "high", "low", "close", "vwap")]
    time_of_day = (pl.col("timestamp") + (pl.col("day") - pl.lit(LAST))).alias("timestamp")
    moved.with_columns(*prices, time_of_day).drop("day", "scale").write_parquet(folder / "minute" / "all.parquet")
    return folder


@contextmanager
def child(name: str, words: Sequence[str | Path], environ: dict[str, str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own with a log of its name; the whole group is gone when the block ends."""
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*map(str, words)], cwd=home, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            yield process
        finally:
            for sent in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, sent)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def backfill(sessions: list[date], folder: Path, home: Path) -> tuple[list[dg.DagsterRun], list[int]]:
    """`dagster job backfill` of these sessions on two Celery workers; the runs, and how many steps each worker did."""
    port = free_port()
    home.mkdir()
    few = "max_concurrent_runs: 2"
    shipped = (ROOT / "dagster.yaml").read_text()
    assert few in shipped
    (home / "dagster.yaml").write_text(shipped.replace(few, "max_concurrent_runs: 4"))  # two for each worker: steps wait for one another
    redis = f"redis://127.0.0.1:{port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))} | {
        "DAGSTER_HOME": str(home),
        "DAYBOT_HOME": str(home / "data"),
        "BARS_FOLDER": str(folder),
        "UNIVERSE": "all",
        "HISTORY_SESSIONS": "60",
        "DAYBOT_EXECUTOR": "celery",
        "CELERY_BROKER": f"{redis}/0",
        "CELERY_BACKEND": f"{redis}/1",
    }
    workspace = ["-w", ROOT / "workspace.yaml"]
    worker = [BIN / "dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", ROOT / ".dagster" / "celery.yaml"]
    launch = ["dagster", "job", "backfill", *workspace, "-l", "daybot", "-j", "pre_open", "--partitions", ",".join(map(str, sessions)), "--noprompt"]
    with ExitStack() as stack:
        # Dagster's own tables are made here: its processes would each try to, and all but one fail.
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        stack.enter_context(child("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], environ, home))
        until(lambda: answers(port), "redis answers", 20)
        for name in ("one", "two"):
            words = [*worker, "-n", name, "--", "--concurrency", "1"]
            stack.enter_context(child(name, words, environ | {"PATH": f"{BIN}:{environ['PATH']}"}, home))
        stack.enter_context(child("daemon", [sys.executable, "-m", "dagster._daemon", "run", *workspace], environ, home))
        asked = subprocess.run([sys.executable, "-m", *map(str, launch)], cwd=home, env=environ, capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        until(lambda: len(finished(instance)) == len(sessions), f"{len(sessions)} runs (logs: {home})", 120 + 60 * len(sessions))
        return finished(instance), [(home / f"{name}.log").read_text().count(" succeeded in ") for name in ("one", "two")]


def finished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs() if run.is_finished]


def compare(count: int, folder: Path, tools: Callable[..., DayBot], tmp_path: Path) -> None:
    """The same sessions on Celery and in this process; every table and every bar alike."""
    sessions = calendar.trailing(LAST, count)
    began = time.monotonic()
    runs, share = backfill(sessions, folder, tmp_path / "celery")
    took = time.monotonic() - began
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert {run.tags["dagster/partition"] for run in runs} == {str(day) for day in sessions}
    assert min(share) > count, f"both workers have their part in it, found {share} steps"
    alone = tools(bars_folder=str(folder), history_sessions=60, daybot_home=tmp_path / "alone")
    job = defs().resolve_job_def("pre_open")
    began = time.monotonic()
    for day in sessions:
        assert job.execute_in_process(partition_key=str(day), resources={"daybot": alone}, raise_on_error=False).success
    print(f"\n{count} sessions: Celery with two workers {took:.0f} s from nothing, in process {time.monotonic() - began:.0f} s")
    spread = tools(bars_folder=str(folder), history_sessions=60, daybot_home=tmp_path / "celery" / "data")
    one, many = contents(alone, sessions), contents(spread, sessions)
    assert one.keys() == many.keys()
    for name, frame in one.items():
        assert frame.equals(many[name]), name


@needs_celery
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_backfill_on_celery_leaves_the_same_as_one_machine(long_folder: Path, tools: Callable[..., DayBot], tmp_path: Path) -> None:
    compare(4, long_folder, tools, tmp_path)


@needs_celery
@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_backfill_of_a_quarter_on_celery_leaves_the_same_as_one_machine(long_folder: Path, tools: Callable[..., DayBot], tmp_path: Path) -> None:
    compare(60, long_folder, tools, tmp_path)


@pytest.mark.parametrize("name", ["in_process", "multiprocess", "celery", "k8s"])
def test_every_executor_of_the_settings_is_configured_whole_by_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in {"celery", "k8s"}:
        pytest.importorskip(f"dagster_{name}", reason="needs the extra `scale`")
    monkeypatch.setenv("CELERY_BROKER", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("CELERY_BACKEND", "redis://127.0.0.1:6379/1")
    made = chosen(name)
    assert made.name == name
    given = made.apply_config_mapping({"config": {}})  # a run says nothing of it
    assert given.success, given.errors
    if name == "celery":
        assert given.value["config"]["broker"] == "redis://127.0.0.1:6379/0"
    if name == "k8s":
        assert given.value["config"]["max_concurrent"] == 4


def test_an_executor_without_its_packages_says_which_extra_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster_celery", None)
    with pytest.raises(SettingsError, match=r"install daybot\[scale\]"):
        chosen("celery")
