"""The command that runs the exchange for a whole process: options, the world they name, and the line that shows it is alive."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from live.sim.alpaca.market import PLANS, Plan
from live.sim.clock import local, new_york
from live.sim.errors import WorldError
from live.sim.faults.fault import FaultError
from live.sim.faults.scenario import load
from live.sim.listen import listening
from live.sim.server import Exchange, Options
from live.sim.venue import fees as charges
from live.sim.worlds import listing
from live.sim.worlds.actions import read
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.world import Asset, World

_LOG = logging.getLogger("daybot.exchange")
_GENERATED_DAY = date(2026, 11, 20)


def exchange(
    world: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded minutes: Parquet or CSV with symbol, timestamp (UTC start), open, high, low, close, volume. Repeatable."),
    ] = None,
    history: Annotated[
        list[Path] | None,
        typer.Option(help="Daily bars before the recorded minutes, same columns. Repeatable. Symbols in none of these have no history."),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Session to open on. Without it 2026-11-20, or the first recorded day.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses prices, latencies and ids: same seed, same requests, same venue times, same answers.")] = 7,
    start: Annotated[str, typer.Option(help="New York time at which venue time begins.")] = "08:00",
    speed: Annotated[float, typer.Option(min=0.001, help="Venue seconds a wall second: 1 is real time, 60 plays a minute a second.")] = 1.0,
    stepped: Annotated[bool, typer.Option("--stepped", help="Time moves only by POST /sim/clock/step. For tests and demos.")] = False,
    skip_closed: Annotated[bool, typer.Option("--skip-closed", help="After the close jump to 08:00 New York of the next session.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one (see --ready-file).")] = 8765,
    cash: Annotated[float, typer.Option(min=0, help="Dollars the account starts with.")] = 100_000,
    key: Annotated[str | None, typer.Option(help="The only accepted API key. Without it any non-empty pair is accepted, such as SIM / SIM.")] = None,
    secret: Annotated[str | None, typer.Option(help="The secret that goes with --key.")] = None,
    rate_limit: Annotated[int, typer.Option(min=0, help="Requests a venue minute, trading and data each; 0 switches the limit off.")] = 200,
    partial_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of orders that are filled in two to four pieces.")] = 0.1,
    scenario: Annotated[Path | None, typer.Option(help="Faults from a file, TOML or JSON; see live/sim/faults.")] = None,
    plan: Annotated[str, typer.Option(help="Data plan: unlimited, or basic with 30 symbols, IEX only and no recent SIP.")] = "unlimited",
    multiplier: Annotated[int, typer.Option(help="Margin of the account: 1 (cash), 2 or 4.")] = 4,
    actions: Annotated[
        Path | None, typer.Option(help="Splits and dividends of recorded minutes: symbol, type, ex_date, new_rate, old_rate, rate.")
    ] = None,
    assets: Annotated[Path | None, typer.Option(help="CSV that overrides name, exchange, shortable, easy_to_borrow, fractionable, tradable.")] = None,
    fees: Annotated[
        str,
        typer.Option(help="regulatory, as live and paper accounts pay them, none, or rates that differ: sec=0.0000278,taf=0.000166,cap=8.30,cat=0."),
    ] = "regulatory",
    participation: Annotated[
        float | None, typer.Option(min=0.0001, max=1, help="Share of printed volume an order may take; without it all it wants, as on paper.")
    ] = None,
    dividends: Annotated[bool, typer.Option("--dividends", help="Pay dividends to the account; a paper account gets none.")] = False,
    splits: Annotated[bool, typer.Option("--splits", help="Generated market: splits and dividends now and then.")] = False,
    halts: Annotated[bool, typer.Option("--halts", help="Generated market: trading halts now and then.")] = False,
    extended: Annotated[bool, typer.Option("--extended", help="Generated market: thin minutes before the open and after the close.")] = False,
    slips: Annotated[float, typer.Option(min=0, max=1, help="Share of minutes whose first report is wrong and put right 30 s later.")] = 0.0,
    ready_file: Annotated[Path | None, typer.Option(help="Once the socket listens, write {url, pid} there as JSON, in one step.")] = None,
) -> None:
    """Run the simulated exchange: Alpaca's REST and streams on 127.0.0.1, over an invented or a recorded market.

    Point any Alpaca client at http://127.0.0.1:8765 (streams ws://127.0.0.1:8765/v2/iex and /stream). Everything it shows is SIMULATED.
    """
    try:
        listed = listing.read(assets) if assets is not None else None
        if world or history or actions:
            built: World = _recorded(world or [], history or [], actions, day=_date(day), seed=seed, assets=listed)
        else:
            built = GeneratedWorld(day=_date(day) or _GENERATED_DAY, seed=seed, extended=extended, halts=halts, splits=splits, assets=listed)
        opened = _date(day) or (_GENERATED_DAY if built.kind == "generated" else built.first)
        if built.calendar.find(opened) is None:
            raise WorldError(f"{opened} is no NYSE session. Choose a trading day with --date.")
        options = Options(
            start=local(opened, *_time(start)),
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
        )
        raise typer.Exit(asyncio.run(_serve(Exchange(built, options), port=port, ready_file=ready_file)))
    except (WorldError, FaultError) as wrong:
        typer.echo(f"daybot exchange: {wrong}", err=True)
        raise typer.Exit(2) from None


def _recorded(
    minutes: list[Path], history: list[Path], actions: Path | None, *, day: date | None, seed: int, assets: Mapping[str, Asset] | None
) -> World:
    if not minutes:
        name = "--history" if history else "--actions"
        raise WorldError(f"{name} belongs to recorded minutes, but no --world FILE was given. Name the minutes, or drop {name}.")
    return RecordedWorld(minutes=minutes, history=history, day=day, seed=seed, actions=read(actions) if actions else None, assets=assets)


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


async def _serve(core: Exchange, *, port: int, ready_file: Path | None) -> int:
    """Exit code: 0 after a signal, 1 when the port is taken or the books broke."""
    try:
        async with listening(core, port=port) as listener:
            loop = asyncio.get_running_loop()
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(name, listener.stop)
            if ready_file is not None:
                _write(ready_file, {"url": listener.url, "pid": os.getpid()})
            shows = asyncio.create_task(_show(core, listener.url))
            await listener.finished()
            shows.cancel()
    except OSError as taken:
        typer.echo(f"daybot exchange: cannot use port {port} ({taken.strerror or taken}). Choose another with --port, or 0.", err=True)
        return 1
    return 0 if core.broken is None else 1


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(content))
    aside.replace(path)


async def _show(core: Exchange, url: str) -> None:
    """A live line in a terminal, one log line a minute elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal or core.speed is None:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s", force=False)
        _LOG.info("the simulated exchange listens url=%s world=%s mode=%s seed=%d", url, core.world.name, core.mode, core.world.seed)
        while True:
            await asyncio.sleep(60)
            _LOG.info("%s", _line(core, url, 0.0))
    before = core.streams.sent["market"]
    with Live(console=console, auto_refresh=False) as live:
        while True:
            sent = core.streams.sent["market"]
            live.update(Text(_line(core, url, (sent - before) * 2.0)), refresh=True)
            before = sent
            await asyncio.sleep(0.5)


def _line(core: Exchange, url: str, rate: float) -> str:
    clients = core.streams.clients
    desk = core.venue.desk
    orders = f"orders {len(desk.orders)} ({sum(1 for _ in desk.open())} open)  fills {len(desk.account.fills)}"
    now = new_york(core.venue.now)
    return (
        f"SIMULATED {core.world.name}  {now:%a %Y-%m-%d %H:%M:%S} New York  {core.mode} x{core.speed or 0:g}  {url}  "
        f"clients {clients['market']} data {clients['trading']} trading  {rate:.0f} msg/s  {orders}{core.faults.line()}"
    )
