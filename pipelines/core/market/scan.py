"""The watchlist: which symbols are worth watching next session, ranked, with the reasons in words.

A symbol's score is the weighted mean of its percentile ranks among the candidates: dollar volume, ATR in per cent, volume of the last session
against its 20-day mean, distance of the close from the middle of the day's range, distance from the 21-day average in ATRs. The score
is for choosing what to watch, not for trading: no part of it says long or short.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.core.briefing import Candidate

WEIGHTS = {"dollar_volume": 0.3, "atr_pct": 0.25, "relative_volume": 0.2, "edge": 0.1, "stretch": 0.15}


def watchlist(features: pl.DataFrame, *, min_history: int, size: int) -> list[Candidate]:
    """Ranked candidates, at most `size`.

    `features`, one row for each candidate: symbol, close, high, low, atr, atr_pct, dollar_volume, relative_volume, ema_21, history; nulls allowed.
    Symbols with fewer than `min_history` daily bars come last, with that as their reason: they are shown, and the gate refuses to trade them.
    """
    known = _scored(features.filter(pl.col("history") >= min_history))
    young = features.filter(pl.col("history") < min_history).sort(["history", "symbol"], descending=[True, False])
    lines = [(row["symbol"], float(row["score"]), _reasons(row)) for row in known.iter_rows(named=True)]
    lines += [(row["symbol"], 0.0, (_too_young(row["history"], min_history),)) for row in young.iter_rows(named=True)]
    return [Candidate(rank=i, symbol=symbol, score=score, reasons=reasons) for i, (symbol, score, reasons) in enumerate(lines[:size], start=1)]


def _scored(features: pl.DataFrame) -> pl.DataFrame:
    """The rows with `edge`, `stretch`, a percentile rank `<name>_rank` for each part (0 where unknown) and the `score`; best first."""
    span = pl.col("high") - pl.col("low")
    position = pl.when(span > 0).then((pl.col("close") - pl.col("low")) / span)
    parts = features.with_columns(
        position.alias("position"),
        ((position - 0.5).abs() * 2).alias("edge"),
        ((pl.col("close") - pl.col("ema_21")) / pl.col("atr")).abs().alias("stretch"),
    )
    ranks = [(pl.col(name).rank() / pl.col(name).count()).fill_null(0.0).alias(f"{name}_rank") for name in WEIGHTS]
    score = pl.sum_horizontal(pl.col(f"{name}_rank") * weight for name, weight in WEIGHTS.items())
    return parts.with_columns(ranks).with_columns(score.alias("score")).sort(["score", "symbol"], descending=[True, False])


def _reasons(row: Mapping[str, object]) -> tuple[str, ...]:
    """Every known part in words, the one that added most to the score first."""
    words = {name: _words(name, row) for name in WEIGHTS}
    order = sorted(WEIGHTS, key=lambda name: -WEIGHTS[name] * _number(row[f"{name}_rank"]))
    return tuple(text for name in order if (text := words[name]))


def _words(part: str, row: Mapping[str, object]) -> str:
    if row[part] is None:
        return ""
    value = _number(row[part])
    if part == "dollar_volume":
        return f"trades {_dollars(value)} a day"
    if part == "atr_pct":
        return f"moves {value:.1%} a day (ATR 14)"
    if part == "relative_volume":
        return f"volume {value:.1f} times its 20-day mean"
    if part == "edge":
        return f"closed at {_number(row['position']):.0%} of its day's range"
    away = _number(row["close"]) / _number(row["ema_21"]) - 1
    return f"{abs(away):.1%} {'above' if away >= 0 else 'below'} its 21-day average, {value:.1f} ATR"


def _too_young(history: int, needed: int) -> str:
    return f"no daily history: 0 of {needed} sessions" if history == 0 else f"short daily history: {history} of {needed} sessions"


def _dollars(value: float) -> str:
    return f"${value / 1e9:.1f} bn" if value >= 1e9 else f"${value / 1e6:.1f} m"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
