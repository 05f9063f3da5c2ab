"""A briefing with a failed check of severity `reducing`: the session starts in REDUCING, says why, and trades once a person resumes it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from commands import daybot
from market import SESSION, briefing_of

from live import journal
from live.commands.demo import sim_settings
from live.session.assemble import Session, assemble
from live.sim.embedded import Exchange
from pipelines import publish
from pipelines.core.briefing import Briefing, Candidate, CheckResult, Severity
from pipelines.core.errors import StaleBriefing
from pipelines.core.journal import decision_of
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Noticed, StateChanged, TradingState
from pipelines.settings import Settings
from pipelines.store import Warehouse

DETAIL = "0 splits in the table, 1 that prices and table do not agree on: AAPL 2026-11-19 unknown split 4 1"


def checked(severity: Severity) -> Briefing:
    """A briefing for the exchange's own day whose check of splits failed."""
    name = publish.version(SESSION, datetime.now(UTC), "doubtful")
    watched = tuple(Candidate(rank=i, symbol=s, score=1.0, reasons=("a test",)) for i, s in enumerate(("AAPL", "MSFT"), start=1))
    failed = CheckResult(name="split", asset="daily_bars", passed=False, severity=severity, detail=DETAIL)
    return briefing_of(("AAPL", "MSFT")).model_copy(update={"version": name, "watchlist": watched, "checks": (failed,)})


def home_of(settings: Settings, briefing: Briefing) -> None:
    warehouse = Warehouse(settings)
    rows = pl.DataFrame({"session": [briefing.session], "version": [briefing.version], "json": [briefing.model_dump_json()]})
    warehouse.replace({"briefings": rows}, [briefing.session])
    publish.release(settings, briefing.version, warehouse.copy)


async def played(session: Session) -> list[TradingState]:
    """The states after arming, and after a person's word."""
    runner, states = session.runner, []
    running = asyncio.create_task(runner.run(session.manifest, session.history))

    async def quiet() -> None:
        async with asyncio.timeout(20):
            while not (runner.idle and runner.engine.portfolio):
                await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(runner.armed.wait(), 20)
        for command in (None, Resume()):
            if command:
                runner.command(command, "a person", "looked")
            await quiet()
            states.append(runner.engine.state)
    finally:
        runner.stop()
        await running
        session.lock.release()
    return states


@pytest.mark.parametrize(("severity", "start"), [(Severity.REDUCING, TradingState.REDUCING), (Severity.ADVICE, TradingState.ACTIVE)])
def test_a_reducing_check_starts_the_session_in_reducing_until_a_person_resumes(tmp_path: Path, severity: Severity, start: TradingState) -> None:
    with Exchange(stepped=False, speed=1.0, start=(9, 44)) as exchange:
        settings = sim_settings(exchange.url, tmp_path / "home")
        home_of(settings, checked(severity))
        states = asyncio.run(played(assemble(settings, watch=lambda event, decisions: None)))
    assert states == [start, TradingState.ACTIVE]
    decisions = [decision_of(record) for record in journal.read(journal.latest(settings.journals)) if record.kind == "decision"]
    said = [d.detail for d in decisions if isinstance(d, Noticed) and d.code == "DOUBTED"]
    resumed = [d.reason for d in decisions if isinstance(d, StateChanged)]
    doubted = severity is Severity.REDUCING
    assert said == ([f"daily_bars split: {DETAIL}"] if doubted else [])
    assert resumed == ["resume by a person" if doubted else "resume by start"]


def test_a_blocking_failure_is_never_traded_and_a_stale_briefing_says_how_old_it_is(tmp_path: Path) -> None:
    with Exchange(stepped=True, start=(9, 0)) as exchange:
        settings = sim_settings(exchange.url, tmp_path / "home")
        home_of(settings, checked(Severity.BLOCKING))
        with pytest.raises(StaleBriefing, match=r"blocking checks passed, found failures: \['split'\]"):
            assemble(settings, watch=lambda event, decisions: None)
        poisoned = checked(Severity.ADVICE)  # whose checks say that all is well: more risk on each trade than any regime gives
        regime = poisoned.regime.model_copy(update={"size_multiplier": 50.0})
        home_of(settings, poisoned.model_copy(update={"version": "2026-11-20-20991231T000000000Z-poisoned", "regime": regime}))
        with pytest.raises(StaleBriefing, match=r"expected a briefing as the night makes them, found that .* has the effects"):
            assemble(settings, watch=lambda event, decisions: None)
    with Exchange(stepped=True, day=SESSION.replace(day=24), start=(9, 0)) as exchange:
        later = sim_settings(exchange.url, tmp_path / "home")
        with pytest.raises(StaleBriefing, match=r"the last good one is for 2026-11-20, made 2026-11-20 13:00 UTC"):
            assemble(later, watch=lambda event, decisions: None)


def test_the_doctor_says_no_to_doubts_and_to_a_stale_briefing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    keys = {"DAYBOT_MODE": "sim", "ALPACA_API_KEY": "SIM", "ALPACA_SECRET_KEY": "SIM", "ALPACA_FEED": "sip", "COLUMNS": "400"}
    with Exchange(stepped=True, start=(9, 0)) as exchange:
        home_of(sim_settings(exchange.url, home), checked(Severity.REDUCING))
        doubted = daybot("doctor", home=home, ALPACA_BASE_URL=exchange.url, **keys)
    assert doubted.code == 3
    assert "the session will start in REDUCING: daily_bars split: 0 splits in the table" in doubted.output
    with Exchange(stepped=True, day=SESSION.replace(day=24), start=(9, 0)) as exchange:
        stale = daybot("doctor", home=home, ALPACA_BASE_URL=exchange.url, **keys)
    assert stale.code == 3
    assert "expected a briefing for 2026-11-24, found the last good one, for 2026-11-20, made" in stale.output
