"""What has to be true before anything is published: thin wiring of the gates in `core/quality`. Every verdict is also a row of the table
`checks`, which the briefing carries.

A failed check of severity `blocking` stops everything that follows: the last good briefing stays current. One of severity `reducing` is
published, and the runner starts in REDUCING with its reason until a person resumes. `advice` is told, no more. All are waited for.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

import dagster as dg
import polars as pl

from pipelines import publish
from pipelines.core import night
from pipelines.core.briefing import Severity
from pipelines.core.errors import MissingData
from pipelines.core.quality import agreement, coverage, models, prices, splits
from pipelines.core.quality.parity import parity as stepped
from pipelines.core.quality.verdict import Verdict
from pipelines.core.risk.exposure import benchmark
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import table
from pipelines.lake.layout import Resolution
from pipelines.vendors import calendar

WINDOW = 60
"""Sessions whose daily bars the gates look at: the returns that correlations are of."""

RECENT = 20
"""Sessions that ATR and ADV remember."""

REFUSED = 0.005
"""Share of the bars that may have been set aside."""

Judge = Callable[[DayBot, date], Verdict]


class Check(NamedTuple):
    """A check by its place, and what its failure does."""

    asset: str
    name: str
    severity: Severity


CHECKS: dict[Check, Judge] = {}
"""Every check there is; the judge's docstring is what the UI says of it."""

ALSO: dict[Check, Sequence[str]] = {}
"""Assets that a check looks at besides its own."""


def check(asset: str, severity: Severity, also: Sequence[str] = ()) -> Callable[[Judge], Judge]:
    """A check named after its function, run after the asset and `also` these others."""

    def register(judge: Judge) -> Judge:
        made = Check(asset, judge.__name__, severity)
        CHECKS[made], ALSO[made] = judge, also
        return judge

    return register


@dg.definitions
def checks() -> dg.Definitions:
    """One step for all checks of an asset: on other machines a step costs more than any check."""
    return dg.Definitions(asset_checks=[_step(asset) for asset in dict.fromkeys(made.asset for made in CHECKS)])


def _step(asset: str) -> dg.AssetChecksDefinition:
    mine = {dg.AssetCheckKey(dg.AssetKey(asset), made.name): made for made in CHECKS if made.asset == asset}

    @dg.multi_asset_check(name=f"{asset}_checks", specs=[_spec(made) for made in mine.values()], can_subset=True)
    def run(context: dg.AssetCheckExecutionContext, daybot: dg.ResourceParam[DayBot]) -> Iterator[dg.AssetCheckResult]:
        session = data_session(context)
        for key, made in mine.items():
            if key in context.selected_asset_check_keys:
                yield _result(made, CHECKS[made](daybot, session), daybot, session)

    return run


def _spec(made: Check) -> dg.AssetCheckSpec:
    # Blocking in Dagster's sense means that others wait for it, so that every verdict is on the table when the briefing is made; only an error
    # stops them.
    text = f"{CHECKS[made].__doc__}\n\nSeverity: {made.severity.value}."
    return dg.AssetCheckSpec(made.name, asset=made.asset, description=text, blocking=True, additional_deps=list(ALSO[made]))


def _result(made: Check, verdict: Verdict, daybot: DayBot, session: date) -> dg.AssetCheckResult:
    """The verdict for the UI; as a row of the table `checks` it goes on to the briefing."""
    row = {**made._asdict(), "severity": made.severity.value, "session": session, "passed": verdict.passed, "detail": verdict.detail}
    daybot.warehouse.replace({"checks": pl.DataFrame([row])}, [session], asset=made.asset, name=made.name)
    worst = {"worst": table(verdict.worst)} if verdict.worst is not None and verdict.worst.height else {}
    return dg.AssetCheckResult(
        asset_key=made.asset,
        check_name=made.name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if made.severity is Severity.BLOCKING else dg.AssetCheckSeverity.WARN,
        description=verdict.detail,
        metadata={**verdict.numbers, **worst},
    )


# --- daily bars


@check("daily_bars", Severity.BLOCKING)
def complete(daybot: DayBot, session: date) -> Verdict:
    """At most 2 % of the last 60 sessions' daily bars are missing, counted from each symbol's first bar."""
    window = calendar.trailing(session, WINDOW)
    return coverage.complete(daybot.bars("day", window), window)


@check("daily_bars", Severity.BLOCKING)
def sane(daybot: DayBot, session: date) -> Verdict:
    """Fewer than 0.5 % of the last 60 sessions' daily bars had to be set aside as impossible."""
    return _set_aside(daybot, "day", calendar.trailing(session, WINDOW))


@check("daily_bars", Severity.REDUCING)
def digits(daybot: DayBot, session: date) -> Verdict:
    """No price of the last 20 sessions is contradicted by those around it: lost digits, bad prints, bars of something else."""
    return prices.digits(daybot.bars("day", calendar.trailing(session, RECENT)))


@check("daily_bars", Severity.REDUCING, ["corporate_actions"])
def split(daybot: DayBot, session: date) -> Verdict:
    """In the last 60 sessions the prices show every split of the table of corporate actions, and no other."""
    return splits.splits(daybot.bars("day", calendar.trailing(session, WINDOW)), daybot.actions(session))


@check("daily_bars", Severity.ADVICE, ["corporate_actions"])
def plausible(daybot: DayBot, session: date) -> Verdict:
    """No close of the last 60 sessions is more than 40 % from the one before, on one share scale. What jumps is looked at by a person."""
    window = calendar.trailing(session, WINDOW)
    return prices.plausible(daybot.daily(session).filter(pl.col("session") >= window[0]))


@check("daily_bars", Severity.ADVICE)
def fresh(daybot: DayBot, session: date) -> Verdict:
    """At most 1 % of the symbols have daily bars in the last 20 sessions that say nothing new, or none on the data session."""
    window = calendar.trailing(session, RECENT)
    return coverage.fresh(daybot.bars("day", window), window)


@check("second_bars", Severity.REDUCING, ["daily_bars"])
def vendors(daybot: DayBot, session: date) -> Verdict:
    """On at most 2 % of the symbols another vendor's daily bar of the data session is another: opens and closes by 1 %, extremes by 3 %."""
    universe = daybot.universe(session)
    symbols, feed = universe["symbol"].to_list(), universe["feed"][0]
    others = [found for found in publish.feeds(daybot.settings, "day", session, session, symbols=symbols)["feed"].unique().sort() if found != feed]
    if not others:
        return Verdict(True, "no second vendor to compare with", {"compared": 0})
    theirs = publish.bars(daybot.settings, "day", session, session, symbols=symbols, feed=others[0])
    return agreement.vendors(daybot.bars("day", [session], universe), theirs)


# --- minute bars


@check("minute_bars", Severity.BLOCKING)
def inside(daybot: DayBot, session: date) -> Verdict:
    """Every minute bar starts inside its session's day, 04:00 to 20:00 in New York, and no symbol has a minute twice."""
    return coverage.inside(daybot.bars("minute", calendar.trailing(session, daybot.settings.minute_sessions)))


@check("minute_bars", Severity.BLOCKING)
def sound(daybot: DayBot, session: date) -> Verdict:
    """Fewer than 0.5 % of the minute bars had to be set aside as impossible."""
    return _set_aside(daybot, "minute", calendar.trailing(session, daybot.settings.minute_sessions))


@check("minute_bars", Severity.BLOCKING, ["daily_bars"])
def one_feed(daybot: DayBot, session: date) -> Verdict:
    """Every bar is of the one feed that the universe names, and no step in everybody's volume shows that the feed changed behind its name."""
    universe = daybot.universe(session)
    minutes = daybot.bars("minute", calendar.trailing(session, daybot.settings.minute_sessions), universe)
    return agreement.one_feed(daybot.bars("day", calendar.trailing(session, WINDOW), universe), minutes, universe["feed"][0])


@check("minute_bars", Severity.REDUCING, ["daily_bars"])
def covered(daybot: DayBot, session: date) -> Verdict:
    """At most 2 % of the symbols lack regular minutes that they should have. Minutes without a trade in a thin name are no gap."""
    window = calendar.trailing(session, daybot.settings.minute_sessions)
    return coverage.covered(daybot.bars("minute", window), daybot.bars("day", window), _hours(window))


@check("minute_bars", Severity.REDUCING)
def ticks(daybot: DayBot, session: date) -> Verdict:
    """No minute price is a quarter off everything around it."""
    bars = daybot.bars("minute", calendar.trailing(session, daybot.settings.minute_sessions)).filter(pl.col("volume") > 0)
    return prices.digits(bars, "timestamp", prices.MINUTE_FACTOR)


@check("features", Severity.ADVICE)
def agreeing(daybot: DayBot, session: date) -> Verdict:
    """Each symbol's last minute close of the regular session is within 10 % of its daily close. More is two scales: one is adjusted, one raw."""
    edges = _hours([session]).row(0, named=True)
    regular = pl.col("timestamp").is_between(edges["open"], edges["close"], closed="left")
    return agreement.scales(daybot.bars("minute", [session]).filter(regular), daybot.bars("day", [session]))


@check("journal", Severity.REDUCING, ["minute_bars"])
def lived(daybot: DayBot, session: date) -> Verdict:
    """What the runner saw live is the official record: at most 1 % of the minutes missed, 1 % closed otherwise, 5 % of the volume differs."""
    universe, edges = daybot.universe(session), _hours([session]).row(0, named=True)
    regular = pl.col("timestamp").is_between(edges["open"], edges["close"], closed="left")
    official = daybot.bars("minute", [session], universe).filter(regular)
    try:
        seen = publish.bars(daybot.settings, "minute", session, session, feed=universe["feed"][0], view="seen").filter(regular)
    except MissingData:
        seen = official.clear()
    return agreement.lived(seen, official)


# --- what is computed from them


@check("features", Severity.BLOCKING)
def usable(daybot: DayBot, session: date) -> Verdict:
    """ATR is a positive finite number for every symbol that has the daily bars for it."""
    return models.usable(daybot.warehouse.read("features", session), daybot.settings.min_history)


@check("features", Severity.BLOCKING)
def parity(daybot: DayBot, session: date) -> Verdict:
    """The minute indicators stepped bar by bar through the data session, as the engine does it, give the batch's values and seeds to the bit."""
    seeds = daybot.warehouse.read("seeds", session)
    opens = _hours(calendar.trailing(session, daybot.settings.minute_sessions)).select("session", "open")
    known = dict(zip(seeds["symbol"], map(tuple, seeds["seed"].to_list()), strict=True))
    return stepped(daybot.minutes(session), opens, known)


@check("features", Severity.REDUCING)
def steady(daybot: DayBot, session: date) -> Verdict:
    """ATR and ADV are near yesterday's: at most 2 % of the names drifted away from what everybody did, and not everybody at once.

    Yesterday's are computed anew, on today's share scale: a split is no drift, and a backfill in any order finds the same.
    """
    return models.steady(models.averages(daybot.daily(session), session))


@check("correlation", Severity.BLOCKING)
def proper(daybot: DayBot, session: date) -> Verdict:
    """The matrix is whole, symmetric, has a unit diagonal, nothing beyond one and no negative eigenvalue."""
    rows = daybot.warehouse.read("correlation", session)
    square = rows.pivot("b", index="a", values="rho", sort_columns=True).sort("a")
    return models.proper(square.drop("a").to_numpy(), square["a"].to_list())


@check("correlation", Severity.REDUCING, ["betas"])
def settled(daybot: DayBot, session: date) -> Verdict:
    """Correlations and betas are near yesterday's, computed anew: at most 2 % drifted away from what all did, and not all at once."""
    rho, slopes = daybot.warehouse.read("correlation", session), daybot.warehouse.read("betas", session)
    returns = night.returns(daybot.past(session))
    before = models.yesterday(returns, rho["a"].unique().to_list(), benchmark(returns, daybot.settings.benchmark).returns)
    now = {"beta": slopes.select(pl.col("symbol").alias("name"), pl.col("beta").alias("value")), "rho": models.pairs(rho)}
    return models.steady({feature: (before[feature], now[feature]) for feature in now})


def _set_aside(daybot: DayBot, resolution: Resolution, window: Sequence[date]) -> Verdict:
    """The quarantine's share of the bars."""
    kept, aside = daybot.bars(resolution, window).height, daybot.warehouse.read("quarantine")
    refused = aside.filter((pl.col("resolution") == resolution) & pl.col("session").is_in(list(window))).sort("session", descending=True)
    share = refused.height / max(kept + refused.height, 1)
    detail = f"{refused.height} of {kept + refused.height} bars set aside ({share:.2%}; limit {REFUSED:.1%})"
    detail += "".join(f"; {count}: {reason}" for reason, count in refused.group_by("reason").len().sort("len", "reason", descending=True).iter_rows())
    worst = refused.select("symbol", "session", "reason", *prices.PRICES, "volume")
    return Verdict(share < REFUSED, detail, {"refused": refused.height, "share": share}, worst)


def _hours(window: Sequence[date]) -> pl.DataFrame:
    """Rows session, open, close (UTC) of these sessions."""
    return calendar.calendar().filter(pl.col("session").is_in(list(window))).select("session", "open", "close")
