"""How fast the broker is asked: Alpaca takes 200 requests a minute, and the last of them belong to what reduces risk."""

from collections import deque
from collections.abc import Mapping

from live.clock import SECOND, Clock

MINUTE = 60 * SECOND


class Budget:
    """At most `limit` requests in any minute of the session's clock; those that are not urgent leave `reserve` of them alone."""

    def __init__(self, clock: Clock, *, limit: int, reserve: int) -> None:
        self._clock, self._limit, self._reserve = clock, limit, reserve
        self._sent: deque[int] = deque()
        self._held = {True: 0, False: 0}
        """Until when the broker itself has asked to wait, by urgency."""

    def wait(self, *, urgent: bool) -> float:
        """Seconds until a request may go; 0 where one may go now."""
        now = self._clock.now()
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        room = self._limit if urgent else self._limit - self._reserve
        full = self._sent[len(self._sent) - room] + MINUTE if len(self._sent) >= room else now
        return max(full - now, self._held[urgent] - now, 0) / SECOND

    def spend(self, requests: int = 1) -> None:
        """So many go out now."""
        self._sent.extend([self._clock.now()] * requests)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take the broker's word on how much is left (`X-RateLimit-*`): others may use the same account.

        Down to the reserve, what is not urgent waits until the broker's window begins anew.
        """
        try:
            remaining, reset = int(headers["X-RateLimit-Remaining"]), int(headers["X-RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        if remaining <= self._reserve:
            self._held[False] = min(reset * SECOND, self._clock.now() + MINUTE)

    def refused(self, seconds: float) -> float:
        """The broker said 429: nobody asks for so long. The seconds."""
        pause = min(max(seconds, 1.0), 60.0)
        until = self._clock.now() + round(pause * SECOND)
        self._held = {urgent: max(held, until) for urgent, held in self._held.items()}
        return pause
