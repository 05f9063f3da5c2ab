"""What has to be true before anything is published. Every verdict is also a row of the table `checks`, which the briefing carries.

All checks are waited for; those that are `advice` warn, the others stop everything that follows.
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import dagster as dg
import numpy as np
import polars as pl

from pipelines.core.market.session import NEW_YORK, moment
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar
from pipelines.vendors.screen import suspicious

WINDOW = 60
GAPS = 0.02
REFUSED = 0.005
APART = 0.1
TOLERANCE = 1e-8


class Verdict(NamedTuple):
    """`detail` says in one line what was looked at and what was found."""

    passed: bool
    detail: str
    numbers: dict[str, float]


Judge = Callable[[DayBot, date], Verdict]

BLOCKING: list[tuple[str, str]] = []
"""(asset, check) of every check that must have passed before a briefing is published."""


def check(asset: str, *, advice: bool = False) -> Callable[[Judge], dg.AssetChecksDefinition]:
    """An asset check named after its function, whose docstring the UI shows."""

    def decorate(judge: Judge) -> dg.AssetChecksDefinition:
        name = judge.__name__
        if not advice:
            BLOCKING.append((asset, name))

        # Blocking in Dagster's sense means only that others wait for it: so advice is on the table as well when the briefing is made.
        @dg.asset_check(asset=asset, name=name, description=judge.__doc__, blocking=True)
        def run(context: dg.AssetCheckExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.AssetCheckResult:
            session = data_session(context)
            verdict = judge(daybot, session)
            row = {"session": session, "asset": asset, "name": name, "passed": verdict.passed, "blocking": not advice, "detail": verdict.detail}
            daybot.warehouse.replace({"checks": pl.DataFrame([row])}, [session], asset=asset, name=name)
            return dg.AssetCheckResult(
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.WARN if advice else dg.AssetCheckSeverity.ERROR,
                description=verdict.detail,
                metadata=verdict.numbers,
            )

        return run

    return decorate


@check("daily_bars")
def complete(daybot: DayBot, session: date) -> Verdict:
    """At most 2 % of the last 60 sessions' bars are missing, counted from each symbol's first bar."""
    window = calendar.trailing(session, WINDOW)
    bars = daybot.bars("day", window)
    numbers = pl.col("session").replace_strict({day: i for i, day in enumerate(window)}, return_dtype=pl.Int64)
    by_symbol = (
        bars.group_by("symbol").agg(numbers.min().alias("first"), pl.len().alias("found")).with_columns((len(window) - pl.col("first")).alias("due"))
    )
    due, found = int(by_symbol["due"].sum()), int(by_symbol["found"].sum())
    if due == 0:
        return Verdict(False, f"expected daily bars in the last {WINDOW} sessions, found none", {"due": 0, "found": 0})
    share = 1 - found / due
    worst = by_symbol.sort(pl.col("due") - pl.col("found"), descending=True).head(3)
    names = ", ".join(f"{s} {d - f}" for s, d, f in worst.select("symbol", "due", "found").iter_rows() if d > f) or "nobody"
    return Verdict(
        share <= GAPS,
        f"{due - found} of {due} bars missing ({share:.2%}; limit {GAPS:.0%}); most: {names}",
        {"due": due, "found": found, "share": share},
    )


@check("daily_bars")
def sane(daybot: DayBot, session: date) -> Verdict:
    """Fewer than 0.5 % of the last 60 sessions' daily bars had to be set aside as impossible."""
    window = calendar.trailing(session, WINDOW)
    kept = daybot.bars("day", window).height
    refused = daybot.warehouse.read("quarantine").filter(pl.col("session").is_in(window) & (pl.col("resolution") == "day")).height
    share = refused / max(kept + refused, 1)
    return Verdict(
        share < REFUSED, f"{refused} of {kept + refused} bars set aside ({share:.2%}; limit {REFUSED:.1%})", {"refused": refused, "share": share}
    )


@check("daily_bars", advice=True)
def plausible(daybot: DayBot, session: date) -> Verdict:
    """No close jumps, lost digits or price steps that look like a split in the last 60 sessions. Prices are raw: a split is a false return."""
    found = suspicious(daybot.bars("day", calendar.trailing(session, WINDOW))).sort("session", descending=True)
    lines = "; ".join(f"{row['symbol']} {row['session']} {row['what']} x{row['ratio']:.3g}" for row in found.head(10).iter_rows(named=True))
    return Verdict(found.is_empty(), lines or "none found", {"found": found.height})


@check("minute_bars")
def inside(daybot: DayBot, session: date) -> Verdict:
    """Every minute bar starts inside its session's day, 04:00 to 20:00 in New York, and no symbol has a minute twice."""
    window = calendar.trailing(session, daybot.settings.minute_sessions)
    bars = daybot.bars("minute", window)
    local = bars["timestamp"].dt.convert_time_zone(NEW_YORK.key)
    outside = int(((local.dt.date() != bars["session"]) | ~local.dt.hour().is_between(4, 19)).sum())
    twice = bars.height - bars.select("symbol", "timestamp").n_unique()
    detail = f"{bars.height} minute bars, {outside} outside their session, {twice} twice"
    return Verdict(bars.height > 0 and outside == 0 and twice == 0, detail, {"rows": bars.height, "outside": outside, "twice": twice})


@check("features")
def usable(daybot: DayBot, session: date) -> Verdict:
    """ATR is a positive finite number for every symbol that has the daily bars for it."""
    due = daybot.warehouse.read("features", session).filter(pl.col("history") >= daybot.settings.min_history)
    bad = due.filter(pl.col("atr").is_null() | ~pl.col("atr").is_finite() | (pl.col("atr") <= 0))["symbol"].to_list()
    detail = f"ATR usable for {due.height - len(bad)} of {due.height} symbols with history" + (f"; not for {bad[:10]}" if bad else "")
    return Verdict(due.height > 0 and not bad, detail, {"due": due.height, "bad": len(bad)})


@check("features", advice=True)
def agreeing(daybot: DayBot, session: date) -> Verdict:
    """Each symbol's last minute close of the regular session is within 10 % of its daily close. More is two scales: one is adjusted, one raw."""
    hours = calendar.session_of(session)
    regular = pl.col("timestamp").is_between(moment(hours.open), moment(hours.close), closed="left") & (pl.col("volume") > 0)
    minutes = daybot.bars("minute", [session]).filter(regular).group_by("symbol").agg(pl.col("close").sort_by("timestamp").last().alias("minute"))
    both = minutes.join(daybot.bars("day", [session]).select("symbol", "close"), on="symbol")
    apart = both.with_columns((pl.col("minute") / pl.col("close")).alias("ratio")).filter((pl.col("ratio") - 1).abs() > APART).sort("symbol")
    lines = "; ".join(f"{row['symbol']} {row['minute']:g} against {row['close']:g} a day" for row in apart.head(10).iter_rows(named=True))
    return Verdict(apart.is_empty(), lines or f"{both.height} symbols agree", {"compared": both.height, "apart": apart.height})


@check("correlation")
def proper(daybot: DayBot, session: date) -> Verdict:
    """The matrix is whole, symmetric, has a unit diagonal and no negative eigenvalue."""
    rows = daybot.warehouse.read("correlation", session)
    matrix = rows.pivot("b", index="a", values="rho", sort_columns=True).sort("a").drop("a").to_numpy()
    if not matrix.size:
        return Verdict(True, "no symbols with enough history to correlate", {"symbols": 0})
    if matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        return Verdict(False, f"expected a whole square matrix, found {matrix.shape} with {int((~np.isfinite(matrix)).sum())} holes", {})
    skew = float(np.abs(matrix - matrix.T).max())
    diagonal = float(np.abs(np.diag(matrix) - 1).max())
    least = float(np.linalg.eigvalsh((matrix + matrix.T) / 2).min())
    detail = f"{len(matrix)} symbols, asymmetry {skew:.1e}, diagonal off by {diagonal:.1e}, least eigenvalue {least:.3g}"
    passed = skew <= TOLERANCE and diagonal <= TOLERANCE and least >= -TOLERANCE
    return Verdict(passed, detail, {"symbols": len(matrix), "asymmetry": skew, "least_eigenvalue": least})
