"""How a bar fills an order, when nothing finer than the bar is known. Pessimistic where the bar leaves it open.

- A market order fills at the open of the next minute, or at the symbol's last close where it does not trade in that minute, moved against us
  by half the spread: quotes are there when prints are not.
- A stop fills at its price, or at the open where the bar begins beyond it, moved by half the spread.
- A target fills at its price, or at the open where the bar begins beyond it; touching is not enough, the bar must go through by a tick.
- Where one bar reaches both stop and target, the stop came first.
- The bar that fills an entry can also stop it out; it cannot reach its target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.core.errors import DataError
from pipelines.core.market.bars import Bar
from pipelines.core.trading.decisions import Cancel, Decision, Submit
from pipelines.core.trading.events import Answer, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status, leg

TICK = 0.01


@dataclass(slots=True)
class Resting:
    """A pair of exits that waits in the market."""

    side: Side
    quantity: int
    target_id: str
    target: float
    stop_id: str
    stop: float

    @classmethod
    def of(cls, order: Order) -> "Resting":
        """The exits that a bracket or an OCO asks for."""
        if order.target is None or order.stop is None:
            raise DataError(f"expected {order.shape} order {order.id} to have a target and a stop, found {order.target} and {order.stop}")
        bracket = order.shape is Shape.BRACKET
        side = order.side.opposite if bracket else order.side
        target_id = leg(order.id, Role.TARGET) if bracket else order.id
        return cls(side, order.quantity, target_id, order.target, leg(order.id, Role.STOP), order.stop)


@dataclass(slots=True)
class BarVenue:
    """Executes the engine's decisions against bars and answers with the updates that a broker would send.

    `half_spread` is a fraction of the price (0.0002 = 2 basis points).
    """

    half_spread: float = 0.0002
    entries: dict[str, list[Order]] = field(default_factory=dict)
    exits: dict[str, Resting] = field(default_factory=dict)
    closes: dict[str, float] = field(default_factory=dict)
    _fresh: set[str] = field(default_factory=set)
    """Symbols that were entered at the open of the minute at hand."""

    def take(self, decision: Decision, at: int) -> list[Answer | OrderUpdate]:
        """What the broker says at once to a request."""
        if isinstance(decision, Submit):
            return self._submit(decision.order, at)
        if isinstance(decision, Cancel):
            return self._cancel(decision.id, at)
        return []

    def open(self, bars: Mapping[str, Bar], at: int) -> list[OrderUpdate]:
        """What the beginning of a minute does to the waiting market orders; `bars` are the minute's, by symbol."""
        updates: list[OrderUpdate] = []
        for symbol, orders in self.entries.items():
            price = bars[symbol].open if symbol in bars else self.closes.get(symbol)
            if price is None:
                continue
            for order in orders:
                self._fresh.add(symbol)
                updates.append(_filled(order, price * (1 + order.side.sign * self.half_spread), at))
                if order.shape is Shape.BRACKET:
                    self.exits[symbol] = Resting.of(order)
            orders.clear()
        return updates

    def trade(self, bar: Bar, at: int) -> list[OrderUpdate]:
        """What the whole bar does to the symbol's exits."""
        self.closes[bar.symbol] = bar.close
        fresh = bar.symbol in self._fresh
        self._fresh.discard(bar.symbol)
        return self._exit(bar, at, fresh=fresh)

    def _submit(self, order: Order, at: int) -> list[Answer | OrderUpdate]:
        if order.shape is Shape.OCO:
            self.exits[order.symbol] = Resting.of(order)
        else:
            self.entries.setdefault(order.symbol, []).append(order)
        return [Answer(order.id, "submit", Outcome.ACCEPTED, at)]

    def _cancel(self, order_id: str, at: int) -> list[Answer | OrderUpdate]:
        for symbol, orders in self.entries.items():
            for order in [o for o in orders if o.id == order_id]:
                orders.remove(order)
                return [_update(order.id, symbol, order.side, Status.CANCELED, 0, None, at)]
        for symbol, pair in list(self.exits.items()):
            if order_id in {pair.target_id, pair.stop_id}:
                del self.exits[symbol]
                return [_update(i, symbol, pair.side, Status.CANCELED, 0, None, at) for i in (pair.target_id, pair.stop_id)]
        return [Answer(order_id, "cancel", Outcome.REJECTED, at, message="not working")]

    def _exit(self, bar: Bar, at: int, *, fresh: bool) -> list[OrderUpdate]:
        pair = self.exits.get(bar.symbol)
        if pair is None:
            return []
        hit = self._exit_price(pair, bar, fresh=fresh)
        if hit is None:
            return []
        del self.exits[bar.symbol]
        role, price = hit
        filled, dead = (pair.stop_id, pair.target_id) if role is Role.STOP else (pair.target_id, pair.stop_id)
        return [
            _update(filled, bar.symbol, pair.side, Status.FILLED, pair.quantity, price, at),
            _update(dead, bar.symbol, pair.side, Status.CANCELED, 0, None, at),
        ]

    def _exit_price(self, pair: Resting, bar: Bar, *, fresh: bool) -> tuple[Role, float] | None:
        """Which exit the bar reaches and at what price. `down` is the way a long position loses."""
        stop, target, down = pair.stop, pair.target, pair.side is Side.SELL
        if (bar.low <= stop) if down else (bar.high >= stop):
            worst = min(bar.open, stop) if down else max(bar.open, stop)
            return Role.STOP, worst * (1 + pair.side.sign * self.half_spread)
        if not fresh and ((bar.high >= target + TICK) if down else (bar.low <= target - TICK)):
            return Role.TARGET, max(bar.open, target) if down else min(bar.open, target)
        return None


def _filled(order: Order, price: float, at: int) -> OrderUpdate:
    return _update(order.id, order.symbol, order.side, Status.FILLED, order.quantity, price, at)


def _update(order_id: str, symbol: str, side: Side, status: Status, filled: int, average: float | None, at: int) -> OrderUpdate:
    return OrderUpdate(order_id, symbol, side, status, filled, average, at, broker_id=f"bar-{order_id}", event=status.value)
