"""What tests of the live side share: a venue that stands still, and one real demo run for all that look at what a session leaves behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Ran, daybot
from desk import world
from floor import floor_settings

from live.sim.embedded import Exchange
from pipelines.settings import Settings


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`daybot demo`, once, on the generated market."""
    return daybot("demo", home=tmp_path_factory.mktemp("demo") / "home")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """10:00; AAA and BBB stand at 100 dollars."""
    with Exchange(world(tmp_path, {"AAA": [100.0] * 390, "BBB": [100.0] * 390}), stepped=True, partial_rate=0.0, rate_limit=0) as running:
        running.step_to(10, 0)
        yield running


@pytest.fixture
def known(exchange: Exchange, tmp_path: Path) -> Settings:
    """Settings of a session at that venue."""
    return floor_settings(exchange.url, tmp_path / "home")
