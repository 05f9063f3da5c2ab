"""An event loop whose time is virtual: nothing ever waits, time jumps to the next timer as soon as no socket has anything to say.

A day of sockets, timeouts and heartbeats runs in seconds, and runs the same way twice.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time starts at zero seconds. Work for executors is done at once, in the loop's own thread: other threads would not know this time.

    `VirtualLoop().run_until_complete(...)`, or `asyncio.Runner(loop_factory=VirtualLoop)`.
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Impatient(self))
        self._clock_resolution = 1e-6  # the machine's own would be finer than a float of a few months can tell

    def time(self) -> float:
        return self._virtual

    def leap(self, seconds: float) -> None:
        """To the next timer: exactly its moment, which a sum of floats might miss."""
        timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        self._virtual = max(self._virtual, timers[0].when() if timers else self._virtual + seconds)

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], Any], *args: *Ts) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # belongs to whoever awaits it
            future.set_exception(error)
        return future


class _Impatient(selectors.DefaultSelector):
    """Looks at the sockets without waiting. With no timer set there is nothing to leap to, and it waits for them as any other."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(None if timeout is None else 0)
        if not found and timeout:
            self._loop.leap(timeout)
        return found
