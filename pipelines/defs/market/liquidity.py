"""What trading costs: the spread and volume of each symbol, and what our own executions say of our footprint."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines.core import night
from pipelines.core.market import slippage as model
from pipelines.core.market.slippage import Slippage
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table
from pipelines.vendors import calendar

EVIDENCE = 252
"""Sessions whose executions the slippage model is fitted to."""

SHOWN_AT = (0.0001, 0.001, 0.01)
"""Participations that the expected cost is shown for."""


@asset("risk", {"duckdb"}, ["daily_bars", "minute_bars", "corporate_actions", "features"])
def liquidity(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """How much of each symbol trades, how far it moves in a day, and its bid-ask spread as its bars show it.

    `spread` is estimated (EDGE) from the regular minutes of the last minute sessions, or else from daily bars (`spread_from`), where it stands out
    of their noise; else it is unknown, null. `spread_high` is two standard errors up. `most_shares` is the largest order that MAX_PARTICIPATION
    allows.
    """
    session = data_session(context)
    rows = night.liquidity(daybot.past(session), daybot.warehouse.read("features", session), daybot.settings.max_participation)
    daybot.warehouse.replace({"liquidity": rows}, [session])
    spread = rows["spread"].drop_nulls().to_numpy()
    return result(
        rows.sort("dollar_volume", descending=True, nulls_last=True),
        from_minutes=rows.filter(pl.col("spread_from") == "minutes").height,
        from_days=rows.filter(pl.col("spread_from") == "days").height,
        unknown=rows.height - len(spread),
        median_spread_bp=float(pl.Series(spread).median() or 0.0) * 1e4 if len(spread) else None,  # type: ignore[arg-type]  # a float series
    )


@asset("risk", {"duckdb"}, ["liquidity", "journal"])
def slippage(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The slippage model, fitted to the entries of the last year against the prices they were decided at; one row.

    Expected cost = spread / 2 + impact * sigma * sqrt(participation). `basis` says whether the impact is measured or, with thin evidence, the prior.
    """
    session = data_session(context)
    fitted = model.fit(_executions(daybot, session))
    rows = pl.DataFrame([fitted.model_dump(mode="json")], schema=night.SLIPPAGE).select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"slippage": rows}, [session])
    return result(rows, basis=fitted.basis.value, executions=fitted.executions, expected_bp=table(_examples(daybot, session, fitted)))


def _executions(daybot: DayBot, session: date) -> pl.DataFrame:
    """Entries of the year's sessions, the data session included, each with what was known of its symbol that morning."""
    if not daybot.warehouse.has("orders"):
        return model.EXECUTIONS.to_frame()
    window = calendar.trailing(session, EVIDENCE + 1)
    mornings = pl.DataFrame({"session": window[:-1], "morning": window[1:]})
    known = daybot.warehouse.read("liquidity").join(mornings, on="session").drop("session").rename({"morning": "session"})
    orders = daybot.warehouse.read("orders").filter(pl.col("session").is_in(window[1:]))
    return model.executions(orders, known)


def _examples(daybot: DayBot, session: date, fitted: Slippage) -> pl.DataFrame:
    """Expected cost in basis points of the busiest symbols, by participation."""
    busy = daybot.warehouse.read("liquidity", session).drop_nulls(["spread", "sigma"]).sort("dollar_volume", descending=True).head(10)
    return pl.DataFrame(
        [
            {"symbol": row["symbol"]}
            | {f"{p:.2%}": 1e4 * fitted.expected(spread=row["spread"], sigma=row["sigma"], participation=p) for p in SHOWN_AT}
            for row in busy.iter_rows(named=True)
        ],
        schema={"symbol": pl.String, **{f"{p:.2%}": pl.Float64 for p in SHOWN_AT}},
    )
