"""Real market data, where this machine has it."""

from collections.abc import Callable

import polars as pl
import pytest
from recorded import recorded


@pytest.fixture(scope="session")
def real() -> Callable[[str], pl.DataFrame]:
    """Read one file of real bars; the test is skipped where they are missing, as they are on most machines (their licences keep them out)."""

    def read(name: str) -> pl.DataFrame:
        return pl.read_parquet(recorded(f"{name}.parquet"))

    return read
