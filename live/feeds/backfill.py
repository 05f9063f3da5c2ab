"""Fetches by REST what the streams missed: only the missing minutes, from the vendor that is followed, or from the other one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

from live.clock import SECOND, Clock
from live.feeds.vendor import Note
from pipelines.core.errors import BrokerError
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.session import moment, nanoseconds
from pipelines.vendors.source import Fetched

AGAIN = 2.0
"""Seconds between two tries while nobody answers."""

Minutes = Mapping[str, frozenset[int]]
"""Starts of minutes by symbol."""

Filled = Callable[[str, Minutes, dict[str, list[Bar]]], None]
"""Told which vendor answered for which minutes, and the bars."""


class History(Protocol):
    """The REST side of a vendor; see `pipelines.vendors`. Blocking."""

    def recent(self, symbols: Sequence[str], start: datetime, end: datetime) -> Fetched:
        """Minute bars that start in [start, end)."""


class Backfill:
    """One request at a time, in a thread of its own; what is asked for meanwhile goes with the next one. `order` names the vendors to ask."""

    def __init__(self, histories: Mapping[str, History], clock: Clock, *, order: Callable[[], Sequence[str]], filled: Filled, note: Note) -> None:
        self._histories, self._clock, self._order, self._filled, self._note = histories, clock, order, filled, note
        self._wanted: dict[str, set[int]] = {}
        self._due = asyncio.Event()
        self._asking = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backfill")

    @property
    def busy(self) -> bool:
        """Something is asked for that has not been answered."""
        return self._asking or self._due.is_set()

    def ask(self, symbol: str, minutes: Sequence[int]) -> None:
        """Fetch these minutes soon."""
        self._wanted.setdefault(symbol, set()).update(minutes)
        self._due.set()

    def forget(self, symbol: str) -> None:
        """Nobody waits for it any more."""
        self._wanted.pop(symbol, None)

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await self._due.wait()
            self._asking = True
            self._due.clear()
            asked = {symbol: frozenset(minutes) for symbol, minutes in sorted(self._wanted.items())}
            self._wanted.clear()
            answered = await self._fetch(asked)
            left = {symbol: minutes for symbol, minutes in asked.items() if symbol not in answered}
            self._asking = False
            if left:
                for symbol, minutes in left.items():
                    self._wanted.setdefault(symbol, set()).update(minutes)
                await self._clock.sleep(AGAIN)
                if self._wanted:
                    self._due.set()

    async def _fetch(self, asked: Minutes) -> set[str]:
        """The symbols that a vendor has answered for."""
        left = dict(asked)
        for vendor in self._order():
            if not left or vendor not in self._histories:
                continue
            starts = [minute for minutes in left.values() for minute in minutes]
            edges = moment(min(starts)), moment(max(starts) + MINUTE)
            history, symbols, began = self._histories[vendor], list(left), self._clock.now()
            try:
                found = await asyncio.get_running_loop().run_in_executor(self._thread, history.recent, symbols, *edges)
            except BrokerError as error:
                self._note("backfill", {"vendor": vendor, "symbols": symbols, "from": min(starts), "error": str(error)})
                continue
            bars = _bars(found)
            done = {symbol: left.pop(symbol) for symbol in symbols if symbol in found.symbols}
            kept = {symbol: [bar for bar in bars.get(symbol, ()) if bar.start in minutes] for symbol, minutes in done.items()}
            took = (self._clock.now() - began) / SECOND
            count = sum(map(len, kept.values()))
            self._note("backfill", {"vendor": vendor, "symbols": sorted(done), "from": min(starts), "bars": count, "seconds": round(took, 3)})
            self._filled(vendor, done, kept)
        return set(asked) - set(left)

    def close(self) -> None:
        """Let go of the thread; what is on its way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _bars(found: Fetched) -> dict[str, list[Bar]]:
    """The rows as bars by symbol, in order."""
    bars: dict[str, list[Bar]] = {}
    for row in found.rows.sort("timestamp").iter_rows(named=True):
        if row["volume"] > 0:
            typical = (row["high"] + row["low"] + row["close"]) / 3
            prices = (row["open"], row["high"], row["low"], row["close"])
            bar = Bar(row["symbol"], nanoseconds(row["timestamp"]), *prices, row["volume"], row["vwap"] or typical, row["trades"] or 0)
            bars.setdefault(bar.symbol, []).append(bar)
    return bars
