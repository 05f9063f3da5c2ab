"""What ends risk when the runner cannot: break glass, the broker's own refusal, and the watchdog. The venue's books say whether it did."""

import asyncio
import time
from pathlib import Path

import pytest
from commands import daybot
from desk import Books, settings
from filelock import FileLock
from floor import Floor, left_behind
from market import SESSION, briefing_of
from rich.console import Console
from typer.testing import CliRunner

from live.brokers import configuration
from live.brokers.route import connect
from live.cli import app
from live.clock import SECOND, SteppedClock
from live.commands import arming
from live.commands.doctor import looks
from live.guards.direct import flatten
from live.guards.watchdog import Found, Watchdog
from live.journal import Journal
from live.session.assemble import assemble
from live.sim.embedded import Exchange
from pipelines.alerts import Alert
from pipelines.core.errors import MissingData, SettingsError
from pipelines.core.journal import Manifest
from pipelines.core.risk.limits import Limits
from pipelines.settings import LIVE_URL, Mode, Settings

QUIET = Console(quiet=True)


# --- break glass


@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"kind": "rest.held", "seconds": 10},
        {"kind": "rest.status", "status": 503, "path": "/v2/*", "times": 5},
        {"kind": "rest.empty", "times": 1},
        {"kind": "match.cancel_slow", "seconds": 8},
    ],
    ids=lambda fault: fault["kind"] if fault else "clean",
)
def test_break_glass_goes_on_until_the_broker_reports_nothing(exchange: Exchange, known: Settings, fault: dict[str, object] | None) -> None:
    left_behind(exchange, known)
    if fault is not None:
        exchange.inject(**fault)
    assert flatten(known, QUIET, sleep=exchange.step) == []
    books = Books(exchange)
    assert (books.positions, books.open) == ({}, [])
    assert sum(int(f["qty"]) for f in books.raw["fills"] if f["side"] == "sell") == 107


def test_break_glass_says_what_it_could_not_close(exchange: Exchange, known: Settings) -> None:
    left_behind(exchange, known)
    exchange.inject(kind="match.none", symbol="AAA", side="sell")
    assert flatten(known, QUIET, sleep=exchange.step, patience=20) == ["AAA"]
    exchange.inject(kind="rest.status", status=503, path="/v2/*", times=0)
    assert flatten(known, QUIET, sleep=exchange.step, patience=5) == ["unknown: the broker has not answered"]


# --- the broker's own refusal


def test_a_suspended_account_takes_no_order_and_arms_no_session_until_a_person_lifts_it(exchange: Exchange, tmp_path: Path) -> None:
    known = settings(exchange.url, tmp_path, shorts=False, margin_multiplier="1")
    environ = {"DAYBOT_MODE": "sim", "ALPACA_BASE_URL": exchange.url, "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM"}
    ran = daybot("suspend", home=tmp_path, **environ)
    assert (ran.code, "refuses every new order" in ran.output) == (0, True), ran.output
    with pytest.raises(SettingsError, match="daybot suspend --lift"):
        configuration.secure(connect(known), known)
    configuration.suspend(connect(known), False)
    configuration.secure(connect(known), known)
    account = connect(known).get_account()
    assert isinstance(account, dict)
    assert (account["trade_suspended_by_user"], account["shorting_enabled"], account["multiplier"]) == (False, False, "1")


# --- real money


def test_real_money_needs_its_phrase_typed_and_the_account_that_was_named(exchange: Exchange, tmp_path: Path) -> None:
    keys = {"ALPACA_API_KEY": "x", "ALPACA_SECRET_KEY": "x", "ALPACA_ACCOUNT": "A1"}
    environ = {"DAYBOT_MODE": "live", "ALPACA_BASE_URL": LIVE_URL, "DAYBOT_HOME": str(tmp_path / "none"), **keys}
    for typed in ("yes\n", "trade real money in A2\n"):
        ran = CliRunner().invoke(app, ["live"], input=typed, env=environ)
        assert (ran.exit_code, "nothing was started" in " ".join(ran.output.split())) == (1, True), ran.output
    assert not (tmp_path / "none").exists()
    real = settings(exchange.url, tmp_path).model_copy(update={"daybot_mode": Mode.LIVE, "alpaca_account": "A1"})
    with pytest.raises(SettingsError, match="live mode expects account A1, found PA"):
        assemble(real, watch=lambda event, decisions: None)
    assert exchange.books()["orders"] == []


def test_a_home_is_one_kind_of_moneys_and_a_session_of_another_begins_nothing_in_it(exchange: Exchange, tmp_path: Path) -> None:
    known = settings(exchange.url, tmp_path / "home")
    with pytest.raises(MissingData):  # no briefing: nothing is traded, but whose home it is stands
        assemble(known, watch=lambda *_: None)
    assert (known.daybot_home / "mode").read_text() == "sim"
    for mode in (Mode.PAPER, Mode.LIVE):
        other = known.model_copy(update={"daybot_mode": mode, "alpaca_base_url": "http://127.0.0.1:9"})  # the broker is not asked
        with pytest.raises(SettingsError, match=f"expected a home of {mode} money, found .* in which sim money is traded"):
            assemble(other, watch=lambda *_: None, shadow=True)
        with pytest.raises(SettingsError, match="in which sim money is traded"):
            arming.check(other, QUIET)
    older = settings(exchange.url, tmp_path / "older")  # a home from before homes said whose they are
    head = Manifest(session=SESSION, run="r", mode="paper", account="P", code="c", strategies=(), limits=Limits(), briefing=briefing_of(["AAA"]))
    with Journal(older.journals / f"{SESSION}-01-test.jsonl") as journal:
        journal.append("session", 1, head)
    with pytest.raises(SettingsError, match="in which paper money is traded"):
        assemble(older, watch=lambda *_: None)
    finding = next(finding for finding in looks(older) if finding.name == "home")
    assert (finding.passed, finding.remedy) == (False, "give sim, paper and live a DAYBOT_HOME each")


# --- the watchdog


class Watched:
    """A watchdog whose clock is moved by hand, and what it told."""

    def __init__(self, known: Settings, **options: bool) -> None:
        self.told: list[str] = []
        self.clock = SteppedClock(time.time_ns())
        self.dog = Watchdog(known, self.clock, QUIET, send=lambda _, alert, log: self._tell(alert), **options)

    def _tell(self, alert: Alert) -> None:
        self.told.append(alert.subject)

    def later(self, seconds: int) -> Found:
        self.clock.set(self.clock.now() + seconds * SECOND)
        return self.dog.look()


@pytest.fixture
def passing(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's time passes while the watchdog waits."""
    monkeypatch.setattr("live.guards.watchdog.flatten", lambda *args, **more: flatten(*args, **more, sleep=exchange.step))


@pytest.mark.usefixtures("passing")
@pytest.mark.parametrize(("policy", "kept"), [("leave", {"BBB": 7}), ("close", {})])
def test_what_a_dead_runner_left_is_closed_after_the_deadline(exchange: Exchange, known: Settings, policy: str, kept: dict[str, int]) -> None:
    left_behind(exchange, known)
    watched = Watched(known.model_copy(update={"external": policy}))
    assert watched.later(30) is Found.ALIVE
    assert Books(exchange).positions == {"AAA": 100, "BBB": 7}
    assert watched.later(40) is Found.DEAD
    assert Books(exchange).positions == kept
    assert watched.told == ["the runner is dead"]
    assert watched.later(5) is Found.NONE


@pytest.mark.usefixtures("passing")
def test_a_runner_that_holds_its_lock_is_told_of_and_left_alone(exchange: Exchange, known: Settings) -> None:
    left_behind(exchange, known)
    watched = Watched(known)
    with FileLock(known.daybot_home / "runner.lock"):
        assert watched.later(70) is Found.STUCK
        assert watched.later(70) is Found.STUCK
        assert watched.told[0] == "the runner is stuck"
        assert watched.told.count("the runner is stuck") == 1
    assert Books(exchange).positions == {"AAA": 100, "BBB": 7}


def test_a_runner_that_ended_on_purpose_leaves_nothing_to_do_and_what_is_naked_is_told(exchange: Exchange, known: Settings) -> None:
    async def run() -> None:
        floor = Floor(exchange, known)
        await floor.open()
        await floor.step(61)
        await floor.held()
        floor.runner.stop()
        assert floor.task is not None
        await floor.task

    asyncio.run(run())
    watched = Watched(known)
    assert watched.later(300) is Found.NONE
    assert watched.told == []
    connect(known).cancel_orders()
    exchange.step(3)
    watched.later(5)
    watched.later(70)
    assert watched.told == ["AAA is held without a working stop"]
    assert Books(exchange).positions == {"AAA": 100}


def test_a_broker_that_does_not_answer_the_watchdog_is_told_of(exchange: Exchange, known: Settings) -> None:
    exchange.inject(kind="rest.status", status=503, path="/v2/*", times=0)
    watched = Watched(known)
    assert watched.later(5) is Found.NONE
    assert watched.told == ["the broker does not answer the watchdog"]


def test_the_watchdog_on_the_command_line_says_what_it_found(exchange: Exchange, tmp_path: Path) -> None:
    environ = {"DAYBOT_MODE": "sim", "ALPACA_BASE_URL": exchange.url, "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM"}
    ran = daybot("watchdog", "--once", home=tmp_path, **environ)
    assert (ran.code, ran.output.strip()) == (0, "runner: no runner"), ran.output
