"""The runbook has an entry for every code that the source can emit, and none for what is no more."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipelines.core.risk.checks import Code
from pipelines.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text()
ROWS = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", TEXT, re.MULTILINE)
ENTRIES = [*re.findall(r"^### (.+)$", TEXT, re.MULTILINE), *(code for row in ROWS for code in re.findall(r"`([A-Z_]+)`", row))]
SOURCES = [p for folder in ("live", "pipelines", "dashboards") for p in sorted((ROOT / folder).rglob("*.py")) if "sim" not in p.parts]

TRADING = [p for p in SOURCES if p.is_relative_to(ROOT / "live") or p.is_relative_to(ROOT / "pipelines" / "core" / "trading")]
"""Where codes are emitted."""

NO_CODE = {"POST", "GET", "DELETE", "PATCH", "PUT", "HEAD", "OPTIONS", "WARNING", "AAPL", "MSFT", "TSLA"}
"""Words in capitals that calls are given there and that are no codes."""

SETTINGS = {name.upper() for name in Settings.model_fields}
"""Where a limit came from."""


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func), node


def literals(node: ast.expr) -> Iterator[str]:
    """Every text that an argument may be: a constant, the sides of a condition, the beginning of an f-string."""
    match node:
        case ast.Constant(value=str(value)):
            yield value
        case ast.IfExp():
            yield from literals(node.body)
            yield from literals(node.orelse)
        case ast.JoinedStr():
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)


@cache
def codes() -> set[str]:
    """Every word in capitals that a call is given and that names no setting: what `Noticed`, `Alarm`, `Refusal` and their like are made with."""
    given = (literals(value) for path in TRADING for _, call in calls(path) for value in [*call.args, *(k.value for k in call.keywords)])
    return {text for texts in given for text in texts if re.fullmatch(r"[A-Z]{4,}|[A-Z]+(_[A-Z]+)+", text)} - NO_CODE - SETTINGS


@cache
def subjects() -> set[str]:
    """The fixed part of every alert's subject that is not made of a code."""
    tells = {("Alert", 0), ("_tell", 0)}
    given = (literals(call.args[at]) for path in SOURCES for name, call in calls(path) for kind, at in tells if name == kind and call.args)
    return {max(text.split("\0"), key=len).strip(" :") for texts in given for text in texts}


@cache
def reasons() -> set[str]:
    """What `/readyz` answers."""
    found = set()
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef) and node.name == "unready":
                returned = [literals(r.value) for r in ast.walk(node) if isinstance(r, ast.Return) and r.value is not None]
                found |= {re.sub("\0.*", "{state}", text) for texts in returned for text in texts if text}
    return found


@cache
def findings() -> set[str]:
    """The lines of `daybot doctor`: each look's name, and the one before all."""
    path = ROOT / "live" / "commands" / "doctor.py"
    looks = [n.elts for n in nodes(path) if isinstance(n, ast.Tuple) and len(n.elts) == 3 and isinstance(n.elts[1], ast.Name)]
    made = [call.args for name, call in calls(path) if name == "Finding"]
    return {str(first.value) for first, *_ in [*looks, *made] if isinstance(first, ast.Constant)}


def test_what_is_looked_for_is_found() -> None:
    """So that an empty answer of one of these searches cannot pass for a whole runbook."""
    assert {"NAKED", "STALLED", "HALTED", "RESUMED", "POSITIONS_DIFFER", "NO_TOKEN"} <= codes()
    assert {"the runner is dead", "is held without a working stop", "the session ended by an error"} <= subjects()
    assert {"no healthy market data", "trading is {state}"} <= reasons()
    assert {"settings", "keys", "clock", "data checks"} <= findings()


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_code_has_an_entry(code: str) -> None:
    if code in {known.value for known in Code}:
        return  # the gate's own are in the reference, whether they have an entry here or not
    assert code in ENTRIES, f"{code} is emitted: say in docs/runbook.md what it means and what to do (or in NO_CODE that it is none)"


@pytest.mark.parametrize("subject", sorted(subjects()))
def test_every_alert_has_an_entry(subject: str) -> None:
    assert any(subject in entry for entry in ENTRIES)


@pytest.mark.parametrize("reason", sorted(reasons()))
def test_every_reason_of_readyz_has_an_entry(reason: str) -> None:
    assert reason in ENTRIES


@pytest.mark.parametrize("finding", sorted(findings()))
def test_every_finding_of_doctor_has_an_entry(finding: str) -> None:
    assert finding in TEXT.partition("## daybot doctor")[2]
    assert finding in ENTRIES


def test_nothing_has_two_entries() -> None:
    assert [entry for entry in ENTRIES if ENTRIES.count(entry) > 1] == []


def test_no_entry_is_of_something_that_is_no_more() -> None:
    states = {"trading is reducing", "trading is halted", "trading is active"}
    text = "".join(path.read_text() for path in TRADING)
    known = codes() | reasons() | findings() | states | {entry for entry in ENTRIES if f'"{entry}"' in text}
    assert [entry for entry in ENTRIES if entry not in known and not any(subject in entry for subject in subjects())] == []
