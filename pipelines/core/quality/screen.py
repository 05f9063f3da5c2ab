"""The gate in front of the lake: bars that no market can have printed are set aside with a reason, never dropped in silence."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from pipelines.core.market.session import NEW_YORK

PRICES = ("open", "high", "low", "close")


class Screened(NamedTuple):
    """`good` bars, and `bad` ones with a `reason`; both with `session`, the bar's date in New York."""

    good: pl.DataFrame
    bad: pl.DataFrame


def screen(bars: pl.DataFrame, sessions: Sequence[date]) -> Screened:
    """Split bars by the rules of `core.market.bars.checked`, plus: on a session that was asked for, and only once.

    Of two bars with the same symbol and start the first stays.
    """
    dated = bars.with_columns(pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date().alias("session"))
    judged = dated.with_columns(_reason(sessions).alias("reason"))
    # A bar of a day that nobody asked for has to be counted somewhere: with the last day that was.
    bad = judged.filter(pl.col("reason").is_not_null()).with_columns(
        pl.when(pl.col("session").is_in(list(sessions))).then("session").otherwise(pl.lit(sessions[-1])).alias("session")
    )
    return Screened(judged.filter(pl.col("reason").is_null()).drop("reason"), bad)


def _reason(sessions: Sequence[date]) -> pl.Expr:
    """Why a bar cannot be true; null when it can. The order is that of `checked`."""
    not_price = pl.any_horizontal(pl.col(name).is_null() | ~pl.col(name).is_finite() | (pl.col(name) <= 0) for name in PRICES)
    not_volume = pl.col("volume").is_null() | ~pl.col("volume").is_finite() | (pl.col("volume") < 0)
    outside = (pl.col("high") < pl.max_horizontal("open", "close")) | (pl.col("low") > pl.min_horizontal("open", "close"))
    return (
        pl.when(not_price)
        .then(pl.lit("a price is not finite or not above zero"))
        .when(not_volume)
        .then(pl.lit("the volume is not zero or more"))
        .when(outside)
        .then(pl.lit("open or close lies outside [low, high]"))
        .when(~pl.col("session").is_in(list(sessions)))
        .then(pl.lit("not on a session that was asked for"))
        .when(~pl.struct("symbol", "timestamp").is_first_distinct())
        .then(pl.lit("the same symbol and start twice"))
        .otherwise(pl.lit(None, pl.String))
    )
