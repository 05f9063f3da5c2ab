"""Live against backtest: where the same session, traded by the same engine, came out otherwise, and for which cause.

Round trips are matched by symbol, strategy, side and their number in the day. A trip that only one of them made is a difference of signal (data,
limits or state differed); of matched ones, entries in different minutes are timing, the rest is price: what live paid and got against
what the backtest assumed, in basis points of the backtest's price, plus is worse for us.
"""

import polars as pl

from pipelines.core.trading.orders import Side

KEYS = ("symbol", "strategy", "side", "number")

TRUTH = pl.Schema(
    [
        *((name, pl.String) for name in ("symbol", "strategy", "side")),
        ("number", pl.Int64),
        ("cause", pl.String),
        ("minutes", pl.Float64),
        *((name, pl.Float64) for name in ("entry_bp", "exit_bp", "live", "backtest", "difference")),
    ]
)
"""`minutes` by which the live entry came later; `live`, `backtest` and `difference` are profits in dollars before fees."""


def compare(live: pl.DataFrame, backtest: pl.DataFrame) -> pl.DataFrame:
    """Rows of `TRUTH`, one for each round trip of either, the largest difference first.

    Both: symbol, strategy, side, opened_at, entry, exit, profit.
    """
    sign = pl.when(pl.col("side") == Side.BUY.value).then(1.0).otherwise(-1.0)
    both = _numbered(live).join(_numbered(backtest), on=KEYS, how="full", suffix="_backtest", coalesce=True)
    late = (pl.col("opened_at").dt.truncate("1m") - pl.col("opened_at_backtest").dt.truncate("1m")).dt.total_seconds() / 60
    rows = both.with_columns(
        late.cast(pl.Float64).alias("minutes"),
        (sign * (pl.col("entry") / pl.col("entry_backtest") - 1) * 1e4).alias("entry_bp"),
        (-sign * (pl.col("exit") / pl.col("exit_backtest") - 1) * 1e4).alias("exit_bp"),
        (pl.col("profit").fill_null(0.0) - pl.col("profit_backtest").fill_null(0.0)).alias("difference"),
    )
    cause = (
        pl.when(pl.col("entry_backtest").is_null())
        .then(pl.lit("signal: only live"))
        .when(pl.col("entry").is_null())
        .then(pl.lit("signal: only backtest"))
        .when(pl.col("minutes") != 0)
        .then(pl.lit("timing"))
        .otherwise(pl.lit("price"))
    )
    named = rows.with_columns(cause.alias("cause"), pl.col("profit").alias("live"), pl.col("profit_backtest").alias("backtest"))
    return named.select(TRUTH.names()).match_to_schema(TRUTH).sort(pl.col("difference").abs(), *KEYS, descending=[True, False, False, False, False])


def causes(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows cause, trips, difference, entry_bp, exit_bp (means): what the whole difference is made of."""
    return (
        rows.group_by("cause").agg(
            pl.len().cast(pl.Int64).alias("trips"), pl.col("difference").sum(), pl.col("entry_bp").mean(), pl.col("exit_bp").mean()
        )
    ).sort("cause")


def _numbered(trades: pl.DataFrame) -> pl.DataFrame:
    names = ["symbol", "strategy", "side", "opened_at", "entry", "exit", "profit"]
    ordered = trades.select(names).sort("symbol", "strategy", "side", "opened_at")
    return ordered.with_columns(pl.int_range(1, pl.len() + 1).over("symbol", "strategy", "side").alias("number"))
