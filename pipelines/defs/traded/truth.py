"""The nightly truth: does the session replay to the same decisions, what did live do otherwise than a backtest of the same day, how did the vendors
compare, and did every control hold?
"""

from collections.abc import Callable
from datetime import date

import dagster as dg
import polars as pl

from pipelines import roster
from pipelines.core.analytics.session import controls, feeds
from pipelines.core.analytics.session.truth import TRUTH, causes, compare
from pipelines.core.backtest.replay import replay
from pipelines.core.briefing import Severity
from pipelines.core.journal import Record, manifest
from pipelines.core.quality.verdict import Verdict, named
from pipelines.defs.asset import AFTER_THE_CLOSE, asset
from pipelines.defs.checks import check
from pipelines.defs.partitions import data_session
from pipelines.defs.research.backtests import LIVE
from pipelines.defs.resources import DayBot
from pipelines.defs.running.automation import FOLLOWS
from pipelines.defs.shown import result, table
from pipelines.defs.traded.journal import kept, lines_of

MISSED = 0.01
"""Share of a vendor's minutes that may be missing."""

APART = 0.001
"""Share of the minutes that two vendors told whose closes may be too far apart."""

ONE_SIDED = 0.1
"""Share of the round trips that only live or only the backtest may have made."""

WORSE = 10.0
"""Basis points that a round trip may cost live beyond what the backtest assumed."""


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


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def feed_comparison(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The vendors side by side over the data session: minutes that each missed, how late its bars came, and how far from the other's they closed."""
    session = data_session(context)
    rows = _of_runs(daybot, session, feeds.SIDES, lambda lines: feeds.sides(lines, daybot.settings.feed_disagreement_bp))
    events = _of_runs(daybot, session, feeds.HAPPENED, feeds.happened)
    daybot.warehouse.replace({"feed_comparison": rows}, [session])
    counts = events.group_by("vendor", "what").len("times").sort("vendor", "what")
    return result(rows, happened=table(events.drop("session")), times=table(counts))


@asset("analytics", {"duckdb"}, ["journal"], fresh=AFTER_THE_CLOSE, automation=FOLLOWS)
def controls_report(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Every control of the data session: how often it stopped an entry, and how near the books came to its limit."""
    session = data_session(context)
    rows = _of_runs(daybot, session, controls.CONTROLS, controls.report)
    daybot.warehouse.replace({"controls_report": rows}, [session])
    return result(rows, refused=int(rows["refused"].sum()), breached=rows.filter(pl.col("breached")).height)


def _of_runs(daybot: DayBot, session: date, schema: pl.Schema, made: Callable[[list[Record]], pl.DataFrame]) -> pl.DataFrame:
    """The same of every journal of the session, with the session and the run before it."""
    runs = {"": schema.to_frame()} | {manifest(lines[0]).run: made(lines) for lines in map(lines_of, kept(daybot, session))}
    return pl.concat([rows.select(pl.lit(session).alias("session"), pl.lit(run).alias("run"), pl.all()) for run, rows in runs.items()])


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


@check("journal", Severity.REDUCING)
def controlled(daybot: DayBot, session: date) -> Verdict:
    """By the books no limit was passed: at every entry, position, sector, exposure, orders and losses were within what the session was given."""
    rows = _of_runs(daybot, session, controls.CONTROLS, controls.report)
    breached = rows.filter(pl.col("breached")).sort("share", descending=True).select("control", "symbol", "at", "peak", "limit", "run")
    measured = rows.filter(pl.col("peak").is_not_null()).height
    detail = f"{measured} measures by the books, {int(rows['refused'].sum())} refusals" + (f"; passed: {named(breached)}" if breached.height else "")
    return Verdict(not breached.height, detail, {"measures": measured, "breached": breached.height}, breached)


@check("journal", Severity.ADVICE)
def told_alike(daybot: DayBot, session: date) -> Verdict:
    """Each vendor brought at least 99 % of its minutes, and of those that two told at most 0.1 % closed farther apart than is allowed.

    One venue (IEX) has no trade in many minutes: of it only the closes are judged.
    """
    rows = _of_runs(daybot, session, feeds.SIDES, lambda lines: feeds.sides(lines, daybot.settings.feed_disagreement_bp))
    totals = rows.group_by("vendor").agg(pl.col("minutes", "missing", "pairs", "apart").sum()).sort("vendor")
    missed = (pl.col("missing") > MISSED * pl.col("minutes")) & ~pl.col("vendor").str.contains("iex")
    wrong = totals.filter(missed | (pl.col("apart") > APART * pl.col("pairs")))
    detail = "; ".join(
        f"{vendor}: {missing} of {minutes} missing, {apart} of {pairs} apart" for vendor, minutes, missing, pairs, apart in totals.rows()
    )
    worst = rows.filter((pl.col("missing") > 0) | (pl.col("apart") > 0)).sort("apart", "missing", descending=True)
    return Verdict(not wrong.height, detail or "no session was run", {"vendors": totals.height, "wrong": wrong.height}, worst)


@check("live_against_backtest", Severity.ADVICE)
def matched(daybot: DayBot, session: date) -> Verdict:
    """At most a tenth of the round trips were made by only one of live and backtest; those of both cost live at most 10 bp more, both ways."""
    rows = daybot.warehouse.read("live_against_backtest", session)
    one_sided = rows.filter(pl.col("cause").str.starts_with("signal"))
    both = rows.filter(~pl.col("cause").str.starts_with("signal"))
    cost = float(both.select((pl.col("entry_bp") + pl.col("exit_bp")).mean()).item() or 0.0)
    passed = one_sided.height <= ONE_SIDED * rows.height and cost <= WORSE
    detail = (
        f"{rows.height} round trips, {one_sided.height} of one side only; where both made them live was {cost:+.2f} bp worse ({WORSE:g} are allowed)"
    )
    return Verdict(passed, detail, {"trips": rows.height, "one_sided": one_sided.height, "bp": cost}, one_sided)
