"""The command as a process of its own: it says where it listens, stops quickly with code 0, and explains what it cannot do."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from live.sim.serve import exchange

COMMAND = [sys.executable, "-m", "live.sim"]
ROOT = Path(__file__).parents[2]


def ready(path: Path, process: subprocess.Popen) -> dict:
    """Wait for the file that appears once the socket listens."""
    pause = threading.Event()
    for _ in range(3_000):
        if path.exists():
            return json.loads(path.read_text())
        assert process.poll() is None, "the exchange ended before it listened"
        pause.wait(0.01)
    raise AssertionError("the exchange did not listen within 30 s")


def test_command_listens_on_a_free_port_and_stops_cleanly(tmp_path, minutes):
    file = minutes({"AAA": [100.0] * 30})
    ready_file = tmp_path / "ready.json"
    command = [*COMMAND, "--world", str(file), "--port", "0", "--speed", "60", "--skip-closed", "--ready-file", str(ready_file)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        found = ready(ready_file, process)
        clock = httpx.get(found["url"] + "/sim/clock", trust_env=False).json()
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - asked < 2
    assert found["pid"] == process.pid
    assert (clock["mode"], clock["speed"], clock["world"], clock["session"]) == ("speed", 60.0, "recorded", "2026-11-20")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--date", "2026-11-21"], "no NYSE session"),
        (["--date", "tomorrow"], "--date must look like"),
        (["--start", "noon"], "--start must look like"),
        (["--history", "days.parquet"], "--history belongs to recorded minutes"),
        (["--actions", "actions.csv"], "--actions belongs to recorded minutes"),
        (["--assets", "nowhere.csv"], "found nothing at nowhere.csv"),
        (["--plan", "gold"], "--plan must be one of unlimited, basic"),
        (["--multiplier", "3"], "--multiplier must be 1, 2 or 4"),
        (["--world", "nowhere.parquet"], "found nothing at nowhere.parquet"),
    ],
)
def test_command_explains_what_it_cannot_do_and_ends_with_2(arguments, words):
    application = typer.Typer()
    application.command()(exchange)
    done = CliRunner().invoke(application, [*arguments, "--port", "0"])
    assert done.exit_code == 2
    assert words in done.stderr
