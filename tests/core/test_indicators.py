"""Indicators: equal to TA-Lib, and the same bits in batch and bar by bar."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.market import indicators
from pipelines.core.market.indicators import Indicators

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
OPENS = pl.DataFrame({"session": [OPEN.date(), OPEN.date() + timedelta(days=3)], "open": [OPEN, OPEN + timedelta(days=3)]})


def walk(bars: int, seed: int = 1, symbols: tuple[str, ...] = ("A",)) -> pl.DataFrame:
    """Minute bars of a random walk, `bars` minutes of one session a symbol."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, bars)))
        high, low = close * (1 + abs(rng.normal(0, 0.001, bars))), close * (1 - abs(rng.normal(0, 0.001, bars)))
        volume = rng.integers(0, 10_000, bars).astype(float)
        times = [OPEN + timedelta(minutes=i) for i in range(bars)]
        columns = {"symbol": [symbol] * bars, "timestamp": times, "high": high, "low": low, "close": close, "volume": volume}
        frames.append(pl.DataFrame(columns | {"vwap": (high + low + close) / 3}))
    return pl.concat(frames)


def stepped(bars: pl.DataFrame) -> tuple[list[Indicators], list[float]]:
    """One symbol's bars through `step`, one by one, as the engine does it."""
    state, values = indicators.fresh(), []
    day = (OPEN.date() - datetime(1970, 1, 1).date()).days
    for row in bars.iter_rows(named=True):
        minute = int((row["timestamp"] - OPEN).total_seconds() // 60)
        values.append(indicators.step(state, day, minute, row["high"], row["low"], row["close"], row["volume"], row["vwap"]))
    return values, state


REFERENCES = {
    "ema_9": lambda h, lo, c: talib.EMA(c, 9),
    "ema_21": lambda h, lo, c: talib.EMA(c, 21),
    "ema_50": lambda h, lo, c: talib.EMA(c, 50),
    "atr_14": lambda h, lo, c: talib.ATR(h, lo, c, 14),
    "rsi_14": lambda h, lo, c: talib.RSI(c, 14),
    "bb_upper": lambda h, lo, c: talib.BBANDS(c, 20, 2.0, 2.0)[0],
    "bb_middle": lambda h, lo, c: talib.BBANDS(c, 20, 2.0, 2.0)[1],
    "bb_lower": lambda h, lo, c: talib.BBANDS(c, 20, 2.0, 2.0)[2],
}


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_talib_from_its_first_value_on(name: str) -> None:
    bars = walk(1_000)
    ours = indicators.minutes(bars.head(390), OPENS).frame[name].to_numpy()
    high, low, close = (bars.head(390)[c].to_numpy() for c in ("high", "low", "close"))
    theirs = REFERENCES[name](high, low, close)
    assert (np.isnan(ours) == np.isnan(theirs)).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 120))
@settings(max_examples=40, deadline=None)
def test_batch_and_bar_by_bar_give_the_same_bits(seed: int, bars: int) -> None:
    frame = walk(bars, seed, ("A", "B"))
    batch = indicators.minutes(frame, OPENS)
    for symbol in ("A", "B"):
        values, state = stepped(frame.filter(pl.col("symbol") == symbol))
        ours = batch.frame.filter(pl.col("symbol") == symbol).select(Indicators._fields).to_numpy()
        assert np.array_equal(np.array(values), ours, equal_nan=True)
        assert np.array_equal(np.array(state), np.array(batch.seeds[symbol]), equal_nan=True)


def test_a_seed_goes_on_where_the_night_left_off() -> None:
    bars = walk(200)
    whole, _ = stepped(bars)
    state = list(indicators.minutes(bars.head(120), OPENS).seeds["A"])
    day = (OPEN.date() - datetime(1970, 1, 1).date()).days
    row = bars.row(120, named=True)
    after = indicators.step(state, day, 120, row["high"], row["low"], row["close"], row["volume"], row["vwap"])
    assert after == whole[120]


def test_vwap_is_turnover_over_volume_since_the_open_and_starts_anew_each_session() -> None:
    first = walk(30)
    second = walk(30, seed=2).with_columns(pl.col("timestamp") + timedelta(days=3))
    both = indicators.minutes(pl.concat([first, second]), OPENS).frame
    for bars in (first, second):
        turnover, volume = (bars["vwap"] * bars["volume"]).cum_sum(), bars["volume"].cum_sum()
        ours = both.filter(pl.col("timestamp").is_in(bars["timestamp"].to_list()))["vwap"]
        assert ours.to_list() == pytest.approx((turnover / volume).to_list(), rel=1e-12)


def test_the_opening_range_is_known_after_fifteen_minutes_and_leaves_out_what_came_before_the_open() -> None:
    early = walk(10, seed=3).with_columns(pl.col("timestamp") - timedelta(minutes=30), pl.col("high") * 2)
    bars = walk(60)
    frame = indicators.minutes(pl.concat([early, bars]), OPENS).frame.filter(pl.col("timestamp") >= OPEN)
    opening = bars.head(15)
    assert frame["range_high"].head(15).is_nan().all()
    assert frame["range_high"].slice(15).unique().to_list() == [opening["high"].max()]
    assert frame["range_low"].slice(15).unique().to_list() == [opening["low"].min()]


def test_relative_volume_compares_with_the_twenty_bars_before() -> None:
    bars = walk(40)
    ours = indicators.minutes(bars, OPENS).frame["relative_volume"]
    volume = bars["volume"]
    assert ours.head(20).is_nan().all()
    assert ours[30] == pytest.approx(volume[30] / volume.slice(10, 20).mean(), rel=1e-12)


def test_a_flat_price_has_a_range_of_zero_and_no_strength() -> None:
    bars = walk(40).with_columns(pl.lit(100.0).alias(c) for c in ("high", "low", "close", "vwap"))
    last = indicators.minutes(bars, OPENS).frame.row(-1, named=True)
    assert (last["atr_14"], last["rsi_14"], last["bb_upper"], last["bb_lower"]) == (0.0, 0.0, 100.0, 100.0)
    assert last["rsi_14"] == talib.RSI(np.full(40, 100.0), 14)[-1]


def test_a_bar_on_a_day_that_is_no_session_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-11-21"):
        indicators.minutes(walk(5).with_columns(pl.col("timestamp") + timedelta(days=1)), OPENS)


def test_no_value_before_its_warm_up() -> None:
    values, _ = stepped(walk(60))
    warm = {name: next(i for i, v in enumerate(values) if not math.isnan(getattr(v, name))) for name in Indicators._fields}
    assert warm | {"vwap": 0} == {
        "ema_9": 8,
        "ema_21": 20,
        "ema_50": 49,
        "atr_14": 14,
        "rsi_14": 14,
        "bb_lower": 19,
        "bb_middle": 19,
        "bb_upper": 19,
        "vwap": 0,
        "relative_volume": 20,
        "range_high": 15,
        "range_low": 15,
    }
