"""The real process: killed again and again at moments that nobody chose, and stopped for minutes of the market; by the venue's books."""

import json
import signal
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from commands import background, daybot, sim, until
from homes import home_of

from live import journal, raw
from live.commands.demo import sim_settings
from live.sim.embedded import Exchange
from pipelines import journals
from pipelines.core.journal import Record

pytestmark = pytest.mark.soak


def home_with_briefing(url: str, folder: Path) -> Path:
    folder.mkdir()
    home_of(sim_settings(url, folder))
    return folder


def status(home: Path, ours: dict[str, str]) -> dict[str, Any]:
    ran = daybot("status", "--json", home=home, **ours)
    return dict(json.loads(ran.output)) if ran.code == 0 else {}


def left(exchange: Exchange) -> tuple[list[Any], list[Any]]:
    final = {"filled", "canceled", "expired", "rejected", "replaced"}
    books = exchange.books()
    return books["positions"], [order for order in books["orders"] if order["status"] not in final]


def intact(home: Path) -> list[Record]:
    (path,) = journals.sessions(home / "journal")
    journal.verify(path)
    raw.verify(path)
    ran = daybot("replay", home=home)
    assert (ran.code, "identical" in ran.output) == (0, True), ran.output
    return list(journal.read(path))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.timeout(900)
def test_f39_killed_three_times_at_random_it_is_one_session_without_an_order_twice(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    with Exchange(stepped=False, speed=30.0, start=(9, 40), seed=7) as exchange:
        ours = sim(exchange.url)
        home = home_with_briefing(exchange.url, tmp_path / "home")
        for _ in range(3):
            with background(home, "live", **ours) as runner:
                until(lambda: bool(status(home, ours)), "a session that answers", 240)
                time.sleep(chance.uniform(0.0, 12.0))
                runner.send_signal(signal.SIGKILL)
                runner.wait()
        with background(home, "live", **ours) as runner:
            until(lambda: bool(status(home, ours)), "a session that goes on", 240)
            assert daybot("flat", home=home, **ours).code == 0
            until(lambda: left(exchange) == ([], []), "flat at the venue")
            until(lambda: status(home, ours)["positions"] == {}, "flat in our book")
            runner.send_signal(signal.SIGINT)
            runner.wait(60)
        names = [order["client_order_id"] for order in exchange.books()["orders"]]
    assert len(names) == len(set(names))
    records = intact(home)
    assert sum(record.kind == "resume" for record in records) == 3
    assert records[-1].data["flat"] is True
    written = {r.data["order"]["id"] for r in records if r.kind == "decision" and r.data["kind"] == "submit"}
    entries = {name for name in names if name.endswith("-entry")}
    assert entries <= written, "nothing went out that was not written first"


@pytest.mark.timeout(600)
def test_f44_a_process_that_was_stopped_for_minutes_of_the_market_is_protected_meanwhile_and_catches_up(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=30.0, start=(9, 40), seed=7) as exchange:
        ours = sim(exchange.url)
        home = home_with_briefing(exchange.url, tmp_path / "home")
        with background(home, "live", **ours) as runner:
            until(lambda: status(home, ours).get("state") == "active", "a session that trades", 240)
            time.sleep(5)
            runner.send_signal(signal.SIGSTOP)
            held = {row["symbol"]: abs(int(row["qty"])) for row in exchange.books()["positions"]}
            time.sleep(8)  # four minutes of the market
            stops = {o["symbol"]: int(o["qty"]) for o in left(exchange)[1] if o["type"] == "stop"}
            still = {row["symbol"] for row in exchange.books()["positions"]}
            assert {s: stops.get(s) for s in held if s in still} == {s: held[s] for s in held if s in still}, "protection rests at the broker"
            runner.send_signal(signal.SIGCONT)
            time.sleep(10)
            assert status(home, ours)["session"] == "2026-11-20"
            assert daybot("flat", home=home, **ours).code == 0
            until(lambda: left(exchange) == ([], []), "flat at the venue")
            runner.send_signal(signal.SIGINT)
            runner.wait(60)
    records = intact(home)
    said = [r.data["detail"] for r in records if r.kind == "event" and r.data["kind"] == "alarm" and r.data["code"] == "STALLED"]
    assert any("stood still for" in detail for detail in said)
    bars = [r.data for r in records if r.kind == "event" and r.data["kind"] == "bar" and r.data["bar"]["symbol"] == "AAPL"]
    starts = [bar["bar"]["start"] for bar in bars]
    assert starts == sorted(set(starts))
    assert set(range(starts[0], starts[-1], 60_000_000_000)) <= set(starts), "the minutes that were slept through are all there"


@pytest.mark.timeout(600)
def test_what_is_held_over_the_close_is_the_exit_code_also_of_a_session_that_a_person_ends(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=30.0, start=(15, 15), seed=7) as exchange:
        ours = sim(exchange.url)
        home = home_with_briefing(exchange.url, tmp_path / "home")
        with background(home, "live", **ours) as runner:
            until(lambda: status(home, ours).get("state") == "active", "a session that trades", 240)
            exchange.inject(kind="match.none", symbol="AAPL", side="sell")
            until(lambda: daybot("enter", "AAPL", "buy", "1", home=home, **ours).code == 0, "an entry: before the first price it is refused")
            until(lambda: [row["symbol"] for row in exchange.books()["positions"]] == ["AAPL"], "a position")
            until(lambda: exchange.clock()["now"] > "2026-11-20T21:01:30Z", "the close", 240)
            runner.send_signal(signal.SIGINT)
            assert runner.wait(60) == 3
    assert "held over night: AAPL" in (home / "background.log").read_text()
    assert intact(home)[-1].data["kept"] == ["AAPL"]
