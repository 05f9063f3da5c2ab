"""Which controls fired in a session, and whether any limit was passed by the books: by the broker's words on fills, not by what the gate believed.

A limit holds where something is entered: what a price does afterwards passes no limit. So each measure is taken when an entry is sent (orders) or a
fill makes a position larger (holdings), at the price of that moment. Source: post-trade controls, RTS 6 article 17.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from pipelines.core.journal import Manifest, Record, decision_of, event_of, manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import moment
from pipelines.core.risk.checks import Code
from pipelines.core.trading.decisions import Decision, Refused, Request, Submit
from pipelines.core.trading.events import AccountState, Event, MarketBar, OrderUpdate
from pipelines.core.trading.orders import Role, Side
from pipelines.core.trading.portfolio import Portfolio

TOLERANCE = 0.02
"""How far a measure may lie beyond its limit, share of the limit: a market order is filled near the price that it was measured at, not at it."""

LARGEST = 5
"""Positions that concentration adds up."""

LIMITS: dict[Code, str] = {
    Code.POSITION_SIZE: "max_position_size",
    Code.POSITIONS: "max_positions",
    Code.GROSS: "max_gross_exposure",
    Code.NET: "max_net_exposure",
    Code.SECTOR: "max_sector_exposure",
    Code.CONCENTRATION: "max_concentration",
    Code.DAILY_LOSS: "max_daily_loss",
    Code.DRAWDOWN: "max_drawdown",
    Code.ORDER_VALUE: "max_order_value",
    Code.ORDER_QUANTITY: "max_order_quantity",
    Code.ORDER_RATE: "max_order_rate",
    Code.ENTRIES: "max_entries",
}
"""Controls whose use the books show, by the limit that they hold."""

CONTROLS = pl.Schema(
    [
        ("control", pl.String),
        ("refused", pl.Int64),
        ("limit", pl.Float64),
        ("peak", pl.Float64),
        ("share", pl.Float64),
        ("at", pl.Datetime("us", "UTC")),
        ("symbol", pl.String),
        ("breached", pl.Boolean),
    ]
)
"""`refused` entries that the control stopped first; `peak` the most that the books show at an entry, `share` that over the limit; when, and in which
symbol. Null where the books do not show it."""


class _Peak(NamedTuple):
    value: float
    at: int
    symbol: str


def report(records: Iterable[Record]) -> pl.DataFrame:
    """Rows of `CONTROLS` for one journal: every control that fired or that the books can measure."""
    lines = iter(records)
    first = next(lines, None)
    if first is None:
        return CONTROLS.to_frame()
    books = _Books(manifest(first))
    for record in lines:
        if record.kind == "event":
            books.hear(event_of(record))
        elif record.kind == "decision":
            books.decided(decision_of(record))
    return books.rows()


class _Books:
    """What a session held and sent, as its journal's events say."""

    def __init__(self, head: Manifest) -> None:
        self._head = head
        self._portfolio: Portfolio | None = None
        self._known: dict[str, tuple[int, float]] = {}
        """Shares of an order that were counted, and their average price."""
        self._peaks: dict[Code, _Peak] = {}
        self._refused = Counter[Code]()
        self._entries = Counter[str]()
        self._sent: deque[int] = deque()

    def hear(self, event: Event) -> None:
        """Prices and fills."""
        match event:
            case AccountState():
                self._portfolio = self._portfolio or Portfolio(start=event.equity)
            case MarketBar(bar) if self._portfolio is not None and not event.late:
                self._portfolio.mark(bar.symbol, bar.close)
            case OrderUpdate() if self._portfolio is not None:
                self._filled(self._portfolio, event)

    def decided(self, decision: Decision) -> None:
        """Orders and refusals."""
        if isinstance(decision, Refused):
            self._refused[decision.check.code] += 1
        if isinstance(decision, Request):
            self._sent.append(decision.at)
            while self._sent[0] <= decision.at - MINUTE:
                self._sent.popleft()
        if isinstance(decision, Submit) and decision.role is Role.ENTRY:
            self._entered(decision)

    def rows(self) -> pl.DataFrame:
        """All of it."""
        return pl.DataFrame([self._row(code) for code in Code if code in LIMITS or self._refused[code]], schema=CONTROLS, orient="row")

    def _entered(self, decision: Submit) -> None:
        order, lineage, at = decision.order, decision.lineage, decision.at
        self._see(Code.ORDER_QUANTITY, order.quantity, at, order.symbol)
        self._see(Code.ORDER_RATE, len(self._sent), at, order.symbol)
        if lineage is not None:
            self._see(Code.ORDER_VALUE, order.quantity * lineage.arrival, at, order.symbol)
            self._entries[lineage.strategy] += 1
            self._see(Code.ENTRIES, self._entries[lineage.strategy], at, order.symbol)
        if self._portfolio is not None:
            book = self._portfolio
            self._see(Code.DAILY_LOSS, max(1 - book.equity / book.start, 0.0), at, order.symbol)
            self._see(Code.DRAWDOWN, max(1 - book.equity / book.peak, 0.0), at, order.symbol)

    def _filled(self, book: Portfolio, event: OrderUpdate) -> None:
        shares, price = event.since(*self._known.get(event.id, (0, 0.0)))
        if shares <= 0:
            return
        self._known[event.id] = event.filled, event.average or 0.0
        before = abs(book.quantity(event.symbol))
        book.fill(event.symbol, shares if event.side is Side.BUY else -shares, price)
        if abs(book.quantity(event.symbol)) > before:
            self._held(book, event)

    def _held(self, book: Portfolio, event: OrderUpdate) -> None:
        equity = book.equity
        values = {symbol: position.quantity * book.prices[symbol] / equity for symbol, position in book.positions.items()}
        sectors = defaultdict[str, float](float)
        for symbol, value in values.items():
            known = self._head.briefing.symbols.get(symbol)
            sectors[known.sector if known is not None else "Unknown"] += abs(value)
        measures = {
            Code.POSITION_SIZE: abs(values[event.symbol]),
            Code.POSITIONS: float(len(values)),
            Code.GROSS: sum(map(abs, values.values())),
            Code.NET: abs(sum(values.values())),
            Code.SECTOR: max(sectors.values()),
            Code.CONCENTRATION: sum(sorted(map(abs, values.values()))[-LARGEST:]),
        }
        for code, value in measures.items():
            self._see(code, value, event.at, event.symbol)

    def _see(self, code: Code, value: float, at: int, symbol: str) -> None:
        if code not in self._peaks or value > self._peaks[code].value:
            self._peaks[code] = _Peak(value, at, symbol)

    def _row(self, code: Code) -> tuple[object, ...]:
        limit = float(getattr(self._head.limits, LIMITS[code])) if code in LIMITS else None
        peak = self._peaks.get(code)
        if limit is None or peak is None:
            return code.value, self._refused[code], limit, None, None, None, None, None if limit is None else False
        breached = peak.value > limit * (1 + TOLERANCE)
        return code.value, self._refused[code], limit, peak.value, peak.value / limit, moment(peak.at), peak.symbol, breached
