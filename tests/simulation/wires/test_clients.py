"""Older and other clients, unmodified, each call of theirs once: alpaca-trade-api for python, the npm package in both of its shapes, and massive.

None of them can be a dependency. Where they are installed apart from this project, the tests find them by these variables: `DAYBOT_OLD_ALPACA`
(a python with alpaca-trade-api 3.2), `DAYBOT_MASSIVE` (one with massive 2.9), `DAYBOT_NPM3` and `DAYBOT_NPM4` (folders of node_modules).
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "clients"


def run(exchange: Any, command: list[str], **environment: str) -> dict[str, Any]:
    """What the client's script reports: calls done, calls failed, stream messages seen by kind."""
    found = subprocess.run([*command, exchange.url], capture_output=True, text=True, timeout=90, env={**os.environ, **environment}, check=False)
    assert found.returncode == 0, found.stderr[-2_000:]
    report: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return report


def judged(report: dict[str, Any], calls: int) -> None:
    assert report["failed"] == {}
    assert len(report["done"]) >= calls
    seen = report["seen"]
    assert (seen["pending_new"], seen["new"], seen["fill"]) == (1, 1, 1)
    assert seen["bar"] == 82
    assert seen["trade"] == seen["quote"] > 20


def python_with(module: str, variable: str) -> str:
    """An interpreter that can import it: the one that the variable names, or this one."""
    python = os.environ.get(variable) or (sys.executable if importlib.util.find_spec(module) else "")
    if not python or not Path(python).exists():
        pytest.skip(f"{module} is not importable here, and {variable} names no python that has it")
    return python


def test_the_older_python_client_runs_unmodified(opened, generated):
    python = python_with("alpaca_trade_api", "DAYBOT_OLD_ALPACA")
    judged(run(opened(generated, start=(9, 31)), [python, str(HERE / "two.py")]), 44)


def test_polygons_client_under_its_new_name_runs_unmodified(opened, generated):
    python = python_with("massive", "DAYBOT_MASSIVE")
    report = run(opened(generated, start=(9, 31)), [python, str(HERE / "twin.py")])
    assert report["failed"] == {}
    assert len(report["done"]) == 17
    seen = report["seen"]
    assert seen["AM"] == 82
    assert seen["T"] == seen["Q"] > 20
    assert seen["A"] > 10
    assert seen["AM"] + seen["T"] + seen["Q"] + seen["A"] == seen["sent"]


@pytest.mark.parametrize(("version", "script", "calls"), [(3, "three.cjs", 38), (4, "four.cjs", 42)])
def test_the_node_client_runs_unmodified(opened, generated, version, script, calls):
    node, modules = shutil.which("node"), Path(os.environ.get(f"DAYBOT_NPM{version}", "unset"))
    if node is None:
        pytest.skip("Node is not installed")
    if not (modules / "@alpacahq" / "alpaca-trade-api").exists():
        pytest.skip(f"@alpacahq/alpaca-trade-api {version} is not in {modules}; DAYBOT_NPM{version} may name another folder")
    judged(run(opened(generated, start=(9, 31)), [node, str(HERE / script)], NODE_PATH=str(modules)), calls)
