"""Bars into the lake: only what is missing is asked for, chunk by chunk; what cannot be read or cannot be true is set aside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from time import perf_counter

import dagster as dg
import polars as pl

from pipelines import publish
from pipelines.core.errors import BrokerError, DataError, MissingData
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.core.quality.screen import screen
from pipelines.defs.asset import PATIENT, asset
from pipelines.defs.partitions import data_session
from pipelines.defs.resources import DayBot
from pipelines.defs.shown import result, table
from pipelines.lake.bars import Lake
from pipelines.lake.layout import Resolution
from pipelines.settings import Mode
from pipelines.vendors import calendar
from pipelines.vendors.choice import second
from pipelines.vendors.source import BARS, Fetched, Source, Traffic

REFUSED = [*BARS.names(), "reason", "raw"]
SECOND = pl.Schema([*BARS.items(), ("session", pl.Date)])
QUARANTINE = pl.Schema([("session", pl.Date), ("resolution", pl.String), ("reason", pl.String), ("raw", pl.String), *BARS.items()])


@dataclass
class Progress:
    """What one materialisation asked for and got; `quarantined` counts what was set aside just now, malformed or impossible."""

    traffic: Traffic = field(default_factory=Traffic)
    chunks: int = 0
    rows: int = 0
    malformed: int = 0
    quarantined: int = 0
    unanswered: int = 0
    seconds: float = 0.0

    def shown(self) -> dict[str, int | float]:
        """As metadata."""
        return {
            "requests": self.traffic.requests,
            "retries": self.traffic.retries,
            "seconds_waited_for_the_rate_limit": round(self.traffic.waited, 3),
            "chunks": self.chunks,
            "rows_fetched": self.rows,
            "malformed_fetched": self.malformed,
            "quarantined_fetched": self.quarantined,
            "symbols_unanswered": self.unanswered,
            "seconds": round(self.seconds, 3),
        }


@asset("bars", {"parquet"}, ["universe", "trading_calendar"], PATIENT)
def daily_bars(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Raw daily bars of the universe in the lake, over the history that the settings ask for.

    Prices are not adjusted here, but when they are read. A day more costs a day; sessions on which the vendor has nothing are remembered.
    An interrupted run goes on with the chunk at which it stopped.
    """
    session = data_session(context)
    _completed(daybot, session)
    universe = daybot.universe(session)
    window = calendar.trailing(session, daybot.settings.history_sessions)
    progress = _fetch(context, daybot.lake, daybot.source, "day", window, universe["symbol"].to_list())
    return _report(daybot, "day", window, universe, progress)


@asset("bars", {"parquet"}, ["universe", "trading_calendar"], PATIENT)
def minute_bars(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """Raw minute bars of the universe in the lake for the last sessions, extended hours included, as the vendor sent them.

    Rows with volume 0 are no trades: they stay here, are counted, and never reach an indicator.
    """
    session = data_session(context)
    _completed(daybot, session)
    universe = daybot.universe(session)
    window = calendar.trailing(session, daybot.settings.minute_sessions)
    progress = _fetch(context, daybot.lake, daybot.source, "minute", window, universe["symbol"].to_list())
    return _report(daybot, "minute", window, universe, progress)


@asset("bars", {"parquet"}, ["universe", "trading_calendar"])
def second_bars(context: dg.AssetExecutionContext, daybot: dg.ResourceParam[DayBot]) -> dg.MaterializeResult[None]:
    """The session's daily bars from the second vendor, in the lake under that vendor's own feed, to compare the first one's with.

    Only a comparison hangs on it: a second vendor that does not answer is named in `unanswered`, and nothing waits for it.
    """
    session = data_session(context)
    _completed(daybot, session)
    source = second(daybot.settings)
    if source is None:
        return result(SECOND.to_frame(), feed="none", unanswered="no second source is set up (SECOND_SOURCE, POLYGON_API_KEY)")
    symbols = daybot.universe(session)["symbol"].to_list()
    try:
        feed, progress = source.feed, _fetch(context, daybot.lake, source, "day", [session], symbols)
        rows = publish.bars(daybot.settings, "day", session, session, symbols=symbols, feed=feed)
    except (BrokerError, MissingData) as error:
        context.log.warning(f"the second source gave no bars of {session}: {error}")
        return result(SECOND.to_frame(), feed="none", unanswered=str(error))
    return result(rows.select(SECOND.names()), feed=feed, **progress.shown())


def _completed(daybot: DayBot, session: date) -> None:
    """A simulated exchange has a clock of its own; everywhere else the session must be over."""
    close = moment(calendar.session_of(session).close)
    if daybot.settings.daybot_mode is not Mode.SIM and datetime.now(UTC) < close:
        raise DataError(f"expected a completed session, found {session}, which closes at {close:%H:%M} UTC; run it after that, or the session before")


def _fetch(
    context: dg.AssetExecutionContext, lake: Lake, source: Source, resolution: Resolution, window: Sequence[date], symbols: Sequence[str]
) -> Progress:
    """Ask for what the lake lacks, and keep each chunk as it comes."""
    feed, progress, before, started = source.feed, Progress(), source.traffic, perf_counter()
    ask = source.daily if resolution == "day" else source.minutes
    for asked, days in lake.missing(resolution, window, feed, symbols):
        answered = 0
        for chunk in ask(asked, days[0], days[-1]):
            progress.chunks += 1
            progress.rows += chunk.rows.height
            progress.malformed += chunk.malformed.height
            progress.quarantined += _keep(lake, resolution, feed, chunk)
            answered += len(chunk.symbols) * len(chunk.sessions)
            context.log.info(
                f"{resolution} bars {chunk.sessions[0]} to {chunk.sessions[-1]}, {len(chunk.symbols)} symbols: "
                f"{chunk.rows.height} rows, {chunk.malformed.height} malformed"
            )
        progress.unanswered += len(asked) * len(days) - answered
    progress.traffic, progress.seconds = source.traffic.since(before), perf_counter() - started
    return progress


def _keep(lake: Lake, resolution: Resolution, feed: str, chunk: Fetched) -> int:
    """Put a chunk into the lake, session by session; how many rows of it were set aside."""
    screened = screen(chunk.rows, chunk.sessions)
    bad = pl.concat([screened.bad.with_columns(pl.lit(None, pl.String).alias("raw")), _dated(chunk, feed)], how="diagonal")
    days = screened.good.partition_by("session", as_dict=True), bad.select("session", *REFUSED).partition_by("session", as_dict=True)
    empty = screened.good.clear(), bad.select("session", *REFUSED).clear()
    for day in chunk.sessions:
        lake.put(resolution, day, feed, days[0].get((day,), empty[0]), days[1].get((day,), empty[1]), chunk.symbols)
    return bad.height


def _dated(chunk: Fetched, feed: str) -> pl.DataFrame:
    """Malformed rows on the session that they are of; on the chunk's last one where they do not say."""
    day = pl.col("timestamp").dt.convert_time_zone(NEW_YORK.key).dt.date()
    known = pl.when(day.is_in(list(chunk.sessions))).then(day).otherwise(pl.lit(chunk.sessions[-1]))
    return chunk.malformed.with_columns(known.alias("session"), pl.lit(feed).alias("feed"))


def _report(daybot: DayBot, resolution: Resolution, window: list[date], universe: pl.DataFrame, progress: Progress) -> dg.MaterializeResult[None]:
    """Bring the quarantine table up to date with the lake and describe what the lake holds."""
    refused = _refused(daybot.lake, resolution, window, universe["feed"][0])
    daybot.warehouse.replace({"quarantine": refused}, window, resolution=resolution)
    rows = daybot.bars(resolution, window, universe).drop("learned_at")
    return result(
        rows.sort("timestamp", descending=True),
        symbols=rows["symbol"].n_unique(),
        first=str(rows["session"].min()),
        last=str(rows["session"].max()),
        volume_zero=int((rows["volume"] == 0).sum()),
        quarantined=refused.height,
        refused=table(refused) if refused.height else None,
        **progress.shown(),
    )


def _refused(lake: Lake, resolution: Resolution, window: list[date], feed: str) -> pl.DataFrame:
    """The rows of the quarantine table."""
    refused = lake.refused(resolution, window[0], window[-1], feed)
    if refused is None:
        return QUARANTINE.to_frame()
    return refused.with_columns(pl.lit(resolution).alias("resolution")).select(QUARANTINE.names())
