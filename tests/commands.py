"""Runs DayBot's commands as a user does, in processes of their own."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
