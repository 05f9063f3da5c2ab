"""What strategies wanted, and what would have come of it: every candidate with the limit that cut or stopped it, and every entry with other exits.

A wish is played on the bars that the session saw, alone, by the rules of `backtest.fills`: in at the open of the minute after the decision, the
stop before the target in one bar, a target only where the bar goes through it, and out when the session closes everything. Before costs.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.core.analytics.books import KEY, booked, shaped
from pipelines.core.analytics.session.explain import Journaled, Walk, candidates, explained
from pipelines.core.analytics.session.ledger import STAMP
from pipelines.core.backtest.fills import beyond, no_better, no_worse, touched
from pipelines.core.compiled import compiled
from pipelines.core.journal import Manifest, Record, event_of
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import NEW_YORK
from pipelines.core.trading.decisions import Submit, TradeClosed
from pipelines.core.trading.events import MarketBar
from pipelines.core.trading.orders import Role

SPELL = timedelta(minutes=15)
"""A wish for the same symbol by the same strategy within this time of the last one is the same wish again."""

STOPS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
TARGETS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Multiples of ATR that exits are tried at, besides those that the trade had."""

OUTCOMES = {"setting": pl.String, **dict.fromkeys(("price", "stop", "target", "atr", "gain", "forgone_r"), pl.Float64)}

CANDIDATES = pl.Schema(
    [
        *KEY,
        ("seq", pl.Int64),
        ("at", STAMP),
        ("hour", pl.Int64),
        *((name, pl.String) for name in ("symbol", "sector", "strategy", "side", "regime")),
        ("wanted", pl.Int64),
        ("quantity", pl.Int64),
        *((name, pl.String) for name in ("outcome", "code", "setting", "detail")),
        *((name, pl.Float64) for name in ("value", "limit", "price", "stop", "target", "atr")),
        ("first", pl.Boolean),
        *((name, pl.Float64) for name in ("forgone", "forgone_r")),
    ]
)
"""`first`: the first of a spell of the same wish; `forgone`: dollars that the shares taken away would have earned, null where it cannot be said;
`forgone_r`: what the wish would have earned in units of its risk."""

EXITS = pl.Schema(
    [
        *KEY,
        *((name, pl.String) for name in ("trade", "strategy", "symbol")),
        *((name, pl.Float64) for name in ("stop_atr", "target_atr")),
        ("present", pl.Boolean),
        *((name, pl.Float64) for name in ("profit", "r")),
    ]
)
"""Each round trip with its stop and target at other multiples of ATR and the same shares; `present`: as they are set. `r` is in units of the risk
that was taken. A trade that its strategy ended stays ended there; one that a stop or target ended could otherwise have lasted until the close."""

Floats = NDArray[np.float64]


class Lane(NamedTuple):
    """One symbol's minutes in order: starts in nanoseconds UTC, prices in dollars."""

    start: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats


def wished(records: Sequence[Record], runs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `CANDIDATES` and of `EXITS` of one journal; `runs` as the ledger has them."""
    found, market = explained(records), _lanes(records)
    return _candidates(found, market, runs), _exits(found, market, runs)


def _candidates(found: Journaled, market: dict[str, Lane], runs: pl.DataFrame) -> pl.DataFrame:
    head, until = found.head, _until(found.head)
    played = pl.DataFrame([_outcome(walk, market, until) for walk in found.walks], schema=OUTCOMES, orient="row")
    rows = pl.concat([candidates(found), played], how="horizontal").with_columns(pl.lit(head.session).alias("session"), pl.lit(head.run).alias("run"))
    sectors = {symbol: brief.sector for symbol, brief in head.briefing.symbols.items()}
    since = pl.col("at").diff().over("symbol", "strategy", "side")
    return shaped(
        booked(rows, runs).with_columns(
            pl.col("symbol").replace_strict(sectors, default=None, return_dtype=pl.String).alias("sector"),
            pl.lit(head.briefing.regime.name.value).alias("regime"),
            pl.col("setting").str.split(" x ").list.first().alias("setting"),  # without what the regime makes of it
            pl.col("at").dt.convert_time_zone(NEW_YORK.key).dt.hour().alias("hour"),
            (since.is_null() | (since > SPELL)).alias("first"),
            pl.when(pl.col("code").is_not_null()).then(pl.col("gain") * (pl.col("wanted") - pl.col("quantity"))).alias("forgone"),
        ),
        CANDIDATES,
    )


def _outcome(walk: Walk, market: dict[str, Lane], until: int) -> tuple[Any, ...]:
    """setting, price, stop, target, atr, gain (dollars a share), the same in R: of a wish as it was wanted."""
    decision, lineage = walk.decision, walk.lineage
    atr = lineage.atr if lineage is not None else None
    if isinstance(decision, Submit):
        order = decision.order
        price, stop, target, side = lineage.arrival if lineage else order.limit, order.stop, order.target, order.side.sign
        cut = lineage.cut(decision.reason) if lineage else None
        setting = cut.origin if cut else None
    else:
        price, stop, target, side, setting = decision.price or None, decision.stop, decision.target, decision.side.sign, decision.check.origin
    lane = market.get(walk.symbol)
    gain = None
    if lane is not None and price is not None and stop is not None:
        gain = _finite(play(*lane, int(decision.at // MINUTE * MINUTE), until, side, stop, math.nan if target is None else target))
    risk = abs(price - stop) if price is not None and stop is not None else 0.0
    return setting, price, stop, target, atr, gain, gain / risk if gain is not None and risk > 0 else None


def _exits(found: Journaled, market: dict[str, Lane], runs: pl.DataFrame) -> pl.DataFrame:
    head, until, regime = found.head, _until(found.head), found.head.briefing.regime
    pairs = [(stop, target) for stop in STOPS for target in TARGETS]
    rows: list[tuple[Any, ...]] = []
    for walk in found.walks:
        decision, lineage, closed, lane = walk.decision, walk.lineage, walk.closed, market.get(walk.symbol)
        if (
            closed is None
            or lineage is None
            or lineage.atr is None
            or lane is None
            or not isinstance(decision, Submit)
            or decision.order.stop is None
        ):
            continue
        order, price = decision.order, lineage.arrival
        units = np.array([regime.stop_multiplier, regime.target_multiplier]) * lineage.atr
        present = np.abs(np.array([decision.order.stop, math.nan if order.target is None else order.target]) - price)
        away = np.vstack([np.array(pairs) * units, present])
        edges = int(decision.at // MINUTE * MINUTE), _ended(closed, until)
        gains = tried(*lane, *edges, closed.side.sign, price, away[:, 0], away[:, 1])
        for place, (multiples, gain) in enumerate(zip([*pairs, (present / units).tolist()], gains.tolist(), strict=True)):
            named = (head.session, head.run, closed.trade, closed.strategy, walk.symbol)
            if math.isfinite(gain):
                risk = float(present[0])
                rows.append((*named, *map(_finite, multiples), place == len(pairs), gain * closed.quantity, gain / risk if risk > 0 else None))
    schema = pl.Schema([("session", pl.Date), ("run", pl.String), *((name, EXITS[name]) for name in EXITS.names()[len(KEY) :])])
    return shaped(booked(pl.DataFrame(rows, schema=schema, orient="row"), runs), EXITS)


def _ended(closed: TradeClosed, until: int) -> int:
    """Until when the trade may last with other exits: where its strategy ended it, or the session, it stays ended."""
    rested = {part.strip() for part in closed.reason.split(" and ")} <= {Role.STOP.value, Role.TARGET.value}
    return until if rested else min(int(closed.at // MINUTE * MINUTE), until)


def _until(head: Manifest) -> int:
    """When the session closes everything."""
    return head.briefing.hours.close - head.limits.market_close_buffer * MINUTE


def _lanes(records: Iterable[Record]) -> dict[str, Lane]:
    """The minutes that a session saw, each as it came first."""
    known: dict[str, dict[int, Bar]] = {}
    for record in records:
        if record.kind == "event" and record.data["kind"] == "bar":
            event = event_of(record)
            if isinstance(event, MarketBar):
                known.setdefault(event.bar.symbol, {}).setdefault(event.bar.start, event.bar)
    return {symbol: _lane(sorted(bars.values(), key=lambda bar: bar.start)) for symbol, bars in known.items()}


def _lane(bars: Sequence[Bar]) -> Lane:
    starts = np.array([bar.start for bar in bars], dtype=np.int64)
    return Lane(starts, *(np.array([getattr(bar, name) for bar in bars], dtype=np.float64) for name in ("open", "high", "low", "close")))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


@compiled
def play(
    start: NDArray[np.int64], open: Floats, high: Floats, low: Floats, close: Floats, since: int, until: int, side: int, stop: float, target: float
) -> float:
    """Dollars a share of an entry at the open of the first minute from `since` on; out by stop, target (NaN: none), or the close of the last
    minute before `until`. NaN where no minute is left, or the market opens beyond the stop or the target: that order would not have been sent.
    """
    first = np.searchsorted(start, since)
    last = np.searchsorted(start, until)
    if first >= last:
        return math.nan
    entry = open[first]
    if (entry - stop) * side <= 0 or (target - entry) * side <= 0:
        return math.nan
    for i in range(first, last):
        if touched(-side, stop, low[i], high[i]):
            return float((no_worse(side, stop, open[i]) - entry) * side)
        if i > first and beyond(-side, target, high[i] if side > 0 else low[i]):
            return float((no_better(side, target, open[i]) - entry) * side)
    return float((close[last - 1] - entry) * side)


@compiled
def tried(
    start: NDArray[np.int64],
    open: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    since: int,
    until: int,
    side: int,
    price: float,
    near: Floats,
    far: Floats,
) -> Floats:
    """`play` with every pair of distances from the price of the decision, dollars."""
    found = np.empty(len(near))
    for i in range(len(near)):
        found[i] = play(start, open, high, low, close, since, until, side, price - side * near[i], price + side * far[i])
    return found
