"""The whole chain in one go: exchange, night, day, night, and what came of it. Every stage is the real one, in its own process where it has one."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from live.clock import SteppedClock
from live.commands.records.report import Tally, summarise
from live.session.assemble import Session, assemble
from live.session.conduct import Conductor
from pipelines.core.errors import DaybotError, SettingsError
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import new_york
from pipelines.settings import Settings, load
from pipelines.vendors.calendar import previous_session, session_of

ROOT = Path(__file__).parents[2]

STEP = re.compile(r" - (\w+) - STEP_START")

MARKER = ".simulated"
"""Lies in every home that a demo made: only such a home is ever emptied."""


@dataclass(frozen=True, slots=True)
class World:
    """What the simulated exchange plays: recorded files, or a generated market when there are none."""

    day: date
    worlds: tuple[Path, ...] = ()
    histories: tuple[Path, ...] = ()
    seed: int = 7
    scenario: Path | None = None
    """Faults that befall the exchange on the day."""

    @property
    def label(self) -> str:
        """In words, and honest about what it is."""
        return f"recorded market of {self.day}" if self.worlds else f"generated market (seed {self.seed}) on {self.day}"

    @property
    def options(self) -> list[str]:
        """As `daybot exchange` takes them."""
        recorded = [part for path in self.worlds for part in ("--world", str(path))]
        recorded += [part for path in self.histories for part in ("--history", str(path))]
        faults = ["--scenario", str(self.scenario)] if self.scenario is not None else []
        return [*recorded, *faults, "--date", self.day.isoformat(), "--seed", str(self.seed)]


def run(world: World, home: Path, console: Console) -> None:
    """Run it. Raises `DaybotError` when a stage failed; leaves no process behind."""
    began = time.monotonic()
    _empty(home)
    console.rule(f"[bold]SIMULATED, no real money[/] · {world.label}", style="cyan")
    tally = Tally()
    with _progress(console) as progress, ExitStack() as stack:
        with _stage(progress, "exchange"):
            url = stack.enter_context(exchange(world, home, "--stepped"))
        settings = sim_settings(url, home)
        with _stage(progress, "night before") as show:
            dagster(settings, "pre_open", previous_session(world.day), show)
        asyncio.run(_trade(settings, world, tally, progress))
        with _stage(progress, "night after") as show:
            dagster(settings, "after_close", world.day, show)
    summarise(console, settings, world.day, tally, seconds=time.monotonic() - began)


def sim_settings(url: str, home: Path, **more: object) -> Settings:
    """Settings for a simulated exchange: any keys, its address, a home of its own."""
    return load(
        **{
            "daybot_mode": "sim",
            "daybot_home": home,
            "alpaca_base_url": url,
            "alpaca_api_key": "SIM",
            "alpaca_secret_key": "SIM",
            "alpaca_feed": "sip",
            "polygon_api_key": "SIM",
            "polygon_rate": 10_000,
            "universe": "all",
            **more,
        }
    )


@contextmanager
def exchange(world: World, home: Path, *options: str) -> Iterator[str]:
    """The simulated exchange in a process of its own, at the address that this yields; gone when the block ends."""
    ready, log = home / "exchange.json", home / "exchange.log"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "live.cli", "exchange", *world.options, *options, "--port", "0", "--ready-file", str(ready)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield _address(process, ready, log)
    finally:
        stop(process)


def dagster(settings: Settings, job: str, partition: date, show: Callable[[str], None] = lambda _: None) -> None:
    """Run a Dagster job as its users do; `show` is told each step as it starts. `DaybotError` with the end of its log if it failed."""
    log = settings.daybot_home / f"dagster-{job}.log"
    tags = json.dumps({"dagster/partition": partition.isoformat()})
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", job, "--tags", tags]
    kept: deque[str] = deque(maxlen=25)
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(settings), text=True) as process,
    ):
        for line in process.stdout or ():
            output.write(line)
            kept.append(line)
            if step := STEP.search(line):
                show(step.group(1))
    if process.returncode:
        raise DaybotError(f"the Dagster job {job} for {partition} failed with exit code {process.returncode}; the end of {log}:\n{''.join(kept)}")


def dagster_ui(port: int, *, read_only: bool = False) -> list[str]:
    """The module and words that serve the Dagster UI on 127.0.0.1; the workspace file gives the code location its name.

    Read-only is the web server without the daemon: nothing is scheduled, and every mutation is refused, also one in a GET.
    """
    serve = ["dagster_webserver", "--read-only"] if read_only else ["dagster", "dev"]
    return [*serve, "-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a child process: these settings, and a Dagster instance beside the data."""
    instance = (settings.daybot_home / "dagster").absolute()
    instance.mkdir(parents=True, exist_ok=True)
    config = ROOT / "dagster.yaml"
    if config.exists():
        shutil.copyfile(config, instance / "dagster.yaml")
    ours = {
        "DAYBOT_MODE": settings.daybot_mode.value,
        "DAYBOT_HOME": str(settings.daybot_home.absolute()),
        "ALPACA_BASE_URL": settings.alpaca_base_url,
        "ALPACA_API_KEY": settings.alpaca_api_key.get_secret_value(),
        "ALPACA_SECRET_KEY": settings.alpaca_secret_key.get_secret_value(),
        "ALPACA_FEED": settings.alpaca_feed,
        "POLYGON_API_KEY": settings.polygon_api_key.get_secret_value(),
        "POLYGON_RATE": str(settings.polygon_rate),
        "UNIVERSE": settings.universe,
        "DAGSTER_HOME": str(instance),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    return os.environ | ours


def stop(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """End a child and everything that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _trade(settings: Settings, world: World, tally: Tally, progress: Progress) -> None:
    """The day itself: the live runner over the real sockets, the exchange's clock conducted."""
    clock = SteppedClock(0)
    conductor = Conductor(settings.alpaca_base_url, clock)
    try:
        hours = session_of(world.day)
        await conductor.step(hours.open - MINUTE)
        session = assemble(settings, watch=tally.watch)
        if not isinstance(session.clock, SteppedClock):
            raise SettingsError("expected an exchange with a stepped clock")
        conductor.follow(session.clock)
        await _play(session, conductor, tally, progress)
    finally:
        await conductor.close()


async def _play(session: Session, conductor: Conductor, tally: Tally, progress: Progress) -> None:
    hours = session.briefing.hours
    task = progress.add_task("the day", total=(hours.close - hours.open) // MINUTE, note="")
    running = asyncio.create_task(session.runner.run(session.manifest, session.history, conducted=True))
    armed = asyncio.create_task(session.runner.armed.wait())
    try:
        await asyncio.wait({running, armed}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():

            def show(now: int) -> None:
                clock = f"{new_york(now):%H:%M}"
                progress.update(task, completed=max(0, hours.minute(now)), note=f"{clock} {tally.line(session.runner.engine)}")

            await conductor.play(session, show)
    finally:
        armed.cancel()
        session.runner.stop()
        await running
        session.lock.release()
    progress.update(task, completed=progress.tasks[task].total)


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(12), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def _stage(progress: Progress, name: str) -> Iterator[Callable[[str], None]]:
    """A line of progress while the block runs; what it yields puts a word beside the bar."""
    task = progress.add_task(name, total=None, note="")
    try:
        yield lambda note: progress.update(task, note=note)
    except BaseException:
        progress.update(task, total=1, note="[red]failed[/]")
        raise
    progress.update(task, total=1, completed=1, note="[green]done[/]")


def _address(process: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    deadline = time.monotonic() + 60
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text().splitlines()[-10:])
            raise DaybotError(f"the simulated exchange did not start (exit code {process.returncode}):\n{tail}")
        time.sleep(0.02)
    return str(json.loads(ready.read_text())["url"])


def _empty(home: Path) -> None:
    """A fresh home. One that no demo made is never touched."""
    if home.exists() and any(home.iterdir()) and not (home / MARKER).exists():
        raise SettingsError(f"expected an empty folder or one that a demo made, found {home} with other contents; choose another --home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / MARKER).touch()
