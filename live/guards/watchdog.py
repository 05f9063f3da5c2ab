"""A second pair of eyes in a process of its own: it asks the broker by its own connection, and closes what a dead runner has left behind.

It watches the runner's sign of life and its lock. While a runner lives, the watchdog only tells people what it sees; it never trades against one.
A runner that does not answer and still holds its lock may wake up any moment: it is flattened only where the watchdog may end it first.
"""

import logging
import os
import signal
from collections.abc import Callable
from enum import StrEnum

from filelock import FileLock, Timeout
from rich.console import Console

from live.brokers import reading
from live.brokers.reading import Standing
from live.brokers.route import connect
from live.clock import SECOND, Clock
from live.guards.direct import flatten
from live.guards.protection import PREFIX, protected
from live.session import pulse
from live.session.pulse import Sign
from pipelines.alerts import Alert, tell
from pipelines.core.errors import BrokerError
from pipelines.core.trading.orders import Side
from pipelines.settings import Settings

LOG = logging.getLogger("daybot.watchdog")

EVERY = 5.0
"""Seconds between two looks."""

NAKED = 60 * SECOND
"""How long a position may be without a stop until people are told: the runner's own guard has acted long before."""

Send = Callable[[Settings, Alert, Callable[[str], object]], None]


class Found(StrEnum):
    """What the watchdog makes of the runner."""

    NONE = "no runner"  # none was started, or it ended on purpose
    ALIVE = "alive"
    STUCK = "stuck"  # it holds its lock and gives no sign of life
    DEAD = "dead"


class Watchdog:
    """Of one home. `look` once, or again and again."""

    def __init__(self, settings: Settings, clock: Clock, console: Console, *, kills: bool = False, send: Send = tell) -> None:
        """`clock` is the machine's own; `kills`: a runner that is stuck may be ended."""
        self._settings, self._clock, self._console, self._kills, self._send = settings, clock, console, kills, send
        self._lock = FileLock(settings.daybot_home / "runner.lock")
        self._route = connect(settings)
        self._naked: dict[str, int] = {}
        self._told: set[str] = set()

    def look(self) -> Found:
        """See how the runner and the account are, and do what has to be done."""
        last = pulse.last(self._settings.heartbeat)
        found = self._runner(last)
        try:
            self._watch(reading.standing(self._route, self._clock.now()))
        except BrokerError as silence:
            self._tell("the broker does not answer the watchdog", str(silence))
        if last is None or found in {Found.NONE, Found.ALIVE}:
            self._told -= {"the runner is stuck", "the runner is dead"}
            return found
        sign, at = last
        silent = (self._clock.now() - at) // SECOND
        if found is Found.STUCK:
            self._tell(
                "the runner is stuck",
                f"process {sign.pid} has given no sign of life for {silent} s and holds its lock; end it by `kill -9 {sign.pid}`",
            )
            if not self._kills:
                return found
            os.kill(sign.pid, signal.SIGKILL)
        self._clean_up(sign, silent)
        return Found.DEAD

    def _runner(self, last: tuple[Sign, int] | None) -> Found:
        if last is None:
            return Found.NONE
        if self._clock.now() - last[1] < self._settings.watchdog_deadline * SECOND:
            return Found.ALIVE
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return Found.STUCK
        self._lock.release()
        return Found.DEAD

    def _clean_up(self, sign: Sign, silent: int) -> None:
        """Close what the dead run's orders have opened. No runner can start meanwhile: its lock is ours."""
        try:
            self._lock.acquire(timeout=5)
        except Timeout:
            return  # somebody has started it again
        try:
            self._tell("the runner is dead", f"no sign of life for {silent} s: its positions are closed now")
            left = flatten(self._settings, self._console, mine=lambda found: self._of(sign, found))
            if left:
                self._told.discard("a dead runner's positions cannot be closed")
                self._tell("a dead runner's positions cannot be closed", f"still there: {', '.join(left)}; it is tried again")
            else:
                self._settings.heartbeat.unlink(missing_ok=True)
        finally:
            self._lock.release()

    def _of(self, sign: Sign, found: Standing) -> set[str]:
        """Symbols that the dead run traded; all of them, unless other people's positions are to be left alone."""
        there = found.held.keys() | {row.symbol for row in found.resting}
        if self._settings.external != "leave":
            return set(there)
        names = (sign.prefix, PREFIX)
        sent = {body["symbol"] for body in reading.orders(self._route, status="all") if body["client_order_id"].startswith(names)}
        return there & sent

    def _watch(self, found: Standing) -> None:
        """Positions without a stop, by the broker's word: told, whoever is responsible."""
        out = {symbol: Side.SELL if held.quantity > 0 else Side.BUY for symbol, held in found.held.items()}
        naked = {symbol for symbol, held in found.held.items() if protected(found, symbol, out[symbol]) < abs(held.quantity)}
        self._naked = {symbol: self._naked.get(symbol, found.at) for symbol in naked}
        for symbol, since in self._naked.items():
            if found.at - since >= NAKED:
                self._tell(f"{symbol} is held without a working stop", f"for {(found.at - since) // SECOND} s, by the broker's own word")
        self._told -= {subject for subject in self._told if subject.endswith("stop") and subject.split()[0] not in naked}

    def _tell(self, subject: str, detail: str) -> None:
        """Once, until it is over."""
        if subject not in self._told:
            self._told.add(subject)
            self._send(self._settings, Alert(subject, detail), LOG.warning)
