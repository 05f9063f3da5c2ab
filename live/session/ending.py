"""When a session is over: flat by our books and by the broker's own word, at the close, at the time that was asked for, or for a newer briefing.

What could not be sold by the close is held over night: the session goes on, guards it, sells at the next open, and ends then. `kept` says that it was
so.
"""

from collections.abc import Callable

from live.guards.oversight import Oversight
from live.session.morning import Morning
from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.commands import Flatten, Instruction
from pipelines.core.trading.engine import Engine


class Ending:
    """Of one session. Ask it with each tick."""

    def __init__(
        self,
        engine: Engine,
        oversight: Oversight,
        morning: Morning,
        *,
        until: int | None,
        quiet: Callable[[], bool],
        command: Callable[[Instruction, str, str], None],
    ) -> None:
        """`until`: when everything is closed and the session ends, nanoseconds UTC; None: with the market. `quiet`: no event waits.

        A feed that connects and a look that is under way hold nothing up: where either is slow there is always one.
        """
        self._engine, self._oversight, self._morning, self._until = engine, oversight, morning, until
        self._quiet, self._command = quiet, command
        self._closing = False
        self.renewed = False
        """It ends for a newer briefing, and should begin again."""

    @property
    def kept(self) -> list[str]:
        """Symbols that had to be held over night."""
        return self._oversight.closing.kept

    def due(self, at: int) -> bool:
        """Whether it is over."""
        if self._morning.newer is not None and self._engine.flat and self._quiet():
            self.renewed = True
            return True
        close = self._engine.hours.close
        if at >= close + MINUTE and self._flat(close):
            return True
        return self._until is not None and at >= self._until and self._closed(self._until)

    def _closed(self, until: int) -> bool:
        """Close everything, and be told when it is."""
        if not self._closing:
            self._closing = True
            self._command(Flatten(), "--until", "until")
            self._oversight.hurry()
        return self._flat(until)

    def _flat(self, since: int) -> bool:
        """By both of us, the broker's word being no older than this."""
        last = self._oversight.last
        return self._engine.flat and self._oversight.flat and self._quiet() and last is not None and last.at >= since
