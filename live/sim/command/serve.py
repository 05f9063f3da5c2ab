"""The exchange for a whole process: from the command's options to a world, and until a signal."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import typer
from rich.console import Console

from live.sim.alpaca.streams.market import PLANS, Plan
from live.sim.command.view import View
from live.sim.errors import WorldError
from live.sim.polygon.terms import Terms
from live.sim.server import Exchange
from live.sim.wires.addresses import Address
from live.sim.wires.listen import listening
from live.sim.worlds.actions import read
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.world import Asset, World

GENERATED_DAY = date(2026, 11, 20)
_POLYGON_PLANS = ("realtime", "delayed")
_LOSERS: Mapping[str, Literal["older", "newer"]] = {"older": "older", "newer": "newer"}


def opened(world: World, day: date | None) -> date:
    opened = day or (GENERATED_DAY if world.kind == "generated" else world.first)
    if world.calendar.find(opened) is None:
        raise WorldError(f"{opened} is no NYSE session. Choose a trading day with --date.")
    return opened


def terms(key: str | None, plan: str, rate_limit: int, connections: int, loser: str) -> Terms:
    if plan not in _POLYGON_PLANS:
        raise WorldError(f"--polygon-plan must be one of {', '.join(_POLYGON_PLANS)}, found {plan!r}.")
    if loser not in _LOSERS:
        raise WorldError(f"--polygon-loser must be one of {', '.join(_LOSERS)}, found {loser!r}.")
    return Terms(key=key, realtime=plan == "realtime", rate_limit=rate_limit, connections=connections, loser=_LOSERS[loser])


@dataclass(frozen=True, slots=True)
class Files:
    """What was recorded."""

    minutes: list[Path]
    ticks: list[Path]
    history: list[Path]
    actions: Path | None


def recorded(files: Files, *, day: date | None, seed: int, assets: Mapping[str, Asset] | None, thin: bool) -> World:
    if not (files.minutes or files.ticks):
        name = "--history" if files.history else "--actions"
        raise WorldError(f"{name} belongs to recorded minutes or ticks, but no --world FILE was given. Name the minutes, or --ticks, or drop {name}.")
    return RecordedWorld(
        minutes=files.minutes,
        ticks=files.ticks,
        history=files.history,
        day=day,
        seed=seed,
        actions=read(files.actions) if files.actions else None,
        assets=assets,
        thin=thin,
    )


def plan_of(name: str) -> Plan:
    if name not in PLANS:
        raise WorldError(f"--plan must be one of {', '.join(PLANS)}, found {name!r}.")
    return PLANS[name]


def multiplier_of(value: int) -> int:
    if value not in (1, 2, 4):
        raise WorldError(f"--multiplier must be 1, 2 or 4, found {value}.")
    return value


def day_of(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise WorldError(f"--date must look like 2026-11-20, found {text!r}.") from None


def time_of(text: str) -> tuple[int, int]:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise WorldError(f"--start must look like 08:00, found {text!r}.")
    return int(hour), int(minute)


async def run(core: Exchange, *, port: int, addresses: Sequence[Address], ready_file: Path | None) -> int:
    """Exit code: 0 after a signal, 1 when a port is taken or the books broke."""
    try:
        async with listening(core, port=port, addresses=addresses) as listener:
            loop = asyncio.get_running_loop()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, listener.stop)
            if ready_file is not None:
                _write(ready_file, {"url": listener.url, "pid": os.getpid(), "hosts": dict(listener.hosts)})
            shows = asyncio.create_task(View(core, listener.url, listener.hosts).run(Console(stderr=True)))
            await listener.finished()
            shows.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shows
    except OSError as taken:
        typer.echo(f"daybot exchange: cannot use {taken.strerror or taken}. Choose another with --port or --at, or 0.", err=True)
        return 1
    return 0 if core.broken is None else 1


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(content))
    aside.replace(path)
