"""A session under faults of the broker: what the venue's books say must hold whatever goes wrong (rows of the fault matrix in each test's name)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from desk import world
from floor import Floor, floor_settings, play

from live.sim.embedded import Exchange
from pipelines.core.trading.decisions import TradingState
from pipelines.settings import Settings


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """10:00; AAA and BBB stand at 100 dollars."""
    with Exchange(world(tmp_path, {"AAA": [100.0] * 390, "BBB": [100.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=0) as running:
        running.step_to(10, 0)
        yield running


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path) -> Settings:
    return floor_settings(exchange.url, tmp_path / "home")


def manual(exchange: Exchange, **what: Any) -> dict[str, Any]:
    answer = httpx.post(f"{exchange.url}/sim/manual", json=what)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_clean_session_is_protected_and_goes_home_flat(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        assert floor.protected()
        await floor.step_to(15, 44, by=600)
        await floor.step(120, by=5)

    floor = play(exchange, known, act)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert [c.quantity for c in floor.closed] == [100]
    assert floor.runner.oversight.flat
    assert set(floor.codes) <= {"FEED"}
