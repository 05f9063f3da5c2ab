"""What a strategy is: a plain object that looks at one symbol's bar and says what it would like, with a reason.

Size and permission are not its business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipelines.core.market.bars import Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.market.session import Session
from pipelines.core.trading.orders import Side


@dataclass(frozen=True, slots=True)
class View:
    """One symbol after one bar, as a strategy may see it: nothing from later, nothing from other symbols."""

    bar: Bar
    last_close: float | None
    """Close of the session's bar before this one, None on its first."""
    indicators: Indicators
    session: Session
    position: int
    entries: int
    """Entries in this symbol today."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A wish to open a position."""

    side: Side
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """A wish to close the position."""

    reason: str


class Strategy(Protocol):
    """Anything with a name, typed parameters and `on_bar`. Deterministic: the same views give the same answers."""

    @property
    def name(self) -> str:
        """Short name, part of every order's lineage."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """All that its answers depend on."""

    def on_bar(self, view: View) -> Enter | Leave | None:
        """What it would like after this bar."""
