"""Everybody at once: real nights one after the other, while the live runner's read, the dashboard and a notebook go on in processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from whole import whole

from pipelines import publish
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar

ROOT = Path(__file__).parents[3]
LAST = date(2024, 6, 18)

# Each says the version that it read, a line a round, until there is a file called `stop`; anything else is its end with a traceback.
ROUNDS = """
import os, sys, time
from pathlib import Path
from pipelines import publish, settings
os.nice(5)  # on a small machine the night is to have its turn
chosen = settings.load(_env_file=None)
stop = chosen.daybot_home / "stop"
def rounds(one):
    while not stop.exists():
        print(one(), flush=True)
        time.sleep(float(sys.argv[1]))
"""
RUNNER = (
    ROUNDS
    + """
from whole import whole
def read():
    snapshot = publish.current(chosen)
    found = snapshot.briefing(whole(snapshot).session)  # as the runner asks: for a session
    assert found.version == snapshot.version
    return snapshot.version
rounds(read)
"""
)
DASHBOARD = (
    ROUNDS
    + """
import re
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("dashboards/app.py", default_timeout=120).run()
def look():
    for page in ("Today", "Risk"):
        app.switch_page(f"views/{page.lower()}.py").run()
        assert not app.exception, app.exception[0].value
        assert [title.value for title in app.title] == [page], app.error[0].value
        assert not [info.value for info in app.info if "removed" in info.value or "cannot be read" in info.value]
    (version,) = [found for text in app.caption for found in re.findall("^Snapshot `([^`]+)`", text.value)]
    return version
rounds(look)
"""
)
NOTEBOOK = (
    ROUNDS
    + """
import nbformat
from nbclient import NotebookClient
from pipelines.defs.research.notebooks import _version, _words
def study():
    notebook = nbformat.read("notebooks/03_correlation_and_exposure.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300).execute()
    return _version(_words(notebook))
rounds(study)
"""
)
READERS = {"runner": RUNNER, "dashboard": DASHBOARD, "notebook": NOTEBOOK}
SHORT = {"runner": RUNNER, "dashboard": DASHBOARD}
"""A kernel takes as long as both of these, and that notebooks read what was published has tests of its own."""


@contextmanager
def reading(home: Path, pause: float, programs: dict[str, str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The readers in processes of their own, with so many seconds between two rounds; stopped, and gone, when the block ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))}
    environ = kept | {"DAYBOT_HOME": str(home), "PYTHONPATH": str(ROOT / "tests" / "markets"), "UNIVERSE": "all", "HISTORY_SESSIONS": "70"}
    running = {}
    for name, program in programs.items():
        with (home / f"{name}.out").open("wb") as said, (home / f"{name}.err").open("wb") as log:
            running[name] = subprocess.Popen([sys.executable, "-c", program, str(pause)], cwd=ROOT, env=environ, stdout=said, stderr=log)
    try:
        yield running
    finally:
        (home / "stop").touch()
        for process in running.values():
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def rounds(home: Path, name: str) -> list[str]:
    """The versions that a reader has read so far, one for each round."""
    return (home / f"{name}.out").read_text().splitlines()


@pytest.mark.parametrize("seconds", [0, pytest.param(180, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_readers_in_other_processes_go_on_while_nights_are_run(seconds: int, folder: Path, tools: Callable[..., DayBot]) -> None:
    daybot = tools(bars_folder=str(folder), history_sessions=70, snapshots_kept=5)
    programs = READERS if seconds else SHORT
    home, job, sessions = daybot.settings.daybot_home, defs().resolve_job_def("pre_open"), calendar.trailing(LAST, 2)

    def night(number: int) -> None:
        day = sessions[number % len(sessions)]
        assert job.execute_in_process(partition_key=str(day), resources={"daybot": daybot}).success
        whole(publish.current(daybot.settings))

    night(0)
    began, nights = time.monotonic(), 1
    with reading(home, 0.0 if seconds else 1.0, programs) as readers:
        until(lambda: all(rounds(home, name) for name in programs), readers, home)
        while nights < 2 or time.monotonic() - began < seconds:
            night(nights)  # the readers go on meanwhile
            nights += 1
        version = publish.current(daybot.settings).version
        until(lambda: all(version in rounds(home, name) for name in ("runner", "dashboard")), readers, home)
    for name, process in readers.items():
        assert process.returncode == 0, ends(home, name)
        seen = [version[11:] for version in rounds(home, name)]
        assert seen == sorted(seen), f"{name} never goes back to an older state"
    assert len(publish.published(daybot.settings)) == min(nights, 5)
    said = {name: f"{len(rounds(home, name))} rounds of {len(set(rounds(home, name)))} versions" for name in programs}
    sys.stdout.write(f"{nights} nights in {time.monotonic() - began:.0f} s: {said}\n")
    assert not seconds or min(len(set(rounds(home, name))) for name in programs) > 2


def until(condition: Callable[[], bool], readers: dict[str, subprocess.Popen[bytes]], home: Path) -> None:
    """Wait for what a reader says; one that has ended will not say it."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, {name: rounds(home, name) for name in readers}
        assert [ends(home, name) for name, process in readers.items() if process.poll() is not None] == []
        time.sleep(0.1)


def ends(home: Path, name: str) -> str:
    """The end of what a reader complained of."""
    return f"{name}: {(home / f'{name}.err').read_text()[-3000:]}"
