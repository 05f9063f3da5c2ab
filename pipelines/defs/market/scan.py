"""Which symbols to watch."""

import dagster as dg

from pipelines.core import night
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result


@asset("scan", {"duckdb"}, ["universe", "features", "liquidity"])
def watchlist(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The symbols that the runner will follow, best first, each with its reasons in words.

    Candidates take orders at the broker and traded in the last minute sessions. Those with too little daily history come last and say so.
    `news_free` is null: no source of news is connected, and none is made up.
    """
    session = data_session(context)
    known, liquid = (daybot.warehouse.read(name, session) for name in ("features", "liquidity"))
    rows, candidates = night.watchlist(daybot.past(session), known, liquid, daybot.choices)
    daybot.warehouse.replace({"watchlist": rows}, [session])
    return result(rows, candidates=candidates, cut=candidates - rows.height)
