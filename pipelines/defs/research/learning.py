"""What the day's entries teach: examples of them, and each strategy's scorer with its marks on sessions that it had not seen."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines import roster
from pipelines.core.backtest.costs import Costs
from pipelines.core.errors import MissingData
from pipelines.core.learning.examples import EXAMPLES, OPEN, examples
from pipelines.core.learning.training import SCORERS, train
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import FOLLOWS
from pipelines.defs.shown import result, table
from pipelines.research.backtest import Setup, manifest
from pipelines.research.market import Home

YEAR = 252
"""Sessions that are learned from: longer ago, the market was another."""


@asset("research", {"duckdb"}, ["universe", "daily_bars", "minute_bars", "corporate_actions", "journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def entry_examples(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Every entry that the shipped strategies would have made in the data session with no limit in the way, what was known at it, and its profit
    after costs as the engine plays it. What the scorers learn from.
    """
    session = data_session(context)
    rows = _played(daybot, session)
    daybot.warehouse.replace({"entry_examples": rows}, [session])
    counts = rows.group_by("strategy").agg(pl.len().alias("examples"), (pl.col("profit") > 0).mean().alias("won")).sort("strategy")
    return result(rows, strategies=table(counts))


@asset("research", {"duckdb", "scipy"}, ["entry_examples"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def scorers(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Each strategy's scorer of entries, learned from the last year of examples until the data session, with how it did walking forward: purged,
    with an embargo, on sessions that it had not seen. Only a trusted one (better than chance at 95 % and than the plain rate) reaches the briefing.

    None below 300 examples. `MIN_SCORE` is the least probability of a profit at which a strategy enters; 0, the default, asks nobody.
    """
    session = data_session(context)
    known = daybot.warehouse.read("entry_examples").filter(pl.col("session") <= session)
    last = known["session"].unique().sort().tail(YEAR)
    recent = known.filter(pl.col("session").is_in(last.implode()))
    found = [made for kind in roster.SHIPPED if (made := train(recent, kind.name)) is not None]
    rows = pl.DataFrame([{"session": session, **made.model_dump(), "trusted": made.trusted} for made in found], schema=SCORERS)
    daybot.warehouse.replace({"scorers": rows}, [session])
    return result(rows, examples=recent.height, trusted=", ".join(made.strategy for made in found if made.trusted) or "none")


def _played(daybot: DayBot, session: date) -> pl.DataFrame:
    market = Home(daybot.settings, daybot.warehouse.read)
    briefing = market.briefing(session)
    bars = market.bars(session, sorted(briefing.symbols))
    if bars.is_empty():
        raise MissingData(f"expected minutes of {session} for the {len(briefing.symbols)} symbols, found none; fetch minute_bars again")
    strategies = tuple(roster.allocate(kind.name, {}) for kind in roster.SHIPPED)
    rows = examples(manifest(briefing, Setup(strategies, OPEN, Costs()), "examples"), strategies, bars, market.inside(session))
    return rows.match_to_schema(EXAMPLES)
