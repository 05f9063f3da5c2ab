"""How the recorded market fills an order. Pessimistic wherever the record leaves it open.

Where only bars are known:
- A market order fills at the open of the next minute, or at the symbol's last close where it does not trade in that minute (quotes are there
  when prints are not). It pays half the spread and its footprint (`costs.py`).
- A limit entry fills at its limit where the bar goes through it by a tick; touching is not enough. Where the bar begins beyond it, it takes at
  the open, half the spread included, and never worse than its limit.
- A stop triggers where the bar touches it and takes at its price, or at the open where the bar begins beyond it.
- A target fills at its price where the bar goes through it by a tick, or at the open where the bar begins beyond it.
- Where one bar reaches both stop and target, the stop came first.
- The bar that fills an entry can also stop it out; it cannot reach its target.

Where the trades inside the minute are known, they decide, one by one: a market order takes at the first one, a stop at the one that reaches it,
a limit or a target fills when one goes through it by a tick. So they also tell whether stop or target came first.

However it is known:
- Orders in one symbol get together at most a share of the minute's volume (`Costs.participation`); the rest waits. The exits of a bracket
  begin with its complete fill, as at Alpaca. A stop that was triggered keeps taking until it is done, and its target is off.
- While a symbol is halted nothing fills. Outside a limit-up limit-down band nothing fills, and costs move no price out of it.
- At the session's end what still waits expires.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.core.backtest.costs import Costs
from pipelines.core.briefing import Briefing
from pipelines.core.compiled import shared
from pipelines.core.market.bars import Bar, Print
from pipelines.core.trading.decisions import Cancel, Decision, Replace, Submit
from pipelines.core.trading.events import Action, Answer, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, leg, tick

ENDLESS = 1 << 62
"""Shares, where participation has no bound."""


class Charge(NamedTuple):
    """What one fill cost in its price. `reference` is what the market showed; `spread` and `impact` are dollars for all its shares."""

    order: str
    at: int
    shares: int
    reference: float
    spread: float
    impact: float


@dataclass(slots=True)
class Ticket:
    """One order in the market. `price` is its limit or stop; None takes what there is. `brings`: the bracket whose exits its fill starts."""

    id: str
    symbol: str
    side: Side
    left: int
    price: float | None = None
    brings: Order | None = None
    filled: int = 0
    value: float = 0.0


@dataclass(slots=True)
class Exits:
    """A stop, and mostly a target with it: one cancels the other. `fresh`: their entry was filled in the minute at hand."""

    stop: Ticket
    target: Ticket | None
    fresh: bool

    @classmethod
    def of(cls, order: Order) -> "Exits":
        """The exits that an order brings with it, or is."""
        entry = order.shape in {Shape.BRACKET, Shape.OTO}
        side = order.side.opposite if entry else order.side
        stop = order.id if order.shape is Shape.STOP else leg(order.id, Role.STOP)
        target = leg(order.id, Role.TARGET) if entry else order.id
        far = None if order.target is None else Ticket(target, order.symbol, side, order.quantity, order.target)
        return cls(Ticket(stop, order.symbol, side, order.quantity, order.stop), far, fresh=entry)

    @property
    def tickets(self) -> list[Ticket]:
        """Both, the stop first."""
        return [self.stop] if self.target is None else [self.stop, self.target]


@dataclass(slots=True)
class Venue:
    """Executes the engine's decisions against the record and answers with the updates that a broker would send."""

    costs: Costs = field(default_factory=Costs)
    briefing: Briefing | None = None
    """Where each symbol's spread, volatility and volume are from."""
    waiting: dict[str, list[Ticket]] = field(default_factory=dict)
    """Orders that have not been filled yet, by symbol; no empty lists."""
    exits: dict[str, list[Exits]] = field(default_factory=dict)
    """The same of exits that rest."""
    last: dict[str, Bar] = field(default_factory=dict)
    """Each symbol's newest bar."""
    halted: set[str] = field(default_factory=set)
    bands: dict[str, tuple[float, float]] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    _rooms: dict[str, int] = field(default_factory=dict)
    _rates: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def impatient(self) -> bool:
        """An order that takes has not got all that it wants."""
        return any(ticket.price is None for tickets in self.waiting.values() for ticket in tickets)

    # --- what the engine asks

    def take(self, decision: Decision, at: int) -> list[Answer | OrderUpdate]:
        """What the broker says at once to a request."""
        match decision:
            case Submit(order):
                accepted: list[Answer | OrderUpdate] = [Answer(order.id, Action.SUBMIT, Outcome.ACCEPTED, at)]
                if order.shape in {Shape.OCO, Shape.STOP}:
                    return [*accepted, *self._rest(order, at)]
                brings = None if order.shape is Shape.SIMPLE else order
                self._wait(Ticket(order.id, order.symbol, order.side, order.quantity, order.limit, brings))
                return accepted
            case Replace():
                return self._replace(decision, at)
            case Cancel():
                return self._cancel(decision.id, decision.symbol, at)
        return []

    # --- what the market does

    def open(self, bars: Mapping[str, Bar], at: int, printed: Mapping[str, float] | None = None) -> list[OrderUpdate]:
        """What the beginning of a minute does to the orders that take. `bars` are the minute's by symbol; of the symbols in `printed` (shares in
        the minute) the trades are known, and come one by one.
        """
        self._rooms.clear()
        if not self.waiting:
            return []
        told = printed or {}
        updates: list[OrderUpdate] = []
        for symbol in [s for s in self.waiting if s not in told]:
            bar = bars.get(symbol)
            known = self.last.get(symbol) if bar is None else bar
            if known is None:
                continue
            self._measure(symbol, known.volume)
            for ticket in [t for t in self.waiting[symbol] if t.price is None]:
                updates += self._enter(ticket, known.close if bar is None else bar.open, at, takes=True)
        return updates

    def print(self, trade: Print, volume: float) -> list[OrderUpdate]:
        """What one trade of the market does to all that rests and waits in its symbol; `volume` is that of its minute."""
        symbol, price, at = trade.symbol, trade.price, trade.at
        if not trade.counts or (symbol not in self.waiting and symbol not in self.exits):
            return []
        self._measure(symbol, volume)
        updates: list[OrderUpdate] = []
        for ticket in list(self.waiting.get(symbol, ())):
            if ticket.price is None:
                updates += self._enter(ticket, price, at, takes=True)
            elif beyond(ticket.side.sign, ticket.price, price):
                updates += self._enter(ticket, ticket.price, at, takes=False)
        for exits in list(self.exits.get(symbol, ())):
            exits.fresh = False
            updates += self._leave(exits, price, price, price, at, printed=True)
        return updates

    def trade(self, bar: Bar, at: int) -> list[OrderUpdate]:
        """What the whole bar does to what waits and rests in its symbol."""
        symbol = bar.symbol
        self.last[symbol] = bar
        waiting = self.waiting.get(symbol)
        if waiting is None and symbol not in self.exits:
            return []
        self._measure(symbol, bar.volume)
        updates: list[OrderUpdate] = []
        for ticket in [t for t in waiting if t.price is not None] if waiting else ():
            limit, sign = ticket.price or 0.0, ticket.side.sign
            if (bar.open - limit) * sign <= 0 and beyond(sign, limit, bar.low if sign > 0 else bar.high):
                updates += self._enter(ticket, bar.open, at, takes=True)
            elif beyond(sign, limit, bar.low if sign > 0 else bar.high):
                updates += self._enter(ticket, limit, at, takes=False)
        for exits in list(self.exits.get(symbol, ())):
            updates += self._leave(exits, bar.open, bar.low, bar.high, at, printed=False)
            exits.fresh = False
        return updates

    def halt(self, symbol: str, halted: bool) -> None:
        """Trading stops or goes on; the reopening sets new bands."""
        if halted:
            self.halted.add(symbol)
        else:
            self.halted.discard(symbol)
            self.bands.pop(symbol, None)

    def close(self, at: int) -> list[OrderUpdate]:
        """The session is over: day orders expire."""
        gone = [t for tickets in self.waiting.values() for t in tickets]
        gone += [t for exits in self.exits.values() for pair in exits for t in pair.tickets]
        self.waiting.clear()
        self.exits.clear()
        return [_word(ticket, Status.EXPIRED, at) for ticket in gone]

    # --- fills

    def _enter(self, ticket: Ticket, price: float, at: int, *, takes: bool) -> Iterator[OrderUpdate]:
        """Fill what waits, as far as there is room; the exits that a bracket brings begin with its last share."""
        update = self._fill(ticket, price, at, takes=takes)
        if update is None:
            return
        yield update
        if ticket.left:
            return
        self._drop(ticket)
        if ticket.brings is not None:
            yield from self._rest(ticket.brings, at)

    def _leave(self, exits: Exits, first: float, low: float, high: float, at: int, *, printed: bool) -> Iterable[OrderUpdate]:
        """Whether a stretch of the market from `first` between `low` and `high` reaches the stop, or else the target. One trade is no better
        for a target than its price; the beginning of a minute may be.
        """
        stop, target = exits.stop, exits.target
        sign, price = stop.side.sign, stop.price or 0.0
        limit = 0.0 if target is None else target.price or 0.0
        if touched(sign, price, low, high):
            return self._trigger(exits, no_better(sign, price, first), at)
        if target is None or exits.fresh or not beyond(sign, limit, low if sign > 0 else high):
            return ()
        update = self._fill(target, limit if printed else no_worse(sign, limit, first), at, takes=False)
        if update is None:
            return ()
        stop.left = target.left  # the broker takes from the stop what its target has sold
        if target.left:
            return [update]
        self._forget(exits)
        return [update, _word(stop, Status.CANCELED, at)]

    def _trigger(self, exits: Exits, price: float, at: int) -> Iterator[OrderUpdate]:
        """The stop becomes an order that takes. While nothing can be traded it stays what it is."""
        stop = exits.stop
        if self._barred(stop.symbol, price):
            return
        update = self._fill(stop, price, at, takes=True)
        self._forget(exits)
        if stop.left:
            stop.price = None
            self._wait(stop)
        if update is not None:
            yield update
        if exits.target is not None:
            yield _word(exits.target, Status.CANCELED, at)

    def _fill(self, ticket: Ticket, price: float, at: int, *, takes: bool) -> OrderUpdate | None:
        """Shares at this price, or near it where the order takes; None where there are none to be had."""
        symbol, sign = ticket.symbol, ticket.side.sign
        shares = min(ticket.left, self._rooms[symbol])
        if shares < 1 or self._barred(symbol, price):
            return None
        spread = impact = 0.0
        paid = price
        if takes:
            half, root = self._rate(symbol)
            spread, impact = burden(price, half, root, ticket.left + ticket.filled)
            paid = self._inside(symbol, price + sign * (spread + impact))
            if ticket.price is not None and ticket.brings is not None:
                paid = min(paid, ticket.price) if sign > 0 else max(paid, ticket.price)
            cost = (paid - price) * sign
            spread, impact = min(spread, cost), max(cost - spread, 0.0)
        self._rooms[symbol] -= shares
        ticket.left -= shares
        ticket.filled += shares
        ticket.value += shares * paid
        self.charges.append(Charge(ticket.id, at, shares, price, shares * spread, shares * impact))
        average = paid if ticket.filled == shares else ticket.value / ticket.filled
        return _word(ticket, Status.WORKING if ticket.left else Status.FILLED, at, average)

    def _measure(self, symbol: str, volume: float) -> None:
        """What our orders in the symbol may have of this minute."""
        if symbol not in self._rooms:
            share = self.costs.participation
            self._rooms[symbol] = ENDLESS if share is None else math.floor(share * volume)

    def _rate(self, symbol: str) -> tuple[float, float]:
        found = self._rates.get(symbol)
        if found is None:
            briefing = self.briefing
            brief = None if briefing is None else briefing.symbols.get(symbol)
            found = self._rates[symbol] = self.costs.rates(brief, 0.0 if briefing is None else self.costs.footprint(briefing))
        return found

    def _barred(self, symbol: str, price: float) -> bool:
        low, high = self.bands.get(symbol, (0.0, math.inf))
        return symbol in self.halted or not low <= price <= high

    def _inside(self, symbol: str, price: float) -> float:
        low, high = self.bands.get(symbol, (0.0, math.inf))
        return min(max(price, low), high)

    # --- what is in the market

    def _wait(self, ticket: Ticket) -> None:
        self.waiting.setdefault(ticket.symbol, []).append(ticket)

    def _drop(self, ticket: Ticket) -> None:
        tickets = self.waiting[ticket.symbol]
        tickets.remove(ticket)
        if not tickets:
            del self.waiting[ticket.symbol]

    def _forget(self, exits: Exits) -> None:
        symbol = exits.stop.symbol
        self.exits[symbol].remove(exits)
        if not self.exits[symbol]:
            del self.exits[symbol]

    def _rest(self, order: Order, at: int) -> Iterator[OrderUpdate]:
        exits = Exits.of(order)
        self.exits.setdefault(order.symbol, []).append(exits)
        for ticket in exits.tickets:
            yield _word(ticket, Status.WORKING, at)

    def _replace(self, wish: Replace, at: int) -> list[Answer | OrderUpdate]:
        for exits in self.exits.get(wish.symbol, ()):
            for ticket in exits.tickets:
                if ticket.id == wish.id:
                    ticket.price = wish.price
                    return [Answer(wish.id, Action.REPLACE, Outcome.ACCEPTED, at)]
        return [Answer(wish.id, Action.REPLACE, Outcome.REJECTED, at, message="not working")]

    def _cancel(self, order_id: str, symbol: str, at: int) -> list[Answer | OrderUpdate]:
        for ticket in self.waiting.get(symbol, ()):
            if ticket.id == order_id:
                self._drop(ticket)
                return [_word(ticket, Status.CANCELED, at)]
        for exits in self.exits.get(symbol, ()):
            if order_id in {ticket.id for ticket in exits.tickets}:
                self._forget(exits)
                return [_word(ticket, Status.CANCELED, at) for ticket in exits.tickets]
        return [Answer(order_id, Action.CANCEL, Outcome.REJECTED, at, message="not working")]


# --- the rules as numbers; `sign` is the order's side


@shared
def beyond(sign: int, limit: float, price: float) -> bool:
    """The market went through the limit by a tick."""
    return price <= limit - tick(limit) if sign > 0 else price >= limit + tick(limit)


@shared
def touched(sign: int, stop: float, low: float, high: float) -> bool:
    """The market between low and high reached the stop."""
    return high >= stop if sign > 0 else low <= stop


@shared
def no_better(sign: int, stop: float, first: float) -> float:
    """Where a triggered stop is: at its price, or at the beginning where that lies beyond it."""
    return max(first, stop) if sign > 0 else min(first, stop)


@shared
def no_worse(sign: int, limit: float, first: float) -> float:
    """Where a limit that was gone through is: at its price, or at the beginning where that lies beyond it."""
    return min(first, limit) if sign > 0 else max(first, limit)


@shared
def burden(reference: float, half: float, root: float, shares: int) -> tuple[float, float]:
    """Spread and footprint in the price of an order that takes, dollars a share (`Costs.rates`)."""
    return reference * half, reference * root * math.sqrt(shares)


def _word(ticket: Ticket, status: Status, at: int, average: float | None = None) -> OrderUpdate:
    """The broker's word on an order: what it has filled in all, and where it rests while it does."""
    told = average if average is not None or not ticket.filled else ticket.value / ticket.filled
    event = {Status.FILLED: "fill", Status.WORKING: "partial_fill" if ticket.filled else "new"}.get(status, status.value)
    price = ticket.price if status is Status.WORKING else None
    return OrderUpdate(ticket.id, ticket.symbol, ticket.side, status, ticket.filled, told, at, f"bar-{ticket.id}", event, price)
