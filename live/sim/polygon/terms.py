"""What a Polygon plan allows, as the simulated host is told it: keys, limits and patience."""

from dataclasses import dataclass
from typing import Literal, TypeGuard


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds are wall seconds, as it is real clients that are waited for."""

    key: str | None = None
    """The only key that is accepted; None accepts every key that is not empty."""
    realtime: bool = True
    """False: REST is a quarter of an hour late and says so, and the stream lets nobody subscribe."""
    rate_limit: int = 0
    """REST requests a venue minute and key; 0 is no limit. The free plan has 5."""
    connections: int = 1
    """Stream connections a key may hold at once."""
    loser: Literal["older", "newer"] = "older"
    """Which connection dies when there is one too many: reported both ways, measured was the older."""
    auth_seconds: float = 10.0
    """How long a stream client may take to say its key."""
    slow_seconds: float = 5.0
    """How long a stream client may leave its socket unread before it is cut off."""

    def accepts(self, key: object) -> TypeGuard[str]:
        return isinstance(key, str) and bool(key) and self.key in (None, key)
