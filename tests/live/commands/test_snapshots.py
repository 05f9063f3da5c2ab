"""`daybot snapshots` as a person and as a script uses it, on a home with three published nights."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from market import briefing_of, symbol_brief
from typer.testing import CliRunner, Result

from live.cli import app
from live.sim.embedded import Exchange
from pipelines import publish
from pipelines.core.briefing import Briefing, Candidate, CheckResult, Severity
from pipelines.settings import Settings
from pipelines.store import Warehouse

NIGHTS = (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three nights; from one to the next MSFT comes, AAPL's ATR grows by a half, and a check fails. Made three days, 40 hours and 90 minutes ago."""
    settings, warehouse = Settings(daybot_home=tmp_path), Warehouse(Settings(daybot_home=tmp_path))
    now = datetime.now(UTC)
    for number, (session, age) in enumerate(zip(NIGHTS, (timedelta(days=3), timedelta(hours=40), timedelta(minutes=90)), strict=True)):
        made = night(session, now - age, number)
        row = pl.DataFrame({"session": [session], "version": [made.version], "json": [made.model_dump_json()]})
        warehouse.replace({"briefings": row, "universe": pl.DataFrame({"session": [session] * (number + 1)})}, [session])
        publish.release(settings, made.version, warehouse.copy)
    return tmp_path


def night(session: date, made: datetime, number: int) -> Briefing:
    names = ("AAPL", "JPM", "MSFT")[: number + 1]
    checks = (CheckResult(name="digits", asset="daily_bars", passed=number < 2, severity=Severity.ADVICE, detail=f"{number} found"),)
    changes = {
        "session": session, "created_at": made, "version": publish.version(session, made, f"{number:08d}"), "checks": checks,
        "inputs": {"universe": f"{number}" * 64},
        "watchlist": tuple(Candidate(rank=i, symbol=s, score=1.0, reasons=()) for i, s in enumerate(reversed(names), start=1)),
        "symbols": {name: symbol_brief(name, atr=2.0 * 1.5**number) for name in names},
    }  # fmt: skip
    return briefing_of([]).model_copy(update=changes)


def run(home: Path, *words: str, **environ: str) -> Result:
    return CliRunner(env={"COLUMNS": "140", "DAYBOT_MODE": "paper", **environ}).invoke(app, [*words, "--home", str(home)])


def told(home: Path, *words: str) -> dict[str, object] | list[dict[str, object]]:
    """What it says to a script."""
    ran = run(home, "snapshots", *words, "--json")
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output)  # type: ignore[no-any-return]


def test_the_list_marks_the_current_one_and_says_how_old_each_is(home: Path) -> None:
    lines = run(home, "snapshots", "list").output.splitlines()[1:]
    assert [line.split()[-6:-4] for line in lines] == [["90", "min"], ["40", "h"], ["3", "days"]]
    assert [line.startswith("*") for line in lines] == [True, False, False]
    rows = told(home, "list")
    assert [(row["session"], row["checks"], row["current"]) for row in rows] == [  # type: ignore[index]  # a list of rows
        ("2026-11-23", "0/1", True),
        ("2026-11-20", "1/1", False),
        ("2026-11-19", "1/1", False),
    ]


def test_an_empty_home_says_how_to_make_a_first_one(tmp_path: Path) -> None:
    ran = run(tmp_path, "snapshots", "list")
    assert (ran.exit_code, "make demo" in ran.output) == (0, True)
    assert run(tmp_path, "snapshots", "show").exit_code == 1


def test_one_is_shown_with_its_checks_and_its_rows(home: Path) -> None:
    said = run(home, "snapshots", "show").output
    assert "for 2026-11-23" in said
    assert "SIMULATED" in said
    assert "90 min ago" in said
    assert "failed daily_bars.digits: 2 found" in said
    assert "watchlist: 3 symbols, first MSFT JPM AAPL" in said
    assert [line.split() for line in said.splitlines()[-2:]] == [["briefings", "3"], ["universe", "6", "2" * 12]]
    shown = told(home, "show", "2026-11-19")
    assert shown["tables"] == {"briefings": 1, "universe": 1}  # type: ignore[call-overload]  # an object
    assert shown["briefing"]["symbols"] == ["AAPL"]  # type: ignore[call-overload]


def test_what_changed_between_two_nights_is_told_in_tables_and_to_scripts(home: Path) -> None:
    said = run(home, "snapshots", "diff", "2026-11-19").output
    for line in ("JPM — 2 in", "MSFT — 1 in", "AAPL 1 3 down 2", "AAPL 2 4.5 +125.0%", "universe 1 6 +5", "daily_bars.digits passed failed 2 found"):
        assert line in [" ".join(found.split()) for found in said.splitlines()], line
    assert "no change: regime, adv, beta" in said
    found = told(home, "diff", "2026-11-19", "2026-11-20", "--beyond", "0.6")
    assert found["changes"]["atr"] == []  # type: ignore[call-overload]
    assert found["changes"]["watchlist"][0] == {"what": "JPM", "before": None, "after": 1, "note": "in"}  # type: ignore[call-overload]


def test_going_back_says_from_what_to_what_and_everybody_reads_it(home: Path) -> None:
    before = publish.current(Settings(daybot_home=home)).version
    said = run(home, "snapshots", "use", "2026-11-20").output
    assert f"was  {before}" in said
    assert "for 2026-11-20" in said
    assert publish.current(Settings(daybot_home=home)).briefing().session == date(2026, 11, 20)
    assert [row["current"] for row in told(home, "list")] == [False, True, False]  # type: ignore[index]
    assert "nothing was changed" in run(home, "snapshots", "use", "2026-11-20").output


def test_a_spoiled_snapshot_is_an_error_that_says_how_to_go_back(home: Path) -> None:
    spoil(home)
    ran = run(home, "snapshots", "show")
    assert (ran.exit_code, "BrokenSnapshot" in ran.stderr, "daybot snapshots use" in ran.stderr) == (1, True, True), ran.output
    listed = run(home, "snapshots", "list")
    assert (listed.exit_code, "unreadable" in listed.output) == (0, True)
    assert run(home, "snapshots", "use", "2026-11-20").exit_code == 0
    assert run(home, "snapshots", "show").exit_code == 0


def test_no_session_begins_on_a_spoiled_snapshot(home: Path) -> None:
    spoil(home)
    with Exchange(stepped=False) as exchange:
        keys = {"DAYBOT_MODE": "sim", "ALPACA_BASE_URL": exchange.url, "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM"}
        ran = run(home, "live", **keys)
    assert (ran.exit_code, "BrokenSnapshot" in ran.stderr, "daybot snapshots use" in ran.stderr) == (1, True, True), ran.output


def spoil(home: Path) -> None:
    """Cut the current snapshot short, as a full disk or a bad copy does."""
    path = publish.current(Settings(daybot_home=home)).path
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:1000])


def test_a_version_that_fits_several_is_none(home: Path) -> None:
    ran = run(home, "snapshots", "use", "2026-11")
    assert (ran.exit_code, "fits 3" in ran.stderr) == (1, True)
