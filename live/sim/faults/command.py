"""`daybot fault`: add, list and clear the faults of an exchange that is running."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from live.sim.faults.kinds import TARGETS

app = typer.Typer(no_args_is_help=True, help="Faults of a running simulated exchange: what it does wrong on purpose.")
console = Console()
errors = Console(stderr=True)

Url = Annotated[str, typer.Option("--url", help="Address of the exchange.")]
AT = "http://127.0.0.1:8765"
_AIMS = frozenset(name for names in TARGETS.values() for name in names)


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="What goes wrong, such as stream.mute; `daybot fault kinds` lists them.")],
    fields: Annotated[list[str] | None, typer.Argument(help="Where, when, how often and how: symbol=AAPL from=10:00 for=90 times=1")] = None,
    url: Url = AT,
) -> None:
    """Add a fault, for example: daybot fault add rest.status path=/v2/orders method=POST status=504 stage=after"""
    body = {"kind": kind} | dict(_field(text) for text in fields or [])
    console.print_json(data=_call("POST", url, "/sim/faults", body))


@app.command("list")
def show(url: Url = AT) -> None:
    """The faults that are set, and how often each has struck."""
    console.print_json(data=_call("GET", url, "/sim/faults"))


@app.command()
def log(url: Url = AT) -> None:
    """Every injection so far: when, which fault, what it hit."""
    console.print_json(data=_call("GET", url, "/sim/faults/log"))


@app.command()
def kinds(url: Url = AT) -> None:
    """Every kind of fault with what it does, and the rows of the fault matrix that it serves."""
    table = Table("kind", "what it does", "parameters", "rows", box=None, header_style="cyan")
    for row in _call("GET", url, "/sim/faults/kinds"):
        table.add_row(row["kind"], row.get("note", ""), ", ".join(row.get("parameters", {})), ", ".join(row.get("serves", [])))
    console.print(table)


@app.command()
def clear(number: Annotated[str | None, typer.Argument(help="The fault's id; all of them without it.")] = None, url: Url = AT) -> None:
    """Take one fault back, or all."""
    console.print_json(data=_call("DELETE", url, f"/sim/faults/{number}" if number else "/sim/faults"))


def _field(text: str) -> tuple[str, Any]:
    """`name=value`; the value is JSON where it is JSON, and plain text otherwise. A pattern is one or several texts: an id may be all digits."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"expected name=value, found {text!r}")
    try:
        found = json.loads(value, parse_constant=str)
    except ValueError:
        return name, value
    return name, value if name in _AIMS and not isinstance(found, list) else found


def _call(method: str, url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    import httpx

    try:
        answer = httpx.request(method, url + path, json=body, timeout=10.0)
    except httpx.HTTPError as error:
        errors.print(f"expected a simulated exchange at {url}, found {type(error).__name__}; start one with `daybot exchange`")
        raise typer.Exit(1) from None
    if answer.is_error:
        errors.print(answer.json().get("message", answer.text), soft_wrap=True)
        raise typer.Exit(1)
    return answer.json()
