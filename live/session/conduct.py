"""Conducts a session against a stepped exchange: its clock moves on when the runner has done all that the last moment asked of it.

So an accelerated day is as fast as the machine allows and still the same every time: no decision depends on who was quicker. Of two vendors that
tell the same minute at the same moment either may be the first one, and be named in the journal.
"""

from collections.abc import Callable
from typing import Any

import httpx

from live.clock import SteppedClock
from live.runner import Runner
from live.session.assemble import Session
from pipelines.core.errors import FeedError, SettingsError
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.market.session import moment
from pipelines.core.trading.events import Tick

BEFORE, AFTER = SECOND // 10, SECOND // 10
"""A minute is walked in two steps: to just before its end (fills), then over it (bars)."""

WHILE_PENDING = 2 * SECOND
"""Smaller steps while an entry or an exit is on its way."""

OVERTIME = 10 * MINUTE

Progress = Callable[[int], None]
"""Told the time after each step."""


class Conductor:
    """Moves the exchange's clock, and the runner's with it."""

    def __init__(self, base_url: str, clock: SteppedClock) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, timeout=60.0)
        self._clock = clock
        self._asked = 0

    def follow(self, clock: SteppedClock) -> None:
        """From now on move this clock."""
        self._clock = clock

    async def step(self, to: int) -> dict[str, Any]:
        """Run the exchange up to this moment; what it has sent by then."""
        # First, so that what arrives while the exchange runs is stamped with the moment that it runs to.
        self._clock.set(to)
        answer = await self._http.post("/sim/clock/step", json={"to": f"{moment(to):%Y-%m-%dT%H:%M:%S.%f}Z"})
        if answer.is_error:
            raise SettingsError(f"expected the exchange to step to {moment(to)}, found HTTP {answer.status_code}: {answer.text[:200]}")
        told: dict[str, Any] = answer.json()
        return told

    async def play(self, session: Session, progress: Progress) -> None:
        """From now until the session is over; `FeedError` if it is not over ten minutes after the close."""
        runner, hours = session.runner, session.briefing.hours
        while not runner.over:
            if self._clock.now() > hours.close + OVERTIME:
                open_trades = {s: t.stage.value for s, t in runner.engine.trades.items()}
                raise FeedError(f"expected the session to be over ten minutes after the close, found {open_trades}; see the journal")
            told = await self.step(self._next(pending=runner.engine.account.pending))
            await self._settle(runner, told["sent"])
            runner.emit(Tick(self._clock.now()))
            await self._settle(runner, told["sent"])
            progress(self._clock.now())

    async def _settle(self, runner: Runner, sent: dict[str, int]) -> None:
        """Wait for everything that was sent, and for what the runner's own requests caused to be sent, until nothing more comes."""
        asked = -1
        while asked != runner.asked:
            asked = runner.asked
            await runner.settle(market=sent["market"] + sent["polygon"], trading=sent["trading"])
            if asked != runner.asked or asked != self._asked:
                sent = (await self._http.get("/sim/clock")).raise_for_status().json()["sent"]
                await runner.settle(market=sent["market"] + sent["polygon"], trading=sent["trading"])
        self._asked = asked

    def _next(self, *, pending: bool) -> int:
        now = self._clock.now()
        edge = (now // MINUTE + 1) * MINUTE
        if now >= edge - BEFORE:
            return edge + AFTER
        return min(now + WHILE_PENDING, edge - BEFORE) if pending else edge - BEFORE

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.aclose()
