"""How a trade and the quote that stands with it look in Alpaca's answers: venue, tape and conditions by where a stock is listed."""

from dataclasses import dataclass
from typing import Any

from live.sim.clock import rfc3339
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Asset

_LISTED = {"A": "N", "B": "P", "C": "Q"}
_IEX = "V"
_CONDITIONS = {"A": " ", "B": " ", "C": "@"}
QUOTE_CONDITION = "R"


@dataclass(frozen=True, slots=True)
class Place:
    """Where invented prints of a symbol happen: its tape, and the exchange code."""

    tape: str
    venue: str


def place_of(asset: Asset, feed: str) -> Place:
    """All of a thin `iex` feed happens on IEX, everything else where the stock is listed."""
    return Place(asset.tape, _IEX if feed == "iex" else _LISTED[asset.tape])


def trade_row(trade: Print, place: Place, flag: str | None = None) -> dict[str, Any]:
    """`flag` is the update mark of a trade that was changed later."""
    row = {
        "t": rfc3339(trade.at),
        "x": venue_of(trade, place),
        "p": trade.price / 10_000,
        "s": trade.size,
        "c": conditions_of(trade, place),
        "i": trade_id(trade),
        "z": place.tape,
    }
    return row if flag is None else {**row, "u": flag}


def quote_row(trade: Print, place: Place) -> dict[str, Any]:
    """The quote that stands since that print; a price of 0 is a side that nobody quotes."""
    return {"t": rfc3339(trade.at), **asked(trade, place), **bidden(trade, place), "c": [QUOTE_CONDITION], "z": place.tape}


def asked(trade: Print, place: Place) -> dict[str, Any]:
    venue = place.venue if trade.record is None else trade.record.ask_venue
    return {"ax": venue or place.venue, "ap": trade.ask / 10_000, "as": trade.shown[1]}


def bidden(trade: Print, place: Place) -> dict[str, Any]:
    venue = place.venue if trade.record is None else trade.record.bid_venue
    return {"bx": venue or place.venue, "bp": trade.bid / 10_000, "bs": trade.shown[0]}


def venue_of(trade: Print, place: Place) -> str:
    return (trade.record.venue if trade.record is not None else "") or place.venue


def conditions_of(trade: Print, place: Place) -> list[str]:
    return list(trade.record.conditions if trade.record is not None else ()) or [_CONDITIONS[place.tape]]


def trade_id(trade: Print) -> int:
    """Unique within a symbol: microseconds since 1970, or the number in a recording."""
    return trade.at // 1_000 if trade.record is None else trade.record.number
