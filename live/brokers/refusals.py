"""Refusals that pass by themselves: shares that a cancelled order still holds, an order of the other side, too many requests."""

from live.brokers.route import RETRY_AFTER
from live.clock import SECOND, Clock
from pipelines.core.errors import OrderRejected

HELD, WASH, HASTE = 15 * SECOND, 30 * SECOND, 60 * SECOND
"""How long an exit is tried again: shares stay held for up to ten seconds after a cancel; six seconds were too short for a wash trade."""

SLOWEST = 1.0
"""Seconds between two tries at most, unless the broker names them."""


class Patience:
    """Of one order that reduces risk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now()
        self._pause = 0.25

    def again(self, refusal: OrderRejected) -> float | None:
        """Seconds after which the same order is worth another try; None where it is refused for good, or has been for too long.

        The contract is (status, extra fields): one code has many meanings, and texts change.
        """
        limit = _limit(refusal)
        if self._clock.now() - self._since >= limit:
            return None
        if refusal.status == 429:
            return float(str(refusal.extra.get(RETRY_AFTER, 1.0)))
        pause, self._pause = self._pause, min(2 * self._pause, SLOWEST)
        return pause


def is_held(refusal: OrderRejected) -> bool:
    """The shares belong to other orders."""
    return refusal.status == 403 and "held_for_orders" in refusal.extra and float(str(refusal.extra["held_for_orders"])) > 0


def _limit(refusal: OrderRejected) -> int:
    if refusal.status == 429:
        return HASTE
    if refusal.status == 403 and "existing_order_id" in refusal.extra:
        return WASH
    return HELD if is_held(refusal) else 0
