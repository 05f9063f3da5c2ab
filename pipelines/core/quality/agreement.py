"""Two accounts of the same market held against each other: two vendors, minutes and days, what the live runner saw and the official record."""

from math import log

import polars as pl

from pipelines.core.quality.verdict import Verdict, named

PRICES = ("open", "high", "low", "close")

STEP = 5.0
"""Factor by which the market's volume does not change from one day to the next: half days have two fifths, index days twice the usual."""

WIDE = 5
"""Symbols from which a median of all of them says something."""

APART = 100.0
"""Basis points that two vendors' opens or closes may differ by: one may be a single venue's last trade, the other the auction's."""

RANGE_APART = 300.0
"""The same of highs and lows: a single venue does not see the day's extremes."""

DISAGREEING = 0.02
"""Share of the symbols on which two vendors may disagree."""

SCALE = 0.1
"""A minute's close this far from the day's is on another scale: one is adjusted, one raw."""

MISSED, DIFFERENT, VOLUME = 0.01, 0.01, 0.05
"""What the live runner may have missed: share of the minutes; share of them with a close more than `BASIS` off; share of the volume."""

BASIS = 10.0
"""Basis points."""


def mixed(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, feeds: series made of bars of more than one feed. `bars`: symbol, feed."""
    return bars.group_by("symbol").agg(pl.col("feed").unique().sort().alias("feeds")).filter(pl.col("feeds").list.len() > 1).sort("symbol")


def steps(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows session, factor: days on which everybody's volume steps by more than 5 against the median of 20 days and stays there for two.

    That is how a change of feed looks in bars that do not name it: one venue has some 3 % of the whole market's volume.
    """
    ordered = bars.select("symbol", "session", "volume").filter(pl.col("volume") > 0).sort("symbol", "session")
    usual = pl.col("volume").shift(1).rolling_median(20, min_samples=5)
    change = (pl.min_horizontal("volume", pl.col("volume").shift(-1)) / usual).log()
    fall = (pl.max_horizontal("volume", pl.col("volume").shift(-1)) / usual).log()
    found = ordered.with_columns(change.over("symbol").alias("up"), fall.over("symbol").alias("down"))
    market = found.drop_nulls("up").group_by("session").agg(pl.col("up", "down").median(), pl.len().alias("n")).filter(pl.col("n") >= WIDE)
    stepped = market.filter((pl.col("up") > log(STEP)) | (pl.col("down") < -log(STEP)))
    factor = pl.when(pl.col("up") > 0).then(pl.col("up")).otherwise(pl.col("down")).exp()
    return stepped.select("session", factor.alias("factor")).sort("session")


def one_feed(daily: pl.DataFrame, minutes: pl.DataFrame, feed: str) -> Verdict:
    """The gate: every bar is of the feed that the universe names, and the daily volumes show no change of feed either."""
    both = pl.concat([daily.select("symbol", "feed"), minutes.select("symbol", "feed")])
    torn, strange, stepped = mixed(both), both.filter(pl.col("feed") != feed), steps(daily)
    detail = (
        f"{both.height} bars of {feed}: {strange.height} of another feed, {torn.height} mixed series, {stepped.height} days with a step in volume"
    )
    detail += f": {named(torn)}" if torn.height else ""
    detail += f": {named(stepped)}" if stepped.height else ""
    numbers = {"bars": both.height, "strange": strange.height, "mixed": torn.height, "steps": stepped.height}
    return Verdict(strange.is_empty() and torn.is_empty() and stepped.is_empty(), detail, numbers, torn if torn.height else stepped)


def differences(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, session, what (apart, only ours, only theirs), and how far each price is apart in basis points (theirs over ours).

    Both: symbol, session, open, high, low, close, volume; raw. Symbols on which both agree have no row.
    """
    key = ["symbol", "session"]
    both = ours.select(*key, *PRICES, "volume").join(theirs.select(*key, *PRICES, "volume"), on=key, how="full", suffix="_theirs", coalesce=True)
    apart = [((pl.col(f"{name}_theirs") / pl.col(name) - 1) * 1e4).alias(f"{name}_bp") for name in PRICES]
    ends = pl.any_horizontal(pl.col(f"{name}_bp").abs() > APART for name in ("open", "close"))
    extremes = pl.any_horizontal(pl.col(f"{name}_bp").abs() > RANGE_APART for name in ("high", "low"))
    what = (
        pl.when(pl.col("close_theirs").is_null())
        .then(pl.lit("only ours"))
        .when(pl.col("close").is_null())
        .then(pl.lit("only theirs"))
        .when(ends | extremes)
        .then(pl.lit("apart"))
    )
    found = both.with_columns(apart).with_columns(what.alias("what")).drop_nulls("what")
    return found.select(*key, "what", pl.col("close").alias("ours"), pl.col("close_theirs").alias("theirs"), *(f"{name}_bp" for name in PRICES)).sort(
        pl.col("close_bp").abs(), "symbol", descending=[True, False], nulls_last=True
    )


def vendors(ours: pl.DataFrame, theirs: pl.DataFrame) -> Verdict:
    """The gate: two vendors disagree on at most 2 % of the symbols that both have, and the other does not lack more than that."""
    found, compared = differences(ours, theirs), ours.join(theirs, on=["symbol", "session"], how="semi").height
    apart, only = (found.filter(pl.col("what") == what).height for what in ("apart", "only ours"))
    passed = apart <= DISAGREEING * compared and only <= DISAGREEING * ours.height
    detail = f"{compared} symbols compared: {apart} apart, {only} only ours, {found.height - apart - only} only theirs (limit {DISAGREEING:.0%})"
    shown = found.select("symbol", "what", "ours", "theirs")
    return Verdict(passed, detail + (f": {named(shown)}" if found.height else ""), {"compared": compared, "apart": apart, "only_ours": only}, found)


def scales(minutes: pl.DataFrame, daily: pl.DataFrame) -> Verdict:
    """The gate: each symbol's last regular minute with a trade closes within 10 % of its day. `minutes`: of one session; `daily`: its bars."""
    last = minutes.filter(pl.col("volume") > 0).sort("symbol", "timestamp").group_by("symbol").agg(pl.col("close").last().alias("minute"))
    both = last.join(daily.select("symbol", pl.col("close").alias("day")), on="symbol")
    apart = both.with_columns((pl.col("minute") / pl.col("day")).alias("ratio")).filter((pl.col("ratio") - 1).abs() > SCALE).sort("symbol")
    lines = "; ".join(f"{symbol} {minute:g} against {day:g} a day" for symbol, minute, day, _ in apart.head(10).iter_rows())
    return Verdict(apart.is_empty(), lines or f"{both.height} symbols agree", {"compared": both.height, "apart": apart.height}, apart)


def saw(seen: pl.DataFrame, official: pl.DataFrame) -> pl.DataFrame:
    """By symbol what the live runner saw of the official minutes: due, missed, extra, different, median_bp, worst_bp, volume (seen over official).

    Both: symbol, timestamp, close, volume of one session's regular minutes. Due are official minutes with trades of symbols that were followed
    (seen at least once), from the first minute that anything was seen to the last.
    """
    first, last = seen["timestamp"].min(), seen["timestamp"].max()
    followed = official.filter(pl.col("volume") > 0, pl.col("timestamp").is_between(pl.lit(first), pl.lit(last))).join(seen, on="symbol", how="semi")
    both = followed.select("symbol", "timestamp", "close", "volume").join(
        seen.select("symbol", "timestamp", "close", "volume"), on=["symbol", "timestamp"], how="full", suffix="_seen", coalesce=True
    )
    off = ((pl.col("close_seen") / pl.col("close") - 1) * 1e4).abs()
    shared = pl.col("close").is_not_null() & pl.col("close_seen").is_not_null()
    return (
        both.group_by("symbol")
        .agg(
            pl.col("close").count().cast(pl.Int64).alias("due"),
            (pl.col("close").is_not_null() & pl.col("close_seen").is_null()).sum().cast(pl.Int64).alias("missed"),
            (pl.col("close").is_null() & (pl.col("volume_seen") > 0)).sum().cast(pl.Int64).alias("extra"),
            (shared & (off > BASIS)).sum().cast(pl.Int64).alias("different"),
            off.filter(shared).median().alias("median_bp"),
            off.filter(shared).max().alias("worst_bp"),
            (pl.col("volume_seen").filter(shared).sum() / pl.col("volume").filter(shared).sum()).alias("volume"),
            pl.col("volume").filter(shared).sum().alias("_official"),
        )
        .sort("missed", "different", "symbol", descending=[True, True, False])
    )


def lived(seen: pl.DataFrame, official: pl.DataFrame) -> Verdict:
    """The gate: of the official minutes at most 1 % were missed live, 1 % closed more than 10 basis points off, and 5 % of the volume differs."""
    if seen.is_empty():
        return Verdict(True, "no session was run, nothing was seen live", {"due": 0})
    found = saw(seen, official)
    due, missed, extra, different = (int(found[name].sum()) for name in ("due", "missed", "extra", "different"))
    official_volume = float(found["_official"].sum())
    volume = float((found["volume"] * found["_official"]).sum() or 0.0) / official_volume if official_volume else 1.0
    worst_bp = found["worst_bp"].max()
    passed = due > 0 and missed <= MISSED * due and different <= DIFFERENT * (due - missed) and abs(volume - 1) <= VOLUME
    detail = (
        f"{found.height} symbols, {due} official minutes: {missed} missed, {extra} seen only live, {different} more than {BASIS:.0f} bp off "
        f"(worst {float(worst_bp or 0.0):.1f} bp), volume {volume:.2%} of the official"  # type: ignore[arg-type]  # a float column's maximum
    )
    numbers = {"due": due, "missed": missed, "extra": extra, "different": different, "volume": volume}
    return Verdict(passed, detail, numbers, found.drop("_official"))
