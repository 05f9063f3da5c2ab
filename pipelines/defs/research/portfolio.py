"""How the night would spread capital: over the strategies, and over the names of the watchlist."""

import dagster as dg
import polars as pl

from pipelines import roster
from pipelines.core import night
from pipelines.core.portfolio import members
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.research.backtests import EQUITY
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import FOLLOWS
from pipelines.defs.shown import result


@asset("research", {"duckdb"}, ["backtest", "watchlist", "daily_bars", "corporate_actions"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def weights(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Portfolio weights after the data session by four methods (equal, least variance, risk parity, hierarchical), each with its share of the risk.

    The strategies by the days that each has had alone in `backtest`, the watchlist by its total returns. Nothing trades on it by itself: `daybot
    weights` shows the budgets as a line for STRATEGIES, which a person takes over or does not. No rows below 20 sessions.
    """
    session = data_session(context)
    days = daybot.warehouse.read("backtests").filter(pl.col("session") <= session)
    alone = [kind.name for kind in roster.SHIPPED]
    watched = daybot.warehouse.read("watchlist", session).sort("rank")["symbol"].to_list()
    found = pl.concat([members.strategies(days, alone, EQUITY), members.names(watched, night.returns(daybot.past(session)))])
    rows = found.select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"weights": rows}, [session])
    return result(rows, strategies=found.filter(pl.col("book") == "strategies")["name"].n_unique(), sessions=days["session"].n_unique())
