"""The runner's control door: HTTP on a Unix socket that only its owner can open. It knows nothing of the runner but a few functions."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from pipelines.core.trading.commands import Flatten, Instruction, Resume, Stand


class CommandRequest(BaseModel):
    """An instruction; the same `id` twice is the same instruction."""

    id: str = Field(min_length=1, max_length=64)
    origin: str = Field("api", min_length=1, max_length=64)


Status = Callable[[], dict[str, Any]]
Act = Callable[[Instruction, str, str], None]

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


class _Server(uvicorn.Server):
    """Signals are the runner's business, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: FastAPI, path: Path) -> AsyncIterator[None]:
    """Serve on the socket at `path` while the session lasts."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    path.chmod(0o600)
    server = _Server(uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False))
    task = asyncio.create_task(server.serve(sockets=[door]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
        path.unlink(missing_ok=True)
