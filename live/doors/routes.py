"""The catalogue as HTTP: one route a tool, made from its table."""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError, create_model

from live.doors.tokens import Grant
from live.problems import Problem
from live.tools.asks import Ask
from live.tools.catalogue import CATALOGUE, Entry
from live.tools.desk import Caller, Desk

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_.:-]+$",
        description="Name of this command: sent again it is the same one, and answered alike.",
    ),
]  # fmt: skip
Client = Annotated[str | None, Header(alias="X-Client", max_length=48, pattern=r"^[A-Za-z0-9 ._-]+$", description="Who asks, for the journal.")]
Model = Annotated[
    str | None,
    Header(
        alias="X-Model", max_length=48, pattern=r"^[A-Za-z0-9 ._-]+$",
        description="The program in whose name a model asks: MAX_MODEL_ENTRIES and MAX_MODEL_VALUE hold for what it opens. The MCP door says it.",
    ),
]  # fmt: skip

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in (
        (400, "Headers contradict each other."),
        (401, "No token."), (408, "The body came too slowly."), (413, "The body is too large."), (415, "The body is not JSON."),
        (421, "A host that is not ours."), (403, "The token's scope does not reach."), (404, "There is no such thing."),
        (409, "Refused by a limit, with value, limit and source; or not possible as things stand."),
        (422, "The request cannot be meant, or the key was used for another."), (429, "Too many requests."), (503, "The session is not ready."),
    )
}  # fmt: skip


def add(app: FastAPI, desk: Desk) -> None:
    """Every tool's route."""
    for entry in CATALOGUE:
        app.add_api_route(
            entry.path, _endpoint(entry, desk), methods=[entry.method], response_model=entry.answer, name=entry.name, operation_id=entry.name,
            summary=entry.name.replace("_", " "), description=entry.about, responses=_answers(entry), tags=[entry.path.split("/")[1]],
        )  # fmt: skip


def _answers(entry: Entry) -> dict[int | str, dict[str, Any]]:
    unheard: dict[int | str, dict[str, Any]] = {202: {"model": entry.answer, "description": "No outcome in time: the same key again asks for it."}}
    return PROBLEMS | (unheard if entry.acts else {})


def _endpoint(entry: Entry, desk: Desk) -> Callable[..., Any]:
    """A function with the signature that FastAPI reads: request in path, query or body, and the headers of a command."""
    names = re.findall(r"{(\w+)", entry.path)

    async def endpoint(request: Request, response: Response, **given: Any) -> BaseModel:
        path = {name: given[name] for name in names}
        ask = _asked(entry, given.get("ask"), path) if names else given["ask"]
        if not entry.acts:
            caller = Caller(who(request, given["client"]), given.get("model") or "")
            if given["client"] is not None:
                desk.looked(entry.name, ask, caller)
            return await entry.run(desk, ask, **({"who": caller} if entry.weighs else {}))
        answer = await entry.run(desk, ask, who=Caller(who(request, given["client"]), given["model"] or ""), key=given["key"])
        if getattr(answer, "outcome", "") == "unknown":
            response.status_code = 202
        return answer

    parameters: list[tuple[str, Any, Any]] = [("request", Request, ...), ("response", Response, ...)]
    parameters += [(name, _in_path(entry, name), ...) for name in names]
    if entry.method == "POST":
        example: Any = {"example": {"summary": entry.name, "value": entry.example}} if entry.example is not None else None
        needed = any(field.is_required() for field in entry.ask.model_fields.values())
        parameters.append(("ask", Annotated[entry.ask, Body(openapi_examples=example)], ... if needed else entry.ask()))
    elif rest := {name: (field.annotation, field) for name, field in entry.ask.model_fields.items() if name not in names}:
        model = create_model(f"{entry.ask.__name__}Query", __base__=Ask, **rest) if names else entry.ask  # type: ignore[call-overload]  # fields by name
        parameters.append(("ask", Annotated[model, Query()], ...))
    elif not names:
        parameters.append(("ask", Annotated[entry.ask, Query()], ...))
    parameters += [("key", Key, None)] if entry.acts else []
    parameters += [("client", Client, None)] + ([("model", Model, None)] if entry.acts or entry.weighs else [])
    made = [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=inspect.Parameter.empty if default is ... else default)
        for n, kind, default in parameters
    ]
    endpoint.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]  # what `inspect.signature` looks for
    return endpoint


def _in_path(entry: Entry, name: str) -> Any:
    """A part of the path, bounded as the request's field of that name."""
    field = entry.ask.model_fields[name]
    return Annotated[(field.annotation, *field.metadata, Path(description=field.description))]


def _asked(entry: Entry, query: BaseModel | None, path: dict[str, str]) -> Ask:
    try:
        return entry.ask(**(query.model_dump() if query is not None else {}), **path)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


def who(request: Request, client: str | None) -> str:
    """Who gives a command, as the journal has it: what it calls itself, and whose token it came with, of which scope."""
    grant = getattr(request.state, "grant", None)
    name = str(grant) if isinstance(grant, Grant) else "nobody"
    return f"{client} ({name})" if client else name
