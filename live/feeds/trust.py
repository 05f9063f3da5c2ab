"""Whom to believe in one symbol: two vendors' closes of a minute far apart, or one vendor that keeps missing what the other has."""

from collections.abc import Callable
from typing import NamedTuple

from live.feeds.compare import Comparison, apart
from live.feeds.health import IN_A_ROW
from live.feeds.lead import Suspensions
from pipelines.core.market.bars import SECOND
from pipelines.core.market.session import new_york

PLAINLY = 3.0
"""How many times as far from the last agreed price a vendor's open has to lie as the other's before it is the wrong one."""

Say = Callable[[str, str, str], None]
"""Told the symbol, the vendor that is no longer believed there, or is again, and why."""


class Doubt(NamedTuple):
    """Two vendors contradict each other. `wrong` names the one that is no longer followed, empty where that cannot be told."""

    detail: str
    until: int
    wrong: str = ""


class Trust:
    """All symbols. `limit` in basis points, `back` in seconds."""

    def __init__(self, comparison: Comparison, limit: float, back: float, *, say: Say) -> None:
        self._comparison, self._limit, self._back, self._say = comparison, limit, round(back * SECOND), say
        self._suspensions = Suspensions(back)
        self._agreed: dict[str, float] = {}
        """The last close that both vendors told alike."""
        self._misses: dict[tuple[str, str], list[int]] = {}

    def suspended(self, symbol: str) -> str | None:
        """The vendor that is not followed in this symbol."""
        return self._suspensions.of(symbol)

    @property
    def doubted(self) -> list[str]:
        """Symbols in which a vendor is not followed."""
        return self._suspensions.symbols

    def judge(self, symbol: str, minute: int, at: int) -> Doubt | None:
        """With both copies of a minute there: whether they contradict each other."""
        (one, first), (two, second) = list(self._comparison.copies(minute, symbol).items())[:2]
        distance = apart(second.bar, first.bar)
        if abs(distance) <= self._limit:
            self._agreed[symbol] = first.bar.close
            return None
        said = f"{new_york(minute):%H:%M} closed at {first.bar.close:g} by {one} and at {second.bar.close:g} by {two}"
        detail = f"{said}: {distance:+.0f} bp, {self._limit:g} are allowed"
        wrong, why = self._wrong(symbol, {one: first.bar.open, two: second.bar.open})
        if wrong and self._suspensions.suspend(symbol, wrong, detail):
            self._say(symbol, wrong, f"{detail}; {why}")
            return Doubt(detail, at + self._back, wrong)
        return Doubt(detail, at + self._back)

    def missed(self, symbol: str, vendor: str, minute: int) -> bool:
        """A vendor lacks a minute that the other has; whether that makes the other one be followed."""
        misses = [*self._misses.get((symbol, vendor), []), minute][-IN_A_ROW:]
        self._misses[symbol, vendor] = misses
        in_a_row = len(misses) == IN_A_ROW and misses[-1] - misses[0] == (IN_A_ROW - 1) * 60 * SECOND
        why = f"{vendor} has no bar of {' and '.join(f'{new_york(m):%H:%M}' for m in misses)}, the other vendor has"
        if in_a_row and self._suspensions.suspend(symbol, vendor, why):
            self._say(symbol, vendor, why)
            return True
        return False

    def settle(self, minute: int) -> None:
        """A minute is over: whoever was right again for long enough is followed again."""
        for symbol in self._suspensions.symbols:
            copies = list(self._comparison.copies(minute, symbol).values())
            sound = len(copies) > 1 and abs(apart(copies[1].bar, copies[0].bar)) <= self._limit
            if back := self._suspensions.judge(symbol, sound=sound):
                self._say(symbol, back, f"{back} was right again for {self._back / SECOND:.0f} s")

    def _wrong(self, symbol: str, opens: dict[str, float]) -> tuple[str, str]:
        """The vendor whose price jumped away from what both had agreed on, if the other's did not."""
        if symbol not in self._agreed:
            return "", ""
        agreed = self._agreed[symbol]
        far = {name: abs(price / agreed - 1) * 10_000 for name, price in opens.items()}
        worst, best = max(far, key=lambda name: far[name]), min(far, key=lambda name: far[name])
        if far[worst] <= max(PLAINLY * far[best], self._limit):
            return "", ""
        return worst, f"{worst} opened {far[worst]:.0f} bp from the last price that both told, {best} {far[best]:.0f} bp"
