"""How the session went, and the rows that many sessions are measured from: what the dashboard, the tools and the notebooks add up."""

from datetime import date

import dagster as dg
import polars as pl

from pipelines import publish
from pipelines.core.analytics import books, wishes
from pipelines.core.analytics import performance as measures
from pipelines.core.analytics.optimization import RATE, SUGGESTIONS, optimization
from pipelines.core.analytics.scope import Scope
from pipelines.core.analytics.session import ledger
from pipelines.core.briefing import Severity
from pipelines.core.errors import MissingData
from pipelines.core.market.adjustment import adjusted
from pipelines.core.quality.verdict import Verdict
from pipelines.core.risk.exposure import EQUAL_WEIGHT
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.checks import check
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import FOLLOWS
from pipelines.defs.shown import result
from pipelines.defs.traded.journal import kept, lines_of
from pipelines.vendors import calendar


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def performance(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Profit, hit rate, R, drawdown and exposure of the data session, one row for each metric; null where there is nothing to measure."""
    session = data_session(context)
    metrics = measures.measure(daybot.warehouse.read("trades", session), daybot.warehouse.read("equity", session))
    rows = measures.rows(metrics).select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"performance": rows}, [session])
    return result(rows, profit=metrics["profit"], trades=metrics["trades"], return_=metrics["return"])


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def round_trips(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Every round trip of the data session with its fees, its risk, and how far the market went for and against it while it was held."""
    session = data_session(context)
    rows = books.trips(_tables(daybot, session))
    daybot.warehouse.replace({"round_trips": rows}, [session])
    return result(rows, net=float(rows["net"].sum()), fees=float(rows["fees"].sum()))


@asset("analytics", {"duckdb"}, ["journal", "daily_bars", "corporate_actions"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def trading_days(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The data session of each book that traded: equity, return after fees, turnover, exposure, heat, and the benchmark beside it.

    A book is an account in one mode, or one backtest: what may be added up over sessions.
    """
    session = data_session(context)
    name, benchmark = _benchmark(daybot, session)
    rows = books.days(_tables(daybot, session), benchmark)
    daybot.warehouse.replace({"trading_days": rows}, [session])
    return result(rows, benchmark=name)


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def executions(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Every order of the data session that was meant to trade: what it cost against the price it was decided at, how much was filled, how fast.

    Exits that rested and were not needed are left out.
    """
    session = data_session(context)
    rows = books.executions(_tables(daybot, session))
    daybot.warehouse.replace({"executions": rows}, [session])
    return result(rows, cost=float(rows["cost"].sum()), filled=rows.filter(pl.col("filled") > 0).height)


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def candidates(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """All that strategies wanted in the data session: what came of it, the limit that cut or stopped it, and what that would have earned.

    Table `exits` beside it: every round trip with its stop and target at other multiples of ATR, on the bars that the session saw.
    """
    session = data_session(context)
    runs = daybot.warehouse.read("runs", session)
    found = [wishes.wished(lines_of(path), runs) for path in kept(daybot, session)]
    rows = pl.concat([wishes.CANDIDATES.to_frame(), *(one for one, _ in found)])
    exits = pl.concat([wishes.EXITS.to_frame(), *(one for _, one in found)])
    daybot.warehouse.replace({"candidates": rows, "exits": exits}, [session])
    return result(rows, refused=rows.filter(pl.col("outcome") == "refused").height, exits=exits.height)


EVIDENCE = 252
"""Sessions that suggestions rest on."""


@asset("analytics", {"duckdb"}, ["round_trips", "trading_days", "candidates"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def suggestions(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """What to change in each book that traded the data session, by its last 252 sessions: exits, hours, symbols, strategies, limits.

    Each rests on sessions that had no say in choosing it, with interval and false discovery rate; where the evidence is thin there is none.
    """
    session = data_session(context)
    window = calendar.trailing(session, EVIDENCE)
    days, trips, wanted, exits = (daybot.warehouse.read(name) for name in ("trading_days", "round_trips", "candidates", "exits"))
    empty = SUGGESTIONS.to_frame().select(pl.lit(None, pl.Date).alias("session"), pl.lit(None, pl.String).alias("book"), pl.all())
    rows, words = [empty], {}
    for book in days.filter(pl.col("session") == session)["book"].unique().sort():
        found = optimization(days, trips, wanted, exits, Scope(book=book, first=window[0], last=session), seed=session.toordinal())
        words[book] = found.words
        rows.append(found.table.select(pl.lit(session).alias("session"), pl.lit(book).alias("book"), pl.all()))
    whole = pl.concat(rows)
    daybot.warehouse.replace({"suggestions": whole}, [session])
    return result(whole, false_discovery_rate=RATE, **words)


@check("trading_days", Severity.ADVICE, ["round_trips"])
def balanced(daybot: DayBot, session: date) -> Verdict:
    """What each book's equity gained in the data session is what its round trips add up to, to the cent, unless it still holds something."""
    days, trips = daybot.warehouse.read("trading_days", session), daybot.warehouse.read("round_trips", session)
    held = daybot.warehouse.read("equity", session).sort("at").group_by("run").last().filter(pl.col("positions") > 0)
    both = days.join(trips.group_by("book").agg(pl.col("profit").sum().alias("trips")), on="book", how="left").with_columns(
        pl.col("trips").fill_null(0.0)
    )
    off = both.filter((pl.col("profit") - pl.col("trips")).abs() >= 0.01) if held.is_empty() else both.clear()
    detail = f"{days.height} books, {trips.height} round trips" + "".join(
        f"; {row['book']}: equity {row['profit']:+,.2f}, round trips {row['trips']:+,.2f}" for row in off.iter_rows(named=True)
    )
    detail += f"; {held.height} runs still hold something" if held.height else ""
    return Verdict(off.is_empty(), detail, {"books": days.height, "off": off.height})


def _tables(daybot: DayBot, session: date) -> books.Tables:
    return {name: daybot.warehouse.read(name, session) for name in ledger.SCHEMAS}


def _benchmark(daybot: DayBot, session: date) -> tuple[str, float | None]:
    """(its name, its return on the session, close to close): the settings' benchmark, or the mean of all symbols where it did not trade."""
    window = calendar.trailing(session, 2)
    universe = daybot.universe(session)
    try:
        bars = publish.bars(daybot.settings, "day", window[0], session, symbols=universe["symbol"].to_list(), feed=universe["feed"][0])
    except MissingData:
        return daybot.settings.benchmark, None
    known = adjusted(bars, daybot.actions(session, universe), session).sort("session")
    moves = (
        known.group_by("symbol")
        .agg(pl.len(), (pl.col("close").last() / pl.col("close").first() - 1).alias("move"))
        .filter(pl.col("len") == len(window))
    )
    own = moves.filter(pl.col("symbol") == daybot.settings.benchmark)
    mean = moves["move"].mean()
    if own.height:
        return daybot.settings.benchmark, float(own["move"].item())
    return EQUAL_WEIGHT, float(mean) if isinstance(mean, float) else None
