"""The published snapshot as the pages want it, one session at a time. Reads are cached by the snapshot's version: it never changes, a new one is read
anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import streamlit as st
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from dashboards import book
from dashboards.book import Figures
from dashboards.tape import Tape
from pipelines import publish
from pipelines.core.analytics.session.feeds import SIDES
from pipelines.core.analytics.session.ledger import SCHEMAS
from pipelines.core.backtest.session import valued
from pipelines.core.briefing import Briefing
from pipelines.core.errors import MissingData
from pipelines.core.market.features import traded
from pipelines.core.risk.exposure import by_sector
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.peers import Correlations
from pipelines.core.risk.rooms import bearable
from pipelines.publish import Snapshot
from pipelines.settings import Settings, keyless

KEPT = timedelta(hours=1)
WIDEST = 60
"""Names on the correlation map; with more, nobody can read one."""


@dataclass(frozen=True)
class Source:
    """Where everything on a page comes from: one snapshot, and the settings that found it."""

    settings: Settings
    snapshot: Snapshot

    @property
    def key(self) -> tuple[str, str]:
        """What its cached answers are found by."""
        return str(self.snapshot.path), self.snapshot.version


@dataclass(frozen=True)
class Run:
    """What a session was run as: `mode` is sim, paper or live."""

    mode: str
    account: str
    limits: Limits


@dataclass(frozen=True)
class Today:
    """One session from its journal, as the night read it or as it goes on. Tables as `core.analytics.ledger` has them, times UTC."""

    tables: dict[str, pl.DataFrame]
    positions: pl.DataFrame
    figures: Figures
    briefing: Briefing
    minutes: Callable[[str], pl.DataFrame]
    """A symbol's minutes: timestamp (UTC), open, high, low, close, volume, and vwap_line where it is known; without a row where there are none."""


@dataclass(frozen=True)
class Risk:
    """What a session's briefing said of the market before it."""

    briefing: Briefing
    sectors: pl.DataFrame
    correlation: pl.DataFrame
    order: tuple[str, ...]


@dataclass(frozen=True)
class Used:
    """How near to the limits a traded session came; empty where nothing was traded."""

    limits: pl.DataFrame
    sectors: pl.DataFrame


def source() -> Source:
    """The current snapshot. Not cached: finding it reads one short file, and a new one should show at once."""
    settings = keyless()
    return Source(settings, publish.current(settings))


def sessions(source: Source) -> list[date]:
    """Sessions with rows from a journal, newest first; none before the first one was run."""
    names = tables(source)
    kept = [name for name in ("decisions", "equity") if name in names]
    days = [_days(*source.key, name) for name in kept]
    return sorted({day for part in days for day in part}, reverse=True)


def briefing(source: Source, session: date | None = None) -> Briefing:
    """The briefing for a session, or the one that the snapshot was published with."""
    return _briefing(*source.key, session)


def tables(source: Source) -> list[str]:
    """The snapshot's tables by name."""
    return _tables(*source.key)


def rows(source: Source, table: str, session: date) -> pl.DataFrame:
    """One session's rows of a table; `MissingData` if the snapshot has no such table."""
    return _rows(*source.key, table, session)


def today(source: Source, session: date) -> Today:
    """The session as it was traded; all tables empty where no journal was kept."""
    tables = {name: rows(source, name, session) for name in SCHEMAS}
    unmarked, marked = book.positions(tables, {}), book.marked_until(tables["equity"])
    held = tuple(unmarked["symbol"])
    prices = _prices(source.snapshot.version, source.settings, session, held, marked) if held and marked else {}
    positions = book.positions(tables, prices)
    found = briefing(source, session)
    return Today(tables, positions, book.figures(tables, positions), found, lambda symbol: _minutes(*source.key, source.settings, session, symbol))


def running(tape: Tape) -> Today:
    """The session that a journal tells of, as of its newest record."""
    tables = tape.tables()
    positions = book.positions(tables, tape.prices())
    found = tape.head.briefing
    return Today(tables, positions, book.figures(tables, positions), found, lambda symbol: _lined(found, symbol, tape.minutes(symbol)))


def run(source: Source, session: date) -> Run | None:
    """What the session was run as, its last run if there were several; None before it was traded."""
    known = rows(source, "runs", session) if "runs" in tables(source) else None
    if known is None or known.is_empty():
        return None
    row = known.row(-1, named=True)
    return Run(row["mode"], row["account"], Limits.model_validate_json(row["limits"]))


def limits(source: Source, session: date) -> Limits:
    """The limits that the session was traded under, today's settings before it."""
    traded = run(source, session)
    return traded.limits if traded else source.settings.limits


def risk(source: Source, session: date) -> Risk:
    """The briefing for a session: sectors of the watchlist (every name alike), and what moves together as the gate has it."""
    found = briefing(source, session)
    names = [candidate.symbol for candidate in found.watchlist]
    sectors = by_sector({name: 1 / len(names) for name in names}, _sectors(found))
    return Risk(found, sectors, *_correlation(found, names[:WIDEST]))


def regimes(source: Source, data_session: date) -> pl.DataFrame:
    """Rows session, score, name, volatility: each day's regime as it followed from prices up to this one; empty where that was not kept."""
    if "regime_history" not in tables(source):
        return pl.DataFrame(schema={"session": pl.Date, "score": pl.Float64, "name": pl.String, "volatility": pl.Float64})
    series = rows(source, "regime_history", data_session).sort("day").drop_nulls("score")
    return series.select(pl.col("day").alias("session"), "score", "name", "volatility")


def vendors(source: Source) -> pl.DataFrame:
    """The vendors side by side in every session that the nights compared, rows of `feed_comparison`; empty before the first."""
    if "feed_comparison" not in tables(source):
        return pl.DataFrame(schema={"session": pl.Date, "run": pl.String, **SIDES})
    return _vendors(*source.key)


def used(today: Today, limits: Limits) -> Used:
    """Use of the limits by the minute, and the most that was held in each sector, as a fraction of the first equity."""
    equity, start = today.tables["equity"], today.figures.start
    limits = limits.model_copy(update={"max_portfolio_heat": bearable(today.briefing, limits)[0]})  # in a nervous regime the gate allows less
    if start is None:
        return Used(book.use(equity, limits), pl.DataFrame(schema={"sector": pl.String, "weight": pl.Float64}))
    return Used(book.use(equity, limits), book.peaks(today.tables["trades"], today.positions, _sectors(today.briefing), start))


@st.cache_data(ttl=KEPT, max_entries=32, show_spinner=False)
def _tables(path: str, version: str) -> list[str]:
    return Snapshot(version, Path(path)).tables()


@st.cache_data(ttl=KEPT, max_entries=64, show_spinner=False)
def _days(path: str, version: str, table: str) -> list[date]:
    return list(Snapshot(version, Path(path)).sql(f'SELECT DISTINCT session FROM "{table}"')["session"])


@st.cache_data(ttl=KEPT, max_entries=256, show_spinner=False)
def _rows(path: str, version: str, table: str, session: date) -> pl.DataFrame:
    return Snapshot(version, Path(path)).table(table, "session = ?", [session])


@st.cache_data(ttl=KEPT, max_entries=4, show_spinner=False)
def _vendors(path: str, version: str) -> pl.DataFrame:
    return Snapshot(version, Path(path)).table("feed_comparison")


@st.cache_data(ttl=KEPT, max_entries=16, show_spinner=False)
def _briefing(path: str, version: str, session: date | None) -> Briefing:
    return Snapshot(version, Path(path)).briefing(session)


@st.cache_data(ttl=KEPT, max_entries=64, show_spinner=False)
def _prices(version: str, _settings: Settings, session: date, symbols: Sequence[str], until: datetime) -> dict[str, float]:
    """Each symbol's close in its last minute before `until`; empty where the lake has no bars of the session yet."""
    try:
        bars = publish.bars(_settings, "minute", session, session, symbols=symbols)
    except MissingData:
        return {}
    last = bars.filter(pl.col("timestamp") < until).group_by("symbol").agg(pl.col("close").sort_by("timestamp").last())
    return dict(last.iter_rows())


@st.cache_data(ttl=KEPT, max_entries=64, show_spinner=False)
def _minutes(path: str, version: str, _settings: Settings, session: date, symbol: str) -> pl.DataFrame:
    """The official minutes, or those that the runner saw where the night has not fetched them."""
    found = _briefing(path, version, session)
    bars = pl.DataFrame(schema={"timestamp": pl.Datetime("us", "UTC")})
    for view in ("latest", "seen"):
        try:
            bars = publish.bars(_settings, "minute", session, session, symbols=[symbol], view=view)
        except MissingData:
            continue
        if bars.height:
            break
    inside = bars.filter(pl.col("timestamp").is_between(found.open, found.close, closed="left"))
    return _lined(found, symbol, inside.unique("timestamp", keep="first").sort("timestamp")) if inside.height else inside


def _lined(found: Briefing, symbol: str, bars: pl.DataFrame) -> pl.DataFrame:
    """With the volume-weighted average price of the session so far, as the engine has it."""
    if bars.is_empty():
        return bars
    known = traded(bars.with_columns(pl.lit(symbol).alias("symbol"), pl.lit(found.session).alias("session"), pl.lit(0).alias("trades")))
    lines = valued(found, known).select("timestamp", pl.col("vwap").alias("vwap_line"))
    return bars.join(lines, on="timestamp", how="left", maintain_order="left")


def _sectors(found: Briefing) -> dict[str, str]:
    return {symbol: brief.sector for symbol, brief in found.symbols.items()}


def _correlation(found: Briefing, names: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Rows a, b, rho as the gate has them, and the symbols with those that move together side by side."""
    known = Correlations.of({name: found.symbols[name].returns for name in names if name in found.symbols})
    symbols = tuple(known.place)
    order = tuple(symbols[i] for i in _clustered(known.matrix)) if len(symbols) > 2 else symbols
    cells = [(a, b, round(rho, 3)) for i, a in enumerate(symbols) for b, rho in zip(symbols, known.matrix[i].tolist(), strict=True)]
    return pl.DataFrame(cells, schema={"a": pl.String, "b": pl.String, "rho": pl.Float64}, orient="row"), order


def _clustered(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[int]:
    """Average linkage on the distance 1 - rho, leaves in the order that keeps neighbours nearest."""
    distance = 1 - matrix
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [int(i) for i in leaves_list(tree)]
