"""Doors served as the runner serves them, in a loop of their own, in a thread of its own; and clients for the local socket and for TCP."""

import asyncio
import socket
import threading
from typing import Any

import httpx

from live.doors.guard import Needs
from live.doors.serve import served
from pipelines.settings import Settings


class Served:
    """While the block lasts. What the doors raise at the start is raised here."""

    def __init__(self, app: Any, settings: Settings, *, needs: Needs, urgent: frozenset[str] = frozenset()) -> None:
        self._app, self._settings, self._rules = app, settings, {"needs": needs, "urgent": urgent}
        self._ready, self._error = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(20)
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with served(self._app, self._settings, **self._rules):
                self._ready.set()
                await self._done.wait()
        except Exception as error:  # handed to the thread that waits
            self._error = error
            self._ready.set()


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


# Plain HTTP: `verify=False` only spares each client the reading of the machine's certificates.


def local(settings: Settings, **more: Any) -> httpx.Client:
    """As the command line talks to the runner."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(settings.socket)), base_url="http://daybot", timeout=20, verify=False, **more)


def tcp(settings: Settings, token: str = "", **more: Any) -> httpx.Client:
    """As curl does, with a token."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"http://localhost:{settings.server_port}", headers=headers, timeout=20, verify=False, **more)
