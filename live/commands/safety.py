"""The commands that end risk whatever else works: flatten, have the broker refuse orders, watch a runner from outside."""

import json
import time
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from live.commands.acts import Name, Wait, closed
from live.commands.shown import printed
from live.commands.terminal import Home, Json, call, console, errors, settings_of, told
from pipelines.core.errors import BrokerError, SettingsError

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.settings import Settings

Break = Annotated[bool, typer.Option("--direct", help="Talk to the broker without the runner: for when it is dead.")]
Suspend = Annotated[bool, typer.Option("--suspend", help="And then have the broker refuse every new order: a kill that survives our own bugs.")]


def flat(
    home: Home = None, break_glass: Break = False, suspended: Suspend = False, command_id: Name = None, wait: Wait = 5.0, as_json: Json = False
) -> None:
    """Close every position and cancel every order, and halt. Never refused, needs no market data."""
    with told():
        settings = settings_of(home)
        if break_glass:
            _direct(settings, as_json=as_json)
        else:
            answer = call(settings, "POST", "/tools/flat_all", {"wait": wait}, key=command_id or uuid.uuid4().hex[:12])
            if not printed(answer, as_json):
                closed(answer)
        if suspended:
            if not break_glass:
                _until_flat(settings)
            _suspend(settings, True, told_in=errors if as_json else console)


def suspend(home: Home = None, lift: Annotated[bool, typer.Option("--lift", help="Take orders again.")] = False, as_json: Json = False) -> None:
    """Have the broker refuse every new order of the account, exits too: be flat first. Only `--lift` takes it back."""
    with told():
        _suspend(settings_of(home), not lift, told_in=errors if as_json else console)
        printed({"suspended": not lift}, as_json)


def watchdog(
    home: Home = None,
    kill: Annotated[bool, typer.Option("--kill", help="End a runner that gives no sign of life and still holds its lock.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Look once and say what was found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For pipes: a line for each change.")] = False,
) -> None:
    """Watch the runner and the account from a process of its own, and close what a dead runner has left. Until Ctrl-C."""
    from live.clock import SystemClock
    from live.guards.watchdog import EVERY, Watchdog

    with told():
        settings = settings_of(home)
        dog, before = Watchdog(settings, SystemClock(), errors if as_json else console, kills=kill), None
        while True:
            found = dog.look()
            if found is not before and as_json:
                typer.echo(json.dumps({"runner": found.value}))
            elif found is not before:
                console.print(f"runner: {found}")
            before = found
            if once:
                return
            time.sleep(EVERY)


def _direct(settings: "Settings", *, as_json: bool) -> None:
    from live.guards.direct import flatten

    left = flatten(settings, errors if as_json else console)
    if left:
        raise BrokerError(f"expected the account to be flat, found {left}; ask again, or close them at the broker")
    printed({"mode": settings.daybot_mode.value.upper(), "direct": True, "flat": "yes"}, as_json)


def _until_flat(settings: "Settings") -> None:
    """Suspended, the broker would refuse the exits as well: so first it has to say that nothing is left."""
    from live.brokers import reading
    from live.brokers.route import connect

    route = connect(settings)
    for _ in range(60):
        found = reading.standing(route, 0)
        if not found.held and not found.resting:
            return
        time.sleep(0.5)
    raise SettingsError(
        "expected the account to be flat within half a minute, found it is not; trading is not suspended: `daybot flat --direct --suspend`"
    )


def _suspend(settings: "Settings", on: bool, *, told_in: "Console") -> None:
    from live.brokers import configuration
    from live.brokers.route import connect

    configuration.suspend(connect(settings), on)
    told_in.print("the broker refuses every new order now; `daybot suspend --lift` takes it back" if on else "the broker takes orders again")
