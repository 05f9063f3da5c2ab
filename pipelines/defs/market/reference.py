"""What there is to trade and when."""

from datetime import date, datetime

import dagster as dg
import polars as pl

from pipelines.core.briefing import UNKNOWN_SECTOR
from pipelines.core.errors import MissingData
from pipelines.core.market.session import NEW_YORK
from pipelines.defs.asset import PATIENT, asset
from pipelines.defs.market.sectors import with_sectors
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result
from pipelines.settings import Mode
from pipelines.vendors import calendar, sectors


@asset("reference", {"duckdb"})
def trading_calendar(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Sessions of the exchange with their real opens and closes (UTC), through the session that the briefing will be for."""
    session = data_session(context)
    window = [*calendar.trailing(session, daybot.settings.history_sessions), calendar.next_session(session)]
    rows = calendar.calendar().filter(pl.col("session").is_in(window))
    daybot.warehouse.replace({"trading_calendar": rows}, window)
    return result(rows.reverse(), first=str(window[0]), last=str(window[-1]), early_closes=int(rows["early"].sum()))


@asset("reference", {"duckdb"}, retry=PATIENT)
def universe(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The symbols that may be traded, with name, exchange, GICS sector, and whether the broker takes orders and lends shares.

    `feed` and `origin` say where this session's prices come from; `asof` when it was learned that the symbol belongs here, or of which day it was
    asked. Only what was known on the morning after the session is `point_in_time`: index members and sectors from your own files, Polygon's
    listing. The rest is as of the run, so a session long past has survivorship bias; it is counted in `biased`.
    """
    session, source = data_session(context), daybot.source
    listed, members = source.assets(session), source.members(session)
    rows = with_sectors(daybot, session, _wanted(daybot.settings.universe, listed, members), context.log.warning).sort("symbol")
    if rows.is_empty():
        raise MissingData(
            f"expected symbols for UNIVERSE={daybot.settings.universe} among the {listed.height} that the broker lists, found none; change it"
        )
    rows = _dated(rows, source.sectors(session))
    asof = _asof(daybot, session, members)
    rows = rows.select(
        pl.lit(session).alias("session"),
        *("symbol", "name", "exchange", "sector", "tradable", "shortable"),
        pl.lit(source.feed).alias("feed"),
        pl.lit(source.origin.value).alias("origin"),
        pl.lit(asof).alias("asof"),
        pl.lit(asof <= calendar.next_session(session)).alias("point_in_time"),
    )
    daybot.warehouse.replace({"universe": rows}, [session])
    return result(
        rows,
        feed=source.feed,
        origin=source.origin.value,
        listed=listed.height,
        with_sector=rows.filter(pl.col("sector") != UNKNOWN_SECTOR).height,
        biased=rows.filter(~pl.col("point_in_time")).height,
        members_not_listed=None if members is None else len(set(members) - set(listed["symbol"])),
    )


@asset("reference", {"duckdb", "parquet"}, ["universe"], PATIENT)
def corporate_actions(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Splits and cash dividends of the universe, over the history and as far as the session that the briefing will be for.

    The lake's register keeps all that was ever said of them and when; the table what was known when this session was made. Only what was never
    asked for is, and the last days again: vendors mend what they said.
    """
    session = data_session(context)
    universe, source = daybot.universe(session), daybot.source
    feed, symbols = universe["feed"][0], universe["symbol"].to_list()
    first, following = calendar.trailing(session, daybot.settings.history_sessions)[0], calendar.next_session(session)
    requests = daybot.register.missing(feed, symbols, first, following)
    before = source.malformed.height
    for asked, since, until in requests:
        daybot.register.put(feed, source.actions(asked, since, until), asked, since, until)
    malformed = source.malformed[before:]
    rows = daybot.actions(session, universe).filter(pl.col("ex_date") >= first).select(pl.lit(session).alias("session"), pl.all())
    spoilt = malformed.select(pl.lit(session).alias("session"), pl.lit("action").alias("resolution"), pl.all())
    daybot.warehouse.replace({"corporate_actions": rows}, [session])
    daybot.warehouse.replace({"quarantine": spoilt}, [session], resolution="action")
    return result(
        rows.sort("ex_date", "symbol", descending=[True, False]),
        requests=len(requests),
        splits=rows.filter(pl.col("kind") == "split").height,
        dividends=rows.filter(pl.col("kind") == "dividend").height,
        next_session=rows.filter(pl.col("ex_date") == following).height,
        malformed=malformed.height,
    )


def _asof(daybot: DayBot, session: date, members: list[str] | None) -> date:
    """The day of which the universe is: the session where the source answers for it, else today; a simulated exchange lives on its own day."""
    if daybot.settings.daybot_mode is Mode.SIM:
        return session
    choice = daybot.settings.universe
    if (choice == "sp500" and members is not None) or (choice == "all" and daybot.source.dated):
        return session
    return datetime.now(NEW_YORK).date()


def _dated(rows: pl.DataFrame, sectors: dict[str, str] | None) -> pl.DataFrame:
    """The rows with the sectors of the day in the place of today's, where there are some."""
    if sectors is None:
        return rows
    return rows.with_columns(pl.col("symbol").replace_strict(sectors, default=pl.col("sector"), return_dtype=pl.String).alias("sector"))


def _wanted(universe: str, listed: pl.DataFrame, members: list[str] | None) -> pl.DataFrame:
    """The rows of the setting: everything tradable, the index's tradable members, or the named symbols as they are."""
    if universe == "all":
        return listed.filter("tradable")
    if universe == "sp500":
        return listed.filter(pl.col("tradable") & pl.col("symbol").is_in(sectors.members() if members is None else members))
    return listed.filter(pl.col("symbol").is_in([symbol.strip().upper() for symbol in universe.split(",")]))
