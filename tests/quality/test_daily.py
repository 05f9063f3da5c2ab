"""Gates of daily bars: planted defects are found, and rough but clean markets raise no alarm."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walks import bars, changed, walks

from pipelines.core.market.adjustment import adjusted
from pipelines.core.quality import agreement, coverage, prices, splits
from pipelines.vendors import calendar

DAYS = 120
WINDOW = calendar.trailing(date(2024, 6, 18), DAYS)
ACTIONS = {"symbol": pl.String, "kind": pl.String, "ex_date": pl.Date, "ratio": pl.Float64, "cash": pl.Float64}
NONE = pl.DataFrame(schema=ACTIONS)
PRICES = ("open", "high", "low", "close")


def split(frame: pl.DataFrame, symbol: str, day: date, ratio: float) -> pl.DataFrame:
    """The same market with a split: prices fall and volumes rise from that day on."""
    after = (pl.col("symbol") == symbol) & (pl.col("session") >= day)
    cut = [pl.when(after).then(pl.col(name) / ratio).otherwise(name).alias(name) for name in PRICES]
    return frame.with_columns(*cut, pl.when(after).then(pl.col("volume") * ratio).otherwise("volume").alias("volume"))


def actions(*rows: tuple[str, date, float]) -> pl.DataFrame:
    return pl.DataFrame([(symbol, "split", day, ratio, 0.0) for symbol, day, ratio in rows], schema=ACTIONS, orient="row")


@given(seed=st.integers(0, 2**32 - 1), at=st.integers(1, DAYS - 1), ratio=st.sampled_from([1.5, 2.0, 4.0, 10.0, 0.125]))
@settings(max_examples=60)
def test_a_rough_clean_market_raises_no_alarm(seed: int, at: int, ratio: float) -> None:
    """Fat tails, days of 20 % either way, and a split that the table knows: raw as the lake has it, and adjusted as models see it."""
    known = actions(("S00", WINDOW[at], ratio))
    market = split(walks(seed, DAYS), "S00", WINDOW[at], ratio)
    assert prices.bad_ticks(market).is_empty()
    assert splits.unexplained(market, known).is_empty()
    assert coverage.gaps(market, WINDOW).is_empty()
    assert coverage.stale(market, WINDOW).is_empty()
    assert agreement.steps(market).is_empty()
    whole = adjusted(market, known, WINDOW[-1])
    assert prices.bad_ticks(whole).is_empty()
    assert splits.unexplained(whole, NONE).is_empty()
    assert prices.jumps(whole).is_empty()


@given(seed=st.integers(0, 2**32 - 1), at=st.integers(0, DAYS - 1), name=st.sampled_from(PRICES), power=st.sampled_from([-3, -2, -1, 1, 2]))
@settings(max_examples=60)
def test_a_price_that_lost_or_gained_a_digit_is_found_also_on_the_last_day(seed: int, at: int, name: str, power: int) -> None:
    market = walks(seed, DAYS, 2)
    spoiled = changed(market, at, **{name: pl.col(name) * 10.0**power})
    found = prices.bad_ticks(spoiled)
    what = "lost digit" if power < 0 else "added digit"
    assert found.select("symbol", "session", "price").rows() == [("S00", WINDOW[at], name)]
    assert found["what"].item() in {what, "bad tick"}, "beside a move of 20 % it need not look like a power of ten"


def test_a_leading_digit_and_a_digit_in_the_middle_are_missed_as_well() -> None:
    n = 30
    flat = np.full(n, 19.9)
    market = bars("A", WINDOW[:n], flat, flat + 0.2, flat - 0.2, flat, np.full(n, 1e6))
    for value in (9.9, 1.99, 1.9):
        assert prices.bad_ticks(changed(market, 12, low=pl.lit(value)))["what"].to_list() == ["lost digit"], value
    assert prices.bad_ticks(changed(market, 12, low=pl.lit(11.0))).is_empty(), "a low of half the price is a bad day, not a bad print"
    assert prices.bad_ticks(changed(market, 12, high=pl.lit(60.0)))["what"].to_list() == ["bad tick"]
    whole = {name: pl.lit(47.0) for name in PRICES}
    assert prices.bad_ticks(changed(market, 12, **whole)).select("what", "price").rows() == [("bad bar", "all")]
    assert prices.bad_ticks(changed(market, n - 1, **whole)).is_empty(), "on the last day nobody can tell it from a real jump"


def test_the_gate_of_digits_names_the_worst() -> None:
    market = changed(walks(3, DAYS, 3), 40, low=pl.col("low") / 100)
    verdict = prices.digits(market)
    assert not verdict.passed
    assert verdict.numbers["bad"] == 1
    assert f"S00 {WINDOW[40]} lost digit low" in verdict.detail
    assert prices.digits(walks(3, DAYS, 3)).passed


@given(seed=st.integers(0, 2**32 - 1), at=st.integers(30, DAYS - 1), ratio=st.sampled_from([2.0, 3.0, 5.0, 10.0, 0.1, 1.5]))
@settings(max_examples=60)
def test_a_split_that_the_table_does_not_know_is_found_on_a_usual_day(seed: int, at: int, ratio: float) -> None:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.015, DAYS)))
    start = np.concatenate([[50], close[:-1]]) * np.exp(rng.normal(0, 0.008, DAYS))
    calm = bars("A", WINDOW, start, np.maximum(start, close) * 1.01, np.minimum(start, close) * 0.99, close, rng.lognormal(13, 0.2, DAYS))
    market = split(calm, "A", WINDOW[at], ratio)
    found = splits.unexplained(market, NONE)
    assert found.select("symbol", "session", "what").rows() == [("A", WINDOW[at], "unknown split")]
    assert found["prices"].item() == pytest.approx(ratio, rel=0.06)
    assert splits.unexplained(market, actions(("A", WINDOW[at], ratio))).is_empty()
    assert set(splits.unexplained(calm, actions(("A", WINDOW[at], ratio)))["what"]) == {"split not in the prices"}


def test_news_of_the_size_of_a_split_is_none_and_a_split_to_come_is_not_missed() -> None:
    n, at = 60, 40
    close = np.where(np.arange(n) < at, 50.0, 25.0)
    volume = np.where(np.arange(n) == at, 2.2e7, 1e6)
    crash = bars("A", WINDOW[:n], close, close + 0.5, close - 0.5, close, volume)
    assert splits.unexplained(crash, NONE).is_empty()
    assert prices.jumps(crash).select("symbol", "session").rows() == [("A", WINDOW[at])]
    assert splits.unexplained(crash, actions(("A", WINDOW[n], 3.0))).is_empty()
    weekend = actions(("A", WINDOW[at - 1], 2.0))
    assert splits.unexplained(crash.filter(pl.col("session") != WINDOW[at - 1]), weekend).is_empty(), "no bar on the ex-date: seen on the next one"
    assert not splits.splits(crash, actions(("A", WINDOW[at], 4.0))).passed


def test_gaps_are_counted_from_the_first_bar_and_to_the_last_session() -> None:
    market = walks(1, DAYS, 3)
    late = (pl.col("symbol") == "S01") & (pl.col("session") < WINDOW[50])
    hole = (pl.col("symbol") == "S00") & pl.col("session").is_in(WINDOW[10:12])
    ended = (pl.col("symbol") == "S02") & (pl.col("session") >= WINDOW[-3])
    torn = market.filter(~(late | hole | ended))
    expected = [("S00", WINDOW[10]), ("S00", WINDOW[11]), *(("S02", day) for day in WINDOW[-3:])]
    assert coverage.gaps(torn, WINDOW).rows() == expected
    verdict = coverage.complete(torn, WINDOW)
    assert (verdict.passed, verdict.numbers["missing"], verdict.numbers["due"]) == (True, 5, 3 * DAYS - 50)
    assert coverage.stale(torn, WINDOW).rows() == [("S02", WINDOW[-4], "no bar since")]
    assert not coverage.complete(market.filter(pl.col("session") < WINDOW[-4]), WINDOW).passed
    assert not coverage.complete(market.clear(), WINDOW).passed


def test_bars_that_say_nothing_new_are_stale() -> None:
    market = walks(2, DAYS, 2)
    flat = {name: pl.lit(20.0) for name in PRICES} | {"volume": pl.lit(0.0)}
    market = changed(market, 10, **flat)
    market = changed(market, 20, volume=pl.lit(0.0))
    market = changed(market, 31, **{name: pl.col(name).shift(1) for name in (*PRICES, "volume")})
    whats = {(WINDOW[10], "no trade"), (WINDOW[20], "moved without a trade"), (WINDOW[31], "repeated")}
    assert set(coverage.stale(market, WINDOW).select("session", "what").iter_rows()) == whats
    assert not coverage.fresh(market, WINDOW).passed
    assert coverage.fresh(walks(2, DAYS, 2), WINDOW).passed


def test_two_feeds_in_one_series_are_found_with_and_without_their_names() -> None:
    market = walks(4, DAYS).with_columns(pl.lit("sip").alias("feed"))
    assert agreement.one_feed(market, market, "sip").passed
    early = pl.col("session") < WINDOW[60]
    named = market.with_columns(pl.when(early & (pl.col("symbol") == "S03")).then(pl.lit("iex")).otherwise("feed").alias("feed"))
    assert agreement.mixed(named).rows() == [("S03", ["iex", "sip"])]
    assert not agreement.one_feed(named, market, "sip").passed
    assert not agreement.one_feed(market, market.with_columns(pl.lit("iex").alias("feed")), "sip").passed
    unnamed = market.with_columns(pl.when(early).then(pl.col("volume") * 0.03).otherwise("volume").alias("volume"))
    assert WINDOW[60] in agreement.steps(unnamed)["session"].to_list()
    assert not agreement.one_feed(unnamed, market, "sip").passed
