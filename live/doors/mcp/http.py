"""MCP over HTTP at /mcp of the runner, behind the same guard as every route: the token's scope and MCP_TRADING say which of two servers answers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Receive, Scope, Send

from live.doors.api import MCP
from live.doors.mcp.reach import plain, within
from live.doors.mcp.server import build, named
from live.doors.tickets import Tickets
from live.doors.tokens import Grant
from live.doors.tokens import Scope as May
from pipelines.core.errors import DaybotError
from pipelines.settings import Settings

SESSIONS = 32
"""At once and server, of clients up to 2025-11-25: later ones need none."""
IDLE = 1800.0
"""Seconds after which a client that says nothing has left."""


@asynccontextmanager
async def with_mcp(app: ASGIApp, settings: Settings) -> AsyncIterator[ASGIApp]:
    """The app with /mcp beside its routes, while the block lasts. An error of ours leaves it as it is: the SDK's task groups would wrap it."""
    reach, raised = within(app), None
    async with AsyncExitStack() as stack:
        stack.push_async_callback(reach.close)
        doors: dict[bool, ASGIApp] = {}
        for trading in (False, True):
            server = build(reach, Tickets(settings.tickets), trading=trading, who=client)
            doors[trading] = _served(server)
            await stack.enter_async_context(server.session_manager.run())

        async def either(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != MCP:
                await app(scope, receive, send)
                return
            grant: Grant = scope["state"]["grant"]
            await doors[settings.mcp_trading and grant.scope >= May.TRADE](scope, receive, send)

        try:
            yield either
        except DaybotError as error:
            raised = error
    if raised is not None:
        raise raised


def client(ctx: ServerRequestContext[Any, Any]) -> str:
    """Program, and the token that it showed: `mcp claude-code via laptop`."""
    grant: Grant | None = getattr(getattr(ctx.request, "state", None), "grant", None)
    return named(ctx) + (f" via {plain(grant.name)} {grant.scope.name.lower()}" if grant is not None else "")


def _served(server: MCPServer) -> ASGIApp:
    """Host and origin are the guard's business, which knows SERVER_NAMES; so the SDK's own check is off."""
    return server.streamable_http_app(
        streamable_http_path=MCP,
        session_idle_timeout=IDLE,
        max_sessions=SESSIONS,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
