"""Bars into the lake: only what is missing is asked for, what cannot be true is set aside."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from pipelines.core.errors import DataError
from pipelines.core.market.session import moment
from pipelines.defs.asset import PATIENT, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table
from pipelines.lake.bars import Lake
from pipelines.lake.layout import Resolution
from pipelines.settings import Mode
from pipelines.vendors import calendar
from pipelines.vendors.screen import screen
from pipelines.vendors.source import BARS

QUARANTINE = pl.Schema([("session", pl.Date), ("resolution", pl.String), ("reason", pl.String), *BARS.items()])


@asset("bars", {"parquet"}, ["universe", "trading_calendar"], PATIENT)
def daily_bars(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Raw daily bars of the universe in the lake, over the history that the settings ask for.

    Prices are not adjusted: a split shows as a jump, which the check `plausible` lists. A day more costs a day; sessions on which the
    vendor has nothing are remembered.
    """
    session = data_session(context)
    _completed(daybot, session)
    universe = daybot.universe(session)
    symbols, feed = universe["symbol"].to_list(), universe["feed"][0]
    window = calendar.trailing(session, daybot.settings.history_sessions)
    requests = daybot.lake.missing("day", window, feed, symbols)
    for asked, days in requests:
        _keep(daybot.lake, "day", days, asked, feed, daybot.source.daily(asked, days[0], days[-1]))
    return _report(daybot, "day", window, universe, requests=len(requests), fetched=sum(len(days) for _, days in requests))


@asset("bars", {"parquet"}, ["universe", "trading_calendar"], PATIENT)
def minute_bars(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Raw minute bars of the universe in the lake for the last sessions, extended hours included, as the vendor sent them.

    Rows with volume 0 are no trades: they stay here, are counted, and never reach an indicator.
    """
    session = data_session(context)
    _completed(daybot, session)
    universe = daybot.universe(session)
    symbols, feed = universe["symbol"].to_list(), universe["feed"][0]
    window = calendar.trailing(session, daybot.settings.minute_sessions)
    days = [(asked, day) for asked, days in daybot.lake.missing("minute", window, feed, symbols) for day in days]
    for asked, day in days:
        _keep(daybot.lake, "minute", [day], asked, feed, daybot.source.minutes(asked, day))
    return _report(daybot, "minute", window, universe, requests=len(days), fetched=len(days))


def _completed(daybot: DayBot, session: date) -> None:
    """A simulated exchange has a clock of its own; everywhere else the session must be over."""
    close = moment(calendar.session_of(session).close)
    if daybot.settings.daybot_mode is not Mode.SIM and datetime.now(UTC) < close:
        raise DataError(f"expected a completed session, found {session}, which closes at {close:%H:%M} UTC; run it after that, or the session before")


def _keep(lake: Lake, resolution: Resolution, days: Sequence[date], asked: Sequence[str], feed: str, bars: pl.DataFrame) -> None:
    screened = screen(bars, days)
    good, bad = (frame.partition_by("session", as_dict=True) for frame in screened)
    for day in days:
        empty = screened.good.clear(), screened.bad.clear()
        lake.put(resolution, day, feed, good.get((day,), empty[0]), bad.get((day,), empty[1]), asked)


def _report(
    daybot: DayBot, resolution: Resolution, window: list[date], universe: pl.DataFrame, *, requests: int, fetched: int
) -> dg.MaterializeResult[None]:
    """Bring the quarantine table up to date with the lake and describe what the lake holds."""
    refused = _refused(daybot.lake, resolution, window, universe["feed"][0])
    daybot.warehouse.replace({"quarantine": refused}, window, resolution=resolution)
    rows = daybot.bars(resolution, window, universe).drop("learned_at")
    return result(
        rows.sort("timestamp", descending=True),
        symbols=rows["symbol"].n_unique(),
        first=str(rows["session"].min()),
        last=str(rows["session"].max()),
        requests=requests,
        sessions_fetched=fetched,
        volume_zero=int((rows["volume"] == 0).sum()),
        quarantined=refused.height,
        refused=table(refused) if refused.height else None,
    )


def _refused(lake: Lake, resolution: Resolution, window: list[date], feed: str) -> pl.DataFrame:
    """The rows of the quarantine table."""
    refused = lake.refused(resolution, window[0], window[-1], feed)
    if refused is None:
        return QUARANTINE.to_frame()
    return refused.with_columns(pl.lit(resolution).alias("resolution")).select(QUARANTINE.names())
