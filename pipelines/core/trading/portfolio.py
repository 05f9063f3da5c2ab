"""Positions and profit of one session, marked at the last price. Dollars before fees."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Position:
    """Signed shares at their average price."""

    quantity: int = 0
    average: float = 0.0


@dataclass(slots=True)
class Portfolio:
    """The session's book: `start` is the equity that it began with, everything else follows from fills and prices."""

    start: float
    realised: float = 0.0
    positions: dict[str, Position] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)

    def fill(self, symbol: str, quantity: int, price: float) -> float:
        """Apply a signed fill; the profit it realised. Average cost method: a fill that turns the position closes it first."""
        position = self.positions.setdefault(symbol, Position())
        held = position.quantity
        self.prices.setdefault(symbol, price)
        if held * quantity >= 0:
            position.average = (position.average * abs(held) + price * abs(quantity)) / abs(held + quantity)
            position.quantity = held + quantity
            return 0.0
        closed = min(abs(held), abs(quantity))
        profit = closed * (price - position.average) * (1 if held > 0 else -1)
        position.quantity = held + quantity
        self.realised += profit
        if position.quantity * held < 0:
            position.average = price
        if position.quantity == 0:
            del self.positions[symbol]
        return profit

    @property
    def open_profit(self) -> float:
        """Profit of the open positions at the last prices."""
        return sum(p.quantity * (self.prices[symbol] - p.average) for symbol, p in self.positions.items())

    @property
    def equity(self) -> float:
        """Start of the day plus realised plus open profit."""
        return self.start + self.realised + self.open_profit

    def quantity(self, symbol: str) -> int:
        """Signed shares held."""
        position = self.positions.get(symbol)
        return position.quantity if position else 0
