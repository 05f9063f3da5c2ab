"""The lake in an S3 bucket: the same code against a real server that speaks S3 (moto, in a process of its own)."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines import publish
from pipelines.core.errors import MissingData
from pipelines.defs.resources import DayBot
from pipelines.lake.actions import Register
from pipelines.lake.bars import Lake
from pipelines.lake.storage import storage
from pipelines.settings import Settings
from pipelines.vendors import calendar
from pipelines.vendors.source import ACTIONS, BARS

NEEDED = [name for name in ("moto", "flask_cors", "obstore") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"needs the extras s3 and dev: {', '.join(NEEDED)} not installed")

DAY = date(2024, 6, 18)
MOMENT = datetime(2024, 6, 19, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server with an empty bucket `lake`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "MOTO_SERVICE": "s3"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/lake", method="PUT"), timeout=5)
                break
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A prefix of its own for each test; keys and address by the environment, as in production."""
    given = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true", "AWS_ENDPOINT_URL": server}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return f"s3://lake/{request.node.name}"


def bars(day: date, close: float, *symbols: str) -> pl.DataFrame:
    rows = [(symbol, datetime(day.year, day.month, day.day, 4, tzinfo=UTC), *[close] * 4, 100.0, None, 1, "iex") for symbol in symbols]
    return pl.DataFrame(rows, schema=BARS, orient="row")


def work(settings: Settings) -> None:
    """A few evenings: more sessions than one, revisions, a gap, refused rows, many small answers."""
    window, none = calendar.trailing(DAY, 4), bars(DAY, 1.0).with_columns(pl.lit("").alias("reason"))
    for hour in range(3):
        lake = Lake(settings, lambda hour=hour: MOMENT + timedelta(hours=hour))  # type: ignore[misc]
        for day in window[1:]:
            refused = bars(day, -1.0, "C").with_columns(pl.lit("not above zero").alias("reason"))
            lake.put("day", day, "iex", bars(day, 10.0 + (hour == 1), "A", "B"), refused, ["A", "B", "C"])
    for minute in range(20):
        lake = Lake(settings, lambda minute=minute: MOMENT + timedelta(hours=5, minutes=minute))  # type: ignore[misc]
        lake.put("day", DAY, "iex", bars(DAY, 20.0, f"S{minute}"), none, [f"S{minute}"])
    split = pl.DataFrame([("A", "split", DAY, 2.0, 0.0, "test")], schema=ACTIONS, orient="row")
    for day in range(20):
        Register(settings, lambda day=day: MOMENT + timedelta(days=day)).put("iex", split, ["A"], DAY - timedelta(9), DAY + timedelta(day))  # type: ignore[misc]


def views(settings: Settings) -> list[pl.DataFrame]:
    """Everything that can be asked."""
    lake, window = Lake(settings), calendar.trailing(DAY, 4)
    shown = [
        publish.bars(settings, "day", window[first], window[last], view=view, asof=asof)
        for first, last in ((0, 3), (1, 2), (2, 2))
        for view in ("latest", "first")
        for asof in (None, MOMENT)
    ]
    refused = lake.refused("day", window[0], window[-1], "iex")
    assert refused is not None
    asked = pl.DataFrame([(",".join(symbols), str(days)) for symbols, days in lake.missing("day", window, "iex", ["A", "S3", "X"])], orient="row")
    register = Register(settings)
    return [*shown, refused, asked, publish.feeds(settings, "day", window[0], window[-1]), register.known("iex"), register.known("iex", asof=MOMENT)]


def test_a_bucket_holds_and_says_what_a_folder_does(bucket: str, tools: Callable[..., DayBot]) -> None:
    far, near = tools(daybot_lake=bucket).settings, tools().settings
    for settings in (far, near):
        work(settings)
    for found, known in zip(views(far), views(near), strict=True):
        assert_frame_equal(found, known)
    listed = [storage(settings).files("bars/resolution=day", "session=2024-01-01", "session=2025-01-01") for settings in (far, near)]
    assert listed[0] == listed[1]


def test_an_empty_bucket_says_that_nothing_is_there(bucket: str, tools: Callable[..., DayBot]) -> None:
    with pytest.raises(MissingData, match="s3://lake"):
        publish.bars(tools(daybot_lake=bucket).settings, "day", DAY, DAY)
