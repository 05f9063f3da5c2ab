"""The sector of every symbol: a maintained list first, what Polygon knows of the company's industry second, unknown where nobody says.

Polygon is asked for each symbol once, ever, a few in each run; the table `industries` remembers (session: of the run that asked).
"""

from collections.abc import Callable
from datetime import date

import polars as pl

from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.core.errors import BrokerError
from pipelines.defs.resources import DayBot
from pipelines.vendors import industries, sectors
from pipelines.vendors.polygon import Polygon

INDUSTRIES = pl.Schema([("session", pl.Date), ("symbol", pl.String), ("sic", pl.String), ("description", pl.String), ("sector", pl.String)])
"""`sic` is the SEC's code, empty where Polygon has none: a fund, or a ticker that it does not know."""


def with_sectors(daybot: DayBot, session: date, frame: pl.DataFrame, warn: Callable[[str], object]) -> pl.DataFrame:
    """The frame with a `sector` for each `symbol`. Polygon failing costs no more than the sectors that it would have given."""
    listed = sectors.with_sectors(frame)
    unknown = listed.filter(pl.col("sector") == UNKNOWN_SECTOR)["symbol"].to_list()
    if not unknown:
        return listed
    known = daybot.warehouse.read("industries") if daybot.warehouse.has("industries") else INDUSTRIES.to_frame()
    if daybot.settings.polygon_api_key.get_secret_value():
        asked = set(known["symbol"])
        fresh = _look_up(daybot, session, [symbol for symbol in unknown if symbol not in asked], warn)
        if fresh.height:
            known = pl.concat([known, fresh])
            daybot.warehouse.replace({"industries": known.filter(pl.col("session") == session)}, [session])
    filed = dict(known.select("symbol", "sector").iter_rows())
    return sectors.with_sectors(frame, filed)


def _look_up(daybot: DayBot, session: date, symbols: list[str], warn: Callable[[str], object]) -> pl.DataFrame:
    """As many as one run may ask for, as `INDUSTRIES`."""
    polygon = daybot.source if isinstance(daybot.source, Polygon) else Polygon(daybot.settings)
    rows: list[tuple[object, ...]] = []
    for symbol in symbols[: daybot.settings.industry_lookups]:
        try:
            found = polygon.industry(symbol)
        except BrokerError as error:
            warn(f"industries: stopped at {symbol} after {len(rows)}, the rest is for a later run: {error}")
            break
        rows.append((session, symbol, found.sic, found.text, industries.sector(found.sic)))
    return pl.DataFrame(rows, schema=INDUSTRIES, orient="row")
