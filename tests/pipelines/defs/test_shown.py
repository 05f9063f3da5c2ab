"""The data version that an asset's rows have: the same for the same rows, another one for any others."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from pipelines.core.fingerprint import fingerprint

KINDS = [pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Date, pl.Datetime("us", "UTC"), pl.List(pl.Float64), pl.List(pl.String), pl.Categorical()]


@given(dataframes(allowed_dtypes=KINDS, min_size=1, max_size=8, max_cols=4, allow_chunks=True))
def test_it_does_not_depend_on_how_the_rows_lie_in_memory(frame: pl.DataFrame) -> None:
    pieces = pl.concat([frame.slice(i, 1) for i in range(frame.height)], rechunk=False)
    assert fingerprint(frame) == fingerprint(frame.rechunk()) == fingerprint(pieces)


@given(dataframes(allowed_dtypes=KINDS, min_size=1, max_size=6, max_cols=3), st.data())
def test_it_differs_where_rows_order_names_or_types_differ(frame: pl.DataFrame, data: st.DataObject) -> None:
    others = [frame.reverse(), frame.head(frame.height - 1), frame.rename({frame.columns[0]: "other"}), frame.with_columns(pl.lit(None).alias("x"))]
    other = data.draw(st.sampled_from(others))
    assert (fingerprint(frame) == fingerprint(other)) == (frame.schema == other.schema and frame.equals(other))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None, "a"], ["", "a"]),
        ([None, 0], [0, 0]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[], [1]], [None, [1]]),
        ([False, None], [False, False]),
        ([date(1970, 1, 1), None], [date(1970, 1, 1), date(1970, 1, 1)]),
    ],
)
def test_neighbouring_values_do_not_run_into_each_other(one: list[Any], two: list[Any]) -> None:
    assert fingerprint(pl.DataFrame({"x": one})) != fingerprint(pl.DataFrame({"x": two}))


def test_it_stays_the_same_from_one_version_of_the_libraries_to_the_next() -> None:
    frame = pl.DataFrame({"session": [date(2024, 6, 18), None], "symbol": ["AAPL", None], "close": [214.29, None], "reasons": [["a", "b"], None]})
    assert fingerprint(frame) == "10a9cbd349cb9bf6ce58716ebf3a8a8a12213706615aef64f7a41498c5904ad1"


def test_a_column_that_has_no_plain_bytes_is_named() -> None:
    with pytest.raises(TypeError, match="found x of Struct"):
        fingerprint(pl.DataFrame({"x": [{"a": 1}]}))
