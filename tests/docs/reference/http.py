"""The HTTP routes, from the OpenAPI document that the runner serves."""

from collections.abc import Iterator
from typing import Any

from live.doors import api
from reference.markdown import cell, code, page, table

INTRO = """
Served by the runner while a session lasts. Everything here is in the OpenAPI document as well (`GET /openapi.json`).
"""

METHODS = ("get", "post", "put", "patch", "delete")


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    unused: Any = None
    found: dict[str, Any] = api.build(unused).openapi()
    return found


def routes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and what OpenAPI says, of every route."""
    for path, methods in document()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield method.upper(), path, methods[method]


def write() -> str:
    """The page."""
    found, schemas = list(routes()), document().get("components", {}).get("schemas", {})
    overview = table(("route", "what it does"), [(code(f"{method} {path}"), said(route)) for method, path, route in found])
    parts = [described(method, path, route) for method, path, route in found]
    return page("HTTP API", INTRO, overview, *parts, "## Bodies", *(model(name, schema) for name, schema in sorted(schemas.items())))


def said(route: dict[str, Any]) -> str:
    """The first paragraph of its description."""
    return cell((route.get("description") or route.get("summary") or "").split("\n\n")[0])


def described(method: str, path: str, route: dict[str, Any]) -> str:
    """One route: parameters, body, answers."""
    parts = [f"## {method} {path}", route.get("description") or route.get("summary") or ""]
    if parameters := route.get("parameters"):
        rows = [(code(p["name"]), p["in"], kind(p.get("schema", {})), p.get("description", "")) for p in parameters]
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    for content in route.get("requestBody", {}).get("content", {}).values():
        parts.append(f"Body: {kind(content.get('schema', {}))}.")
    answers = [(status, answer.get("description", ""), "; ".join(contents(answer))) for status, answer in route["responses"].items()]
    parts.append(table(("status", "meaning", "body"), answers))
    return "\n\n".join(parts)


def contents(answer: dict[str, Any]) -> list[str]:
    """The body of an answer, media type by media type."""
    return [kind(content.get("schema", {})) or media for media, content in answer.get("content", {}).items()]


def kind(schema: dict[str, Any]) -> str:
    """A schema in a word or two; models are links."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(kind(choice) for choice in choices)
    if values := schema.get("enum"):
        return ", ".join(code(value) for value in values)
    if "const" in schema:
        return code(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {})) or 'anything'}"
    return str(schema.get("format") or schema.get("type", ""))


def model(name: str, schema: dict[str, Any]) -> str:
    """A body with its fields."""
    required = schema.get("required", [])
    rows = [
        (
            code(field),
            kind(found),
            "required" if field in required else code(found["default"]) if "default" in found else "",
            found.get("description", ""),
        )
        for field, found in schema.get("properties", {}).items()
    ]
    parts = [f"### {name}", schema.get("description", ""), table(("field", "type", "default", "meaning"), rows) if rows else kind(schema)]
    return "\n\n".join(parts)
