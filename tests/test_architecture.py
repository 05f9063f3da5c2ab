"""The rules of the house that a machine can check."""

import ast
import subprocess
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipelines", "live", "dashboards")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
WALL_CLOCK = {
    # Who may ask the machine for the time, and why.
    "live/clock.py",  # the clock itself
    "live/commands/demo.py",  # waits for child processes, times the run for people
    "live/commands/up.py",  # the same
    "live/guards/direct.py",  # break glass: there is no session whose clock it could ask
    "live/commands/safety.py",  # the commands for that
    "live/commands/doctor.py",  # tells a person how old the briefing is
}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run([str(ROOT / ".venv/bin/lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_imports_itself_around_a_corner() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True)
    # Raises CycleError with the cycle. A package's `__init__` that only holds a docstring imports nothing.
    tuple(TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).static_order())


def test_tests_are_no_package() -> None:
    """`tests/live/__init__.py` would make `import live` mean the tests."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_there_is_no_sixth_code_folder() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {path.split("/")[0] for path in listed if path.endswith((".py", ".ipynb"))}
    assert folders <= {"pipelines", "live", "dashboards", "notebooks", "tests"}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.relative_to(ROOT).parts[0] == "live" and "sim" not in p.parts], ids=str)
def test_nobody_in_live_asks_the_wall_clock(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() in WALL_CLOCK:
        return
    banned = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time"), ("time", "time_ns"), ("time", "sleep")}
    banned |= {("time", "monotonic"), ("random", "random"), ("uuid", "uuid4")}
    if path.name == "acts.py":
        banned -= {("uuid", "uuid4")}  # the name of a command that a person gives
    found = [
        f"{path.name}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in banned
    ]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_holds_one_concept_and_says_which(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text))
    assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}


def test_a_folder_holds_about_a_dozen_files() -> None:
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.parent != ROOT / "tests"]
    held = Counter(path.parent.relative_to(ROOT).as_posix() for path in [*SOURCES, *tests] if path.name != "__init__.py")
    assert {folder: files for folder, files in held.items() if files > 14} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_is_pickled(path: Path) -> None:
    names = {alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
    assert names.isdisjoint({"pickle", "dill", "joblib", "shelve", "marshal"})
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert calls.isdisjoint({"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"})


def test_no_lock_file_names_an_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 500


def test_the_location_has_one_name_everywhere() -> None:
    assert 'code_location_name = "daybot"' in (ROOT / "pyproject.toml").read_text()
    assert "location_name: daybot" in (ROOT / "workspace.yaml").read_text()
