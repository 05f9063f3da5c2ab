"""What a session, or any set of sessions, earned and what it risked, from the ledger's `trades` and `equity` tables.

Profit is what the trades closed for, fees not included. A metric that the data cannot give (no trade, no losing trade) is None, never zero.
"""

from collections.abc import Mapping

import polars as pl


def measure(trades: pl.DataFrame, equity: pl.DataFrame) -> dict[str, float | None]:
    """Every metric. Dollars: profit, expectancy, best, worst. R: average_r. Fractions: return, win_rate, max_drawdown, exposure, max_exposure.

    `profit_factor` is gains over losses; `minutes_held` the mean time in a trade. `trades`: profit, r, opened_at, closed_at;
    `equity`: run, at, equity, gross. Each run has an equity curve of its own: drawdown is the deepest of any.
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
