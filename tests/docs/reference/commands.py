"""Every command of `daybot` with its arguments and options, as its help says."""

import inspect
from collections.abc import Iterator
from typing import Any

from rich.text import Text
from typer.main import get_command

from live.cli import app
from reference.markdown import cell, code, page, table

INTRO = """
`daybot COMMAND --help` says the same in a terminal. Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 3 a check or the gate said no.
"""


def commands() -> dict[str, Any]:
    """Every command by its words, groups walked into."""
    return dict(_walk(get_command(app), ""))


def _walk(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    else:
        for name, below in inner.items():
            yield from _walk(below, f"{words} {name}".strip())


def write() -> str:
    """The page."""
    found = dict(sorted(commands().items()))
    overview = table(("command", "what it does"), [(f"[`daybot {name}`](#daybot-{name.replace(' ', '-')})", summary(c)) for name, c in found.items()])
    return page("Commands", INTRO, overview, *(described(name, command) for name, command in found.items()))


def summary(command: Any) -> str:
    """The first sentence of its help."""
    return plain(command.help).split("\n\n")[0].replace("\n", " ")


def plain(text: str | None) -> str:
    """Without the colours of the terminal."""
    return Text.from_markup(inspect.cleandoc(text or "")).plain


def described(name: str, command: Any) -> str:
    """One command."""
    rows = [parameter(p) for p in command.params if p.name not in {"help", "install_completion", "show_completion"}]
    parts = [f"## daybot {name}", plain(command.help)]
    if rows:
        parts.append(table(("option", "default", "meaning"), rows))
    return "\n\n".join(parts)


def parameter(found: Any) -> tuple[str, str, str]:
    """An argument or an option."""
    if found.param_type_name == "argument":
        name = code(found.name.upper()) + ("" if found.required else " (optional)")
    else:
        name = ", ".join(code(option) for option in [*found.opts, *found.secondary_opts])
    value = found.default
    shown = "" if value is None or value is False or callable(value) or value in ((), []) else code(value)
    return name, shown, cell(plain(getattr(found, "help", "")))
