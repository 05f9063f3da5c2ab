"""Tells people what a session must not keep to itself: changes of state, kills, feed switches, differences with the broker, ends by error.

Watches every step of the engine from outside and sends in threads of its own: a mail server that hangs never holds up a decision
(RTS 6 article 16: within five seconds). The same is told once a minute; what came in between is counted.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pipelines.alerts import Alert, tell
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import new_york
from pipelines.core.risk.checks import Code
from pipelines.core.trading.decisions import Decision, Noticed, Refused, StateChanged, TradingState
from pipelines.core.trading.events import Event
from pipelines.settings import Settings

LOG = logging.getLogger("daybot.live")

URGENT = frozenset(
    {
        "ACCOUNT_FREE", "ACCOUNT_RESTRICTED", "BOTH_EXITS_FILLED", "BRIEFING", "BROKER_ANSWERS", "BROKER_SILENT", "CLOCK_DRIFT", "CLOSED_OUTSIDE",
        "DISK_FULL", "DRAINED", "EXIT_NOT_MOVED", "FEED", "FILL_AFTER_CLOSE", "FOREIGN_ORDER", "GUARDED", "NAKED", "NOT_FLAT", "NO_EQUITY",
        "ORDER_REJECTED", "ORDER_UNKNOWN", "OVERFLOW", "OVERPROTECTED", "PART_NOT_SOLD", "POSITIONS_AGREE", "POSITIONS_DIFFER", "RECOVERED",
        "RESUME_REFUSED", "STALLED", "STRATEGY_FAILED", "TAINTED", "TIME_AGREES", "UNGUARDED", "WATCHER_FAILED",
    }
)  # fmt: skip
"""Codes of what the engine notices that somebody must hear of at once."""

KILLS = frozenset({Code.DAILY_LOSS, Code.DRAWDOWN, Code.STRATEGY, Code.ORDER_RATE})
"""Refusals by these limits mean that trading has stopped, not that one trade did not fit."""

QUIET = MINUTE
"""How long the same subject is not told again, nanoseconds of session time."""

Send = Callable[[Settings, Alert, Callable[[str], object]], None]


class Alerts:
    """A watch of one session. `close` waits for what is on its way."""

    def __init__(self, settings: Settings, send: Send = tell, *, shadow: bool = False) -> None:
        """`shadow`: nothing is sent to the broker, and every subject says so."""
        self._label = "SHADOW: " if shadow else ""
        self._settings, self._send = settings, send
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="alerts")
        self._told: dict[str, tuple[int, int]] = {}  # what, and about whom -> when it was told, and how often it came since

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine."""
        for decision in decisions:
            alert = of(decision)
            if alert is not None:
                self.raise_(alert, event.at, about=_about(decision))

    def raise_(self, alert: Alert, at: int, about: str = "") -> None:
        """Tell now, unless the same was told within the last minute: the subject, and what it is about."""
        key = f"{alert.subject} {about}"
        last, since = self._told.get(key, (-QUIET, 0))
        if at - last < QUIET:
            self._told[key] = (last, since + 1)
            return
        self._told[key] = (at, 0)
        again = f" ({since} more since it was last told)" if since else ""
        known = Alert(self._label + alert.subject, f"{new_york(at):%H:%M:%S} New York: {alert.detail}{again}")
        self._threads.submit(self._send, self._settings, known, LOG.warning)

    def close(self) -> None:
        """Let go of the senders, once they have sent."""
        self._threads.shutdown(wait=True)


def of(decision: Decision) -> Alert | None:
    """What a decision has to tell, if anything."""
    match decision:
        case StateChanged():
            worse = "" if decision.after is TradingState.ACTIVE else ": no new entries"
            return Alert(f"trading is {decision.after}{worse}", f"it was {decision.before}: {decision.reason}")
        case Noticed() if decision.code in URGENT:
            return Alert(decision.code.lower().replace("_", " "), decision.detail)
        case Refused() if decision.check.code in KILLS:
            return Alert(f"entries refused by {decision.check.code}", f"{decision.symbol}: {decision.check.detail} ({decision.check.origin})")
    return None


def _about(decision: Decision) -> str:
    """The symbol or the vendor's health that it speaks of: another one is news, also within the minute. A switch of the feed always is."""
    if not isinstance(decision, Noticed):
        return ""
    who, _, what = decision.detail.partition(": ")
    return decision.detail if what.startswith("leads instead of") else who
