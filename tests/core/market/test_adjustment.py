"""Adjustment: no split fakes a return, no wealth appears, nothing is known before its time, and real adjusted prices come out."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.core.errors import DataError
from pipelines.core.market import indicators
from pipelines.core.market.adjustment import Dividends, adjusted, rescaled

START = date(2024, 1, 1)
DAYS = 30
LAST = START + timedelta(days=DAYS - 1)
RATIOS = (2.0, 3.0, 4.0, 1.5, 7.0, 0.1, 1 / 3)
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


def market(seed: int = 1, symbols: tuple[str, ...] = ("A", "B")) -> pl.DataFrame:
    """Daily bars without any action."""
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
        columns = {"symbol": [symbol] * DAYS, "session": [START + timedelta(days=i) for i in range(DAYS)], "open": close * 0.99, "high": close * 1.01}
        frames.append(pl.DataFrame(columns | {"low": close * 0.98, "close": close, "volume": rng.integers(1, 9999, DAYS) * 1.0, "vwap": close}))
    return pl.concat(frames)


def actions(*rows: tuple[str, str, int, float, float]) -> pl.DataFrame:
    """(symbol, kind, days after the start, ratio, cash); each learned on the day before its ex-date."""
    schema = {"symbol": pl.String, "kind": pl.String, "day": pl.Int64, "ratio": pl.Float64, "cash": pl.Float64}
    day = pl.duration(days=pl.col("day"))
    return (
        pl.DataFrame(list(rows), schema=schema, orient="row")
        .with_columns((pl.lit(START) + day).alias("ex_date"), (pl.lit(MOMENT) + day - pl.duration(days=1)).alias("learned_at"))
        .drop("day")
    )


@st.composite
def announced(draw: st.DrawFn) -> pl.DataFrame:
    """Any splits and dividends of A; B has none. Two reverse splits of ten to one still leave prices above any dividend."""
    days = st.integers(1, DAYS + 5)
    splits = draw(st.lists(st.tuples(days, st.sampled_from(RATIOS)), max_size=2))
    cash = draw(st.lists(st.tuples(days, st.floats(0.0, 0.1)), max_size=4))
    return actions(*[("A", "split", day, ratio, 0.0) for day, ratio in splits], *[("A", "dividend", day, 1.0, paid) for day, paid in cash])


def raw(true: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What the tape would show of a market whose true course is on today's scale: the opposite of adjusting, written row by row."""
    rows = []
    for row in true.iter_rows(named=True):
        factor = 1.0
        for action in known.filter((pl.col("symbol") == row["symbol"]) & (pl.col("kind") == "split")).iter_rows(named=True):
            factor *= action["ratio"] if row["session"] < action["ex_date"] <= LAST else 1.0
        rows.append(row | {name: row[name] * factor for name in ("open", "high", "low", "close", "vwap")} | {"volume": row["volume"] / factor})
    return pl.DataFrame(rows, schema=true.schema)


@given(announced(), st.integers(0, 99))
@settings(max_examples=25)
def test_splits_disappear_wherever_they_fall(known: pl.DataFrame, seed: int) -> None:
    true = market(seed)
    assert_frame_equal(adjusted(raw(true, known), known, LAST).drop("scale"), true, rel_tol=1e-12)


@given(announced(), st.integers(1, DAYS), st.sampled_from([None, *Dividends]))
@settings(max_examples=25)
def test_twice_is_once_and_step_by_step_is_at_once(known: pl.DataFrame, day: int, dividends: Dividends | None) -> None:
    bars = raw(market(), known)
    once = adjusted(bars, known, LAST, dividends=dividends)
    assert_frame_equal(adjusted(once, known, LAST, dividends=dividends), once, check_exact=True)
    between = START + timedelta(days=day - 1)
    early = bars.filter(pl.col("session") <= between)
    assert_frame_equal(adjusted(adjusted(early, known, between), known, LAST), adjusted(early, known, LAST), rel_tol=1e-12)
    whole = adjusted(bars, known, LAST)
    later = pl.concat([adjusted(early, known, between), bars.filter(pl.col("session") > between).with_columns(pl.col("session").alias("scale"))])
    assert_frame_equal(adjusted(later, known, LAST).sort("symbol", "session"), whole, rel_tol=1e-12)


@given(announced())
@settings(max_examples=25)
def test_dollars_that_changed_hands_stay(known: pl.DataFrame) -> None:
    bars = raw(market(), known)
    after = adjusted(bars, known, LAST)
    for name in ("open", "high", "low", "close", "vwap"):
        np.testing.assert_allclose((after[name] * after["volume"]).to_numpy(), (bars[name] * bars["volume"]).to_numpy(), rtol=1e-12)


@given(announced(), st.data())
@settings(max_examples=25)
def test_a_part_adjusted_is_the_part_of_the_adjusted(known: pl.DataFrame, data: st.DataObject) -> None:
    bars = raw(market(), known)
    rows = data.draw(st.lists(st.integers(0, bars.height - 1), unique=True))
    assert_frame_equal(adjusted(bars[rows], known, LAST), adjusted(bars, known, LAST)[rows], check_exact=True)


@given(announced(), st.integers(0, DAYS - 1))
@settings(max_examples=25)
def test_nothing_is_known_before_its_time(known: pl.DataFrame, day: int) -> None:
    bars, asof = raw(market(), known), START + timedelta(days=day)
    bars = bars.filter(pl.col("session") <= asof)
    assert_frame_equal(adjusted(bars, known, asof), adjusted(bars, known.filter(pl.col("ex_date") <= asof), asof), check_exact=True)
    moment = MOMENT + timedelta(days=day - 3)
    heard = known.filter(pl.col("learned_at") <= moment)
    assert_frame_equal(adjusted(bars, known, asof, learned=moment), adjusted(bars, heard, asof), check_exact=True)
    assert adjusted(bars, known, asof, learned=MOMENT - timedelta(days=1)).drop("scale").equals(bars)


@given(announced())
@settings(max_examples=25)
def test_returns_with_cash_reinvested_are_what_a_holder_earned(known: pl.DataFrame) -> None:
    bars = raw(market(), known)
    own = adjusted(bars, known, LAST, dividends=Dividends.REINVESTED).filter(pl.col("symbol") == "A")["close"].to_numpy()
    tape = bars.filter(pl.col("symbol") == "A")["close"].to_list()
    for i in range(1, DAYS):
        today = known.filter(pl.col("ex_date") == START + timedelta(days=i))
        ratio = float(np.prod(today.filter(pl.col("kind") == "split")["ratio"].to_numpy()))
        worth = tape[i] * ratio + today.filter(pl.col("kind") == "dividend")["cash"].sum()
        assert own[i] / own[i - 1] == pytest.approx(worth / tape[i - 1], rel=1e-9)


def test_cash_subtracted_is_bought_shares_at_the_close_before() -> None:
    bars = market(symbols=("A",))
    close = bars["close"].to_list()
    after = adjusted(bars, actions(("A", "dividend", 10, 1.0, 2.0)), LAST, dividends=Dividends.SUBTRACTED)["close"].to_list()
    assert after[10:] == close[10:]
    assert after[10] / after[9] == pytest.approx(close[10] / (close[9] - 2.0), rel=1e-12)
    with pytest.raises(DataError, match="below the close"):
        adjusted(bars, actions(("A", "dividend", 10, 1.0, 999.0)), LAST, dividends=Dividends.SUBTRACTED)


@pytest.mark.parametrize(
    ("kind", "ratio", "cash"), [("split", 0.0, 0.0), ("split", float("nan"), 0.0), ("dividend", 1.0, -1.0), ("merger", 1.0, 0.0)]
)
def test_an_action_that_cannot_be_is_refused(kind: str, ratio: float, cash: float) -> None:
    with pytest.raises(DataError, match="mend the source of actions"):
        adjusted(market(), actions(("A", kind, 5, ratio, cash)), LAST)


def test_bars_from_a_later_scale_are_refused() -> None:
    with pytest.raises(DataError, match="raw bars"):
        adjusted(market(), actions(), START)


@given(st.sampled_from(RATIOS), st.integers(1, 60))
@settings(max_examples=25)
def test_a_rescaled_seed_is_the_seed_of_rescaled_bars(ratio: float, count: int) -> None:
    rng = np.random.default_rng(count)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, count)))
    here, there = indicators.fresh(), indicators.fresh()
    for i, price in enumerate(close):
        high, low, volume = price * 1.001, price * 0.999, float(rng.integers(1, 9999))
        indicators.step(here, 1, i - 3, high, low, price, volume, price)
        indicators.step(there, 1, i - 3, high / ratio, low / ratio, price / ratio, volume * ratio, price / ratio)
    np.testing.assert_allclose(rescaled(here, ratio), there, rtol=1e-9, atol=1e-12)


# Public record: ex-dates of splits (with their ratio) and of dividends (dollars a share as it then was).
APPLE = {"split": {"2000-06-21": 2, "2005-02-28": 2}, "dividend": {"2012-08-09": 2.65, "2012-11-07": 2.65, "2013-02-07": 2.65}}
MICROSOFT = {
    "split": {"2003-02-18": 2},
    "dividend": {"2003-02-19": 0.08, "2003-10-15": 0.16, "2004-08-23": 0.08, "2004-11-15": 3.08}
    | dict.fromkeys(("2005-02-15", "2005-05-16", "2005-08-15", "2005-11-15"), 0.08)
    | dict.fromkeys(("2006-02-15", "2006-05-15", "2006-08-15"), 0.09)
    | dict.fromkeys(("2006-11-14", "2007-02-13", "2007-05-15", "2007-08-14"), 0.1)
    | dict.fromkeys(("2007-11-13", "2008-02-19", "2008-05-13", "2008-08-19"), 0.11)
    | dict.fromkeys(("2008-11-18", "2009-02-17", "2009-05-19", "2009-08-18", "2009-11-17", "2010-02-16", "2010-05-18", "2010-08-17"), 0.13)
    | dict.fromkeys(("2010-11-16", "2011-02-15", "2011-05-17", "2011-08-16"), 0.16)
    | dict.fromkeys(("2011-11-15", "2012-02-14", "2012-05-15", "2012-08-14"), 0.2)
    | dict.fromkeys(("2012-11-13", "2013-02-19"), 0.23),
}


@pytest.mark.parametrize(("symbol", "record"), [("AAPL", APPLE), ("MSFT", MICROSOFT)])
def test_thirteen_years_of_real_prices_adjust_to_what_was_published(
    real: Callable[[str], pl.DataFrame], symbol: str, record: dict[str, dict[str, float]]
) -> None:
    bars = real("daily/wiki_raw_2000_2013").filter(pl.col("symbol") == symbol)
    bars = bars.with_columns(pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.date().alias("session"))
    rows = [
        (symbol, kind, date.fromisoformat(day), value if kind == "split" else 1.0, value if kind == "dividend" else 0.0)
        for kind, days in record.items()
        for day, value in days.items()
    ]
    known = pl.DataFrame(rows, schema=["symbol", "kind", "ex_date", "ratio", "cash"], orient="row", infer_schema_length=None)
    last = bars["session"][-1]
    after = adjusted(bars, known, last, dividends=Dividends.REINVESTED)
    # What was published stands on the scale of a later day.
    published = bars["adj_close"] * (bars["close"][-1] / bars["adj_close"][-1])
    assert (after["close"] / published - 1).abs().max() < 1e-12  # type: ignore[operator]  # a float column's maximum
    own = adjusted(bars, known, last).with_columns(pl.col("close").log().diff().alias("return"), bars["close"].log().diff().alias("tape"))
    days = own.filter(pl.col("session").is_in([date.fromisoformat(day) for day in record["split"]]))
    assert days.select(pl.col("return", "tape").abs() > 0.5).sum().row(0) == (0, len(record["split"]))
