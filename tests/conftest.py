"""What tests of every part share; the makers themselves are in `market.py`."""

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from market import SECTORS, briefing_of, day_bars, symbol_brief

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.bars import Bar

settings.register_profile("house", deadline=None)  # a machine that is busy with something else fails no test
settings.load_profile("house")

MAIN = sys.modules["__main__"]

OURS = {None, "", "localhost", "0.0.0.0", "::", "::1", socket.gethostname()}
"""Hosts that are this machine."""

SOAKING = 1800
"""Seconds that a soak may take on a busy machine. Its time-out is raised in whatever runs at that moment, and asyncio keeps it with the task: one in
the middle of a day looked like a session that hung.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A soak that names no time-out has its own."""
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SOAKING))


@pytest.fixture(scope="session", autouse=True)
def _this_machine_alone() -> Iterator[None]:
    """No test talks to another machine: what tries is refused at once, as by a network that is not there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _near(getattr(socket.socket, name), lambda asked: asked[-1]))
        patch.setattr(socket, "getaddrinfo", _near(socket.getaddrinfo, lambda asked: asked))
        yield


def _near(call: Callable[..., Any], address: Callable[[Any], Any]) -> Callable[..., Any]:
    """The call, where the address among its arguments is of this machine; one that is no pair is a path, a socket's in the file system."""

    def near(*asked: Any, **more: Any) -> Any:
        found = address(asked or (more["host"],))
        host = found[0] if isinstance(found, tuple) else "localhost"
        host = host.decode() if isinstance(host, bytes) else host  # as anyio asks
        if host not in OURS and not str(host).startswith("127."):
            raise PermissionError(f"tests talk to this machine alone, found {host}")
        return call(*asked, **more)

    return near


@pytest.fixture(autouse=True)
def _main_stays_main() -> Iterator[None]:
    """A page that Streamlit runs in this process takes the place of `__main__`, which a process spawned later would run."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture
def brief() -> Callable[..., SymbolBrief]:
    """Make one symbol's brief, changed where a test wants it."""
    return symbol_brief


@pytest.fixture
def briefing() -> Briefing:
    """A briefing of five tradable symbols for a full session."""
    return briefing_of(SECTORS)


@pytest.fixture
def day() -> Callable[..., list[Bar]]:
    """Make the minute bars of a session."""
    return day_bars
