"""Gates of minutes: holes, bad prints, other vendors, and what was seen live."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.quality import agreement, coverage, prices
from pipelines.core.quality.coverage import MARKET_HALTS
from pipelines.vendors import calendar

FULL, EARLY = date(2024, 11, 26), date(2024, 11, 29)
PRICES = ("open", "high", "low", "close")


def hours(*days: date) -> pl.DataFrame:
    return calendar.calendar().filter(pl.col("session").is_in(list(days))).select("session", "open", "close")


def minutes(day: date, shares: dict[str, float], seed: int = 1) -> pl.DataFrame:
    """Regular minutes of a session; each symbol has a bar in about this share of them."""
    rng = np.random.default_rng(seed)
    start, close = hours(day).select("open", "close").row(0)
    frames = []
    for symbol, share in shares.items():
        times = [start + timedelta(minutes=i) for i in range(int((close - start).total_seconds() // 60)) if rng.random() < share]
        price = 100 * np.exp(np.cumsum(np.clip(rng.standard_t(3, len(times)) * 0.0007, -0.02, 0.02)))
        columns = {"symbol": [symbol] * len(times), "session": [day] * len(times), "timestamp": times, "open": price, "close": price}
        frames.append(pl.DataFrame(columns | {"high": price * 1.001, "low": price * 0.999, "volume": rng.lognormal(7, 1, len(times)).round() + 1}))
    return pl.concat(frames).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))


MARKET = {
    "BUSY": 1.0,
    "MOST": 0.98,
    "MANY": 0.9,
    "SOME": 0.5,
    "THIN": 0.1,
    "RARE": 0.01,
}  # the last one with a bar or two, which may lie side by side


@given(seed=st.integers(0, 2**32 - 1), early=st.booleans())
@settings(max_examples=40)
def test_minutes_without_a_trade_are_no_gap_however_thin_the_name(seed: int, early: bool) -> None:
    day = EARLY if early else FULL
    market = minutes(day, MARKET, seed)
    assert coverage.stretches(market, hours(day)).is_empty()
    assert prices.bad_ticks(market, "timestamp", prices.MINUTE_FACTOR).is_empty()


@pytest.mark.parametrize(("at", "long"), [(0, 20), (100, 6), (370, 20)], ids=["from the open", "amid", "to the close"])
def test_a_hole_in_a_busy_name_is_found_and_says_where(at: int, long: int) -> None:
    market, opening = minutes(FULL, MARKET), hours(FULL)["open"].item()
    gone = pl.col("timestamp").is_between(opening + timedelta(minutes=at), opening + timedelta(minutes=at + long), closed="left")
    found = coverage.stretches(market.filter(~((pl.col("symbol") == "BUSY") & gone)), hours(FULL))
    assert found.select("symbol", "start", "minutes").rows() == [("BUSY", opening + timedelta(minutes=at), long)]


def test_a_vendor_that_sent_nothing_for_a_while_is_told_from_thin_names() -> None:
    names = {f"N{i}": 0.97 for i in range(8)} | {"THIN": 0.05}
    market, opening = minutes(FULL, names), hours(FULL)["open"].item()
    torn = market.filter(~pl.col("timestamp").is_between(opening + timedelta(minutes=60), opening + timedelta(minutes=80), closed="left"))
    daily = market.group_by("symbol", "session").agg(pl.col("volume").sum())
    verdict = coverage.covered(torn, daily, hours(FULL))
    assert (verdict.passed, verdict.numbers["stretches"]) == (False, 8)
    assert coverage.covered(market, daily, hours(FULL)).passed


@pytest.mark.parametrize(("gone", "passed"), [(["THIN"], True), (["THIN", "N0"], False)])
def test_a_session_without_minutes_counts_for_whom_the_source_serves_on_other_days(gone: list[str], passed: bool) -> None:
    names = {f"N{i}": 0.97 for i in range(8)} | {"THIN": 0.05}
    both = pl.concat([minutes(EARLY, names), minutes(FULL, names)])
    daily = both.group_by("symbol", "session").agg(pl.col("volume").sum())
    served = both.filter(~(pl.col("symbol").is_in(gone) & (pl.col("session") == FULL)))
    verdict = coverage.covered(served, daily, hours(EARLY, FULL))
    assert (verdict.passed, verdict.numbers["absent"]) == (passed, len(gone)), "one may be halted"
    never = coverage.covered(both.filter(~pl.col("symbol").is_in(gone)), daily, hours(EARLY, FULL))
    assert (never.passed, never.numbers["absent"], never.numbers["unserved"]) == (True, 0, len(gone))
    assert f"{len(gone)} more have no minutes at all" in never.detail
    assert not coverage.covered(both.clear(), daily, hours(EARLY, FULL)).passed, "a source without any minute serves nobody"


def test_an_early_close_ends_the_day_and_a_halt_of_the_whole_market_is_no_hole() -> None:
    assert coverage.stretches(minutes(EARLY, MARKET), hours(EARLY)).is_empty()
    day = date(2020, 3, 12)
    market = minutes(day, MARKET)
    start, end = MARKET_HALTS.filter(pl.col("start").dt.date() == day).row(0)
    halted = market.filter(~pl.col("timestamp").is_between(start, end, closed="left"))
    assert coverage.stretches(halted, hours(day)).is_empty()
    assert set(coverage.stretches(halted, hours(day), MARKET_HALTS.clear())["symbol"]) >= {"BUSY", "MOST"}


def test_minutes_outside_the_day_and_twice_are_found() -> None:
    market = minutes(FULL, {"A": 1.0})
    assert coverage.inside(market).passed
    assert not coverage.inside(market.with_columns(pl.col("timestamp").dt.offset_by("12h"))).passed
    assert not coverage.inside(pl.concat([market, market.head(1)])).passed
    assert not coverage.inside(market.clear()).passed


def test_a_print_out_of_line_is_found_among_minutes() -> None:
    market = minutes(FULL, {"A": 1.0, "B": 0.5}).sort("symbol", "timestamp").with_row_index()
    spoiled = market.with_columns(pl.when(pl.col("index") == 50).then(pl.col("high") * 1.4).otherwise("high").alias("high"))
    found = prices.bad_ticks(spoiled, "timestamp", prices.MINUTE_FACTOR)
    assert found.select("symbol", "timestamp", "what", "price").rows() == [("A", market["timestamp"][50], "bad tick", "high")]


def test_minutes_and_days_on_two_scales_disagree() -> None:
    market = minutes(FULL, {"A": 1.0, "B": 0.5})
    daily = market.group_by("symbol", "session").agg(pl.col("close").last()).sort("symbol")
    assert agreement.scales(market, daily).passed
    halved = agreement.scales(
        market, daily.with_columns(pl.when(pl.col("symbol") == "A").then(pl.col("close") / 2).otherwise("close").alias("close"))
    )
    assert not halved.passed
    assert halved.detail.startswith("A ")


def daily(count: int, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = rng.uniform(5, 500, count)
    frame = pl.DataFrame(
        {"symbol": [f"S{i:03d}" for i in range(count)], "session": [FULL] * count, "close": close, "volume": rng.lognormal(13, 1, count)}
    )
    return frame.with_columns(pl.col("close").alias("open"), (pl.col("close") * 1.01).alias("high"), (pl.col("close") * 0.99).alias("low"))


def test_two_vendors_may_differ_a_little_and_on_few() -> None:
    ours = daily(200)
    rng = np.random.default_rng(2)
    near = ours.with_columns((pl.col(name) * pl.Series(np.exp(rng.normal(0, 0.001, 200)))).alias(name) for name in PRICES)
    single = near.with_columns(pl.col("volume") * 0.03)
    assert agreement.vendors(ours, single).passed, "one venue's volume is no disagreement"
    assert agreement.differences(ours, single).is_empty()
    scaled = single.with_columns(pl.when(pl.col("symbol") < "S010").then(pl.col(name) / 2).otherwise(name).alias(name) for name in PRICES)
    verdict = agreement.vendors(ours, scaled)
    assert (verdict.passed, verdict.numbers["apart"]) == (False, 10)
    lacking = agreement.vendors(ours, single.filter(pl.col("symbol") >= "S020"))
    assert (lacking.passed, lacking.numbers["only_ours"]) == (False, 20)
    extra = agreement.differences(ours.filter(pl.col("symbol") != "S000"), single)
    assert extra.select("symbol", "what").rows() == [("S000", "only theirs")]


def test_what_was_seen_live_is_measured_against_the_official_day() -> None:
    official = minutes(FULL, {"A": 1.0, "B": 0.8, "NOT FOLLOWED": 1.0})
    seen = official.filter(pl.col("symbol") != "NOT FOLLOWED")
    whole = agreement.lived(seen, official)
    assert (whole.passed, whole.numbers["missed"], whole.numbers["volume"]) == (True, 0, 1.0)
    start = seen["timestamp"].min() + timedelta(minutes=30)  # type: ignore[operator]
    joined_late = agreement.lived(seen.filter(pl.col("timestamp") >= start), official)
    assert joined_late.passed, "what came before the runner did is not due"
    gone = pl.col("timestamp").is_between(start, start + timedelta(minutes=40))
    torn = agreement.lived(seen.filter(~(gone & (pl.col("symbol") == "A"))), official)
    assert (torn.passed, torn.numbers["missed"]) == (False, 41)
    off = seen.with_columns(pl.when(gone).then(pl.col("close") * 1.002).otherwise("close").alias("close"))
    worse = agreement.lived(off, official)
    assert not worse.passed
    assert worse.worst is not None
    assert worse.worst["worst_bp"].max() == pytest.approx(20.0)
    thin = agreement.lived(seen.with_columns(pl.col("volume") * 0.9), official)
    assert not thin.passed
    assert thin.numbers["volume"] == pytest.approx(0.9)
    ghost = seen.head(1).with_columns(pl.lit(datetime(2024, 11, 26, 20, 59, 30, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")).alias("timestamp"))
    assert agreement.lived(pl.concat([seen, ghost]), official).numbers["extra"] == 1
    assert agreement.lived(seen.clear(), official).passed, "no session was run"
