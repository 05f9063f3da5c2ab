"""What daily and late prices say of each symbol, made by the same indicators that are stepped live."""

from datetime import date, datetime

import polars as pl

from pipelines.core.market import indicators

NEEDED = 20
"""Sessions in the averages of volume and volatility."""


def by_day(bars: pl.DataFrame) -> pl.DataFrame:
    """The last row of each symbol with its indicators; NaN (not yet warm) becomes null. `bars`: daily ones with `session`."""
    values = indicators.days(bars).frame.drop("vwap", "range_high", "range_low")
    by_symbol = values.with_columns(
        pl.len().over("symbol").cast(pl.Int64).alias("history"),
        pl.col("volume").rolling_mean(NEEDED, min_samples=1).over("symbol").alias("adv"),
        (pl.col("volume") * pl.col("close")).rolling_mean(NEEDED, min_samples=1).over("symbol").alias("dollar_volume"),
        pl.col("close").log().diff().pow(2).rolling_mean(NEEDED).sqrt().over("symbol").alias("sigma"),
        (pl.col("open") / pl.col("close").shift(1) - 1).over("symbol").alias("gap"),
    )
    last = by_symbol.group_by("symbol", maintain_order=True).last().rename({"session": "last", "atr_14": "atr"})
    names = ["history", "last", "close", "high", "low", "volume", "adv", "dollar_volume", "relative_volume", "sigma", "gap", "atr"]
    return last.select("symbol", *names, "ema_9", "ema_21", "ema_50", "rsi_14", "bb_lower", "bb_middle", "bb_upper").fill_nan(None)


def late(minutes: pl.DataFrame, session: date, close: datetime) -> pl.DataFrame:
    """Rows symbol, late: the last price after this session's close, of those that traded then."""
    after = minutes.filter((pl.col("session") == session) & (pl.col("timestamp") >= close))
    return after.group_by("symbol").agg(pl.col("close").sort_by("timestamp").last().alias("late"))


def traded(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with trades; where a vendor gives no vwap the typical price stands in, where it gives no count of trades 0."""
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
    return bars.filter(pl.col("volume") > 0).with_columns(pl.coalesce("vwap", typical).alias("vwap"), pl.col("trades").fill_null(0))
