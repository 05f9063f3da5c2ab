"""How a bar fills an order, when nothing finer than the bar is known. Pessimistic where the bar leaves it open.

- A market order fills at the open of the next minute, or at the symbol's last close where it does not trade in that minute, moved against us
  by half the spread: quotes are there when prints are not.
- A limit entry fills at its limit, or at the open where the bar begins beyond it; touching is not enough, the bar must go through by a tick.
- A stop fills at its price, or at the open where the bar begins beyond it, moved by half the spread.
- A target fills at its price, or at the open where the bar begins beyond it; touching is not enough, the bar must go through by a tick.
- Where one bar reaches both stop and target, the stop came first.
- The bar that fills an entry can also stop it out; it cannot reach its target.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipelines.core.market.bars import Bar
from pipelines.core.trading.decisions import Cancel, Decision, Replace, Submit
from pipelines.core.trading.events import Action, Answer, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status

TICK = 0.01


@dataclass(slots=True)
class Resting:
    """Exits that wait in the market: a stop, and mostly a target with it. `fresh`: its entry was filled in the minute at hand."""

    side: Side
    quantity: int
    prices: dict[Role, float]
    names: dict[Role, str]
    fresh: bool = False

    @classmethod
    def of(cls, order: Order) -> "Resting":
        """The exits that an order brings with it, or is."""
        prices = {role: price for role, price in ((Role.STOP, order.stop), (Role.TARGET, order.target)) if price is not None}
        names = {role: name for name, role, _ in order.members(Role.ENTRY) if role in prices}
        entry = order.shape in {Shape.BRACKET, Shape.OTO}
        return cls(order.side.opposite if entry else order.side, order.quantity, prices, names, fresh=entry)


@dataclass(slots=True)
class BarVenue:
    """Executes the engine's decisions against bars and answers with the updates that a broker would send.

    `half_spread` is a fraction of the price (0.0002 = 2 basis points).
    """

    half_spread: float = 0.0002
    waiting: dict[str, list[Order]] = field(default_factory=dict)
    """Orders that have not been filled yet, by symbol."""
    exits: dict[str, list[Resting]] = field(default_factory=dict)
    closes: dict[str, float] = field(default_factory=dict)

    def take(self, decision: Decision, at: int) -> list[Answer | OrderUpdate]:
        """What the broker says at once to a request."""
        match decision:
            case Submit():
                return self._submit(decision.order, at)
            case Replace():
                return self._replace(decision, at)
            case Cancel():
                return self._cancel(decision.id, at)
        return []

    def open(self, bars: Mapping[str, Bar], at: int) -> list[OrderUpdate]:
        """What the beginning of a minute does to the waiting market orders; `bars` are the minute's, by symbol."""
        updates: list[OrderUpdate] = []
        for symbol in [s for s, orders in self.waiting.items() if orders]:
            price = bars[symbol].open if symbol in bars else self.closes.get(symbol)
            for order in [o for o in self.waiting[symbol] if o.limit is None and price is not None]:
                updates += self._fill(order, (price or 0.0) * (1 + order.side.sign * self.half_spread), at)
        return updates

    def trade(self, bar: Bar, at: int) -> list[OrderUpdate]:
        """What the whole bar does to what rests in its symbol."""
        symbol = bar.symbol
        self.closes[symbol] = bar.close
        updates: list[OrderUpdate] = []
        for order in [o for o in self.waiting.get(symbol, ()) if o.limit is not None]:
            price = _through(order.side, order.limit or 0.0, bar)
            if price is not None:
                updates += self._fill(order, price, at)
        for resting in list(self.exits.get(symbol, ())):
            updates += self._exit(resting, bar, at)
            resting.fresh = False
        return updates

    def _submit(self, order: Order, at: int) -> list[Answer | OrderUpdate]:
        accepted: list[Answer | OrderUpdate] = [Answer(order.id, Action.SUBMIT, Outcome.ACCEPTED, at)]
        if order.shape in {Shape.OCO, Shape.STOP}:
            return [*accepted, *self._rest(order, at)]
        self.waiting.setdefault(order.symbol, []).append(order)
        return accepted

    def _fill(self, order: Order, price: float, at: int) -> Iterator[OrderUpdate]:
        self.waiting[order.symbol].remove(order)
        yield OrderUpdate(order.id, order.symbol, order.side, Status.FILLED, order.quantity, price, at, f"bar-{order.id}", "fill")
        if order.shape is not Shape.SIMPLE:
            yield from self._rest(order, at)

    def _rest(self, order: Order, at: int) -> Iterator[OrderUpdate]:
        resting = Resting.of(order)
        self.exits.setdefault(order.symbol, []).append(resting)
        for role, name in resting.names.items():
            yield _word(name, order.symbol, resting.side, Status.WORKING, at, price=resting.prices[role])

    def _replace(self, wish: Replace, at: int) -> list[Answer | OrderUpdate]:
        for resting in self.exits.get(wish.symbol, ()):
            if resting.names.get(wish.role) == wish.id:
                resting.prices[wish.role] = wish.price
                return [Answer(wish.id, Action.REPLACE, Outcome.ACCEPTED, at)]
        return [Answer(wish.id, Action.REPLACE, Outcome.REJECTED, at, message="not working")]

    def _cancel(self, order_id: str, at: int) -> list[Answer | OrderUpdate]:
        for symbol, orders in self.waiting.items():
            for order in [o for o in orders if o.id == order_id]:
                orders.remove(order)
                return [_word(order.id, symbol, order.side, Status.CANCELED, at)]
        for symbol, exits in self.exits.items():
            for resting in [r for r in exits if order_id in r.names.values()]:
                exits.remove(resting)
                return [_word(name, symbol, resting.side, Status.CANCELED, at) for name in resting.names.values()]
        return [Answer(order_id, Action.CANCEL, Outcome.REJECTED, at, message="not working")]

    def _exit(self, resting: Resting, bar: Bar, at: int) -> Iterator[OrderUpdate]:
        hit = self._exit_price(resting, bar)
        if hit is None:
            return
        role, price = hit
        self.exits[bar.symbol].remove(resting)
        for other, name in resting.names.items():
            if other is role:
                yield OrderUpdate(name, bar.symbol, resting.side, Status.FILLED, resting.quantity, price, at, f"bar-{name}", "fill")
            else:
                yield _word(name, bar.symbol, resting.side, Status.CANCELED, at)

    def _exit_price(self, resting: Resting, bar: Bar) -> tuple[Role, float] | None:
        """Which exit the bar reaches and at what price. `down` is the way a long position loses."""
        stop, target, down = resting.prices[Role.STOP], resting.prices.get(Role.TARGET), resting.side is Side.SELL
        if (bar.low <= stop) if down else (bar.high >= stop):
            worst = min(bar.open, stop) if down else max(bar.open, stop)
            return Role.STOP, worst * (1 + resting.side.sign * self.half_spread)
        price = None if target is None or resting.fresh else _through(resting.side, target, bar)
        return None if price is None else (Role.TARGET, price)


def _through(side: Side, limit: float, bar: Bar) -> float | None:
    """What a limit order gets in this bar; None where the bar does not go through it."""
    if side is Side.SELL:
        return max(bar.open, limit) if bar.high >= limit + TICK else None
    return min(bar.open, limit) if bar.low <= limit - TICK else None


def _word(name: str, symbol: str, side: Side, status: Status, at: int, price: float | None = None) -> OrderUpdate:
    return OrderUpdate(name, symbol, side, status, 0, None, at, f"bar-{name}", status.value, price)
