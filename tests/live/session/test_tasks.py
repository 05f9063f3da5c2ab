"""A task that swallows its first cancel, as Python 3.11's `wait_for` can, still ends."""

import asyncio

from live.tasks import end


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
