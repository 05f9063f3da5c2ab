"""Regimes follow the rank of today's volatility in its own past, rise at once, fall late, and line up with what options say."""

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore, spearmanr

from pipelines.core.market import indicators
from pipelines.core.market.session import NEW_YORK
from pipelines.core.risk.regimes import (
    BAND,
    EDGES,
    EFFECTS,
    LEVELS,
    STAY,
    RegimeName,
    classify,
    history,
    market_atr,
    names,
    percentiles,
    realised_volatility,
)

SCORES = st.lists(st.floats(0, 1), max_size=300).map(np.array)


def test_realised_volatility_is_the_yearly_root_mean_square() -> None:
    returns = np.random.default_rng(1).normal(0, 0.01, 30)
    found = realised_volatility(returns)
    assert len(found) == 11
    assert found[-1] == pytest.approx(np.sqrt(np.mean(returns[-20:] ** 2) * 252))


def test_percentile_is_the_rank_in_the_past_year_as_scipy_counts_it() -> None:
    values = np.random.default_rng(2).normal(0, 1, 600)
    values[100:130] = np.nan
    found = percentiles(values)
    assert np.isnan(found[:19]).all()
    assert np.isnan(found[100:130]).all()
    for i in (19, 99, 140, 300, 599):
        past = values[max(0, i - 251) : i + 1]
        assert found[i] == pytest.approx(percentileofscore(past[np.isfinite(past)], values[i], kind="weak") / 100)


@pytest.mark.parametrize(("last", "name"), [(0.2, RegimeName.CALM), (1.0, RegimeName.NORMAL), (4.0, RegimeName.STRESSED)])
def test_the_last_month_decides(last: float, name: RegimeName) -> None:
    pattern = np.tile([0.01, -0.01], 140) * np.linspace(0.5, 1.5, 280)[np.random.default_rng(2).permutation(280)]
    returns = np.concatenate([pattern, np.tile([0.01, -0.01], 10) * last])
    found = classify(returns)
    assert found.name is name
    assert found.score == found.percentile
    assert (found.size_multiplier, found.stop_multiplier, found.target_multiplier) == EFFECTS[name][:3]
    assert (found.position_multiplier, found.heat_multiplier, found.entries) == EFFECTS[name][3:]


def test_a_market_in_motion_under_an_index_at_rest_raises_the_score() -> None:
    returns = np.random.default_rng(5).normal(0, 0.01, 300)
    atr = np.concatenate([np.full(280, np.nan), np.linspace(0.01, 0.03, 20)])
    quiet, moved = classify(returns), classify(returns, atr)
    assert moved.atr_percentile == 1.0
    assert moved.score == pytest.approx(((quiet.percentile or 0) + 1) / 2)


@given(SCORES)
def test_it_is_never_below_what_the_score_says_and_above_it_only_within_band_and_stay(score: np.ndarray) -> None:
    found = [LEVELS.index(name) for name in names(score)]
    plain = np.searchsorted(EDGES, score, side="right").tolist()
    changes = [i for i in range(1, len(found)) if found[i] != found[i - 1]]
    for i, (level, bare) in enumerate(zip(found, plain, strict=True)):
        since = i - max((c for c in changes if c <= i), default=0)
        assert level >= bare
        assert level == bare or score[i] >= EDGES[level - 1] - BAND or since < STAY
    falls = [c for c in changes if found[c] < found[c - 1]]
    assert all(fall - max((c for c in changes if c < fall), default=0) >= STAY for fall in falls), "no fall soon after a change"


@given(st.sampled_from(EDGES), st.lists(st.floats(-0.049, 0.049), min_size=1, max_size=100))
def test_a_score_that_trembles_around_an_edge_changes_the_regime_once(edge: float, noise: list[float]) -> None:
    found = names(np.clip(edge + np.array([*noise, 0.0]), 0, 1))
    assert len([1 for a, b in pairwise(found) if a is not b]) <= 1


@given(SCORES, st.integers(0, 300))
def test_the_past_is_not_rewritten_by_what_comes_later(score: np.ndarray, cut: int) -> None:
    assert names(score)[:cut] == names(score[:cut])


def test_a_regime_is_the_last_row_of_its_history() -> None:
    rng = np.random.default_rng(8)
    returns, atr = rng.normal(0, 0.01, 400) * np.repeat([1, 3, 1, 0.5], 100), rng.uniform(0.01, 0.03, 400)
    rows = history(returns, atr)
    for day in (40, 150, 260, 400):
        found, row = classify(returns[:day], atr[:day]), rows.row(day - 1, named=True)
        assert found.name == row["name"]
        assert (found.volatility, found.atr, found.score) == (row["volatility"], row["atr"], row["score"])


def test_the_documents_show_what_each_regime_does() -> None:
    text = (Path(__file__).parents[3] / "docs" / "how-it-works.md").read_text()
    for name, effect in EFFECTS.items():
        cells = [f"{value:g}" for value in effect[:-1]] + ["yes" if effect.entries else "no"]
        assert f"| {name.value} | {' | '.join(cells)} |" in text


def test_market_wide_atr_is_the_median_name_and_needs_five() -> None:
    values = pl.DataFrame({"session": [1] * 5 + [2] * 5, "close": [100.0] * 10, "atr_14": [1.0, 2.0, 9.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, math.nan]})
    assert market_atr(values).rows() == [(1, 0.03)]


def test_too_little_history_is_unknown_and_halves_the_size() -> None:
    found = classify(np.full(38, 0.01))
    assert (found.name, found.percentile, found.score, found.size_multiplier) == (RegimeName.UNKNOWN, None, None, 0.5)
    assert classify(np.full(39, 0.01)).name is not RegimeName.UNKNOWN
    assert classify(np.empty(0)).name is RegimeName.UNKNOWN


def test_on_real_markets_regimes_line_up_with_the_vix(real: Callable[[str], pl.DataFrame]) -> None:
    """Five years of 403 symbols: ranked with the VIX's own percentile, which knows nothing of our rule."""
    day = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session")
    bars = real("daily/sp500_2012_2017_adjusted").with_columns(day, pl.col("close").alias("vwap"))
    ranges = market_atr(indicators.days(bars).frame)
    spy = bars.filter(pl.col("symbol") == "SPY").sort("session").select("session", pl.col("close").log().diff().alias("return")).drop_nulls()
    vix = real("reference/vix_daily").select(day, pl.col("close").alias("vix"))
    rows = spy.join(ranges, on="session", how="left").join(vix, on="session").sort("session")
    found = history(rows["return"].to_numpy(), rows["atr"].fill_null(float("nan")).to_numpy())
    fear = percentiles(rows["vix"].to_numpy())
    level = np.array([LEVELS.index(RegimeName(name)) if name != "unknown" else -1 for name in found["name"]])
    known = np.flatnonzero((level >= 0) & np.isfinite(fear))
    assert len(known) > 1_000
    assert spearmanr(found["score"].to_numpy()[known], fear[known]).statistic > 0.6
    assert spearmanr(level[known], fear[known]).statistic > 0.5
    means = [rows["vix"].to_numpy()[known][level[known] == i].mean() for i in range(4)]
    assert means == sorted(means)
    changes = np.count_nonzero(np.diff(level[known]))
    bare = np.count_nonzero(np.diff(np.searchsorted(EDGES, found["score"].to_numpy()[known], side="right")))
    assert changes < bare / 1.5
