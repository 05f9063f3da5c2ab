"""Which vendor is followed: as a whole, and in single symbols. Away at once, back only after a while; a feed that flaps does not make us flap."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipelines.core.market.bars import MINUTE, SECOND

MEMORY = 60 * MINUTE
"""How long it is remembered that the first vendor was left: each time doubles what it has to prove."""

DOUBLINGS = 3


class Switch(NamedTuple):
    """From one vendor to the other."""

    left: str
    taken: str
    why: str


class Lead:
    """The vendor that leads. `order` is by preference; `back` are seconds without fault before the first one leads again."""

    def __init__(self, order: Sequence[str], back: float) -> None:
        self.name = order[0]
        self._order, self._back = tuple(order), round(back * SECOND)
        self._well: int | None = None
        self._left: deque[int] = deque()

    def choose(self, faults: Mapping[str, str], at: int) -> Switch | None:
        """With what is wrong with each vendor now (empty: nothing), whether another one leads from here on."""
        first = self._order[0]
        self._well = None if faults[first] else self._well if self._well is not None else at
        if faults[self.name]:
            sound = [name for name in self._order if not faults[name]]
            if not sound:
                return None  # nobody is better
            if self.name == first:
                self._left.append(at)
            return self._take(sound[0], faults[self.name])
        if self.name != first and self._well is not None and at - self._well >= self.patience(at):
            return self._take(first, f"{first} has been without fault for {(at - self._well) / SECOND:.0f} s")
        return None

    def patience(self, at: int) -> int:
        """Nanoseconds without fault that the first vendor needs before it leads again."""
        while self._left and at - self._left[0] > MEMORY:
            self._left.popleft()
        return int(self._back * 2 ** min(max(len(self._left) - 1, 0), DOUBLINGS))

    def _take(self, name: str, why: str) -> Switch:
        switch, self.name = Switch(self.name, name, why), name
        return switch


@dataclass(slots=True)
class Suspension:
    """A vendor that is not followed in one symbol."""

    vendor: str
    why: str
    sound: int = 0
    """Minutes in a row that were right again."""


class Suspensions:
    """By symbol; at most one vendor each, as the other has to be followed."""

    def __init__(self, back: float) -> None:
        self._needed = max(round(back / 60), 1)
        self._of: dict[str, Suspension] = {}

    def of(self, symbol: str) -> str | None:
        """The vendor that is suspended in this symbol."""
        found = self._of.get(symbol)
        return found.vendor if found else None

    def suspend(self, symbol: str, vendor: str, why: str) -> bool:
        """Whether that is new."""
        if (known := self._of.get(symbol)) is not None:
            known.sound = 0
            return False
        self._of[symbol] = Suspension(vendor, why)
        return True

    def judge(self, symbol: str, *, sound: bool) -> str | None:
        """One more minute of a suspended symbol; the vendor that may be followed again after it."""
        found = self._of.get(symbol)
        if found is None:
            return None
        found.sound = found.sound + 1 if sound else 0
        return self._of.pop(symbol).vendor if found.sound >= self._needed else None

    @property
    def symbols(self) -> list[str]:
        """Where one is."""
        return sorted(self._of)
