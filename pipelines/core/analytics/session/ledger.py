"""A session's journal as tables: what was wanted, sent, filled, refused and earned. The same tables whichever reader asks."""

import json
import math
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import polars as pl

from pipelines.core.journal import Manifest, Record, decision_of, encode, event_of, manifest
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import moment
from pipelines.core.trading.decisions import Cancel, Decision, Kept, Noticed, Refused, Replace, StateChanged, Submit, TradeClosed
from pipelines.core.trading.events import AccountState, Action, Answer, Event, MarketBar, OrderUpdate
from pipelines.core.trading.orders import Role, Side, leg
from pipelines.core.trading.portfolio import Portfolio

STAMP = pl.Datetime("us", "UTC")

SCHEMAS: dict[str, dict[str, Any]] = {
    "runs": {
        "session": pl.Date, "run": pl.String, "mode": pl.String, "account": pl.String, "speed": pl.Float64, "strategies": pl.String,
        "code": pl.String, "briefing": pl.String, "limits": pl.String, "origin": pl.String, "regime": pl.String,
    },
    "orders": {
        "session": pl.Date, "run": pl.String, "order": pl.String, "trade": pl.String, "symbol": pl.String, "side": pl.String, "role": pl.String,
        "shape": pl.String, "quantity": pl.Int64, "limit": pl.Float64, "target": pl.Float64, "stop": pl.Float64, "status": pl.String,
        "filled": pl.Int64, "average": pl.Float64, "arrival": pl.Float64, "reference": pl.Float64, "last": pl.Float64,
        "received_at": STAMP, "submitted_at": STAMP, "decided_at": STAMP, "durable_at": STAMP, "sent_at": STAMP, "answered_at": STAMP,
        "answer": pl.String, "filled_at": STAMP, "updated_at": STAMP,
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
        "r": pl.Float64, "reason": pl.String, "regime": pl.String, "arrival": pl.Float64, "stop": pl.Float64, "target": pl.Float64,
        "atr": pl.Float64, "mae": pl.Float64, "mfe": pl.Float64,
    },
    "equity": {
        "session": pl.Date, "run": pl.String, "at": STAMP, "equity": pl.Float64, "realised": pl.Float64, "open": pl.Float64, "gross": pl.Float64,
        "heat": pl.Float64, "positions": pl.Int64,
    },
}  # fmt: skip


def tables(records: Iterable[Record]) -> dict[str, pl.DataFrame]:
    """The tables of `SCHEMAS` for one journal; times UTC, money in dollars, one equity row a minute, limits and parameters as JSON.

    `orders`: `arrival` is the price at the entry's decision, `reference` what the order itself is measured against (an exit that rests: its own
    price), `last` the market's price when it ended. Its stages: the event that led to it was received (`received_at`), it was decided, durable in
    the journal, sent, answered, filled for the first time (`filled_at`); null where the runner did not write one down. `trades`: `mae` and `mfe`
    are the farthest that the market went against the entry and for it while it was held, dollars a share: whole minutes, and the fills themselves.
    """
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
        elif record.kind in {"durable", "sent"}:
            book.on_stage(record)
    return book.frames()


def empty() -> dict[str, pl.DataFrame]:
    """The same tables without a row."""
    return {name: pl.DataFrame(schema=schema) for name, schema in SCHEMAS.items()}


class _Path:
    """Where a trade's market has been since its first fill, dollars; and what its entry was decided on."""

    __slots__ = ("entry", "highest", "lowest", "opened")

    def __init__(self, entry: Submit) -> None:
        self.entry, self.opened = entry, 0
        self.highest, self.lowest = -math.inf, math.inf

    def see(self, low: float, high: float) -> None:
        """Prices between these were there."""
        self.lowest, self.highest = min(self.lowest, low), max(self.highest, high)

    def excursions(self, entry: float, sign: int) -> tuple[float, float]:
        """The farthest that it went against the entry and for it, dollars a share, neither below zero."""
        worst, best = (self.lowest, self.highest) if sign > 0 else (self.highest, self.lowest)
        return max((entry - worst) * sign, 0.0), max((best - entry) * sign, 0.0)


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
        self.paths: dict[str, _Path] = {}
        """Entries by trade, until it is over."""
        self.held: dict[str, list[_Path]] = {}
        """Those with shares, by symbol."""
        self.at = self.received = 0
        self.feeds: dict[str, str] = {}
        """Who told the last bar of each symbol."""

    def on_event(self, event: Event) -> None:
        """The next event."""
        self.received = self.at = event.at
        if isinstance(event, MarketBar):  # nearly all of them are
            if self.portfolio is not None and not event.late:
                self._mark(event, self.portfolio)
        elif isinstance(event, OrderUpdate):
            if event.id in self.orders:
                self._fill(self.orders[event.id], event)
        elif isinstance(event, Answer):
            self._answered(event)
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

    def on_stage(self, record: Record) -> None:
        """When a request was decided and durable, or when it was sent: the stages that only the runner sees."""
        for name in record.data["ids"] if record.kind == "durable" else (record.data["id"],):
            for order in self._request(name):
                if record.kind == "durable":
                    order |= {"decided_at": moment(record.data["decided"]), "durable_at": moment(record.at)}
                else:
                    order["sent_at"] = moment(record.at)

    def frames(self) -> dict[str, pl.DataFrame]:
        """All that was read so far, as the tables of `SCHEMAS`."""
        rows = {
            "runs": [self._run()],
            "orders": list(self.orders.values()),
            "fills": self.fills,
            "decisions": self.decisions,
            "trades": self.trades,
            "equity": [*self.equity, *([self._row(self.at, self.portfolio)] if self.portfolio is not None and self.equity else [])],
        }
        key = {"session": self.session, "run": self.head.run}
        return {name: pl.DataFrame([key | row for row in rows[name]], schema=schema) for name, schema in SCHEMAS.items()}

    def _run(self) -> dict[str, Any]:
        head = self.head
        strategies = json.dumps([employed.model_dump(mode="json") for employed in head.strategies])
        return {n: getattr(head, n) for n in ("mode", "account", "speed", "code")} | {
            "strategies": strategies, "briefing": head.briefing.version, "limits": head.limits.model_dump_json(),
            "origin": head.briefing.origin.value, "regime": head.briefing.regime.name.value,
        }  # fmt: skip

    def _order(self, decision: Submit) -> None:
        order, lineage = decision.order, decision.lineage
        common = {
            "trade": decision.trade, "symbol": order.symbol, "shape": order.shape.value, "quantity": order.quantity, "limit": order.limit,
            "target": order.target, "stop": order.stop, "status": "sent", "filled": 0, "average": None,
            "arrival": lineage.arrival if lineage else None, "received_at": moment(self.received),
            "submitted_at": moment(decision.at), "updated_at": moment(decision.at),
            "strategy": lineage.strategy if lineage else None,
            "version": lineage.version if lineage else None, "briefing": self.head.briefing.version,
            "feed": lineage.feed if lineage else self.feeds.get(order.symbol),
            "reason": decision.reason,
        }  # fmt: skip
        if order.stop is not None:
            self.stops[order.symbol] = order.stop
        # What rests is measured against its own price, what takes against the price at which it was decided.
        market = lineage.arrival if lineage else self.portfolio.prices.get(order.symbol) if self.portfolio else None
        references = {Role.STOP: order.stop, Role.TARGET: order.target if order.target is not None else order.limit}
        for order_id, role, side in order.members(decision.role):
            named = {"order": order_id, "role": role.value, "side": side.value, "reference": references.get(role, market)}
            self.orders[order_id] = common | named
        if decision.role is Role.ENTRY:
            self.paths[decision.trade] = _Path(decision)

    def _moved(self, decision: Replace) -> None:
        order = self.orders.get(decision.id)
        if order is not None:
            order[decision.role.value] = order["reference"] = decision.price
            if decision.role is Role.STOP:
                self.stops[decision.symbol] = decision.price

    def _fill(self, order: dict[str, Any], update: OrderUpdate) -> None:
        shares, price = update.since(order["filled"], order["average"] or 0.0)
        if shares:
            names = ("order", "trade", "symbol", "side", "role")
            self.fills.append({n: order[n] for n in names} | {"quantity": shares, "price": price, "at": moment(update.at)})
            order["filled"], order["average"] = update.filled, update.average
            order["filled_at"] = order.get("filled_at") or moment(update.at)
            self._begin(order, price, update.at)
            if self.portfolio:
                self.portfolio.fill(order["symbol"], Side(order["side"]).sign * shares, price)
        order["status"], order["updated_at"] = update.status.value, moment(update.at)
        order["answered_at"] = order.get("answered_at") or moment(update.at)  # a word on it is an answer, if it came first
        if update.status.final and self.portfolio:
            order["last"] = self.portfolio.prices.get(order["symbol"])

    def _begin(self, order: dict[str, Any], price: float, at: int) -> None:
        """Shares moved: from an entry's first ones on the trade's path is followed; every price paid is on it."""
        path = self.paths.get(order["trade"])
        if path is None:
            return
        path.see(price, price)
        if not path.opened and order["role"] == Role.ENTRY.value:
            path.opened = at // MINUTE * MINUTE  # an entry takes place in the first seconds of its minute
            self.held.setdefault(order["symbol"], []).append(path)

    def _answered(self, answer: Answer) -> None:
        """The broker's answer to a request; only of orders is it kept."""
        if answer.request is not Action.SUBMIT:
            return
        for order in self._request(answer.id):
            order["answered_at"], order["answer"] = order.get("answered_at") or moment(answer.at), answer.outcome.value

    def _request(self, name: str) -> Iterator[dict[str, Any]]:
        """The order of this name, and the exits that were sent with it."""
        for order_id in (name, *(leg(name, role) for role in (Role.TARGET, Role.STOP))):
            if order_id in self.orders:
                yield self.orders[order_id]

    def _trade(self, closed: TradeClosed) -> None:
        path = self.paths.pop(closed.trade, None)
        known: dict[str, Any] = {}
        if path is not None:
            self.held[closed.symbol] = [other for other in self.held.get(closed.symbol, []) if other is not path]
            order, lineage = path.entry.order, path.entry.lineage
            known = {"stop": order.stop, "target": order.target}
            known["mae"], known["mfe"] = path.excursions(closed.entry, closed.side.sign)
            known |= {"arrival": lineage.arrival, "atr": lineage.atr} if lineage else {}
        self.trades.append(
            {"trade": closed.trade, "symbol": closed.symbol, "sector": self.head.briefing.symbols[closed.symbol].sector,
             "strategy": closed.strategy, "side": closed.side.value, "quantity": closed.quantity, "opened_at": moment(closed.opened),
             "closed_at": moment(closed.at), "entry": closed.entry, "exit": closed.exit, "profit": closed.profit, "r": closed.r,
             "reason": closed.reason, "regime": self.head.briefing.regime.name.value, **known}
        )  # fmt: skip

    def _mark(self, event: MarketBar, portfolio: Portfolio) -> None:
        """One row a minute, when its first bar arrives: the minute before at its last prices."""
        minute = (event.bar.start - self.open) // MINUTE
        if minute != self.minute:
            self.minute = minute
            self.equity.append(self._row(event.at, portfolio))
        bar = event.bar
        portfolio.mark(bar.symbol, bar.close)
        self.feeds[bar.symbol] = event.feed
        for path in self.held.get(bar.symbol, ()):
            if bar.start >= path.opened:
                path.see(bar.low, bar.high)

    def _row(self, at: int, portfolio: Portfolio) -> dict[str, Any]:
        """How the book stands at its last prices."""
        held = {s: (p.quantity, portfolio.prices[s]) for s, p in portfolio.positions.items()}
        return {
            "at": moment(at), "equity": portfolio.equity, "realised": portfolio.realised, "open": portfolio.open_profit,
            "gross": sum(abs(q) * price for q, price in held.values()), "positions": len(held),
            "heat": sum(max(q * (price - self.stops.get(s, price)), 0.0) for s, (q, price) in held.items()),
        }  # fmt: skip


def _read(decision: Decision) -> tuple[str | None, float | None, float | None, str | None, str]:
    """A decision's code, value, limit, symbol and words, where it has them."""
    match decision:
        case Submit():
            return decision.role.value, float(decision.order.quantity), None, decision.order.symbol, decision.reason
        case Replace():
            return decision.role.value, decision.price, None, decision.symbol, decision.reason
        case Cancel():
            return None, None, None, decision.symbol, decision.reason
        case Refused() | Kept():
            return decision.check.code.value, decision.check.measured, decision.check.limit, decision.symbol, decision.check.detail
        case StateChanged():
            return decision.after.value, None, None, None, decision.reason
        case TradeClosed():
            return None, decision.profit, None, decision.symbol, decision.reason
        case Noticed():
            return decision.code, None, None, None, decision.detail
