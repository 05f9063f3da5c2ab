"""Addresses of single hosts: a port or a path of their own, where only their own paths exist, for clients that want a base URL for each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.types import ASGIApp, Receive, Scope, Send

from live.sim.errors import WorldError
from live.sim.wires.hosts import host_of, stream_of

Host = Literal["trading", "data", "stream", "polygon"]
"""Alpaca's trading host with its order stream, its data host, its data streams, and Polygon with its stream."""
_NOWHERE: Mapping[str, str] = {"trading": "/v2", "data": "/v2/stocks", "stream": "/", "polygon": "/vX/"}
"""A path that the host owns and that does not exist: it asks for keys and answers not found as the host does."""
_STREAMS = {"market": "stream", "trading": "trading", "polygon": "polygon"}


@dataclass(frozen=True, slots=True)
class Address:
    """Either `port` (0 picks a free one) or `prefix`, a path on the main port such as /polygon."""

    host: Host
    port: int | None = None
    prefix: str = ""


def read(texts: Sequence[str]) -> list[Address]:
    """Each `polygon=8766` or `polygon=/polygon`, a host at most once. Raises WorldError."""
    found = [_address(text) for text in texts]
    for host, count in Counter(address.host for address in found).items():
        if count > 1:
            raise WorldError(f"--at gives {host} two addresses. Choose one of them.")
    return found


def _address(text: str) -> Address:
    name, equals, where = text.partition("=")
    for host in get_args(Host):
        if equals and name == host and where.isascii() and where.isdecimal() and int(where) < 65_536:
            return Address(host, port=int(where))
        if equals and name == host and where.startswith("/") and where.strip("/"):
            return Address(host, prefix="/" + where.strip("/"))
    raise WorldError(f"--at must look like polygon=8766 or polygon=/polygon, for one of {', '.join(get_args(Host))}, found {text!r}.")


class Front:
    """In front of the exchange. `ports` says whose the ports beside the main one are."""

    def __init__(self, app: ASGIApp, addresses: Sequence[Address], ports: Mapping[int, Host]) -> None:
        self._app = app
        self._prefixes = {address.prefix: address.host for address in addresses if address.prefix}
        self._ports = ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(self._placed(scope) if scope["type"] in ("http", "websocket") else scope, receive, send)

    def _placed(self, scope: Scope) -> Scope:
        """With the path as the exchange knows it."""
        host, path = self._ports.get((scope.get("server") or ("", 0))[1]), scope["path"]
        for prefix, owner in self._prefixes.items():
            if path.startswith(prefix + "/"):
                host, path = owner, path[len(prefix) :]
        if host is not None and host != _owner(scope["type"], path):
            path = _NOWHERE[host]
        return scope if path == scope["path"] else {**scope, "path": path, "raw_path": path.encode()}


def _owner(kind: str, path: str) -> str:
    return _STREAMS[stream_of(path)] if kind == "websocket" else host_of(path)
