"""`daybot mcp`: the tools for a client on this machine, over standard input and output; and what to paste into it."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from live.commands.terminal import Home, settings_of, told

if TYPE_CHECKING:
    from pipelines.settings import Settings

Trading = Annotated[
    bool, typer.Option("--allow-trading", help="Also tools that trade; each entry and change of a trade asks a person first. MCP_TRADING otherwise.")
]
Config = Annotated[bool, typer.Option("--print-config", help="Print what to paste into an MCP client, and end.")]


def mcp(home: Home = None, allow_trading: Trading = False, print_config: Config = False) -> None:
    """Serve the tools to an MCP client on this machine (stdio). Clients start this by themselves: `--print-config` says how to tell them."""
    with told():
        settings = settings_of(home)
        trading = allow_trading or settings.mcp_trading
        if print_config:
            typer.echo(json.dumps(config(settings, trading=trading), indent=2))
            return
        asyncio.run(_serve(settings, trading=trading))


def config(settings: "Settings", *, trading: bool) -> dict[str, Any]:
    """As Claude Desktop, Claude Code, Cursor and others read it: the command to start, and the runner's address where it listens."""
    words = ["mcp", "--home", str(settings.daybot_home.absolute()), *(["--allow-trading"] if trading else [])]
    beside = Path(sys.executable).with_name("daybot")  # of this environment, whatever is first on the path
    found: dict[str, Any] = {"daybot": {"command": os.fspath(beside) if beside.exists() else shutil.which("daybot") or "daybot", "args": words}}
    if settings.server_listen:
        found["daybot-http"] = {"type": "http", "url": f"{address(settings)}/mcp", "headers": {"Authorization": "Bearer TOKEN"}}
    return {"mcpServers": found}


def address(settings: "Settings") -> str:
    """Where a client reaches the runner: by the name that others know it by, where it listens for them."""
    from pipelines.settings import HERE

    known = settings.server_names.partition(",")[0].strip() or "HOST"
    if settings.server_proxy:  # which speaks TLS to them
        return f"https://{known}"
    host = settings.server_host if settings.server_host in HERE else known
    return f"{'https' if settings.server_tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{settings.server_port}"


async def _serve(settings: "Settings", *, trading: bool) -> None:
    from live.doors.mcp.reach import beside
    from live.doors.mcp.server import build, named
    from live.doors.tickets import Tickets

    reach = beside(settings)
    try:
        await build(reach, Tickets(settings.tickets), trading=trading, who=named).run_stdio_async()
    finally:
        await reach.close()
