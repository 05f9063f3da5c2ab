"""What tests of every part share; the makers themselves are in `market.py`."""

import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from market import SECTORS, briefing_of, day_bars, symbol_brief

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.bars import Bar

settings.register_profile("house", deadline=None)  # a machine that is busy with something else fails no test
settings.load_profile("house")

MAIN = sys.modules["__main__"]

SOAKING = 1800
"""Seconds that a soak may take on a busy machine. Its time-out is raised in whatever runs at that moment, and asyncio keeps it with the task: one in
the middle of a day looked like a session that hung.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A soak that names no time-out has its own."""
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SOAKING))


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
