"""Gates of what is computed: matrices, drift from day to day, batch against bar by bar."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from walks import LAST, walks

from pipelines.core.market import indicators
from pipelines.core.quality import models
from pipelines.core.quality.parity import parity
from pipelines.core.risk.correlation import Returns, shrunk
from pipelines.core.risk.exposure import betas


def values(count: int, made: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"name": [f"S{i:03d}" for i in range(count)], "value": made})


def test_atr_has_to_be_there_where_there_is_history() -> None:
    known = pl.DataFrame({"symbol": ["A", "B", "C"], "history": [20, 20, 3], "atr": [1.0, 2.0, None]})
    assert models.usable(known, 15).passed
    for wrong in (None, 0.0, -1.0, float("nan"), float("inf")):
        broken = known.with_columns(pl.when(pl.col("symbol") == "B").then(pl.lit(wrong, pl.Float64)).otherwise("atr").alias("atr"))
        assert not models.usable(broken, 15).passed, wrong
    assert not models.usable(known.clear(), 15).passed


@pytest.mark.parametrize("spoil", ["asymmetric", "diagonal", "not positive", "hole", "beyond one"])
def test_an_improper_matrix_is_refused(spoil: str) -> None:
    rng = np.random.default_rng(1)
    matrix = np.asarray(np.corrcoef(rng.normal(0, 1, (8, 60))), dtype=np.float64)
    names = [f"S{i}" for i in range(8)]
    assert models.proper(matrix, names).passed
    wrong = matrix.copy()
    if spoil == "asymmetric":
        wrong[0, 1] += 0.1
    elif spoil == "diagonal":
        wrong[2, 2] = 0.9
    elif spoil == "not positive":
        wrong[~np.eye(8, dtype=bool)] = -0.5
    elif spoil == "hole":
        wrong[3, 4] = np.nan
    else:
        wrong[5, 6] = wrong[6, 5] = 1.5
    assert not models.proper(wrong, names).passed


def test_a_stormy_day_is_no_drift_and_a_name_on_its_own_is() -> None:
    rng = np.random.default_rng(3)
    before = values(200, rng.uniform(0.5, 20, 200))
    storm = before.with_columns(pl.col("value") * pl.Series(np.exp(rng.normal(0.2, 0.03, 200))))
    assert models.steady({"atr": (before, storm)}).passed, "everybody's ATR rose by a fifth"
    few = storm.with_columns(pl.when(pl.col("name") < "S003").then(pl.col("value") * 3).otherwise("value").alias("value"))
    verdict = models.steady({"atr": (before, few)})
    assert (verdict.passed, verdict.numbers["atr_drifted"]) == (True, 3), "told, and not yet a failure"
    assert verdict.worst is not None
    assert set(verdict.worst["name"]) == {"S000", "S001", "S002"}
    many = storm.with_columns(pl.when(pl.col("name") < "S010").then(pl.col("value") * 3).otherwise("value").alias("value"))
    assert not models.steady({"atr": (before, many)}).passed
    assert not models.steady({"atr": (before, before.with_columns(pl.col("value") * 2))}).passed, "everybody at once"


def test_betas_and_correlations_are_compared_by_difference() -> None:
    rng = np.random.default_rng(4)
    before = values(300, rng.uniform(-0.5, 2, 300))
    near = before.with_columns(pl.col("value") + pl.Series(rng.normal(0, 0.02, 300)))
    assert models.steady({"beta": (before, near), "rho": (before, near)}).passed
    assert not models.steady({"beta": (before, near.with_columns(pl.col("value") + 0.4))}).passed
    assert models.steady({"rho": (before.clear(), near)}).passed, "nothing to compare with yet"


def test_a_rough_market_does_not_drift_and_one_whose_last_bars_are_bad_does() -> None:
    days = walks(6, 90, 20).with_columns(pl.col("session").cast(pl.Datetime("us")).alias("timestamp"), pl.col("close").alias("vwap"))
    last = LAST
    usual = models.steady(models.averages(days, last))
    assert (usual.passed, usual.numbers["atr_compared"], usual.numbers["adv_compared"]) == (True, 20, 20), usual.detail
    spoiled = days.with_columns(pl.when(pl.col("session") == last).then(pl.col("high") * 3).otherwise("high").alias("high"))
    assert not models.steady(models.averages(spoiled, last)).passed
    counted_twice = days.with_columns(pl.when(pl.col("session") == last).then(pl.col("volume") * 40).otherwise("volume").alias("volume"))
    assert not models.steady(models.averages(counted_twice, last)).passed


def test_yesterday_is_what_was_computed_a_day_ago() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(0, 0.01, (200, 1)) + rng.normal(0, 0.01, (200, 6))
    symbols = tuple("ABCDEF")
    before = Returns(symbols, values[:-1])
    found = models.yesterday(Returns(symbols, values), ["A", "B", "C"], values[:, 5])
    expected = betas(before, values[:-1, 5])
    assert dict(found["beta"].iter_rows()) == dict(expected.select("symbol", "beta").iter_rows())
    rho = shrunk(Returns(("A", "B", "C"), values[:-1, :3])).matrix
    assert dict(found["rho"].iter_rows()) == {"A B": rho[0, 1], "A C": rho[0, 2], "B C": rho[1, 2]}


def market(symbols: int = 3, days: int = 2) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(5)
    opens = [datetime(2026, 11, 19, 14, 30, tzinfo=UTC) + timedelta(days=i) for i in range(days)]
    rows = []
    for number in range(symbols):
        price = 100.0
        for opening in opens:
            for minute in range(-20, 390):
                if rng.random() < 0.2 * number:
                    continue
                price *= float(np.exp(rng.normal(0, 0.001)))
                rows.append(
                    (f"S{number}", opening + timedelta(minutes=minute), price * 1.001, price * 0.999, price, float(rng.integers(1, 9999)), price)
                )
    bars = pl.DataFrame(rows, schema=["symbol", "timestamp", "high", "low", "close", "volume", "vwap"], orient="row")
    return bars, pl.DataFrame({"session": [o.date() for o in opens], "open": opens})


@pytest.mark.parametrize("days", [1, 2])
def test_batch_equals_streaming_and_a_seed_off_by_its_last_bit_is_told(days: int) -> None:
    bars, opens = market(days=days)
    seeds = indicators.minutes(bars, opens).seeds
    same = parity(bars, opens, seeds)
    assert same.passed, same.detail
    assert same.numbers["minutes"] == bars.filter(pl.col("timestamp").dt.date() == opens["session"][-1]).height
    last = (float(np.nextafter(seeds["S1"][1], np.inf)), *seeds["S1"][2:])
    off = parity(bars, opens, seeds | {"S1": (seeds["S1"][0], *last)})
    assert off.worst is not None
    assert off.worst.rows() == [("S1", "seed")]
    assert not parity(bars, opens, {k: v for k, v in seeds.items() if k != "S2"}).passed
    sampled = parity(bars, opens, seeds, sample=2)
    assert sampled.passed
    assert sampled.numbers["minutes"] < same.numbers["minutes"]
