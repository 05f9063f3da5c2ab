"""Answers of the runner as people read them: tables, New York time, the mode of the money in every heading."""

import json
from collections.abc import Sequence, Set
from typing import Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from live.commands.terminal import REFUSED, console
from live.commands.values import cell, measured

COLOURS = {"SIM": "cyan", "PAPER": "yellow", "LIVE": "bold red", "SHADOW": "magenta"}
STYLE: dict[str, Any] = {
    "box": None, "title_justify": "left", "title_style": "bold", "caption_justify": "left", "header_style": "cyan", "padding": (0, 2, 0, 0),
}  # fmt: skip

SENTENCES = {"detail", "reason", "reasons", "blocked", "error", "in words", "what", "why"}
"""Columns of words: they break, and take the room that the others leave."""
LEAST = 24
"""Columns that words need to be read."""


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


def table(
    answer: dict[str, Any], title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str], caption: str = "", spare: Sequence[str] = ()
) -> Group:
    """Rows with these columns; `next` of the answer becomes the caption that leads on. A narrow terminal leaves out `spare`, in that order."""
    texts = {name: [_told(row, name) for row in rows] for name in columns}
    numbers = {name for name in columns if any(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)}
    more = f"more: --cursor {answer['next']}" if answer.get("next") else ""
    return _fitted(f"{mode(answer)} {answer['session']} · {title}", texts, numbers, spare, (caption, more))


def _told(row: dict[str, Any], name: str) -> str:
    return measured(row["code"], row.get(name)) if name in {"value", "limit"} and "code" in row else cell(row.get(name), name)


def pairs(answer: dict[str, Any], title: str, values: dict[str, Any]) -> Group:
    """Names and values."""
    made = Table(show_header=False, **STYLE)
    made.add_column()
    made.add_column(justify="right")
    for name, value in values.items():
        made.add_row(name.replace("_", " "), cell(value, name))
    return Group(f"[bold]{mode(answer)} {answer['session']} · {title}[/]", made)


def checks(title: str, rows: Sequence[dict[str, Any]]) -> Group:
    """Controls with value and limit, each in its unit."""
    texts: dict[str, list[str]] = {
        title: [row["code"] for row in rows],
        "ok": [cell(row["passed"]) for row in rows],
        "value": [measured(row["code"], row["value"]) for row in rows],
        "limit": [measured(row["code"], row["limit"]) for row in rows],
        "from": [escape(row["source"]) for row in rows],
        "in words": [escape(row["detail"]) for row in rows],
    }
    return _fitted("", texts, {"value", "limit"}, ("from",), ())


def _fitted(title: str, texts: dict[str, list[str]], numbers: Set[str], spare: Sequence[str], captions: Sequence[str]) -> Group:
    """A table in which nothing but sentences breaks; what there is no room for is left out, and that is said."""
    left = list(texts)
    for name in spare:
        if sum(_width(column, texts[column]) for column in left) > console.width and name in left:
            left.remove(name)
    gone = ", ".join(name.replace("_", " ") for name in texts if name not in left)
    if title and not any(texts.values()):  # of a table without rows nothing is left but its name
        return under(f"{title}: none", None, *captions)
    made = Table(**STYLE)
    for name in left:
        made.add_column(name.replace("_", " "), justify="right" if name in numbers else "left", no_wrap=name not in SENTENCES, overflow="fold")
    for row in zip(*(texts[name] for name in left), strict=True):
        made.add_row(*row)
    return under(title, made, *captions, f"left out in {console.width} columns: {gone}" if gone else "")


def under(title: str, made: Table | None, *captions: str) -> Group:
    """A table with what stands above and below it, which may be wider."""
    above = [f"[bold]{title}[/]"] if title else []
    return Group(*above, *([made] if made is not None else []), *(f"[dim]{caption}[/]" for caption in captions if caption))


def _width(name: str, texts: Sequence[str]) -> int:
    """Columns that it takes, with the gap beside it."""
    longest = max((Text.from_markup(text).cell_len for text in [name, *texts]), default=0)
    return (min(longest, LEAST) if name in SENTENCES else longest) + 2


def stop_unless(ok: bool) -> None:
    """Exit code 3 where a check said no."""
    if not ok:
        raise typer.Exit(REFUSED)
