"""Answers of the runner as people read them: tables, New York time, the mode of the money in every heading."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from live.commands.terminal import REFUSED, console
from pipelines.core.market.session import NEW_YORK

COLOURS = {"SIM": "cyan", "PAPER": "yellow", "LIVE": "bold red", "SHADOW": "magenta"}
STYLE: dict[str, Any] = {"box": None, "title_justify": "left", "title_style": "bold", "header_style": "cyan", "padding": (0, 2, 0, 0)}


def printed(answer: Any, as_json: bool) -> bool:
    """Print JSON where that is asked for; whether it was."""
    if as_json and console.is_terminal:
        console.print_json(data=answer)
    elif as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))  # colouring takes seconds where there is much
    return as_json


def say(answer: dict[str, Any], colour: str, word: str) -> None:
    """One line: mode, what it is, in words."""
    console.print(f"{mode(answer)} [{colour}]{escape(word)}[/]: {escape(str(answer['detail']))}", soft_wrap=True)


def mode(answer: dict[str, Any]) -> str:
    """Whether the money is real."""
    return f"[{COLOURS[answer['mode']]}]{answer['mode']}[/]"


def table(answer: dict[str, Any], title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], caption: str = "") -> Table:
    """Rows with these columns; `next` of the answer becomes the caption that leads on."""
    more = f"more: --cursor {answer['next']}" if answer.get("next") else ""
    made = Table(title=f"{mode(answer)} {answer['session']} · {title}", caption="\n".join(filter(None, (caption, more))) or None, **STYLE)
    for name in columns:
        numbers = any(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)
        made.add_column(name.replace("_", " "), justify="right" if numbers else "left")
    for row in rows:
        made.add_row(*(cell(row.get(name)) for name in columns))
    return made


def pairs(answer: dict[str, Any], title: str, values: dict[str, Any]) -> Table:
    """Names and values."""
    made = Table(title=f"{mode(answer)} {answer['session']} · {title}", show_header=False, **STYLE)
    made.add_column()
    made.add_column(justify="right")
    for name, value in values.items():
        made.add_row(name.replace("_", " "), cell(value))
    return made


def checks(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Controls with value and limit."""
    made = Table(title, "", "value", "limit", "from", "in words", **STYLE)
    for row in rows:
        mark = "[green]ok[/]" if row["passed"] else "[red]no[/]"
        made.add_row(row["code"], mark, cell(row["value"]), cell(row["limit"]), escape(row["source"]), escape(row["detail"]))
    return made


def cell(value: Any) -> str:
    """A value as it is read: New York time, thousands, an unknown as a dash."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "[green]yes[/]" if value else "[red]no[/]"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 10 else f"{value:,.4g}"
    if isinstance(value, list | tuple):
        return escape("; ".join(map(str, value)))
    text = str(value)
    return f"{moment:%H:%M:%S}" if (moment := _moment(text)) is not None else escape(text)


def clock(text: str) -> str:
    """A moment of an answer as New York's clock shows it."""
    return f"{datetime.fromisoformat(text).astimezone(NEW_YORK):%H:%M:%S}"


def _moment(text: str) -> datetime | None:
    if len(text) < 19 or text[10:11] != "T":
        return None
    try:
        return datetime.fromisoformat(text).astimezone(NEW_YORK)
    except ValueError:
        return None


def stop_unless(ok: bool) -> None:
    """Exit code 3 where a check said no."""
    if not ok:
        raise typer.Exit(REFUSED)
