"""What can go wrong at the venue: a request it refuses, a world it cannot read, books that no longer balance."""

from collections.abc import Mapping
from typing import Any


class SimulationError(Exception):
    """Anything the simulated exchange raises on purpose."""


class WorldError(SimulationError):
    """A world cannot be built. The text says what was expected, what was found and what to do."""


class BooksError(SimulationError):
    """The venue's own books no longer balance: a fault of the simulator, after which nothing it says can be trusted."""


class Refusal(SimulationError):
    """An answer of Alpaca's error shape: HTTP status, `code`, `message` and whatever extra keys the code carries."""

    def __init__(self, status: int, code: int | None, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra: Mapping[str, Any] = extra

    @property
    def body(self) -> dict[str, Any]:
        head: dict[str, Any] = {} if self.code is None else {"code": self.code}
        return {**head, "message": self.message, **self.extra}


def malformed(message: str) -> Refusal:
    """A field is missing, malformed or not allowed in this combination."""
    return Refusal(422, 40010001, message)


def unacceptable(message: str, **extra: Any) -> Refusal:
    """Well formed, but not acceptable in the present state."""
    return Refusal(422, 42210000, message, **extra)


def forbidden(message: str, **extra: Any) -> Refusal:
    """The account does not allow it."""
    return Refusal(403, 40310000, message, **extra)


def missing(message: str) -> Refusal:
    return Refusal(404, 40410000, message)


def invalid(message: str) -> Refusal:
    """A bad parameter of the data host, which sends no code."""
    return Refusal(400, None, message)
