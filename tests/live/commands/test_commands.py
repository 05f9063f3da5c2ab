"""The command line as people use it: against a running exchange, and when something is missing."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import background, daybot, sim, until, working_in
from homes import home_of

from live import journal
from live.commands.demo import sim_settings
from live.sim.embedded import Exchange
from pipelines.core.journal import decision_of, manifest

GROUPS = ["", "journal"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a briefing for the session of the simulated exchange, and no session yet."""
    (tmp_path / "home").mkdir(0o700)  # as every command makes it
    home_of(sim_settings("http://127.0.0.1:9", tmp_path / "home"))
    return tmp_path / "home"


def test_a_session_trades_shows_itself_and_is_flattened_on_command(home: Path) -> None:
    with Exchange(stepped=False, speed=60.0, start=(9, 44)) as exchange:
        ours = sim(exchange.url)
        with background(home, "live", **ours) as runner:

            def positions() -> dict[str, object]:
                ran = daybot("status", "--json", home=home, **ours)
                return dict(json.loads(ran.output)["positions"]) if ran.code == 0 else {}

            until(lambda: bool(exchange.books()["positions"]), "a first position at the venue")
            until(lambda: bool(positions()), "and in our book")
            second = daybot("live", home=home, **ours)
            assert (second.code, "only runner" in second.output) == (1, True), second.output
            assert daybot("flat", "--id", "drill", home=home, **ours).code == 0
            until(lambda: not exchange.books()["positions"] and not open_orders(exchange), "flat at the venue")
            assert daybot("flat", "--id", "drill", home=home, **ours).code == 0
            until(lambda: positions() == {}, "flat in our book")
            shown = daybot("status", home=home, **ours)
            assert "halted" in shown.output
            runner.send_signal(signal.SIGINT)
            runner.wait(30)
    decisions = [decision_of(r) for r in journal.read(journal.latest(home / "journal")) if r.kind == "decision"]
    assert [d.kind for d in decisions if d.kind == "state"] == ["state", "state"]
    entries = [d.at for d in decisions if d.kind == "submit" and d.role == "entry"]
    halted = next(d.at for d in decisions if d.kind == "state" and d.after == "halted")
    assert entries
    assert max(entries) <= halted


@pytest.fixture
def scripted() -> Iterator[None]:
    """What is started now has Ctrl-C ignored, as a script's background job has."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("scripted")
def test_a_runner_tells_how_it_is_and_ends_as_by_ctrl_c_when_its_supervisor_tells_it_to(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=1.0, start=(9, 44)) as exchange:
        ours, home = sim(exchange.url), tmp_path / "home"
        home_of(sim_settings(exchange.url, home))
        door = home / "run" / "daybot.sock"
        with (
            background(home, "live", "--strategies", "reversion", **ours) as runner,
            httpx.Client(transport=httpx.HTTPTransport(uds=str(door)), base_url="http://daybot") as asked,
        ):
            until(lambda: "trading is active" in (home / "background.log").read_text(), "a session that trades")
            assert asked.get("/healthz").json()["status"] == "alive"
            assert asked.get("/readyz").json()["status"] == "ready"
            assert "daybot_trading_state 2.0" in asked.get("/metrics").text
            runner.send_signal(signal.SIGTERM)
            assert runner.wait(30) == 0
    assert not door.exists()
    path = journal.latest(home / "journal")
    last = journal.verify(path)
    assert last.kind == "end"
    head = json.loads(path.with_suffix(".head").read_text())
    assert f"ends with record {last.seq:,}, hash {head['hash']}" in (home / "background.log").read_text()
    assert [employed.name for employed in manifest(next(journal.read(path))).strategies] == ["reversion"]


def open_orders(exchange: Exchange) -> list[object]:
    final = {"filled", "canceled", "expired", "rejected", "replaced"}
    return [o for o in exchange.books()["orders"] if o["status"] not in final]


def written(folder: Path, words: str) -> bool:
    """Whether a journal has these words: to ask its session takes a process each time."""
    return any(words in path.read_text() for path in journal.sessions(folder))


def test_a_shadow_session_says_so_everywhere_and_leaves_nothing_at_the_venue(home: Path) -> None:
    with Exchange(stepped=False, speed=60.0, start=(9, 44)) as exchange:
        ours = sim(exchange.url)
        with background(home, "live", "--shadow", "--until", "10:45", **ours, COLUMNS="300") as runner:

            def status() -> dict[str, Any]:
                ran = daybot("status", "--json", home=home, **ours)
                return dict(json.loads(ran.output)) if ran.code == 0 else {}

            until(lambda: written(home / "journal" / "shadow", '"kind":"submit"'), "a first order")
            until(lambda: bool(status().get("positions")), "a first position")
            assert status()["label"] == "SHADOW"
            runner.wait(120)
        books = exchange.books()
        assert (books["orders"], books["positions"], runner.returncode) == ([], [], 0)
    said = (home / "background.log").read_text()
    assert "SHADOW nothing is sent" in said
    assert "SHADOW: trading is halted" in said
    assert "limits (bold" in said
    (path,) = journal.sessions(home / "journal" / "shadow")
    assert journal.sessions(home / "journal") == [], "no night takes it for trades"
    records = list(journal.read(path))
    assert (manifest(records[0]).label, records[-1].data["flat"]) == ("SHADOW", True)
    assert "identical" in daybot("replay", home=home).output


@contextmanager
def killed(home: Path) -> Iterator[tuple[Exchange, dict[str, str]]]:
    """The venue, and what names it, after a session was killed that held something."""
    with Exchange(stepped=False, speed=60.0, start=(9, 44)) as exchange:
        ours = sim(exchange.url)
        with background(home, "live", **ours) as runner:
            until(lambda: bool(exchange.books()["positions"]), "a first position")
            runner.kill()
            runner.wait()
        yield exchange, ours


def test_break_glass_works_when_the_runner_was_killed(home: Path) -> None:
    with killed(home) as (exchange, ours):
        dead = daybot("flat", home=home, **ours)
        assert (dead.code, "--direct" in dead.output) == (1, True)
        ran = daybot("flat", "--direct", home=home, **ours)
        assert (ran.code, "flat" in ran.output) == (0, True), ran.output
        assert exchange.books()["positions"] == []
        assert open_orders(exchange) == []
    assert sum(1 for _ in journal.read(journal.latest(home / "journal"))) > 10


def test_a_session_that_was_killed_is_gone_on_with(home: Path) -> None:
    with killed(home) as (exchange, ours):
        with background(home, "live", **ours) as runner:
            until(lambda: written(home / "journal", "RECOVERED"), "a session that goes on")
            assert daybot("flat", home=home, **ours).code == 0
            until(lambda: not exchange.books()["positions"] and not open_orders(exchange), "flat at the venue")
            runner.send_signal(signal.SIGINT)
            runner.wait(30)
        names = [order["client_order_id"] for order in exchange.books()["orders"]]
        assert len(names) == len(set(names))
    (path,) = journal.sessions(home / "journal")
    assert journal.verify(path).kind == "end"
    ran = daybot("replay", home=home)
    assert (ran.code, "identical" in ran.output) == (0, True), ran.output


def test_the_doctor_is_content_with_a_running_exchange_and_a_briefing(home: Path) -> None:
    with Exchange(stepped=True, start=(9, 0)) as exchange:
        ran = daybot("doctor", home=home, **sim(exchange.url))
    assert ran.code == 0, ran.output
    for name in ("settings", "keys", "disk", "calendar", "broker", "clock", "market data", "database"):
        assert name in ran.output


def test_the_doctor_says_what_to_do_about_each_failure(tmp_path: Path) -> None:
    ran = daybot("doctor", home=tmp_path, **(sim("http://127.0.0.1:9") | {"ALPACA_SECRET_KEY": ""}))
    assert ran.code == 3
    assert "ALPACA_SECRET_KEY empty" in ran.output
    assert "daybot exchange" in ran.output
    assert "exchange-calendars" not in ran.output, "of a calendar that nobody could compare nothing is advised"
    assert "pre_open job" in ran.output


def test_a_bad_setting_is_refused_with_its_name_and_an_example(tmp_path: Path) -> None:
    ran = daybot("status", home=tmp_path, MAX_POSITION_SIZE="two percent")
    assert ran.code == 1
    assert "MAX_POSITION_SIZE" in ran.output
    assert "Example: MAX_POSITION_SIZE=0.02" in ran.output
    assert "Traceback" not in ran.output


def test_without_a_briefing_nothing_is_traded(tmp_path: Path) -> None:
    with Exchange(stepped=True, start=(9, 0)) as exchange:
        ran = daybot("live", home=tmp_path, **sim(exchange.url))
    assert ran.code == 1
    assert "MissingData" in ran.output
    assert "make demo" in ran.output


def test_a_briefing_of_another_day_is_stale(home: Path) -> None:
    with Exchange(stepped=True, day=date(2026, 11, 24), start=(9, 0)) as exchange:
        ran = daybot("live", home=home, **sim(exchange.url))
    assert ran.code == 1
    assert "StaleBriefing" in ran.output
    assert "2026-11-24" in ran.output


@pytest.mark.parametrize("group", GROUPS)
def test_help_teaches(group: str) -> None:
    ran = daybot(*([group] if group else []), "--help")
    assert ran.code == 0
    assert "Usage" in ran.output


def test_everything_comes_up_together_and_goes_down_together(tmp_path: Path) -> None:
    home = tmp_path / "up"
    home.mkdir()
    with background(home, "up", "--speed", "600", COLUMNS="200") as everything:
        log = home / "background.log"
        until(lambda: "Ctrl-C stops everything" in log.read_text() or everything.poll() is not None, "all services up", 240)
        assert everything.poll() is None, log.read_text()
        for port in (3000, 8501):
            assert httpx.get(f"http://127.0.0.1:{port}", timeout=10).status_code == 200
        everything.send_signal(signal.SIGINT)
        everything.wait(60)
        assert everything.returncode == 130, log.read_text()
    assert working_in(home) == []
