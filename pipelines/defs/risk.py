"""How the market is and what moves together."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg
import numpy as np
import polars as pl

from pipelines.core.risk import correlation as correlations
from pipelines.core.risk import exposure, regimes
from pipelines.core.risk.correlation import Matrix, Returns
from pipelines.core.risk.regimes import Regime, RegimeName
from pipelines.core.trading.orders import Side
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import picture, result
from pipelines.vendors import calendar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUAL_WEIGHT = "EQUAL-WEIGHT"
"""The benchmark's name when it is the mean return of the universe."""

WIDEST = 200
"""Symbols in the correlation table: those that trade the most dollars."""


class Benchmark(NamedTuple):
    """Daily log returns (NaN where unknown) and the regime they say."""

    name: str
    returns: Matrix
    regime: Regime


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions"])
def regime(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The volatility regime after the data session, and what it does to sizes and stops."""
    session = data_session(context)
    benchmark = _benchmark(daybot, _returns(daybot, session))
    fields = benchmark.regime.model_dump(mode="json")
    schema = {"name": pl.String, "volatility": pl.Float64, "percentile": pl.Float64, "sessions": pl.Int64, "size_multiplier": pl.Float64}
    row = pl.DataFrame([fields], schema={**schema, "stop_multiplier": pl.Float64})
    rows = row.select(pl.lit(session).alias("session"), pl.all(), pl.lit(benchmark.name).alias("benchmark"))
    daybot.warehouse.replace({"regime": rows}, [session])
    history = regimes.realised_volatility(benchmark.returns[np.isfinite(benchmark.returns)])

    def draw(axes: "Axes") -> None:
        axes.plot(history * 100)
        axes.set_title(f"{benchmark.name}: 20-session volatility, % a year, to {session}")

    return result(rows, regime=benchmark.regime.name.value, benchmark=benchmark.name, volatility_history=picture(draw))


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions", "features"])
def correlation(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Shrunk correlation of daily log returns over 60 sessions: the whole matrix, for the symbols that trade the most dollars."""
    session = data_session(context)
    busiest = (
        daybot.warehouse.read("features", session).drop_nulls("dollar_volume").sort("dollar_volume", "symbol", descending=True).head(WIDEST)["symbol"]
    )
    returns = _returns(daybot, session)
    chosen = [i for i, symbol in enumerate(returns.symbols) if symbol in set(busiest)]
    found = correlations.shrunk(Returns(tuple(returns.symbols[i] for i in chosen), returns.values[:, chosen]))
    rows = correlations.long(found).select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"correlation": rows}, [session])

    def draw(axes: "Axes") -> None:
        axes.imshow(found.matrix, vmin=-1, vmax=1, cmap="RdBu_r")
        axes.set_title(f"{len(found.symbols)} symbols to {session}")

    pairs = rows.filter(pl.col("a") < pl.col("b")).sort("rho", descending=True)
    heat = picture(draw, 4.0, 4.0) if found.symbols else None
    mean = float(pairs["rho"].to_numpy().mean()) if pairs.height else None
    return result(rows, symbols=len(found.symbols), shrinkage=found.shrinkage, mean_rho=mean, matrix=heat)


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions"])
def betas(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Beta of each symbol to the benchmark over 252 sessions, raw and with Blume's adjustment."""
    session = data_session(context)
    returns = _returns(daybot, session)
    benchmark = _benchmark(daybot, returns)
    rows = exposure.betas(returns, benchmark.returns).select(pl.lit(session).alias("session"), pl.all())
    daybot.warehouse.replace({"betas": rows}, [session])
    return result(rows.sort("beta", descending=True), benchmark=benchmark.name)


@asset("risk", {"duckdb"}, ["universe", "watchlist", "journal", "features"])
def sector_exposure(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Sector weights of the watchlist (every name alike) and of what was held at the end of the data session (fractions of equity)."""
    session = data_session(context)
    sectors = dict(daybot.universe(session).select("symbol", "sector").iter_rows())
    names = daybot.warehouse.read("watchlist", session)["symbol"].to_list()
    books: dict[str, Mapping[str, float]] = {"watchlist": {symbol: 1 / len(names) for symbol in names}, "positions": _held(daybot, session)}
    pieces = [
        exposure.by_sector(weights, sectors).select(pl.lit(session).alias("session"), pl.lit(book).alias("book"), pl.all())
        for book, weights in books.items()
    ]
    rows = pl.concat(pieces)
    daybot.warehouse.replace({"sector_exposure": rows}, [session])
    return result(rows)


def _returns(daybot: DayBot, session: date) -> Returns:
    return correlations.aligned(daybot.daily(session), calendar.trailing(session, daybot.settings.history_sessions))


def _benchmark(daybot: DayBot, returns: Returns) -> Benchmark:
    """The benchmark that the settings name, or the mean of all symbols on each session where it has too little history to have a regime."""
    own = returns.of(daybot.settings.benchmark)
    said = regimes.classify(own[np.isfinite(own)])
    if said.name is not RegimeName.UNKNOWN:
        return Benchmark(daybot.settings.benchmark, own, said)
    known = np.isfinite(returns.values)
    counts = known.sum(axis=1)
    sums = np.where(known, returns.values, 0.0).sum(axis=1)
    mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return Benchmark(EQUAL_WEIGHT, mean, regimes.classify(mean[np.isfinite(mean)]))


def _held(daybot: DayBot, session: date) -> dict[str, float]:
    """Positions after the data session's last fill, as fractions of its last equity, at the day's close or else the last fill's price."""
    if not daybot.warehouse.has("fills"):
        return {}
    fills = daybot.warehouse.read("fills", session).sort("at")
    equity = daybot.warehouse.read("equity", session).sort("at")["equity"].to_list()
    closes = dict(daybot.warehouse.read("features", session).select("symbol", "close").drop_nulls().iter_rows())
    shares = pl.when(pl.col("side") == Side.BUY.value).then(pl.col("quantity")).otherwise(-pl.col("quantity"))
    held = fills.group_by("symbol").agg(shares.sum().alias("shares"), pl.col("price").last()).filter(pl.col("shares") != 0).sort("symbol")
    return {symbol: count * closes.get(symbol, price) / equity[-1] for symbol, count, price in held.iter_rows()} if equity else {}
