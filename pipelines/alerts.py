"""Who is told when something goes wrong, by night or by day: the log always, a webhook, mailboxes and the desktop where the settings name them.

The senders are plain functions of settings and text. What they raise names neither the webhook's address nor a password.
"""

import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable
from email.message import EmailMessage
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import httpx

from pipelines.core.errors import SettingsError
from pipelines.settings import Settings

PATIENCE = 10.0
"""Seconds that a webhook or a mail server may take."""


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


def show(known: Settings, alert: Alert) -> None:
    """On this machine's desktop, by notify-send (Linux) or osascript (macOS)."""
    title = f"DayBot ({known.daybot_mode.value}): {alert.subject}"
    if shutil.which("notify-send"):
        command = ["notify-send", "--urgency=critical", "--", title, alert.detail]
    elif shutil.which("osascript"):
        command = ["osascript", "-e", "on run {t, d}", "-e", "display notification d with title t", "-e", "end run", title, alert.detail]
    else:
        raise SettingsError("expected notify-send or osascript for ALERT_DESKTOP, found neither; install libnotify-bin, or switch it off")
    failed = subprocess.run(command, check=False, timeout=PATIENCE, capture_output=True).returncode
    if failed:
        raise SettingsError(f"expected {command[0]} to show an alert, found its exit code {failed}; is there a desktop for this user?")


def tell(known: Settings, alert: Alert, log: Callable[[str], object]) -> None:
    """To the log and every channel that is set. A channel that fails does not keep the others from it, and is said in the log as well."""
    log(f"{alert.subject}: {alert.detail}")
    channels: list[tuple[object, str, Callable[[Settings, Alert], None]]] = [
        (known.alert_webhook.get_secret_value(), "ALERT_WEBHOOK", post),
        (known.alert_email, "ALERT_EMAIL", mail),
        (known.alert_desktop, "ALERT_DESKTOP", show),
    ]
    for configured, name, send in channels:
        if configured:
            try:
                send(known, alert)
            except (httpx.HTTPError, httpx.InvalidURL, smtplib.SMTPException, OSError, subprocess.SubprocessError, SettingsError) as error:
                log(f"the alert did not get through to {name}: {_safe(error)}")


def _safe(error: Exception) -> str:
    """An HTTP error's own text holds the address, which is a secret of its own."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, (httpx.HTTPError, httpx.InvalidURL)):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
