"""The vectorised screen says the same of a bar as `core.market.bars.checked`; suspicious bars are told from wild but real ones."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import BadBar
from pipelines.core.market.bars import Bar, checked
from pipelines.vendors.screen import screen, suspicious
from pipelines.vendors.source import BARS

DAY = date(2024, 6, 18)
STAMP = datetime(2024, 6, 18, 14, 0, tzinfo=UTC)
price = st.one_of(st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 10.0]), st.floats(9, 11))


def frame(*bars: tuple[float, float, float, float, float]) -> pl.DataFrame:
    rows = [(f"S{i}", STAMP, *bar, None, None, "iex") for i, bar in enumerate(bars)]
    return pl.DataFrame(rows, schema=BARS, orient="row")


@given(st.lists(st.tuples(price, price, price, price, st.sampled_from([-1.0, 0.0, 5.0, float("nan")])), min_size=1, max_size=20))
def test_screen_and_checked_agree(bars: list[tuple[float, float, float, float, float]]) -> None:
    def passes(bar: tuple[float, float, float, float, float]) -> bool:
        try:
            checked(Bar("S", 0, *bar, 10.0, 1))
        except BadBar:
            return False
        return True

    expected = [f"S{i}" for i, bar in enumerate(bars) if passes(bar)]
    split = screen(frame(*bars), [DAY])
    assert split.good["symbol"].to_list() == expected
    assert split.good.height + split.bad.height == len(bars)
    assert split.bad["reason"].null_count() == 0


def test_second_copy_of_a_bar_and_a_strange_day_are_set_aside() -> None:
    good = frame((10, 10, 10, 10, 5))
    split = screen(pl.concat([good, good]), [DAY])
    assert (split.good.height, split.bad["reason"].to_list()) == (1, ["the same symbol and start twice"])
    strange = screen(good, [date(2024, 6, 17)])
    assert strange.bad["session"].to_list() == [date(2024, 6, 17)]


@pytest.mark.skipif("DAYBOT_DATA" not in os.environ, reason="DAYBOT_DATA does not name the folder of real market data")
def test_real_splits_are_found_and_the_real_crash_is_not_one() -> None:
    path = Path(os.environ["DAYBOT_DATA"]) / "daily" / "wiki_raw_2000_2013.parquet"
    bars = pl.read_parquet(path).with_columns(pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date().alias("session"))
    found = suspicious(bars)
    splits = set(found.filter(pl.col("what") == "possible split").select("symbol", "session").iter_rows())
    assert {("AAPL", date(2000, 6, 21)), ("AAPL", date(2005, 2, 28)), ("MSFT", date(2003, 2, 18))} <= splits
    assert ("AAPL", date(2000, 9, 29)) not in splits
    assert ("AAPL", date(2000, 9, 29), "jump") in set(found.select("symbol", "session", "what").iter_rows())


@pytest.mark.skipif("DAYBOT_DATA" not in os.environ, reason="DAYBOT_DATA does not name the folder of real market data")
def test_real_lost_digits_are_found_or_refused() -> None:
    path = Path(os.environ["DAYBOT_DATA"]) / "daily" / "sp500_2012_2017_adjusted.parquet"
    raw = pl.read_parquet(path).filter(pl.col("symbol").is_in(["AVB", "HUM", "PXD", "SLG"]))
    shaped = raw.with_columns(pl.lit(None, pl.Float64).alias("vwap"), pl.lit(None, pl.Int64).alias("trades"), pl.lit("files").alias("feed"))
    shaped = shaped.select(pl.col(name).cast(kind) for name, kind in BARS.items())
    sessions = shaped["timestamp"].dt.convert_time_zone("America/New_York").dt.date().unique().sort().to_list()
    refused = screen(shaped, sessions).bad
    caught = set(refused.select("symbol", "session").iter_rows()) | set(
        suspicious(screen(shaped, sessions).good).select("symbol", "session").iter_rows()
    )
    lost = {
        ("AVB", date(2012, 11, 19)),
        ("AVB", date(2012, 12, 21)),
        ("PXD", date(2013, 1, 2)),
        ("PXD", date(2013, 8, 5)),
        ("PXD", date(2014, 1, 22)),
    }
    assert lost | {("HUM", date(2014, 2, 27)), ("SLG", date(2014, 3, 4))} <= caught
