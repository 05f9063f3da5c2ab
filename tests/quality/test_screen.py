"""The vectorised screen says the same of a bar as `core.market.bars.checked`."""

from datetime import UTC, date, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import BadBar
from pipelines.core.market.bars import Bar, checked
from pipelines.core.quality.screen import screen
from pipelines.vendors.source import BARS

DAY = date(2024, 6, 18)
STAMP = datetime(2024, 6, 18, 14, 0, tzinfo=UTC)
price = st.one_of(st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 10.0]), st.floats(9, 11))


def frame(*bars: tuple[float, float, float, float, float]) -> pl.DataFrame:
    rows = [(f"S{i}", STAMP, *bar, None, None, "iex") for i, bar in enumerate(bars)]
    return pl.DataFrame(rows, schema=BARS, orient="row")


@given(st.lists(st.tuples(price, price, price, price, st.sampled_from([-1.0, 0.0, 5.0, float("nan")])), min_size=1, max_size=20))
def test_screen_and_checked_agree(bars: list[tuple[float, float, float, float, float]]) -> None:
    def passes(bar: tuple[float, float, float, float, float]) -> bool:
        try:
            checked(Bar("S", 0, *bar, 10.0, 1))
        except BadBar:
            return False
        return True

    expected = [f"S{i}" for i, bar in enumerate(bars) if passes(bar)]
    split = screen(frame(*bars), [DAY])
    assert split.good["symbol"].to_list() == expected
    assert split.good.height + split.bad.height == len(bars)
    assert split.bad["reason"].null_count() == 0


def test_second_copy_of_a_bar_and_a_strange_day_are_set_aside() -> None:
    good = frame((10, 10, 10, 10, 5))
    split = screen(pl.concat([good, good]), [DAY])
    assert (split.good.height, split.bad["reason"].to_list()) == (1, ["the same symbol and start twice"])
    strange = screen(good, [date(2024, 6, 17)])
    assert strange.bad["session"].to_list() == [date(2024, 6, 17)]
