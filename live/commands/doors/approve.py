"""`daybot approve`: a person's word on what a model asked for. Only in a terminal: a program that can type here could trade without asking."""

import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from live.clock import SECOND, SystemClock
from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, settings_of, told
from pipelines.core.errors import SettingsError


def approve(
    ticket: Annotated[str | None, typer.Argument(help="As the model was given it; without, those that wait are listed.")] = None,
    decline: Annotated[bool, typer.Option("--decline", help="Say no.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Let a model do the one thing that it asked for (MCP), or say no. Shows what it is, and wants its last word typed."""
    from live.doors.tickets import Tickets

    with told():
        settings = settings_of(home)
        tickets = Tickets(settings.tickets)
        if ticket is None:
            there = tickets.all()
            if printed([waiting.model_dump(mode="json") for waiting in there], as_json):
                return
            table = Table("ticket", "asked by", "would", "state", "ends in", **STYLE)
            for waiting in there:
                left = (waiting.expires - SystemClock().now()) / SECOND
                table.add_row(waiting.id, escape(waiting.client), escape(waiting.effect), waiting.state, f"{left:.0f} s")
            console.print(table if table.row_count else "no tickets: no model waits for a word")
            return
        found = tickets.find(ticket.upper())
        if decline:
            declined = tickets.decide(found.id, approved=False)
            if not printed(declined.model_dump(mode="json"), as_json):
                console.print(f"declined: {escape(found.effect)}")
            return
        if not sys.stdin.isatty():
            raise SettingsError("expected a person at a terminal, found a pipe: an approval is typed by hand")
        console.print(f"[bold]{escape(found.client)}[/] asks DayBot ({settings.daybot_mode.value.upper()}) to:\n  [bold]{escape(found.effect)}[/]")
        if typer.prompt("Type the ticket once more to approve it; anything else leaves it as it is").strip().upper() != found.id:
            raise SettingsError("expected the ticket, found something else; nothing was approved")
        approved = tickets.decide(found.id, approved=True)
        if not printed(approved.model_dump(mode="json"), as_json):
            console.print("approved, for one use")
