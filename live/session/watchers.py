"""All that watch a session from outside. An error in one of them is told, and the session goes on: its positions need it.

A watcher that only shows (the screen, the counts) is taken out. One that keeps books or tells people stays, but what it has missed is not known:
entries are halted, and halted again after each resume in which it fails.
"""

import logging
from collections.abc import Callable, Mapping

from pipelines.core.trading.commands import Stand
from pipelines.core.trading.decisions import Decision, StateChanged, TradingState
from pipelines.core.trading.events import Alarm, Command, Event

LOG = logging.getLogger("daybot.live")

Watch = Callable[[Event, list[Decision]], None]
"""Told of every step."""


class Watchers:
    """Of one session, by name. `emit` is the runner's door for what follows from a failure."""

    def __init__(self, *, books: Mapping[str, Watch], shows: Mapping[str, Watch], emit: Callable[[Event], None]) -> None:
        self._books, self._shows, self._emit = dict(books), dict(shows), emit
        self._resumed = 0
        self._told: set[tuple[str, int]] = set()
        self.failed: dict[str, str] = {}
        """What the first error of each one was."""

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine."""
        self._resumed += any(isinstance(decision, StateChanged) and decision.after is TradingState.ACTIVE for decision in decisions)
        for name, watch in [*self._books.items(), *self._shows.items()]:
            try:
                watch(event, decisions)
            except Exception as error:  # nothing that watches may end what protects
                self.fail(name, error, event.at)

    def fail(self, name: str, error: Exception, at: int) -> None:
        """It has raised this: once for each, and for books once after each resume."""
        if (name, self._resumed) in self._told:
            return
        self._told.add((name, self._resumed))
        LOG.error("%s failed", name, exc_info=error)
        said = f"{type(error).__name__}: {error}"
        self.failed.setdefault(name, said)
        if self._shows.pop(name, None) is not None:
            self._emit(Alarm("WATCHER_FAILED", f"{name}: {said}; it is taken out, the session goes on", at))
            return
        self._emit(Alarm("WATCHER_FAILED", f"{name}: {said}; what it has missed is not known: entries are halted, protection goes on", at))
        self._emit(Command(f"{name}-failed-{self._resumed}", Stand(), f"{name}, which failed", at))
