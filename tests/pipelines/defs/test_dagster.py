"""Dagster's own commands as a newcomer types them, without a single variable set. What a web page could do to its UI: `tests/doors`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import free_port
from posted import Posted, collecting

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
HOW_LONG = 150.0
"""Seconds in which a UI has to answer on a busy machine; half a minute is usual."""

ASSETS = "{repositoriesOrError{... on RepositoryConnection{nodes{location{name} assetNodes{assetKey{path}}}}}}"


@pytest.fixture
def telemetry() -> Iterator[Posted]:
    """Where Dagster is told to send what it sends, and what came."""
    with collecting() as posted:
        yield posted


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has at its root, without anybody's `.env`."""
    for name in ("pyproject.toml", "workspace.yaml", "dagster.yaml", ".dagster", "pipelines"):
        (tmp_path / "clone").mkdir(exist_ok=True)
        (tmp_path / "clone" / name).symlink_to(ROOT / name)
    return tmp_path / "clone"


def bare(home: Path, **more: str) -> dict[str, str]:
    """An environment with nothing in it but a home of the user and what every shell has."""
    keep = {name: os.environ[name] for name in ("PYTHONPATH", "PYTHONPYCACHEPREFIX") if name in os.environ}
    return {"HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin", **keep, **more}


@contextmanager
def serving(words: Sequence[str], port: int, cwd: Path, environ: dict[str, str]) -> Iterator[str]:
    """A command that serves a UI, from when it knows its assets; interrupted like by Ctrl-C at the end."""
    url = f"http://127.0.0.1:{port}"
    with (cwd / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=cwd, env=environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_interruptible
        )
        try:
            deadline = time.monotonic() + HOW_LONG
            while not _answers(url):
                assert process.poll() is None, (cwd / "ui.log").read_text()[-3000:]
                assert time.monotonic() < deadline, (cwd / "ui.log").read_text()[-3000:]
                time.sleep(0.2)
            yield url
        finally:
            _end(process)


def _interruptible() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=5.0).is_success
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for sent, patience in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, sent)
            process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@pytest.mark.parametrize("command", [["dg", "dev"], pytest.param(["dagster", "dev"], marks=pytest.mark.soak)], ids=" ".join)
def test_dev_starts_without_any_variable_and_tells_nobody(command: list[str], clone: Path, tmp_path: Path, telemetry: Posted) -> None:
    port = free_port()
    environ = bare(tmp_path, DAGSTER_TELEMETRY_URL=telemetry.url)
    with serving([*command, "-p", str(port)], port, clone, environ) as url:
        (node,) = ask(url, ASSETS)["repositoriesOrError"]["nodes"]
        assert node["location"]["name"] == "daybot"
        assert ["briefing"] in [asset["assetKey"]["path"] for asset in node["assetNodes"]]
    assert telemetry.bodies == [], "something was sent"
    assert not (tmp_path / ".dagster").exists(), "Dagster keeps an identity for telemetry there"


def test_an_asset_without_any_source_says_which_settings_give_one(clone: Path, tmp_path: Path) -> None:
    words = ["dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "universe", "--partition", "2024-06-18"]
    done = subprocess.run(words, cwd=clone, env=bare(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "found neither BARS_FOLDER, ALPACA_API_KEY nor POLYGON_API_KEY" in done.stdout + done.stderr
    assert "STEP_UP_FOR_RETRY" not in done.stdout + done.stderr, "it would be the same the next time"


def ask(url: str, query: str) -> dict[str, Any]:
    answer = httpx.post(f"{url}/graphql", json={"query": query}, timeout=60.0).json()
    found: dict[str, Any] = answer["data"]
    return found
