"""What is missing: sessions against the exchange calendar, minutes against its hours, symbols that have gone quiet.

A minute without a trade has no bar, so in a thin name nothing is missing. A stretch of empty minutes counts only where chance would hardly
ever give it: with trades in a share c of the session's minutes, k empty ones in a row have a probability of (1 - c)^k.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from pipelines.core.market.session import NEW_YORK
from pipelines.core.quality.verdict import Verdict, named

GAPS = 0.02
"""Share of the daily bars due that may be missing."""

QUIET = 0.01
"""Share of the symbols that may be stale before it is worth saying."""

UNLIKELY = -23.0
"""Logarithm of the probability below which empty minutes are a gap: once in 10^10."""

LEAST = 5
"""Minutes: what is shorter than the shortest halt (limit up, limit down) nobody can tell from nothing."""

TOGETHER = 0.5
"""Share of the symbols with the same stretch from which it is everybody's."""

TORN = 0.02
"""Share of the symbols that may have a stretch, and always one: trading halts are among them."""

HOURS = (4, 20)
"""New York hours between which there is trading at all, extended hours included."""

MARKET_HALTS = pl.DataFrame(
    [(datetime(2020, 3, day, hour, minute, tzinfo=UTC),) for day, hour, minute in ((9, 13, 34), (12, 13, 35), (16, 13, 30), (18, 16, 56))],
    schema={"start": pl.Datetime("us", "UTC")},
    orient="row",
).with_columns(pl.col("start").dt.offset_by("16m").alias("end"))
"""The four times that the whole market was halted (NYSE rule 80B, level 1): a quarter of an hour each, with the minute in which it ended."""


def gaps(bars: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Rows symbol, session: every session without a bar after the symbol's first one, through the last of `sessions` (in order, no holes).

    A symbol that starts later than the window was not listed, or not asked for: that is no gap.
    """
    days = {day: i for i, day in enumerate(sessions)}
    places = (
        bars.select("symbol", pl.col("session").replace_strict(days, default=None, return_dtype=pl.Int64).alias("at"))
        .drop_nulls()
        .sort("symbol", "at")
    )
    until = pl.col("at").shift(-1).over("symbol").fill_null(len(days))
    torn = places.with_columns(until.alias("until")).filter(pl.col("until") > pl.col("at") + 1)
    holes = torn.select("symbol", pl.int_ranges("at", "until").list.slice(1).alias("at")).explode("at")
    return holes.select("symbol", pl.Series("session", sessions, pl.Date).gather(holes["at"]))


def complete(bars: pl.DataFrame, sessions: Sequence[date]) -> Verdict:
    """The gate: at most 2 % of the bars due are missing, counted from each symbol's first one."""
    days = {day: i for i, day in enumerate(sessions)}
    first = bars.group_by("symbol").agg(pl.col("session").min().replace_strict(days, return_dtype=pl.Int64))
    due = int((len(days) - first["session"]).sum())
    if due == 0:
        return Verdict(False, f"expected daily bars in the last {len(days)} sessions, found none", {"due": 0, "missing": 0})
    missing = gaps(bars, sessions)
    by_symbol = missing.group_by("symbol").agg(
        pl.len().cast(pl.Int64).alias("missing"), pl.col("session").min().alias("first"), pl.col("session").max().alias("last")
    )
    worst, share = by_symbol.sort(["missing", "symbol"], descending=[True, False]), missing.height / due
    detail = f"{missing.height} of {due} bars missing ({share:.2%}; limit {GAPS:.0%})"
    return Verdict(
        share <= GAPS,
        detail + (f"; most: {named(worst.select('symbol', 'missing'))}" if worst.height else ""),
        {"due": due, "missing": missing.height, "share": share},
        worst,
    )


def stale(bars: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Rows symbol, session, what: daily bars that say nothing new, and symbols whose bars have ended.

    "no trade": volume 0. "moved without a trade": volume 0 and yet a range. "repeated": all five numbers are those of the bar before. "no bar
    since": the last bar is older than the last session.
    """
    values = ("open", "high", "low", "close", "volume")
    ordered = bars.select("symbol", "session", *values).sort("symbol", "session")
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1).over("symbol") for name in values)
    what = (
        pl.when(pl.col("volume") == 0, pl.col("high") > pl.col("low"))
        .then(pl.lit("moved without a trade"))
        .when(pl.col("volume") == 0)
        .then(pl.lit("no trade"))
        .when(again)
        .then(pl.lit("repeated"))
    )
    idle = ordered.with_columns(what.alias("what")).drop_nulls("what").select("symbol", "session", "what")
    ended = ordered.group_by("symbol").agg(pl.col("session").max()).filter(pl.col("session") < sessions[-1])
    return pl.concat([idle, ended.with_columns(pl.lit("no bar since").alias("what"))]).sort("symbol", "session")


def fresh(bars: pl.DataFrame, sessions: Sequence[date]) -> Verdict:
    """The gate: at most 1 % of the symbols have stale bars in these sessions."""
    found, symbols = stale(bars, sessions), bars["symbol"].n_unique()
    worst = (
        found.group_by("symbol", "what")
        .agg(pl.len().alias("bars"), pl.col("session").max().alias("last"))
        .sort(["bars", "symbol"], descending=[True, False])
    )
    quiet = found["symbol"].n_unique()
    detail = f"{quiet} of {symbols} symbols have stale bars in {len(sessions)} sessions"
    return Verdict(
        quiet <= QUIET * symbols, detail + (f": {named(worst)}" if quiet else ""), {"symbols": symbols, "stale": quiet, "bars": found.height}, worst
    )


def inside(bars: pl.DataFrame) -> Verdict:
    """The gate: every minute bar starts inside its session's day, 04:00 to 20:00 in New York, and no symbol has a minute twice."""
    local = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key)
    outside = bars.filter((local.dt.date() != pl.col("session")) | ~local.dt.hour().is_between(HOURS[0], HOURS[1] - 1))
    twice = bars.height - bars.select("symbol", "timestamp").n_unique()
    detail = f"{bars.height} minute bars, {outside.height} outside their session, {twice} twice"
    worst = outside.select("symbol", "session", "timestamp")
    return Verdict(
        bars.height > 0 and outside.is_empty() and twice == 0, detail, {"rows": bars.height, "outside": outside.height, "twice": twice}, worst
    )


def stretches(minutes: pl.DataFrame, hours: pl.DataFrame, halts: pl.DataFrame = MARKET_HALTS) -> pl.DataFrame:
    """Rows symbol, session, start (UTC), minutes, share: stretches of the regular session without a bar that chance does not explain.

    `minutes`: symbol, session, timestamp of every bar; `hours`: session, open, close (UTC, the real ones: an early close ends the day early).
    `share` is how many of the session's minutes have a bar, the stretch included. Minutes inside `halts` (start, end, whole market) are not due.
    """
    spans = hours.select("session", *(pl.col(name).dt.cast_time_unit("us").alias(f"_{name}") for name in ("open", "close")))
    regular = (
        minutes.select("symbol", "session", pl.col("timestamp").dt.cast_time_unit("us"))
        .join(spans, on="session")
        .filter(pl.col("timestamp").is_between("_open", "_close", closed="left"))
        .sort("symbol", "timestamp")
    )
    key = ["symbol", "session"]
    edge = regular.select(*key, "_open", "_close").unique().select(*key, (pl.col("_open").dt.offset_by("-1m")).alias("timestamp"), "_open", "_close")
    ends = edge.select(*key, pl.col("_close").alias("timestamp"), "_open", "_close")
    bars = pl.concat([regular, edge, ends]).sort("symbol", "timestamp")
    since = pl.col("timestamp").shift(1).over(key).dt.offset_by("1m")
    torn = (
        bars.with_columns(since.alias("start"), (pl.len().over(key) - 2).cast(pl.Int64).alias("_bars"))
        .with_columns((pl.col("timestamp") - pl.col("start")).dt.total_minutes().alias("minutes"))
        .filter(pl.col("minutes") >= LEAST)
    )
    due = (pl.col("_close") - pl.col("_open")).dt.total_minutes()
    share = pl.col("_bars") / due
    found = torn.with_columns((pl.col("minutes") - _halted(torn, halts)).alias("minutes"), share.clip(0, 0.999).alias("share"))
    unlikely = pl.col("minutes") * (1 - pl.col("share")).log() < UNLIKELY
    return found.filter((pl.col("minutes") >= LEAST) & unlikely).select("symbol", "session", "start", "minutes", "share").sort("symbol", "start")


def covered(minutes: pl.DataFrame, daily: pl.DataFrame, hours: pl.DataFrame, halts: pl.DataFrame = MARKET_HALTS) -> Verdict:
    """The gate: at most 2 % of the symbols (or one) have a stretch without minutes, or a session with trades and no minutes at all.

    `minutes` as `stretches` takes them; `daily`: symbol, session, volume of the same sessions. A symbol that has minutes in none of the sessions is
    one that the source does not serve: nothing of it is torn, it is counted apart, and live its indicators begin unseeded.
    """
    found = stretches(minutes, hours, halts)
    traded = daily.filter(pl.col("volume") > 0).join(hours, on="session", how="semi")
    without = traded.join(minutes, on=["symbol", "session"], how="anti").select("symbol", "session").sort("symbol", "session")
    absent = without.join(minutes, on="symbol", how="semi")
    unserved, symbols = without["symbol"].n_unique() - absent["symbol"].n_unique(), minutes["symbol"].n_unique()
    torn = pl.concat([found.select("symbol"), absent.select("symbol")])["symbol"].n_unique()
    common = (
        found.group_by("start")
        .agg(pl.col("symbol").n_unique().alias("n"))
        .filter((pl.col("n") > 1) & (pl.col("n") >= TOGETHER * symbols))
        .sort("start")
    )
    worst = pl.concat([absent.with_columns(pl.lit("no minutes").alias("what")), found.with_columns(pl.lit("stretch").alias("what"))], how="diagonal")
    detail = (
        f"{torn} of {symbols} symbols lack minutes that they should have ({found.height} stretches, {absent.height} whole sessions; limit {TORN:.0%})"
    )
    detail += f"; everybody at {', '.join(f'{start:%Y-%m-%d %H:%M} UTC' for start in common['start'])}" if common.height else ""
    detail += f"; {unserved} more have no minutes at all" if unserved else ""
    detail += f": {named(worst.select('symbol', 'session', 'what'))}" if torn else ""
    numbers = {"symbols": symbols, "torn": torn, "unserved": unserved, "stretches": found.height, "absent": absent.height}
    return Verdict(symbols > 0 and torn <= max(TORN * symbols, 1), detail, numbers, worst)


def _halted(torn: pl.DataFrame, halts: pl.DataFrame) -> pl.Series:
    """Minutes of each stretch that lie inside halts."""
    total = pl.Series([0] * torn.height, dtype=pl.Int64)
    for start, end in halts.iter_rows():
        shared = torn.select((pl.min_horizontal("timestamp", pl.lit(end)) - pl.max_horizontal("start", pl.lit(start))).dt.total_minutes())
        total = total + shared.to_series().clip(0)
    return total
