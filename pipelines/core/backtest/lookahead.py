"""Does a strategy use what it cannot know yet? Its wishes on a day are compared with those on the same day cut short, changed later, or told again.

A wish is what the strategy answers, before sizing and gate: so one symbol's answers do not depend on what the portfolio had room for. Every
examination makes the strategy anew from the tape that it will see (`make`), so that values computed beforehand over a whole day are found out too.

    truncated    the day ends early: every wish until then has to be the same
    perturbed    prices after a moment are others: every wish until then has to be the same
    alone        only one symbol trades: its wishes have to be the same
    again        the same day twice: the same wishes (no memory of an earlier run, no randomness, no clock)
    restored     its state saved in the middle and loaded into a fresh one: the same wishes from there on
    warm         no wish before as many bars as it says it needs
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from pipelines.core.briefing import Briefing
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.trading.instruments import Instrument
from pipelines.core.trading.orders import Side
from pipelines.core.trading.strategy import Adjust, Enter, Fill, Intent, Leave, Strategy, View

Make = Callable[[Sequence[Bar]], Strategy]
"""A strategy for a run over these bars and no others."""

PUSH = 1.03
"""What the future is changed by: enough to move every indicator, not so much that a bar could not be one."""


class Said(Struct, frozen=True):
    """One wish: on which bar, in which symbol, and what, as JSON."""

    start: int
    symbol: str
    wish: str


class Finding(Struct, frozen=True):
    """What an examination found: `passed`, and the first place where two runs part, in words."""

    examination: str
    passed: bool
    detail: str


def wishes(strategy: Strategy, briefing: Briefing, bars: Iterable[Bar], *, half: int | None = None, fresh: Strategy | None = None) -> list[Said]:
    """Every wish over a session (bars sorted by start), its entries filled at the bar's close. At `half` its state moves into `fresh`."""
    hours, day = briefing.hours, briefing.session.toordinal()
    instruments = {symbol: Instrument(brief.model_copy(update={"seed": None})) for symbol, brief in briefing.symbols.items()}
    held: dict[str, tuple[int, float]] = {}
    entries: dict[str, int] = {}
    said: list[Said] = []
    for bar in bars:
        if half is not None and fresh is not None and bar.start >= half:
            fresh.load(msgspec.json.decode(msgspec.json.encode(strategy.save())))
            strategy, half = fresh, None
        instrument = instruments.get(bar.symbol)
        if instrument is None:
            continue
        values = instrument.step(bar, day, hours.open)
        if not hours.contains(bar.start):
            continue
        last, instrument.last_close = instrument.last_close, bar.close
        position, average = held.get(bar.symbol, (0, 0.0))
        wish = strategy.on_bar(View(bar, last, values, hours, position, average, entries.get(bar.symbol, 0)))
        if wish is None:
            continue
        said.append(Said(bar.start, bar.symbol, msgspec.json.encode([type(wish).__name__, wish]).decode()))
        _apply(strategy, wish, bar, held, entries)
    return said


def examine(make: Make, briefing: Briefing, bars: Sequence[Bar], cuts: Sequence[int]) -> list[Finding]:
    """All examinations over one session; `cuts` are the moments (starts of bars) at which the day is cut and changed."""
    whole = wishes(make(bars), briefing, bars)
    again = wishes(make(bars), briefing, bars)
    findings = [_same("again", "the second run of the same day", whole, again)]
    findings.append(_first_bad("truncated", (_truncated(make, briefing, bars, cut, whole) for cut in cuts)))
    findings.append(_first_bad("perturbed", (_perturbed(make, briefing, bars, cut, whole) for cut in cuts)))
    findings.append(_first_bad("alone", (_alone(make, briefing, bars, symbol, whole) for symbol in sorted({bar.symbol for bar in bars}))))
    findings.append(_first_bad("restored", (_restored(make, briefing, bars, cut, whole) for cut in cuts)))
    findings.append(_warm(make(bars), bars, whole))
    return findings


def _truncated(make: Make, briefing: Briefing, bars: Sequence[Bar], cut: int, whole: list[Said]) -> Finding:
    early = [bar for bar in bars if bar.start < cut]
    return _same("truncated", f"the day cut at bar {_clock(briefing, cut)}", _before(whole, cut), wishes(make(early), briefing, early))


def _perturbed(make: Make, briefing: Briefing, bars: Sequence[Bar], cut: int, whole: list[Said]) -> Finding:
    other = [bar if bar.start < cut else _pushed(bar) for bar in bars]
    found = wishes(make(other), briefing, other)
    return _same("perturbed", f"other prices from bar {_clock(briefing, cut)} on", _before(whole, cut), _before(found, cut))


def _alone(make: Make, briefing: Briefing, bars: Sequence[Bar], symbol: str, whole: list[Said]) -> Finding:
    own = [bar for bar in bars if bar.symbol == symbol]
    return _same("alone", f"{symbol} without the others", [s for s in whole if s.symbol == symbol], wishes(make(own), briefing, own))


def _restored(make: Make, briefing: Briefing, bars: Sequence[Bar], cut: int, whole: list[Said]) -> Finding:
    found = wishes(make(bars), briefing, bars, half=cut, fresh=make(bars))
    return _same("restored", f"state saved and loaded at bar {_clock(briefing, cut)}", whole, found)


def _warm(strategy: Strategy, bars: Sequence[Bar], whole: list[Said]) -> Finding:
    needed, seen = strategy.needs.warmup, dict[str, int]()
    count: dict[tuple[str, int], int] = {}
    for bar in bars:
        count[bar.symbol, bar.start] = seen[bar.symbol] = seen.get(bar.symbol, 0) + 1
    for said in whole:
        if count[said.symbol, said.start] < needed:
            words = f"a wish in {said.symbol} after {count[said.symbol, said.start]} bars, it says that it needs {needed}: {said.wish}"
            return Finding("warm", False, words)
    return Finding("warm", True, f"no wish before {needed} bars of a symbol")


def _same(examination: str, what: str, expected: list[Said], found: list[Said]) -> Finding:
    for one, other in zip(expected, found, strict=False):
        if one != other:
            return Finding(examination, False, f"{what}: expected {one.symbol} {one.wish}, found {other.symbol} {other.wish}")
    if len(expected) != len(found):
        more = expected[len(found)] if len(expected) > len(found) else found[len(expected)]
        words = "is missing" if len(expected) > len(found) else "was not there before"
        return Finding(examination, False, f"{what}: {more.symbol} {more.wish} {words}")
    return Finding(examination, True, f"{what}: the same {len(expected)} wishes")


def _first_bad(examination: str, findings: Iterable[Finding]) -> Finding:
    count = 0
    for finding in findings:
        if not finding.passed:
            return finding
        count += 1
    return Finding(examination, True, f"{count} times the same wishes")


def _before(said: list[Said], cut: int) -> list[Said]:
    return [one for one in said if one.start < cut]


def _pushed(bar: Bar) -> Bar:
    prices: dict[str, Any] = {name: getattr(bar, name) * PUSH for name in ("open", "high", "low", "close", "vwap")}
    return msgspec.structs.replace(bar, **prices, volume=bar.volume * 2 + 1)


def _clock(briefing: Briefing, start: int) -> str:
    return f"{briefing.hours.minute(start)} of the session"


def _apply(strategy: Strategy, wish: Intent, bar: Bar, held: dict[str, tuple[int, float]], entries: dict[str, int]) -> None:
    """A hundred shares at the close, at once: what a strategy sees of its position must be right, the profit does not matter here."""
    position, average = held.get(bar.symbol, (0, 0.0))
    match wish:
        case Enter() if not position:
            entries[bar.symbol] = entries.get(bar.symbol, 0) + 1
            held[bar.symbol] = (100 * wish.side.sign, bar.close)
            strategy.on_fill(Fill(bar.symbol, wish.side, 100, bar.close, bar.start + MINUTE, 100 * wish.side.sign))
        case Leave() if position:
            del held[bar.symbol]
            side = Side.SELL if position > 0 else Side.BUY
            strategy.on_fill(Fill(bar.symbol, side, abs(position), bar.close, bar.start + MINUTE, 0))
        case Adjust() if position and wish.scale_out is not None:
            left = position - round(position * wish.scale_out)
            held[bar.symbol] = (left, average)
            if not left:
                del held[bar.symbol]
