"""How a trade and the quote that stands with it look in Alpaca's answers: venue, tape and conditions by where a stock is listed."""

from typing import Any

from live.sim.clock import rfc3339
from live.sim.worlds.tape import Print

VENUE = {"A": "N", "B": "P", "C": "V"}
"""The exchange code of every print of a tape: the invented venue stands where the stock is listed, except that Nasdaq's show as IEX."""
CONDITIONS = {"A": " ", "B": " ", "C": "@"}
QUOTE_CONDITION = "R"


def trade_row(trade: Print, tape: str, flag: str | None = None) -> dict[str, Any]:
    """`flag` is the update mark of a trade that was changed later."""
    row = {
        "t": rfc3339(trade.at),
        "x": VENUE[tape],
        "p": trade.price / 10_000,
        "s": trade.size,
        "c": [CONDITIONS[tape]],
        "i": trade_id(trade),
        "z": tape,
    }
    return row if flag is None else {**row, "u": flag}


def quote_row(trade: Print, tape: str) -> dict[str, Any]:
    """The quote that stands since that trade."""
    venue, bid, ask = VENUE[tape], trade.bid / 10_000, trade.ask / 10_000
    sides = {"t": rfc3339(trade.at), "ax": venue, "ap": ask, "as": shown(trade), "bx": venue, "bp": bid, "bs": shown(trade)}
    return {**sides, "c": [QUOTE_CONDITION], "z": tape}


def trade_id(trade: Print) -> int:
    """Unique within a symbol: microseconds since 1970."""
    return trade.at // 1_000


def shown(trade: Print) -> int:
    """Displayed size in shares, a round lot at least."""
    return max(100, trade.size // 100 * 100)
