"""The session's book: positions, profit and equity, marked at the last price. Dollars before fees.

Each trade keeps its own shares (`trades.py`); here they are one position a symbol, as the broker has it.
"""

from dataclasses import dataclass, field

from pipelines.core.compiled import shared


@dataclass(slots=True)
class Position:
    """Signed shares at their average price."""

    quantity: int = 0
    average: float = 0.0


@dataclass(slots=True)
class Portfolio:
    """`start` is the equity that the session began with, everything else follows from fills and prices."""

    start: float
    peak: float = field(init=False)
    """Highest equity so far."""
    realised: float = 0.0
    open_profit: float = 0.0
    """Profit of the open positions at the last prices, kept up to date by every mark and counted anew at every fill."""
    positions: dict[str, Position] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.peak = self.start

    @property
    def equity(self) -> float:
        """Start of the day plus realised plus open profit."""
        return self.start + self.realised + self.open_profit

    def mark(self, symbol: str, price: float) -> None:
        """The symbol's newest price."""
        position = self.positions.get(symbol)
        if position is not None:
            self.open_profit += position.quantity * (price - self.prices[symbol])
            equity = self.equity
            if equity > self.peak:
                self.peak = equity
        self.prices[symbol] = price

    def fill(self, symbol: str, quantity: int, price: float) -> float:
        """Apply a signed fill; the profit it realised. Average cost method: a fill that turns the position closes it first."""
        position = self.positions.setdefault(symbol, Position())
        self.prices.setdefault(symbol, price)
        position.average, profit = averaged(position.quantity, position.average, quantity, price)
        position.quantity += quantity
        if position.quantity == 0:
            del self.positions[symbol]
        self.realised += profit
        self.open_profit = sum(p.quantity * (self.prices[s] - p.average) for s, p in self.positions.items())
        self.peak = max(self.peak, self.equity)
        return profit

    def quantity(self, symbol: str) -> int:
        """Signed shares held."""
        position = self.positions.get(symbol)
        return position.quantity if position else 0


@shared
def averaged(held: int, average: float, quantity: int, price: float) -> tuple[float, float]:
    """Average price after a signed fill, and the profit that it realised."""
    if held * quantity >= 0:
        return (average * abs(held) + price * abs(quantity)) / abs(held + quantity), 0.0
    closed = min(abs(held), abs(quantity))
    turned = (held + quantity) * held < 0
    return price if turned else average, closed * (price - average) * (1 if held > 0 else -1)
