"""The TCP connection under a request or a websocket, and how to end it without a word."""

import asyncio
import socket as sockets
import struct
from typing import Any

TRANSPORT = "daybot.transport"
"""Where a websocket's scope holds its connection."""
_TORN = b"\x82\x7e\x10\x00[{"  # the head of a frame of 4096 bytes, and its first two


def transport_of(send: Any) -> asyncio.Transport | None:
    """The connection behind an ASGI `send`: uvicorn binds it to the protocol that holds the connection."""
    found = getattr(getattr(send, "__self__", None), "transport", None)
    return found if isinstance(found, asyncio.Transport) else None


def abort(transport: asyncio.Transport | None, *, torn: bool = False) -> None:
    """A reset, or the end in the middle of a frame when `torn`."""
    if transport is None or transport.is_closing():
        return
    if torn:
        transport.write(_TORN)
        transport.close()
        return
    plug = transport.get_extra_info("socket")
    if plug is not None:
        plug.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
