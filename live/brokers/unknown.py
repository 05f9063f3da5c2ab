"""When no answer came: a request is UNKNOWN until the broker has told what became of it. It is asked, never assumed.

Alpaca makes client order ids unique for ever, so the same id sent again gives one order at most, and tells whether there is one already.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from live.brokers.budget import MINUTE
from live.clock import SECOND, Clock
from pipelines.core.errors import OrderRejected, Unreachable
from pipelines.core.trading.orders import Order

GRACE, URGENT_GRACE = 8 * SECOND, SECOND
"""How long "not found" means "not yet": an order may show up seconds after it was taken. Something that reduces risk is sent again at once."""

LATE = 30 * SECOND
"""Age at which an entry is not worth sending again."""

NEVER = 5 * MINUTE
"""How long "not found" has to be the answer until it is believed."""

SLOWEST = 10.0
"""Seconds between two looks at most."""

DUPLICATE = "client_order_id must be unique"


class Sent(Enum):
    """How sending the same id once more ended."""

    TAKEN = "taken"
    REFUSED = "refused"
    OPEN = "open"


class Question:
    """What became of one order."""

    def __init__(self, order: Order, clock: Clock, *, urgent: bool, resend: bool) -> None:
        """`resend`: it may be sent once more."""
        self.order, self.urgent = order, urgent
        self._clock, self._resend = clock, resend
        self._decided = self._sent = clock.now()
        self._missing: int | None = None
        """Since when "not found" is the answer."""
        self.doubted = False
        """Sending it again did not help, or it may not be sent again: nothing more is opened in its symbol."""
        self.absent = False
        """The broker has said for minutes that it has no such order."""

    async def settle(
        self,
        *,
        look: Callable[[], Awaitable[dict[str, Any]]],
        again: Callable[[], Awaitable[Sent]],
        doubt: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]],
    ) -> dict[str, Any] | None:
        """Ask until it is known: the broker's order, or None where it is `absent` or `again` has already told how it ended."""
        pause = 0.5
        while True:
            await sleep(pause)
            pause = min(2 * pause, SLOWEST)
            try:
                return await look()
            except Unreachable:
                continue
            except OrderRejected as refusal:
                if refusal.status != 404:
                    continue
            now = self._clock.now()
            self._missing = now if self._missing is None else self._missing
            if now - self._sent < (URGENT_GRACE if self.urgent and self._resend else GRACE):
                continue
            if self._resend and (self.urgent or now - self._decided <= LATE):
                self._resend, self._sent, self._missing, pause = False, now, None, 0.5
                if await again() is not Sent.OPEN:
                    return None
            elif not self.doubted:
                self.doubted = True
                doubt()
            elif now - self._missing >= NEVER:
                self.absent = True
                return None


def is_duplicate(refusal: OrderRejected) -> bool:
    """The id is taken: the order exists, and is not refused."""
    return refusal.status == 422 and DUPLICATE in refusal.message
