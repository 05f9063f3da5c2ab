"""Each rule of each shipped strategy, one at a time: a bar that fits is wished for, and a single thing that does not fit ends the wish."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import briefing_of
from recorded import recorded

from pipelines import roster
from pipelines.core.backtest.lookahead import wishes
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.strategies.momentum import Momentum
from pipelines.core.strategies.orb import OpeningRange
from pipelines.core.strategies.reversion import Reversion
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Leave, Strategy, View
from pipelines.research import invented

HOURS = briefing_of(["AAPL"]).hours

USUAL = {
    "ema_9": 100.0, "ema_21": 100.0, "ema_50": 100.0, "atr_14": 0.1, "rsi_14": 50.0, "bb_lower": 99.0, "bb_middle": 100.0, "bb_upper": 101.0,
    "vwap": 100.0, "relative_volume": 1.0, "range_high": 100.5, "range_low": 99.5,
}  # fmt: skip
QUIET = Indicators(**dict.fromkeys(Indicators._fields, math.nan) | USUAL)


def view(close: float, last: float | None = 100.0, minute: int = 60, position: int = 0, entries: int = 0, **changes: float) -> View:
    """A bar that begins at `last` and ends at `close`; `high` and `low` are the bar's, everything else in `changes` an indicator."""
    first = 100.0 if last is None else last
    high, low = changes.pop("high", max(first, close)), changes.pop("low", min(first, close))
    bar = Bar("AAPL", HOURS.open + minute * MINUTE, first, high, low, close, 1_000, close, 10)
    return View(bar, last, QUIET._replace(**changes), HOURS, position, 100.0 if position else 0.0, entries)


def mirrored(seen: View) -> View:
    """The same market upside down, around 100."""

    def turned(price: float) -> float:
        return 200.0 - price

    bar, now = seen.bar, seen.indicators
    prices = {"open": turned(bar.open), "high": turned(bar.low), "low": turned(bar.high), "close": turned(bar.close), "vwap": turned(bar.vwap)}
    falling = now._replace(
        **{name: turned(getattr(now, name)) for name in ("ema_9", "ema_21", "ema_50", "vwap", "bb_middle")},
        bb_lower=turned(now.bb_upper), bb_upper=turned(now.bb_lower), range_high=turned(now.range_low), range_low=turned(now.range_high),
        rsi_14=100 - now.rsi_14,
    )  # fmt: skip
    last = None if seen.last_close is None else turned(seen.last_close)
    return msgspec.structs.replace(seen, bar=msgspec.structs.replace(bar, **prices), last_close=last, indicators=falling, position=-seen.position)


BREAKOUT: dict[str, Any] = {"close": 100.6, "last": 100.4, "ema_9": 100.3, "ema_21": 100.2, "rsi_14": 65.0, "relative_volume": 1.6}
FALLEN: dict[str, Any] = {"close": 98.6, "last": 98.7, "high": 98.7, "low": 98.2, "rsi_14": 20.0}

RULES: list[tuple[Strategy, dict[str, Any], list[dict[str, Any]]]] = [
    (
        Momentum(),
        BREAKOUT,
        [
            {"close": 100.5},  # on the edge of the range, not above it
            {"last": 100.51},  # it was out already
            {"last": None},
            {"vwap": 100.7},  # below VWAP
            {"ema_9": 100.2},  # no trend
            {"rsi_14": 54.9},
            {"rsi_14": 80.1},
            {"relative_volume": 1.19},
            {"entries": 2},
            {"range_high": math.nan},
            {"rsi_14": math.nan},
            {"relative_volume": math.nan},
        ],
    ),
    (
        OpeningRange(),
        BREAKOUT,
        [
            {"close": 100.54},  # above the range, not by the margin of five hundredths of a per cent
            {"last": 100.56},
            {"last": None},
            {"relative_volume": 1.49},
            {"minute": 121},
            {"entries": 1},
            {"range_low": 97.0},  # wider than three per cent
            {"range_low": math.nan},
        ],
    ),
    (
        Reversion(),
        FALLEN,
        [
            {"close": 99.0, "high": 99.0, "low": 98.5},  # on the band, not below it
            {"vwap": 99.5},  # less than a half width away
            {"rsi_14": 25.1},
            {"low": 98.55},  # closed in its lower half
            {"minute": 29},
            {"minute": 330},
            {"entries": 2},
            {"vwap": math.nan},
            {"bb_lower": math.nan},
        ],
    ),
]

CASES = [(strategy, base, change) for strategy, base, changes in RULES for change in changes]


@pytest.mark.parametrize(("strategy", "base"), [(strategy, base) for strategy, base, _ in RULES], ids=lambda x: getattr(x, "name", ""))
def test_what_fits_is_wished_for_long_and_short_alike(strategy: Strategy, base: dict[str, Any]) -> None:
    up, down = strategy.on_bar(view(**base)), strategy.on_bar(mirrored(view(**base)))
    assert isinstance(up, Enter)
    assert isinstance(down, Enter)
    assert (up.side, down.side) == (Side.BUY, Side.SELL)
    assert (up.stop, up.target) == pytest.approx((down.stop, down.target))
    assert f"{base['close']:.2f}" in up.reason


@pytest.mark.parametrize(("strategy", "base", "change"), CASES, ids=[f"{s.name}-{c}" for s, _, c in CASES])
def test_one_thing_that_does_not_fit_ends_the_wish(strategy: Strategy, base: dict[str, Any], change: dict[str, Any]) -> None:
    assert strategy.on_bar(view(**base | change)) is None
    assert strategy.on_bar(mirrored(view(**base | change))) is None


@pytest.mark.parametrize(("strategy", "base"), [(strategy, base) for strategy, base, _ in RULES], ids=lambda x: getattr(x, "name", ""))
def test_short_sales_can_be_switched_off(strategy: Strategy, base: dict[str, Any]) -> None:
    longs = strategy.model_copy(update={"shorts": False})
    assert longs.on_bar(mirrored(view(**base))) is None
    assert longs.on_bar(view(**base)) is not None


def test_momentum_leaves_when_the_trend_has_turned_and_not_before() -> None:
    turned = {"close": 99.8, "ema_9": 99.9, "ema_21": 100.0}
    for seen in (view(position=10, **turned), mirrored(view(position=10, **turned))):
        assert isinstance(Momentum().on_bar(seen), Leave)
    assert Momentum().on_bar(view(position=10, **turned | {"vwap": 99.7})) is None
    assert Momentum().on_bar(view(position=10, **turned | {"ema_9": 100.1})) is None
    assert Momentum().on_bar(view(position=-10, **turned)) is None


def test_the_opening_ranges_stop_is_its_other_side_and_its_target_a_multiple_of_that() -> None:
    wish = OpeningRange(reward=3).on_bar(view(**BREAKOUT))
    assert isinstance(wish, Enter)
    assert (wish.stop, wish.target) == (pytest.approx(100.6 - 99.5), pytest.approx(3 * (100.6 - 99.5)))
    for close in (95.0, 105.0):
        assert OpeningRange().on_bar(view(close, position=10)) is None


def test_reversion_aims_at_vwap_and_leaves_there() -> None:
    wish = Reversion(risk=0.5).on_bar(view(**FALLEN))
    assert isinstance(wish, Enter)
    assert (wish.stop, wish.target) == (pytest.approx(0.7), pytest.approx(1.4))
    assert isinstance(Reversion().on_bar(view(100.0, position=10)), Leave)
    assert Reversion().on_bar(view(99.99, position=10)) is None
    assert isinstance(Reversion().on_bar(view(100.0, position=-10)), Leave)
    assert Reversion().on_bar(view(100.01, position=-10)) is None


@given(
    close=st.integers(-192, 192), last=st.integers(-192, 192), fast=st.floats(99, 101), slow=st.floats(99, 101), vwap=st.floats(99, 101),
    rsi=st.integers(0, 6_400), volume=st.floats(0, 4), minute=st.integers(15, 389), position=st.sampled_from([-5, 0, 5]),
)  # fmt: skip
@settings(max_examples=300)
def test_a_market_upside_down_gives_the_wish_upside_down(
    close: int, last: int, fast: float, slow: float, vwap: float, rsi: int, volume: float, minute: int, position: int
) -> None:
    """Prices and RSI are of 64ths, which a float holds exactly: so they are turned exactly, and a bar that closes in its middle is met."""
    seen = view(
        100 + close / 64, 100 + last / 64, minute, position, ema_9=fast, ema_21=slow, vwap=vwap, rsi_14=rsi / 64, relative_volume=volume,
        high=100 + max(close, last) / 64 + 0.375, low=100 + min(close, last) / 64 - 0.125,
    )  # fmt: skip
    for strategy in (Momentum(), OpeningRange(), Reversion()):
        wish, turned = strategy.on_bar(seen), strategy.on_bar(mirrored(seen))
        assert type(wish) is type(turned)
        if isinstance(wish, Enter) and isinstance(turned, Enter):
            assert wish.side is turned.side.opposite
            assert (wish.stop is None) == (turned.stop is None)


def test_on_a_real_day_signals_are_some_and_not_many() -> None:
    """A plausible number: each strategy speaks on some name, none more than its entries a name allow, all in the regular session."""
    briefing, bars = invented.recorded(recorded("minute/us_2019-02-11_15.parquet"))
    symbols = {bar.symbol for bar in bars}
    assert len(symbols) == 14
    total = 0
    for name, most in (("momentum", 2), ("orb", 1), ("reversion", 2)):
        said = [one for one in wishes(roster.allocate(name, {}).strategy, briefing, bars) if '["Enter"' in one.wish]
        total += len(said)
        assert len(said) <= most * len(symbols)
        assert all(briefing.hours.contains(one.start) for one in said)
        assert all(sum(one.symbol == symbol for one in said) <= most for symbol in symbols)
    assert total >= len(symbols) // 2
