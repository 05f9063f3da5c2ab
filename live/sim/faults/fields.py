"""Fields of plain JSON values by dotted path: `order.status`, `bars.AAPL.c`. Lists on the way are gone through."""

from collections.abc import Iterator
from typing import Any

PRICES = frozenset({"o", "h", "l", "c", "vw", "p", "bp", "ap", "a", "op", "cp"})
"""Price fields of market data messages, Alpaca's and Polygon's."""


def owners(body: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The tables that hold the last part of the path, with its name; nothing where the way ends early."""
    head, _, rest = path.partition(".")
    for table in body if isinstance(body, list) else [body]:
        if not isinstance(table, dict):
            continue
        if not rest:
            yield table, head
        elif head in table:
            yield from owners(table[head], rest)


def change(body: Any, path: str, value: Any) -> None:
    """Set it where its owner exists; a field that was not there appears."""
    for table, name in owners(body, path):
        table[name] = value


def remove(body: Any, path: str) -> None:
    for table, name in owners(body, path):
        table.pop(name, None)


def prices(message: dict[str, Any]) -> list[str]:
    """Names of the price fields that hold fractions: a whole number under such a name is a condition."""
    return [name for name in PRICES if isinstance(message.get(name), float)]


def scaled(message: dict[str, Any], percent: float) -> dict[str, Any]:
    """A copy with every price moved, to the cent below which nothing trades."""
    return {**message, **{name: round(message[name] * (1 + percent / 100), 2) for name in prices(message)}}
