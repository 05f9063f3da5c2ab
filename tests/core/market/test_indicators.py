"""Indicators: equal to TA-Lib, and the same bits in batch and bar by bar."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

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
    for row in bars.iter_rows(named=True):
        opening = row["timestamp"].replace(hour=14, minute=30)
        day, minute = (opening.date() - date(1970, 1, 1)).days, int((row["timestamp"] - opening).total_seconds() // 60)
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


# Where both sides round each step once they agree to the last digits; of the bands TA-Lib's are the less exact ones (sums of squares).
DIGITS = dict.fromkeys(REFERENCES, 1e-12) | {"bb_upper": 1e-10, "bb_middle": 1e-10, "bb_lower": 1e-10}


def agrees(ours: pl.DataFrame, name: str) -> None:
    """One symbol's column against TA-Lib on the same prices: the same bars without a value, the same values."""
    high, low, close = (ours[column].to_numpy() for column in ("high", "low", "close"))
    theirs = REFERENCES[name](high, low, close)
    assert (np.isnan(ours[name].to_numpy()) == np.isnan(theirs)).all()
    np.testing.assert_allclose(ours[name].to_numpy(), theirs, rtol=DIGITS[name])


@pytest.mark.parametrize("name", REFERENCES)
def test_it_equals_talib_from_its_first_value_on(name: str) -> None:
    agrees(indicators.days(walk(5_000)).frame, name)


def test_it_equals_talib_on_real_days(real: Callable[[str], pl.DataFrame]) -> None:
    """Ten names through five years; the ring's sums have been renewed sixty times by then."""
    bars = real("daily/sp500_2012_2017_adjusted").filter(pl.col("symbol").is_in(["AAPL", "SPY", "XOM", "JPM", "AMZN", "GE", "T", "KO", "VXX", "AVB"]))
    frame = indicators.days(bars.with_columns(pl.col("close").alias("vwap"))).frame
    for symbol in frame.partition_by("symbol"):
        for name in REFERENCES:
            agrees(symbol, name)


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 120))
@settings(max_examples=40)
def test_batch_and_bar_by_bar_give_the_same_bits(seed: int, bars: int) -> None:
    frame = walk(bars, seed, ("A", "B"))
    batch = indicators.minutes(frame, OPENS)
    for symbol in ("A", "B"):
        values, state = stepped(frame.filter(pl.col("symbol") == symbol))
        ours = batch.frame.filter(pl.col("symbol") == symbol).select(Indicators._fields).to_numpy()
        assert np.array_equal(np.array(values), ours, equal_nan=True)
        assert np.array_equal(np.array(state), np.array(batch.seeds[symbol]), equal_nan=True)


def test_real_minutes_give_the_same_bits_in_batch_and_bar_by_bar(real: Callable[[str], pl.DataFrame]) -> None:
    """A thin name (most minutes missing) and a busy one through a real week."""
    bars = real("minute/us_2019-02-11_15").filter(pl.col("symbol").is_in(["PPLT", "SPY"])).with_columns(pl.col("close").alias("vwap"))
    sessions = bars["timestamp"].dt.date().unique().sort()
    opens = pl.DataFrame({"session": sessions}).with_columns(pl.col("session").cast(pl.Datetime("us", "UTC")).dt.offset_by("14h30m").alias("open"))
    batch = indicators.minutes(bars, opens)
    for symbol in ("PPLT", "SPY"):
        values, state = stepped(bars.filter(pl.col("symbol") == symbol).sort("timestamp"))
        ours = batch.frame.filter(pl.col("symbol") == symbol).select(Indicators._fields).to_numpy()
        assert np.array_equal(np.array(values), ours, equal_nan=True)
        assert np.array_equal(np.array(state), np.array(batch.seeds[symbol]), equal_nan=True)


def test_a_bar_more_from_saved_states_is_the_recomputed_one_bit_for_bit() -> None:
    bars = walk(300, symbols=("A", "B", "C"))
    early, late = (bars.filter(pl.col("timestamp") < OPEN + timedelta(minutes=m)) for m in (200, 201))
    first = indicators.minutes(early, OPENS)
    one = indicators.minutes(late.filter(pl.col("timestamp") == OPEN + timedelta(minutes=200)), OPENS, first)
    whole = indicators.minutes(late, OPENS)
    assert one.frame.equals(whole.frame.filter(pl.col("timestamp") == OPEN + timedelta(minutes=200)), null_equal=True)
    assert np.array_equal(one.states, whole.states, equal_nan=True)


def test_rows_may_come_in_any_order() -> None:
    bars = walk(100, symbols=("A", "B"))
    assert indicators.minutes(bars.sample(fraction=1.0, shuffle=True, seed=1), OPENS).frame.equals(indicators.minutes(bars, OPENS).frame)


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


@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 70), early=st.integers(0, 30), missing=st.floats(0, 0.9))
@settings(max_examples=40)
def test_no_value_before_its_warm_up_and_one_at_every_bar_after_it(seed: int, bars: int, early: int, missing: float) -> None:
    """With volume in every bar; minutes may be missing, and bars come before the open."""
    frame = walk(bars, seed).with_columns(pl.col("timestamp") - timedelta(minutes=early), pl.col("volume") + 1)
    kept = frame.filter(pl.Series(np.random.default_rng(seed).random(bars) >= missing))
    values, _ = stepped(kept)
    session = [i for i, at in enumerate(kept["timestamp"]) if at >= OPEN]
    opening = [i for i in session if kept["timestamp"][i] < OPEN + timedelta(minutes=15)]
    for name, length in indicators.WARM_UP.items():
        known = [not math.isnan(getattr(v, name)) for v in values]
        if name == "vwap":
            assert known == [i in session for i in range(len(values))]
        elif name.startswith("range_"):
            assert known == [i in session and bool(opening) and i not in opening for i in range(len(values))]
        else:
            assert known == [i + 1 >= length for i in range(len(values))]


def test_every_indicator_says_how_long_it_takes() -> None:
    assert tuple(indicators.WARM_UP) == Indicators._fields


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e5), st.integers(21, 200))
@settings(max_examples=40)
def test_bands_keep_their_digits_at_any_price_and_after_a_digit_lost(seed: int, price: float, bars: int) -> None:
    """Against the plain two-pass formula: a close of a tenth passes through the window and leaves nothing behind."""
    frame = (
        walk(bars, seed)
        .with_columns(pl.col("close") * (price / 100))
        .with_columns(pl.when(pl.arange(pl.len()) == 5).then(0.1).otherwise(1.0) * pl.col("close"))
    )
    ours = indicators.days(frame).frame
    windows = np.lib.stride_tricks.sliding_window_view(frame["close"].to_numpy(), 20)
    width = ours["bb_upper"].to_numpy()[19:] - ours["bb_middle"].to_numpy()[19:]
    np.testing.assert_allclose(ours["bb_middle"].to_numpy()[19:], windows.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(width, 2 * windows.std(axis=1), rtol=1e-8)
