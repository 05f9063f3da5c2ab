"""When a night goes wrong somebody is told: runs that fail, and a briefing that is not there in the morning."""

from datetime import datetime, time

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from pipelines import publish, settings
from pipelines.alerts import Alert, tell
from pipelines.core.errors import MissingData, StaleBriefing
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.settings import Mode, Settings
from pipelines.vendors import calendar

DEADLINE = time(9, 0)
"""New York time at which the briefing for a session has to be there: half an hour after its job starts, half an hour before the open."""

LONGEST = 2000
"""Characters of an error that an alert repeats; the whole is in the run's log."""


def overdue(known: Settings, now: datetime) -> Alert | None:
    """An alert where a session's briefing is not there by `DEADLINE`, until that session's close; None before anything was ever published."""
    local = now.astimezone(NEW_YORK)
    today = local.date()
    if not calendar.is_session(today) or local.time() < DEADLINE or now >= moment(calendar.session_of(today).close):
        return None
    try:
        publish.current(known).briefing(today)
    except StaleBriefing as error:
        return Alert(f"no briefing for {today} at {local:%H:%M} New York", str(error))
    except MissingData:
        return None
    return None


def failed(run: dg.DagsterRun, errors: dict[str, str], otherwise: str) -> Alert:
    """What to say of a failed run: which steps, and why each; `otherwise` where no step says."""
    partition = run.tags.get("dagster/partition", "no partition")
    lines = [f"{step}: {text[:LONGEST]}" for step, text in errors.items()] or [otherwise[:LONGEST]]
    return Alert(f"{run.job_name} failed for {partition}", "\n\n".join([*lines, f"run {run.run_id}"]))


@dg.run_failure_sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def run_failed(context: dg.RunFailureSensorContext) -> None:
    """Tells of every run that fails, with the errors of its steps."""
    events = context.get_step_failure_events()
    errors = {event.step_key or "": _reason(event.step_failure_data) for event in events}
    tell(settings.load(), failed(context.dagster_run, errors, context.failure_event.message or "no reason known"), context.log.error)


@dg.sensor(minimum_interval_seconds=120, default_status=dg.DefaultSensorStatus.RUNNING)
def briefing_late(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tells, once a session, that its briefing is not there at 09:00 in New York. Unlike a freshness policy it knows the exchange's holidays."""
    known = settings.load()
    if known.daybot_mode is Mode.SIM:
        return dg.SkipReason("a simulated exchange has a clock of its own")
    now = datetime.now(NEW_YORK)
    alert = overdue(known, now)
    if alert is None:
        return dg.SkipReason("not late")
    if context.cursor == now.date().isoformat():
        return dg.SkipReason("told already")
    tell(known, alert, context.log.error)
    context.update_cursor(now.date().isoformat())
    return dg.SkipReason(alert.subject)


def _reason(failure: StepFailureData) -> str:
    """In the words of who raised it, without a traceback."""
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return (failure.error.cause or failure.error).message.strip() if failure.error else "no reason known"
