"""A session as people have it: the runner with its door, its screen, its alerts and its numbers around it."""

import asyncio
from datetime import time
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from live.alerts import Alerts
from live.commands.report import Tally
from live.doors.api import URGENT, build, needs
from live.doors.api import Session as Door
from live.doors.serve import served
from live.metrics import Metrics
from live.runner import Runner, summary
from live.session.assemble import Session, assemble
from live.session.screen import Screen
from pipelines.alerts import Alert
from pipelines.core.errors import DaybotError
from pipelines.core.trading.decisions import Decision, TradingState
from pipelines.core.trading.events import Event
from pipelines.settings import Settings

REFRESH = 0.5
"""Wall seconds between two pictures."""


class Attended:
    """One session and all that watch it. Build it, then `run`; it lets go of everything at the end."""

    def __init__(self, settings: Settings, *, shadow: bool = False, until: time | None = None) -> None:
        """`shadow` and `until` as `assemble` takes them."""
        self._settings = settings
        self.tally = Tally()
        self._alerts = Alerts(settings, shadow=shadow)
        self._screen: Screen | None = None
        self._metrics: Metrics | None = None
        self.session: Session = assemble(settings, watch=self._watch, shadow=shadow, until=until)
        self._screen = Screen(self.session.manifest.label, self.session.manifest.account)
        self._metrics = Metrics(self.session.runner.engine, self.session.manifest.label)

    async def run(self, console: Console) -> None:
        """The whole session. Raises what ended it, after people were told."""
        runner = self.session.runner
        try:
            async with served(build(self._door(self._metrics)), self._settings, needs=needs, urgent=URGENT):
                running = asyncio.create_task(runner.run(self.session.manifest, self.session.history))
                try:
                    await self._show(console, running)
                except asyncio.CancelledError:
                    runner.stop()
                await running
        except DaybotError as error:
            self._alerts.raise_(Alert("the session ended by an error", f"{type(error).__name__}: {error}"), self.session.clock.now())
            raise
        finally:
            self._alerts.close()
            self.session.lock.release()

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        self.tally.watch(event, decisions)
        self._alerts.watch(event, decisions)
        for watcher in (self._screen, self._metrics):
            if watcher is not None:
                watcher.watch(event, decisions)

    async def _show(self, console: Console, running: "asyncio.Task[None]") -> None:
        """A picture twice a second in a terminal, nothing elsewhere: there the journal and the alerts speak."""
        if not console.is_terminal or self._screen is None:
            await asyncio.wait({running})
            return
        with Live(console=console, auto_refresh=False) as picture:
            while not running.done():
                picture.update(self._screen.panel(self.session.runner), refresh=True)
                await asyncio.wait({running}, timeout=REFRESH)

    def _door(self, metrics: Metrics | None) -> Door:
        runner = self.session.runner
        return Door(
            status=lambda: summary(runner.engine, self.session.manifest.label),
            act=runner.command,
            limits=lambda: used(runner),
            metrics=lambda: metrics.exposition() if metrics is not None else b"",
            unready=lambda: unready(runner),
        )


def used(runner: Runner) -> list[dict[str, Any]]:
    """Each limit with its present use; nothing before the account is known."""
    engine = runner.engine
    return [] if engine.portfolio is None else [msgspec.to_builtins(check) for check in engine.usage(runner.clock.now())]


def unready(runner: Runner) -> str:
    """Why the session takes no entries; empty where it does."""
    engine = runner.engine
    if engine.portfolio is None:
        return "the account is not known yet"
    if engine.state is not TradingState.ACTIVE:
        return f"trading is {engine.state}"
    if engine.feeds and not any(engine.feeds.values()):
        return "no healthy market data"
    return ""
