"""The night as pure functions: from what is known after a data session to the tables of the warehouse, and from those to the briefing.

The assets call them one by one and keep each table; a backtest of a session that has no published briefing calls `briefing` for all of them. So
there is one way to a briefing, whenever it is made, and nothing from after the data session can be in it: it was never handed over.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from pipelines.core.briefing import RETURN_SESSIONS, Briefing, Candidate, CheckResult, Origin, SymbolBrief
from pipelines.core.fingerprint import fingerprint
from pipelines.core.learning.scorer import Scorer
from pipelines.core.market import indicators, scan
from pipelines.core.market.features import by_day, late
from pipelines.core.market.liquidity import clear, regular, spreads
from pipelines.core.market.slippage import Slippage
from pipelines.core.risk import correlation, exposure, regimes
from pipelines.core.risk.clusters import clusters
from pipelines.core.risk.correlation import Correlation, Returns
from pipelines.core.risk.exposure import Benchmark
from pipelines.core.risk.regimes import Regime

WIDEST = 200
"""Symbols in the correlation table: those that trade the most dollars."""

DAY_ONLY = ("close", "high", "low", "volume", "relative_volume", "gap")
"""Columns of `features` that are of the data session or of none."""

REGIME = {
    "name": pl.String,
    **dict.fromkeys(("volatility", "percentile", "atr", "atr_percentile", "score"), pl.Float64),
    "sessions": pl.Int64,
    **dict.fromkeys((f"{part}_multiplier" for part in ("size", "stop", "target", "position", "heat")), pl.Float64),
    "entries": pl.Boolean,
}
SLIPPAGE = {
    "impact": pl.Float64,
    "basis": pl.String,
    **dict.fromkeys(("measured", "low", "high"), pl.Float64),
    "executions": pl.Int64,
    "median_cost": pl.Float64,
}
WATCHLIST = pl.Schema(
    [
        ("session", pl.Date),
        ("rank", pl.Int64),
        ("symbol", pl.String),
        ("score", pl.Float64),
        ("reasons", pl.List(pl.String)),
        ("news_free", pl.Boolean),
    ]
)
CHECKS = {"session": pl.Date, "asset": pl.String, "name": pl.String}


class Past(Protocol):
    """What is known after the data session. Bars have trades and a vwap, and stand on the share scale of the session after it."""

    @property
    def session(self) -> date:
        """The data session."""
        ...

    @property
    def calendar(self) -> pl.DataFrame:
        """Rows session, open, close (UTC): the sessions of the history, oldest first, and at the end the one that the briefing is for."""
        ...

    @property
    def universe(self) -> pl.DataFrame:
        """As the asset of that name keeps it."""
        ...

    @property
    def daily(self) -> pl.DataFrame:
        """Daily bars of the universe over the history."""
        ...

    @property
    def total(self) -> pl.DataFrame:
        """The same with dividends reinvested: their returns are total returns."""
        ...

    @property
    def minutes(self) -> pl.DataFrame:
        """Minute bars of the last sessions, extended hours included."""
        ...


class Choices(NamedTuple):
    """Settings that a briefing hangs on."""

    benchmark: str
    min_history: int
    watchlist_size: int
    max_participation: float


def days(past: Past) -> list[date]:
    """The sessions of the history; the data session is the last."""
    return past.calendar["session"].to_list()[:-1]


# --- the tables, in the order in which they follow from each other


def features(past: Past) -> pl.DataFrame:
    """Daily indicators of each symbol of the universe; null is unknown."""
    minutes, close = past.minutes, past.calendar["close"][-2]
    counts = minutes.group_by("symbol").agg(pl.len().cast(pl.Int64).alias("minutes"))
    return (
        past.universe.select("session", "symbol")
        .join(by_day(past.daily), on="symbol", how="left", maintain_order="left")
        .join(counts, on="symbol", how="left", maintain_order="left")
        .join(late(minutes, past.session, close), on="symbol", how="left", maintain_order="left")
        .with_columns(pl.col("history", "minutes").fill_null(0))
        .with_columns(pl.when(pl.col("last") == past.session).then(pl.col(name)).alias(name) for name in DAY_ONLY)
        .with_columns((pl.col("atr") / pl.col("close")).alias("atr_pct"), (pl.col("late") / pl.col("close") - 1).alias("indication"))
        .drop("late")
    )


def seeds(past: Past) -> pl.DataFrame:
    """Rows session, symbol, seed: the state that each symbol's minute indicators start the next session with."""
    states = indicators.minutes(past.minutes, past.calendar.select("session", "open")).seeds
    return pl.DataFrame(
        {"session": [past.session] * len(states), "symbol": list(states), "seed": [list(state) for state in states.values()]},
        schema={"session": pl.Date, "symbol": pl.String, "seed": pl.List(pl.Float64)},
    )


def liquidity(past: Past, known: pl.DataFrame, max_participation: float) -> pl.DataFrame:
    """How much of each symbol trades and its spread, from minutes or else, where they are clear, from days. `known`: the table of `features`."""
    by_minute, by_days = spreads(regular(past.minutes, past.calendar)), clear(spreads(past.daily.with_columns(pl.lit(0, pl.Int64).alias("run"))))
    found = pl.concat(
        [
            by_minute.with_columns(pl.lit("minutes").alias("spread_from")),
            by_days.join(by_minute, on="symbol", how="anti").with_columns(pl.lit("days").alias("spread_from")),
        ]
    )
    return (
        known.select("session", "symbol", "adv", "dollar_volume", "sigma")
        .sort("symbol")
        .join(found, on="symbol", how="left", maintain_order="left")
        .with_columns((pl.col("adv") * max_participation).floor().alias("most_shares"))
    )


def returns(past: Past) -> Returns:
    """Daily total returns over the history: a dividend is no loss."""
    return correlation.aligned(past.total, days(past))


def regime(past: Past, benchmark: Benchmark) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(the regime after the data session in one row, the series that it follows from with its `day`)."""
    known = np.isfinite(benchmark.returns)
    dates = pl.DataFrame({"day": days(past)[1:]}).filter(pl.Series(known))
    ranges = dates.join(regimes.market_atr(indicators.days(past.daily).frame), left_on="day", right_on="session", how="left", maintain_order="left")
    atr = ranges["atr"].fill_null(float("nan")).to_numpy()
    found = regimes.classify(benchmark.returns[known], atr)
    row = pl.DataFrame([found.model_dump(mode="json")], schema=REGIME)
    history = pl.concat([dates, regimes.history(benchmark.returns[known], atr)], how="horizontal")
    dated = pl.lit(past.session).alias("session")
    return row.select(dated, pl.all(), pl.lit(benchmark.name).alias("benchmark")), history.select(dated, pl.all())


def busiest(all_returns: Returns, known: pl.DataFrame) -> Returns:
    """The returns of the symbols that trade the most dollars, as the correlations are of."""
    names = set(known.drop_nulls("dollar_volume").sort("dollar_volume", "symbol", descending=True).head(WIDEST)["symbol"])
    chosen = [i for i, symbol in enumerate(all_returns.symbols) if symbol in names]
    return Returns(tuple(all_returns.symbols[i] for i in chosen), all_returns.values[:, chosen])


def yearly(widest: Returns) -> Correlation:
    """Correlation over a year, as the clusters are of: in sixty days of many names so much has to be shrunk away that hardly two look alike."""
    return correlation.shrunk(widest, sessions=exposure.YEAR, overlap=exposure.LEAST)


def betas(past: Past, all_returns: Returns, benchmark: Benchmark) -> pl.DataFrame:
    """Beta of each symbol to the benchmark."""
    return exposure.betas(all_returns, benchmark.returns).select(pl.lit(past.session).alias("session"), pl.all())


def watchlist(past: Past, known: pl.DataFrame, liquid: pl.DataFrame, choices: Choices) -> tuple[pl.DataFrame, int]:
    """(the symbols worth watching, best first; how many candidates there were).

    Candidates take orders and traded in the minutes that there are; where there are none at all, everything that takes orders is one.
    """
    tradable = past.universe.filter("tradable").select("symbol")
    traded = known if past.minutes.is_empty() else known.filter(pl.col("minutes") > 0)
    candidates = traded.join(tradable, on="symbol", how="semi").join(liquid.select("symbol", "spread"), on="symbol", how="left")
    found = scan.watchlist(candidates, min_history=choices.min_history, size=choices.watchlist_size)
    rows = [(past.session, line.rank, line.symbol, line.score, list(line.reasons), line.news_free) for line in found]
    return pl.DataFrame(rows, schema=WATCHLIST, orient="row"), candidates.height


# --- the briefing


def briefing(past: Past, choices: Choices, slippage: Slippage, made: datetime) -> Briefing:
    """The briefing for the session after `past.session`, made of nothing but it. No check has looked at the data: it has none."""
    known, all_returns = features(past), returns(past)
    liquid, benchmark = liquidity(past, known, choices.max_participation), exposure.benchmark(all_returns, choices.benchmark)
    dated = pl.lit(past.session).alias("session")
    tables = {
        "universe": past.universe,
        "features": known,
        "seeds": seeds(past),
        "liquidity": liquid,
        "slippage": pl.DataFrame([slippage.model_dump(mode="json")], schema=SLIPPAGE).select(dated, pl.all()),
        "regime": regime(past, benchmark)[0],
        "clusters": clusters(yearly(busiest(all_returns, known))).select(dated, pl.all()),
        "betas": betas(past, all_returns, benchmark),
        "watchlist": watchlist(past, known, liquid, choices)[0],
        "checks": pl.DataFrame(schema=CHECKS),
    }
    draft = compose(past, tables, all_returns, choices.benchmark, made)
    return draft.model_copy(update={"version": f"{draft.session}-computed-{content(draft)[:8]}"})


def compose(past: Past, tables: Mapping[str, pl.DataFrame], all_returns: Returns, benchmark: str, made: datetime) -> Briefing:
    """The briefing from the tables by name, still without its version; `benchmark` is the symbol that the settings name."""
    following = past.calendar.row(-1, named=True)
    state, source = tables["regime"].row(0, named=True), tables["universe"].row(0, named=True)
    lines, checks = tables["watchlist"].sort("rank").drop("session"), tables["checks"].sort("asset", "name").drop("session")
    return Briefing(
        version="",
        session=following["session"],
        open=following["open"],
        close=following["close"],
        data_session=past.session,
        created_at=made,
        origin=Origin(source["origin"]),
        feed=source["feed"],
        benchmark=state["benchmark"],
        regime=Regime.model_validate({name: state[name] for name in Regime.model_fields}),
        slippage=Slippage.model_validate({name: tables["slippage"][name].item() for name in Slippage.model_fields}),
        scorers=_scorers(tables.get("scorers")),
        symbols=_symbols(tables, all_returns, benchmark),
        watchlist=tuple(Candidate.model_validate(row) for row in lines.iter_rows(named=True)),
        checks=tuple(CheckResult.model_validate(row) for row in checks.iter_rows(named=True)),
        inputs={name: fingerprint(frame) for name, frame in tables.items()},
    )


def content(draft: Briefing) -> str:
    """Hash of all that a briefing says, whenever it was made."""
    return sha256(draft.model_dump_json(exclude={"version", "created_at"}).encode()).hexdigest()


def _scorers(rows: pl.DataFrame | None) -> dict[str, Scorer]:
    """Those that held on sessions that they had not seen; none where nothing was learned yet."""
    if rows is None:
        return {}
    return {row["strategy"]: Scorer.model_validate(row) for row in rows.filter("trusted").sort("strategy").iter_rows(named=True)}


def _symbols(tables: Mapping[str, pl.DataFrame], all_returns: Returns, benchmark: str) -> dict[str, SymbolBrief]:
    """One brief for each symbol of the watchlist, and for the benchmark where the universe has it."""
    rows = tables["universe"].filter(pl.col("symbol").is_in([*tables["watchlist"]["symbol"], benchmark])).sort("symbol")
    parts: Sequence[tuple[str, Sequence[str]]] = (
        ("features", ("history", "close", "atr", "adv")),
        ("betas", ("beta",)),
        ("liquidity", ("sigma", "spread")),
        ("clusters", ("cluster",)),
        ("seeds", ("seed",)),
    )
    for name, columns in parts:
        rows = rows.join(tables[name].select("symbol", *columns), on="symbol", how="left", maintain_order="left")
    series = {symbol: all_returns.of(symbol)[-RETURN_SESSIONS:].tolist() for symbol in rows["symbol"]}
    return {
        row["symbol"]: SymbolBrief.model_validate({**row, "returns": tuple(r if r == r else None for r in series[row["symbol"]])})
        for row in rows.iter_rows(named=True)
    }
