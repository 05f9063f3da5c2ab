"""Break glass: flatten the account without the runner. Nothing in here needs a briefing, a feed or the session's journal.

It keeps a journal of its own in the folder `direct` beside the sessions', chained as theirs are: each act is on the disk before the broker is asked.
A disk that takes nothing is told of, and keeps nobody from closing.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from live.brokers import reading
from live.brokers.reading import Standing
from live.brokers.route import Route, connect
from live.clock import SystemClock
from live.journal import Journal
from pipelines.core.errors import JournalError, OrderRejected, Unreachable
from pipelines.core.market.session import moment
from pipelines.journals import DIRECT
from pipelines.settings import Settings

FIRST, SLOWEST = 0.5, 5.0
"""Seconds between two looks, growing: cancelling frees the held shares within a second or so, sometimes ten, and only then can they be sold."""

PATIENCE = 120.0
"""Seconds until it gives up. Asking again goes on where it stood."""

Mine = Callable[[Standing], set[str]]
"""Which of the symbols of an account have to go."""


def everything(found: Standing) -> set[str]:
    """Whatever is held or has an open order."""
    return found.held.keys() | {row.symbol for row in found.resting}


class Trail:
    """What was done past the runner, as records `direct`."""

    def __init__(self, folder: Path, console: Console) -> None:
        """A new file in this folder."""
        self._console, self._clock = console, SystemClock()
        self._journal: Journal | None = None
        try:
            self._journal = Journal(folder / f"{moment(self._clock.now()):%Y-%m-%d-%H%M%S%f}-{os.getpid()}.jsonl")
        except (JournalError, OSError) as error:
            self._lost(error)

    def write(self, act: str, **more: object) -> None:
        """On the disk when it returns, or people know that it is not."""
        if self._journal is not None:
            self._journal.append("direct", self._clock.now(), {"act": act, **more})
            try:
                self._journal.barrier()
            except JournalError as error:
                self._lost(error)

    def close(self) -> None:
        """Nothing more is done."""
        try:
            if self._journal is not None:
                self._journal.close()
        except (JournalError, OSError) as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        self._console.print(f"[yellow]what is done is not written down[/]: {error}")
        self._journal = None


def flatten(
    settings: Settings, console: Console, *, mine: Mine = everything, patience: float = PATIENCE, sleep: Callable[[float], object] = time.sleep
) -> list[str]:
    """Cancel the orders, close the positions, and look until the broker itself reports neither; the symbols that are still there.

    A query that fails is not "flat": it counts as a look without an answer.
    """
    trail = Trail(settings.journals / DIRECT, console)
    try:
        left = _flatten(connect(settings), console, trail, mine, patience, sleep)
        trail.write("end", left=left)
        return left
    finally:
        trail.close()


def _flatten(route: Route, console: Console, trail: Trail, mine: Mine, patience: float, sleep: Callable[[float], object]) -> list[str]:
    left, waited, pause = ["unknown: the broker has not answered"], 0.0, FIRST
    while True:
        try:
            found = reading.standing(route, 0)
            symbols = mine(found)
            if not symbols:
                console.print("[green]flat[/]: no position and no open order at the broker")
                return []
            left = sorted(symbols)
            console.print(f"open: {', '.join(left)}")
            _close(route, found, symbols, console, trail)
        except Unreachable as silence:
            console.print(f"[yellow]no answer[/]: {silence}")
            trail.write("unanswered", error=str(silence))
        if waited >= patience:
            return left
        sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, SLOWEST)


def _close(route: Route, found: Standing, symbols: set[str], console: Console, trail: Trail) -> None:
    """Cancel what rests but the sales that are under way, and sell what nobody sells yet. What is refused is for the next look."""

    def act(call: Callable[[], object], what: str, symbol: str, **more: object) -> None:
        trail.write(what, symbol=symbol, **more)
        try:
            call()
        except OrderRejected as refusal:
            console.print(f"{symbol}: {refusal.message}")
            trail.write("refused", symbol=symbol, error=refusal.message)

    selling = {row.symbol for row in found.resting if row.type == "market" and row.side.sign * found.quantity(row.symbol) < 0}
    for row in found.resting:
        if row.symbol in symbols and row.symbol not in selling:
            act(partial(route.cancel_order_by_id, row.id), "cancel", row.symbol, order=row.id, id=row.client_id)
    for symbol in sorted(symbols & found.held.keys() - selling):
        act(partial(route.close_position, symbol), "close", symbol, shares=abs(found.quantity(symbol)))
