"""Break glass: flatten the account without the runner. Nothing in here needs a briefing, a feed or a journal."""

import time
from collections.abc import Callable

from rich.console import Console

from live.brokers import reading
from live.brokers.reading import Standing
from live.brokers.route import Route, connect
from pipelines.core.errors import OrderRejected, Unreachable
from pipelines.settings import Settings

FIRST, SLOWEST = 0.5, 5.0
"""Seconds between two looks, growing: cancelling frees the held shares within a second or so, sometimes ten, and only then can they be sold."""

PATIENCE = 120.0
"""Seconds until it gives up. Asking again goes on where it stood."""

Mine = Callable[[Standing], set[str]]
"""Which of the symbols of an account have to go."""


def everything(found: Standing) -> set[str]:
    """Whatever is held or has an open order."""
    return found.held.keys() | {row.symbol for row in found.resting}


def flatten(
    settings: Settings, console: Console, *, mine: Mine = everything, patience: float = PATIENCE, sleep: Callable[[float], object] = time.sleep
) -> list[str]:
    """Cancel the orders, close the positions, and look until the broker itself reports neither; the symbols that are still there.

    A query that fails is not "flat": it counts as a look without an answer.
    """
    route = connect(settings)
    left, waited, pause = ["unknown: the broker has not answered"], 0.0, FIRST
    while True:
        try:
            found = reading.standing(route, 0)
            symbols = mine(found)
            if not symbols:
                console.print("[green]flat[/]: no position and no open order at the broker")
                return []
            left = sorted(symbols)
            console.print(f"open: {', '.join(left)}")
            _close(route, found, symbols, console)
        except Unreachable as silence:
            console.print(f"[yellow]no answer[/]: {silence}")
        if waited >= patience:
            return left
        sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, SLOWEST)


def _close(route: Route, found: Standing, symbols: set[str], console: Console) -> None:
    """Cancel what rests but the sales that are under way, and sell what nobody sells yet. What is refused is for the next look."""
    selling = {row.symbol for row in found.resting if row.type == "market" and row.side.sign * found.quantity(row.symbol) < 0}
    for row in found.resting:
        if row.symbol in symbols and row.symbol not in selling:
            _try(lambda row=row: route.cancel_order_by_id(row.id), row.symbol, console)  # type: ignore[misc]
    for symbol in sorted(symbols & found.held.keys() - selling):
        _try(lambda symbol=symbol: route.close_position(symbol), symbol, console)  # type: ignore[misc]


def _try(call: Callable[[], object], symbol: str, console: Console) -> None:
    try:
        call()
    except OrderRejected as refusal:
        console.print(f"{symbol}: {refusal.message}")
