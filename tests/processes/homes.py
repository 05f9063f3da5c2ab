"""Homes with a published briefing, without a night having been run."""

from datetime import UTC, datetime

import polars as pl
from market import SESSION, briefing_of, symbol_brief
from staged import world

from pipelines import publish
from pipelines.core.briefing import Briefing, Candidate
from pipelines.settings import Settings
from pipelines.store import Warehouse

SYMBOLS = ("AAPL", "MSFT")


def home_of(settings: Settings) -> None:
    """A home with a published briefing of two symbols."""
    name = publish.version(SESSION, datetime.now(UTC), "fed")
    watched = tuple(Candidate(rank=i, symbol=s, score=1.0, reasons=("a test",)) for i, s in enumerate(SYMBOLS, start=1))
    opens = {symbol: float(world().day(SESSION)[symbol].o[0]) for symbol in SYMBOLS}
    briefs = {symbol: symbol_brief(symbol, close=price, atr=price / 50) for symbol, price in opens.items()}
    briefing: Briefing = briefing_of(SYMBOLS).model_copy(update={"version": name, "watchlist": watched, "symbols": briefs})
    warehouse = Warehouse(settings)
    rows = pl.DataFrame({"session": [briefing.session], "version": [briefing.version], "json": [briefing.model_dump_json()]})
    warehouse.replace({"briefings": rows}, [briefing.session])
    publish.release(settings, briefing.version, warehouse.copy)
