"""What a world offers to the venue: assets, daily bars of sessions gone by, and the minute bars of a day.

A world knows the whole day in advance; that nothing is served before its time is the venue's duty, not the world's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol
from uuid import NAMESPACE_DNS, uuid5

import numpy as np
import numpy.typing as npt

from live.sim.clock import local
from live.sim.worlds.actions import Actions
from live.sim.worlds.halts import Halt
from live.sim.worlds.sessions import Calendar, Session

if TYPE_CHECKING:  # they are made of bars and prints
    from live.sim.worlds.recording.ticks import Ticks

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Asset:
    symbol: str
    name: str
    exchange: str
    shortable: bool = True
    fractionable: bool = True
    easy_to_borrow: bool = True
    marginable: bool = True
    tradable: bool = True

    @property
    def id(self) -> str:
        """The same for a ticker in every world, as a client may have stored it."""
        return str(uuid5(NAMESPACE_DNS, f"{self.symbol}.asset.daybot.sim"))

    @property
    def tape(self) -> str:
        """Which consolidated tape its trades are reported on: A for NYSE, C for Nasdaq, B for every other exchange."""
        return {"NYSE": "A", "NASDAQ": "C"}.get(self.exchange, "B")

    @property
    def borrowable(self) -> bool:
        return self.shortable and self.easy_to_borrow


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns of one symbol in order of time. `t` is the start in venue nanoseconds; prices in dollars, volume in shares."""

    t: Integers
    o: Floats
    h: Floats
    l: Floats  # noqa: E741 - the wire's own letters
    c: Floats
    v: Integers
    n: Integers
    vw: Floats

    def __len__(self) -> int:
        return len(self.t)

    def cut(self, first: int, last: int) -> "Bars":
        """Rows `first` to `last` by position, as views."""
        piece = slice(first, last)
        return Bars(self.t[piece], self.o[piece], self.h[piece], self.l[piece], self.c[piece], self.v[piece], self.n[piece], self.vw[piece])


class World(Protocol):
    """`kind` is generated or recorded; `day` holds only minutes in which something traded."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def calendar(self) -> Calendar: ...
    @property
    def assets(self) -> Mapping[str, Asset]: ...
    @property
    def rescaled(self) -> Mapping[str, float]:
        """Symbols whose daily history had to be multiplied by a factor to be on the minutes' scale."""
        ...

    @property
    def first(self) -> date:
        """The first session with minutes."""
        ...

    @property
    def last(self) -> date:
        """The last session with minutes."""
        ...

    @property
    def thin(self) -> bool:
        """Whether the `iex` feed shows one venue's share of the minutes; otherwise every feed shows all of them."""
        ...

    @property
    def actions(self) -> Actions:
        """Splits and dividends, known from the start and in force from their day on."""
        ...

    def halts(self, day: date) -> list[Halt]:
        """Trading halts of a session, in order of time."""
        ...

    def day(self, day: date) -> Mapping[str, Bars]:
        """Minutes of a session by symbol, extended hours included."""
        ...

    def ticks(self, day: date) -> Mapping[str, "Ticks"]:
        """Recorded trades and quotes of a session by symbol; what happens inside the minutes of all others is invented."""
        ...

    def official(self, session: Session) -> int:
        """When the day's bar is complete: at the close, or with the closing auction that was recorded after it."""
        ...

    def daily(self, symbol: str, before: date, since: date | None = None) -> Bars:
        """Daily bars of all known sessions strictly before that day, from `since` on."""
        ...


def between(days: Bars, since: date | None, before: date | None = None) -> Bars:
    """Daily bars from one day on, up to the day before another."""
    first = 0 if since is None else int(np.searchsorted(days.t, local(since, 0)))
    last = len(days) if before is None else int(np.searchsorted(days.t, local(before, 0)))
    return days.cut(first, last)


def empty() -> Bars:
    whole: Integers = np.empty(0, np.int64)
    real: Floats = np.empty(0, np.float64)
    return Bars(whole, real, real, real, real, whole, whole, real)


def join(parts: list[Bars]) -> Bars:
    if not parts:
        return empty()
    return Bars(*(np.concatenate([getattr(part, column) for part in parts]) for column in ("t", "o", "h", "l", "c", "v", "n", "vw")))


def group(bars: Bars, labels: Integers) -> Bars:
    """Aggregate neighbouring rows that share a label; the label becomes the start of the new bar."""
    if not len(bars):
        return bars
    edges = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
    ends = np.concatenate((edges[1:], [len(labels)])) - 1
    volume = np.add.reduceat(bars.v, edges)
    weighted = np.add.reduceat(bars.vw * bars.v, edges)
    price = np.round(np.where(volume > 0, weighted / np.maximum(volume, 1), bars.c[ends]), 4).astype(np.float64)
    return Bars(
        labels[edges],
        bars.o[edges],
        np.maximum.reduceat(bars.h, edges),
        np.minimum.reduceat(bars.l, edges),
        bars.c[ends],
        volume,
        np.add.reduceat(bars.n, edges),
        price,
    )
