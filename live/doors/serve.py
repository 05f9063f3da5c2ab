"""Where the runner listens: a Unix socket that only its owner can open, and TCP where it was asked for. Each is a server of its own.

So whoever fills the one with connections does not keep a `daybot flat` from the other.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from live.doors.guard import Guard, Needs
from live.doors.tokens import OWNER, Tokens
from pipelines.core.errors import SettingsError
from pipelines.settings import Settings

CONNECTIONS = 64
"""At once and server; more are answered with 503."""
PATIENCE = 20.0
"""Seconds for the head of a request, and for a client to take what waits for it."""
LEAVING = 2
"""Seconds that open streams are given at the end."""


class _Connection(H11Protocol):
    """Cut off where nobody says in time what he wants, or takes what he asked for: a held connection is one less for others."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._deaf: asyncio.TimerHandle | None = None
        self._silent: asyncio.TimerHandle | None = self.loop.call_later(PATIENCE, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the head is whole; of the body the guard keeps the time
            self._silent = _over(self._silent)
        elif self._silent is None:
            self._silent = self.loop.call_later(PATIENCE, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deaf = self._deaf or self.loop.call_later(PATIENCE, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._deaf = _over(self._deaf)

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent, self._deaf = _over(self._silent), _over(self._deaf)
        super().connection_lost(exc)


def _over(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No more of it."""
    if timer is not None:
        timer.cancel()
    return None


class _Server(uvicorn.Server):
    """Signals are the runner's business, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp, settings: Settings, *, needs: Needs, urgent: frozenset[str], start: str, mode: str) -> AsyncIterator[None]:
    """Serve while the session lasts. `start` names this start of the runner: tokens of another one are not taken. `mode`: what kind of money it is.

    `SettingsError` where an address cannot be had.
    """
    rate = settings.server_rate
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_local(Guard(app, owner=OWNER, needs=needs, urgent=urgent, rate=rate, mode=mode), settings.socket))
        if settings.server_listen:
            names = frozenset(name.strip().lower() for name in settings.server_names.split(",") if name.strip())
            tokens = Tokens(settings.tokens)
            tokens.begin(start)
            stack.callback(tokens.end)
            guard = Guard(app, admit=tokens.granted, names=names, needs=needs, urgent=urgent, rate=rate, mode=mode)
            await stack.enter_async_context(_tcp(guard, settings))
        yield


@asynccontextmanager
async def _local(app: ASGIApp, path: Path) -> AsyncIterator[None]:
    """On the socket at `path`. Nobody can connect before its mode is set: it listens later."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        _bind(door, str(path))
        path.chmod(0o600)
        try:
            async with _running(door, _config(app)):
                yield
        finally:
            path.unlink(missing_ok=True)


@asynccontextmanager
async def _tcp(app: ASGIApp, settings: Settings) -> AsyncIterator[None]:
    """On SERVER_HOST and SERVER_PORT, with TLS where a certificate is named."""
    host = settings.server_host
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(door, (host, settings.server_port))
        config = _config(app, certificate=settings.server_tls_cert, key=settings.server_tls_key)
        try:
            config.load()
        except OSError as error:
            raise SettingsError(f"expected PEM files in SERVER_TLS_CERT and SERVER_TLS_KEY, found: {error}") from None
        async with _running(door, config):
            yield


def _config(app: ASGIApp, *, certificate: str = "", key: str = "") -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Connection,  # h11 refuses headers beyond 64 KiB
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here depends on who the client says it is
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=LEAVING,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
    )


def _bind(door: socket.socket, address: str | tuple[str, int]) -> None:
    try:
        door.bind(address)
    except OSError as error:
        where = address if isinstance(address, str) else "{}:{} (SERVER_HOST, SERVER_PORT)".format(*address)
        raise SettingsError(f"expected to listen on {where}, found: {error.strerror or error}") from None


@asynccontextmanager
async def _running(door: socket.socket, config: uvicorn.Config) -> AsyncIterator[None]:
    door.listen()  # from now on who connects is waited for, also before the server has begun to answer
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[door]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
