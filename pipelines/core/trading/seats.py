"""A strategy's place at the table: its budget, its trades, its count of entries and its losing streak."""

from dataclasses import dataclass, field

from msgspec import Struct

from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.decisions import Noticed
from pipelines.core.trading.strategy import Strategy
from pipelines.core.trading.trades import Trade


class Allocation(Struct, frozen=True):
    """A strategy, the hash of its code and parameters, and the share of the gross exposure that it may use (None: no bound of its own)."""

    strategy: Strategy
    version: str
    budget: float | None = None


@dataclass(slots=True)
class Streak:
    """Losses in a row of a symbol or a strategy, and until when it rests for that."""

    losses: int = 0
    until: int = 0
    reached: int = 0
    """Losses that sent it to rest."""

    def closed(self, profit: float, most: int, rest: int, at: int) -> bool:
        """A trade ended; whether that sends it to rest, counted from the minute in which it ended. A gain, or a rest, ends the streak."""
        self.losses = self.losses + 1 if profit < 0 else 0
        if self.losses < most:
            return False
        self.until, self.reached, self.losses = at - at % MINUTE + rest, self.losses, 0
        return True


@dataclass(slots=True)
class Seat:
    """What one owner of trades (a strategy, or people) has done today."""

    name: str
    allocation: Allocation | None
    trades: dict[str, Trade] = field(default_factory=dict)
    """Open ones by symbol."""
    entries: dict[str, int] = field(default_factory=dict)
    count: int = 0
    streak: Streak = field(default_factory=Streak)
    stopped: str = ""
    """Why it may not enter until a person lets it; empty where it may."""
    failed: bool = False
    """Its strategy has raised since a person last let it go on."""

    def entered(self, trade: Trade, limits: Limits) -> None:
        """A trade begins."""
        self.trades[trade.symbol] = trade
        self.entries[trade.symbol] = self.entries.get(trade.symbol, 0) + 1
        self.count += 1
        if self.count >= limits.max_entries:
            self.stopped = f"{self.count} entries today: a person has to let {self.name} go on"

    def fail(self, error: Exception, symbol: str, at: int) -> list[Noticed]:
        """Its strategy has raised, or answered nonsense: it enters no more, what it holds keeps its exits. Told once; it goes on being asked."""
        if self.failed:
            return []
        self.failed, self.stopped = True, f"{self.name} failed on {symbol}: {type(error).__name__}: {error}"
        return [Noticed("STRATEGY_FAILED", self.stopped, at)]

    def release(self) -> None:
        """A person lets it go on."""
        self.stopped, self.count, self.failed = "", 0, False
        self.streak = Streak()


def rest(limits: Limits) -> int:
    """Nanoseconds of rest after a losing streak."""
    return limits.cooldown * MINUTE
