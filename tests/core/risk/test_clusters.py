"""Clusters against scipy's own tree distances, and what the cut promises."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import is_valid_dm

from pipelines.core.market.session import NEW_YORK
from pipelines.core.risk.clusters import ALIKE, clusters, distance
from pipelines.core.risk.correlation import Correlation, Returns, aligned, shrunk


def blocks(seed: int, sizes: tuple[int, ...], own: float = 0.006) -> Correlation:
    """Names in groups with a factor each."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(0, 0.01, 60)[:, None] + rng.normal(0, own, (60, size)) for size in sizes]
    values = np.hstack(columns)
    return shrunk(Returns(tuple(f"S{i:02d}" for i in range(values.shape[1])), values))


def test_groups_with_a_factor_each_are_found_the_largest_first() -> None:
    found = clusters(blocks(1, (3, 5, 1)))
    assert found["cluster"].to_list() == [2, 2, 2, 1, 1, 1, 1, 1, 3]
    assert found["members"].to_list() == [3, 3, 3, 5, 5, 5, 5, 5, 1]
    assert found["mean_rho"].to_list()[-1] is None
    assert found["mean_rho"].drop_nulls().min() > ALIKE
    in_order = found.sort("place")["cluster"].rle().struct.field("value").to_list()
    assert sorted(in_order) == [1, 2, 3], "a cluster is one block of the map"


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 6), min_size=1, max_size=8), st.floats(0.002, 0.03))
def test_any_two_names_of_a_cluster_are_alike_enough_and_any_two_clusters_are_not(seed: int, sizes: list[int], own: float) -> None:
    correlation = blocks(seed, tuple(sizes), own)
    found = clusters(correlation)
    assert found["symbol"].to_list() == sorted(correlation.symbols)
    label = found["cluster"].to_numpy()
    for number in np.unique(label):
        inside = np.flatnonzero(label == number)
        assert correlation.matrix[np.ix_(inside, inside)].min() >= ALIKE - 1e-9
        for other in range(number + 1, label.max() + 1):
            assert correlation.matrix[np.ix_(inside, np.flatnonzero(label == other))].min() < ALIKE


def test_distance_is_a_metric() -> None:
    found = distance(blocks(3, (4, 4, 4)).matrix)
    assert is_valid_dm(found)
    assert (found[:, :, None] <= found[:, None, :] + found[None, :, :].transpose(0, 2, 1) + 1e-12).all()
    assert distance(np.array([[1.0, -1.0], [-1.0, 1.0]]))[0, 1] == 1.0


@pytest.mark.parametrize("count", [0, 1])
def test_one_name_is_a_cluster_and_none_is_none(count: int) -> None:
    found = clusters(Correlation(("A",)[:count], np.eye(count), 0.0))
    assert found.rows() == [("A", 1, 1, None, 0)][:count]
    assert found.schema == pl.Schema({"symbol": pl.String, "cluster": pl.Int64, "members": pl.Int64, "mean_rho": pl.Float64, "place": pl.Int64})


def test_the_numbers_do_not_hang_on_the_order_of_the_names() -> None:
    correlation = blocks(5, (4, 3, 2))
    turned = Correlation(correlation.symbols[::-1], correlation.matrix[::-1, ::-1].copy(), 0.0)
    assert clusters(turned).drop("place", "mean_rho").equals(clusters(correlation).drop("place", "mean_rho"))


def test_on_a_real_year_banks_are_one_cluster_and_drillers_another(real: Callable[[str], pl.DataFrame]) -> None:
    day = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session")
    bars = real("daily/sp500_2012_2017_adjusted").with_columns(day).filter(pl.col("session").dt.year() == 2016)
    found = clusters(shrunk(aligned(bars, bars["session"].unique().sort().to_list()), sessions=252, overlap=60))
    number = dict(found.select("symbol", "cluster").iter_rows())
    assert len({number[bank] for bank in ("BAC", "C", "JPM", "GS", "MS")}) == 1
    assert len({number[driller] for driller in ("APA", "APC", "DVN", "MRO")}) == 1
    assert len({number[name] for name in ("JPM", "APA", "XLU", "PEP")}) == 4
