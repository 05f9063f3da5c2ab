"""What comes from others: what CI makes of pip-audit's words, and that no package of ours or theirs talks to anybody by being imported."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import ROOT

from yanked import judged as judged_yanked

WRONG = {
    "name": "requests", "version": "2.19.0",
    "vulns": [{"id": "PYSEC-2018-28", "fix_versions": ["2.20.0"], "aliases": ["CVE-2018-18074"], "description": "sends the header on"}],
}  # fmt: skip
SOUND = {"name": "idna", "version": "3.11", "vulns": []}
SKIPPED = {"name": "polars", "skip_reason": "Dependency not found on PyPI and could not be audited: polars (2.1.0)"}


def judged(folder: Path, packages: list[dict[str, Any]], ignored: str | None = None) -> tuple[int, str]:
    found, known = folder / "audit.json", folder / "audit-ignored"
    found.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    if ignored is not None:
        known.write_text(ignored)
    ran = subprocess.run([sys.executable, ROOT / "tests" / "docs" / "audited.py", found, known], capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("packages", "ignored", "code", "said"),
    [
        ([WRONG, SOUND], None, 1, "requests 2.19.0: PYSEC-2018-28, mended in 2.20.0: sends the header on"),
        ([WRONG, SOUND], "# for a while\n\nPYSEC-2018-28  # no proxy is used\n", 0, "PYSEC-2018-28 is ignored: no proxy is used"),
        ([WRONG, SOUND], "CVE-2018-18074 # no proxy is used", 0, "0 known vulnerabilities in 2 packages"),
        ([WRONG, SOUND], "PYSEC-2018-28\n", 1, "expected a reason behind # for each id, found none for PYSEC-2018-28"),
        ([WRONG, SOUND], "PYSEC-1 # another\n", 1, "1 known vulnerabilities"),
        ([SOUND], "PYSEC-2018-28 # no proxy is used", 0, "nothing has it any more, take it out"),
        ([SOUND, SKIPPED], None, 0, "0 known vulnerabilities in 1 packages; no answer about 1 others"),
        ([SKIPPED, SKIPPED], None, 0, "no answer about any of 2 packages, nothing was audited"),
    ],
)
def test_it_says_what_was_looked_at_and_ends_the_run_for_what_is_wrong(
    tmp_path: Path, packages: list[dict[str, Any]], ignored: str | None, code: int, said: str
) -> None:
    found, words = judged(tmp_path, packages, ignored)
    assert (found, said in words) == (code, True), words


TAKEN_BACK = """Resolved 2 packages in 80ms
warning: `attrs==21.1.0` is yanked (reason: "Installable but not importable on Python 3.4.")
warning: `other==1.0` is yanked
"""


@pytest.mark.parametrize(
    ("code", "told", "sound", "said"),
    [
        (0, TAKEN_BACK, False, ["attrs==21.1.0 was taken back by its author: Installable but not importable on Python 3.4."]),
        (0, TAKEN_BACK, False, ["other==1.0 was taken back by its author: no reason given", "2 of 9 locked releases were taken back"]),
        (0, "Resolved 9 packages in 1s", True, ["0 of 9 locked releases were taken back"]),
        (
            2,
            "error: Request failed after 3 retries\n",
            True,
            ["no answer about 9 releases (error: Request failed after 3 retries), nothing was looked at"],
        ),
    ],
)
def test_a_locked_release_that_its_author_has_taken_back_ends_the_run(code: int, told: str, sound: bool, said: list[str]) -> None:
    lines, found = judged_yanked(code, told, 9)
    assert found is sound
    assert set(said) <= set(lines)


ALL = """
import importlib, pkgutil, sys
import live, pipelines

def heard(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        print(event, arguments[1:], flush=True)

sys.addaudithook(heard)
for package in (live, pipelines):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__") and not module.name.startswith("pipelines.def"):  # Dagster's silence has a test of its own
            importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith(("live.", "pipelines."))]))
"""


def test_nothing_is_asked_of_any_network_by_importing_what_holds_keys() -> None:
    ran = subprocess.run([sys.executable, "-c", ALL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert re.fullmatch(r"[0-9]{3}\n", ran.stdout), ran.stdout


def test_no_test_of_ours_reaches_another_machine(tmp_path: Path) -> None:
    with socket.socket() as door, pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        door.connect(("192.0.2.1", 443))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door, pytest.raises(PermissionError):
        door.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(httpx.ConnectError, match="this machine alone, found example"):
        httpx.get("http://example.com")
    with pytest.raises(PermissionError):
        socket.getaddrinfo(host="example.com", port=443)
    with socket.create_server(("127.0.0.1", 0)) as known:
        socket.create_connection(("localhost", known.getsockname()[1])).close()
    with socket.socket(socket.AF_UNIX) as known, socket.socket(socket.AF_UNIX) as door:
        known.bind(str(tmp_path / "s"))
        known.listen()
        door.connect(str(tmp_path / "s"))
