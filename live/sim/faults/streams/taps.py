"""Between a stream's frames and its socket: takes a frame apart, lets faults change its messages, and puts it together again.

A frame that no fault touches leaves as it came, byte for byte.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack
from starlette.websockets import WebSocket, WebSocketState

from live.sim.clock import SECOND, parse
from live.sim.faults.fault import Fault
from live.sim.faults.points import Point
from live.sim.faults.registry import Registry
from live.sim.faults.streams import doors
from live.sim.faults.streams.frames import CHANNELS, EFFECTS, Out
from live.sim.faults.transports import TRANSPORT, abort
from live.sim.venue.agenda import ORDER, Agenda
from live.sim.wires.hosts import stream_of

if TYPE_CHECKING:  # the streams make these
    from live.sim.alpaca.streams.lines import Line

FAULTS = "daybot.faults"
"""Where a websocket's scope holds the exchange's faults."""
_REFUSED = {"market": 1000, "trading": 1000, "polygon": 1008}
"""The close code after a refused authentication."""
_LAST = bytes([0])  # stands in the queue where the connection ends; known by identity


class Tap:
    """Sits on one line of one stream."""

    def __init__(self, line: "Line", socket: WebSocket, *, registry: Registry, agenda: Agenda) -> None:
        self.stream = stream_of(socket.url.path)
        self._line = line
        self._socket = socket
        self._registry = registry
        self._agenda = agenda
        self._behind: list[dict[str, Any]] = []
        self._ending: Fault | None = None
        self._before: doors.Chosen = {}  # subscriptions as they were last acknowledged

    @property
    def open(self) -> bool:
        return self._line.open

    def passes(self, frame: str | bytes, messages: int) -> list[tuple[str | bytes, int]]:
        """The frames to write instead of this one."""
        if self._ending is not None:
            return []
        if not (self._behind or self._registry.at(Point.FRAME, Point.ENTRY, Point.SUBSCRIBE)):
            self._remember(messages)
            return [(frame, messages)]
        found = unpack(frame)
        parts = found if isinstance(found, list) else [found]
        if not all(isinstance(part, dict) for part in parts):
            return [(frame, messages)]
        outs = [self._treat(part, control=not messages) for part in parts]
        self._remember(messages)
        waited, self._behind = self._behind, []
        if not waited and all(out is None for out in outs):
            return [(frame, messages)]
        kept = [out for part, treated in zip(parts, outs, strict=True) for out in ([Out(part)] if treated is None else treated)]
        now = [out.message for out in kept if not (out.delay or out.raw)] + waited
        for out in kept:
            self._set_aside(out)
        bad: list[tuple[str | bytes, int]] = [(_garbage(frame), 1) for out in kept if out.raw]
        last: list[tuple[str | bytes, int]] = [(_LAST, 0)] if self._ending is not None else []
        return [*bad, *self._frames(now, like=frame, whole=isinstance(found, list), control=not messages), *last]

    def _treat(self, message: dict[str, Any], *, control: bool) -> list[Out] | None:
        """What becomes of one message; None when no fault cares. Control messages are hit only by faults that name their type."""
        changed = self._at_the_door(message) if control else message
        facts = facts_of(self.stream, message)
        found = self._registry.match(Point.FRAME, facts, only=_names_type if control else None)
        if not found:
            return None if changed is message else [Out(changed)]
        outs = [Out(changed)]
        for active in found:
            if active.fault.name == "stream.close":
                self._ending = self._ending or active.fault
                continue
            effect = EFFECTS[active.fault.name]
            outs = [_joined(out, further) for out in outs for further in effect(active.fault, out.message)]
        return [out for out in outs if not out.needs or self._wants(out.needs, out.message)]

    def _at_the_door(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answers to authentication and subscription."""
        if doors.enters(message):
            found = self._registry.first(Point.ENTRY, {"stream": self.stream, "type": "auth"})
            if found is not None:
                self._ending = self._ending or found.fault
                return doors.refusal(self.stream, found.fault)
        if doors.subscribes(message):
            for active in self._registry.match(Point.SUBSCRIBE, {"stream": self.stream, "type": "subscribe"}):
                message = doors.acknowledged(message, active.fault, self._chosen(), self._before)
        return message

    def _chosen(self) -> doors.Chosen:
        """The line's own subscriptions, whatever kind of line it is."""
        found: doors.Chosen = getattr(self._line, "channels", None) or getattr(self._line, "chosen", None) or {}
        return found

    def _remember(self, messages: int) -> None:
        if not messages:
            self._before = {channel: set(names) for channel, names in self._chosen().items()}

    def _wants(self, channel: str, message: Mapping[str, Any]) -> bool:
        wants = getattr(self._line, "wants", None)
        return wants is None or bool(wants(channel, facts_of(self.stream, message).get("symbol", "")))

    def _set_aside(self, out: Out) -> None:
        """Keep a message for its time; one that waits for the next message goes with it, or when its time has come."""
        if out.behind:
            self._behind.append(out.message)
            self._agenda.at(self._agenda.now + out.delay, ORDER, partial(self._overdue, out.message))
        elif out.delay and not out.raw:
            self._agenda.at(self._agenda.now + out.delay, ORDER, partial(self.say, out.message))

    def _overdue(self, message: dict[str, Any]) -> None:
        if any(each is message for each in self._behind):
            self._behind = [each for each in self._behind if each is not message]
            self.say(message)

    def _frames(self, messages: list[dict[str, Any]], *, like: str | bytes, whole: bool, control: bool) -> list[tuple[str | bytes, int]]:
        if not messages:
            return []
        bodies: list[Any] = [messages] if whole else list(messages)
        return [(self._pack(body, text=isinstance(like, str)), 0 if control else len(body) if whole else 1) for body in bodies]

    def _pack(self, body: Any, *, text: bool) -> str | bytes:
        if self._line.packed:
            with contextlib.suppress(OverflowError, ValueError, TypeError):  # a fault may put in what msgpack cannot hold
                return bytes(msgpack.packb(body))
        written = json.dumps(body, separators=(",", ":"), default=str)
        return written if text else written.encode()

    def hears(self, message: Mapping[str, Any]) -> bool:
        """Whether the client asked for messages of this kind."""
        if self.stream == "trading":
            return bool(getattr(self._line, "listens", False))
        kind = str(message.get("ev") or message.get("T"))
        channel = kind if self.stream == "polygon" else CHANNELS.get(kind)
        return channel in (None, "status") or self._wants(channel, message)

    def say(self, message: dict[str, Any]) -> None:
        """Put a message on the line past all faults."""
        if self._line.open and self._ending is None:
            self._line.enter(self._frame(message), 1)

    def tell(self, message: dict[str, Any]) -> None:
        """Put a message on the line like one of the exchange's own."""
        if self._line.open:
            self._line.put(self._frame(message), 1)

    def _frame(self, message: dict[str, Any]) -> str | bytes:
        if isinstance(message.get("t"), str) and self._line.packed:
            with contextlib.suppress(ValueError):  # then it stays the text it is
                message = {**message, "t": msgpack.Timestamp(*divmod(parse(message["t"]), SECOND))}
        trading = self.stream == "trading"
        return self._pack(message if trading else [message], text=not trading)

    # The end of a connection

    def end(self, fault: Fault) -> None:
        """Close once what waits has been written."""
        if self._ending is None:
            self._ending = fault
            self._line.enter(_LAST, 0)

    async def ends(self, frame: str | bytes) -> bool:
        """Whether this was the last frame; the socket is closed as the fault says."""
        if frame is not _LAST or self._ending is None:
            return False
        code = self._ending.give["code"] if self._ending.name == "stream.close" else _REFUSED[self.stream]
        if code == 1006:
            self._line.open = False
            self._socket.application_state = WebSocketState.DISCONNECTED  # nothing may be written any more
            abort(self._socket.scope.get(TRANSPORT), torn=self._ending.give["torn"])
        else:
            self._line.open = False
            await self._socket.close(code, self._ending.give.get("reason") or None)
        return True


def tap_of(line: "Line", socket: WebSocket) -> Tap | None:
    """The tap of a new line, if its exchange has faults at all."""
    faults = socket.scope.get(FAULTS)
    return None if faults is None else faults.tap(line, socket)


def _joined(before: Out, after: Out) -> Out:
    """A later fault acts on what an earlier one made: delays add up."""
    return replace(
        after,
        delay=before.delay + after.delay,
        raw=before.raw or after.raw,
        behind=before.behind or after.behind,
        needs=after.needs or before.needs,
    )


def _names_type(fault: Fault) -> bool:
    return "type" in fault.where


def unpack(frame: str | bytes) -> Any:
    """JSON or msgpack, whichever it is; None when neither."""
    with contextlib.suppress(ValueError):
        return json.loads(frame)
    if isinstance(frame, str):
        return None
    with contextlib.suppress(ValueError, msgpack.exceptions.UnpackException):
        return msgpack.unpackb(frame)
    return None


def facts_of(stream: str, message: Mapping[str, Any]) -> dict[str, str]:
    """What faults can be aimed by, for Alpaca's two streams and Polygon's."""
    if stream == "market":
        return _facts(stream, message.get("T"), message.get("S"))
    if stream == "polygon":  # price bands have their symbol under `T`
        return _facts(stream, message.get("ev"), message.get("sym") or message.get("T"))
    data = message.get("data")
    data = data if isinstance(data, dict) else {}
    facts = {"stream": stream, "type": str(data.get("event") or message.get("stream"))}
    order = data.get("order")
    if isinstance(order, dict):
        names = {"symbol": "symbol", "client_order_id": "client_order_id", "side": "side", "state": "status", "role": "group_role"}
        facts |= {name: str(order[key]) for name, key in names.items() if order.get(key) is not None}
        facts["event"] = facts["type"]
    return facts


def _facts(stream: str, kind: object, symbol: object) -> dict[str, str]:
    return {"stream": stream, "type": str(kind), **({"symbol": str(symbol)} if symbol else {})}


def _garbage(frame: str | bytes) -> str | bytes:
    return frame[: len(frame) // 2] if isinstance(frame, str) else b"\xc1" + frame[: len(frame) // 2]
