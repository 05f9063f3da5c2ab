"""The queue that halts instead of dropping, and the watches over our own time."""

import asyncio
from pathlib import Path

import pytest
from staged import MINUTE, OPEN, Stage, staged

from live.clock import LoopClock, SteppedClock
from live.session.inbox import Inbox
from live.session.timing import PERIOD, Drift, Stall
from live.sim.virtual import VirtualLoop
from pipelines.core.market.bars import SECOND, Bar
from pipelines.core.trading.commands import Stand
from pipelines.core.trading.events import Command, Event, MarketBar, Tick


def test_at_its_limit_the_halt_goes_first_and_nothing_is_lost() -> None:
    drained: list[int] = []

    async def work() -> list[Event]:
        asked: list[int] = []

        def full(waiting: int) -> list[Event]:
            asked.append(waiting)
            return [Command("overflow", Stand(), "queue", 0)]

        inbox = Inbox(100, full=full, drained=lambda: drained.append(inbox.qsize()))
        for n in range(250):
            inbox.put_nowait(Tick(n))
        assert asked == [100], "once, and not with every further event"
        taken = [await inbox.get() for _ in range(251)]
        assert inbox.empty()
        assert inbox.most == 251
        return taken

    taken = asyncio.run(work())
    assert isinstance(taken[0], Command)
    assert [event.at for event in taken[1:]] == list(range(250))
    assert drained == [50]


def test_a_feed_that_is_held_reads_nothing_and_fetches_afterwards_what_it_missed(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.feed.hold("100,000 events wait")
        await stage.until(9, 36, 30)
        held = len(stage.bars)
        stage.feed.release()
        await stage.until(9, 38, 30)
        assert len(stage.bars) > held

    stage = staged(tmp_path, play)
    assert stage.health("sip") == [True, False, True]
    assert stage.starts("AAPL")[-8:] == list(range(8))
    assert {(event.bar.start - OPEN) // MINUTE for event in stage.bars if event.late} == {3, 4, 5}


def test_a_loop_that_stands_still_is_noticed_and_one_that_does_not_is_not() -> None:
    async def work(seconds: float) -> tuple[list[float], float]:
        found: list[float] = []
        watch = Stall(LoopClock(0), 0.5, late=lambda _, by: found.append(by))
        task = asyncio.create_task(watch.follow())
        loop = asyncio.get_running_loop()
        await asyncio.sleep(1)
        assert isinstance(loop, VirtualLoop)
        loop._virtual += seconds  # as if one callback had taken so long
        await asyncio.sleep(1)
        task.cancel()
        return found, watch.worst

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(work(0.0))[0] == []
        found, worst = runner.run(work(3.0))
    assert found == [pytest.approx(worst)]
    assert 3.0 - PERIOD <= worst <= 3.0


def test_a_clock_that_jumps_beside_the_loop_is_noticed() -> None:
    class Set(LoopClock):
        """A clock that somebody sets."""

        by = 0

        def now(self) -> int:
            return super().now() + self.by

    async def work() -> list[str]:
        found: list[str] = []
        clock = Set(0)
        task = asyncio.create_task(Stall(clock, 0.5, late=lambda what, _: found.append(what)).follow())
        await asyncio.sleep(1)
        clock.by = -60 * SECOND
        await asyncio.sleep(1)
        task.cancel()
        return found

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(work()) == ["the clock jumped by -60.00 s: the machine slept, or its time was set"]


def test_a_clock_beside_the_brokers_is_measured_as_far_as_the_answer_allows() -> None:
    found: list[float] = []
    drift = Drift(2.0, off=lambda _, by: found.append(by))
    assert drift.broker(10 * SECOND, 4 * SECOND, 6 * SECOND) == 5.0
    assert drift.broker(10 * SECOND, 9 * SECOND, 12 * SECOND) == -0.5
    drift.broker(10 * SECOND, 0, 15 * SECOND)  # 2.5 s off, but known to 7.5 s only
    assert found == [5.0]


def bar(feed: str, after: float) -> MarketBar:
    return MarketBar(Bar("AAPL", OPEN, 1, 1, 1, 1, 1, 1, 1), feed, OPEN + MINUTE + round(after * SECOND))


def test_minutes_tell_a_slow_clock_and_a_fast_one_from_a_slow_vendor() -> None:
    found: list[float] = []
    drift = Drift(2.0, off=lambda _, by: found.append(by))
    for event in (bar("sip", -1.5), bar("sip", 0.5), bar("polygon", 9.0)):
        drift.bar(event)
    drift.minute()
    assert found == [], "one vendor is slow"
    drift.bar(bar("sip", -2.5))
    assert found == [2.5]
    drift.minute()
    for event in (bar("sip", 4.0), bar("sip", 3.5), bar("polygon", 9.0)):
        drift.bar(event)
    drift.minute()
    assert found == [2.5, -3.5]


def test_whoever_waits_for_a_stepped_clock_is_woken_in_order_when_it_is_set() -> None:
    async def work() -> list[str]:
        clock, woken = SteppedClock(0), list[str]()

        async def wait(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(name)

        tasks = [asyncio.create_task(wait(name, seconds)) for name, seconds in (("b", 2.0), ("a", 1.0), ("c", 9.0))]
        await asyncio.sleep(0)
        tasks[1].cancel()
        clock.set(5 * SECOND)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == ["b"]
        clock.set(9 * SECOND)
        await asyncio.gather(tasks[0], tasks[2])
        return woken

    assert asyncio.run(work()) == ["b", "c"]
