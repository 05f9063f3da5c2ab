"""Flat by the broker's own books: asked afresh, believed only from an answer. What the engine thinks is not enough, a failed query is not flat."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from live.brokers.reading import Standing
from live.tools.answers import Flat
from live.tools.desk import Desk
from pipelines.core.errors import BrokerError

PAUSE = 1.0
"""Wall seconds between two looks: each costs three requests of the broker's budget."""

PATIENCE = 5.0
"""Wall seconds that a look may take: requests wait where the broker's budget is spent."""


class Found(NamedTuple):
    """What the broker's books say."""

    flat: Flat
    symbols: tuple[str, ...]
    detail: str


async def symbol_flat(desk: Desk, symbol: str, wait: float) -> Found:
    """Whether nothing is held of a symbol and no order of it is open."""

    def there(found: Standing) -> set[str]:
        return {symbol} & _there(found)

    return await _looked(desk, wait, there, lambda: not desk.runner.engine.account.of(symbol))


async def account_flat(desk: Desk, wait: float) -> Found:
    """Whether nothing at all is held and no order is open."""
    return await _looked(desk, wait, _there, lambda: desk.runner.engine.flat)


async def _looked(desk: Desk, wait: float, there: Callable[[Standing], set[str]], quiet: Callable[[], bool]) -> Found:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    last = Found("pending", (), "the broker has not been asked yet")
    while True:
        over = loop.time() >= until
        if quiet() or over:
            last = await _look(desk, there, quiet)
            if last.flat == "yes" or over:
                return last
        await desk.moved(min(PAUSE, max(until - loop.time(), 0.0)))


async def _look(desk: Desk, there: Callable[[Standing], set[str]], quiet: Callable[[], bool]) -> Found:
    try:
        async with asyncio.timeout(PATIENCE):
            found = await desk.runner.broker.standing()
    except (BrokerError, TimeoutError) as silence:
        return Found("pending", (), f"the broker gave no answer, so nothing is known: {silence}")
    left = there(found)
    if not left:
        return Found("yes", (), "the broker reports no position and no open order")
    symbols = tuple(sorted(left))
    ours = left & set(desk.runner.oversight.closing.left(found))
    if quiet() and not ours:
        return Found("no", symbols, f"not of this session, and left alone (EXTERNAL): {', '.join(symbols)}; `daybot close SYMBOL --direct` closes it")
    return Found("pending", symbols, f"under way: {', '.join(symbols)}; ask again with the same Idempotency-Key")


def _there(found: Standing) -> set[str]:
    return {*found.held, *(row.symbol for row in found.resting)}
