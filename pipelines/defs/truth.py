"""The nightly truth: does the session replay to the same decisions, and what did live do otherwise than a backtest of the same day?"""

from datetime import date

import dagster as dg
import polars as pl

from pipelines import roster
from pipelines.core.analytics.truth import TRUTH, causes, compare
from pipelines.core.backtest.replay import replay
from pipelines.core.briefing import Severity
from pipelines.core.journal import manifest
from pipelines.core.quality.verdict import Verdict
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.automation import FOLLOWS
from pipelines.defs.checks import check
from pipelines.defs.journal import kept, lines_of
from pipelines.defs.partitions import data_session
from pipelines.defs.research import LIVE
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table


@asset("analytics", {"duckdb"}, ["journal", "backtest"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def live_against_backtest(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Every round trip of the data session, live and in the backtest of its official minutes, with the cause of the difference and its size."""
    session = data_session(context)
    live = daybot.warehouse.read("trades", session)
    assumed = daybot.warehouse.read("backtests", session).filter(pl.col("setup") == LIVE)
    rows = compare(live, assumed) if live.height else TRUTH.to_frame()
    dated = rows.select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"live_against_backtest": dated}, [session])
    summary = causes(rows)
    total = float(rows["difference"].sum())
    return result(dated, difference=total, trips=rows.height, causes=table(summary))


@check("journal", Severity.ADVICE)
def replayed(daybot: DayBot, session: date) -> Verdict:
    """Every journal of the session, fed to a fresh engine, gives the recorded decisions again, byte for byte."""
    files = kept(daybot, session)
    compared, differing = 0, []
    for path in files:
        read = lines_of(path)
        found = replay(read, roster.restored(manifest(read[0])))
        compared += found.decisions
        if found.difference is not None:
            differing.append(f"{path.name} after record {found.difference.seq}")
    detail = f"{compared} decisions of {len(files)} journals compared" + (f"; differs: {'; '.join(differing)}" if differing else "")
    return Verdict(not differing, detail, {"journals": len(files), "decisions": compared, "differing": len(differing)})
