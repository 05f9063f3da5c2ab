"""The partition key is a completed exchange session; what is made from it is for the session after it."""

from datetime import date, datetime

import dagster as dg

from pipelines.core.market.session import NEW_YORK
from pipelines.vendors import calendar

FIRST = date(2010, 1, 4)

SESSIONS = dg.TimeWindowPartitionsDefinition(
    start=FIRST.isoformat(),
    fmt="%Y-%m-%d",
    timezone=NEW_YORK.key,
    cron_schedule="0 0 * * 1-5",
    exclusions=[datetime(day.year, day.month, day.day, tzinfo=NEW_YORK) for day in calendar.closed_weekdays(FIRST)],
    end_offset=1,  # the after-close job runs while the day's own window is still open
)


def data_session(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The session whose data this run is about."""
    return date.fromisoformat(context.partition_key)
