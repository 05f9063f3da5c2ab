"""Which symbols to watch."""

import dagster as dg
import polars as pl

from pipelines.core.market import scan
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result

WATCHLIST = pl.Schema(
    [
        ("session", pl.Date),
        ("rank", pl.Int64),
        ("symbol", pl.String),
        ("score", pl.Float64),
        ("reasons", pl.List(pl.String)),
        ("news_free", pl.Boolean),
    ]
)


@asset("scan", {"duckdb"}, ["universe", "features", "liquidity"])
def watchlist(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The symbols that the runner will follow, best first, each with its reasons in words.

    Candidates take orders at the broker and traded in the last minute sessions. Those with too little daily history come last and say so.
    `news_free` is null: no source of news is connected, and none is made up.
    """
    session = data_session(context)
    tradable = daybot.universe(session).filter("tradable").select("symbol")
    spread = daybot.warehouse.read("liquidity", session).select("symbol", "spread")
    candidates = (
        daybot.warehouse.read("features", session)
        .filter(pl.col("minutes") > 0)
        .join(tradable, on="symbol", how="semi")
        .join(spread, on="symbol", how="left")
    )
    found = scan.watchlist(candidates, min_history=daybot.settings.min_history, size=daybot.settings.watchlist_size)
    rows = pl.DataFrame(
        [(session, line.rank, line.symbol, line.score, list(line.reasons), line.news_free) for line in found],
        schema=WATCHLIST,
        orient="row",
    )
    daybot.warehouse.replace({"watchlist": rows}, [session])
    return result(rows, candidates=candidates.height, cut=candidates.height - rows.height)
