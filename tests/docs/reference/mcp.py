"""What a model is offered: tools, documents and prompts, as the MCP server itself lists them."""

import asyncio
from typing import Any

from live.doors.mcp.server import ACTING, INSTRUCTIONS, LOOKING, build
from live.tools.catalogue import TOOLS
from reference.markdown import code, page, table

INTRO = """
`daybot mcp` serves these over stdio, the runner over HTTP at `/mcp` (with a token); `daybot mcp --print-config` prints what to paste into a client.
Without `--allow-trading` (or `MCP_TRADING`) only the tools that look are there. What opens or changes a trade asks a person first: in the client, or
by a ticket that `daybot approve` lets through once. What reduces risk asks nobody. Requests and answers are those of [the tools](tools.md).
"""


def write() -> str:
    """The page."""
    return asyncio.run(_write())


async def _write() -> str:
    unused: Any = None
    server = build(unused, unused, trading=True, who=unused)
    offered = [row(tool) for tool in await server.list_tools()]
    documents = [(code(found.uri), found.description or "") for found in await server.list_resources()]
    documents += [(code(found.uri_template), found.description or "") for found in await server.list_resource_templates()]
    prompts = [(code(found.name), found.description or "") for found in await server.list_prompts()]
    return page(
        "MCP",
        INTRO,
        "## Tools",
        table(("tool", "kind", "hints", "what it does"), offered),
        "## Resources",
        table(("address", "what it is"), documents),
        "## Prompts",
        table(("prompt", "what it is for"), prompts),
        "## What a model is told",
        f"> {INSTRUCTIONS}",
    )


def row(tool: Any) -> tuple[str, str, str, str]:
    """A tool with its annotations."""
    kind = "looks" if tool.name in LOOKING else "acts" if tool.name in ACTING else "acts, approved"
    marks = tool.annotations
    hints = {"read-only": marks.read_only_hint, "destructive": marks.destructive_hint, "idempotent": marks.idempotent_hint}
    name = f"[{code(tool.name)}](tools.md#{tool.name})" if tool.name in TOOLS else code(tool.name)
    return name, kind, ", ".join(hint for hint, true in hints.items() if true), tool.description or ""
