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
