"""Why each trade and each non-trade: from the records of a journal the walk back from an order to the bars that sized it.

decision -> what it stands on (briefing, feed, price, ATR) -> indicators -> sizing step by step -> every control -> the bars before it, and then
what became of it: requests, the broker's words, the end. Everything comes from the journal; nothing is computed again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipelines.core.errors import MissingData
from pipelines.core.journal import Manifest, Record, decision_of, event_of, manifest
from pipelines.core.market.bars import Bar
from pipelines.core.market.session import moment
from pipelines.core.risk.checks import Check
from pipelines.core.trading.decisions import Cancel, Decision, Kept, Lineage, Refused, Replace, Submit, TradeClosed
from pipelines.core.trading.events import Answer, Event, MarketBar, OrderUpdate, Outcome
from pipelines.core.trading.orders import Role, Side

BARS = 5
"""Bars shown before a decision, the deciding one the last."""

CANDIDATES: dict[str, Any] = {
    "seq": pl.Int64, "at": pl.Datetime("us", "UTC"), "symbol": pl.String, "strategy": pl.String, "side": pl.String, "wanted": pl.Int64,
    "quantity": pl.Int64, "outcome": pl.String, "code": pl.String, "value": pl.Float64, "limit": pl.Float64, "detail": pl.String,
    "reason": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A bar as it was received: number of its record, and whether it came late."""

    seq: int
    bar: Bar
    late: bool


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that happened to a trade: number of its record, when (nanoseconds UTC), which order, and what in words."""

    seq: int
    at: int
    order: str
    words: str


@dataclass(slots=True)
class Walk:
    """One candidate, entered or refused, and all that belongs to it."""

    seq: int
    decision: Submit | Refused
    bars: tuple[Seen, ...]
    deeds: list[Deed] = field(default_factory=list)
    closed: TradeClosed | None = None

    @property
    def lineage(self) -> Lineage | None:
        """What it stands on; None where the symbol was not in the briefing."""
        return self.decision.lineage

    @property
    def symbol(self) -> str:
        """What it is in."""
        return self.decision.order.symbol if isinstance(self.decision, Submit) else self.decision.symbol

    @property
    def side(self) -> Side:
        """Which way."""
        return self.decision.order.side if isinstance(self.decision, Submit) else self.decision.side

    @property
    def names(self) -> set[str]:
        """All that it can be asked for by: symbol, trade, orders, record."""
        own = {self.symbol, str(self.seq), *(deed.order for deed in self.deeds)}
        return own | {self.decision.trade, self.decision.order.id} if isinstance(self.decision, Submit) else own


@dataclass(frozen=True, slots=True)
class Journaled:
    """A session's candidates, with the manifest that they were judged under."""

    head: Manifest
    walks: tuple[Walk, ...]

    def of(self, wanted: str) -> tuple[Walk, ...]:
        """Those that belong to an order, a trade, a record's number or a symbol; `MissingData` where none does."""
        found = tuple(walk for walk in self.walks if wanted in walk.names)
        if not found:
            known = ", ".join(sorted({walk.symbol for walk in self.walks})) or "none"
            text = f"expected an order, a trade, a symbol or a record's number of session {self.head.session}, found {wanted!r}"
            raise MissingData(f"{text}; symbols that something was wanted in: {known}")
        return found


def explained(records: Iterable[Record]) -> Journaled:
    """Walk a journal once."""
    rows = iter(records)
    first = next(rows, None)
    if first is None:
        raise MissingData("expected a journal with a session's manifest, found no record")
    walker = Walker()
    for record in rows:
        if record.kind == "event":
            walker.on_event(record.seq, event_of(record))
        elif record.kind == "decision":
            walker.on_decision(record.seq, decision_of(record))
    return Journaled(manifest(first), tuple(walker.walks))


def candidates(found: Journaled) -> pl.DataFrame:
    """Rows of `CANDIDATES`, in order of time: what was wanted, what came of it, and the control that cut or stopped it with value and limit.

    `outcome` is entered, reduced or refused; `code`, `value` and `limit` are null where nothing was taken away.
    """
    return pl.DataFrame([_row(walk) for walk in found.walks], schema=CANDIDATES, orient="row")


def _row(walk: Walk) -> tuple[Any, ...]:
    decision, lineage = walk.decision, walk.lineage
    start = (walk.seq, moment(decision.at), walk.symbol)
    if isinstance(decision, Refused):
        return (*start, decision.strategy, decision.side.value, decision.wanted, 0, "refused", *_stopped(decision.check), decision.reason)
    order = decision.order
    strategy, wanted, cut = (lineage.strategy, lineage.wanted, lineage.cut(decision.reason)) if lineage is not None else ("", None, None)
    wanted = order.quantity if wanted is None else wanted
    outcome, numbers = ("entered", (None, None, None, "")) if cut is None else ("reduced", _stopped(cut))
    return (*start, strategy, order.side.value, wanted, order.quantity, outcome, *numbers, decision.reason)


def _stopped(by: Check) -> tuple[str, float | None, float, str]:
    return by.code.value, by.measured, by.limit, by.detail


class Walker:
    """What is known of the session so far."""

    def __init__(self) -> None:
        self.walks: list[Walk] = []
        self._trades: dict[str, Walk] = {}
        self._orders: dict[str, Walk] = {}
        self._filled: dict[str, tuple[int, float]] = {}
        self._bars: dict[str, deque[Seen]] = {}

    def on_event(self, seq: int, event: Event) -> None:
        """Bars are kept, the broker's words go to their trade."""
        if isinstance(event, MarketBar):
            self._bars.setdefault(event.bar.symbol, deque(maxlen=BARS)).append(Seen(seq, event.bar, event.late))
        elif isinstance(event, OrderUpdate) and event.id in self._orders:
            shares, price = event.since(*self._filled.get(event.id, (0, 0.0)))
            if shares:
                self._filled[event.id] = (event.filled, event.average or 0.0)
            words = f"{shares} shares at {price:.4f}, {event.filled} in all" if shares else event.status.value
            rests = f", rests at {event.price:.2f}" if event.price is not None and not shares and not event.status.final else ""
            self._orders[event.id].deeds.append(Deed(seq, event.at, event.id, f"broker: {words}{rests}"))
        elif isinstance(event, Answer) and event.id in self._orders and event.outcome is not Outcome.ACCEPTED:
            words = f"broker on {event.request}: {event.outcome} {event.message}".rstrip()
            self._orders[event.id].deeds.append(Deed(seq, event.at, event.id, words))

    def on_decision(self, seq: int, decision: Decision) -> None:
        """An entry or a refusal begins a walk, requests go on with it."""
        match decision:
            case Submit(role=Role.ENTRY):
                self._begin(seq, decision, decision.order.symbol)
            case Refused():
                self._begin(seq, decision, decision.symbol)
            case Submit(order=order, trade=trade) if trade in self._trades:
                walk = self._trades[trade]
                self._orders.update(dict.fromkeys((name for name, _, _ in order.members(decision.role)), walk))
                prices = "".join(f", {name} {price:.2f}" for name, price in (("stop", order.stop), ("target", order.target)) if price is not None)
                words = f"{order.side} {order.quantity} as {decision.role} ({order.shape}{prices}): {decision.reason}"
                walk.deeds.append(Deed(seq, decision.at, order.id, words))
            case Replace() | Cancel() if decision.trade in self._trades:
                verb = f"move to {decision.price:.2f}" if isinstance(decision, Replace) else "cancel"
                self._trades[decision.trade].deeds.append(Deed(seq, decision.at, decision.id, f"{verb}: {decision.reason}"))
            case Kept(check=no) if decision.trade in self._trades:
                why = f"{no.code} {no.value:.4g} against {no.limit:.4g}: {no.detail}"
                words = f"the {decision.what} does not go to {decision.wanted:.2f} ({decision.reason}): {why}"
                self._trades[decision.trade].deeds.append(Deed(seq, decision.at, decision.trade, words))
            case TradeClosed() if decision.trade in self._trades:
                self._trades[decision.trade].closed = decision

    def _begin(self, seq: int, decision: Submit | Refused, symbol: str) -> None:
        walk = Walk(seq, decision, tuple(self._bars.get(symbol, ())))
        self.walks.append(walk)
        if isinstance(decision, Submit):
            self._trades[decision.trade] = walk
            self._orders.update(dict.fromkeys((name for name, _, _ in decision.order.members(decision.role)), walk))
