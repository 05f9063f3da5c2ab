"""What the runner holds a briefing to by itself, whatever checks it says it has passed: the exchange's hours, possible numbers, the last numbers.

A night that computed wrongly, or that somebody made compute, would be found by its own checks; a briefing that somebody wrote would say it was.
"""

import math
from collections.abc import Iterator

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market.session import Session
from pipelines.core.risk.regimes import EFFECTS, Effect

RANGES: dict[str, tuple[float, float]] = {
    "close": (1e-4, 1e7), "atr": (0.0, 1e7), "beta": (-25.0, 25.0), "adv": (0.0, 1e12), "sigma": (0.0, 3.0), "spread": (0.0, 1.0),
}  # fmt: skip
"""Least and greatest value that a market could bring about, each of which is possible. Units as in `SymbolBrief`."""
LARGEST_RETURN = 5.0
"""Log return of a day, either way: a price times or by 148."""

MOVED = {"atr": 3.0, "adv": 5.0}
"""Factor beyond which ATR over price, or dollars traded a day, is another number. Wilder's ATR triples by a day of 29 times its range; a mean of 20
sessions is fivefold by one of 81 times its volume.
"""
MANY = 0.05
"""Share of the names that may have moved so far, and `FEW` of them in any case: single names do, a market does not."""
FEW = 3
LASTING = 10
"""Calendar days between two briefings up to which they are compared."""


def unsound(briefing: Briefing, hours: Session, before: Briefing | None) -> list[str]:
    """Why nobody may trade on it, in words; empty where nothing is wrong. `hours`: the session's by the exchange's calendar. `before`: the one that
    the runner has traded on last.
    """
    found = [] if briefing.hours == hours else [f"it opens {briefing.open} and closes {briefing.close}, not as the exchange does"]
    if not 0 < (briefing.session - briefing.data_session).days <= LASTING:
        found.append(f"it is for {briefing.session}, from the data of {briefing.data_session}")
    found += _regime(briefing)
    impossible = [text for brief in briefing.symbols.values() for text in _impossible(brief)]
    found += impossible[:3] + ([f"{len(impossible) - 3} more like these"] if len(impossible) > 3 else [])
    strangers = [line.symbol for line in briefing.watchlist if line.symbol not in briefing.symbols]
    found += [f"it watches {', '.join(strangers[:3])} and knows nothing of them"] if strangers else []
    if before is not None and 0 < (briefing.session - before.session).days <= LASTING and before.origin is briefing.origin:
        found += _moved(briefing, before)
    return found


def _regime(briefing: Briefing) -> Iterator[str]:
    regime = briefing.regime
    said = Effect(
        regime.size_multiplier, regime.stop_multiplier, regime.target_multiplier, regime.position_multiplier, regime.heat_multiplier, regime.entries
    )
    if said != EFFECTS[regime.name]:
        yield f"its regime {regime.name} has the effects {tuple(said)}, not {tuple(EFFECTS[regime.name])}"


def _impossible(brief: SymbolBrief) -> Iterator[str]:
    for name, (least, most) in RANGES.items():
        value = getattr(brief, name)
        if value is not None and not least <= value <= most:  # also what is no number
            yield f"{brief.symbol} has {name} {value:g}"
    if brief.atr is not None and brief.close is not None and brief.atr > brief.close:
        yield f"{brief.symbol} has ATR {brief.atr:g} at a price of {brief.close:g}"
    if any(value is not None and not abs(value) <= LARGEST_RETURN for value in brief.returns):
        yield f"{brief.symbol} has returns beyond {LARGEST_RETURN:g}"


def _moved(now: Briefing, before: Briefing) -> Iterator[str]:
    """By what a split does not change: ATR as a fraction of the price, volume in dollars."""
    both = [(now.symbols[symbol], before.symbols[symbol]) for symbol in now.symbols.keys() & before.symbols.keys()]
    for name, factor in MOVED.items():
        pairs = [(a, b) for one, other in both if (a := _scaled(one, name)) and (b := _scaled(other, name))]
        far = sum(abs(math.log(a / b)) > math.log(factor) for a, b in pairs)
        if far > max(FEW, MANY * len(pairs)):
            yield f"{name} of {far} of {len(pairs)} names is more than {factor:g} times, or less than a part of, what it was for {before.session}"


def _scaled(brief: SymbolBrief, name: str) -> float:
    """Zero where it is not known."""
    if not brief.close:
        return 0.0
    return (brief.atr or 0.0) / brief.close if name == "atr" else (brief.adv or 0.0) * brief.close
