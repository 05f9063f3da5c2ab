"""A recorded session under other limits: would it have earned more, and which limit would have stopped what?

The broker's words in a journal belong to the orders that were sent, so other decisions need other fills: both runs, under the limits
that were and under the others, are backtests over the market that the session saw. Compare them with each other, not with the account.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from pipelines.core.backtest.run import run
from pipelines.core.errors import JournalError
from pipelines.core.journal import Manifest, Record, event_of, manifest
from pipelines.core.market.bars import Bar
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import Refused, StateChanged, Submit, TradeClosed
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import AccountState, Band, Halt, Market, MarketBar, MarketTrade
from pipelines.core.trading.orders import Role
from pipelines.core.trading.seats import Allocation


class Tape(Struct, frozen=True):
    """The market as one session saw it: minute bars by start, what happened inside the minutes, and the equity that it began with."""

    bars: tuple[Bar, ...]
    inside: tuple[Market, ...]
    equity: float


class Outcome(Struct, frozen=True):
    """What a run came to. Profit in dollars before fees; `refused` counts entries by the first limit that stopped them."""

    entries: tuple[tuple[int, str, str, int], ...]
    """Bar, symbol, side and shares of each entry."""
    closed: tuple[TradeClosed, ...]
    refused: dict[str, int]
    states: tuple[StateChanged, ...]

    @property
    def profit(self) -> float:
        """Of all round trips."""
        return sum(trade.profit for trade in self.closed)


def tape(records: Iterable[Record]) -> Tape:
    """The market out of a journal. Raises JournalError where it never knew its account or saw no bar."""
    bars: list[Bar] = []
    inside: list[Market] = []
    equity = None
    for record in records:
        event = event_of(record) if record.kind == "event" else None
        match event:
            case MarketBar():
                bars.append(event.bar)
            case MarketTrade() | Halt() | Band():
                inside.append(event)
            case AccountState() if equity is None:
                equity = event.equity
    if equity is None or not bars:
        raise JournalError(f"expected an account and bars in the journal, found equity {equity} and {len(bars)} bars; it cannot be run again")
    first = {(bar.symbol, bar.start): bar for bar in reversed(bars)}  # a bar that came twice counts as it came first
    return Tape(tuple(sorted(first.values(), key=lambda bar: (bar.start, bar.symbol))), tuple(sorted(inside, key=lambda e: e.at)), equity)


def outcome(head: Manifest, market: Tape, strategies: Sequence[Allocation], limits: Limits) -> Outcome:
    """Run the session under these limits."""
    engine = Engine(head.briefing, limits, strategies, run=head.run)
    made = [d for step in run(engine, market.bars, equity=market.equity, inside=market.inside) for d in step.decisions]
    entered = [d for d in made if isinstance(d, Submit) and d.role is Role.ENTRY]
    return Outcome(
        entries=tuple((d.lineage.bar if d.lineage else 0, d.order.symbol, d.order.side.value, d.order.quantity) for d in entered),
        closed=tuple(d for d in made if isinstance(d, TradeClosed)),
        refused=dict(Counter(d.check.code.value for d in made if isinstance(d, Refused))),
        states=tuple(d for d in made if isinstance(d, StateChanged)),
    )


def whatif(records: Sequence[Record], strategies: Sequence[Allocation], limits: Limits) -> tuple[Outcome, Outcome]:
    """The session under its own limits and under the others.."""
    head, market = manifest(records[0]), tape(records)
    fresh = [Allocation(a.strategy.model_copy(deep=True), a.version, a.budget) for a in strategies]
    return outcome(head, market, strategies, head.limits), outcome(head, market, fresh, limits)
