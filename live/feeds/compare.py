"""The vendors side by side, minute by minute: who brought which bar, how late, and how far apart their closes were.

Agreement is judged on prices. Volumes are not compared: IEX prints 2-3 % of what the whole market does.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipelines.core.market.bars import MINUTE, SECOND, Bar

COLUMNS = ("vendor", "symbol", "lag", "bp")
"""Columns of a summary's rows. `lag` is seconds from the minute's end to the bar, null where it is missing; `bp` is how far its close lies from the
other vendor's, in basis points of it, null where there is no pair."""

KEPT = 15
"""Minutes that are remembered: a bar may still come, and the other vendor's copy may still be needed."""

BASIS = 10_000


class Copy(NamedTuple):
    """One vendor's word on a minute of a symbol, and when it came."""

    bar: Bar
    at: int


class Comparison:
    """All copies of the last minutes."""

    def __init__(self, vendors: Iterable[str], symbols: Iterable[str]) -> None:
        self._vendors, self._symbols = tuple(vendors), tuple(sorted(symbols))
        self._minutes: dict[int, dict[str, dict[str, Copy]]] = {}

    def add(self, vendor: str, bar: Bar, at: int) -> dict[str, Copy]:
        """Keep a copy, the first of each vendor; all copies of that minute and symbol by vendor."""
        copies = self._minutes.setdefault(bar.start, {}).setdefault(bar.symbol, {})
        copies.setdefault(vendor, Copy(bar, at))
        return copies

    def copies(self, minute: int, symbol: str) -> Mapping[str, Copy]:
        """What came of that minute."""
        return self._minutes.get(minute, {}).get(symbol, {})

    def of(self, vendor: str, symbol: str, after: int) -> list[Copy]:
        """This vendor's bars of a symbol that start later, in order."""
        found = ((minute, symbols.get(symbol, {}).get(vendor)) for minute, symbols in self._minutes.items() if minute > after)
        return [copy for _, copy in sorted((minute, copy) for minute, copy in found if copy is not None)]

    def missing(self, vendor: str, minute: int, symbols: Iterable[str]) -> tuple[list[str], int]:
        """Which of these symbols it lacks though another vendor had them, and how many others had."""
        had = [s for s in symbols if any(other != vendor for other in self.copies(minute, s))]
        return [s for s in had if vendor not in self.copies(minute, s)], len(had)

    def summary(self, minute: int, asked: Mapping[str, frozenset[str]]) -> dict[str, Any]:
        """One minute as a record: a row for each vendor and symbol that it was asked for, as `COLUMNS`, and each vendor's sums."""
        rows: list[tuple[str, str, float | None, float | None]] = []
        for vendor in self._vendors:
            for symbol in self._symbols:
                if symbol in asked.get(vendor, ()):
                    rows.append((vendor, symbol, *self._measured(minute, symbol, vendor)))
        sums = {vendor: _sums([row for row in rows if row[0] == vendor]) for vendor in self._vendors}
        return {"minute": minute, "vendors": sums, "columns": COLUMNS, "rows": rows}

    def forget(self, before: int) -> None:
        """Let go of older minutes."""
        for old in [minute for minute in self._minutes if minute < before]:
            del self._minutes[old]

    def _measured(self, minute: int, symbol: str, vendor: str) -> tuple[float | None, float | None]:
        copies = self.copies(minute, symbol)
        if vendor not in copies:
            return None, None
        bar, at = copies[vendor]
        others = [copy.bar for name, copy in copies.items() if name != vendor]
        return round((at - minute - MINUTE) / SECOND, 3), round(apart(bar, others[0]), 2) if others else None


def apart(bar: Bar, other: Bar) -> float:
    """How far its close lies above the other's, in basis points of it."""
    return (bar.close / other.close - 1) * BASIS


def _sums(rows: list[tuple[str, str, float | None, float | None]]) -> dict[str, Any]:
    """Bars, missing ones, the greatest lag and the greatest distance."""
    lags = [lag for *_, lag, _ in rows if lag is not None]
    distances = [abs(bp) for *_, bp in rows if bp is not None]
    return {"bars": len(lags), "missing": len(rows) - len(lags), "lag": max(lags, default=None), "bp": max(distances, default=None)}
