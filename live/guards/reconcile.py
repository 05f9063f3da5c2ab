"""The broker's account against ours, at the start and all day long. The broker is the truth about positions; one look is not.

What both agree on goes to the engine as an `AccountState`: at once where shares or cash moved, once a minute where only prices did. What differs
is looked at once more before anybody acts on it: orders lag positions by up to ten seconds, and an endpoint that answers with nothing once is not
"flat".
"""

from collections.abc import Callable, Mapping
from typing import Any

from live.brokers.alpaca import account_state
from live.brokers.hearing import Emit, Note
from live.brokers.reading import Resting, Standing
from live.clock import SECOND
from pipelines.core.trading.commands import Stand
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Alarm, Command

QUIET = 60 * SECOND
"""How long the engine is not told of an account in which only prices move."""

LESS = 0.01
"""Fraction of the buying power that is no longer a price's doing: somebody else's orders hold it."""

Difference = Mapping[str, tuple[int, int]]
"""Symbol -> shares that the broker has, and that we have."""


class Reconciler:
    """Compares each reading of the account with the engine's book. `ours` tells an order of this session by its client order id."""

    def __init__(self, engine: Engine, *, emit: Emit, note: Note, ours: Callable[[str], bool]) -> None:
        self._engine, self._emit, self._note, self._ours = engine, emit, note, ours
        self._last: Difference = {}
        self._restricted: tuple[str, ...] = ()
        self._told: AccountState | None = None
        self.external: tuple[Resting, ...] = ()
        """Open orders that somebody else has sent."""

    def compare(self, found: Standing) -> bool:
        """Take in a reading; False where it should be repeated soon because it is not believed yet."""
        self._judge(found)
        self.external = tuple(r for r in found.resting if not self._ours(r.client_id))
        differs = self._differences(found)
        doubted, self._last = differs != self._last and bool(differs), differs
        if doubted:
            self._note("mismatch", {"found": {symbol: {"broker": theirs, "ours": ours} for symbol, (theirs, ours) in differs.items()}})
            return False
        state = account_state(found)
        if self._is_news(state, differs):
            self.tell(state)
        return True

    def tell(self, state: AccountState) -> None:
        """To the engine, whatever it knows."""
        self._told = state
        self._emit(state)

    def shown(self) -> list[dict[str, Any]]:
        """Other people's open orders, for people."""
        return [{"symbol": r.symbol, "side": r.side.value, "type": r.type, "shares": r.left, "id": r.client_id} for r in self.external]

    def _differences(self, found: Standing) -> Difference:
        """While an entry or an exit is on its way the two may differ for a moment: the engine does not look either."""
        portfolio = self._engine.portfolio
        if portfolio is None or self._engine.account.pending:
            return {}
        symbols = sorted(found.held.keys() | portfolio.positions.keys())
        both = {symbol: (found.quantity(symbol), portfolio.quantity(symbol)) for symbol in symbols}
        return {symbol: (theirs, ours) for symbol, (theirs, ours) in both.items() if theirs != ours}

    def _is_news(self, state: AccountState, differs: Difference) -> bool:
        """Equity and buying power move with every price. While anything is on its way, differs or is somebody else's, all of it is told."""
        account, told = self._engine.account, self._told
        if told is None or account.pending or account.external or differs:
            return True
        moved = (state.cash, state.holdings) != (told.cash, told.holdings) or state.buying_power < told.buying_power * (1 - LESS)
        return moved or state.at - told.at >= QUIET

    def _judge(self, found: Standing) -> None:
        """The broker takes no entries: nor do we try, until a person resumes."""
        if found.restrictions == self._restricted:
            return
        self._restricted = found.restrictions
        if not found.restrictions:
            self._emit(Alarm("ACCOUNT_FREE", "the broker takes entries again; `daybot resume` lets the session go on", found.at))
            return
        why = ", ".join(found.restrictions)
        self._emit(Alarm("ACCOUNT_RESTRICTED", f"the broker takes no entries: {why}", found.at))
        self._emit(Command(f"restricted-{found.at}", Stand(), f"reconciliation: {why}", found.at))
