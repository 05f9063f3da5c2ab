"""Everybody at once: nights are computed and published while the live runner's read, the dashboard and a notebook go on in processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines import publish
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot

ROOT = Path(__file__).parents[2]
SESSION = date(2024, 6, 18)

LOOP = """
import sys, time
from pathlib import Path
from pipelines import publish
from pipelines.settings import load
settings, stop, seen, rounds = load(), Path(sys.argv[1]), set(), 0
{before}
while not stop.exists() or not rounds:
    {each}
    rounds += 1
print(rounds, len(seen))
"""

READERS = {
    "runner": LOOP.format(
        before="",
        each="snapshot = publish.current(settings); briefing = snapshot.briefing(); assert briefing.version == snapshot.version; "
        "assert briefing.symbols; seen.add(snapshot.version); time.sleep(0.05)",
    ),
    "page": LOOP.format(
        before="from streamlit.testing.v1 import AppTest",
        each="page = AppTest.from_file('dashboards/app.py', default_timeout=120).run(); assert not page.exception, page.exception; seen.add(rounds)",
    ),
    "notebook": LOOP.format(
        before="import nbformat; from nbclient import NotebookClient",
        each="NotebookClient(nbformat.read('notebooks/01_data_quality.ipynb', as_version=4), timeout=120).execute(); seen.add(rounds)",
    ),
}


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_nobody_waits_for_or_breaks_anybody_for_minutes(folder: Path, tools: Callable[..., DayBot], tmp_path: Path) -> None:
    """Two minutes of nights, one after the other, under three kinds of readers."""
    daybot = tools(bars_folder=str(folder), snapshots_kept=3)
    job = defs().resolve_job_def("pre_open")

    def night() -> None:
        assert job.execute_in_process(partition_key=SESSION.isoformat(), resources={"daybot": daybot}, raise_on_error=False).success

    night()
    stop = tmp_path / "stop"
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("DAYBOT_", "ALPACA_", "POLYGON_"))}
    environ = keep | {"DAYBOT_HOME": str(daybot.settings.daybot_home), "BARS_FOLDER": str(folder)}
    readers = {
        name: subprocess.Popen(
            [sys.executable, "-c", code, str(stop)], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name, code in READERS.items()
    }
    versions, deadline = {publish.current(daybot.settings).version}, time.monotonic() + 120
    while time.monotonic() < deadline:
        night()
        versions.add(publish.current(daybot.settings).version)
    stop.touch()
    rounds = {}
    for name, reader in readers.items():
        out, err = reader.communicate(timeout=300)
        assert reader.returncode == 0, f"{name}: {err[-2000:]}"
        rounds[name] = tuple(map(int, out.split()))
    print(f"\n{len(versions)} snapshots published; rounds of each reader (and versions seen): {rounds}")
    assert len(versions) >= 3
    assert rounds["runner"][1] >= 3
    assert all(count > 1 for count, _ in rounds.values())
