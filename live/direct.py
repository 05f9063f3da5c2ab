"""Break glass: flatten the account without the runner. Nothing in here needs a briefing, a feed or a journal."""

import time

from rich.console import Console

from live.brokers.route import connect
from pipelines.core.errors import OrderRejected, Unreachable
from pipelines.settings import Settings

TRIES = 20
PAUSE = 0.5
"""Seconds between two looks: cancelling frees the held shares within a second or so, and only then can they be sold."""


def flatten(settings: Settings, console: Console) -> list[str]:
    """Cancel every order, close every position, and look until both are gone; the symbols that are still there after ten seconds.

    A query that fails is not "flat": it counts as a look without an answer.
    """
    client = connect(settings)
    left = ["unknown: the broker has not answered"]
    for _ in range(TRIES):
        try:
            client.cancel_orders()
            positions = client.get_all_positions()
            orders = client.get_orders()
            left = sorted({str(row["symbol"]) for row in (*positions, *orders)})
            if not left:
                console.print("[green]flat[/]: no position and no open order at the broker")
                return []
            console.print(f"open: {', '.join(left)}")
            for position in positions:
                _close(client, str(position["symbol"]), console)  # type: ignore[index]
        except Unreachable as silence:
            console.print(f"[yellow]no answer[/]: {silence}")
        time.sleep(PAUSE)
    return left


def _close(client: object, symbol: str, console: Console) -> None:
    """Ask for one position to be closed; a refusal (its shares are still held by an exit) is for the next round."""
    try:
        client.close_position(symbol)  # type: ignore[attr-defined]
    except OrderRejected as refusal:
        console.print(f"{symbol}: {refusal.message}")
