"""`daybot approve`: a person's word on what a model asked for. Only in a terminal: a program that can type here could trade without asking."""

import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from live.clock import SECOND, SystemClock
from live.commands.terminal import Home, console, settings_of, told
from pipelines.core.errors import SettingsError


def approve(
    ticket: Annotated[str | None, typer.Argument(help="As the model was given it; without, those that wait are listed.")] = None,
    decline: Annotated[bool, typer.Option("--decline", help="Say no.")] = False,
    home: Home = None,
) -> None:
    """Let a model do the one thing that it asked for (MCP), or say no. Shows what it is, and wants its last word typed."""
    from live.doors.tickets import Tickets

    with told():
        settings = settings_of(home)
        tickets = Tickets(settings.tickets)
        if ticket is None:
            table = Table("ticket", "asked by", "would", "state", "ends in")
            for waiting in tickets.all():
                left = (waiting.expires - SystemClock().now()) / SECOND
                table.add_row(waiting.id, escape(waiting.client), escape(waiting.effect), waiting.state, f"{left:.0f} s")
            console.print(table if table.row_count else "no tickets: no model waits for a word")
            return
        found = tickets.find(ticket.upper())
        if decline:
            tickets.decide(found.id, approved=False)
            console.print(f"declined: {escape(found.effect)}")
            return
        if not sys.stdin.isatty():
            raise SettingsError("expected a person at a terminal, found a pipe: an approval is typed by hand")
        console.print(f"[bold]{escape(found.client)}[/] asks DayBot ({settings.daybot_mode.value.upper()}) to:\n  [bold]{escape(found.effect)}[/]")
        if typer.prompt("Type the ticket once more to approve it; anything else leaves it as it is").strip().upper() != found.id:
            raise SettingsError("expected the ticket, found something else; nothing was approved")
        tickets.decide(found.id, approved=True)
        console.print("approved, for one use")
