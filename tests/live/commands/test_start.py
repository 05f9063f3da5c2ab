"""What a command loads before it does anything: `daybot --help` and what only asks a running session stay quick."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"alpaca", "dagster", "duckdb", "exchange_calendars", "fastapi", "mcp", "numba", "numpy", "pandas", "picows", "polars", "scipy", "streamlit"}
"""Each takes from a tenth of a second to two to import."""

ONLY_WHERE_ASKED = HEAVY | {"httpx", "pydantic_settings", "requests", "starlette", "uvicorn", "websockets"}

LOADED = """
import sys
from live.cli import app
try:
    app(sys.argv[1:])
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(*arguments: str, home: Path) -> set[str]:
    """Packages in memory when the command is over."""
    environment = {**os.environ, "DAYBOT_HOME": str(home)}
    ran = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False)
    return set(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("live", "--help"), ("exchange", "--help"), ("fault", "--help")], ids=" ".join)
def test_help_loads_neither_the_exchange_nor_the_engine_nor_any_settings(arguments: tuple[str, ...], tmp_path: Path) -> None:
    found = loaded(*arguments, home=tmp_path)
    assert "typer" in found
    assert found & ONLY_WHERE_ASKED == set()


@pytest.mark.parametrize("command", ["status", "halt", "positions"])
def test_a_word_to_the_running_session_loads_no_engine(command: str, tmp_path: Path) -> None:
    found = loaded(command, home=tmp_path)
    assert "pydantic_settings" in found
    assert found & HEAVY == set()
