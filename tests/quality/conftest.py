"""Real bars, where this machine has them."""

from collections.abc import Callable

import polars as pl
import pytest
from recorded import recorded

from pipelines.core.market.session import NEW_YORK


@pytest.fixture(scope="session")
def real() -> Callable[[str], pl.DataFrame]:
    """Read one file of real bars with their session; skipped where they are missing, as on most machines (their licences keep them out)."""

    def read(name: str) -> pl.DataFrame:
        path = recorded(f"{name}.parquet")
        local = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date()
        frame = pl.read_parquet(path).with_columns(local.alias("session")).sort("symbol", "timestamp")
        return frame.with_columns(pl.col("volume").cast(pl.Float64)) if "volume" in frame.columns else frame

    return read
