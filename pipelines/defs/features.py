"""Indicators of the universe, made by the same functions that step them live."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines.core.market import indicators
from pipelines.core.market.session import moment
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot, opens
from pipelines.defs.shown import result
from pipelines.vendors import calendar

NEEDED = 20
"""Sessions in the averages of volume and volatility."""

DAY_ONLY = ("close", "high", "low", "volume", "relative_volume", "gap")
"""Columns that are of the data session or of none."""


@asset("features", {"duckdb", "numba"}, ["daily_bars", "minute_bars", "corporate_actions"])
def features(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Daily indicators of each symbol after the data session, and the state that its minute indicators start the next one with (`seeds`).

    `atr_pct` and the like are fractions, `adv` shares, `dollar_volume` dollars a day; null is unknown. `close`, `high`, `low`, `volume`,
    `relative_volume` and `gap` are null for a symbol that did not trade on the data session, `indication` where it did not after hours.
    """
    session = data_session(context)
    universe = daybot.universe(session).select("session", "symbol")
    daily = _daily(daybot.daily(session))
    minutes = daybot.minutes(session)
    counts = minutes.group_by("symbol").agg(pl.len().cast(pl.Int64).alias("minutes"))
    rows = (
        universe.join(daily, on="symbol", how="left", maintain_order="left")
        .join(counts, on="symbol", how="left", maintain_order="left")
        .join(_late(minutes, session), on="symbol", how="left", maintain_order="left")
        .with_columns(pl.col("history", "minutes").fill_null(0))
        .with_columns(pl.when(pl.col("last") == session).then(pl.col(name)).alias(name) for name in DAY_ONLY)
        .with_columns((pl.col("atr") / pl.col("close")).alias("atr_pct"), (pl.col("late") / pl.col("close") - 1).alias("indication"))
        .drop("late")
    )
    states = indicators.minutes(minutes, opens(calendar.trailing(session, daybot.settings.minute_sessions))).seeds
    seeds = pl.DataFrame(
        {"session": [session] * len(states), "symbol": list(states), "seed": [list(state) for state in states.values()]},
        schema={"session": pl.Date, "symbol": pl.String, "seed": pl.List(pl.Float64)},
    )
    daybot.warehouse.replace({"features": rows, "seeds": seeds}, [session])
    return result(rows, seeds=seeds.height, without_history=int((rows["history"] == 0).sum()), median_atr_pct=rows["atr_pct"].median())  # type: ignore[arg-type]  # a float column's median


def _daily(bars: pl.DataFrame) -> pl.DataFrame:
    """The last row of each symbol with its indicators; NaN (not yet warm) becomes null."""
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


def _late(minutes: pl.DataFrame, session: date) -> pl.DataFrame:
    """Rows symbol, late: the last price after the close of the data session, of those that traded then."""
    close = moment(calendar.session_of(session).close)
    after = minutes.filter((pl.col("session") == session) & (pl.col("timestamp") >= close))
    return after.group_by("symbol").agg(pl.col("close").sort_by("timestamp").last().alias("late"))
