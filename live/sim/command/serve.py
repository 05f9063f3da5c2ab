"""The command that runs the exchange for a whole process: from its options to a world, and until a signal."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import typer
from rich.console import Console

from live.sim.alpaca.streams.market import PLANS, Plan
from live.sim.clock import local
from live.sim.command import options as said
from live.sim.command.view import View
from live.sim.errors import WorldError
from live.sim.faults.fault import FaultError
from live.sim.faults.scenario import load
from live.sim.polygon.terms import Terms
from live.sim.server import Exchange, Options
from live.sim.venue import fees as charges
from live.sim.wires.addresses import Address
from live.sim.wires.addresses import read as addressed
from live.sim.wires.listen import listening
from live.sim.worlds import listing
from live.sim.worlds.actions import read
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.world import Asset, World

_GENERATED_DAY = date(2026, 11, 20)
_POLYGON_PLANS = ("realtime", "delayed")
_LOSERS: Mapping[str, Literal["older", "newer"]] = {"older": "older", "newer": "newer"}


def exchange(
    world: said.World = None,
    history: said.History = None,
    actions: said.Actions = None,
    ticks: said.Ticks = None,
    thin_iex: said.ThinIex = False,
    assets: said.Assets = None,
    seed: said.Seed = 7,
    splits: said.Splits = False,
    halts: said.Halts = False,
    extended: said.Extended = False,
    slips: said.Slips = 0.0,
    day: said.Day = None,
    start: said.Start = "08:00",
    speed: said.Speed = 1.0,
    stepped: said.Stepped = False,
    skip_closed: said.SkipClosed = False,
    cash: said.Cash = 100_000,
    multiplier: said.Multiplier = 4,
    partial_rate: said.PartialRate = 0.1,
    participation: said.Participation = None,
    fees: said.Fees = "regulatory",
    dividends: said.Dividends = False,
    key: said.Key = None,
    secret: said.Secret = None,
    rate_limit: said.RateLimit = 200,
    plan: said.DataPlan = "unlimited",
    polygon_key: said.PolygonKey = None,
    polygon_plan: said.PolygonPlan = "realtime",
    polygon_rate_limit: said.PolygonRateLimit = 0,
    polygon_connections: said.PolygonConnections = 1,
    polygon_loser: said.PolygonLoser = "older",
    port: said.Port = 8765,
    at: said.At = None,
    scenario: said.Scenario = None,
    ready_file: said.ReadyFile = None,
) -> None:
    """Run the simulated exchange: the REST and streams of Alpaca and Polygon on 127.0.0.1, over an invented or a recorded market.

    Point any client at [cyan]http://127.0.0.1:8765[/], Alpaca's streams at [cyan]ws://127.0.0.1:8765/v2/iex[/] and [cyan]/stream[/],
    Polygon's at [cyan]/stocks[/]. Everything it shows is SIMULATED. Ctrl-C ends it.

    Examples:

    [bold]daybot exchange --speed 60 --start 09:25[/]  a minute a second, from just before the open

    [bold]daybot exchange --world minutes.parquet --history daily.parquet --date 2019-02-14[/]  a recorded day

    [bold]daybot exchange --at polygon=8766 --at data=/data[/]  hosts with base URLs of their own

    [bold]daybot exchange --plan basic --polygon-plan delayed --polygon-rate-limit 5[/]  what the free plans allow

    [bold]daybot exchange --scenario storm.toml[/]  with faults; [bold]daybot fault add stream.mute stream=market for=90[/] for more
    """
    try:
        listed = listing.read(assets) if assets is not None else None
        if world or ticks or history or actions:
            files = _Files(world or [], ticks or [], history or [], actions)
            built: World = _recorded(files, day=_date(day), seed=seed, assets=listed, thin=thin_iex)
        else:
            built = GeneratedWorld(day=_date(day) or _GENERATED_DAY, seed=seed, extended=extended, halts=halts, splits=splits, assets=listed)
        options = Options(
            start=local(_opened(built, _date(day)), *_time(start)),
            cash=Decimal(str(cash)),
            speed=None if stepped else speed,
            skip_closed=skip_closed,
            key=key,
            secret=secret,
            rate_limit=rate_limit,
            partial_rate=partial_rate,
            plan=_plan(plan),
            multiplier=_multiplier(multiplier),
            slip_rate=slips,
            dividends=dividends,
            fees=charges.read(fees),
            participation=participation,
            scenario=load(scenario) if scenario is not None else (),
            polygon=_terms(polygon_key, polygon_plan, polygon_rate_limit, polygon_connections, polygon_loser),
        )
        raise typer.Exit(asyncio.run(_serve(Exchange(built, options), port=port, addresses=addressed(at or ()), ready_file=ready_file)))
    except (WorldError, FaultError) as wrong:
        typer.echo(f"daybot exchange: {wrong}", err=True)
        raise typer.Exit(2) from None


def _opened(world: World, day: date | None) -> date:
    opened = day or (_GENERATED_DAY if world.kind == "generated" else world.first)
    if world.calendar.find(opened) is None:
        raise WorldError(f"{opened} is no NYSE session. Choose a trading day with --date.")
    return opened


def _terms(key: str | None, plan: str, rate_limit: int, connections: int, loser: str) -> Terms:
    if plan not in _POLYGON_PLANS:
        raise WorldError(f"--polygon-plan must be one of {', '.join(_POLYGON_PLANS)}, found {plan!r}.")
    if loser not in _LOSERS:
        raise WorldError(f"--polygon-loser must be one of {', '.join(_LOSERS)}, found {loser!r}.")
    return Terms(key=key, realtime=plan == "realtime", rate_limit=rate_limit, connections=connections, loser=_LOSERS[loser])


@dataclass(frozen=True, slots=True)
class _Files:
    """What was recorded."""

    minutes: list[Path]
    ticks: list[Path]
    history: list[Path]
    actions: Path | None


def _recorded(files: _Files, *, day: date | None, seed: int, assets: Mapping[str, Asset] | None, thin: bool) -> World:
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


def _plan(name: str) -> Plan:
    if name not in PLANS:
        raise WorldError(f"--plan must be one of {', '.join(PLANS)}, found {name!r}.")
    return PLANS[name]


def _multiplier(value: int) -> int:
    if value not in (1, 2, 4):
        raise WorldError(f"--multiplier must be 1, 2 or 4, found {value}.")
    return value


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise WorldError(f"--date must look like 2026-11-20, found {text!r}.") from None


def _time(text: str) -> tuple[int, int]:
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise WorldError(f"--start must look like 08:00, found {text!r}.")
    return int(hour), int(minute)


async def _serve(core: Exchange, *, port: int, addresses: Sequence[Address], ready_file: Path | None) -> int:
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
