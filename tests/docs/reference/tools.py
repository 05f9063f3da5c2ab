"""The tools: what each does, is asked and answers, from the one table that HTTP, MCP and the command line are made of."""

import json
from typing import Any

from pydantic import BaseModel

from live.tools.catalogue import CATALOGUE, Entry
from reference.http import kind
from reference.markdown import code, page, table

INTRO = """
One set of functions, whatever door they come through: HTTP, MCP, the command line. All that adds risk passes [the gate](limits.md); what reduces risk
does not. A tool that says no answers with a code, the numbers and where the limit came from ([what they mean](../runbook.md#what-a-tool-answers)).
Scopes include the ones before them: read, trade, admin.
"""


def write() -> str:
    """The page."""
    overview = table(
        ("tool", "scope", "HTTP", "what it does"),
        [(f"[{code(e.name)}](#{e.name})", e.scope.name.lower(), code(f"{e.method} {e.path}"), first(e)) for e in CATALOGUE],
    )
    return page("Tools", INTRO, overview, *(described(entry) for entry in CATALOGUE))


def first(entry: Entry) -> str:
    """Its first sentence."""
    return entry.about.partition(". ")[0].rstrip(".")


def described(entry: Entry) -> str:
    """One tool: nature, request, answer."""
    parts = [f"## {entry.name}", entry.about, f"{code(f'{entry.method} {entry.path}')}, scope {entry.scope.name.lower()}. {nature(entry)}"]
    asked = fields(entry.ask)
    parts += ["Asked:", table(("field", "type", "default", "meaning"), asked)] if asked else ["Asked: nothing."]
    if entry.example:
        parts.append(f"```json\n{json.dumps(entry.example, indent=2)}\n```")
    parts += ["Answers:", table(("field", "type", "default", "meaning"), fields(entry.answer, mode="serialization"))]
    return "\n\n".join(parts)


def nature(entry: Entry) -> str:
    """What a careful caller wants to know."""
    words = ["Changes the account" if entry.acts else "Looks, changes nothing"]
    words += ["takes something away"] if entry.destructive else []
    words += [] if entry.idempotent else ["twice is twice, unless a key says that it is the same"]
    words += ["no rate limit holds it back"] if entry.urgent else []
    return "; ".join(words) + "."


def fields(model: type[BaseModel], mode: Any = "validation") -> list[tuple[str, str, str, str]]:
    """The fields of a request or an answer."""
    schema = model.model_json_schema(mode=mode)
    needed, known = schema.get("required", []), schema.get("$defs", {})
    return [
        (code(name), shape(found, known), "required" if name in needed else code(found["default"]) if found.get("default") is not None else "", said)
        for name, found in schema.get("properties", {}).items()
        for said in [found.get("description", "")]
    ]


def shape(schema: dict[str, Any], known: dict[str, Any]) -> str:
    """A type in a word or two; what is inside another model is named by its fields."""
    if reference := schema.get("$ref"):
        inner = known[reference.rpartition("/")[2]]
        return ", ".join(code(value) for value in inner["enum"]) if "enum" in inner else f"{{{', '.join(inner.get('properties', {}))}}}"
    if schema.get("type") == "array":
        return f"list of {shape(schema.get('items', {}), known) or 'anything'}"
    if choices := schema.get("anyOf"):
        return " or ".join(shape(choice, known) for choice in choices if choice != {"type": "null"}) + (
            ", or nothing" if {"type": "null"} in choices else ""
        )
    return kind(schema)
