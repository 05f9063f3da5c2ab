"""Trading halts: when a symbol stands still, and what the tape says at each turn. Halts take whole minutes, so that bars stay whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from live.sim.clock import MINUTE
from live.sim.worlds.sessions import Session

_RATE = 0.02  # of symbols a session
_PAUSE = 5  # minutes of a volatility pause
_NEWS = (20, 60)


@dataclass(frozen=True, slots=True)
class Change:
    """One trading status: its code and the reason's, each with its words."""

    at: int
    code: str
    text: str
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class Halt:
    """From the start of a minute up to the start of another; `volatile` is a single-stock pause, otherwise news is pending."""

    symbol: str
    start: int
    end: int
    volatile: bool

    def changes(self, tape: str) -> list[Change]:
        """The messages of a Nasdaq listing (tape C), or of any other."""
        if self.volatile:
            why, then = ("LUDP", "Volatility Trading Pause"), ("LUDP", "Volatility Trading Pause")
        else:
            why, then = ("T1", "Halt - News Pending"), ("T2", "Halt - News Dissemination")
        if tape == "C":
            first = ("P", "Volatility Trading Pause") if self.volatile else ("H", "Trading Halt")
            middle, last = ("Q", "Quotation Resumption"), ("T", "Trading Resumption")
        else:
            first, middle, last = ("2", "Trading Halt"), ("5", "Price Indication"), ("3", "Resume")
        return [Change(self.start, *first, *why), Change(max(self.start, self.end - MINUTE), *middle, *then), Change(self.end, *last, *then)]


def drawn(symbols: Sequence[str], session: Session, *, seed: int) -> list[Halt]:
    """Now and then one symbol of fifty, at most once a session, never in the first or the last quarter of an hour."""
    found = []
    for symbol in symbols:
        rng = Random(f"{seed}:halt:{symbol}:{session.ordinal}")
        if rng.random() >= _RATE:
            continue
        volatile = rng.random() < 0.7
        length = _PAUSE if volatile else rng.randint(*_NEWS)
        first = rng.randrange(15, session.minutes - 15 - length)
        start = session.open + first * MINUTE
        found.append(Halt(symbol, start, start + length * MINUTE, volatile))
    return sorted(found, key=lambda halt: (halt.start, halt.symbol))
