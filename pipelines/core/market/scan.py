"""The watchlist: which symbols are worth watching next session, ranked, with the reasons in words.

A symbol's score is the weighted mean of its percentile ranks among the candidates, of these parts (`WEIGHTS`):

    dollar_volume    0.25   liquidity: what cannot be left again is not worth entering
    atr_pct          0.20   room: ATR in per cent of the price; a day trade needs a range to live from
    relative_volume  0.20   attention: the session's volume against its 20-day mean
    gap              0.15   surprise: the last price since then against the close, or else the session's open against the close before
    stretch          0.10   trend: distance of the close from the 21-day average, in ATRs
    edge             0.10   range position: how far from the middle of the day's range it closed

Sizes count, signs do not: the score is for choosing what to watch, not for trading, and no part of it says long or short. The weights are a
judgement, not a fit: a breakout strategy needs liquidity and range first, news in the price second. A part that is unknown ranks last.
Whether there is news is not known, as no source of news is connected: `news_free` is None, and the reasons say so.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.core.briefing import Candidate

WEIGHTS = {"dollar_volume": 0.25, "atr_pct": 0.2, "relative_volume": 0.2, "gap": 0.15, "stretch": 0.1, "edge": 0.1}

NO_NEWS_SOURCE = "news unknown: no source"


def watchlist(features: pl.DataFrame, *, min_history: int, size: int) -> list[Candidate]:
    """Ranked candidates, at most `size`; the order hangs on the values and, between equals, on the symbol.

    `features`, one row for each candidate: symbol, close, high, low, atr, atr_pct, dollar_volume, relative_volume, gap, indication, spread,
    ema_9, ema_21, ema_50, history; nulls allowed. Symbols with fewer than `min_history` daily bars come last, with that as their reason:
    they are shown, and the gate refuses to trade them.
    """
    known = _scored(features.filter(pl.col("history") >= min_history))
    young = features.filter(pl.col("history") < min_history).sort(["history", "symbol"], descending=[True, False])
    lines = [(row["symbol"], float(row["score"]), _reasons(row)) for row in known.iter_rows(named=True)]
    lines += [(row["symbol"], 0.0, (_too_young(row["history"], min_history),)) for row in young.iter_rows(named=True)]
    return [
        Candidate(rank=i, symbol=symbol, score=score, reasons=reasons, news_free=None)
        for i, (symbol, score, reasons) in enumerate(lines[:size], start=1)
    ]


def _scored(features: pl.DataFrame) -> pl.DataFrame:
    """The rows with every part, its percentile rank `<name>_rank` (0 where unknown) and the `score`; best first."""
    span = pl.col("high") - pl.col("low")
    position = pl.when(span > 0).then((pl.col("close") - pl.col("low")) / span)
    away = (pl.col("close") - pl.col("ema_21")) / pl.col("atr")
    parts = features.with_columns(
        position.alias("position"),
        pl.col("gap").alias("opening"),
        pl.coalesce(pl.col("indication"), pl.col("gap")).abs().alias("gap"),
        ((position - 0.5).abs() * 2).alias("edge"),
        away.abs().alias("stretch"),
    )
    ranks = [(pl.col(name).rank() / pl.col(name).count()).fill_null(0.0).alias(f"{name}_rank") for name in WEIGHTS]
    score = pl.sum_horizontal(pl.col(f"{name}_rank") * weight for name, weight in WEIGHTS.items())
    # Rounded before it is sorted by: the sum of the same ranks must not differ by its last bit.
    return parts.with_columns(ranks).with_columns(score.round(12).alias("score")).sort(["score", "symbol"], descending=[True, False])


def _reasons(row: Mapping[str, object]) -> tuple[str, ...]:
    """Every known part in words, the one that added most to the score first; at the end what is not known."""
    words = {name: _words(name, row) for name in WEIGHTS}
    order = sorted(WEIGHTS, key=lambda name: -WEIGHTS[name] * _number(row[f"{name}_rank"]))
    return (*(text for name in order if (text := words[name])), NO_NEWS_SOURCE)


def _words(part: str, row: Mapping[str, object]) -> str:
    if row[part] is None:
        return ""
    value = _number(row[part])
    if part == "dollar_volume":
        spread = f", spread about {_number(row['spread']) * 1e4:.1f} bp" if row["spread"] is not None else ""
        return f"trades {_dollars(value)} a day{spread}"
    if part == "atr_pct":
        return f"moves {value:.1%} a day (ATR 14)"
    if part == "relative_volume":
        return f"volume {value:.1f} times its 20-day mean"
    if part == "gap":
        return _gap(row)
    if part == "edge":
        return f"closed at {_number(row['position']):.0%} of its day's range"
    away = _number(row["close"]) / _number(row["ema_21"]) - 1
    return f"{abs(away):.1%} {'above' if away >= 0 else 'below'} its 21-day average, {value:.1f} ATR{_trend(row)}"


def _gap(row: Mapping[str, object]) -> str:
    if row["indication"] is not None:
        change = _number(row["indication"])
        return f"last {abs(change):.1%} {'above' if change >= 0 else 'below'} its last daily close"
    change = _number(row["opening"])
    return f"opened {abs(change):.1%} {'above' if change >= 0 else 'below'} the close before"


def _trend(row: Mapping[str, object]) -> str:
    if row["ema_9"] is None or row["ema_50"] is None:
        return ""
    fast, middle, slow = (_number(row[name]) for name in ("ema_9", "ema_21", "ema_50"))
    if fast > middle > slow:
        return ", averages rising (9 over 21 over 50)"
    return ", averages falling (9 under 21 under 50)" if fast < middle < slow else ""


def _too_young(history: int, needed: int) -> str:
    return f"no daily history: 0 of {needed} sessions" if history == 0 else f"short daily history: {history} of {needed} sessions"


def _dollars(value: float) -> str:
    return f"${value / 1e9:.1f} bn" if value >= 1e9 else f"${value / 1e6:.1f} m"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
