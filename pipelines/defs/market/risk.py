"""How the market is and what moves together."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import polars as pl

from pipelines.core import night
from pipelines.core.risk import correlation as correlations
from pipelines.core.risk import exposure, regimes
from pipelines.core.risk.clusters import clusters
from pipelines.core.risk.correlation import Correlation
from pipelines.core.risk.regimes import RegimeName
from pipelines.core.trading.orders import Side
from pipelines.defs.asset import asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import picture, result, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {RegimeName.CALM: "#b8d8c0", RegimeName.NORMAL: "#eeeeee", RegimeName.ELEVATED: "#f6d9a8", RegimeName.STRESSED: "#eda4a0"}


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions"])
def regime(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The volatility regime after the data session, and what it does to sizes, stops, targets and limits.

    The whole series behind it, from which its hysteresis follows, is the table `regime_history`: for this session (`session`) each day's
    measures and regime (`day`). Nothing that was stored before is read, so a backfill in any order gives the same.
    """
    session = data_session(context)
    past = daybot.past(session)
    benchmark = exposure.benchmark(night.returns(past), daybot.settings.benchmark)
    rows, series = night.regime(past, benchmark)
    daybot.warehouse.replace({"regime": rows, "regime_history": series}, [session])
    effects = pl.DataFrame([{"regime": name.value, **effect._asdict()} for name, effect in regimes.EFFECTS.items()])
    return result(
        rows,
        regime=rows["name"].item(),
        benchmark=benchmark.name,
        changes=series.filter(pl.col("name") != pl.col("name").shift(1)).height,
        regime_history=picture(lambda axes: _draw_regimes(axes, series, benchmark.name)),
        effects=table(effects),
    )


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions", "features"])
def correlation(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Correlation of daily log returns, the whole matrix, for the symbols that trade the most dollars.

    `rho` is shrunk (Ledoit and Wolf) over 60 sessions: what the gate uses. `fading` is RiskMetrics' over a year, decay 0.97: where the
    two part, things have changed. The groups of names that move together over a year are the table `clusters`: of sixty days of two hundred
    names so much has to be shrunk away that in a quiet year no two would look alike.
    """
    session = data_session(context)
    returns = night.busiest(night.returns(daybot.past(session)), daybot.warehouse.read("features", session))
    found, fading = correlations.shrunk(returns), correlations.weighted(returns)
    year = night.yearly(returns)
    groups = clusters(year)
    rows = correlations.long(found).select(pl.lit(session).alias("session"), pl.all(), pl.Series("fading", fading.matrix.ravel()))
    daybot.warehouse.replace({"correlation": rows, "clusters": groups.select(pl.lit(session).alias("session"), pl.all())}, [session])
    pairs = rows.filter(pl.col("a") < pl.col("b")).sort("rho", descending=True)
    together = groups.filter(pl.col("members") > 1).sort("cluster", "symbol").group_by("cluster", "members", maintain_order=True)
    return result(
        rows,
        symbols=len(found.symbols),
        shrinkage=found.shrinkage,
        mean_rho=_mean(pairs["rho"]),
        mean_fading=_mean(pairs["fading"]),
        clusters=table(together.agg(pl.col("symbol"), pl.col("mean_rho").mean())),
        matrix=picture(lambda axes: _draw_matrix(axes, year, groups, session), 4.0, 4.0) if year.symbols else None,
    )


@asset("risk", {"duckdb"}, ["daily_bars", "corporate_actions"])
def betas(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Beta of each symbol to the benchmark over 252 sessions: as measured with its error, and shrunk by Vasicek's and by Blume's rule.

    `beta` is the one to use: Vasicek's, or Blume's where fewer than 20 symbols have one.
    """
    session = data_session(context)
    past = daybot.past(session)
    returns = night.returns(past)
    benchmark = exposure.benchmark(returns, daybot.settings.benchmark)
    rows = night.betas(past, returns, benchmark)
    daybot.warehouse.replace({"betas": rows}, [session])

    def draw(axes: "Axes") -> None:
        axes.hist([rows["raw"].to_numpy(), rows["beta"].to_numpy()], bins=24, label=["measured", "shrunk"])
        axes.set_title(f"Betas to {benchmark.name}, {rows.height} symbols to {session}")
        axes.legend(loc="upper right")

    return result(rows.sort("beta", descending=True), benchmark=benchmark.name, distribution=picture(draw) if rows.height else None)


@asset("risk", {"duckdb"}, ["universe", "watchlist", "journal", "features", "betas"])
def sector_exposure(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Sector weights of the watchlist (every name alike) and of what was held at the end of the data session (fractions of equity).

    `weight` is gross (long and short added up, as the sector limit counts), `net` long less short, `beta` net of each weight times its beta.
    """
    session = data_session(context)
    sectors = dict(daybot.universe(session).select("symbol", "sector").iter_rows())
    slopes = dict(daybot.warehouse.read("betas", session).select("symbol", "beta").iter_rows())
    names = daybot.warehouse.read("watchlist", session)["symbol"].to_list()
    books: dict[str, Mapping[str, float]] = {"watchlist": {symbol: 1 / len(names) for symbol in names}, "positions": _held(daybot, session)}
    pieces = [
        exposure.by_sector(weights, sectors, slopes).select(pl.lit(session).alias("session"), pl.lit(book).alias("book"), pl.all())
        for book, weights in books.items()
    ]
    rows = pl.concat(pieces)
    daybot.warehouse.replace({"sector_exposure": rows}, [session])
    return result(rows)


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


def _mean(values: pl.Series) -> float | None:
    return float(values.to_numpy().mean()) if len(values) else None


def _draw_regimes(axes: "Axes", history: pl.DataFrame, benchmark: str) -> None:
    """The score in front of the regime of each day."""
    axes.plot(history["day"].to_numpy(), history["score"].to_numpy() * 100, color="#333333", linewidth=1)
    for days in history.with_columns(pl.col("name").rle_id().alias("spell")).partition_by("spell", maintain_order=True):
        colour = COLOURS.get(RegimeName(days["name"][0]), "white")
        axes.axvspan(days["day"][0], days["day"][-1] + timedelta(days=1), color=colour, linewidth=0)
    axes.set_ylim(0, 100)
    axes.set_title(f"Volatility of {benchmark} and of the market, percentile of a year: calm, normal, elevated, stressed")
    axes.tick_params(axis="x", labelrotation=20)


def _draw_matrix(axes: "Axes", found: Correlation, groups: pl.DataFrame, session: date) -> None:
    """The year's matrix with names of one cluster side by side; `groups` has a row for each of its symbols, in alphabetical order as it has."""
    order = np.argsort(groups["place"].to_numpy())
    axes.imshow(found.matrix[np.ix_(order, order)], vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_title(f"{len(found.symbols)} symbols in {groups['cluster'].n_unique()} clusters, a year to {session}")
