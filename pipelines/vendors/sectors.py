"""GICS sectors of US companies, from the lists that pytickersymbols carries in its wheel: no network.

The lists are of today, so a company that changed sector has its new one on every past session as well.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import polars as pl

from pipelines.core.briefing import UNKNOWN_SECTOR

GICS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)

# A company may carry the tag of its business beside that of its sector (a gas utility, a property trust, a rating agency):
# of such a pair this one is the sector. Checked by hand on all 17 that had two in version 1.17.10.
_OF_TWO = {
    frozenset({"Energy", "Utilities"}): "Utilities",
    frozenset({"Financials", "Real Estate"}): "Real Estate",
    frozenset({"Consumer Discretionary", "Industrials"}): "Consumer Discretionary",
    frozenset({"Energy", "Industrials"}): "Industrials",
    frozenset({"Financials", "Industrials"}): "Financials",
    frozenset({"Health Care", "Utilities"}): "Health Care",
}


def sectors() -> dict[str, str]:
    """GICS sector by symbol for the S&P 500 and S&P 600; a symbol that is not in it has no known sector."""
    return _lists()[1]


def members() -> list[str]:
    """Symbols of the S&P 500 as the wheel lists them, sorted. Today's members: a test of the past on them has survivorship bias."""
    return _lists()[0]


def with_sectors(frame: pl.DataFrame, filed: Mapping[str, str] = MappingProxyType({})) -> pl.DataFrame:
    """The frame with a `sector` for each `symbol`: by the lists, else as `filed` (by symbol), else unknown."""
    known = {**filed, **{symbol: sector for symbol, sector in sectors().items() if sector != UNKNOWN_SECTOR}}
    return frame.with_columns(pl.col("symbol").replace_strict(known, default=UNKNOWN_SECTOR, return_dtype=pl.String).alias("sector"))


@lru_cache(maxsize=1)
def _lists() -> tuple[list[str], dict[str, str]]:
    from pytickersymbols import PyTickerSymbols

    stocks = PyTickerSymbols()
    found: dict[str, str] = {}
    for index in ("S&P 500", "S&P 600"):
        for stock in stocks.get_stocks_by_index(index):
            found.setdefault(stock["symbol"], _sector(stock.get("industries", [])))
    return sorted(stock["symbol"] for stock in stocks.get_stocks_by_index("S&P 500")), found


def _sector(tags: list[str]) -> str:
    named = frozenset(tags) & frozenset(GICS)
    if len(named) == 1:
        return next(iter(named))
    return _OF_TWO.get(named, UNKNOWN_SECTOR)
