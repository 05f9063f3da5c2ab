"""Every command that mirrors a tool, as a person types it, against a running session: as a table, as JSON, refused, mistyped, without a runner."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click import Command
from commands import ROOT
from manned import Manned
from typer.main import get_command
from typer.testing import CliRunner, Result

from live.cli import app
from live.commands.terminal import console
from live.tools.catalogue import TOOLS

BUY = ["AAA", "buy", "100", "--stop", "95", "--target", "110"]


class Case(NamedTuple):
    """Words that do it, what is printed then; words that are refused, and the exit code; words that make no sense."""

    done: list[str]
    shows: str
    wrong: list[str]
    refused: list[str] | None = None
    code: int = 1
    held: bool = False


CASES = {
    "scan": Case([], "scan of", ["--limit", "0"]),
    "enter": Case(BUY, "approved", ["AAA", "up"], ["AAA", "buy", "20000"], 3),
    "manage": Case(["AAA", "--stop", "97"], "the stop goes to 97", ["AAA"], ["BBB", "--stop", "97"], held=True),
    "close": Case(["BBB"], "flat: yes", [], ["AAA", "5000"], held=True),
    "record": Case(["AAA", "seen by me"], "record", ["AAA"]),
    "halt": Case([], "trading is halted", ["--wait", "99"]),
    "resume": Case([], "trading is active", ["--wait", "99"]),
    "release": Case(["manual"], "may enter again", [], ["nobody"]),
    "flat": Case([], "flat: yes", ["--wait", "99"]),
    "preview": Case(BUY, "approved", ["AAA"], ["AAA", "buy", "20000"], 3),
    "positions": Case([], "AAA", ["--x"], held=True),
    "orders": Case(["--status", "all"], "orders", ["--status", "some"]),
    "account": Case([], "buying power", ["--x"]),
    "trades": Case([], "round trips", ["--from", "monday"]),
    "log": Case(["--limit", "3"], "decisions", ["--kind", "x"]),
    "risk": Case([], "drawdown", ["--x"]),
    "health": Case([], "order stream", ["--x"]),
    "feeds": Case([], "sip", ["--x"]),
    "events": Case(["--limit", "5"], "account", ["--after", "-1"]),
    "performance": Case([], "profit", ["--from", "x"], ["--strategy", "nobody"]),
    "execution": Case([], "fill rate", ["--from", "x"]),
    "optimization": Case([], "too few sessions", ["--from", "x"]),
    "sync": Case([], "2026-11-20-01-test", ["--x"]),
    "limits": Case(["--used"], "DAILY_LOSS", ["--x"]),
    "explain": Case(["AAA"], "stands on", ["--outcome", "some"], ["ZZZ"], held=True),
}

MIRRORED = {
    "scan_symbols": "scan", "enter_trade": "enter", "manage_trade": "manage", "close_symbol": "close", "flat_all": "flat", "record_trade": "record",
    "healthcheck": "health", "risk_status": "risk", "trade_log": "log", "strategy": "performance", "candidates": "explain",
}  # fmt: skip
"""Tools whose command has another name; the others' has their own."""


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tests run in several processes, each has been told of a narrow terminal before it made its console."""
    monkeypatch.setattr(console, "width", 250)


def typed(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--home", str(home)], env={"COLUMNS": "250"})


def run(session: Manned, *words: str) -> Result:
    return typed(session.settings.daybot_home, *words)


def test_every_tool_has_a_command_and_every_command_its_cases() -> None:
    names = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback}
    assert {MIRRORED.get(tool, tool) for tool in TOOLS} <= names
    assert {MIRRORED.get(tool, tool) for tool in TOOLS} == set(CASES)


ELSEWHERE = {
    "demo": "live/days/test_demo.py", "up": "live/commands/test_commands.py", "doctor": "live/commands/test_commands.py",
    "live": "live/commands/test_commands.py", "status": "live/commands/test_commands.py", "suspend": "live/session/test_safety.py",
    "watchdog": "live/session/test_safety.py", "approve": "doors/test_mcp.py", "mcp": "doors/test_mcp.py", "weights": "live/days/test_demo.py",
    "scorers": "live/days/test_demo.py",
    "replay": "live/commands/test_commands.py", "backtest": "pipelines/test_backtests.py", "sweep": "live/commands/test_sweeps.py",
    "check-strategy": "live/commands/test_research_commands.py", "notebook": "doors/test_commands.py", "dashboard": "doors/test_commands.py",
    "dagster": "pipelines/defs/test_dagster.py", "exchange": "simulation/test_command.py", "journal verify": "live/days/test_demo.py",
    "journal show": "live/journal/test_raw.py", "journal export": "live/journal/test_raw.py", "journal repair": "doors/test_commands.py",
    "journal tidy": "doors/test_commands.py", "snapshots list": "live/commands/test_snapshots.py",
    "snapshots show": "live/commands/test_snapshots.py",
    "snapshots diff": "live/commands/test_snapshots.py", "snapshots use": "live/commands/test_snapshots.py",
    "token create": "doors/test_security.py", "token list": "doors/test_security.py", "token revoke": "doors/test_security.py",
    "fault add": "simulation/faults/test_faults_command.py", "fault list": "simulation/faults/test_faults_command.py",
    "fault log": "simulation/faults/test_faults_command.py", "fault kinds": "simulation/faults/test_faults_command.py",
    "fault clear": "simulation/faults/test_faults_command.py",
}  # fmt: skip
"""Commands that mirror no tool, and the test that runs each."""


def every_command() -> dict[str, Command]:
    """By its words, groups walked into."""
    found: dict[str, Command] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {n}": c for n, c in inner.items()} if inner else {name: command}
    return found


def test_every_command_is_run_by_a_test() -> None:
    assert set(every_command()) == set(CASES) | set(ELSEWHERE)
    for name, path in ELSEWHERE.items():
        word = "live.sim" if name == "exchange" else name.split()[-1]  # which runs by its module as well
        assert f'"{word}"' in (ROOT / "tests" / path).read_text(), f"{path} does not run {name}"


@pytest.mark.parametrize("name", every_command())
def test_every_command_refuses_what_it_does_not_know_with_code_2(name: str) -> None:
    ran = CliRunner().invoke(app, [*name.split(), "--no-such-option"])
    assert (ran.exit_code, "No such option" in ran.output) == (2, True), ran.output
    assert CliRunner().invoke(app, [*name.split(), "--help"]).exit_code == 0


TALK = {"demo", "up", "live", "exchange", "dashboard", "dagster", "notebook", "mcp"}
"""Commands that run something until it ends, and are watched; `mcp` speaks its own protocol."""

WORDS = {
    "explain": ["AAA"], "backtest": [], "sweep": ["--strategy", "momentum", "--set", "volume=1,2"], "check-strategy": ["nothing"],
    "journal export": ["tables"], "snapshots show": ["x"], "snapshots diff": ["x"], "snapshots use": ["x"],
    "token create": ["phone"], "token revoke": ["phone"],
    "fault add": ["rest.status"], "approve": ["ABCDEFGH"], "watchdog": ["--once"], "replay": ["none.jsonl"],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(every_command().keys() - TALK))
def test_with_json_a_command_that_can_do_nothing_says_why_as_json_on_standard_output(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a home without anything: what the command is asked for is not there, or it is nothing."""
    assert any("--json" in parameter.opts for parameter in every_command()[name].params)
    monkeypatch.chdir(tmp_path)
    words = WORDS.get(name, CASES[name].done if name in CASES else [])
    where = ["--url", "http://127.0.0.1:9"] if name.startswith("fault ") else [] if name == "check-strategy" else ["--home", str(tmp_path / "home")]
    ran = CliRunner().invoke(app, [*name.split(), *words, *where, "--json"], env={"ALPACA_API_KEY": "", "ALPACA_SECRET_KEY": ""})
    said = json.loads(ran.stdout)
    if ran.exit_code == 1:
        assert ran.stderr == ""
        assert "message" in said if name.startswith("fault ") else {"type", "title", "status", "code", "detail"} <= said.keys()
        assert name not in CASES or name in {"limits", "explain"} or "running session" in said["detail"], said
    else:
        assert (ran.exit_code, name) in {(0, name), (3, "doctor")}, ran.output


def test_a_refusal_for_pipes_has_the_numbers_that_http_has(session: Manned) -> None:
    ran = run(session, "enter", "AAA", "buy", "20000", "--json")
    said = json.loads(ran.stdout)
    assert (ran.exit_code, ran.stderr, said["code"], said["mode"]) == (3, "", "POSITION_SIZE", "SIM")
    assert (said["limit"], said["source"]) == (0.5, "MAX_POSITION_SIZE") and said["value"] > 0.5


def test_a_journal_is_mended_and_packed_on_the_command_line(session: Manned, tmp_path: Path) -> None:
    path = session.floor.runner.journal.path
    torn = tmp_path / path.parent.name / path.name
    torn.parent.mkdir()
    torn.write_bytes(path.read_bytes() + b'{"hash":"torn')
    assert typed(tmp_path, "journal", "verify").exit_code != 0
    mended = typed(tmp_path, "journal", "repair")
    assert (mended.exit_code, "13 torn bytes cut off and kept" in mended.output) == (0, True), mended.output
    assert typed(tmp_path, "journal", "verify").exit_code == 0
    assert "nothing was torn" in typed(tmp_path, "journal", "repair").output
    torn.write_bytes(torn.read_bytes().replace(b'"seq":2,', b'"seq":9,', 1))
    assert (typed(tmp_path, "journal", "repair").exit_code, typed(tmp_path, "journal", "tidy").exit_code) == (1, 0)


@pytest.mark.parametrize(("name", "started"), [("dashboard", "streamlit"), ("notebook", "jupyterlab")])
def test_pages_and_notebooks_are_started_without_any_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, started: str) -> None:
    """What is started is a python that writes down how it was called, in place of the server itself."""
    seen = tmp_path / "seen.json"
    fake = tmp_path / "python"
    fake.write_text(f"#!{sys.executable}\nimport json, os, sys\njson.dump([sys.argv[1:], dict(os.environ)], open({str(seen)!r}, 'w'))\n")
    fake.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(fake))
    monkeypatch.setenv("ALPACA_SECRET_KEY", "do-not-tell")
    assert typed(tmp_path, name).exit_code == 0
    words, environ = json.loads(seen.read_text())
    assert words[:2] == ["-m", started]
    assert environ["DAYBOT_HOME"] == str(tmp_path)
    assert "do-not-tell" not in environ.values()


def prepared(session: Manned, case: Case) -> None:
    if case.held:
        assert run(session, "enter", *BUY).exit_code == 0
        session.step(3)
        assert session.books.positions == {"AAA": 100}


@pytest.mark.parametrize("name", CASES)
def test_it_does_it_and_says_so(session: Manned, name: str) -> None:
    case = CASES[name]
    prepared(session, case)
    ran = run(session, name, *case.done)
    assert ran.exit_code == 0, ran.output
    assert case.shows in ran.output, ran.output
    assert name in {"events", "limits"} or "SIM" in ran.output


@pytest.mark.parametrize("name", [name for name in CASES if name != "limits"])
def test_for_pipes_it_is_json(session: Manned, name: str) -> None:
    case = CASES[name]
    prepared(session, case)
    ran = run(session, name, *case.done, "--json")
    assert ran.exit_code == 0, ran.output
    lines = ran.output.strip().splitlines() if name == "events" else [ran.output]
    for line in lines:
        assert isinstance(json.loads(line), dict)
    if name != "events":
        assert json.loads(ran.output)["mode"] == "SIM"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refused is not None])
def test_a_refusal_has_numbers_and_an_exit_code_of_its_own(session: Manned, name: str) -> None:
    case = CASES[name]
    prepared(session, case)
    ran = run(session, name, *(case.refused or []))
    assert ran.exit_code == case.code, ran.output
    if case.code == 3:
        assert "POSITION_SIZE" in ran.output
        assert "0.5" in ran.output or "50.00%" in ran.output
        assert "MAX_POSITION_SIZE" in ran.output


@pytest.mark.parametrize("name", CASES)
def test_what_is_mistyped_is_wrong_usage_and_nothing_is_done(session: Manned, name: str) -> None:
    before = session.floor.runner.journal.seq
    ran = run(session, name, *CASES[name].wrong)
    assert ran.exit_code == 2, ran.output
    assert session.floor.runner.journal.seq == before


def test_without_a_runner_it_says_what_to_do(tmp_path: Path) -> None:
    ran = typed(tmp_path, "positions")
    assert (ran.exit_code, "daybot live" in ran.stderr) == (1, True), ran.output


def test_status_says_how_many_shares_are_held_at_what(session: Manned) -> None:
    prepared(session, CASES["close"])
    said = run(session, "status").output
    assert re.search(r"AAA +100 +[0-9.]+ +100\.00 +open", said), said
    assert re.match(r"SIM 2026-11-20 · active · equity 9[0-9],[0-9.]+ · held\n", said), said


def test_the_same_name_is_the_same_command(session: Manned) -> None:
    for _ in range(2):
        assert run(session, "enter", *BUY, "--id", "typed-twice").exit_code == 0
    session.step(3)
    assert session.books.positions == {"AAA": 100}
    other = run(session, "enter", "AAA", "buy", "7", "--id", "typed-twice")
    assert (other.exit_code, "KEY_REUSED" in other.output) == (1, True)


def test_eighty_columns_are_enough_and_what_they_leave_out_is_said(session: Manned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number or a name is whole or not there; only sentences break."""
    monkeypatch.setattr(console, "width", 80)
    prepared(session, CASES["positions"])
    order = session.get("/orders").json()["orders"][0]["id"]
    for name in ("positions", "orders", "scan", "log", "trades", "risk", "feeds", "sync", "performance", "execution"):
        ran = run(session, name)
        assert ran.exit_code == 0, ran.output
        assert max(map(len, ran.output.splitlines())) <= 80, ran.output
        assert "…" not in ran.output, ran.output
        if name == "orders":
            assert order in ran.output, "its name can be copied"
            assert "left out in 80 columns: " in ran.output
        if name == "risk":
            assert "5.00%" in ran.output and "DAILY_LOSS" in ran.output


@pytest.mark.parametrize("words", [[], ["AAA"], ["--outcome", "entered", "--limit", "2"]], ids=str)
def test_why_is_told_alike_by_the_running_session_and_by_its_journal(session: Manned, tmp_path: Path, words: list[str]) -> None:
    """The same function answers, so that nothing but who was asked, and when, differs."""
    prepared(session, CASES["explain"])
    told = run(session, "explain", *words)
    assert "told by the running session" in told.output
    path = session.floor.runner.journal.path
    (tmp_path / path.parent.name).mkdir()
    shutil.copy(path, tmp_path / path.parent.name)
    read = typed(tmp_path, "explain", *words)
    assert f"no session answers: read from {path.name}" in read.output, read.output
    live, kept = (json.loads(ran.output) for ran in (run(session, "explain", *words, "--json"), typed(tmp_path, "explain", *words, "--json")))
    assert (live.pop("running"), kept.pop("running")) == (True, False)
    assert live.pop("at") >= kept.pop("at")
    assert live == kept
    query = {"outcome": "entered", "limit": 2} if len(words) > 1 else {}
    route = session.get("/orders/AAA/explain", **query) if words == ["AAA"] else session.get("/candidates", **{"limit": 40} | query)
    assert {n: v for n, v in route.json().items() if n not in {"at", "running"}} == live
    other = run(session, "explain", "ZZZ"), typed(tmp_path, "explain", "ZZZ")
    assert [ran.exit_code for ran in other] == [1, 1]
    assert other[0].output == other[1].output


def test_where_the_runner_is_dead_the_broker_answers(session: Manned, tmp_path: Path) -> None:
    prepared(session, CASES["positions"])
    environ = {
        "DAYBOT_MODE": "sim", "ALPACA_BASE_URL": session.exchange.url, "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM", "COLUMNS": "250",
        "DAYBOT_HOME": str(tmp_path),
    }  # fmt: skip

    def direct(*words: str) -> str:
        ran = CliRunner().invoke(app, [*words, "--direct"], env=environ)
        assert ran.exit_code == 0, ran.output
        return ran.output

    assert "AAA" in direct("positions")
    assert json.loads(direct("positions", "--json"))["rows"][0]["quantity"] == 100
    assert "stop" in direct("orders")
    assert "buying power" in direct("account")


def test_the_stream_is_followed_to_the_end_of_the_session(session: Manned) -> None:
    last = session.get("/events/since", after=0, limit=1000).json()["last"]
    ran = run(session, "events", "--after", str(last - 1), "--json")
    assert [json.loads(line)["id"] for line in ran.output.splitlines()] == [last]
