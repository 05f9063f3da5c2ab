"""Answers of the runner as people read them: tables, New York time, the mode of the money in every heading."""

import json
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from live.commands.terminal import REFUSED, console
from pipelines.core.market.session import NEW_YORK

COLOURS = {"SIM": "cyan", "PAPER": "yellow", "LIVE": "bold red", "SHADOW": "magenta"}
STYLE: dict[str, Any] = {"box": None, "title_justify": "left", "title_style": "bold", "header_style": "cyan", "padding": (0, 2, 0, 0)}

SENTENCES = {"detail", "reason", "reasons", "blocked", "error", "in words", "what", "why"}
"""Columns of words: they break, and take the room that the others leave."""
LEAST = 24
"""Columns that words need to be read."""

FRACTIONS = {
    "share", "change", "loss", "max_daily_loss", "drawdown", "heat", "max_heat", "total_return", "annual_return", "volatility", "max_drawdown",
    "deepest_day", "benchmark", "alpha", "win_rate", "exposure", "max_exposure", "var_95", "var_99", "es_95", "es_99", "worst_day", "best_day",
    "downside", "fill_rate", "entry_fill_rate", "return", "depth", "turnover",
}  # fmt: skip
"""Values that are shown per cent."""
SECONDS = {"lag", "seconds_to_fill"}
RISKS = {"r", "average_r"}
"""Profit in units of the risk taken."""
DOLLARS = {"profit", "fees", "net", "expectancy", "average_gain", "average_loss", "best", "worst", "shortfall", "cost", "missed", "price", "average",
           "entry", "exit", "open", "realised", "stop", "target", "atr"}  # fmt: skip


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
) -> Table:
    """Rows with these columns; `next` of the answer becomes the caption that leads on. A narrow terminal leaves out `spare`, in that order."""
    texts = {name: [cell(row.get(name), name) for row in rows] for name in columns}
    numbers = {name for name in columns if any(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)}
    more = f"more: --cursor {answer['next']}" if answer.get("next") else ""
    return _fitted(f"{mode(answer)} {answer['session']} · {title}", texts, numbers, spare, (caption, more))


def pairs(answer: dict[str, Any], title: str, values: dict[str, Any]) -> Group:
    """Names and values."""
    made = Table(show_header=False, **STYLE)
    made.add_column()
    made.add_column(justify="right")
    for name, value in values.items():
        made.add_row(name.replace("_", " "), cell(value, name))
    return Group(f"[bold]{mode(answer)} {answer['session']} · {title}[/]", made)


def checks(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Controls with value and limit; those whose limit is a fraction of equity as such."""
    texts: dict[str, list[str]] = {
        title: [row["code"] for row in rows],
        "ok": [cell(row["passed"]) for row in rows],
        "value": [measured(row["code"], row["value"]) for row in rows],
        "limit": [measured(row["code"], row["limit"]) for row in rows],
        "from": [escape(row["source"]) for row in rows],
        "in words": [escape(row["detail"]) for row in rows],
    }
    return _fitted("", texts, {"value", "limit"}, ("from",), ())


def measured(code: str, value: float | None) -> str:
    """A control's number: a fraction of equity as per cent."""
    from pipelines.core.risk.checks import OF_EQUITY

    return cell(value, "share" if code in OF_EQUITY else "")


def _fitted(title: str, texts: dict[str, list[str]], numbers: Set[str], spare: Sequence[str], captions: Sequence[str]) -> Table:
    """A table in which nothing but sentences breaks; what there is no room for is left out, and that is said."""
    left = list(texts)
    for name in spare:
        if sum(_width(column, texts[column]) for column in left) > console.width and name in left:
            left.remove(name)
    gone = ", ".join(name.replace("_", " ") for name in texts if name not in left)
    said = [*captions, f"left out in {console.width} columns: {gone}" if gone else ""]
    made = Table(title=title or None, caption="\n".join(filter(None, said)) or None, caption_justify="left", **STYLE)
    for name in left:
        made.add_column(name.replace("_", " "), justify="right" if name in numbers else "left", no_wrap=name not in SENTENCES, overflow="fold")
    for row in zip(*(texts[name] for name in left), strict=True):
        made.add_row(*row)
    return made


def _width(name: str, texts: Sequence[str]) -> int:
    """Columns that it takes, with the gap beside it."""
    longest = max((Text.from_markup(text).cell_len for text in [name, *texts]), default=0)
    return (min(longest, LEAST) if name in SENTENCES else longest) + 2


def cell(value: Any, name: str = "") -> str:
    """A value as it is read: New York time, thousands, per cent where the name says so, an unknown as a dash."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "[green]yes[/]" if value else "[red]no[/]"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, list | tuple):
        return escape("; ".join(map(str, value))) or "none"
    if isinstance(value, dict):
        return escape("; ".join(f"{key} {part}" for key, part in value.items())) or "none"
    text = str(value)
    return f"{moment:%H:%M:%S}" if (moment := _moment(text)) is not None else escape(text)


def _number(value: float, name: str) -> str:
    if name in FRACTIONS:
        return f"{value:.2%}"
    if name in SECONDS:
        return f"{value:.1f} s"
    if name in RISKS:
        return f"{value:+.2f}"
    if value == int(value) and name not in DOLLARS and abs(value) < 1e6:
        return f"{int(value):,}"
    if name in DOLLARS or abs(value) >= 10:
        return f"{value:,.2f}"
    return f"{value:,.4g}"


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
