"""The runner's door over HTTP: the tools as routes, the stream of events, and what supervisors ask. Who may come in is `guard.py`'s business."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from live.doors import routes, stream
from live.doors.tokens import Scope
from live.problems import Problem, problem
from live.runner import summary
from live.tools.catalogue import CATALOGUE
from live.tools.desk import Desk
from pipelines.core.errors import DaybotError
from pipelines.core.trading.decisions import TradingState

OPEN = frozenset({"/healthz", "/readyz"})
"""What tells a supervisor whether the session lives, and nothing else: nobody is asked who he is."""

MCP = "/mcp"
"""Whoever may look may come in there; what he may do is decided tool by tool."""

URGENT = frozenset(entry.path for entry in CATALOGUE if entry.urgent)
"""What reduces risk."""

BY_PATH = {(entry.method, entry.path): entry.scope for entry in CATALOGUE}


def needs(method: str, path: str) -> Scope | None:
    """The scope that a request needs; the highest where nobody has thought of it."""
    if path in OPEN:
        return None
    if path == MCP or method in {"GET", "HEAD", "OPTIONS"}:
        return Scope.READ
    return BY_PATH.get((method, path), Scope.ADMIN)


def build(desk: Desk, *, metrics: Callable[[], bytes] = bytes, failed: Mapping[str, str] = MappingProxyType({})) -> FastAPI:
    """All routes of a session. `metrics` is the exposition for Prometheus; `failed` what of those that watch the session is broken, and how."""
    app = FastAPI(
        title="DayBot", version="1", docs_url=None, redoc_url=None,
        description="The tools of a running session. Every answer says in `mode` whether money is real: LIVE, PAPER or SIM.",
    )  # fmt: skip
    routes.add(app, desk)
    stream.add(app, desk)
    _supervision(app, desk, metrics, failed)
    _problems(app, desk)
    return app


def _supervision(app: FastAPI, desk: Desk, metrics: Callable[[], bytes], failed: Mapping[str, str]) -> None:

    @app.get("/status", tags=["session"], responses=routes.PROBLEMS)
    async def status() -> dict[str, Any]:
        """Where the session stands, in short."""
        return {"mode": desk.manifest.label} | summary(desk.runner.engine, desk.manifest.label)

    @app.get("/metrics", tags=["session"], responses=routes.PROBLEMS | {200: {"content": {"text/plain": {}}}}, response_class=PlainTextResponse)
    async def exposition() -> Response:
        """For Prometheus."""
        return Response(metrics(), media_type="text/plain; version=0.0.4")

    @app.get("/healthz", tags=["session"], responses=routes.PROBLEMS)
    async def healthy() -> dict[str, str]:
        """The process answers; and what of those that watch its session has failed, by name."""
        return {"status": "alive"} | ({"failed": ", ".join(failed)} if failed else {})

    @app.get(
        "/readyz",
        tags=["session"],
        responses=routes.PROBLEMS | {503: {"description": "It takes no entries; `status` says why.", "content": {"application/json": {}}}},
    )
    async def ready() -> Response:
        """The session takes entries; 503 with the reason where it does not."""
        why = unready(desk)
        return JSONResponse({"status": why or "ready"}, status_code=503 if why else 200)

    @app.get("/dashboard/", tags=["session"], status_code=307, response_class=RedirectResponse, responses=routes.PROBLEMS)
    async def dashboard() -> RedirectResponse:
        """To the pages (DASHBOARD_URL)."""
        return RedirectResponse(desk.settings.dashboard_url)


def unready(desk: Desk) -> str:
    """Why the session takes no entries; empty where it does."""
    engine = desk.runner.engine
    if engine.portfolio is None:
        return "the account is not known yet"
    if engine.state is not TradingState.ACTIVE:
        return f"trading is {engine.state}"
    if engine.feeds and not any(engine.feeds.values()):
        return "no healthy market data"
    return ""


def _problems(app: FastAPI, desk: Desk) -> None:
    """Every no as application/problem+json."""

    def answer(found: Problem, headers: Any = None) -> Response:
        said = found.model_copy(update={"mode": desk.manifest.label, "session": f"{desk.manifest.session}"})
        text = said.model_dump_json(exclude_none=True)
        return Response(text, status_code=found.status, media_type="application/problem+json", headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        errors = tuple({"field": ".".join(map(str, e["loc"][1:])) or str(e["loc"][0]), "problem": e["msg"]} for e in error.errors())
        words = "; ".join(f"{e['field']}: {e['problem']}" for e in errors)
        return answer(Problem(title="the request is not what was expected", status=422, code="BAD_REQUEST", detail=words, errors=errors))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        code, title = {404: ("NO_ROUTE", "no such route"), 405: ("METHOD", "no such method here")}.get(error.status_code, ("HTTP", "not possible"))
        return answer(Problem(title=title, status=error.status_code, code=code, detail=str(error.detail)), error.headers)

    @app.exception_handler(DaybotError)
    async def declined(_: Request, error: DaybotError) -> Response:
        return answer(problem(error))

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        detail = f"{type(error).__name__}; the runner's log has more, and the session goes on"
        return answer(Problem(title="an error of ours", status=500, code="INTERNAL", detail=detail))
