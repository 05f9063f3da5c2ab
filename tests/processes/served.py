"""Doors served as the runner serves them, in a loop of their own, in a thread of its own; and clients for the local socket and for TCP."""

import asyncio
import threading
from typing import Any

import httpx
from market import briefing_of

from live.clock import SteppedClock
from live.doors.guard import Needs
from live.doors.serve import served
from live.journal import Journal
from live.runner import Runner
from live.tools.desk import PREFIX, Desk
from pipelines.core.journal import Manifest
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import Open, Resume
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Command, MarketBar, OrderUpdate
from pipelines.core.trading.orders import Side, Status
from pipelines.settings import Settings


class Served:
    """While the block lasts. What the doors raise at the start is raised here."""

    def __init__(self, app: Any, settings: Settings, *, needs: Needs, urgent: frozenset[str] = frozenset(), start: str = "first") -> None:
        self._app, self._settings, self._rules = app, settings, {"needs": needs, "urgent": urgent, "start": start, "mode": "SIM"}
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


# Plain HTTP: `verify=False` only spares each client the reading of the machine's certificates.


def local(settings: Settings, **more: Any) -> httpx.Client:
    """As the command line talks to the runner."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(settings.socket)), base_url="http://daybot", timeout=20, verify=False, **more)


def asked(client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    """The answer, of a stream only its beginning."""
    with client.stream(method, path, **more) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer


def tcp(settings: Settings, token: str = "", **more: Any) -> httpx.Client:
    """As curl does, with a token."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"http://localhost:{settings.server_port}", headers=headers, timeout=20, verify=False, **more)


REFUSALS = {"NO_TOKEN", "SCOPE", "HEADERS", "HOST", "ORIGIN", "CONTENT_TYPE", "RATE", "TOO_LARGE", "SLOW", "TOKENS_UNREADABLE"}
"""What the guard says to those who do not come in."""


def quiet_desk(settings: Settings) -> Desk:
    """The desk of a session that holds AAPL and that nobody runs: commands stay on its queue."""
    briefing = briefing_of(["AAPL", "MSFT"])
    limits = Limits(max_position_size=0.5, max_sector_exposure=1.0, max_concentration=1.0, max_correlated_exposure=1.0, max_portfolio_heat=0.5)
    engine = Engine(briefing, limits, [], run="idle")
    manifest = Manifest(session=briefing.session, run="idle", mode="sim", account="PA", code="", strategies=(), limits=limits, briefing=briefing)
    at = briefing.hours.open + 60 * MINUTE
    runner = Runner(
        settings, engine, Journal(settings.journals / "2026-11-20-01-idle.jsonl"), SteppedClock(at), symbols=["AAPL"], watch=lambda *_: None
    )
    desk = Desk(settings, runner, manifest)
    entry = "20261120-idle-0001-entry"
    for event in (
        AccountState(100_000.0, 100_000.0, 200_000.0, (), at),
        MarketBar(Bar("AAPL", at - MINUTE, 100.0, 100.0, 100.0, 100.0, 1000.0, 100.0, 10), "iex", at),
        Command("arm", Resume(), "test", at),
        Command("open", Open("AAPL", Side.BUY, 10, None, 95.0, 110.0), "test", at),
        OrderUpdate(entry, "AAPL", Side.BUY, Status.FILLED, 10, 100.0, at, "b-1", "fill"),
    ):
        decisions = engine.process(event)
        runner.record += 1
        desk.watch(event, decisions)
    return desk


def commands(desk: Desk) -> list[str]:
    """Keys of the commands that wait on the queue of a session that nobody runs."""
    return [event.id.removeprefix(PREFIX) for event in desk.runner.queue._events if isinstance(event, Command)]


HOSTS = ["localhost:{port}", "127.0.0.1:{port}", "evil.example:{port}", "localhost.evil.example"]
ORIGINS = [None, "http://{host}", "http://evil.example", "null"]
GOOD = {(host, origin) for host in HOSTS[:2] for origin in ORIGINS[:2]}
"""Names and origins that a request can come with, and the pairs of them that are no other page's."""
