"""What a strategy is: a plain object that looks at one symbol and says what it would like, with a reason.

Size and permission are not its business. To write your own: subclass `Strategy`, make its parameters fields, answer `on_bar`, and name it under
the entry point group `daybot.strategies` of your package. It has to be deterministic: the same views give the same answers.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, NamedTuple

import msgspec
from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from pipelines.core.market.bars import Bar, Print
from pipelines.core.market.indicators import Indicators
from pipelines.core.market.session import Session
from pipelines.core.trading.orders import Side


class View(Struct, frozen=True, gc=False):
    """One symbol after one bar, as a strategy may see it: nothing from later, nothing from other symbols, only its own position."""

    bar: Bar
    last_close: float | None
    """Close of the session's bar before this one, None on its first."""
    indicators: Indicators
    session: Session
    position: int
    """Signed shares that this strategy holds."""
    average: float
    """What it paid for them; 0 without a position."""
    entries: int
    """Its entries in this symbol today."""


class Fill(Struct, frozen=True):
    """Shares of this strategy that were bought or sold."""

    symbol: str
    side: Side
    quantity: int
    price: float
    at: int
    position: int
    """Signed shares that it holds after it."""


class Enter(Struct, frozen=True):
    """A wish to open a position. Distances in dollars a share where the strategy knows better than ATR; `limit` None is a market order."""

    side: Side
    reason: str
    limit: float | None = None
    stop: float | None = None
    target: float | None = None


class Leave(Struct, frozen=True):
    """A wish to close the position."""

    reason: str


class Adjust(Struct, frozen=True):
    """A wish to change the open trade: stop or target to a price, a trail at a distance (dollars), or a share of it (0 to 1) to sell."""

    reason: str
    stop: float | None = None
    target: float | None = None
    trail: float | None = None
    scale_out: float | None = None


Intent = Enter | Leave | Adjust


def understood(answer: object) -> Intent:
    """What a strategy has answered, its numbers as plain ones; TypeError or msgspec.ValidationError where it is no intent."""
    if not isinstance(answer, Intent):
        raise TypeError(f"expected Enter, Leave, Adjust or None, found {answer!r}")
    plain = {name: float(value) if isinstance(value, Real) else value for name, value in msgspec.structs.asdict(answer).items()}
    return msgspec.convert(plain, type(answer))


class Signal(NamedTuple):
    """An entry as a number: `side` +1 buys, -1 sells, 0 is none. Distances in dollars a share, NaN is by ATR."""

    side: int
    stop: float
    target: float


NOTHING = Signal(0, math.nan, math.nan)


class Signals(NamedTuple):
    """A strategy's rule as scalar functions, each `shared`, which `on_bar` calls and a sweep compiles: the same text decides in both.

    `bar` has open, high, low, close and volume, `last` is the close before it, `now` are the indicators, `own` the strategy's parameters by name,
    `entries` its entries in the symbol today, `since` and `left` nanoseconds from the open and to the close.
    """

    setup: Callable[..., int]
    """`(bar, last, now)`: the side (+1, -1, 0 neither) that `enter` may answer on this bar, whatever the parameters: a sweep asks no other bar."""
    enter: Callable[..., Signal]
    """`(own, bar, last, now, entries, since, left)`: the entry that is wanted without a position."""
    leave: Callable[..., bool]
    """`(own, bar, now, position)`: whether the position is to be closed."""


class Needs(Struct, frozen=True):
    """What a strategy has to be fed with."""

    trades: bool = False
    """Single trades, as `on_trade`; bars always come."""
    warmup: int = 50
    """Minute bars of a symbol before its answers mean anything; the night's seeds usually bring them."""


class Strategy(BaseModel):
    """The fields of a subclass are its parameters: typed, bounded, described, part of every order's lineage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    """Short and unique: it owns the trades."""
    needs: ClassVar[Needs] = Needs()
    signals: ClassVar[Signals | None] = None
    """Its rule for compiled sweeps; None: only the engine can run it."""

    @property
    def parameters(self) -> dict[str, Any]:
        """All that its answers depend on."""
        return self.model_dump(mode="json")

    def on_bar(self, view: View) -> Intent | None:
        """What it would like after this bar."""
        raise TypeError(f"expected strategy {self.name} to answer on_bar, found none; write it")

    def on_trade(self, view: View, trade: Print) -> Intent | None:
        """What it would like after this trade; the view is that of the last finished bar. Only asked where `needs.trades`."""
        return None

    def on_fill(self, fill: Fill) -> None:
        """Told of its own executions."""

    def save(self) -> dict[str, Any]:
        """What it remembers beside its parameters, as JSON values; most remember nothing."""
        return {}

    def load(self, saved: dict[str, Any]) -> None:
        """Take back what `save` gave."""
