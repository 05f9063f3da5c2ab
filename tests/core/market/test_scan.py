"""The watchlist ranks what is liquid, moving and unusual, and says so in words."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.market.scan import WEIGHTS, watchlist


def features(**changes: object) -> pl.DataFrame:
    columns: dict[str, object] = {
        "symbol": ["CALM", "WILD", "NEW", "NONE"],
        "close": [100.0, 110.0, 10.0, None],
        "high": [100.5, 110.5, 11.0, None],
        "low": [99.5, 100.0, 9.0, None],
        "atr": [1.0, 5.0, None, None],
        "atr_pct": [0.01, 0.045, None, None],
        "dollar_volume": [5e6, 3.2e9, 1e9, None],
        "relative_volume": [0.9, 2.5, None, None],
        "gap": [0.002, -0.021, None, None],
        "indication": pl.Series([None, None, None, None], dtype=pl.Float64),
        "spread": [None, 0.00021, None, None],
        "ema_9": [100.0, 105.0, None, None],
        "ema_21": [100.0, 100.0, None, None],
        "ema_50": [101.0, 95.0, None, None],
        "history": [300, 300, 7, 0],
    }
    return pl.DataFrame(columns | changes)


def test_best_first_and_ranked_without_gaps() -> None:
    found = watchlist(features(), min_history=15, size=10)
    assert [line.symbol for line in found] == ["WILD", "CALM", "NEW", "NONE"]
    assert [line.rank for line in found] == [1, 2, 3, 4]
    assert found[0].score > found[1].score > found[2].score == 0


def test_reasons_are_words_with_numbers() -> None:
    wild = watchlist(features(), min_history=15, size=1)[0]
    assert set(wild.reasons) == {
        "trades $3.2 bn a day, spread about 2.1 bp",
        "moves 4.5% a day (ATR 14)",
        "volume 2.5 times its 20-day mean",
        "closed at 95% of its day's range",
        "10.0% above its 21-day average, 2.0 ATR, averages rising (9 over 21 over 50)",
        "opened 2.1% below the close before",
        "news unknown: no source",
    }
    assert wild.reasons[-1] == "news unknown: no source"
    assert wild.news_free is None


def test_what_is_said_after_hours_comes_before_the_morning_gap() -> None:
    late = pl.Series([0.05, None, None, None], dtype=pl.Float64)
    found = {line.symbol: line for line in watchlist(features(indication=late), min_history=15, size=10)}
    assert "last 5.0% above its last daily close" in found["CALM"].reasons
    assert "opened 2.1% below the close before" in found["WILD"].reasons
    assert found["CALM"].score > {line.symbol: line for line in watchlist(features(), min_history=15, size=10)}["CALM"].score


def test_weights_add_up_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@given(st.permutations(range(12)))
def test_the_order_hangs_on_values_and_names_not_on_the_order_of_rows(order: list[int]) -> None:
    rows = pl.concat([features(symbol=[f"{name}{i}" for name in ("A", "B", "C", "D")]) for i in range(3)])
    assert watchlist(rows[order], min_history=15, size=12) == watchlist(rows, min_history=15, size=12)


def test_too_little_history_comes_last_and_says_how_much_is_missing() -> None:
    found = watchlist(features(), min_history=15, size=10)
    assert found[2].reasons == ("short daily history: 7 of 15 sessions",)
    assert found[3].reasons == ("no daily history: 0 of 15 sessions",)


def test_the_list_is_cut_and_an_empty_market_gives_an_empty_list() -> None:
    assert len(watchlist(features(), min_history=15, size=2)) == 2
    assert watchlist(features().clear(), min_history=15, size=2) == []


def test_a_flat_day_has_no_place_in_its_range() -> None:
    flat = watchlist(features(high=[100.0, 110.5, 11.0, None], low=[100.0, 100.0, 9.0, None]), min_history=15, size=10)
    calm = next(line for line in flat if line.symbol == "CALM")
    assert not any("range" in reason for reason in calm.reasons)
