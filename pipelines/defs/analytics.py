"""How the session went."""

import dagster as dg
import polars as pl

from pipelines.core.analytics import performance as measures
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.automation import FOLLOWS
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def performance(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Profit, hit rate, R, drawdown and exposure of the data session, one row for each metric; null where there is nothing to measure."""
    session = data_session(context)
    metrics = measures.measure(daybot.warehouse.read("trades", session), daybot.warehouse.read("equity", session))
    rows = measures.rows(metrics).select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"performance": rows}, [session])
    return result(rows, profit=metrics["profit"], trades=metrics["trades"], return_=metrics["return"])
