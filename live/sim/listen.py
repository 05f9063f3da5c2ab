"""Serving on a loopback socket: uvicorn with the exchange's app, until somebody says stop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn

from live.sim.server import Exchange


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to its owner: uvicorn would raise them again after a clean end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()
        self.ends = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listens.set()

    async def main_loop(self) -> None:
        """Waits to be told: uvicorn looks ten times a second, which on a loop of virtual time is most of a day's work."""
        await self.ends.wait()

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # uvicorn's own signature differs between versions
        yield


class Listener:
    """A running server. `stop` may be called from a signal handler of the loop."""

    def __init__(self, exchange: Exchange, server: _Server, url: str) -> None:
        self._exchange = exchange
        self._server = server
        self._done = asyncio.Event()
        self.url = url

    def stop(self) -> None:
        self._done.set()

    async def finished(self) -> None:
        """Until it is stopped, or the exchange stops itself because its books broke."""
        waits = [asyncio.create_task(event.wait()) for event in (self._done, self._exchange.stopped)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    async def close(self) -> None:
        await self._exchange.streams.stop()
        self._server.ends.set()


@contextlib.asynccontextmanager
async def listening(exchange: Exchange, *, port: int) -> AsyncIterator[Listener]:
    """Serve on 127.0.0.1; port 0 picks a free one. Raises OSError when the port is taken."""
    # The protocol is named because asyncio switches Nagle's delay off (40 ms an answer) only for sockets that name it.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plug.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            exchange.app,
            ws="websockets-sansio",  # the other implementation is deprecated and warns
            ws_per_message_deflate=False,
            ws_ping_interval=None,  # clients ping; our own would cost wakes and judge slow debuggers
            lifespan="on",
            date_header=False,  # the exchange dates its answers by its own clock
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[plug]))
        ready = asyncio.create_task(server.listens.wait())
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        listener = Listener(exchange, server, f"http://127.0.0.1:{plug.getsockname()[1]}")
        try:
            yield listener
        finally:
            ready.cancel()
            await listener.close()
            await serving
