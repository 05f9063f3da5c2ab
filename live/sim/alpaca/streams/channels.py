"""Market-data messages of the stream, encoded one by one: msgpack with timestamp extension, or JSON with nanoseconds. `T` comes first."""

import json
from typing import Any

import msgpack

from live.sim.alpaca.data.ticks import QUOTE_CONDITION, Place, asked, bidden, conditions_of, trade_id, venue_of
from live.sim.clock import SECOND, rfc3339
from live.sim.worlds.halts import Change
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
_JSON = json.JSONEncoder(separators=(",", ":")).encode


def bar_message(kind: str, symbol: str, bars: Bars, row: int, *, packed: bool) -> Any:
    """`t` is the start of the minute, or midnight in New York for a day."""
    fields = {"T": kind, "S": symbol, "o": float(bars.o[row]), "h": float(bars.h[row]), "l": float(bars.l[row]), "c": float(bars.c[row])}
    fields |= {"v": int(bars.v[row]), "n": int(bars.n[row]), "vw": float(bars.vw[row]), "t": _time(int(bars.t[row]), packed=packed)}
    return _encoded(fields, packed=packed)


def trade_message(symbol: str, trade: Print, place: Place, *, packed: bool) -> Any:
    fields = {"T": "t", "S": symbol, "i": trade_id(trade), "x": venue_of(trade, place), "p": trade.price / 10_000, "s": trade.size}
    fields |= {"t": _time(trade.at, packed=packed), "c": conditions_of(trade, place), "z": place.tape}
    return _encoded(fields, packed=packed)


def quote_message(symbol: str, trade: Print, place: Place, *, packed: bool) -> Any:
    """Sizes in shares; a price of 0 is a side that nobody quotes."""
    fields = {"T": "q", "S": symbol, **bidden(trade, place), **asked(trade, place), "t": _time(trade.at, packed=packed)}
    return _encoded({**fields, "c": [QUOTE_CONDITION], "z": place.tape}, packed=packed)


def status_message(symbol: str, change: Change, place: Place, *, packed: bool) -> Any:
    fields = {"T": "s", "S": symbol, "sc": change.code, "sm": change.text, "rc": change.reason, "rm": change.words}
    return _encoded({**fields, "t": _time(change.at, packed=packed), "z": place.tape}, packed=packed)


def band_message(symbol: str, band: tuple[int, int], at: int, place: Place, *, packed: bool) -> Any:
    """Limit-up limit-down prices, lower and upper."""
    fields = {"T": "l", "S": symbol, "u": band[1] / 10_000, "d": band[0] / 10_000, "i": "B", "t": _time(at, packed=packed), "z": place.tape}
    return _encoded(fields, packed=packed)


def correction_message(symbol: str, slip: Slip, place: Place, *, packed: bool) -> Any:
    """The trade as it was told first (`o...`) and as it is (`c...`)."""
    first, right = slip.told or slip.trade, slip.trade
    conditions = conditions_of(right, place)
    fields = {"T": "c", "S": symbol, "x": venue_of(right, place), "oi": trade_id(first), "op": first.price / 10_000, "os": first.size}
    fields |= {"oc": conditions, "ci": trade_id(right) + 1, "cp": right.price / 10_000, "cs": right.size, "cc": conditions}
    return _encoded({**fields, "t": _time(slip.known, packed=packed), "z": place.tape}, packed=packed)


def cancel_message(symbol: str, slip: Slip, place: Place, *, packed: bool) -> Any:
    trade = slip.told or slip.trade
    fields = {"T": "x", "S": symbol, "i": trade_id(trade), "x": venue_of(trade, place), "p": trade.price / 10_000, "s": trade.size, "a": "C"}
    return _encoded({**fields, "t": _time(slip.known, packed=packed), "z": place.tape}, packed=packed)


def _time(at: int, *, packed: bool) -> Any:
    return msgpack.Timestamp(*divmod(at, SECOND)) if packed else rfc3339(at)


def _encoded(fields: dict[str, Any], *, packed: bool) -> Any:
    return msgpack.packb(fields) if packed else _JSON(fields)
