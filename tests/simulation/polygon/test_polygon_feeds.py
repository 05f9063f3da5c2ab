"""What one venue sees of the whole market: a thin, repeatable share inside the consolidated range."""

from datetime import date

import numpy as np
import pytest

from live.sim.worlds.feeds import SHARE, iex
from live.sim.worlds.world import Bars, empty

DAY = date(2026, 11, 20)
COLUMNS = ("t", "o", "h", "l", "c", "v", "n", "vw")


def thinned(bars: Bars, factor: int) -> Bars:
    return Bars(bars.t, bars.o, bars.h, bars.l, bars.c, np.maximum(bars.v // factor, 1), np.maximum(bars.n // factor, 1), bars.vw)


def matched(whole: Bars, seen: Bars) -> Bars:
    rows = np.searchsorted(whole.t, seen.t)
    assert np.array_equal(whole.t[rows], seen.t)
    return Bars(*(getattr(whole, name)[rows] for name in COLUMNS))


@pytest.mark.parametrize("factor", [1, 40, 400, 4_000])
def test_the_view_is_thin_and_inside_the_range(generated, factor):
    seen_volume = all_volume = 0
    for symbol, bars in generated.day(DAY).items():
        whole = thinned(bars, factor)
        seen = iex(whole, seed=7, symbol=symbol)
        match = matched(whole, seen)
        assert (seen.v >= 1).all()
        assert (seen.v <= match.v).all()
        assert ((seen.n >= 1) & (seen.n <= seen.v)).all()
        assert ((match.l <= seen.l) & (seen.h <= match.h)).all()
        assert ((seen.l <= np.minimum(seen.o, seen.c)) & (seen.h >= np.maximum(seen.o, seen.c))).all()
        assert ((seen.l <= seen.vw) & (seen.vw <= seen.h)).all()
        alone = seen.n == 1
        assert (seen.h[alone] == seen.l[alone]).all()
        seen_volume, all_volume = seen_volume + int(seen.v.sum()), all_volume + int(whole.v.sum())
    assert 0.02 < seen_volume / all_volume < 0.03
    assert abs(seen_volume / all_volume - SHARE) < 0.004


def test_thin_names_miss_many_minutes_and_liquid_ones_hardly_any(generated):
    bars = generated.day(DAY)["AAPL"]
    assert len(iex(bars, seed=7, symbol="AAPL")) > 0.97 * len(bars)
    assert len(iex(thinned(bars, 60), seed=7, symbol="AAPL")) < 0.6 * len(bars)
    assert len(iex(thinned(bars, 2_000), seed=7, symbol="AAPL")) < 0.05 * len(bars)


def test_a_minute_looks_the_same_alone_and_in_its_day(generated):
    bars = thinned(generated.day(DAY)["EQIX"], 10)
    whole = iex(bars, seed=7, symbol="EQIX")
    parts = [iex(bars.cut(row, row + 1), seed=7, symbol="EQIX") for row in range(len(bars))]
    for name in COLUMNS:
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))


def test_seed_and_symbol_choose_the_minutes(generated):
    bars = thinned(generated.day(DAY)["EQIX"], 20)
    kept = {(seed, symbol): tuple(iex(bars, seed=seed, symbol=symbol).t) for seed in (7, 8) for symbol in ("EQIX", "PLD")}
    assert len(set(kept.values())) == 4
    assert len(iex(empty(), seed=7, symbol="EQIX")) == 0
