"""One real demo run for all tests of this folder that look at what a session leaves behind."""

import pytest
from commands import Ran, daybot


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """`daybot demo`, once, on the generated market."""
    return daybot("demo", home=tmp_path_factory.mktemp("demo") / "home")
