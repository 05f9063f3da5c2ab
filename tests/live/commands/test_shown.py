"""Answers at a terminal: every number in its unit, nothing where there is nothing, and no word of others' that steers it."""

from io import StringIO

import pytest
from typer.testing import CliRunner

from live.cli import app
from live.commands.shown import table
from live.commands.terminal import Declined, Screen
from live.commands.values import measured
from pipelines.core.risk import units
from pipelines.core.risk.checks import Code
from pipelines.core.words import counted

HEAD = {"mode": "SIM", "session": "2026-11-23"}


def printed(*things: object) -> str:
    told = StringIO()
    Screen(file=told, width=80).print(*things)
    return told.getvalue()


def test_every_control_is_told_in_its_unit() -> None:
    told = {
        Code.HEAT: "2.50%", Code.STATE: "—", Code.MODEL_VALUE: "$0.03", Code.SESSION: "0.03 min", Code.ENTRIES: "0.03 today",
        Code.SCORE: "2.50%", Code.BUYING_POWER: "$0.03",
    }  # fmt: skip
    assert {code: measured(code, 0.025) for code in told} == told
    assert [measured(code, 1.0) for code in (Code.HISTORY, Code.COOLDOWN, Code.POSITIONS)] == ["1 day", "1 loss", "1 symbol"]
    assert measured(Code.BUYING_POWER, -1234.5) == "-$1,234.50"
    assert [measured(code, -1e-6) for code in (Code.DAILY_LOSS, Code.BUYING_POWER)] == ["0.00%", "$0.00"], "nothing has no sign"
    assert measured(Code.HEAT, None) == "—"
    assert {*units.FRACTIONS, *units.VERDICTS, *units.DOLLARS, *units.AFTER} == set(Code)


def test_a_refusal_says_its_numbers_in_their_unit() -> None:
    problem = {"status": 409, "code": "SESSION", "detail": "buy 3 AAPL: 4.4 minutes after the open", "value": 4.44084, "limit": 5.0}
    said = "buy 3 AAPL: 4.4 minutes after the open (SESSION, value 4.44 min, limit 5 min from MARKET_OPEN_BUFFER)"
    assert str(Declined(problem | {"source": "MARKET_OPEN_BUFFER"})) == said
    assert str(Declined({"status": 409, "code": "STATE", "detail": "x", "value": 0.0, "limit": 1.0, "source": "halt"})) == "x (STATE from halt)"


def test_a_table_without_rows_says_so_and_titles_are_not_broken_by_narrow_tables() -> None:
    assert printed(table(HEAD, "open orders", [], ["id", "symbol"], spare=("symbol",))) == "SIM 2026-11-23 · open orders: none\n"
    wide = printed(table(HEAD, "a title that is wider than its table", [{"id": 1}], ["id"])).splitlines()
    assert wide[0] == "SIM 2026-11-23 · a title that is wider than its table"


def test_what_others_wrote_steers_no_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;x\x07\x9b31m\u202egnp.exe"
    said = printed(table(HEAD, hostile, [{"symbol": hostile, "detail": "two\nlines"}], ["symbol", "detail"]), f"{hostile} [bold]as is[/]")
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(said)
    assert "as is" in said and "two" in said


@pytest.mark.parametrize("words", [["--help"], ["scan", "--help"], ["journal", "show", "--help"], ["token", "list", "--help"]])
def test_a_flag_is_shown_without_a_type(words: list[str]) -> None:
    said = CliRunner().invoke(app, words, env={"COLUMNS": "100"}).output
    assert "--help" in said
    assert "<bool>" not in said


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "entry", "1 entry"), (0, "entry", "0 entries"), (2, "loss", "2 losses"), (1, "loss", "1 loss"), (1200, "trade", "1,200 trades")],
)
def test_one_is_not_many(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
