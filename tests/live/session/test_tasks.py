"""Tasks that do not end when they should, and parts of a session that end when they should not."""

import asyncio
from typing import Any

import pytest
from floor import Floor, play

from live.sim.embedded import Exchange
from live.tasks import end
from pipelines.core.errors import DaybotError
from pipelines.settings import Settings


def test_a_task_that_swallows_a_cancel_is_cancelled_again() -> None:
    swallowed = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(True)

    async def play() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end([task])
        assert task.cancelled()

    asyncio.run(play())
    assert swallowed == [True]


@pytest.mark.parametrize("part", ["Runner._consume", "Oversight.run", "Failover.follow", "AlpacaBroker.run", "Vigil._compare"])
def test_a_part_of_a_session_that_somebody_cancels_ends_it_with_its_name(exchange: Exchange, known: Settings, part: str) -> None:
    async def act(floor: Floor) -> None:
        await floor.held()
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == part]
        task.cancel()
        await floor.step(5)
        assert floor.runner.over

    with pytest.raises(DaybotError, match=f"{part} ended: CancelledError"):
        play(exchange, known, act)


def test_a_part_that_dies_of_what_is_no_exception_ends_the_session(exchange: Exchange, known: Settings) -> None:
    """As a test's time-out is, which is raised in whatever runs: asyncio keeps it with the task, and the look at the account was never had again."""

    async def act(floor: Floor) -> None:
        await floor.held()

        def alarmed(*_: Any) -> None:
            raise pytest.fail.Exception("timeout")

        for routes in floor.runner.broker.lanes.routes.values():
            for route in routes:
                route.heed = alarmed
        await floor.step(20)
        assert floor.runner.over

    with pytest.raises(DaybotError, match=r"Oversight\.run ended: Failed: timeout"):
        play(exchange, known, act)
