"""How this door reaches the session: by the HTTP tools, over the runner's local socket or inside its own process. One set of tools, one journal."""

import re
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from live.doors.tokens import Grant
from live.doors.tokens import Scope as May
from live.problems import Problem, ToolError, unready
from live.tools.catalogue import Entry
from pipelines.settings import Settings

PATIENCE = 40.0
"""Seconds for an answer; a tool itself waits up to 30."""
CLIENT = "x-client"
"""Header that names the program behind a call, for the journal."""
MODEL = "x-model"
"""Header that says that a model asks: whatever comes by MCP."""

INSIDE = Grant(name="mcp", scope=May.ADMIN, shown=False)


class Reach:
    """Calls tools in the name of a client program."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, tool: Entry, given: dict[str, Any], *, client: str, key: str | None = None) -> dict[str, Any]:
        """The answer as JSON. Raises `ToolError` with the problem, or because no session runs."""
        names = re.findall(r"{(\w+)", tool.path)
        path = re.sub(r"{(\w+)[^}]*}", lambda found: quote(f"{given[found[1]]}"), tool.path)
        rest = {name: value for name, value in given.items() if name not in names}
        return await self.request(tool.method, path, rest, client=client, key=key)

    async def request(self, method: str, path: str, given: dict[str, Any], *, client: str, key: str | None = None) -> dict[str, Any]:
        """The same of any route of the runner."""
        headers = {CLIENT: client, MODEL: client} | ({"idempotency-key": key} if key else {})
        body: dict[str, Any] = {"params": given} if method == "GET" else {"json": given}
        try:
            answer = await self._http.request(method, path, headers=headers, **body)
        except httpx.HTTPError as error:
            raise unready(f"no session answers ({type(error).__name__}): a person starts one with `daybot live`") from None
        if answer.is_error:
            raise _problem(answer)
        found: dict[str, Any] = answer.json()
        return found

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


def beside(settings: Settings) -> Reach:
    """From another process of this machine, through the local socket."""
    transport = httpx.AsyncHTTPTransport(uds=str(settings.socket))
    return Reach(httpx.AsyncClient(transport=transport, base_url="http://daybot", timeout=PATIENCE))


def within(app: ASGIApp) -> Reach:
    """From inside the runner: the same routes without a socket. Who may come in was judged before."""

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["grant"] = INSIDE
        await app(scope, receive, send)

    return Reach(httpx.AsyncClient(transport=httpx.ASGITransport(app=known), base_url="http://daybot", timeout=PATIENCE))


def again(problem: Problem) -> ToolError:
    """A problem that came from elsewhere, to be raised here."""
    error = ToolError(problem.status, problem.code, problem.title, problem.detail)
    error.problem = problem
    return error


def plain(name: str) -> str:
    """A program's name as it can stand in a header and in the journal."""
    return re.sub(r"[^A-Za-z0-9 ._-]", "", name)[:18].strip() or "unnamed"


def _problem(answer: httpx.Response) -> ToolError:
    try:
        return again(Problem.model_validate_json(answer.content))
    except ValidationError:
        return ToolError(answer.status_code, "HTTP", "the runner refused", f"HTTP {answer.status_code}: {answer.text[:300]}")
