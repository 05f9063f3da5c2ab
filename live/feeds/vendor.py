"""What a vendor's stream is to us: one connection at a time, told as events to a sink. Its parser knows nothing of the other vendor."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from picows import WSInvalidStatusError

from pipelines.core.trading.events import Market

Refuse = Callable[[str, Any], None]
"""Told of a message that no market can have sent: why, and the message."""

Note = Callable[[str, dict[str, Any]], None]
"""Told of what the journal should keep and the engine need not know: its kind and its fields."""

Raw = Callable[[str, bytes, int], None]
"""Told of every frame before it is understood: the vendor's `name`, the bytes as they came (msgpack or JSON), and when, nanoseconds UTC."""


class Channels(NamedTuple):
    """What is subscribed to beside minute bars, halts and bands. Trades and quotes are a hundred times as many messages as bars."""

    trades: bool = False
    quotes: bool = False
    canary: str = ""
    """A liquid symbol whose trades tell a mute socket from a quiet market; empty: none."""


class Cause(StrEnum):
    """Why a connection ended, as far as it decides when the next one is tried."""

    LOST = "lost"
    LIMIT = "limit"
    """The vendor still counts another connection of these keys, or too many handshakes."""
    REFUSED = "refused"
    """Keys or plan: trying again soon changes nothing."""


class Ending(NamedTuple):
    """How a connection ended."""

    cause: Cause
    detail: str


def handshake(answer: WSInvalidStatusError) -> Ending:
    """What a refused handshake means."""
    status = int(answer.response.status) if answer.response is not None else 0
    cause = Cause.REFUSED if status in (401, 403) else Cause.LIMIT if status == 429 else Cause.LOST
    return Ending(cause, f"handshake answered with HTTP {status}")


class Sink(Protocol):
    """Whoever listens to the vendors. `vendor` is the feed's `name`."""

    def heard(self, vendor: str, event: Market) -> None:
        """Something of the market, parsed and stamped."""

    def pulse(self, vendor: str) -> None:
        """A message arrived, whatever it says."""

    def canary(self, vendor: str) -> None:
        """The canary traded."""

    def subscribed(self, vendor: str, symbols: frozenset[str], detail: str) -> None:
        """The vendor granted the minute bars of these symbols."""

    def troubled(self, vendor: str, detail: str) -> None:
        """The vendor said that something is wrong; the connection is still there."""

    def refuse(self, vendor: str, symbol: str, reason: str, message: Any) -> None:
        """A message that no market can have sent; `symbol` is empty where a whole frame could not be read."""


class Feed(Protocol):
    """One vendor."""

    @property
    def name(self) -> str:
        """What its events carry as `feed`, and the lake calls it: iex, sip (both Alpaca's), polygon."""

    @property
    def thin(self) -> bool:
        """One venue instead of the whole market: most volume, and in quiet names whole minutes, are missing by design."""

    received: int
    """Market messages taken in, of every kind."""

    async def once(self) -> Ending:
        """One connection, from opening to its end."""
