"""A session as people have it: the runner with its door, its screen, its alerts and its numbers around it."""

import asyncio
import secrets
from datetime import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from live import journal
from live.alerts import Alerts
from live.commands.records.report import Tally
from live.doors.api import URGENT, build, needs
from live.doors.mcp.http import with_mcp
from live.doors.serve import served
from live.metrics import Metrics
from live.session.assemble import Session, assemble
from live.session.screen import Screen
from live.session.watchers import Watchers
from live.tools.desk import Desk
from pipelines.alerts import Alert
from pipelines.core.errors import DaybotError
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event
from pipelines.settings import Settings

REFRESH = 0.5
"""Wall seconds between two pictures."""


class Attended:
    """One session and all that watch it. Build it, then `run`; it lets go of everything at the end."""

    def __init__(self, settings: Settings, *, shadow: bool = False, until: time | None = None, start: str = "") -> None:
        """`shadow` and `until` as `assemble` takes them. `start`: what this start of the runner is called; sessions may share it."""
        self._settings, self._start = settings, start or secrets.token_hex(16)
        self.tally = Tally()
        self._alerts = Alerts(settings, shadow=shadow)
        self.session: Session = assemble(settings, watch=self._watch, shadow=shadow, until=until)
        runner, manifest = self.session.runner, self.session.manifest
        self._screen = Screen(manifest.label, manifest.account)
        self._metrics = Metrics(runner.engine, manifest.label)
        self.desk = Desk(settings, runner, manifest, journal.read(runner.journal.path) if self.session.resumed else ())
        """What the tools work on."""
        self._watchers = Watchers(
            books={"alerts": self._alerts.watch, "desk": self.desk.watch},
            shows={"tally": self.tally.watch, "screen": self._screen.watch, "metrics": self._metrics.watch},
            emit=runner.emit,
        )

    async def run(self, console: Console) -> None:
        """The whole session. Raises what ended it, after people were told."""
        runner = self.session.runner
        try:
            app = build(self.desk, metrics=self._metrics.exposition, failed=self._watchers.failed)
            mode = self.session.manifest.label
            async with (
                with_mcp(app, self._settings) as whole,
                served(whole, self._settings, needs=needs, urgent=URGENT, start=self._start, mode=mode),
            ):
                running = asyncio.create_task(runner.run(self.session.manifest, self.session.history))
                try:
                    await self._show(console, running)
                except asyncio.CancelledError:
                    runner.stop()
                await running
            self._witness()
        except DaybotError as error:
            self._alerts.raise_(Alert("the session ended by an error", f"{type(error).__name__}: {error}"), self.session.clock.now())
            raise
        finally:
            self._alerts.close()
            self.session.lock.release()

    def _witness(self) -> None:
        """The journal's head, where nobody who gets at the journal can alter it."""
        sealed, heads = self.session.runner.journal, self._settings.journal_heads
        try:
            if heads:
                journal.witness(Path(heads), sealed.path, sealed.seq, sealed.head)
        except OSError as error:
            text = f"JOURNAL_HEADS={heads}: {error.strerror}; {sealed.path.name} ends with record {sealed.seq}, hash {sealed.head}"
            self._alerts.raise_(Alert("the journal's head was not written elsewhere", text), self.session.clock.now())

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        self._watchers.watch(event, decisions)

    async def _show(self, console: Console, running: "asyncio.Task[None]") -> None:
        """A picture twice a second in a terminal, nothing elsewhere: there the journal and the alerts speak."""
        if console.is_terminal:
            try:
                await self._draw(console, running)
            except Exception as error:  # a picture that cannot be drawn ends no session
                self._watchers.fail("screen", error, self.session.clock.now())
        await asyncio.wait({running})

    async def _draw(self, console: Console, running: "asyncio.Task[None]") -> None:
        with Live(console=console, auto_refresh=False) as picture:
            while not running.done():
                picture.update(self._screen.panel(self.session.runner), refresh=True)
                await asyncio.wait({running}, timeout=REFRESH)
