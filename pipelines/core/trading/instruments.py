"""What the engine knows of one symbol at this moment: its indicators, newest price, quote, halt and band."""

import math
from collections.abc import Iterator

from pipelines.core.briefing import SymbolBrief
from pipelines.core.market import indicators
from pipelines.core.market.bars import MINUTE, Bar, Print, Quote
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk.checks import Facts


class Instrument:
    """One symbol. `ready` are the indicators of the coming bars where somebody has computed them all at once (the same function, compiled)."""

    __slots__ = ("_before", "_ready", "_state", "_taints", "bar", "brief", "halted", "high", "last_close", "low", "price", "quote", "seen", "values")

    def __init__(self, brief: SymbolBrief, ready: Iterator[Indicators] | None = None) -> None:
        self.brief = brief
        self.bar: Bar | None = None
        self.last_close: float | None = None
        """Close of the regular session's newest bar."""
        self.values: Indicators | None = None
        self.price = math.nan
        self.seen = 0
        self.quote: Quote | None = None
        self.halted = ""
        self.low, self.high = 0.0, math.inf
        self._taints: dict[str, int] = {}
        """Until when each doubt keeps entries away."""
        self._ready = ready
        self._state = list(brief.seed) if brief.seed else indicators.fresh()
        self._before: list[float] = []

    def step(self, bar: Bar, day: int, opened: int) -> Indicators:
        """Take in the next bar of the session that opened then."""
        self.bar = bar
        if self._ready is not None:
            self.values = values = next(self._ready)
            return values
        self._before = self._state[:]
        minute = (bar.start - opened) // MINUTE
        self.values = values = indicators.step(self._state, day, minute, bar.high, bar.low, bar.close, bar.volume, bar.vwap)
        return values

    def revise(self, bar: Bar, day: int, opened: int) -> bool:
        """Take the newest bar again as it was corrected; False where it is not the newest: what came after stands on the old one."""
        if self.bar is None or self.bar.start != bar.start or not self._before:
            return False
        self._state = self._before
        self.step(bar, day, opened)
        return True

    def trade(self, trade: Print) -> bool:
        """A trade as the newest price, unless its conditions forbid it; whether it was taken."""
        if trade.counts and trade.at >= self.seen:
            self.price, self.seen = trade.price, trade.at
            return True
        return False

    def halt(self, reason: str) -> None:
        """Halted for this reason, or trading again where it is empty: the reopening sets new bands."""
        self.halted = reason
        if not reason:
            self.low, self.high = 0.0, math.inf

    def taint(self, why: str, until: int, at: int) -> bool:
        """Doubted until then, or no longer for this reason where that is over already; whether that is news."""
        news = until > at >= self._taints.get(why, 0)
        self._taints = {known: end for known, end in self._taints.items() if end > at}
        if until > at:
            self._taints[why] = max(until, self._taints.get(why, 0))
        else:
            self._taints.pop(why, None)
        return news

    def tainted(self, at: int) -> str:
        """Why nothing may be entered, of several the doubt that lasts longest; empty where there is none."""
        return max(((until, why) for why, until in self._taints.items() if until > at), default=(0, ""))[1] if self._taints else ""

    def facts(self, side: int, at: int) -> Facts:
        """What the gate has to know for an entry on this side."""
        quote = self.quote
        shown = (quote.ask_size if side > 0 else quote.bid_size) if quote is not None and quote.usable else None
        return Facts(self.price, self.seen, self.halted, self.tainted(at), self.low, self.high, shown)
