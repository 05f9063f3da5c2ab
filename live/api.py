"""The runner's control door: HTTP on a Unix socket that only its owner can open. It knows nothing of the runner but two functions."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Body, FastAPI
from pydantic import BaseModel, Field

from pipelines.core.trading.commands import Flatten, Instruction, Resume, Stand


class CommandRequest(BaseModel):
    """An instruction; the same `id` twice is the same instruction."""

    id: str = Field(min_length=1, max_length=64)
    origin: str = Field("api", min_length=1, max_length=64)


Status = Callable[[], dict[str, Any]]
Act = Callable[[Instruction, str, str], None]

INSTRUCTIONS: dict[str, Instruction] = {"flat_all": Flatten(), "halt": Stand(), "resume": Resume()}


def build(status: Status, act: Act) -> FastAPI:
    """The routes: where the session stands, and the commands that a person may give."""
    app = FastAPI(title="DayBot", docs_url=None, redoc_url=None)

    @app.get("/status")
    def read() -> dict[str, Any]:
        """Where the session stands."""
        return status()

    @app.post("/tools/{action}")
    async def command(action: Literal["flat_all", "halt", "resume"], request: Annotated[CommandRequest, Body()]) -> dict[str, str]:
        """Put a command on the queue; `GET /status` shows what became of it."""
        act(INSTRUCTIONS[action], request.origin, request.id)
        return {"id": request.id, "accepted": action}

    return app


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
