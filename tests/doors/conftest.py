"""One running session, or both doors of one that nobody runs, for the tests of a file: each leaves them as they were."""

from collections.abc import Iterator

import pytest
from desk import world
from house import House
from manned import Manned

from live.sim.embedded import Exchange


@pytest.fixture(scope="module")
def manned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manned]:
    folder = tmp_path_factory.mktemp("manned")
    market = world(folder, {"AAA": [100.0] * 390, "BBB": [100.0] * 390})
    with Exchange(market, stepped=True, partial_rate=0.0, rate_limit=0) as exchange:
        exchange.step_to(9, 40)
        with Manned(exchange, folder / "home") as session:
            yield session


@pytest.fixture
def session(manned: Manned) -> Iterator[Manned]:
    """The session, and again as it was."""
    yield manned
    if manned.books.positions or manned.books.open or manned.get("/status").json()["state"] != "active":
        manned.flat()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"), server_rate=100_000)
    with made.served():
        yield made


@pytest.fixture
def house(opened: House) -> House:
    opened.desk.runner.queue._events.clear()
    opened.desk.given.clear()
    opened.settings.tokens.unlink(missing_ok=True)
    return opened
