"""What the day hands to the night: the session's journals as tables."""

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from pipelines import journals
from pipelines.core.analytics.session import ledger, seen
from pipelines.core.journal import Record, records
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import CAUGHT_UP
from pipelines.defs.shown import result, table


@asset("journal", {"duckdb", "parquet"}, fresh=AFTER_THE_CLOSE, automation=CAUGHT_UP)
def journal(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Orders, fills, decisions, trades and equity of the data session, from its journals, whose hash chains are verified on the way.

    The minute bars that each run saw go into the lake, beside the official ones. Read again as often as wanted: the session's rows are
    replaced. A session without a journal has none.
    """
    session = data_session(context)
    files = kept(daybot, session)
    read, saw = [ledger.empty()], 0
    for path in files:
        lines = lines_of(path)
        read.append(ledger.tables(lines))
        saw += _keep(daybot, session, journals.stem(path), seen.bars(lines))
    tables = {name: pl.concat([part[name] for part in read]) for name in ledger.SCHEMAS}
    daybot.warehouse.replace(tables, [session])
    counts = pl.DataFrame({"table": list(tables), "rows": [frame.height for frame in tables.values()]})
    found = ", ".join(path.name for path in files) or f"no journal for {session} in {daybot.settings.journals}: no session was run"
    shown = tables["decisions"].select("session", "run", "seq", "at", "kind", "symbol", "code", "detail")
    return result(shown, files=found, tables=table(counts), bars_seen=saw)


def kept(daybot: DayBot, session: date) -> list[Path]:
    """The session's journals, in the order in which they were begun."""
    return journals.sessions(daybot.settings.journals, session)


def lines_of(path: Path) -> list[Record]:
    """A journal's records, its chain verified on the way."""
    return list(records(journals.lines(path)))


def _keep(daybot: DayBot, session: date, run: str, bars: pl.DataFrame) -> int:
    """Put what one run saw into the lake, under the name of each feed that it saw it on; how many bars."""
    for (feed,), rows in bars.partition_by("feed", as_dict=True).items():
        daybot.lake.see(session, feed, run, rows)
    return bars.height
