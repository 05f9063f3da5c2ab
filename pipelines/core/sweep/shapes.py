"""A session as arrays: what compiled code can hold of a briefing and its bars."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from pipelines.core.backtest.costs import Costs
from pipelines.core.backtest.session import valued
from pipelines.core.briefing import Briefing
from pipelines.core.compiled import compiled
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk.checks import Ask, Book, Check, Facts, Proposal
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.peers import Correlations
from pipelines.core.risk.permissions import briefed, history, regime, restricted, shortable, tradable
from pipelines.core.trading import events

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

PRICES = ("open", "high", "low", "close", "volume")
CELL = (*PRICES, *Indicators._fields)

BEFORE = (briefed, regime, restricted, history, tradable)
"""Permissions that a session's briefing and the limits decide once for all of its minutes, and for both sides; `shortable` is the short's own."""


class Market(NamedTuple):
    """A session's bars, (minute, symbol), NaN where a symbol has no bar; and where a strategy's `setup` was true, minute by minute."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    values: Floats
    """Indicators, (minute, symbol, indicator)."""
    starts: Ints
    """Each minute's beginning, nanoseconds UTC."""
    first: Ints
    """The first symbol that has a bar in the minute; -1: nobody has."""


class Setups(NamedTuple):
    """Bars on which an entry is thinkable: those of minute m are from `begin[m]` to `begin[m + 1]`, by symbol."""

    begin: Ints
    symbol: Ints
    last: Floats
    """Close of the symbol's bar before."""


class Names(NamedTuple):
    """What the briefing knows of each symbol. NaN is unknown; an ATR of 0 too."""

    atr: Floats
    close: Floats
    adv: Floats
    beta: Floats
    sector: Ints
    cluster: Ints
    """-1: in none."""
    half: Floats
    root: Floats
    place: Ints
    """Row in `rho`; -1: no returns."""
    rho: Floats


class Terms(NamedTuple):
    """What holds for everyone on the day. Times in nanoseconds UTC."""

    open: int
    close: int
    size: float
    stop: float
    target: float
    position: float
    heat: float
    participation: float
    """Share of a minute's volume; NaN is no bound."""
    sec: float
    taf: float
    taf_cap: float
    cat: float


class Day(Struct, frozen=True):
    """One session, ready to be swept."""

    briefing: Briefing
    bars: pl.DataFrame
    """Its minute bars, extended hours included."""
    symbols: tuple[str, ...]
    market: Market
    names: Names
    terms: Terms
    inside: tuple[events.Market, ...] = ()
    """What is known of the minutes themselves; where anything is, the engine runs the day."""


def market(bars: pl.DataFrame, symbols: Sequence[str], opening: int, close: int) -> Market:
    """The regular session out of bars with indicators: columns symbol, timestamp (UTC), open, high, low, close, volume and `Indicators`."""
    minutes = (close - opening) // MINUTE
    place = pl.col("symbol").cast(pl.String).replace_strict({s: i for i, s in enumerate(symbols)}, return_dtype=pl.Int64)
    rows = bars.with_columns(place.alias("_symbol"), ((pl.col("timestamp").dt.epoch("ns") - opening) // MINUTE).alias("_minute")).filter(
        pl.col("_minute").is_between(0, minutes - 1)
    )
    columns = tuple(rows[name].cast(pl.Float64).to_numpy() for name in CELL)
    cells, first = _laid(minutes, len(symbols), rows["_minute"].to_numpy(), rows["_symbol"].to_numpy(), columns)
    opened, high, low, closed, volume = (cells[:, :, i].T for i in range(len(PRICES)))
    return Market(opened, high, low, closed, volume, cells[:, :, len(PRICES) :].transpose(1, 0, 2), opening + MINUTE * np.arange(minutes), first)


@compiled
def _laid(minutes: int, symbols: int, minute: Ints, symbol: Ints, columns: tuple[Floats, ...]) -> tuple[Floats, Ints]:
    """The columns as (symbol, minute, column), NaN where there is no row: what a trade sees lies together. And the first symbol of each minute."""
    cells = np.full((symbols, minutes, len(columns)), np.nan)
    first = np.full(minutes, symbols)
    for row in range(len(minute)):
        m, s = minute[row], symbol[row]
        first[m] = min(first[m], s)
        for k in range(len(columns)):
            cells[s, m, k] = columns[k][row]
    return cells, np.where(first < symbols, first, -1)


def names(briefing: Briefing, symbols: Sequence[str], costs: Costs) -> Names:
    """The briefing's columns; correlations by the function that the gate looks them up with."""
    briefs = [briefing.symbols[s] for s in symbols]
    peers = Correlations.of({s: b.returns for s, b in briefing.symbols.items()})
    k = costs.footprint(briefing)
    rates = np.array([costs.rates(brief, k) for brief in briefs]).reshape(-1, 2)
    sectors = {sector: i for i, sector in enumerate(dict.fromkeys(b.sector for b in briefs))}

    def column(name: str, unknown: float) -> Floats:
        return np.array([unknown if (value := getattr(b, name)) is None else value for b in briefs], dtype=np.float64)

    return Names(
        atr=column("atr", 0.0),
        close=column("close", math.nan),
        adv=column("adv", math.nan),
        beta=column("beta", 1.0),
        sector=np.array([sectors[b.sector] for b in briefs], dtype=np.int64),
        cluster=column("cluster", -1).astype(np.int64),
        half=np.ascontiguousarray(rates[:, 0]),
        root=np.ascontiguousarray(rates[:, 1]),
        place=np.array([peers.place.get(s, -1) for s in symbols], dtype=np.int64),
        rho=np.ascontiguousarray(peers.matrix, dtype=np.float64),
    )


def terms(briefing: Briefing, costs: Costs) -> Terms:
    """The day's own numbers."""
    now, hours = briefing.regime, briefing.hours
    multipliers = (now.size_multiplier, now.stop_multiplier, now.target_multiplier, now.position_multiplier, now.heat_multiplier)
    share = math.nan if costs.participation is None else costs.participation
    return Terms(hours.open, hours.close, *multipliers, share, costs.sec, costs.taf, costs.taf_cap, costs.cat)


def day(briefing: Briefing, bars: pl.DataFrame, costs: Costs, inside: Sequence[events.Market] = ()) -> Day:
    """A session from its briefing and its minute bars, as `backtest.session.play` takes them; of symbols that the briefing does not know, none."""
    known = bars.filter(pl.col("symbol").cast(pl.String).is_in(list(briefing.symbols)))
    symbols = tuple(known["symbol"].unique().sort().cast(pl.String).to_list())
    hours = briefing.hours
    spread = market(valued(briefing, known), symbols, hours.open, hours.close)
    return Day(briefing, known, symbols, spread, names(briefing, symbols, costs), terms(briefing, costs), tuple(inside))


def allowed(briefing: Briefing, symbols: Sequence[str], limits: Limits) -> Flags:
    """Which symbols may be bought (row 0) and sold short (row 1) on this day at all: the gate's own answers."""
    at = briefing.hours.open
    facts = Facts(1.0, at)
    asks = [Ask(Proposal("", symbol, -1, 1, 1.0, 1.0, facts, at), _nobody(), briefing, limits, _unknown) for symbol in symbols]
    either = np.array([all(_passed(permission(ask)) for permission in BEFORE) for ask in asks])
    return np.array([either, either & [_passed(shortable(ask)) for ask in asks]])


def _passed(check: Check | None) -> bool:
    return check is None or check.passed


@lru_cache(maxsize=1)
def _nobody() -> Book:
    return Book(1.0, 1.0, 1.0, 1.0, "active", {}, (), {}, {}, {}, {}, 0)


def _unknown(a: str, b: str) -> float | None:
    return None
