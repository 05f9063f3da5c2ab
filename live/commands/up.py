"""Everything together, supervised: exchange, Dagster, dashboard and, session after session, the live runner. Ends with all of it on Ctrl-C."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console

from live.commands.demo import World, dagster, dagster_ui, environment, exchange, sim_settings, stop
from live.commands.terminal import REFUSED
from live.session.assemble import clock
from pipelines.core.errors import DaybotError
from pipelines.core.market.session import new_york
from pipelines.secrecy import without
from pipelines.settings import Settings
from pipelines.vendors.calendar import is_session, previous_session, session_of

DAGSTER_PORT, DASHBOARD_PORT = 3000, 8501
UP = 300.0
"""Wall seconds that a service may take until it answers."""


def run(world: World, home: Path, speed: float, console: Console) -> None:
    """Until Ctrl-C, or until one of the services dies (then all end, and the error says which)."""
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        url = stack.enter_context(exchange(world, home, "--speed", str(speed), "--skip-closed"))
        settings = sim_settings(url, home)
        services = {
            "Dagster": _start(stack, settings, "dagster", dagster_ui(DAGSTER_PORT)),
            "dashboard": _start(stack, settings, "dashboard", ["streamlit", "run", _page(), "--server.port", str(DASHBOARD_PORT)], shows=True),
        }
        console.print(f"exchange   [cyan]{url}[/] · SIMULATED, {world.label}, {speed:g} market seconds a second")
        _announce(console, services, "Dagster", f"http://127.0.0.1:{DAGSTER_PORT}")
        _announce(console, services, "dashboard", f"http://127.0.0.1:{DASHBOARD_PORT}")
        console.print("Ctrl-C stops everything")
        while True:
            _session(stack, settings, services, console)


def _session(stack: ExitStack, settings: Settings, services: dict[str, subprocess.Popen[bytes]], console: Console) -> None:
    """One trading day: the night before, the runner, the night after. Waits for the next one where today is over."""
    now = clock(settings).now()
    today = new_york(now).date()
    if not is_session(today) or now >= session_of(today).close:
        _watch(services, 1.0)
        return
    console.print(f"{new_york(now):%Y-%m-%d %H:%M} New York: pre-open job for {today}")
    dagster(settings, "pre_open", previous_session(today))
    runner = _start(stack, settings, f"live-{today}", ["live.cli", "live"])
    console.print(f"{today}: the runner trades; `daybot status --home {settings.daybot_home}` shows it")
    while runner.poll() is None:
        _watch(services, 1.0)
    if runner.returncode == REFUSED:
        console.print(f"[yellow]{today}: something was held over night[/]; see {settings.daybot_home / f'live-{today}.log'}")
    elif runner.returncode:
        raise DaybotError(f"the runner ended with exit code {runner.returncode}; see {settings.daybot_home / f'live-{today}.log'}")
    console.print(f"{today}: after-close job")
    dagster(settings, "after_close", today)


def _start(stack: ExitStack, settings: Settings, name: str, module: list[str], *, shows: bool = False) -> subprocess.Popen[bytes]:
    """A Python module as a child in a group of its own, its output in a log of its name. One that only `shows` is given no key."""
    output = stack.enter_context((settings.daybot_home / f"{name}.log").open("w"))
    environ = without(environment(settings)) if shows else environment(settings)
    process = subprocess.Popen([sys.executable, "-m", *module], stdout=output, stderr=subprocess.STDOUT, env=environ, start_new_session=True)
    stack.callback(stop, process)
    return process


def _announce(console: Console, services: dict[str, subprocess.Popen[bytes]], name: str, url: str) -> None:
    deadline = time.monotonic() + UP
    while True:
        _watch(services, 0.5)
        try:
            httpx.get(url, timeout=2.0)
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise DaybotError(f"expected {name} at {url} within {UP:.0f} s, found no answer; see its log in the home folder") from None
        else:
            console.print(f"{name:<10} [cyan]{url}[/]")
            return


def _watch(services: dict[str, subprocess.Popen[bytes]], pause: float) -> None:
    """Wait a moment, and do not go on without a service."""
    time.sleep(pause)
    for name, process in services.items():
        if process.poll() is not None:
            raise DaybotError(f"{name} ended with exit code {process.returncode}; see its log in the home folder")


def _page() -> str:
    return os.fspath(Path(__file__).parents[2] / "dashboards" / "app.py")
