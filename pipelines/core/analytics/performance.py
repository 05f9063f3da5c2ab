"""What a session, or any set of sessions, earned, from the ledger's tables and the marts.

A metric that the data cannot give (no trade, no losing trade, too few days) is None, never zero.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.analytics import returns
from pipelines.core.analytics.scope import DIMENSIONS, Scope


def measure(trades: pl.DataFrame, equity: pl.DataFrame) -> dict[str, float | None]:
    """Every metric. Dollars: profit, expectancy, best, worst. R: average_r. Fractions: return, win_rate, max_drawdown, exposure, max_exposure.

    `profit_factor` is gains over losses; `minutes_held` the mean time in a trade. `trades`: profit, r, opened_at, closed_at;
    `equity`: run, at, equity, gross. Each run has an equity curve of its own: drawdown is the deepest of any. Fees are not in it.
    """
    return {**_trades(trades), **_equity(equity, float(trades["profit"].sum()))}


def drawdown(values: pl.Series) -> float | None:
    """The deepest fall from a peak so far, as a fraction of that peak (0.02 = 2 %); None without values."""
    if values.is_empty():
        return None
    depths = (1 - values / values.cum_max()).to_list()
    return float(max(depths))


def rows(metrics: Mapping[str, float | None]) -> pl.DataFrame:
    """The metrics as rows metric, value."""
    return pl.DataFrame(list(metrics.items()), schema={"metric": pl.String, "value": pl.Float64}, orient="row")


def _trades(trades: pl.DataFrame) -> dict[str, float | None]:
    profits = trades["profit"].to_list()
    gains, losses = sum(p for p in profits if p > 0), -sum(p for p in profits if p < 0)
    held = [seconds / 60 for seconds in (trades["closed_at"] - trades["opened_at"]).dt.total_seconds().to_list()]
    count = len(profits)
    return {
        "trades": float(count),
        "profit": float(sum(profits)),
        "win_rate": sum(p > 0 for p in profits) / count if count else None,
        "profit_factor": gains / losses if losses else None,
        "expectancy": sum(profits) / count if count else None,
        "average_r": _mean(trades["r"].drop_nulls().to_list()),
        "best": max(profits, default=None),
        "worst": min(profits, default=None),
        "minutes_held": _mean(held),
    }


def _equity(equity: pl.DataFrame, profit: float) -> dict[str, float | None]:
    curves = equity.sort("at").partition_by("run", maintain_order=True)
    start = float(curves[0]["equity"].first()) if curves else None  # type: ignore[arg-type]  # a float column
    depths = [depth for curve in curves if (depth := drawdown(curve["equity"])) is not None]
    used = (equity["gross"] / equity["equity"]).to_list()
    return {
        "start_equity": start,
        "return": profit / start if start else None,
        "max_drawdown": max(depths, default=None),
        "exposure": _mean(used),
        "max_exposure": max(used, default=None),
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


# --- over many sessions


class Measures(BaseModel):
    """The numbers of a scope. Dollars are net of fees but for `profit`; fractions are of equity; None: the data cannot give it."""

    model_config = ConfigDict(frozen=True)

    sessions: int = Field(description="Sessions of the book in the scope.")
    trades: int = Field(description="Round trips.")
    profit: float = Field(description="Dollars before fees.")
    fees: float = Field(description="SEC, TAF and CAT fees, dollars, as the broker would take them.")
    net: float = Field(description="Dollars after fees.")
    start: float | None = Field(description="Equity at the beginning of the first session, dollars.")
    end: float | None = Field(description="Equity at the end of the last session, dollars, fees of that session taken off.")
    total_return: float | None = Field(description="Compound return after fees.")
    annual_return: float | None = Field(description="Compound, a year of 252 sessions; None below 20 sessions, as are all ratios here.")
    volatility: float | None = Field(description="Deviation of daily returns, a year's worth.")
    sharpe: float | None = Field(description="Sharpe ratio, a year's worth, cash at zero.")
    sortino: float | None = Field(description="Sortino ratio, target zero.")
    calmar: float | None = Field(description="Annual return over the deepest fall of the daily curve.")
    max_drawdown: float | None = Field(description="Deepest fall of the daily curve from its highest point so far.")
    drawdown_days: int | None = Field(description="Longest time from a highest point until it was reached again, or until now, sessions.")
    benchmark: float | None = Field(description="Compound return of the benchmark over the sessions that it is known for.")
    beta: float | None = Field(description="Slope of daily returns on the benchmark's.")
    alpha: float | None = Field(description="Jensen's alpha, a year's worth.")
    win_rate: float | None = Field(description="Share of round trips with a net gain.")
    profit_factor: float | None = Field(description="Gains over losses, net.")
    expectancy: float | None = Field(description="Mean net dollars a round trip.")
    average_gain: float | None = Field(description="Mean net dollars of a winning round trip.")
    average_loss: float | None = Field(description="Mean net dollars of a losing round trip, below zero.")
    average_r: float | None = Field(description="Mean profit in units of the risk taken at the entry.")
    best: float | None = Field(description="Best round trip, net dollars.")
    worst: float | None = Field(description="Worst round trip, net dollars.")
    minutes_held: float | None = Field(description="Mean minutes in a round trip.")
    exposure: float | None = Field(description="Mean gross value over equity, by the minute.")
    max_exposure: float | None = Field(description="Highest gross value over equity.")
    turnover: float | None = Field(description="Dollars bought and sold a session, over equity.")


class Performance(NamedTuple):
    """What the sessions of a scope earned.

    curve      session, return, growth, drawdown, net, benchmark, benchmark_growth: by session; growth of one dollar
    drawdowns  start, bottom, end, depth, days, recovery: falls from a highest point, the deepest first; `end` null while it lasts
    by         a frame for each of `DIMENSIONS`, the largest net first: value and the measures of its round trips
    """

    scope: Scope
    numbers: Measures
    curve: pl.DataFrame
    drawdowns: pl.DataFrame
    by: dict[str, pl.DataFrame]


def performance(days: pl.DataFrame, trips: pl.DataFrame, scope: Scope) -> Performance:
    """The performance of a scope; `days` and `trips` are rows of `books.DAYS` and `books.TRIPS`, any number of books and sessions.

    Of a part of the round trips (a strategy, an hour) a day's return is what they contributed: their net over the whole account's equity.
    """
    known, own = scope.days(days).sort("session"), scope.rows(trips)
    path = _curve(known, own, scope)
    falls = drawdowns(path)
    by = {name: grouped(own, name) for name in DIMENSIONS}
    return Performance(scope, _measures(known, own, path, falls, scope), path, falls, by)


def grouped(trips: pl.DataFrame, name: str) -> pl.DataFrame:
    """Rows name, trades, net, profit, fees, win_rate, profit_factor, expectancy, average_r, mae_r, mfe_r, minutes_held, best, worst.

    The most net first.
    """
    net = pl.col("net")
    return (
        trips.group_by(name)
        .agg(
            pl.len().cast(pl.Int64).alias("trades"),
            net.sum(),
            pl.col("profit", "fees").sum(),
            (net > 0).mean().alias("win_rate"),
            _factor(net).alias("profit_factor"),
            net.mean().alias("expectancy"),
            pl.col("r").mean().alias("average_r"),
            pl.col("mae_r", "mfe_r").mean(),
            pl.col("minutes").mean().alias("minutes_held"),
            net.max().alias("best"),
            net.min().alias("worst"),
        )
        .sort("net", name, descending=[True, False], nulls_last=True)
    )


def drawdowns(curve: pl.DataFrame) -> pl.DataFrame:
    """Every fall of `growth` below its highest point so far (1 before the first session), the deepest first.

    Rows start (session of the high, or the first one), bottom, end (session that reached it again, null while it lasts), depth (fraction), days
    (sessions from the first below it until it was reached again, or the last known), recovery (of these, after the bottom).
    """
    under = curve.with_row_index("n").with_columns((pl.col("drawdown") > 0).alias("under")).with_columns(pl.col("under").rle_id().alias("spell"))
    found = (
        under.filter("under")
        .group_by("spell", maintain_order=True)
        .agg(
            pl.col("n").first().alias("first"),
            pl.col("n").last().alias("last"),
            pl.col("drawdown").max().alias("depth"),
            pl.col("n").get(pl.col("drawdown").arg_max()).alias("bottom"),
        )
    )
    sessions, rows = curve["session"].to_list(), []
    for first, last, depth, bottom in found.select("first", "last", "depth", "bottom").iter_rows():
        healed = last + 1 < len(sessions)
        end = last + 1 if healed else last
        rows.append((sessions[max(first - 1, 0)], sessions[bottom], sessions[end] if healed else None, depth, end - first + 1, end - bottom))
    return pl.DataFrame(rows, schema=DRAWDOWNS, orient="row").sort("depth", "start", descending=[True, False])


DRAWDOWNS = {"start": pl.Date, "bottom": pl.Date, "end": pl.Date, "depth": pl.Float64, "days": pl.Int64, "recovery": pl.Int64}


def _curve(days: pl.DataFrame, trips: pl.DataFrame, scope: Scope) -> pl.DataFrame:
    daily = days.select("session", "start", "net", pl.col("return"), "benchmark")
    if scope.narrow:
        own = trips.group_by("session").agg(pl.col("net").sum())
        daily = daily.drop("net", "return").join(own, on="session", how="left").with_columns(pl.col("net").fill_null(0.0))
        daily = daily.with_columns((pl.col("net") / pl.col("start")).alias("return"))
    return curve(daily)


def curve(daily: pl.DataFrame) -> pl.DataFrame:
    """Rows session, return, growth, drawdown, net, benchmark, benchmark_growth of rows session, return, net, benchmark, in order of session.

    Growth is of one dollar; a session without the benchmark moves it by nothing; drawdown is the fall from the highest growth, 1 to begin with.
    """
    growth = (1 + pl.col("return")).cum_prod()
    return (
        daily.sort("session")
        .with_columns(growth.alias("growth"), (1 + pl.col("benchmark").fill_null(0.0)).cum_prod().alias("benchmark_growth"))
        .with_columns((1 - pl.col("growth") / pl.col("growth").cum_max().clip(lower_bound=1.0)).alias("drawdown"))
        .select("session", "return", "growth", "drawdown", "net", "benchmark", "benchmark_growth")
    )


def _measures(days: pl.DataFrame, trips: pl.DataFrame, curve: pl.DataFrame, falls: pl.DataFrame, scope: Scope) -> Measures:
    daily, net = curve["return"].to_numpy(), trips["net"]
    both = curve.drop_nulls("benchmark")
    market = both["benchmark"].to_numpy()
    ratios = returns.ratios(np.asarray(daily))
    against = returns.ratios(both["return"].to_numpy(), market) if len(market) else {}
    fees = float(trips["fees"].sum()) if scope.narrow else float(days["fees"].sum())
    gains, losses = net.filter(net > 0), net.filter(net < 0)
    return Measures(
        sessions=days.height,
        trades=trips.height,
        profit=float(trips["profit"].sum()) if scope.narrow else float(days["profit"].sum()),
        fees=fees,
        net=float(curve["net"].sum()),
        start=_first(days["start"]),
        end=_first(days["end"].reverse()),
        total_return=returns.total(daily) if len(daily) else None,
        **{name: ratios[name] for name in ("annual_return", "volatility", "sharpe", "sortino", "calmar")},
        max_drawdown=returns.drawdown(daily) if len(daily) else None,
        drawdown_days=_greatest(falls["days"]),
        benchmark=returns.total(market) if len(market) else None,
        beta=against.get("beta"),
        alpha=against.get("alpha"),
        win_rate=len(gains) / len(net) if len(net) else None,
        profit_factor=float(gains.sum()) / -float(losses.sum()) if len(losses) else None,
        expectancy=_mean(net.to_list()),
        average_gain=_mean(gains.to_list()),
        average_loss=_mean(losses.to_list()),
        average_r=_mean(trips["r"].drop_nulls().to_list()),
        best=max(net.to_list(), default=None),
        worst=min(net.to_list(), default=None),
        minutes_held=_mean(trips["minutes"].to_list()),
        **{name: _mean(days[name].drop_nulls().to_list()) for name in ("exposure", "turnover")},
        max_exposure=max(days["max_exposure"].drop_nulls().to_list(), default=None),
    )


def _factor(net: pl.Expr) -> pl.Expr:
    losses = -net.filter(net < 0).sum()
    return pl.when(losses > 0).then(net.filter(net > 0).sum() / losses)


def _first(values: pl.Series) -> float | None:
    return float(values[0]) if len(values) else None


def _greatest(values: pl.Series) -> int | None:
    return max(values.to_list(), default=None)
