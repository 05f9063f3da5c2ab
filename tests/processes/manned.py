"""A running session with its doors open, on a stepped exchange of known prices: what a person, a script or an agent sees of it, over real sockets."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
from commands import free_port
from desk import Books
from floor import Floor, floor_settings
from served import local, tcp

from live import journal
from live.doors.api import URGENT, build, needs
from live.doors.serve import served
from live.doors.tokens import Scope, Tokens
from live.metrics import Metrics
from live.sim.embedded import Exchange
from live.tools.desk import Desk
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event
from pipelines.settings import Settings

Result = TypeVar("Result")


class Watched(Floor):
    """A floor whose desk is told of every step."""

    def __init__(self, exchange: Exchange, known: Settings, **more: Any) -> None:
        super().__init__(exchange, known, **more)
        resumed = self.runner._recovered is not None
        self.desk = Desk(known, self.runner, self.manifest, journal.read(self.runner.journal.path) if resumed else ())

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        super()._watch(event, decisions)
        self.desk.watch(event, decisions)


class Manned:
    """While the block lasts: armed, a minute into the market of AAA and BBB at 100 dollars, served on the local socket and on TCP."""

    def __init__(self, exchange: Exchange, home: Path, *, bounds: dict[str, Any] | None = None, **session: Any) -> None:
        """`session` as a floor takes it."""
        self.exchange, self._session = exchange, {"bounds": {"symbol_losses": 100, "strategy_losses": 1000, **(bounds or {})}, **session}
        rates = {"server_rate": 100_000, "broker_rate": 10_000}
        self.settings = floor_settings(exchange.url, home, server_listen=True, server_port=free_port(), **rates)
        self._ready, self._error = threading.Event(), None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self.tokens = Tokens(self.settings.tokens)
        self._made = 0

    def __enter__(self) -> "Manned":
        self._thread.start()
        assert self._ready.wait(60)
        if self._error is not None:
            self._thread.join()
            raise self._error
        self.client = local(self.settings)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()

    async def _live(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.floor = Watched(self.exchange, self.settings, **self._session)
            self.app = build(self.floor.desk, metrics=Metrics(self.floor.runner.engine, "SIM").exposition)
            async with served(self.app, self.settings, needs=needs, urgent=URGENT, start="first", mode="SIM"):
                await self.floor.open()
                await self.floor.step(61)
                self._ready.set()
                await self._done.wait()
        except Exception as error:  # handed to the thread that waits
            self._error = error
            self._ready.set()
        finally:
            self.floor.runner.stop()
            if self.floor.task is not None:
                await asyncio.wait({self.floor.task})

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run it in the session's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def step(self, seconds: float) -> None:
        """Let the market go on."""
        self.do(self.floor.step(seconds))

    @property
    def desk(self) -> Desk:
        """What the tools work on."""
        return self.floor.desk

    @property
    def books(self) -> Books:
        """The venue's truth."""
        return self.floor.books

    def get(self, path: str, **query: Any) -> httpx.Response:
        """A look through the local door."""
        return self.client.get(path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> httpx.Response:
        """A command through the local door."""
        return self.client.post(path, json=body or {}, headers={"Idempotency-Key": key} if key else {})

    def token(self, scope: Scope) -> str:
        """A new token."""
        self._made += 1
        return self.tokens.create(f"{scope.name.lower()} {self._made}", scope, 1.0)

    def with_token(self, scope: Scope) -> httpx.Client:
        """A client over TCP."""
        return tcp(self.settings, self.token(scope))

    def flat(self) -> None:
        """As it was at the beginning: nothing held, entries allowed."""
        self.post("/tools/flat_all", {"wait": 0})
        for _ in range(10):
            self.step(2)
            if not self.books.positions and not self.books.open:
                break
        self.post("/tools/resume", {})
        assert self.get("/status").json()["state"] == "active"
