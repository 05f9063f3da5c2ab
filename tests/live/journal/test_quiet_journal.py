"""A journal says what happened, not how often somebody looked: frames are sealed together, an account that only prices move is told by the minute."""

import asyncio
from pathlib import Path

from floor import Floor, play

from live import journal, raw
from live.clock import SECOND
from live.journal import Journal
from live.raw import CROWD, WAIT, Raw
from live.sim.embedded import Exchange
from live.sim.virtual import VirtualLoop
from pipelines.core.trading.events import AccountState
from pipelines.settings import Settings


def test_frames_are_sealed_within_ten_seconds_and_a_crowd_of_them_at_once(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-20-01-test.jsonl"
    kept: list[str] = []

    async def write() -> None:
        with Journal(path) as made:
            taken = Raw(made, part=0, failed=kept.append)
            for second in range(600):
                taken.take("sip", b"[]", second * SECOND)
                taken.seal()
                made.append("event", second * SECOND, {})
                await asyncio.sleep(1.0)
            for _ in range(CROWD):
                taken.take("sip", b"[]", 600 * SECOND)
            taken.seal()
            await asyncio.sleep(0.1)
            made.append("event", 600 * SECOND, {})
            await taken.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        loop.run(write())
    sealed = raw.verify(path)
    assert (kept, sealed.frames) == ([], 600 + CROWD)
    assert sealed.blocks <= 600 / WAIT + 3
    waiting, blocks = 0, 0
    for record in journal.read(path):
        if record.kind == "raw":
            waiting, blocks = 0, blocks + 1
        else:
            waiting = max(waiting, blocks and waiting + 1)
            assert waiting <= WAIT + 1, "no frame waits longer"
    assert record.at == 600 * SECOND
    assert waiting == 1, "the crowd did not wait for its ten seconds"


def test_an_account_is_told_at_once_when_shares_move_and_once_a_minute_else(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        looks, before = floor.runner.oversight._looks, len(floor.events)
        await floor.step(300, by=5)
        told = [event for event in floor.events[before:] if isinstance(event, AccountState)]
        assert floor.runner.oversight._looks - looks >= 50
        assert 5 <= len(told) <= 6
        before = len(floor.events)
        exchange.inject(kind="match.manual", order={"symbol": "BBB", "side": "buy", "qty": "7", "type": "market", "time_in_force": "day"})
        await floor.step(15)
        told = [event for event in floor.events[before:] if isinstance(event, AccountState)]
        assert {h.symbol: h.quantity for h in told[0].holdings} == {"AAA": 100, "BBB": 7}
        assert "POSITIONS_DIFFER" in floor.codes

    play(exchange, known, act)
