"""Strategies that use what they cannot know are found out; those that are registered use nothing of the kind."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from market import SECTORS, briefing_of, day_bars
from pydantic import PrivateAttr

from pipelines import roster
from pipelines.core.backtest.lookahead import Finding, Make, examine
from pipelines.core.market.bars import Bar
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Enter, Intent, Leave, Needs, Strategy, View

BARS = day_bars(tuple(SECTORS)[:3])
STARTS = sorted({bar.start for bar in BARS})
CUTS = [int(cut) for cut in np.random.default_rng(5).choice(STARTS[60:], 4, replace=False)]


def found(make: Make) -> dict[str, Finding]:
    return {finding.examination: finding for finding in examine(make, briefing_of(SECTORS), BARS, CUTS)}


class Planted(Strategy):
    """Buys whenever its leak says so, and lets go a bar later."""

    name: ClassVar[str] = "planted"
    needs: ClassVar[Needs] = Needs(warmup=1)
    _knows: Any = PrivateAttr(None)

    def on_bar(self, view: View) -> Intent | None:
        if view.position:
            return Leave("a bar later")
        return Enter(Side.BUY, "it knows") if self.tempted(view) else None

    def tempted(self, view: View) -> bool:
        raise NotImplementedError


class Peeking(Planted):
    """Looks up the next bar."""

    def tempted(self, view: View) -> bool:
        after = self._knows.get((view.bar.symbol, view.bar.start + 60_000_000_000))
        return after is not None and after > view.bar.close * 1.001


class Normalising(Planted):
    """Measures against the mean of the whole day."""

    def tempted(self, view: View) -> bool:
        return bool(view.bar.close < self._knows[view.bar.symbol] * 0.999)


class Gossiping(Planted):
    """Lets one symbol hear of another."""

    def tempted(self, view: View) -> bool:
        before, self._knows = self._knows, view.bar.close
        return before is not None and before > view.bar.close


class Remembering(Planted):
    """Remembers earlier runs in its class."""

    memory: ClassVar[dict[tuple[str, int], float]] = {}

    def tempted(self, view: View) -> bool:
        after = self.memory.get((view.bar.symbol, view.bar.start + 60_000_000_000))
        self.memory[view.bar.symbol, view.bar.start] = view.bar.close
        return after is not None and after > view.bar.close


class Forgetful(Planted):
    """Counts bars, and does not save its count."""

    def tempted(self, view: View) -> bool:
        self._knows = (self._knows or 0) + 1
        return self._knows > 700 and self._knows % 50 == 0


class Rolling(Planted):
    """Throws dice."""

    dice: ClassVar[np.random.Generator] = np.random.default_rng(1)

    def tempted(self, view: View) -> bool:
        return bool(self.dice.random() < 0.05)


class Hasty(Planted):
    """Says that it needs fifty bars and trades on the second."""

    needs: ClassVar[Needs] = Needs(warmup=50)

    def tempted(self, view: View) -> bool:
        return view.last_close is not None


def planted(kind: type[Planted], knows: Any = lambda bars: None) -> Make:
    def make(bars: Sequence[Bar]) -> Strategy:
        strategy = kind()
        strategy._knows = knows(bars)
        return strategy

    return make


def closes(bars: Sequence[Bar]) -> dict[tuple[str, int], float]:
    return {(bar.symbol, bar.start): bar.close for bar in bars}


def means(bars: Sequence[Bar]) -> dict[str, float]:
    return {symbol: float(np.mean([bar.close for bar in bars if bar.symbol == symbol])) for symbol in {bar.symbol for bar in bars}}


@pytest.mark.parametrize(
    ("make", "examinations"),
    [
        (planted(Peeking, closes), {"truncated", "perturbed"}),
        (planted(Normalising, means), {"truncated", "perturbed"}),
        (planted(Gossiping), {"alone"}),
        (planted(Remembering), {"again"}),
        (planted(Forgetful), {"restored"}),
        (planted(Rolling), {"again"}),
        (planted(Hasty), {"warm"}),
    ],
    ids=["peeking", "normalising", "gossiping", "remembering", "forgetful", "rolling", "hasty"],
)
def test_a_planted_leak_is_found(make: Make, examinations: set[str]) -> None:
    bad = {name for name, finding in found(make).items() if not finding.passed}
    assert examinations <= bad


@pytest.mark.parametrize("name", sorted(roster.installed()))
def test_no_registered_strategy_knows_what_it_cannot(name: str) -> None:
    results = found(lambda bars: roster.allocate(name, {}).strategy)
    assert {name: finding.detail for name, finding in results.items() if not finding.passed} == {}
    assert set(results) == {"again", "truncated", "perturbed", "alone", "restored", "warm"}
