"""A session that was begun in the evening trades on the newest briefing that was released for it, and says which."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from commands import background, sim, until
from desk import now
from floor import left_behind
from homes import home_of
from market import SESSION, briefing_of

from live import journal
from live.commands.demo import sim_settings
from live.session import recovery
from live.session.assemble import Session, assemble, outdated
from live.session.morning import LAST, Morning
from live.sim.embedded import Exchange
from pipelines import journals, publish
from pipelines.core.briefing import Briefing, CheckResult, Severity
from pipelines.core.journal import manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.commands import Reduce, Stand
from pipelines.core.trading.decisions import TradingState
from pipelines.core.trading.events import Alarm, Command, Event
from pipelines.settings import Settings, load
from pipelines.store import Warehouse


def test_daybot_live_goes_over_to_the_mornings_briefing_before_the_open(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=30.0, start=(7, 0), seed=7) as exchange:
        ours, home = sim(exchange.url), tmp_path / "home"
        home.mkdir()
        settings = sim_settings(exchange.url, home)
        home_of(settings)
        evening = publish.current(settings).version

        def armed(which: int) -> bool:
            """By its journal: asking the session takes a process each time."""
            found = journals.sessions(settings.journals, SESSION)
            return len(found) == which and b'"after":"active"' in found[-1].read_bytes()

        with background(home, "live", **ours) as runner:
            until(lambda: armed(1), "a session with the evening's briefing")
            home_of(settings)
            morning = publish.current(settings).version
            until(lambda: armed(2), "the session with the newer briefing")
            runner.send_signal(signal.SIGINT)
            assert runner.wait(60) == 0
    first, second = journals.sessions(settings.journals, SESSION)
    records = [list(journal.read(path)) for path in (first, second)]
    assert [manifest(told[0]).briefing.version for told in records] == [evening, morning]
    assert [r.data for r in records[0] if r.kind == "briefing"] == [{"held": evening, "released": morning}]
    assert records[0][-1].kind == records[1][-1].kind == "end"
    assert f"{morning} was released: the session begins again with it" in (home / "background.log").read_text()


async def armed(session: Session, *commands: Any) -> TradingState:
    """The state after arming and these commands."""
    runner = session.runner
    running = asyncio.create_task(runner.run(session.manifest, session.history))
    try:
        await asyncio.wait_for(runner.armed.wait(), 20)
        for n, command in enumerate(commands):
            runner.command(command, "a person", f"{n}")
        async with asyncio.timeout(20):
            while not (runner.idle and runner.engine.portfolio):
                await asyncio.sleep(0.01)
        return runner.engine.state
    finally:
        runner.stop()
        await running
        session.lock.release()


def test_started_again_it_takes_the_newer_one_and_keeps_a_halt(tmp_path: Path) -> None:
    with Exchange(stepped=False, speed=1.0, start=(9, 44)) as exchange:
        settings = sim_settings(exchange.url, tmp_path / "home", market_open_buffer=0)

        def again(*commands: Any) -> tuple[str, TradingState]:
            session = assemble(settings, watch=lambda event, decisions: None)
            return session.briefing.version, asyncio.run(armed(session, *commands))

        versions = []
        for _ in range(3):
            home_of(settings)
            versions.append(publish.current(settings).version)
            if len(versions) == 1:
                assert again() == (versions[0], TradingState.ACTIVE)
                assert again(Stand()) == (versions[0], TradingState.HALTED)
            elif len(versions) == 2:
                assert again() == (versions[1], TradingState.HALTED), "a person's halt outlives the evening"
        assert again() == (versions[2], TradingState.HALTED)
        assert len(journals.sessions(settings.journals)) == 3


def test_a_session_that_has_sent_something_keeps_its_briefing(exchange: Exchange, known: Settings) -> None:
    left_behind(exchange, known)
    home_of(known)
    path = recovery.find(known.journals, SESSION, "PA")
    assert path is not None
    found = recovery.recover(path)
    assert found.sent
    assert not outdated(known, found, now(exchange))
    found.sent.clear()
    assert outdated(known, found, now(exchange))


def released(settings: Settings, *, failed: bool) -> Briefing:
    name = publish.version(SESSION, datetime.now(UTC), "morning")
    check = CheckResult(name="split", asset="daily_bars", passed=not failed, severity=Severity.BLOCKING, detail="")
    made = briefing_of(("AAPL",)).model_copy(update={"version": name, "checks": (check,)})
    warehouse = Warehouse(settings)
    rows = pl.DataFrame({"session": [made.session], "version": [made.version], "json": [made.model_dump_json()]})
    warehouse.replace({"briefings": rows}, [made.session])
    publish.release(settings, made.version, warehouse.copy)
    return made


class Told:
    def __init__(self, settings: Settings, held: Briefing) -> None:
        self.events: list[Event] = []
        self.notes: list[dict[str, Any]] = []
        self.morning = Morning(settings, held, emit=self.events.append, note=lambda _, data: self.notes.append(data))
        self._open = held.hours.open

    def until(self, before: int) -> list[str]:
        """Ticks from an hour before the open; what was told."""
        for at in range(self._open - 60 * MINUTE, self._open - before, MINUTE // 4):
            self.morning.tick(at)
        return [event.detail for event in self.events if isinstance(event, Alarm)]


def test_one_that_must_not_be_traded_on_keeps_entries_away_and_the_one_after_it_is_taken(tmp_path: Path) -> None:
    settings = load(daybot_home=tmp_path)
    told = Told(settings, briefing_of(("AAPL",)))
    assert told.until(50 * MINUTE) == []
    released(settings, failed=True)
    (said,) = told.until(40 * MINUTE)
    assert "must not be traded on" in said
    assert [event.instruction for event in told.events if isinstance(event, Command)] == [Reduce()]
    good = released(settings, failed=False)
    assert told.until(30 * MINUTE) == [said]
    assert told.morning.newer == good.version
    assert told.notes == [{"held": "2026-11-20-test", "released": good.version}]


def test_a_briefing_of_the_day_before_is_told_of_when_none_comes_in_the_morning(tmp_path: Path) -> None:
    settings = load(daybot_home=tmp_path, daybot_mode="paper", alpaca_api_key="x", alpaca_secret_key="x")
    held = briefing_of(("AAPL",)).model_copy(update={"created_at": datetime(2026, 11, 19, 22, 2, tzinfo=UTC)})
    told = Told(settings, held)
    assert told.until(LAST) == []
    (said,) = told.until(0)
    assert "made 2026-11-19 17:02 New York" in said
    assert told.morning.newer is None
