"""The runner's control door: its routes. It knows nothing of the runner but a few functions; who may come in is `guard.py`'s business."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from live.doors.tokens import Scope
from pipelines.core.trading.commands import Flatten, Instruction, Resume, Stand


class CommandRequest(BaseModel):
    """An instruction; the same `id` twice is the same instruction."""

    id: str = Field(min_length=1, max_length=64)
    origin: str = Field("api", min_length=1, max_length=64)


Status = Callable[[], dict[str, Any]]
Act = Callable[[Instruction, str, str], None]

OPEN = frozenset({"/healthz", "/readyz"})
"""What tells a supervisor whether the session lives, and nothing else: nobody is asked who he is."""

NEEDED = {"flat_all": Scope.TRADE, "halt": Scope.TRADE, "resume": Scope.ADMIN}
URGENT = frozenset({"/tools/flat_all", "/tools/halt"})


def needs(method: str, path: str) -> Scope | None:
    """The scope that a request needs; the highest where nobody has thought of it."""
    if path in OPEN:
        return None
    if method in {"GET", "HEAD", "OPTIONS"}:
        return Scope.READ
    return NEEDED.get(path.removeprefix("/tools/"), Scope.ADMIN)


INSTRUCTIONS: dict[str, Instruction] = {"flat_all": Flatten(), "halt": Stand(), "resume": Resume()}


@dataclass(frozen=True, slots=True)
class Session:
    """What the door may ask of a session, and nothing else."""

    status: Status
    act: Act
    limits: Callable[[], list[dict[str, Any]]]
    """Each limit with its present use."""
    metrics: Callable[[], bytes]
    unready: Callable[[], str]
    """Why the session does not take entries now; empty where it does."""


def build(session: Session) -> FastAPI:
    """The routes: where the session stands, its limits and numbers, and the commands that a person may give."""
    app = FastAPI(title="DayBot", docs_url=None, redoc_url=None)
    _commands(app, session)

    @app.get("/limits")
    def limits() -> list[dict[str, Any]]:
        """How much of each limit is in use."""
        return session.limits()

    @app.get("/metrics")
    def metrics() -> Response:
        """For Prometheus."""
        return Response(session.metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/healthz")
    def healthy() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @app.get("/readyz")
    def ready() -> Response:
        """The session takes entries; 503 with the reason where it does not."""
        why = session.unready()
        return JSONResponse({"status": why or "ready"}, status_code=503 if why else 200)

    return app


def _commands(app: FastAPI, session: Session) -> None:

    @app.get("/status")
    def read() -> dict[str, Any]:
        """Where the session stands."""
        return session.status()

    @app.post("/tools/{action}")
    async def command(action: Literal["flat_all", "halt", "resume"], request: Annotated[CommandRequest, Body()]) -> dict[str, str]:
        """Put a command on the queue; `GET /status` shows what became of it."""
        session.act(INSTRUCTIONS[action], request.origin, request.id)
        return {"id": request.id, "accepted": action}
