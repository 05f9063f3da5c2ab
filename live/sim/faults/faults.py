"""The faults of one exchange: the object its server owns, and through which everything else here is reached."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Scope, Send
from starlette.websockets import WebSocket

from live.sim.faults.bent import BentWorld
from live.sim.faults.fault import read
from live.sim.faults.meddling import Meddling
from live.sim.faults.registry import Active, Registry
from live.sim.faults.rest.requests import Rest
from live.sim.faults.streams.doors import denies
from live.sim.faults.streams.taps import FAULTS, Tap
from live.sim.faults.timed import Timed
from live.sim.venue.venue import Venue

if TYPE_CHECKING:  # the streams make these
    from live.sim.alpaca.streams.lines import Line


class Faults:
    """Added and removed while the exchange runs. As long as none was ever added the venue does not know that there could be any."""

    def __init__(self, venue: Venue, world: BentWorld, *, wake: Callable[[], None]) -> None:
        self._venue = venue
        self.registry = Registry(venue.agenda, seed=world.seed)
        self.rest = Rest(venue, self.registry, wake=wake)
        self._timed = Timed(venue, world, self.registry)
        self._timed.closed = self._closed
        self._meddling = Meddling(venue, self.registry, self._timed)

    def tap(self, line: "Line", socket: WebSocket) -> Tap:
        """What a new line of a stream writes through."""
        tap = Tap(line, socket, registry=self.registry, agenda=self._venue.agenda)
        self._timed.taps = [*(each for each in self._timed.taps if each.open), tap]
        return tap

    async def denies(self, scope: Scope, send: Send) -> bool:
        """A websocket that wants in: whether it was answered here. Its line finds its faults in the scope."""
        scope[FAULTS] = self
        return await denies(self.registry, scope, send)

    def add(self, raw: Any) -> Active:
        """From a table of plain values. Raises FaultError."""
        active = self.registry.add(read(raw, now=self._venue.now, day=self._venue.session.date))
        self._venue.desk.meddler = self._meddling
        self._timed.plan(active)
        return active

    def load(self, scenario: Sequence[Any]) -> None:
        for raw in scenario:
            self.add(raw)

    def remove(self, name: str) -> Active | None:
        """What is under way ends where it can: a halt resumes, a message that was held back still comes."""
        active = self.registry.remove(name)
        if active is not None:
            self._timed.end(active)
        return active

    def clear(self) -> int:
        names = [active.id for active in self.registry]
        for name in names:
            self.remove(name)
        return len(names)

    def line(self) -> str:
        """For the live view: nothing without faults."""
        return f"  FAULTS {len(self.registry)} ({self.registry.injected} injected)" if len(self.registry) or self.registry.injected else ""

    def _closed(self) -> None:
        self.rest.closed = True
