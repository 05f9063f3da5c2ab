"""A session's journal as tables: what was wanted, sent, filled, refused and earned. The same tables whichever reader asks."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl

from pipelines.core.journal import Manifest, Record, decision_of, encode, event_of, manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Cancel, Decision, Noticed, Refused, Replace, StateChanged, Submit, TradeClosed
from pipelines.core.trading.events import AccountState, Event, MarketBar, OrderUpdate
from pipelines.core.trading.orders import Role, Side
from pipelines.core.trading.portfolio import Portfolio

STAMP = pl.Datetime("us", "UTC")

SCHEMAS: dict[str, dict[str, Any]] = {
    "runs": {
        "session": pl.Date, "run": pl.String, "mode": pl.String, "account": pl.String, "strategies": pl.String, "code": pl.String,
        "briefing": pl.String, "limits": pl.String,
    },
    "orders": {
        "session": pl.Date, "run": pl.String, "order": pl.String, "trade": pl.String, "symbol": pl.String, "side": pl.String, "role": pl.String,
        "shape": pl.String, "quantity": pl.Int64, "limit": pl.Float64, "target": pl.Float64, "stop": pl.Float64, "status": pl.String,
        "filled": pl.Int64, "average": pl.Float64, "arrival": pl.Float64, "submitted_at": STAMP, "updated_at": STAMP,
        "strategy": pl.String, "version": pl.String, "briefing": pl.String, "feed": pl.String, "reason": pl.String,
    },
    "fills": {
        "session": pl.Date, "run": pl.String, "order": pl.String, "trade": pl.String, "symbol": pl.String, "side": pl.String, "role": pl.String,
        "quantity": pl.Int64, "price": pl.Float64, "at": STAMP,
    },
    "decisions": {
        "session": pl.Date, "run": pl.String, "seq": pl.Int64, "at": STAMP, "kind": pl.String, "symbol": pl.String, "code": pl.String,
        "value": pl.Float64, "limit": pl.Float64, "detail": pl.String, "data": pl.String,
    },
    "trades": {
        "session": pl.Date, "run": pl.String, "trade": pl.String, "symbol": pl.String, "sector": pl.String, "strategy": pl.String, "side": pl.String,
        "quantity": pl.Int64, "opened_at": STAMP, "closed_at": STAMP, "entry": pl.Float64, "exit": pl.Float64, "profit": pl.Float64,
        "r": pl.Float64, "reason": pl.String,
    },
    "equity": {
        "session": pl.Date, "run": pl.String, "at": STAMP, "equity": pl.Float64, "realised": pl.Float64, "open": pl.Float64, "gross": pl.Float64,
        "heat": pl.Float64, "positions": pl.Int64,
    },
}  # fmt: skip


def tables(records: Iterable[Record]) -> dict[str, pl.DataFrame]:
    """The tables of `SCHEMAS` for one journal; times UTC, money in dollars, one equity row a minute, limits and parameters as JSON."""
    rows = iter(records)
    first = next(rows, None)
    if first is None:
        return empty()
    book = Ledger(manifest(first))
    for record in rows:
        if record.kind == "event":
            book.on_event(event_of(record))
        elif record.kind == "decision":
            book.on_decision(record.seq, decision_of(record))
    return book.frames()


def empty() -> dict[str, pl.DataFrame]:
    """The same tables without a row."""
    return {name: pl.DataFrame(schema=schema) for name, schema in SCHEMAS.items()}


class Ledger:
    """Walks a journal once. All of it follows from records: requests, the broker's words and prices; no engine is asked."""

    def __init__(self, head: Manifest) -> None:
        self.head = head
        self.session: date = head.session
        self.open = head.briefing.hours.open
        self.portfolio: Portfolio | None = None
        self.stops: dict[str, float] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.equity: list[dict[str, Any]] = []
        self.minute = -1

    def on_event(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, MarketBar):  # nearly all of them are
            if self.portfolio is not None and not event.late:
                self._mark(event, self.portfolio)
        elif isinstance(event, OrderUpdate):
            if event.id in self.orders:
                self._fill(self.orders[event.id], event)
        elif isinstance(event, AccountState):
            self.portfolio = self.portfolio or Portfolio(start=event.equity)

    def on_decision(self, seq: int, decision: Decision) -> None:
        """The next decision, with its place in the journal."""
        code, value, limit, symbol, detail = _read(decision)
        self.decisions.append(
            {"seq": seq, "at": moment(decision.at), "kind": decision.kind, "symbol": symbol, "code": code, "value": value, "limit": limit,
             "detail": detail, "data": encode(decision).decode()}
        )  # fmt: skip
        if isinstance(decision, Submit):
            self._order(decision)
        elif isinstance(decision, Replace):
            self._moved(decision)
        elif isinstance(decision, TradeClosed):
            self._trade(decision)

    def frames(self) -> dict[str, pl.DataFrame]:
        """All that was read so far, as the tables of `SCHEMAS`."""
        rows = {
            "runs": [self._run()],
            "orders": list(self.orders.values()),
            "fills": self.fills,
            "decisions": self.decisions,
            "trades": self.trades,
            "equity": self.equity,
        }
        key = {"session": self.session, "run": self.head.run}
        return {name: pl.DataFrame([key | row for row in rows[name]], schema=schema) for name, schema in SCHEMAS.items()}

    def _run(self) -> dict[str, Any]:
        head = self.head
        strategies = json.dumps([employed.model_dump(mode="json") for employed in head.strategies])
        return {n: getattr(head, n) for n in ("mode", "account", "code")} | {
            "strategies": strategies, "briefing": head.briefing.version, "limits": head.limits.model_dump_json(),
        }  # fmt: skip

    def _order(self, decision: Submit) -> None:
        order, lineage = decision.order, decision.lineage
        common = {
            "trade": decision.trade, "symbol": order.symbol, "shape": order.shape.value, "quantity": order.quantity, "limit": order.limit,
            "target": order.target, "stop": order.stop, "status": "sent", "filled": 0, "average": None,
            "arrival": lineage.arrival if lineage else None, "submitted_at": moment(decision.at), "updated_at": moment(decision.at),
            "strategy": lineage.strategy if lineage else None,
            "version": lineage.version if lineage else None, "briefing": self.head.briefing.version, "feed": lineage.feed if lineage else None,
            "reason": decision.reason,
        }  # fmt: skip
        if order.stop is not None:
            self.stops[order.symbol] = order.stop
        for order_id, role, side in order.members(decision.role):
            self.orders[order_id] = common | {"order": order_id, "role": role.value, "side": side.value}

    def _moved(self, decision: Replace) -> None:
        order = self.orders.get(decision.id)
        if order is not None:
            order[decision.role.value] = decision.price
            if decision.role is Role.STOP:
                self.stops[decision.symbol] = decision.price

    def _fill(self, order: dict[str, Any], update: OrderUpdate) -> None:
        shares, price = update.since(order["filled"], order["average"] or 0.0)
        if shares:
            names = ("order", "trade", "symbol", "side", "role")
            self.fills.append({n: order[n] for n in names} | {"quantity": shares, "price": price, "at": moment(update.at)})
            order["filled"], order["average"] = update.filled, update.average
            if self.portfolio:
                self.portfolio.fill(order["symbol"], Side(order["side"]).sign * shares, price)
        order["status"], order["updated_at"] = update.status.value, moment(update.at)

    def _trade(self, closed: TradeClosed) -> None:
        self.trades.append(
            {"trade": closed.trade, "symbol": closed.symbol, "sector": self.head.briefing.symbols[closed.symbol].sector,
             "strategy": closed.strategy, "side": closed.side.value, "quantity": closed.quantity, "opened_at": moment(closed.opened),
             "closed_at": moment(closed.at), "entry": closed.entry, "exit": closed.exit, "profit": closed.profit, "r": closed.r,
             "reason": closed.reason}
        )  # fmt: skip

    def _mark(self, event: MarketBar, portfolio: Portfolio) -> None:
        """One row a minute, when its first bar arrives: the minute before at its last prices."""
        minute = (event.bar.start - self.open) // MINUTE
        if minute != self.minute:
            self.minute = minute
            held = {s: (p.quantity, portfolio.prices[s]) for s, p in portfolio.positions.items()}
            self.equity.append(
                {"at": moment(event.at), "equity": portfolio.equity, "realised": portfolio.realised, "open": portfolio.open_profit,
                 "gross": sum(abs(q) * price for q, price in held.values()), "positions": len(held),
                 "heat": sum(max(q * (price - self.stops.get(s, price)), 0.0) for s, (q, price) in held.items())}
            )  # fmt: skip
        portfolio.mark(event.bar.symbol, event.bar.close)


def _read(decision: Decision) -> tuple[str | None, float | None, float | None, str | None, str]:
    """A decision's code, value, limit, symbol and words, where it has them."""
    match decision:
        case Submit():
            return decision.role.value, float(decision.order.quantity), None, decision.order.symbol, decision.reason
        case Replace():
            return decision.role.value, decision.price, None, decision.symbol, decision.reason
        case Cancel():
            return None, None, None, decision.symbol, decision.reason
        case Refused():
            return decision.check.code.value, decision.check.value, decision.check.limit, decision.symbol, decision.check.detail
        case StateChanged():
            return decision.after.value, None, None, None, decision.reason
        case TradeClosed():
            return None, decision.profit, None, decision.symbol, decision.reason
        case Noticed():
            return decision.code, None, None, None, decision.detail
