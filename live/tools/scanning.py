"""The tool that scans: the night's scanner run again over the night's features with what the session knows now, and every symbol's own obstacles."""

import asyncio
import math

import polars as pl

from live.problems import finite, invalid
from live.tools.answers import Scan, Scanned
from live.tools.asks import ScanRequest
from live.tools.desk import Desk
from pipelines import publish
from pipelines.core.briefing import Candidate
from pipelines.core.errors import DataError
from pipelines.core.market import scan
from pipelines.core.trading.instruments import Instrument

EVERYTHING = 100_000
"""More lines than there are symbols."""


async def scan_symbols(desk: Desk, ask: ScanRequest) -> Scan:
    """The symbols worth watching as of now, best first, with reasons in words and what keeps each from being entered."""
    if ask.market_cap_min is not None:
        raise invalid("NO_MARKET_CAP", "expected no market_cap_min: no source of market values is connected; volume_min and price_min stand in")
    ranked = await _ranked(desk)
    lines = [_line(desk, candidate) for candidate in ranked if candidate.symbol in desk.runner.engine.instruments]
    found = [line for line in lines if _wanted(line, ask)][: ask.limit]
    return Scan(**desk.head, candidates=len(lines), symbols=tuple(found))


async def _ranked(desk: Desk) -> list[Candidate]:
    """By the night's features with today's prices in them; the briefing's own list where the snapshot is gone."""
    try:
        known = await asyncio.to_thread(_features, desk)
    except DataError:
        return list(desk.manifest.briefing.watchlist)
    moved = {s: i.price / i.brief.close - 1 for s, i in desk.runner.engine.instruments.items() if i.brief.close and math.isfinite(i.price)}
    today = pl.DataFrame({"symbol": list(moved), "today": list(moved.values())}, schema={"symbol": pl.String, "today": pl.Float64})
    fresh = known.join(today, on="symbol", how="left").with_columns(pl.coalesce("today", "indication").alias("indication"))
    return scan.watchlist(fresh, min_history=desk.runner.engine.limits.min_history, size=EVERYTHING)


def _features(desk: Desk) -> pl.DataFrame:
    """What the night knew of every symbol that takes orders, from the snapshot that the session began with."""
    briefing = desk.manifest.briefing
    snapshot = publish.named(desk.settings, briefing.version)
    rows = snapshot.sql(
        "SELECT f.*, l.spread FROM features f LEFT JOIN liquidity l USING (symbol, session) WHERE f.session = ?", [briefing.data_session]
    )
    tradable = [symbol for symbol, brief in briefing.symbols.items() if brief.tradable]
    return rows.filter(pl.col("symbol").is_in(tradable))


def _line(desk: Desk, candidate: Candidate) -> Scanned:
    engine = desk.runner.engine
    instrument = engine.instruments[candidate.symbol]
    brief, values = instrument.brief, instrument.values
    today = finite(instrument.price)
    price = today or brief.close
    held = engine.portfolio.quantity(candidate.symbol) if engine.portfolio is not None else 0
    return Scanned(
        rank=candidate.rank, symbol=candidate.symbol, score=candidate.score, sector=brief.sector, reasons=candidate.reasons, price=price,
        change=today / brief.close - 1 if today and brief.close else None,
        relative_volume=finite(values.relative_volume) if values else None, rsi=finite(values.rsi_14) if values else None,
        vwap=finite(values.vwap) if values else None, atr=brief.atr, spread=brief.spread, adv=brief.adv, held=held,
        blocked=_blocked(desk, instrument),
    )  # fmt: skip


def _blocked(desk: Desk, instrument: Instrument) -> str:
    brief, limits = instrument.brief, desk.runner.engine.limits
    reasons = (
        "not tradable at the broker" if not brief.tradable else "",
        "restricted" if brief.symbol in limits.banned else "",
        f"{brief.history} daily bars, {limits.min_history} are needed" if brief.history < limits.min_history else "",
        instrument.halted,
        instrument.tainted(desk.runner.clock.now()),
        "no price yet today" if not math.isfinite(instrument.price) else "",
    )
    return "; ".join(reason for reason in reasons if reason)


def _wanted(line: Scanned, ask: ScanRequest) -> bool:
    bounds = ((ask.price_min, line.price), (ask.volume_min, line.adv))
    if any(least is not None and (has is None or has < least) for least, has in bounds):
        return False
    if ask.price_max is not None and (line.price is None or line.price > ask.price_max):
        return False
    return ask.sector is None or line.sector.casefold() == ask.sector.casefold()
