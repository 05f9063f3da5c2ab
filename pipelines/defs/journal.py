"""What the day hands to the night: the session's journals as tables."""

from pathlib import Path

import dagster as dg
import polars as pl

from pipelines.core.analytics import ledger
from pipelines.core.journal import records
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.automation import CAUGHT_UP
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table


@asset("journal", {"duckdb"}, fresh=AFTER_THE_CLOSE, automation=CAUGHT_UP)
def journal(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Orders, fills, decisions, trades and equity of the data session, from its journals, whose hash chains are verified on the way.

    Read again as often as wanted: the session's rows are replaced. A session without a journal has none.
    """
    session = data_session(context)
    files = sorted(daybot.settings.journals.glob(f"{session.isoformat()}*.jsonl"))
    read = [_tables(path) for path in files] or [ledger.empty()]
    tables = {name: pl.concat([part[name] for part in read]) for name in ledger.SCHEMAS}
    daybot.warehouse.replace(tables, [session])
    counts = pl.DataFrame({"table": list(tables), "rows": [frame.height for frame in tables.values()]})
    found = ", ".join(path.name for path in files) or f"no journal for {session} in {daybot.settings.journals}: no session was run"
    return result(tables["decisions"].select("session", "run", "seq", "at", "kind", "symbol", "code", "detail"), files=found, tables=table(counts))


def _tables(path: Path) -> dict[str, pl.DataFrame]:
    with path.open("rb") as lines:
        return ledger.tables(records(lines))
