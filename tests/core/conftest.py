"""Real market data, where this machine has it."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real() -> Callable[[str], pl.DataFrame]:
    """Read one file of real bars; the test is skipped where they are missing, as they are on most machines (their licences keep them out)."""

    def read(name: str) -> pl.DataFrame:
        path = DATA / f"{name}.parquet"
        if not path.exists():
            pytest.skip(f"needs real market data in {path}")
        return pl.read_parquet(path)

    return read
