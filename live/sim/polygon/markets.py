"""Polygon's numbers for exchanges and tapes, and where each trade of a symbol is said to have happened."""

import bisect
from dataclasses import dataclass

from live.sim.clock import MILLISECOND, MINUTE
from live.sim.worlds.tape import Print, Tape
from live.sim.worlds.world import Asset

FACILITY = 4  # FINRA's trade reporting facilities share one exchange id
REPORTED_BY = 202  # the Nasdaq TRF in Carteret
PLACES = 1_000
"""Sequence numbers of one minute: more than it has trades."""
_OFF_EXCHANGE = 38  # percent of trades that US exchanges did not make


@dataclass(frozen=True, slots=True)
class Market:
    """`id` is Polygon's exchange number, `mic` the ISO 10383 code, `tape` 1 (A), 2 (B) or 3 (C)."""

    id: int
    mic: str
    tape: int


_MARKETS = {
    "NASDAQ": Market(12, "XNAS", 3),
    "NYSE": Market(10, "XNYS", 1),
    "ARCA": Market(11, "ARCX", 2),
    "AMEX": Market(1, "XASE", 2),
    "BATS": Market(19, "BATS", 2),
}


def market(asset: Asset) -> Market:
    """Of the listing; an exchange that Polygon has no number for counts as Nasdaq."""
    return _MARKETS.get(asset.exchange, _MARKETS["NASDAQ"])


def sequence(tape: Tape, symbol: str, trade: Print) -> int:
    """Increasing and unique within a symbol's day: the minute of the day, then the place among the trades of that minute.

    Trades have odd places: the even ones between them are for what was told and never was.
    """
    minute = trade.at - trade.at % MINUTE
    path = tape.path(symbol, minute)
    place = next((n for n, other in enumerate(path) if other is trade), None)
    if place is None and trade in path:
        place = path.index(trade)
    return first(tape, minute) + (2 * bisect.bisect_right(path, trade.at, key=_time) if place is None else 2 * place + 1)


def first(tape: Tape, minute: int) -> int:
    """The sequence number that a minute begins with."""
    return (minute - tape.session.midnight) // MINUTE * PLACES


def _time(trade: Print) -> int:
    return trade.at


def reported(number: int) -> bool:
    """Whether the trade of that sequence number came through a reporting facility instead of an exchange."""
    return number * 7_919 % 100 < _OFF_EXCHANGE


def milliseconds(at: int) -> int:
    return at // MILLISECOND
