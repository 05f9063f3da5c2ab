"""When it runs: before the open with the session before, and after the close with the session itself."""

from datetime import date

import dagster as dg

from pipelines.core.market.session import NEW_YORK
from pipelines.defs.partitions import SESSIONS
from pipelines.vendors import calendar

EVERYTHING = dg.AssetSelection.groups("reference", "bars", "features", "risk", "scan", "briefing", "journal", "analytics", "research")
DAY_ONLY = dg.AssetSelection.groups("journal", "analytics", "research")

pre_open = dg.define_asset_job(
    "pre_open",
    selection=EVERYTHING - DAY_ONLY,
    partitions_def=SESSIONS,
    description="Before the open: the last session's final bars, and the briefing for today. Partition: the session before today.",
)

after_close = dg.define_asset_job(
    "after_close",
    selection=EVERYTHING,
    partitions_def=SESSIONS,
    description="After the close: the day's bars, journal and performance, and a first briefing for the next session. Partition: today.",
)


@dg.schedule(job=pre_open, cron_schedule="30 8 * * 1-5", execution_timezone=NEW_YORK.key)
def before_the_open(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """08:30 in New York on every session."""
    today = _today(context)
    if not calendar.is_session(today):
        return dg.SkipReason(f"{today:%A} {today} is no session of the exchange")
    return dg.RunRequest(partition_key=calendar.previous_session(today).isoformat(), run_key=f"pre_open-{today}")


@dg.schedule(job=after_close, cron_schedule="45 16 * * 1-5", execution_timezone=NEW_YORK.key)
def after_the_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """16:45 in New York on every session, early closes included."""
    today = _today(context)
    if not calendar.is_session(today):
        return dg.SkipReason(f"{today:%A} {today} is no session of the exchange")
    return dg.RunRequest(partition_key=today.isoformat(), run_key=f"after_close-{today}")


def _today(context: dg.ScheduleEvaluationContext) -> date:
    return context.scheduled_execution_time.astimezone(NEW_YORK).date()
