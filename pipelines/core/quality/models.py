"""What was computed from bars: usable at all, a proper matrix, close to the day before."""

from collections.abc import Collection, Mapping
from datetime import date
from math import log

import numpy as np
import polars as pl

from pipelines.core.market import indicators
from pipelines.core.quality.verdict import Verdict, named
from pipelines.core.risk.correlation import Matrix, Returns, long, shrunk
from pipelines.core.risk.exposure import betas

TOLERANCE = 1e-8

Z = 8.0
"""Robust standard deviations from what everybody else did since yesterday."""

DRIFTED = 0.02
"""Share of the names that may drift on their own, and always one: news does that."""

MATERIAL: dict[str, tuple[float, float]] = {"atr": (log(1.5), log(1.5)), "adv": (log(2.7), log(1.5)), "beta": (0.5, 0.3), "rho": (0.4, 0.25)}
"""By feature the change in a day from which one name has drifted, and from which everybody has: of logarithms for ATR and ADV.

One day moves Wilder's ATR by half only if its range is eight times the usual, and a mean of 20 volumes by 2.7 only if one is 35 times it."""

RELATIVE = ("atr", "adv")

DRIFTS = pl.Schema([("feature", pl.String), ("name", pl.String), *((name, pl.Float64) for name in ("before", "now", "change", "z"))])

ADV = 20
"""Sessions in the mean volume."""

FLOOR = 0.01
"""Least robust deviation: where nobody moves, a hundredth is not an outlier."""


def usable(features: pl.DataFrame, least: int) -> Verdict:
    """The gate: ATR is a positive finite number for every symbol with `least` daily bars. `features`: symbol, history, atr."""
    due = features.filter(pl.col("history") >= least)
    bad = due.filter(pl.col("atr").is_null() | ~pl.col("atr").is_finite() | (pl.col("atr") <= 0)).select("symbol", "history", "atr")
    detail = f"ATR usable for {due.height - bad.height} of {due.height} symbols with history"
    detail += f"; not for {bad['symbol'].to_list()[:10]}" if bad.height else ""
    return Verdict(due.height > 0 and bad.is_empty(), detail, {"due": due.height, "bad": bad.height}, bad)


def proper(matrix: Matrix, symbols: list[str]) -> Verdict:
    """The gate: the correlation matrix is whole, symmetric, has a unit diagonal, nothing beyond one, and no negative eigenvalue."""
    if not matrix.size:
        return Verdict(True, "no symbols with enough history to correlate", {"symbols": 0})
    if matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        return Verdict(False, f"expected a whole square matrix, found {matrix.shape} with {int((~np.isfinite(matrix)).sum())} holes", {})
    skew, diagonal = float(np.abs(matrix - matrix.T).max()), float(np.abs(np.diag(matrix) - 1).max())
    most, least = float(np.abs(matrix).max()), float(np.linalg.eigvalsh((matrix + matrix.T) / 2).min())
    detail = f"{len(matrix)} symbols, asymmetry {skew:.1e}, diagonal off by {diagonal:.1e}, greatest {most:.3g}, least eigenvalue {least:.3g}"
    passed = skew <= TOLERANCE and diagonal <= TOLERANCE and most <= 1 + TOLERANCE and least >= -TOLERANCE
    numbers = {"symbols": len(matrix), "asymmetry": skew, "least_eigenvalue": least}
    wrong = np.maximum(np.abs(matrix - matrix.T), np.abs(matrix) - 1).max(axis=1)
    worst = pl.DataFrame({"symbol": symbols, "off": wrong}).filter(pl.col("off") > TOLERANCE).sort("off", descending=True)
    return Verdict(passed, detail, numbers, worst)


def averages(daily: pl.DataFrame, session: date) -> dict[str, tuple[pl.DataFrame, pl.DataFrame]]:
    """ATR and ADV of each symbol on its bar before `session` and on that of `session`, as `steady` takes them; without either, none.

    `daily`: symbol, session, timestamp, high, low, close, volume, vwap of the whole history, on one share scale.
    """
    volume = pl.col("volume").rolling_mean(ADV, min_samples=1).over("symbol")
    values = indicators.days(daily).frame.select("symbol", "session", pl.col("atr_14").alias("atr"), volume.alias("adv"))
    before = [pl.col(name).shift(1).over("symbol").alias(f"{name}_before") for name in RELATIVE]
    both = values.with_columns(before).filter(pl.col("session") == session).fill_nan(None)
    name = pl.col("symbol").alias("name")
    return {
        feature: (both.select(name, pl.col(f"{feature}_before").alias("value")), both.select(name, pl.col(feature).alias("value")))
        for feature in RELATIVE
    }


def yesterday(returns: Returns, names: Collection[str], market: Matrix) -> dict[str, pl.DataFrame]:
    """Betas of all symbols to `market` and correlations of `names`, one session before the last of `returns`: rows name, value of each."""
    chosen = [i for i, symbol in enumerate(returns.symbols) if symbol in set(names)]
    narrow = Returns(tuple(returns.symbols[i] for i in chosen), returns.values[:-1, chosen])
    slopes = betas(Returns(returns.symbols, returns.values[:-1]), market[:-1])
    return {"beta": slopes.select(pl.col("symbol").alias("name"), pl.col("beta").alias("value")), "rho": pairs(long(shrunk(narrow)))}


def pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows name, value: each two symbols once. `rows`: a, b, rho."""
    once = rows.filter(pl.col("a") < pl.col("b"))
    return once.select(pl.concat_str("a", "b", separator=" ").alias("name"), pl.col("rho").alias("value"))


def drift(feature: str, before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Rows feature, name, before, now, change, z: what each name's value did since the session before, against the median of what all did.

    Both: name, value. `change` is a difference (of logarithms for ATR and ADV); z is robust: distance from the median in units of 1.4826
    median absolute deviations (Leys and others 2013, "Detecting outliers").
    """
    both = before.rename({"value": "before"}).join(now.rename({"value": "now"}), on="name").drop_nulls()
    if feature in RELATIVE:
        both = both.filter((pl.col("before") > 0) & (pl.col("now") > 0))
    change = (pl.col("now") / pl.col("before")).log() if feature in RELATIVE else pl.col("now") - pl.col("before")
    moved = both.with_columns(change.alias("change"))
    centre = pl.col("change").median()
    spread = ((pl.col("change") - centre).abs().median() * 1.4826).clip(FLOOR)
    return moved.select(pl.lit(feature).alias("feature"), "name", "before", "now", "change", ((pl.col("change") - centre) / spread).alias("z"))


def steady(features: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]]) -> Verdict:
    """The gate: of each feature (before, now) at most 2 % of the names (or one) drifted on their own, and not everybody at once."""
    parts, wrong, worst = [], False, [DRIFTS.to_frame()]
    numbers: dict[str, float] = {}
    for feature, (before, now) in features.items():
        alone, together = MATERIAL[feature]
        moved = drift(feature, before, now)
        out = moved.filter((pl.col("z").abs() > Z) & (pl.col("change").abs() > alone))
        middle = float(np.median(moved["change"].to_numpy())) if moved.height else 0.0
        wrong |= out.height > max(DRIFTED * moved.height, 1) or abs(middle) > together
        parts.append(f"{feature}: {out.height} of {moved.height} drifted, all by {middle:+.3f}")
        numbers |= {f"{feature}_compared": moved.height, f"{feature}_drifted": out.height, f"{feature}_median": middle}
        worst.append(out)
    found = pl.concat(worst).sort(pl.col("z").abs(), "name", descending=[True, False])
    detail = "; ".join(parts) + (f": {named(found.select('feature', 'name', 'before', 'now'))}" if found.height else "")
    return Verdict(not wrong, detail, numbers, found)
