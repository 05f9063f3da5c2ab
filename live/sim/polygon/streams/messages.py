"""Messages of the stocks stream: trades, quotes, second and minute aggregates, price bands. Times are unix milliseconds."""

from typing import Any

import numpy as np

from live.sim.clock import MINUTE, SECOND
from live.sim.polygon.markets import REPORTED_BY, Market, mark, milliseconds, sides
from live.sim.worlds.sessions import Session
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

CHANNELS = ("T", "Q", "A", "AM", "LULD")
_TWO_SIDED = 1  # quote condition


def status(kind: str, text: str) -> dict[str, Any]:
    return {"ev": "status", "status": kind, "message": text}


def trade(symbol: str, at: Market, found: Print, number: int) -> dict[str, Any]:
    """The two facility fields belong to trades that came through one."""
    said = mark(at, found, number)
    body: dict[str, Any] = {"ev": "T", "sym": symbol, "x": said.exchange, "i": said.id, "z": at.tape, "p": found.price / 10_000}
    body |= {"s": found.size, "ds": str(found.size), "c": said.conditions, "t": milliseconds(found.at), "q": number}
    return {**body, "trfi": REPORTED_BY, "trft": milliseconds(found.at)} if said.off else body


def quote(symbol: str, at: Market, found: Print, number: int) -> dict[str, Any]:
    """What stands since that trade; sizes in shares."""
    (bid, ask), (bidder, asker) = found.shown, sides(at, found)
    body = {"ev": "Q", "sym": symbol, "bx": bidder, "bp": found.bid / 10_000, "bs": bid, "ax": asker, "ap": found.ask / 10_000, "as": ask}
    return {**body, "c": _TWO_SIDED, "i": [], "t": milliseconds(found.at), "q": number, "z": at.tape}


def minute(symbol: str, bars: Bars, row: int, *, day: Bars, session: Session) -> dict[str, Any]:
    """One finished minute as it is told now, and the `day` up to its end."""
    start, volume = int(bars.t[row]), int(bars.v[row])
    done = int(np.searchsorted(day.t, start))
    total = int(day.v[:done].sum()) + volume
    value = float(np.dot(day.vw[:done], day.v[:done])) + float(bars.vw[row]) * volume
    body = {"ev": "AM", "sym": symbol, "v": volume, "dv": str(volume), "av": total, "dav": str(total), "op": official(day, session, start)}
    body |= {"vw": float(bars.vw[row]), "o": float(bars.o[row]), "c": float(bars.c[row]), "h": float(bars.h[row]), "l": float(bars.l[row])}
    body |= {"a": round(value / total, 4), "z": max(volume // max(int(bars.n[row]), 1), 1)}
    return {**body, "s": milliseconds(start), "e": milliseconds(start + MINUTE)}


def second(symbol: str, start: int, *, path: list[Print], day: Bars, session: Session) -> dict[str, Any]:
    """One finished second made of its trades, of which one counts at least; `path` is the whole minute they lie in."""
    before = [found for found in path if found.traded and found.at < start + SECOND]
    inside = [found for found in before if found.at >= start]
    prices = [found.price / 10_000 for found in inside if found.counts]
    volume, value = sum(found.size for found in inside), sum(found.size * found.price for found in inside)
    done = int(np.searchsorted(day.t, start - start % MINUTE))
    total = int(day.v[:done].sum()) + sum(found.size for found in before)
    worth = float(np.dot(day.vw[:done], day.v[:done])) + sum(found.size * found.price for found in before) / 10_000
    body = {"ev": "A", "sym": symbol, "v": volume, "dv": str(volume), "av": total, "dav": str(total), "op": official(day, session, start)}
    body |= {"vw": round(value / volume / 10_000, 4), "o": prices[0], "c": prices[-1], "h": max(prices), "l": min(prices)}
    body |= {"a": round(worth / total, 4), "z": max(volume // len(inside), 1)}
    return {**body, "s": milliseconds(start), "e": milliseconds(start + SECOND)}


def band(symbol: str, at: Market, *, high: float, low: float, moment: int, number: int) -> dict[str, Any]:
    """Limit up, limit down; the ticker stands under `T` here, not under `sym`."""
    return {"ev": "LULD", "T": symbol, "h": high, "l": low, "i": [], "z": at.tape, "t": milliseconds(moment), "q": number}


def official(bars: Bars, session: Session, at: int) -> float:
    """The official opening price of the day; 0 until the market has opened, as Polygon has it."""
    row = int(np.searchsorted(bars.t, session.open))
    return float(bars.o[row]) if at >= session.open and row < len(bars) and bars.t[row] <= at else 0.0
