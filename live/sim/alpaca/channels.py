"""Market-data messages of the stream, encoded one by one: msgpack with timestamp extension, or JSON with nanoseconds. `T` comes first."""

import json
from typing import Any

import msgpack

from live.sim.alpaca.data import shown, trade_id
from live.sim.clock import SECOND, rfc3339
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")


def bar_message(kind: str, symbol: str, bars: Bars, row: int, *, packed: bool) -> Any:
    """`t` is the start of the minute, or midnight in New York for a day."""
    fields = {"T": kind, "S": symbol, "o": float(bars.o[row]), "h": float(bars.h[row]), "l": float(bars.l[row]), "c": float(bars.c[row])}
    fields |= {"v": int(bars.v[row]), "n": int(bars.n[row]), "vw": float(bars.vw[row])}
    return _encoded(fields, int(bars.t[row]), packed=packed)


def trade_message(symbol: str, trade: Print, *, packed: bool) -> Any:
    fields = {"T": "t", "S": symbol, "i": trade_id(trade), "x": "V", "p": trade.price / 10_000, "s": trade.size, "c": ["@"], "z": "C"}
    return _encoded(fields, trade.at, packed=packed)


def quote_message(symbol: str, trade: Print, *, packed: bool) -> Any:
    """Sizes in shares."""
    fields = {"T": "q", "S": symbol, "bx": "V", "bp": trade.bid / 10_000, "bs": shown(trade), "ax": "V", "ap": trade.ask / 10_000}
    fields |= {"as": shown(trade), "c": ["R"], "z": "C"}
    return _encoded(fields, trade.at, packed=packed)


def _encoded(fields: dict[str, Any], at: int, *, packed: bool) -> Any:
    if packed:
        return msgpack.packb({**fields, "t": msgpack.Timestamp(*divmod(at, SECOND))})
    return json.dumps({**fields, "t": rfc3339(at)}, separators=(",", ":"))
