"""The end of the night: everything that the morning needs, published."""

from datetime import UTC, date, datetime
from hashlib import sha256

import dagster as dg
import polars as pl

from pipelines import publish
from pipelines.core.briefing import RETURN_SESSIONS, Briefing, Candidate, CheckResult, Origin, Severity, SymbolBrief
from pipelines.core.errors import DataError
from pipelines.core.market.adjustment import Dividends
from pipelines.core.market.session import moment
from pipelines.core.market.slippage import Slippage
from pipelines.core.risk.correlation import aligned
from pipelines.core.risk.regimes import Regime
from pipelines.defs.asset import asset
from pipelines.defs.checks import CHECKS
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import fingerprint, result, table
from pipelines.vendors import calendar

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
    ],
)
def briefing(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The briefing for the session after the data session, and with it a new published snapshot of the whole warehouse.

    Nothing is published unless every blocking check of this data session has passed.
    """
    session = data_session(context)
    tables = {name: daybot.warehouse.read(name, session) for name in INPUTS}
    tables["checks"] = tables["checks"].sort("asset", "name")  # written in the order in which they ended, which is not the same every time
    _passed(tables["checks"], session)
    made = _compose(daybot, session, tables)
    row = pl.DataFrame({"session": [made.session], "version": [made.version], "json": [made.model_dump_json()]})
    daybot.warehouse.replace({"briefings": row}, [made.session])
    snapshot = publish.release(daybot.settings, made.version, daybot.warehouse.copy)
    return result(
        tables["watchlist"].drop("session"),
        version=made.version,
        snapshot=dg.MetadataValue.path(snapshot.path),
        session=str(made.session),
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
    following = calendar.next_session(session)
    hours = calendar.session_of(following)
    regime = tables["regime"].row(0, named=True)
    source = tables["universe"].row(0, named=True)
    made = datetime.now(UTC)
    inputs = {name: fingerprint(frame) for name, frame in tables.items()}
    draft = Briefing(
        version="",
        session=following,
        open=moment(hours.open),
        close=moment(hours.close),
        data_session=session,
        created_at=made,
        origin=Origin(source["origin"]),
        feed=source["feed"],
        benchmark=regime["benchmark"],
        regime=Regime.model_validate({name: regime[name] for name in Regime.model_fields}),
        slippage=Slippage.model_validate({name: tables["slippage"][name].item() for name in Slippage.model_fields}),
        symbols=_symbols(daybot, session, tables),
        watchlist=tuple(Candidate.model_validate(row) for row in tables["watchlist"].sort("rank").drop("session").iter_rows(named=True)),
        checks=tuple(CheckResult.model_validate(row) for row in tables["checks"].sort("asset", "name").drop("session").iter_rows(named=True)),
        inputs=inputs,
    )
    content = sha256(draft.model_dump_json(exclude={"version", "created_at"}).encode()).hexdigest()
    return draft.model_copy(update={"version": publish.version(following, made, content)})


def _symbols(daybot: DayBot, session: date, tables: dict[str, pl.DataFrame]) -> dict[str, SymbolBrief]:
    """One brief for each symbol of the watchlist, and for the benchmark where the universe has it."""
    names = {*tables["watchlist"]["symbol"], daybot.settings.benchmark}
    rows = (
        tables["universe"]
        .filter(pl.col("symbol").is_in(names))
        .sort("symbol")
        .join(tables["features"].select("symbol", "history", "close", "atr", "adv"), on="symbol", how="left", maintain_order="left")
        .join(tables["betas"].select("symbol", "beta"), on="symbol", how="left", maintain_order="left")
        .join(tables["liquidity"].select("symbol", "sigma", "spread"), on="symbol", how="left", maintain_order="left")
        .join(tables["clusters"].select("symbol", "cluster"), on="symbol", how="left", maintain_order="left")
        .join(tables["seeds"].select("symbol", "seed"), on="symbol", how="left", maintain_order="left")
    )
    returns = aligned(daybot.daily(session, dividends=Dividends.REINVESTED), calendar.trailing(session, RETURN_SESSIONS + 1))
    series = {symbol: tuple(returns.of(symbol).tolist()) for symbol in rows["symbol"]}
    return {
        row["symbol"]: SymbolBrief.model_validate({**row, "returns": tuple(r if r == r else None for r in series[row["symbol"]])})
        for row in rows.iter_rows(named=True)
    }
