"""Frames of typed messages. A frame is decoded as a whole; one that cannot be, message by message, so that a bad one costs only itself."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct


class Unreadable(Struct, gc=False):
    """A message without the form that it has to have; `content` is what could be read of it. `kind` may be a name unknown to us."""

    kind: str
    reason: str
    content: Any


class Decoder(Protocol):
    """msgspec's, of JSON or msgpack."""

    def decode(self, data: bytes | Raw, /) -> Any:
        """The value."""


Make = Callable[[Any], Decoder]
"""A decoder of this type."""

Split = Callable[[bytes], Iterable[bytes | Raw]]
"""A frame's messages undecoded. Raises ValueError."""


class Frames:
    """Of one vendor. `kinds` are its messages by name, `named` is the field that holds the name; `split` is for a frame with a bad one."""

    def __init__(self, make: Make, named: str, kinds: Mapping[str, type[Struct]], *, split: Split) -> None:
        message: Any = None
        for kind in kinds.values():
            message = kind if message is None else message | kind
        self._named, self._kinds = named, frozenset(kinds)
        self._whole, self._one = make(list[message]), make(message)
        self._any, self._split = make(Any), split

    def read(self, frame: bytes) -> list[Any]:
        """Its messages in order, each as its type or as Unreadable. Raises ValueError where the frame as a whole is none."""
        try:
            found: list[Any] = self._whole.decode(frame)
        except msgspec.MsgspecError:
            return [self._single(part) for part in self._split(frame)]
        return found

    def knows(self, kind: str) -> bool:
        """Whether it is a kind of message that we take."""
        return kind in self._kinds

    def _single(self, part: bytes | Raw) -> Any:
        try:
            return self._one.decode(part)
        except msgspec.MsgspecError as error:
            reason = str(error)
        try:
            content = self._any.decode(part)
        except msgspec.MsgspecError as error:
            return Unreadable("", f"{reason}; {error}", bytes(part))
        kind = content.get(self._named) if isinstance(content, dict) else None
        return Unreadable(kind if isinstance(kind, str) else "", reason, content)
