"""An exchange inside the caller's own event loop, on the caller's own clock: with virtual time a whole day takes seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import requests

from live.sim.clock import Clock
from live.sim.server import Exchange, Options
from live.sim.wires.adapter import InProcess
from live.sim.wires.listen import listening
from live.sim.worlds.world import World


class Hosted:
    """An exchange that is being served; `hosting` makes it. `core` is the exchange itself."""

    def __init__(self, core: Exchange, url: str) -> None:
        self.core = core
        self.url = url
        self._adapter = InProcess(core.app, asyncio.get_running_loop())

    @property
    def stream(self) -> str:
        """Address of the market-data stream."""
        return self.url.replace("http", "ws", 1) + "/v2/iex"

    @property
    def trading_stream(self) -> str:
        return self.url.replace("http", "ws", 1) + "/stream"

    @property
    def polygon_stream(self) -> str:
        return self.url.replace("http", "ws", 1) + "/stocks"

    def mount(self, session: requests.Session) -> None:
        """Let this session ask in process: a synchronous client cannot share its thread with the server over a socket."""
        session.mount(self.url, self._adapter)

    async def settle(self) -> None:
        """Run what is due at the clock's present time and write what came of it, for a clock that is moved by hand."""
        self.core.advance()
        await self.core.streams.flush()

    def books(self) -> dict[str, Any]:
        """The venue's own truth, as `GET /sim/books` gives it."""
        with requests.Session() as session:
            self.mount(session)
            found: dict[str, Any] = session.get(f"{self.url}/sim/books").json()
        return found

    def inject(self, **fault: Any) -> dict[str, Any]:
        """Add a fault; answers it with its `id`. `from` is a word of Python: say `from_`. Raises FaultError."""
        self.core.advance()
        active = self.core.faults.add({name.rstrip("_"): value for name, value in fault.items()})
        self.core.wake()
        return active.shown()

    def relent(self, name: str | None = None) -> None:
        """Remove one fault, or all of them."""
        if name is None:
            self.core.faults.clear()
        else:
            self.core.faults.remove(name)
        self.core.wake()


@asynccontextmanager
async def hosting(world: World, clock: Clock, **options: Any) -> AsyncIterator[Hosted]:
    """Serve real sockets on a free port of 127.0.0.1 until the block ends.

    `options` are those of `server.Options`; the rate limit is off unless given. Venue time is what `clock` says, from the start on.
    """
    core = Exchange(world, Options(**{"rate_limit": 0, **options, "start": clock.now(), "clock": clock}))
    async with listening(core, port=0) as listener:
        yield Hosted(core, listener.url)
