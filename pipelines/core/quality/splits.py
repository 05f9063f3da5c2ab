"""Splits that the prices show and the table of corporate actions does not know; and the reverse.

A split moves the price by a ratio of small numbers overnight and leaves the dollars that change hands as they were; news that bad brings many
times as many. Apple's 51.9 % of 29 September 2000 came on 22 times the usual volume, its split of 28 February 2005 on half of it.
"""

from math import log

import polars as pl

from pipelines.core.quality.verdict import Verdict, named

RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)
"""New shares for an old one, or old for a new one. Smaller splits (5:4) and stock dividends look like any other day."""

NEAR = 0.06
"""What the night may have done to the price besides."""

TURNOVER = 2.5
"""Dollars traded against the median of 20 sessions above which a gap is news."""

USUAL, LEAST = 20, 5
"""Sessions of the median volume, and how many of them there must be."""

TELLING = 1.2
"""Ratios in the table nearer to one than this cannot be seen in prices."""

OTHER = 1.35
"""How far prices may be from the table's ratio before they show another one, and the close from the open's: a wrong open alone is no split."""

FOUND = {"symbol": pl.String, "session": pl.Date, "what": pl.String, "prices": pl.Float64, "table": pl.Float64}


def unexplained(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, session, what (unknown split, split not in the prices, another ratio), `prices` and `table`: new shares per old by either.

    `bars`: raw daily bars: symbol, session, open, close, volume. `actions`: symbol, kind, ex_date, ratio (`vendors.source.ACTIONS`).
    """
    ordered = bars.select("symbol", "session", "open", "close", "volume").filter(pl.col("volume") > 0).sort("symbol", "session")
    usual = pl.col("volume").shift(1).rolling_median(USUAL, min_samples=LEAST)
    steps = (
        ordered.with_columns(
            (pl.col("close").shift(1) / pl.col("open")).over("symbol").alias("prices"),
            (pl.col("close").shift(1) / pl.col("close")).over("symbol").alias("_closes"),
            usual.over("symbol").alias("_usual"),
        )
        .drop_nulls("prices")
        .join(_table(ordered, actions), on=["symbol", "session"], how="left")
        .with_columns(pl.col("table").fill_null(1.0))
    )
    size, expected = pl.col("prices").log(), pl.col("table").log()
    like = pl.any_horizontal(((size.abs() - log(ratio)).exp() - 1).abs() < NEAR for ratio in RATIOS)
    stays = (pl.col("_closes").log() - size).abs() < log(OTHER)
    quiet = pl.col("volume") / pl.col("_usual") / pl.col("prices") < TURNOVER
    other = (size.abs() > log(OTHER)) & ((size - expected).abs() > log(OTHER))
    unseen = size.abs() < (size - expected).abs()
    listed = expected.abs() > log(TELLING)
    return (
        steps.with_columns(
            pl.when((pl.col("table") == 1.0) & like & stays & quiet)
            .then(pl.lit("unknown split"))
            .when(listed & other)
            .then(pl.lit("another ratio"))
            .when(listed & unseen)
            .then(pl.lit("split not in the prices"))
            .alias("what")
        )
        .drop_nulls("what")
        .select(*FOUND)
    )


def splits(bars: pl.DataFrame, actions: pl.DataFrame) -> Verdict:
    """The gate: prices and table tell the same story."""
    found, known = unexplained(bars, actions).sort("session", "symbol", descending=[True, False]), actions.filter(pl.col("kind") == "split").height
    detail = f"{known} splits in the table, {found.height} that prices and table do not agree on"
    return Verdict(
        found.is_empty(), detail + (f": {named(found)}" if found.height else ""), {"bars": bars.height, "known": known, "found": found.height}, found
    )


def _table(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, session, table: the splits' ratios on the first bar from their ex-date on; splits still to come have none."""
    splits = actions.filter(pl.col("kind") == "split").select("symbol", "ex_date", "ratio").sort("ex_date")
    first = splits.join_asof(
        bars.select("symbol", "session").sort("session"),
        left_on="ex_date",
        right_on="session",
        by="symbol",
        strategy="forward",
        coalesce=False,
        check_sortedness=False,
    )
    return first.drop_nulls("session").group_by("symbol", "session").agg(pl.col("ratio").product().alias("table"))
