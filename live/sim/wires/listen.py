"""Serving on a loopback socket: uvicorn with the exchange's app, until somebody says stop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence

import uvicorn
from starlette.types import ASGIApp

from live.sim.server import Exchange
from live.sim.wires.addresses import Address, Front


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
    """A running server. `stop` may be called from a signal handler of the loop; `hosts` are the addresses of single hosts, if asked for."""

    def __init__(self, exchange: Exchange, server: _Server, url: str, hosts: Mapping[str, str]) -> None:
        self._exchange = exchange
        self._server = server
        self._done = asyncio.Event()
        self.url = url
        self.hosts = hosts

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
async def listening(exchange: Exchange, *, port: int, addresses: Sequence[Address] = ()) -> AsyncIterator[Listener]:
    """Serve on 127.0.0.1; port 0 picks a free one. Raises OSError when a port is taken."""
    with contextlib.ExitStack() as stack:
        main = stack.enter_context(_bound(port))
        own = [(address.host, stack.enter_context(_bound(address.port))) for address in addresses if address.port is not None]
        front = Front(exchange.app, addresses, {plug.getsockname()[1]: host for host, plug in own})
        server = _Server(_config(front))
        plugs = [main, *(plug for _, plug in own)]
        serving = asyncio.create_task(server.serve(sockets=plugs))
        ready = asyncio.create_task(server.listens.wait())
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        url = _url(main)
        hosts: dict[str, str] = {host: _url(plug) for host, plug in own}
        hosts |= {address.host: url + address.prefix for address in addresses if address.prefix}
        listener = Listener(exchange, server, url, hosts)
        try:
            yield listener
        finally:
            ready.cancel()
            await listener.close()
            await serving


def _bound(port: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle's delay off (40 ms an answer) only for sockets that name it.
    plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        plug.bind(("127.0.0.1", port))
    except OSError as taken:
        plug.close()
        raise OSError(taken.errno, f"port {port}: {taken.strerror}") from None
    return plug


def _url(plug: socket.socket) -> str:
    return f"http://127.0.0.1:{plug.getsockname()[1]}"


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
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
