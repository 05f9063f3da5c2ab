"""The recipes of docs/extending.md, followed word for word: in a copy of the sources, and as a package of somebody else's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text()
DIFFS = re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found.group(1)


def run(*words: str, cwd: Path, **environ: str) -> str:
    """A command that has to end well; what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "POLYGON_", "DAYBOT_"))}
    environment = kept | {"COLUMNS": "200"} | environ
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources, to be changed."""
    for name in ("pipelines", "live", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def follow(diff: str, copy: Path) -> None:
    patch = copy / "recipe.diff"
    patch.write_text(diff)
    run("git", "apply", "-C1", str(patch), cwd=copy)


def proven(copy: Path, *words: str) -> str:
    """Tests of the copy, with its own sources; compiled functions run as what they are, plain Python."""
    return run(sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *words, cwd=copy, NUMBA_DISABLE_JIT="1")


def test_an_indicator_is_added(copy: Path) -> None:
    follow(DIFFS[0], copy)
    told = proven(copy, "tests/core/market/test_indicators.py", "-k", "not real")
    assert "test_it_equals_talib_from_its_first_value_on[ema_100] PASSED" in told


def test_a_limit_is_added(copy: Path) -> None:
    follow(DIFFS[1], copy)
    told = proven(copy, "tests/core/risk/test_gate.py")
    assert "MAX_PRICE] PASSED" in told
    listed = run(sys.executable, "-m", "live.cli", "limits", "--home", str(copy / "home"), cwd=copy)
    assert "MAX_PRICE" in listed
    assert "Highest price of a share" in listed


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The strategy's package as an installer leaves it: the module, and the metadata with its entry point."""
    entry = re.search(r'strength = "(.*)"', block("toml"))
    assert entry
    module, _, _ = entry.group(1).partition(":")
    source = tmp_path / Path(*module.split(".")).with_suffix(".py")
    source.parent.mkdir()
    source.write_text(block("python"))
    metadata = tmp_path / "my_strategies-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-strategies\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[daybot.strategies]\nstrength = {entry.group(1)}\n")
    return tmp_path


def test_a_strategy_of_another_package_is_found_examined_and_played(package: Path) -> None:
    told = run(sys.executable, "-m", "live.cli", "check-strategy", "strength", "--set", "least=60", cwd=ROOT, PYTHONPATH=str(package))
    assert "failed" not in told
    assert re.search(r"again +passed +the second run of the same day: the same [1-9]", told)
    play = (
        "from pipelines import roster\n"
        "from pipelines.core.backtest.run import run\n"
        "from pipelines.core.risk.limits import Limits\n"
        "from pipelines.core.trading.decisions import Submit\n"
        "from pipelines.core.trading.engine import Engine\n"
        "from market import SECTORS, briefing_of, day_bars\n"
        "engine = Engine(briefing_of(SECTORS), Limits(), roster.employ('momentum:0.6,strength:0.4'), run='t')\n"
        "made = [d for step in run(engine, day_bars(), equity=100_000) for d in step.decisions if isinstance(d, Submit) and d.lineage]\n"
        "print(sorted({d.lineage.strategy for d in made}))\n"
    )
    assert "strength" in run(sys.executable, "-c", play, cwd=ROOT, PYTHONPATH=f"{package}:{ROOT / 'tests' / 'markets'}")
