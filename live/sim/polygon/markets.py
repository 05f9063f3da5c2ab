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


_VENUES = {
    "A": 1, "B": 2, "C": 3, "D": FACILITY, "I": 5, "J": 6, "K": 7, "M": 9, "N": 10, "P": 11, "Q": 12, "T": 12, "S": 13, "L": 14, "V": 15, "W": 16,
    "X": 17, "Y": 18, "Z": 19, "H": 20, "U": 21,
}  # fmt: skip
"""Polygon's exchange ids by the tapes' participant letters."""
_CONDITIONS = {
    "": 0, "@": 0, "A": 1, "B": 2, "W": 2, "E": 3, "G": 5, "C": 7, "6": 8, "X": 9, "4": 10, "D": 11, "T": 12, "U": 13, "F": 14, "M": 15, "Q": 16,
    "N": 20, "H": 21, "P": 22, "K": 23, "O": 25, "1": 27, "5": 28, "R": 29, "L": 30, "Z": 33, "S": 34, "Y": 36, "I": 37, "9": 38, "V": 52, "7": 53,
}  # fmt: skip
"""Polygon's trade conditions by the tapes' sale condition letters."""


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


@dataclass(frozen=True, slots=True)
class Mark:
    """What Polygon's numbers say of one trade: where it happened, its id and conditions, and whether it came `off` the exchanges."""

    exchange: int
    id: str
    conditions: list[int]
    off: bool


def mark(at: Market, found: Print, number: int) -> Mark:
    """As recorded, otherwise invented: a regular trade where the stock is listed, or by a reporting facility."""
    if found.record is None:
        off = reported(number)
        return Mark(FACILITY if off else at.id, str(number), [0], off)
    exchange = _VENUES.get(found.record.venue, at.id)
    return Mark(exchange, str(found.record.number), [_condition(at, letter) for letter in found.record.conditions] or [0], exchange == FACILITY)


def sides(at: Market, found: Print) -> tuple[int, int]:
    """Exchanges of bid and ask."""
    if found.record is None:
        return at.id, at.id
    return _VENUES.get(found.record.bid_venue, at.id), _VENUES.get(found.record.ask_venue, at.id)


def _condition(at: Market, letter: str) -> int:
    """An average price is `B` on tapes A and B; on C that is a bunched trade."""
    return 4 if (letter, at.tape) == ("B", 3) else _CONDITIONS.get(letter.strip(), 0)


def milliseconds(at: int) -> int:
    return at // MILLISECOND
