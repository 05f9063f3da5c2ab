"""README, `.env.example` and the Makefile say what is so."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from live.cli import app
from pipelines.settings import Settings, example

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXCHANGE = (ROOT / "live" / "sim" / "README.md").read_text()
BLOCKS = "\n".join(re.findall(r"```sh\n(.*?)```", README + EXCHANGE, re.DOTALL))
LINES = [line.split("#")[0].strip() for line in BLOCKS.splitlines() if line.strip()]


def commands() -> dict[str, object]:
    """Every command of `daybot` by its words, groups walked into."""
    found = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {n}": c for n, c in inner.items()} if inner else {name: command}
    return found


def test_the_table_of_commands_names_commands_and_the_reader_finds_it_short() -> None:
    listed = re.findall(r"\| `daybot ([a-z -]+)` \|", README)
    assert len(listed) == len(set(listed)) and set(listed) <= set(commands())
    assert len(README.splitlines()) < 250


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_explains_itself(name: str) -> None:
    command = commands()[name]
    assert command.help  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        assert getattr(parameter, "help", None) or parameter.name == "help", f"{name} {parameter.name}"


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("daybot")])
def test_every_command_of_the_readme_is_one_that_the_command_line_takes(line: str) -> None:
    words = shlex.split(line)[1:]
    name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]
    options = {o for p in commands()[name].params for o in p.opts}  # type: ignore[attr-defined]
    assert {w for w in words if w.startswith("--")} <= options


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make")])
def test_every_make_target_of_the_readme_is_there_and_listed(line: str) -> None:
    target = line.split()[1]
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert target in re.sub(r"\x1b\[\d*m", "", listed).split()


def test_nothing_else_is_asked_of_the_reader() -> None:
    assert [line for line in LINES if not line.startswith(("make", "daybot"))] == []


def test_the_example_of_the_settings_is_generated_from_them() -> None:
    assert (ROOT / ".env.example").read_text() == example(), "run `make env-example`"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


ORIGIN = (
    "ALPACA_API_KEY ALPACA_SECRET_KEY ALPACA_BASE_URL MAX_POSITION_SIZE MAX_DAILY_LOSS DEFAULT_STOP_LOSS DEFAULT_TAKE_PROFIT "
    "SERVER_HOST SERVER_PORT DEBUG_MODE MARKET_OPEN_BUFFER MARKET_CLOSE_BUFFER"
)


@pytest.mark.parametrize("name", ORIGIN.split())
def test_the_settings_that_users_know_keep_their_names(name: str) -> None:
    assert name.lower() in Settings.model_fields


def test_every_path_on_the_map_exists() -> None:
    rows = re.search(r"\| where \| what \|\n(.*?)\n\n", README, re.DOTALL)
    assert rows
    for cell in re.findall(r"^\| (.*?) \|", rows.group(1), re.MULTILINE):
        previous = ROOT
        for path in re.findall(r"`([^`]+)`", cell):
            where = ROOT / path if (ROOT / path).exists() else previous / path
            assert where.exists(), path
            previous = where.parent
