"""What a model may not do by itself waits here as a ticket: one file each, approved by a person in a terminal, good for one use and one minute.

The file lies in the home's `run` folder, which is its owner's alone: whoever can write there can give the orders himself.
"""

import secrets
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from live.clock import SECOND, SystemClock
from live.problems import ToolError, missing
from pipelines.durable import replaced

LIFE = 60 * SECOND
"""From being asked for until it is worth nothing, approved or not."""
WAITING = 20
"""Tickets at once; a model that asks for more has to wait for their end."""
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Ticket(BaseModel):
    """What would be done. Times in nanoseconds since 1970 UTC, of this machine."""

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    arguments: dict[str, Any]
    effect: str
    """In words, for the person who decides."""
    client: str
    expires: int
    state: Literal["waiting", "approved", "declined"] = "waiting"


class Tickets:
    """Of one home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ask(self, tool: str, arguments: dict[str, Any], effect: str, client: str) -> Ticket:
        """A new one. `ToolError` where too many wait."""
        if len(self.all()) >= WAITING:
            raise ToolError(
                429,
                "TOO_MANY_TICKETS",
                "too many wait",
                f"expected fewer than {WAITING} tickets waiting, found as many; each ends after {LIFE // SECOND} s",
            )
        name = "".join(secrets.choice(LETTERS) for _ in range(8))
        ticket = Ticket(id=name, tool=tool, arguments=arguments, effect=effect, client=client, expires=SystemClock().now() + LIFE)
        self._write(ticket)
        return ticket

    def all(self) -> list[Ticket]:
        """Those that are not over, oldest first; the others are thrown away."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(self._read(path))
            except ToolError:
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda ticket: ticket.expires)

    def find(self, name: str) -> Ticket:
        """The one of this name. `ToolError` where there is none any more."""
        return self._read(self._path(name))

    def decide(self, name: str, *, approved: bool) -> Ticket:
        """A person's word, given once."""
        ticket = self.find(name)
        if ticket.state != "waiting":
            raise _not_now("TICKET_DECIDED", f"expected ticket {name} to wait for a word, found it {ticket.state}")
        decided = ticket.model_copy(update={"state": "approved" if approved else "declined"})
        self._write(decided)
        return decided

    def use(self, name: str, client: str) -> Ticket:
        """Take it: only once, only approved, only by the client that asked for it."""
        ticket = self.find(name)
        if ticket.client != client:
            raise _not_now("TICKET_OF_ANOTHER", f"expected ticket {name} to be used by {ticket.client}, which asked for it, found {client}")
        if ticket.state == "waiting":
            raise _not_now(
                "TICKET_WAITING", f"expected ticket {name} to be approved, found it waiting; a person says `daybot approve {name}` in a terminal"
            )
        try:
            self._path(name).unlink()  # the one who removes it has it
        except FileNotFoundError:
            raise _gone(name) from None
        if ticket.state == "declined":
            raise _not_now("DECLINED", f"ticket {name} was declined: do not ask again unless the person wants it")
        return ticket

    def _path(self, name: str) -> Path:
        if not name or set(name) - set(LETTERS):
            raise _gone(name[:20])
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> Ticket:
        try:
            ticket = Ticket.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            raise _gone(path.stem) from None
        if ticket.expires <= SystemClock().now():
            raise _not_now(
                "TICKET_OVER", f"expected ticket {path.stem} to be young enough, found it over after {LIFE // SECOND} s; ask for a new one"
            )
        return ticket

    def _write(self, ticket: Ticket) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replaced(self._folder / f"{ticket.id}.json", mode=0o600) as file:
            file.write(ticket.model_dump_json().encode())


def _not_now(code: str, detail: str) -> ToolError:
    return ToolError(403, code, "not approved", detail)


def _gone(name: str) -> ToolError:
    return missing("NO_TICKET", f"expected a ticket, found none called {name!r}: it was used, is over, or never was")
