"""`daybot token`: who may use the tools over TCP."""

from typing import Annotated, Literal

import typer
from rich.table import Table

from live.clock import SystemClock
from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, errors, settings_of, told

app = typer.Typer(no_args_is_help=True, help="Tokens for the tools over TCP (`daybot live --listen`): who may do what, and until when.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for; the journal says this name beside what was done with it.")],
    scope: Annotated[
        Literal["read", "trade", "admin"], typer.Option(help="read looks; trade also opens, changes and closes; admin also resumes.")
    ] = "read",
    days: Annotated[float, typer.Option(min=0.001, max=366, help="Days until it is worth nothing.")] = 30.0,
    home: Home = None,
) -> None:
    """Make a token and show it this once: only its hash is kept. It alone goes to standard output: TOKEN=$(daybot token create NAME)."""
    from live.doors.tokens import Scope, Tokens

    with told():
        plain = Tokens(settings_of(home).tokens).create(name, Scope.of(scope), days)
        typer.echo(plain)
        errors.print(f"[dim]{name} may {scope} for {days:g} day{'' if days == 1 else 's'}; `daybot token revoke {name}` ends it[/]")


@app.command("list")
def listed(as_json: Json = False, home: Home = None) -> None:
    """Every token: what it may do, and how long."""
    from live.doors.tokens import DAY, Tokens

    with told():
        known, now = Tokens(settings_of(home).tokens).all(), SystemClock().now()
        if printed([{"name": token.name, "scope": token.scope.name.lower(), "days": (token.expires - now) / DAY} for token in known], as_json):
            return
        table = Table("name", "scope", "ends in", **STYLE)
        for token in known:
            left = (token.expires - now) / DAY
            table.add_row(token.name, token.scope.name.lower(), f"{left:.1f} days" if left > 0 else "[red]over[/]")
        console.print(table if table.row_count else "no tokens; `daybot token create NAME` makes one")


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="As `daybot token list` shows it.")], home: Home = None) -> None:
    """End a token at once, also for a session that runs."""
    from live.doors.tokens import Tokens

    with told():
        Tokens(settings_of(home).tokens).revoke(name)
        console.print(f"{name} is worth nothing any more")
