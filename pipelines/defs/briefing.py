"""The end of the night: everything that the morning needs, published."""

from datetime import UTC, date, datetime
from functools import partial

import dagster as dg
import polars as pl

from pipelines import publish
from pipelines.core import night
from pipelines.core.briefing import Briefing, Severity
from pipelines.core.errors import DataError
from pipelines.defs.asset import asset
from pipelines.defs.checks import CHECKS
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table

INPUTS = (
    "universe",
    "corporate_actions",
    "features",
    "seeds",
    "liquidity",
    "slippage",
    "regime",
    "correlation",
    "clusters",
    "betas",
    "sector_exposure",
    "watchlist",
    "checks",
)


@asset(
    "briefing",
    {"duckdb"},
    [
        "trading_calendar",
        "second_bars",
        "features",
        "liquidity",
        "slippage",
        "regime",
        "correlation",
        "betas",
        "sector_exposure",
        "watchlist",
        "journal",
        "performance",
        "executions",
        "suggestions",
        "feed_comparison",
        "controls_report",
        "live_against_backtest",
        "backtest",
        "scorers",
    ],
)
def briefing(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The briefing for the session after the data session, and with it a new published snapshot of the whole warehouse.

    Nothing is published unless every blocking check of this data session has passed. One for an earlier session than the current snapshot's,
    as a backfill makes it, is listed and does not become the current one (`current` says which is).
    """
    session = data_session(context)
    learned = ["scorers"] if daybot.warehouse.has("scorers") else []
    tables = {name: daybot.warehouse.read(name, session) for name in (*INPUTS, *learned)}
    tables["checks"] = tables["checks"].sort("asset", "name")  # written in the order in which they ended, which is not the same every time
    _passed(tables["checks"], session)
    made = _compose(daybot, session, tables)
    rows = {"briefings": pl.DataFrame({"session": [made.session], "version": [made.version], "json": [made.model_dump_json()]})}
    # Its row is in its own snapshot, and in the warehouse once that is released: no later snapshot carries one that never came to be.
    copy, record = (partial(do, tables=rows, sessions=[made.session]) for do in (daybot.warehouse.copy, daybot.warehouse.replace))
    snapshot = publish.release(daybot.settings, made.version, copy, record)
    return result(
        tables["watchlist"].drop("session"),
        version=made.version,
        snapshot=dg.MetadataValue.path(snapshot.path),
        session=str(made.session),
        current=publish.current(daybot.settings).version,
        regime=made.regime.name.value,
        origin=made.origin.value,
        symbols=len(made.symbols),
        checks=table(tables["checks"].drop("session")),
    )


def _passed(checks: pl.DataFrame, session: date) -> None:
    """The last word, whichever way the run was started: Dagster holds back only what is in the same run as the check."""
    stood = {(row["asset"], row["name"]): row for row in checks.iter_rows(named=True)}
    blocking = [(check.asset, check.name) for check in CHECKS if check.severity is Severity.BLOCKING]
    wrong = [
        f"{asset}.{name}: {stood[asset, name]['detail'] if (asset, name) in stood else 'did not run'}"
        for asset, name in blocking
        if (asset, name) not in stood or not stood[asset, name]["passed"]
    ]
    if wrong:
        raise DataError(
            f"expected every blocking check of {session} passed, found {'; '.join(wrong)}; nothing was published, mend the data and run again"
        )


def _compose(daybot: DayBot, session: date, tables: dict[str, pl.DataFrame]) -> Briefing:
    past, made = daybot.past(session), datetime.now(UTC)
    draft = night.compose(past, tables, night.returns(past), daybot.settings.benchmark, made)
    return draft.model_copy(update={"version": publish.version(draft.session, made, night.content(draft))})
