"""Prices that the prices around them contradict: digits lost on the way, bad prints, whole bars of something else; and moves to be looked at.

A price is held against the median of five others: the bar's three other prices, the close before it and the open after it. One of them may
itself be wrong and the median stands. What is real has support (a crash closes lower, a breakout opens higher the next day); what is not, none.
On 680,000 real daily bars the farthest real price is off by a factor of 2.1 (a first day of trading), a lost digit by 9 to 100.
"""

from math import log

import polars as pl

from pipelines.core.quality.verdict import Verdict, named

PRICES = ("open", "high", "low", "close")

DAY_FACTOR, MINUTE_FACTOR = 2.5, 1.25
"""How far a price may be off its neighbours: within a day a stock can halve and come back (24 August 2015), within a minute it cannot."""

REPAIRABLE = 1.6
"""Off by this factor a price is a lost digit as well if one digit put back in brings it among its neighbours (9.90 for 19.90)."""

TENFOLD = 0.07
"""How near a ratio has to be to a power of ten, as a logarithm."""

STEADY = 1.15
"""A whole bar is bad only if the prices before and after it are this near to each other."""

JUMP = 0.4

BAD = {"what": pl.String, "price": pl.String, "found": pl.Float64, "expected": pl.Float64}


def bad_ticks(bars: pl.DataFrame, at: str = "session", factor: float = DAY_FACTOR) -> pl.DataFrame:
    """Rows symbol, `at`, what (lost digit, added digit, bad tick, bad bar), price (which one), found, expected (median of its neighbours).

    `bars`: symbol, `at` (session or timestamp), open, high, low, close in dollars; raw or adjusted, a split between two bars does no harm.
    """
    ordered = bars.select("symbol", at, *PRICES).sort("symbol", at)
    neighbours = ordered.with_columns(
        pl.col("close").shift(1).over("symbol").alias("_before"), pl.col("open").shift(-1).over("symbol").alias("_after")
    )
    everything = [*PRICES, "_before", "_after"]
    wild = neighbours.filter(pl.max_horizontal(everything) > pl.min_horizontal(everything) * min(REPAIRABLE, factor))
    parts = [_alone(wild, at, name, factor) for name in PRICES] + [_whole(wild, at, factor)]
    return pl.concat(parts).sort("symbol", at, "price")


def digits(bars: pl.DataFrame, at: str = "session", factor: float = DAY_FACTOR) -> Verdict:
    """The gate: no bad tick at all."""
    found = bad_ticks(bars, at, factor)
    worst = found.sort((pl.col("found") / pl.col("expected")).log().abs(), "symbol", at, descending=[True, False, False])
    detail = f"{found.height} of {bars.height} bars have a price that their neighbours contradict"
    return Verdict(found.is_empty(), detail + (f": {named(worst)}" if found.height else ""), {"bars": bars.height, "bad": found.height}, worst)


def jumps(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows symbol, session, move: closes more than 40 % away from the last one. `bars`: symbol, session, close, on one share scale."""
    moves = bars.select("symbol", "session", "close").sort("symbol", "session")
    moved = moves.with_columns((pl.col("close") / pl.col("close").shift(1).over("symbol") - 1).alias("move"))
    return moved.filter(pl.col("move").abs() > JUMP).select("symbol", "session", "move")


def plausible(bars: pl.DataFrame) -> Verdict:
    """The gate for what may well be real: nobody jumped. `bars` on one share scale."""
    found = jumps(bars).sort("session", "symbol", descending=[True, False])
    detail = f"{found.height} closes more than {JUMP:.0%} from the last" + (f": {named(found)}" if found.height else "")
    return Verdict(found.is_empty(), detail, {"bars": bars.height, "found": found.height}, found)


def _alone(wild: pl.DataFrame, at: str, name: str, factor: float) -> pl.DataFrame:
    """One price of a bar against the median of the other five."""
    others = [other for other in (*PRICES, "_before", "_after") if other != name]
    judged = wild.with_columns(pl.concat_list(others).list.drop_nulls().list.median().alias("expected"))
    off = (pl.col(name) / pl.col("expected")).log()
    suspects = judged.filter(off.abs() > log(min(REPAIRABLE, factor)))
    if suspects.is_empty():
        return pl.DataFrame(schema={"symbol": wild.schema["symbol"], at: wild.schema[at], **BAD})
    near = [(min(values), max(values)) for values in ([v for v in row if v is not None] for row in suspects.select(others).iter_rows())]
    # Of five neighbours that agree; a range that one wrong one has torn open would let any number in.
    put_back = [high < low * STEADY and _repairable(value, low, high) for value, (low, high) in zip(suspects[name], near, strict=True)]
    tenfold = ((off / log(10)).round().abs() >= 1) & ((off - (off / log(10)).round() * log(10)).abs() < TENFOLD)
    return (
        suspects.with_columns(pl.Series("_put_back", put_back, pl.Boolean), (off.abs() > log(factor)).alias("_far"))
        .filter(pl.col("_far") | pl.col("_put_back"))
        .select(
            "symbol",
            at,
            pl.when(off < 0, tenfold | pl.col("_put_back")).then(pl.lit("lost digit")).when(tenfold).then(pl.lit("added digit"))
            .otherwise(pl.lit("bad tick")).alias("what"),
            pl.lit(name).alias("price"),
            pl.col(name).alias("found"),
            "expected",
        )
    )  # fmt: skip


def _whole(wild: pl.DataFrame, at: str, factor: float) -> pl.DataFrame:
    """Bars that agree with themselves and with neither neighbour, while the neighbours agree with each other."""
    middle, around = (pl.col("open") * pl.col("close")).sqrt(), (pl.col("_before") * pl.col("_after")).sqrt()
    steady = (pl.col("_before") / pl.col("_after")).log().abs() < log(STEADY)
    off = pl.min_horizontal((pl.col(name) / around).log().abs() for name in PRICES) > log(min(REPAIRABLE, factor))
    return wild.filter(steady & off).select(
        "symbol",
        at,
        pl.lit("bad bar").alias("what"),
        pl.lit("all").alias("price"),
        middle.alias("found"),
        around.alias("expected"),
    )


def _repairable(value: float, low: float, high: float) -> bool:
    """Whether one more digit anywhere in the number brings it between `low` and `high`."""
    text = f"{value:.10g}"
    if "e" in text:
        return False
    return any(low <= float(text[:i] + digit + text[i:]) <= high for i in range(len(text) + 1) for digit in "0123456789")
