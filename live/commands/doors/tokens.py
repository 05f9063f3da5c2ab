"""`daybot token`: who may use the tools over TCP."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, errors, settings_of, told
from pipelines.core.market.session import moment, new_york

if TYPE_CHECKING:
    from live.doors.tokens import Token, Tokens

app = typer.Typer(no_args_is_help=True, help="Tokens for the tools over TCP (`daybot live --listen`): who may do what, and until when.")

ENDS = "Days until it is worth nothing, for a client that outlives the runner; left out: with this start of the runner, in a day at the latest."


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for; the journal says this name beside what was done with it.")],
    scope: Annotated[
        Literal["read", "trade", "admin"], typer.Option(help="read looks; trade also opens, changes and closes; admin also resumes.")
    ] = "read",
    days: Annotated[float | None, typer.Option(min=0.001, max=366, show_default=False, help=ENDS)] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Make a token and show it this once: only its hash is kept. It alone goes to standard output: TOKEN=$(daybot token create NAME)."""
    from live.doors.tokens import Scope, Tokens

    with told():
        tokens = Tokens(settings_of(home).tokens)
        plain = tokens.create(name, Scope.of(scope), days)
        made = next(token for token in tokens.all() if token.name == name)
        if printed({"token": plain, **_row(tokens, made)}, as_json):
            return
        typer.echo(plain)
        errors.print(f"[dim]{name} may {scope} {_until(made)}; `daybot token revoke {name}` ends it[/]", soft_wrap=True)


@app.command("list")
def listed(as_json: Json = False, home: Home = None) -> None:
    """Every token: what it may do, and how long."""
    from live.doors.tokens import Tokens

    with told():
        tokens = Tokens(settings_of(home).tokens)
        known = tokens.all()
        if printed([_row(tokens, token) for token in known], as_json):
            return
        table = Table("name", "scope", "ends", **STYLE)
        for token in known:
            table.add_row(token.name, token.scope.name.lower(), _until(token) if tokens.alive(token) else "[red]over[/]")
        console.print(table if table.row_count else "no tokens; `daybot token create NAME` makes one")


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="As `daybot token list` shows it.")], as_json: Json = False, home: Home = None) -> None:
    """End a token at once, also for a session that runs."""
    from live.doors.tokens import Tokens

    with told():
        Tokens(settings_of(home).tokens).revoke(name)
        if not printed({"name": name, "revoked": True}, as_json):
            console.print(f"{name} is worth nothing any more")


def _row(tokens: "Tokens", token: "Token") -> dict[str, Any]:
    """A token for pipes. `start`: it ends with the runner's start, if not before."""
    ends = moment(token.expires).isoformat(timespec="seconds")
    return {"name": token.name, "scope": token.scope.name.lower(), "expires": ends, "start": bool(token.start), "over": not tokens.alive(token)}


def _until(token: "Token") -> str:
    """When it ends, in words."""
    ends = f"{new_york(token.expires):%Y-%m-%d %H:%M} New York"
    return f"with this start of the runner, {ends} at the latest" if token.start else f"until {ends}"
