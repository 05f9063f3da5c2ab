"""The line to one vendor: paced below its limit, patient when it stumbles, and counted.

The vendors' clients retry by themselves (alpaca-py 429 and 504 three times, 3 s apart; polygon-api-client by urllib3 at once), each in its
own way and without a pace. That is switched off where they are wrapped; this is the one way instead.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from threading import Lock
from typing import NamedTuple

import requests
from urllib3 import Retry
from urllib3.exceptions import HTTPError, ProtocolError

from pipelines.vendors.source import Traffic

WINDOW = 61.0
"""Seconds over which both vendors count requests, and one more: some are longer under way than others."""

LONGEST = 60.0
"""Seconds that are waited at most before one more try, whatever the vendor's headers ask for: its window is a minute."""

TIMEOUT = (5.0, 30.0)
"""Seconds to connect and between two pieces of an answer; the clients themselves wait for ever."""

ADDRESS = 6_000
"""Characters of symbols in one address: 8 kB in all is what servers take for certain."""

LOST = (requests.RequestException, HTTPError)
"""No whole answer came: no connection, a reset, a timeout, a body that ends too early."""


class Reply(NamedTuple):
    """An answer as the line judges it; `whole` is the client's own object."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: object


class Pace:
    """At most `per_minute` requests within any minute, and none before a moment that the vendor named.

    A log of the last requests and no bucket that fills up: a full bucket and its refill together pass the vendor's limit in its first minute.
    """

    def __init__(self, per_minute: int, window: float = WINDOW) -> None:
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._window = window
        self._not_before = 0.0
        self._lock = Lock()

    def take(self) -> float:
        """Return when one more request may be sent: how many seconds that took. Who waits keeps all others of the account waiting."""
        with self._lock:
            now = time.monotonic()
            free = self._sent[0] + self._window if len(self._sent) == self._sent.maxlen else now
            time.sleep(max(free, self._not_before, now) - now)
            self._sent.append(time.monotonic())
            return self._sent[-1] - now

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._not_before = max(self._not_before, time.monotonic() + min(max(seconds, 0.0), LONGEST))

    def heed(self, headers: Mapping[str, str]) -> None:
        """`Retry-After` (seconds or a date), and `X-RateLimit-Reset` (unix seconds) once `X-RateLimit-Remaining` is used up."""
        found = {name.lower(): value for name, value in headers.items()}
        if after := found.get("retry-after"):
            self.hold(_seconds(after))
        if found.get("x-ratelimit-remaining") == "0" and (reset := found.get("x-ratelimit-reset", "")).isdecimal():
            self.hold(int(reset) - time.time())


@cache
def shared(account: str, per_minute: int) -> Pace:
    """The one pace of this process for an account: the limit is the account's, however many sources there are."""
    return Pace(per_minute)


class Line:
    """`retries` more tries after a 429, a 5xx, no answer, or an answer that is no JSON; the waits between them double from `backoff` seconds."""

    def __init__(self, pace: Pace, *, retries: int, backoff: float) -> None:
        # Of its own accord urllib3 repeats the first time at once: the usual cause is a kept connection that the server had closed.
        self._patience = Retry(total=retries, backoff_factor=backoff, backoff_jitter=backoff, backoff_max=LONGEST)
        self._pace = pace
        self._requests = self._repeats = 0
        self._waited = 0.0

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return Traffic(self._requests, self._repeats, self._waited)

    def ask(self, send: Callable[[], Reply]) -> Reply:
        """The answer that `send` gets, the last one if none was good. Raises what `send` raised when there was none at all."""
        patience = self._patience.new()
        while True:
            self._waited += self._pace.take()
            self._requests += 1
            try:
                reply = send()
            except LOST:
                if patience.total == 0:
                    raise
            else:
                self._pace.heed(reply.headers)
                if patience.total == 0 or not _passing(reply):
                    return reply
            patience = patience.increment("GET", error=ProtocolError())
            self._repeats += 1
            self._pace.hold(patience.get_backoff_time())


def _passing(reply: Reply) -> bool:
    """Whether another try may help: the vendor is busy or broken, or a proxy's page came in its place."""
    if reply.status in (408, 425, 429) or reply.status >= 500:
        return True
    return reply.status == 200 and reply.body.lstrip()[:1] not in (b"{", b"[")


def _seconds(after: str) -> float:
    try:
        return Retry().parse_retry_after(after)
    except HTTPError:  # neither a number nor a date: as good as no header
        return 0.0


def addressed(symbols: Iterable[str], most: int) -> list[list[str]]:
    """The symbols in runs that fit into an address with their separators (written %2C), at most `most` in each."""
    runs: list[list[str]] = []
    used = 0
    for symbol in symbols:
        cost = len(symbol) + 3
        if not runs or used + cost > ADDRESS or len(runs[-1]) >= most:
            runs.append([])
            used = 0
        runs[-1].append(symbol)
        used += cost
    return runs
