"""Polygon's numbers for exchanges and tapes, and where each trade of a symbol is said to have happened."""

import bisect
from dataclasses import dataclass

from live.sim.clock import MILLISECOND, MINUTE
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Asset

FACILITY = 4  # FINRA's trade reporting facilities share one exchange id
REPORTED_BY = 202  # the Nasdaq TRF in Carteret
PLACES = 1_000_000
"""Sequence numbers of one minute: more than twice as many as it has prints."""
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


def sequence(path: list[Print], found: Print, midnight: int) -> int:
    """Increasing and unique within a symbol's day: the minute of the day, then the place among the prints of that minute (`path`).

    Prints have odd places: the even ones between them are for what was told and never was.
    """
    start = bisect.bisect_left(path, found.at, key=_time)
    same = path[start : bisect.bisect_right(path, found.at, key=_time)]
    place = next((n for n, other in enumerate(same) if other is found), None)
    if place is None and found in same:
        place = same.index(found)
    return first(midnight, found.at) + 2 * start + (2 * len(same) if place is None else 2 * place + 1)


def first(midnight: int, at: int) -> int:
    """The sequence number that the minute of that moment begins with."""
    return (at - midnight) // MINUTE * PLACES


def _time(found: Print) -> int:
    return found.at


def reported(number: int) -> bool:
    """Whether the trade of that sequence number came through a reporting facility instead of an exchange."""
    return number * 7_919 % 100 < _OFF_EXCHANGE


def milliseconds(at: int) -> int:
    return at // MILLISECOND
