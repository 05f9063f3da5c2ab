"""Real market data, where this machine has it; and no network, which nothing in core may ask for."""

import socket
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from recorded import recorded


@pytest.fixture(scope="session")
def real() -> Callable[[str], pl.DataFrame]:
    """Read one file of real bars; the test is skipped where they are missing, as they are on most machines (their licences keep them out)."""

    def read(name: str) -> pl.DataFrame:
        return pl.read_parquet(recorded(f"{name}.parquet"))

    return read


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*asked: Any) -> None:
        raise AssertionError(f"expected no network in core, found a connection to {asked[1:]}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
