"""What every REST answer of the host has in common: a request id, and an error body whose shape depends on the kind of refusal."""

from random import Random
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from live.sim.errors import SimulationError


class Denial(SimulationError):
    """A refusal in Polygon's words: HTTP status, `status` text, and the text under `error` or `message`."""

    def __init__(self, code: int, status: str, text: str, *, under: str = "error") -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.under = under


class Replies:
    """Makes answers; the ids are drawn from the world's seed, so that a repeated run repeats them."""

    def __init__(self, seed: int, *, realtime: bool = True) -> None:
        self._ids = Random(f"{seed}:polygon")
        self._word = "OK" if realtime else "DELAYED"

    def ok(self, body: dict[str, Any]) -> Response:
        """`status` and `request_id` are added behind the body's own keys."""
        return JSONResponse({**body, "status": "OK", "request_id": self.id()})

    def told(self, body: dict[str, Any], **more: Any) -> Response:
        """Of the market: the status says whether the plan is delayed. `more` stands behind it."""
        return JSONResponse({**body, "status": self._word, "request_id": self.id(), **more})

    def flat(self, body: dict[str, Any]) -> Response:
        """`status` in front and no id, as the oldest routes answer."""
        return JSONResponse({"status": "OK", **body})

    def denied(self, denial: Denial) -> Response:
        return JSONResponse({"status": denial.status, "request_id": self.id(), denial.under: str(denial)}, status_code=denial.code)

    async def handle(self, request: Request, error: Exception) -> Response:
        """Starlette's handler for denials raised inside a route."""
        assert isinstance(error, Denial)
        return self.denied(error)

    def id(self) -> str:
        return UUID(int=self._ids.getrandbits(128)).hex


def wrong(text: str) -> Denial:
    """A parameter that cannot be read, or is out of range."""
    return Denial(400, "ERROR", text)


def unknown_key(key: str | None) -> Denial:
    return Denial(401, "ERROR", "Unknown API Key" if key else "API Key was not provided")


def unentitled() -> Denial:
    """Markets other than US stocks are in no plan here."""
    return Denial(403, "NOT_AUTHORIZED", "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing", under="message")


def absent(text: str = "Data not found.") -> Denial:
    return Denial(404, "NOT_FOUND", text, under="message")


def too_many() -> Denial:
    text = "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. https://polygon.io/pricing"
    return Denial(429, "ERROR", text)
