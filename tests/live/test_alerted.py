"""Whatever people have to hear of reaches a webhook within five seconds of its cause at the exchange (RTS 6 article 16)."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from floor import Floor, floor_settings
from homes import home_of
from posted import Posted, collecting
from rich.console import Console

from live.alerts import Alerts
from live.clock import SECOND
from live.commands.demo import sim_settings
from live.session.attend import Attended as Session
from live.sim.embedded import Exchange
from pipelines.core.errors import DaybotError
from pipelines.core.trading.decisions import Decision
from pipelines.core.trading.events import Event
from pipelines.settings import Settings

LIMIT = 5.0
"""Seconds from the cause: of the market until the engine decides on it, of ours until the webhook has it."""


@pytest.fixture
def hook() -> Iterator[Posted]:
    with collecting() as posted:
        yield posted


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path, hook: Posted) -> Settings:
    return floor_settings(exchange.url, tmp_path / "home", alert_webhook=hook.url, polygon_api_key="SIM")


class Attended(Floor):
    """With the alerts that a session has, and when it decided on what."""

    def __init__(self, exchange: Exchange, known: Settings) -> None:
        self.alerts = Alerts(known)
        self.decided: dict[str, tuple[int, float]] = {}
        super().__init__(exchange, known)

    def _watch(self, event: Event, decisions: list[Decision]) -> None:
        super()._watch(event, decisions)
        for decision in decisions:
            name = getattr(decision, "code", "") or decision.kind
            self.decided[name] = (event.at, time.monotonic())
        self.alerts.watch(event, decisions)

    async def told(self, hook: Posted, subject: str, code: str, cause: int) -> float:
        """Seconds from the cause until the webhook had it."""
        async with asyncio.timeout(15):
            while hook.when(subject) is None or code not in self.decided:
                await self.step(0.5, by=0.5)
        at, decided = self.decided[code]
        arrived = hook.when(subject)
        assert arrived is not None
        return max(at - cause, 0) / SECOND + max(arrived - decided, 0.0)


def played(exchange: Exchange, known: Settings, act: Any) -> Attended:
    async def run() -> Attended:
        floor = Attended(exchange, known)
        try:
            async with asyncio.timeout(120):
                await floor.open()
                await floor.step(61)
                await act(floor)
        finally:
            floor.runner.stop()
            if floor.task is not None:
                await asyncio.wait({floor.task})
            floor.alerts.close()
        return floor

    return asyncio.run(run())


def test_a_change_of_state(exchange: Exchange, known: Settings, hook: Posted) -> None:
    async def act(floor: Attended) -> None:
        floor.flatten()
        assert await floor.told(hook, "trading is halted", "state", floor.clock.now()) <= LIMIT

    played(exchange, known, act)


def test_a_refusal_by_a_kill_limit(exchange: Exchange, known: Settings, hook: Posted) -> None:
    """A fall of twelve percent through the stop costs more of the day's peak than the drawdown limit."""

    async def act(floor: Attended) -> None:
        await floor.held(quantity=400)
        exchange.inject(kind="match.jump", symbol="AAA", percent=-11)
        await floor.step(75)
        assert floor.books.positions == {}
        floor.buy("BBB")
        assert await floor.told(hook, "entries refused by", "refused", floor.clock.now()) <= LIMIT
        assert floor.books.positions == {}

    played(exchange, known, act)


def test_a_switch_of_the_feed(exchange: Exchange, known: Settings, hook: Posted) -> None:
    async def act(floor: Attended) -> None:
        exchange.inject(kind="stream.refuse", stream="market", code=402, times=0)
        cause = floor.clock.now()
        exchange.inject(kind="stream.close", stream="market", code=1000)
        before = len(hook.said)
        await floor.step(LIMIT, by=0.5)
        assert floor.runner.feed.lead == "polygon"
        assert (floor.decided["FEED"][0] - cause) / SECOND <= LIMIT
        async with asyncio.timeout(LIMIT):
            while not any("leads instead of sip" in body["detail"] for body in hook.said[before:]):
                await asyncio.sleep(0.01)

    played(exchange, known, act)


def test_a_position_that_somebody_else_opens(exchange: Exchange, known: Settings, hook: Posted) -> None:
    async def act(floor: Attended) -> None:
        await floor.step(12)
        cause = floor.clock.now()
        order = {"symbol": "BBB", "side": "buy", "qty": "7", "type": "market", "time_in_force": "day"}
        httpx.post(f"{exchange.url}/sim/manual", json={"order": order}).raise_for_status()
        assert await floor.told(hook, "positions differ", "POSITIONS_DIFFER", cause) <= LIMIT
        assert hook.when("foreign order") is not None
        assert floor.books.positions == {"BBB": 7}

    played(exchange, known, act)


def test_a_broker_without_an_answer_is_told_after_half_a_minute_and_again(exchange: Exchange, known: Settings, hook: Posted) -> None:
    """That long it may be a hiccup; protection rests at the broker meanwhile."""

    async def act(floor: Attended) -> None:
        await floor.held()
        cause = floor.clock.now()
        exchange.inject(kind="rest.status", status=503, path="/v2/*", times=0)
        await floor.step(45)
        assert await floor.told(hook, "broker silent", "BROKER_SILENT", cause) <= 30 + LIMIT
        assert floor.protected()

    played(exchange, known, act)


def test_a_session_that_ends_by_an_error(tmp_path: Path, hook: Posted) -> None:
    with Exchange(stepped=False, speed=1.0, start=(9, 44)) as exchange:
        settings = sim_settings(exchange.url, tmp_path / "home", alert_webhook=hook.url)
        home_of(settings)

        async def run() -> None:
            attended = Session(settings)
            running = asyncio.create_task(attended.run(Console(quiet=True)))
            await asyncio.wait_for(attended.session.runner.armed.wait(), 30)
            (part,) = [task for task in asyncio.all_tasks() if task.get_name() == "Oversight.run"]
            part.cancel()
            await running

        with pytest.raises(DaybotError, match=r"Oversight\.run ended: CancelledError"):
            asyncio.run(run())
        assert not settings.socket.exists()
    assert hook.when("the session ended by an error") is not None
