"""The runner's sign of life: a small file that says who runs, rewritten with the session's ticks. A tick passes the queue and the engine first, so a
fresh file means that all of it works. A run that ends on purpose takes it away.
"""

import asyncio
import json
import os
from pathlib import Path

from msgspec import Struct, convert

EVERY = 2.0
"""Wall seconds between two signs at least."""


class Sign(Struct, frozen=True):
    """What the file says. `prefix` begins the client order ids of the session."""

    pid: int
    session: str
    prefix: str
    state: str


class Pulse:
    """Of one run."""

    def __init__(self, path: Path, *, session: str, prefix: str) -> None:
        self._path, self._session, self._prefix = path, session, prefix
        self._last = -EVERY
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def beat(self, state: str) -> None:
        """Still there."""
        now = asyncio.get_running_loop().time()
        if now - self._last >= EVERY:
            self._last = now
            aside = self._path.with_suffix(".tmp")
            aside.write_text(json.dumps({"pid": os.getpid(), "session": self._session, "prefix": self._prefix, "state": state}))
            aside.replace(self._path)  # not synced: it tells of this machine as long as it runs

    def stop(self) -> None:
        """It ends on purpose: nobody has to clean up after it."""
        self._path.unlink(missing_ok=True)


def last(path: Path) -> tuple[Sign, int] | None:
    """The newest sign and when it was given, nanoseconds of the machine's wall clock; None where no run has died and none runs."""
    try:
        return convert(json.loads(path.read_bytes()), Sign), path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
