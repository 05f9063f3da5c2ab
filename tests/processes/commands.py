"""Runs DayBot's commands as a user does, in processes of their own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code, all it printed, and the home that it worked in."""

    code: int
    output: str
    home: Path


def daybot(*arguments: str, home: Path | None = None, timeout: float = 280, **environ: str) -> Ran:
    """Run `daybot` as a user does, in a process of its own."""
    words = [sys.executable, "-m", "live.cli", *arguments, *(["--home", str(home)] if home else [])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))} | {"COLUMNS": "200"} | environ
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    return Ran(done.returncode, done.stdout + done.stderr, home or Path())


def working_in(home: Path) -> list[str]:
    """Command lines of the processes that have this folder among their words or in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.name != str(os.getpid()) and str(home).encode() in (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode())
    return found


def until(true: Callable[[], bool], what: str, patience: float = 90.0) -> None:
    """Look until it is so; the looking is on the wall clock because other processes are."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {patience:.0f} s"
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def sim(url: str) -> dict[str, str]:
    return {"DAYBOT_MODE": "sim", "ALPACA_BASE_URL": url, "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM", "ALPACA_FEED": "sip"}


@contextmanager
def background(home: Path, *words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on running; whatever is left of it ends with the block."""
    command = [sys.executable, "-m", "live.cli", *words, "--home", str(home)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))}
    log = (home / "background.log").open("w")
    process = subprocess.Popen(command, cwd=ROOT, env=kept | environ, stdout=log, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()
