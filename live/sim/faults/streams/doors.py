"""The ways into a stream, told by their answers: handshakes denied, authentications refused, subscriptions cut short."""

from collections.abc import Mapping
from typing import Any

from starlette.types import Scope, Send

from live.sim.faults.fault import Fault
from live.sim.faults.points import Point
from live.sim.faults.registry import Registry
from live.sim.faults.transports import TRANSPORT, transport_of
from live.sim.wires.hosts import stream_of

_TEXTS = {402: "auth failed", 404: "auth timeout", 405: "symbol limit exceeded", 406: "connection limit exceeded", 409: "insufficient subscription"}
_SUBSCRIBED = "subscribed to: "

Chosen = dict[str, set[str]]
"""Symbols by channel."""


async def denies(registry: Registry, scope: Scope, send: Send) -> bool:
    """Answer a handshake with an HTTP error, if a fault says so. Notes the connection for those who may have to abort it."""
    scope[TRANSPORT] = transport_of(send)
    found = registry.first(Point.HANDSHAKE, {"stream": stream_of(scope["path"])})
    if found is None:
        return False
    await send({"type": "websocket.http.response.start", "status": found.fault.give["status"], "headers": []})
    await send({"type": "websocket.http.response.body", "body": f"simulated: {found.fault.give['status']}".encode()})
    return True


def enters(message: Mapping[str, Any]) -> bool:
    """Whether this tells a client that it has been let in."""
    data = message.get("data")
    return (
        (message.get("T"), message.get("msg")) == ("success", "authenticated")
        or (message.get("stream") == "authorization" and isinstance(data, dict) and data.get("status") == "authorized")
        or (message.get("ev"), message.get("status")) == ("status", "auth_success")
    )


def refusal(stream: str, fault: Fault) -> dict[str, Any]:
    """What the client reads instead."""
    code = fault.give["code"]
    text = fault.give["text"] or _TEXTS.get(code, "connection refused")
    if stream == "trading":
        return {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
    if stream == "polygon":
        return {"ev": "status", "status": "max_connections" if code == 406 else "auth_failed", "message": text}
    return {"T": "error", "code": code, "msg": text}


def subscribes(message: Mapping[str, Any]) -> bool:
    """Whether this acknowledges a subscription."""
    return message.get("T") == "subscription" or (message.get("ev") == "status" and str(message.get("message")).startswith(_SUBSCRIBED))


def acknowledged(message: dict[str, Any], fault: Fault, chosen: Chosen, before: Chosen) -> dict[str, Any]:
    """The answer to a subscription that was refused or cut short; `chosen` becomes what is really subscribed to."""
    code, missing = fault.give["code"], set(fault.give["missing"])
    if code:
        for channel, names in chosen.items():
            names.intersection_update(before.get(channel, set()))
    else:
        for names in chosen.values():
            names.difference_update(missing)
    if message.get("ev") == "status":
        lost = code or str(message["message"]).rpartition(".")[2] in missing
        return {"ev": "status", "status": "error", "message": "not authorized"} if lost else message
    if code:
        return {"T": "error", "code": code, "msg": _TEXTS.get(code, "subscription refused")}
    return {name: [each for each in value if each not in missing] if isinstance(value, list) else value for name, value in message.items()}
