"""What the strategies would have made of the day: the same engine over the day's official minutes."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines import roster
from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.session import costs_of, play
from pipelines.core.errors import DataError
from pipelines.core.trading.seats import Allocation
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import FOLLOWS
from pipelines.defs.shown import result, table
from pipelines.research.backtest import Setup, manifest
from pipelines.research.market import Home

LIVE = "live"
"""The setup that the settings name; every other one is a shipped strategy alone."""

EQUITY = 100_000.0
"""Dollars that a session begins with that no runner traded."""

STAMP = pl.Datetime("us", "UTC")

BACKTESTS = pl.Schema(
    [
        ("session", pl.Date),
        *((name, pl.String) for name in ("setup", "trade", "symbol", "strategy", "side")),
        ("quantity", pl.Int64),
        ("opened_at", STAMP),
        ("closed_at", STAMP),
        *((name, pl.Float64) for name in ("entry", "exit", "profit", "spread", "impact", "fees", "r")),
        *((name, pl.String) for name in ("reason", "briefing")),
    ]
)


@asset("research", {"duckdb"}, ["universe", "daily_bars", "minute_bars", "corporate_actions", "journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def backtest(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The round trips of the data session as a backtest of its official minutes has them: by the setup that trades live, and by each shipped
    strategy alone. Table `backtests`.

    It stands on the briefing that was published for the session, or else on one made of the days before; it begins with the equity that the live
    session began with. What it and the live session differ in is what live costs, or what live saw otherwise.
    """
    session = data_session(context)
    setups = _setups(daybot)
    rows = pl.concat([BACKTESTS.to_frame(), *_played(daybot, session, setups)])
    daybot.warehouse.replace({"backtests": rows}, [session])
    profits = rows.group_by("setup").agg(pl.len().alias("trades"), pl.col("profit", "fees").sum())
    shown = pl.DataFrame({"setup": list(setups)}).join(profits, on="setup", how="left", maintain_order="left").fill_null(0)
    return result(rows.sort("setup", "opened_at"), setups=table(shown))


def _setups(daybot: DayBot) -> dict[str, Setup]:
    """By name; the costs are the model's."""
    limits, costs = daybot.settings.limits, Costs()
    alone = {kind.name: (roster.allocate(kind.name, {}),) for kind in roster.SHIPPED}
    employed: dict[str, tuple[Allocation, ...]] = {LIVE: roster.employ(daybot.settings.strategies), **alone}
    return {name: Setup(strategies, limits, costs) for name, strategies in employed.items()}


def _played(daybot: DayBot, session: date, setups: dict[str, Setup]) -> list[pl.DataFrame]:
    market = Home(daybot.settings, daybot.warehouse.read)
    briefing = market.briefing(session)
    bars, inside, equity = market.bars(session, sorted(briefing.symbols)), market.inside(session), _equity(daybot, session)
    if bars.is_empty():
        raise DataError(f"expected minutes of {session} for the {len(briefing.symbols)} symbols of its briefing, found none; fetch minute_bars again")
    frames = []
    for name, setup in setups.items():
        one = play(manifest(briefing, setup, name), setup.strategies, bars, setup.costs, equity=equity, inside=inside)
        trades = one.tables["trades"].join(costs_of(one.tables["fills"]), on="trade", how="left", maintain_order="left")
        dated = trades.with_columns(pl.lit(name).alias("setup"), pl.lit(briefing.version).alias("briefing"))
        frames.append(dated.select(BACKTESTS.names()).cast(dict(BACKTESTS)))  # type: ignore[arg-type]  # a schema is one
    return frames


def _equity(daybot: DayBot, session: date) -> float:
    """What the live session began with."""
    known = daybot.warehouse.read("equity", session).sort("at")["equity"].to_list()
    return float(known[0]) if known else EQUITY
