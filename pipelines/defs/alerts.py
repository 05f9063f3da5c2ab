"""Who is told when a night goes wrong: the log always, a webhook and mailboxes where the settings name them.

The senders are plain functions of settings and text. What they raise names neither the webhook's address nor a password.
"""

import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime, time
from email.message import EmailMessage
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import dagster as dg
import httpx
from dagster._core.execution.plan.objects import StepFailureData

from pipelines import publish, settings
from pipelines.core.errors import MissingData, SettingsError, StaleBriefing
from pipelines.core.market.session import NEW_YORK, moment
from pipelines.settings import Mode, Settings
from pipelines.vendors import calendar

DEADLINE = time(9, 0)
"""New York time at which the briefing for a session has to be there: half an hour after its job starts, half an hour before the open."""

PATIENCE = 10.0
"""Seconds that a webhook or a mail server may take."""

LONGEST = 2000
"""Characters of an error that an alert repeats; the whole is in the run's log."""


class Alert(NamedTuple):
    """What is wrong, in one line, and what to know about it."""

    subject: str
    detail: str


def post(known: Settings, alert: Alert) -> None:
    """To the webhook as JSON: `text` is what Slack, Mattermost and their like show, the rest is for programs."""
    body = {"text": f"{alert.subject}\n{alert.detail}", **alert._asdict(), "home": str(known.daybot_home), "mode": known.daybot_mode.value}
    httpx.post(known.alert_webhook.get_secret_value(), json=body, timeout=PATIENCE).raise_for_status()


def mail(known: Settings, alert: Alert) -> None:
    """To the mailboxes. `smtps://` is encrypted from the start, `smtp://` where the server offers it and always before a password is said."""
    server = urlsplit(known.alert_smtp.get_secret_value())
    if server.scheme not in {"smtp", "smtps"} or not server.hostname:
        raise SettingsError("expected ALERT_SMTP like smtp://user:password@host:587, found something else; mend it in .env")
    to = [address.strip() for address in known.alert_email.split(",")]
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = f"DayBot ({known.daybot_mode.value}): {alert.subject}", to[0], ", ".join(to)
    message.set_content(alert.detail)
    trusted = ssl.create_default_context()
    if server.scheme == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(server.hostname, server.port or 465, timeout=PATIENCE, context=trusted)
    else:
        client = smtplib.SMTP(server.hostname, server.port or 25, timeout=PATIENCE)
    with client:
        client.ehlo_or_helo_if_needed()
        if server.scheme == "smtp" and (server.username or client.has_extn("starttls")):
            client.starttls(context=trusted)
        if server.username:
            client.login(unquote(server.username), unquote(server.password or ""))
        client.send_message(message)


def tell(known: Settings, alert: Alert, log: Callable[[str], object]) -> None:
    """To the log and every channel that is set. A channel that fails does not keep the others from it, and is said in the log as well."""
    log(f"{alert.subject}: {alert.detail}")
    channels = [(known.alert_webhook.get_secret_value(), "ALERT_WEBHOOK", post), (known.alert_email, "ALERT_EMAIL", mail)]
    for configured, name, send in channels:
        if configured:
            try:
                send(known, alert)
            except (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError, SettingsError) as error:
                log(f"the alert did not get through to {name}: {_safe(error)}")


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


def _safe(error: Exception) -> str:
    """An HTTP error's own text holds the address, which is a secret of its own."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL)):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
