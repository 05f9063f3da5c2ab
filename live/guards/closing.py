"""Flat before the close, by the broker's word: if the engine's own exits have not done it in time, somebody else does, and people hear of it.

The engine closes everything `market_close_buffer` minutes before the close. At two thirds of that time whatever is left is cancelled and sold
directly, at one third the whole account is told to liquidate; what is there after the close is an alarm.
"""

from collections.abc import Callable

from live.brokers.hearing import Emit
from live.brokers.reading import Standing
from live.clock import SECOND
from live.guards.protection import Guard, Policy
from pipelines.core.errors import BrokerError
from pipelines.core.market.session import Session
from pipelines.core.trading.events import Alarm

MINUTE = 60 * SECOND

PAUSE = 15 * SECOND
"""Between two attempts: cancelled exits free their shares within ten seconds."""


class Closing:
    """Of one session. Only with the policy `close` does what others hold or have ordered go too."""

    def __init__(self, guard: Guard, *, hours: Session, buffer: int, policy: Policy, emit: Emit, ours: Callable[[str], bool]) -> None:
        """`buffer` in minutes before the close; `ours` tells an order of this session by its client order id."""
        self._guard, self._hours, self._policy, self._emit, self._ours = guard, hours, policy, emit, ours
        self._sell, self._liquidate = (hours.close - buffer * MINUTE * part // 3 for part in (2, 1))
        self._stage = ""
        self._acted = 0
        self.kept: list[str] = []
        """Symbols that were still there a minute after the close: they are held over night."""

    async def check(self, found: Standing) -> None:
        """Look at one reading of the account."""
        left = self.left(found)
        stage = self._due(found.at)
        if not left or not stage:
            return
        if stage != self._stage:
            self._stage = stage
            self._emit(Alarm("NOT_FLAT", f"{stage}: still there are {', '.join(left)}", found.at))
        if found.at >= self._hours.close + MINUTE:
            self.kept = left
        if stage == "after the close" or found.at - self._acted < PAUSE:
            return
        self._acted = found.at
        if stage == "liquidate" and self._alone(found, left):
            try:
                await self._guard.liquidate()
            except BrokerError as error:
                self._emit(Alarm("NOT_FLAT", f"liquidation was not answered: {error}", found.at))
            return
        for symbol in left:
            mine = self._going(found, symbol)
            if mine * found.quantity(symbol) >= 0:  # else others hold more of the other side: there is nothing of ours to sell
                await self._guard.close_out(found, symbol, abs(mine))

    def left(self, found: Standing) -> list[str]:
        """Symbols that have to go and are still held or have an open order."""
        resting = {row.symbol for row in found.resting if self._policy == "close" or self._ours(row.client_id)}
        return sorted(resting | {symbol for symbol in found.held if self._going(found, symbol)})

    def _going(self, found: Standing, symbol: str) -> int:
        """Signed shares that have to go."""
        return found.quantity(symbol) if self._policy == "close" else self._guard.own(found, symbol)

    def _alone(self, found: Standing, left: list[str]) -> bool:
        """Nobody else has anything in the account."""
        others = any(self._going(found, symbol) != held.quantity for symbol, held in found.held.items())
        return not others and set(left) == found.held.keys() | {row.symbol for row in found.resting}

    def _due(self, at: int) -> str:
        if at >= self._hours.close:
            return "after the close"
        return "liquidate" if at >= self._liquidate else "close out" if at >= self._sell else ""
