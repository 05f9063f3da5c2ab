"""Rows of named numbers, as compiled code reads and writes them: settings, accounts, open and ended trades."""

from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from pipelines.core.errors import SettingsError

Records = NDArray[np.void]
KINDS: dict[object, type[Any]] = {bool: np.bool_, int: np.int64, float: np.float64}


class Trade:
    """An open trade; codes of `stage` in `entry.py`, of `ticket` and `why` in `account.py`."""

    symbol: int
    sign: int
    stage: int
    quantity: int
    entered: int
    left: int
    """Shares sold again."""
    opened: int
    why: int
    sold: int
    """1: its target has sold, 2: its stop, 3: both."""
    room: int
    """What the minute still has for it."""
    minute: int
    stop: float
    target: float
    """NaN: none."""
    paid: float
    received: float
    average: float
    price: float
    """The symbol's newest price."""

    # The order that waits to take: which one, for how many shares, how many it has, what they cost, their average as told, its turn.
    ticket: int
    wanted: int
    filled: int
    value: float
    told: float
    turn: int

    # The exits that rest: whether, for how many shares, whether their entry filled in this minute, and what the target has sold.
    rests: int
    exits: int
    fresh: int
    far_filled: int
    far_value: float
    far_told: float


class Closed:
    """A round trip as it ended; times in nanoseconds UTC."""

    symbol: int
    side: int
    quantity: int
    opened: int
    closed: int
    why: int
    entry: float
    exit: float
    profit: float


class Book:
    """An account within a session. Dollars."""

    start: float
    realised: float
    open_profit: float
    peak: float
    floor: float
    """Equity at which the daily loss is reached."""
    sec: float
    taf: float
    cat: float
    deadline: int
    over: int
    lost: int
    open: int
    """Trades on the list."""
    gone: int
    """Of those, how many have ended."""
    count: int
    """Entries of the day."""
    closed: int
    turn: int
    waiting: int
    requests: int
    losses: int
    until: int
    beyond: int
    """Whether it came to where compiled code does not go."""


Trades = MutableSequence[Trade]
Ended = MutableSequence[Closed]


def _dtype(fields: Mapping[str, object]) -> np.dtype[np.void]:
    """Rows with the fields as attributes, in Python (`NUMBA_DISABLE_JIT=1` runs all of this without compiling) as in compiled code."""
    return np.dtype((np.record, np.dtype([(name, KINDS[kind]) for name, kind in fields.items()], align=True)))


TRADE, CLOSED, BOOK = (_dtype(get_type_hints(kind)) for kind in (Trade, Closed, Book))


def records(models: Sequence[BaseModel]) -> Records:
    """Settings as rows with a field each; text is left out, it decides nothing in compiled code. Raises SettingsError for anything else."""
    fields = {name: field.annotation for name, field in type(models[0]).model_fields.items() if field.annotation is not str}
    for name, kind in fields.items():
        if kind not in KINDS:
            raise SettingsError(f"expected numbers and flags as parameters of what is swept, found {name}: {kind}; run it through the engine")
    table = np.zeros(len(models), _dtype(fields))
    for name in fields:
        table[name] = [getattr(model, name) for model in models]
    return table
