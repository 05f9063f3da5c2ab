"""`daybot fault`: add, list and clear the faults of an exchange that is running."""

import json
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from live.sim.faults.kinds import TARGETS

app = typer.Typer(no_args_is_help=True, help="Faults of a running simulated exchange: what it does wrong on purpose.")
console = Console()
errors = Console(stderr=True)

Url = Annotated[str, typer.Option("--url", help="Address of the exchange.")]
Json = Annotated[bool, typer.Option("--json", help="For pipes; what goes wrong too, as {message}.")]
AT = "http://127.0.0.1:8765"
_AIMS = frozenset(name for names in TARGETS.values() for name in names)


_OWN = ("id", "kind", "seen", "fired", "added", "spent")


@app.command()
def add(
    kind: Annotated[str, typer.Argument(help="What goes wrong, such as stream.mute; `daybot fault kinds` lists them.")],
    fields: Annotated[list[str] | None, typer.Argument(help="Where, when, how often and how: symbol=AAPL from=10:00 for=90 times=1")] = None,
    url: Url = AT,
    as_json: Json = False,
) -> None:
    """Add a fault, for example: daybot fault add rest.status path=/v2/orders method=POST status=504 stage=after"""
    body = {"kind": kind} | dict(_field(text) for text in fields or [])
    added = _call("POST", url, "/sim/faults", body, as_json=as_json)
    _show(added, as_json, f"fault {added['id']}: {added['kind']} {_aims(added)}; `daybot fault clear {added['id']}` takes it back")


@app.command("list")
def show(url: Url = AT, as_json: Json = False) -> None:
    """The faults that are set, and how often each has struck."""
    found = _call("GET", url, "/sim/faults", as_json=as_json)
    table = _table("id", "kind", "where and how", "seen", "struck", "over")
    for row in found:
        table.add_row(row["id"], row["kind"], escape(_aims(row)), str(row["seen"]), str(row["fired"]), "yes" if row["spent"] else "no")
    _show(found, as_json, table if found else "no faults are set")


@app.command()
def log(url: Url = AT, as_json: Json = False) -> None:
    """Every injection so far: when, which fault, what it hit."""
    found = _call("GET", url, "/sim/faults/log", as_json=as_json)
    names = list(dict.fromkeys(name for row in found for name in row))
    table = _table(*names)
    for row in found:
        table.add_row(*(escape(str(row.get(name, ""))) for name in names))
    _show(found, as_json, table if found else "nothing has struck yet")


@app.command()
def kinds(url: Url = AT, as_json: Json = False) -> None:
    """Every kind of fault with what it does, and the rows of the fault matrix that it serves."""
    found = _call("GET", url, "/sim/faults/kinds", as_json=as_json)
    table = _table("kind", "what it does", "parameters", "rows")
    for row in found:
        table.add_row(row["kind"], row.get("note", ""), ", ".join(row.get("parameters", {})), ", ".join(row.get("serves", [])))
    _show(found, as_json, table)


@app.command()
def clear(
    number: Annotated[str | None, typer.Argument(help="The fault's id; all of them without it.")] = None, url: Url = AT, as_json: Json = False
) -> None:
    """Take one fault back, or all."""
    found = _call("DELETE", url, f"/sim/faults/{number}" if number else "/sim/faults", as_json=as_json)
    _show(found, as_json, f"taken back: {found['id']} {found['kind']}" if number else f"taken back: {found['removed']}")


def _show(found: Any, as_json: bool, words: Any) -> None:
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        console.print(words, soft_wrap=isinstance(words, str))


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, header_style="cyan", padding=(0, 2, 0, 0))


def _aims(row: dict[str, Any]) -> str:
    """What a fault was given besides its kind."""
    return " ".join(f"{name}={value}" for name, value in row.items() if name not in _OWN)


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


def _call(method: str, url: str, path: str, body: dict[str, Any] | None = None, *, as_json: bool) -> Any:
    import httpx

    try:
        answer = httpx.request(method, url + path, json=body, timeout=10.0)
    except httpx.HTTPError as error:
        _fail(f"expected a simulated exchange at {url}, found {type(error).__name__}; start one with `daybot exchange`", as_json)
    if answer.is_error:
        _fail(answer.json().get("message", answer.text), as_json)
    return answer.json()


def _fail(message: str, as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"message": message}))
    else:
        errors.print(escape(message), soft_wrap=True)
    raise typer.Exit(1)
