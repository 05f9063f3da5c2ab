"""The generated reference leaves nothing out: every name that the code has is on its page, with a meaning."""

import inspect
import re
from typing import get_args

import pytest

from hook import PAGES
from live.sim.faults.kinds import KINDS
from live.tools.catalogue import CATALOGUE
from pipelines import roster
from pipelines.core import errors
from pipelines.core.risk.checks import Code
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Instruction
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event
from pipelines.settings import Settings
from reference import commands, faults, http, limits, metrics, records, settings, strategies, tools
from reference.markdown import code, table

ROWS = re.compile(r"^\| (.*) \|$", re.MULTILINE)


def first_cells(text: str) -> list[str]:
    return [row.split(" | ")[0].strip("`") for row in ROWS.findall(text)]


def test_every_setting_is_there_once_with_its_default_and_meaning() -> None:
    text = settings.write()
    named = [cell for cell in first_cells(text) if cell.isupper()]
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)
    assert "| `MAX_POSITION_SIZE` | `0.02` | > 0 and ≤ 1 | Largest position in one symbol" in text
    assert "| `DAYBOT_MODE` | `paper` | `sim`, `paper`, `live` |" in text


def test_no_secret_has_a_default_that_is_shown() -> None:
    assert "| `ALPACA_SECRET_KEY` |  | secret |" in settings.write()


def test_every_limit_has_a_rule_and_every_code_a_control() -> None:
    text = limits.write()
    assert all(f"| {code(name.upper())} |" in text for name in Limits.model_fields)
    asked = {name for function in (*limits.PERMISSIONS, *limits.ROOMS) for name in limits.codes(function)}
    elsewhere = {Code.QUANTITY.value, Code.SENSE.value}  # what is left after all rooms; what is no number at all
    assert asked | elsewhere == {found.value for found in Code}


def test_the_public_checklist_is_whole() -> None:
    rows = limits.checklist()
    assert [row[0] for row in rows] == [f"C{number}" for number in range(1, 27)]
    assert all(row[1] and row[2] and row[3] for row in rows)


@pytest.mark.parametrize("union", [Event, Decision, Instruction], ids=["event", "decision", "instruction"])
def test_every_kind_of_the_journal_is_described(union: object) -> None:
    text = records.write()
    for kind in get_args(union):
        assert f"### {records.tag(kind)}\n\n{inspect.getdoc(kind)}" in text


def test_every_command_and_each_of_its_options_is_there() -> None:
    text = commands.write()
    for name, command in commands.commands().items():
        assert f"## daybot {name}\n" in text
        assert all(code(option) in text for parameter in command.params for option in parameter.opts if option.startswith("--"))


def test_every_kind_of_fault_error_and_strategy_is_there() -> None:
    text = faults.write()
    assert all(f"| {code(name)} | {kind.note}" in text for name, kind in KINDS.items())
    told = PAGES["errors"].write()
    assert all(code(name) in told for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__)
    assert all(f"## {name}\n" in strategies.write() for name in roster.installed())


def test_every_metric_of_the_exposition_is_there() -> None:
    source = inspect.getsource(metrics.metrics)
    assert len(metrics.rows()) == len(re.findall(r"\"daybot_\w+\"", source))


def test_every_route_is_described_in_words() -> None:
    found = list(http.routes())
    assert found
    assert [path for _, path, route in found if not http.said(route)] == []


def test_every_tool_is_described_with_what_it_is_asked() -> None:
    text = tools.write()
    for entry in CATALOGUE:
        section = text.partition(f"\n## {entry.name}\n")[2].partition("\n## ")[0]
        assert entry.about in section and entry.path in section
        assert all(code(name) in section for name in (*entry.ask.model_fields, *entry.answer.model_fields))


def test_a_value_with_a_bar_or_a_line_break_breaks_no_table() -> None:
    assert table(("a",), [("x | y\nz",)]).splitlines()[-1] == "| x \\| y z |"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_hole(name: str) -> None:
    text = PAGES[name].write()
    assert text.startswith("# ")
    assert not re.search(r"\bNone\b(?! )|PydanticUndefined|<class |object at 0x", re.sub(r"`[^`]*`", "", text))
