"""Who is told what, over a real HTTP server, a real mail server and Dagster's own sensors."""

from collections.abc import Callable, Iterator
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from aiosmtpd.controller import Controller
from commands import free_port
from posted import Posted, collecting

from pipelines import publish, settings
from pipelines.alerts import Alert, tell
from pipelines.definitions import defs
from pipelines.defs.resources import DayBot
from pipelines.defs.running.alerts import overdue
from pipelines.settings import Settings

NEW_YORK = ZoneInfo("America/New_York")
ALERT = Alert("pre_open failed for 2024-06-18", "universe: expected symbols, found none")


@pytest.fixture
def webhook() -> Iterator[Posted]:
    with collecting() as posted:
        yield posted


class Inbox:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[Any]]]:
    """A mail server's address and the letters that came."""
    inbox = Inbox()
    port = free_port()
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield f"smtp://127.0.0.1:{port}", inbox.letters
    server.stop()


def known(**changes: Any) -> Settings:
    return settings.load(_env_file=None, **{"alert_webhook": "", "alert_email": "", "alert_smtp": "smtp://127.0.0.1:25", **changes})


def test_an_alert_reaches_webhook_and_every_mailbox(webhook: Posted, mailbox: tuple[str, list[Any]]) -> None:
    said: list[str] = []
    tell(known(alert_webhook=webhook.url, alert_email="a@example.com, b@example.com", alert_smtp=mailbox[0]), ALERT, said.append)
    assert said == [f"{ALERT.subject}: {ALERT.detail}"]
    assert [(body["subject"], body["detail"], body["mode"]) for body in webhook.said] == [(*ALERT, "paper")]
    assert webhook.said[0]["text"] == f"{ALERT.subject}\n{ALERT.detail}"
    ((to, letter),) = mailbox[1]
    assert to == ["a@example.com", "b@example.com"]
    assert letter["Subject"] == f"DayBot (paper): {ALERT.subject}"
    assert letter.get_content().strip() == ALERT.detail


@pytest.mark.parametrize("program", ["notify-send", "osascript"])
def test_an_alert_reaches_the_desktop_by_the_program_that_is_there(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    _installed(tmp_path, program, 'printf "%s\\n" "$@" >> "$0.said"')
    monkeypatch.setenv("PATH", str(tmp_path))
    tell(known(alert_desktop=True), ALERT, said.append)
    assert said == [f"{ALERT.subject}: {ALERT.detail}"]
    assert (tmp_path / f"{program}.said").read_text().splitlines()[-2:] == [f"DayBot (paper): {ALERT.subject}", ALERT.detail]


def test_a_desktop_that_shows_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    tell(known(alert_desktop=True), ALERT, said.append)
    _installed(tmp_path, "notify-send", "exit 1")
    tell(known(alert_desktop=True), ALERT, said.append)
    assert [words.partition("ALERT_DESKTOP: ")[2] for words in said[1::2]] == [
        "SettingsError: expected notify-send or osascript for ALERT_DESKTOP, found neither; install libnotify-bin, or switch it off",
        "SettingsError: expected notify-send to show an alert, found its exit code 1; is there a desktop for this user?",
    ]


def _installed(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_channel_that_fails_is_said_without_its_secrets_and_keeps_no_other_from_it(webhook: Posted, mailbox: tuple[str, list[Any]]) -> None:
    said: list[str] = []
    refusing = webhook.url.replace("/hook", "/no/T0KEN")
    tell(known(alert_webhook=refusing, alert_email="a@example.com", alert_smtp=mailbox[0]), ALERT, said.append)
    assert said[1:] == ["the alert did not get through to ALERT_WEBHOOK: HTTP 500"]
    assert len(mailbox[1]) == 1


@pytest.mark.parametrize(
    ("changes", "channel"),
    [
        ({"alert_webhook": "http://127.0.0.1:1/T0KEN"}, "ALERT_WEBHOOK: ConnectError"),
        ({"alert_webhook": "T0KEN"}, "ALERT_WEBHOOK: UnsupportedProtocol"),
        ({"alert_email": "a@example.com", "alert_smtp": "smtp://user:T0KEN@127.0.0.1:1"}, "ALERT_EMAIL: ConnectionRefusedError"),
        ({"alert_email": "a@example.com", "alert_smtp": "mail.example.com/T0KEN"}, "ALERT_EMAIL: SettingsError"),
    ],
)
def test_a_channel_that_cannot_be_reached_is_named_and_its_address_is_not(changes: dict[str, str], channel: str) -> None:
    said: list[str] = []
    tell(known(**changes), ALERT, said.append)
    assert channel in said[1]
    assert "T0KEN" not in "".join(said)


def test_a_password_is_never_said_to_a_server_without_encryption(mailbox: tuple[str, list[Any]]) -> None:
    said: list[str] = []
    tell(known(alert_email="a@example.com", alert_smtp=mailbox[0].replace("//", "//user:T0KEN@")), ALERT, said.append)
    assert "SMTPNotSupportedError" in said[1]
    assert mailbox[1] == []


def test_a_failed_run_is_told_once_with_the_error_of_its_step(
    webhook: Posted, folder: Path, tools: Callable[..., DayBot], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALERT_WEBHOOK", webhook.url)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        cursor = tick(instance, None)
        job = defs().resolve_job_def("pre_open")
        daybot = tools(bars_folder=str(folder), universe="NONE")
        done = job.execute_in_process(partition_key="2024-06-18", resources={"daybot": daybot}, instance=instance, raise_on_error=False)
        assert not done.success
        cursor = tick(instance, cursor)
        tick(instance, cursor)
    (body,) = webhook.said
    assert body["subject"] == "pre_open failed for 2024-06-18"
    assert body["detail"].startswith("universe: expected symbols for UNIVERSE=NONE among the 7 that the broker lists, found none; change it")
    assert done.run_id in body["detail"]


def tick(instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    """One evaluation of the sensor, as the daemon does it; the cursor for the next."""
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=defs())
    return defs().resolve_sensor_def("run_failed").evaluate_tick(context).cursor


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2024-06-20T{clock}").replace(tzinfo=NEW_YORK)


def test_a_briefing_is_overdue_from_nine_until_the_close_of_a_session(tools: Callable[..., DayBot]) -> None:
    daybot = tools()
    assert overdue(daybot.settings, at("09:00")) is None, "nothing was ever published: a newcomer is not alarmed"
    empty = pl.DataFrame(schema={"session": pl.Date, "version": pl.String, "json": pl.String})
    daybot.warehouse.replace({"briefings": empty}, [])
    publish.release(daybot.settings, "old", daybot.warehouse.copy)
    assert overdue(daybot.settings, at("08:59")) is None
    alert = overdue(daybot.settings, at("09:00"))
    assert alert is not None
    assert alert.subject == "no briefing for 2024-06-20 at 09:00 New York"
    assert overdue(daybot.settings, at("16:00")) is None
    holiday = at("09:30").replace(day=19)
    assert overdue(daybot.settings, holiday) is None


def test_alarms_are_on_by_default_and_what_starts_runs_is_off() -> None:
    found = {sensor.name: sensor.default_status for sensor in defs().sensors or ()}
    on, off = dg.DefaultSensorStatus.RUNNING, dg.DefaultSensorStatus.STOPPED
    assert found == {"run_failed": on, "briefing_late": on, "follow": off}
