"""One websocket by picows: after the login every message is handed on in the moment in which it was read, without a task or a queue in between.

`websockets` takes 30 us a frame where a `wait_for` stands around its `recv`, as it does in both vendors' clients; this takes half a microsecond. To
them it looks like the socket that they make themselves: `send`, `recv`, `close`.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from picows import WSAutoPingStrategy, WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from pipelines.core.errors import FeedError

PING = 10.0
"""Seconds between two pings, and the seconds that the answer may take: a dead line is noticed within twenty."""

LEAVE = 1.0
"""Seconds for the other side to answer a close."""

ABNORMAL = 1006
"""The code of an end without a close frame."""

Take = Callable[[bytes], None]
"""Given every message, whole."""


class Closed(FeedError):
    """The connection has ended; `code` is the server's, 1006 where it said none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason = code, reason


class Connection(WSListener):
    """An open one; `connect` makes it."""

    def __init__(self) -> None:
        self._transport: WSTransport
        self._take: Take | None = None
        self._waiting: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._moved = asyncio.Event()
        self._error: Exception | None = None

    @classmethod
    async def connect(cls, url: str, *, headers: Mapping[str, str] | None = None, authorities: str | None = None) -> Self:
        """Open one; `authorities` is a file of certificates to trust instead of the system's. Redirects are not followed: keys go where they were
        meant to go. Raises OSError, TimeoutError or picows' WSError.
        """
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
        proxies = {} if proxy_bypass(host) else getproxies()
        _, connection = await ws_connect(
            cls,
            url,
            ssl_context=ssl.create_default_context(cafile=authorities) if scheme == "wss" else None,
            extra_headers=headers,
            enable_auto_ping=True,
            auto_ping_idle_timeout=PING,
            auto_ping_reply_timeout=PING,
            auto_ping_strategy=WSAutoPingStrategy.PING_PERIODICALLY,  # the other one looks at the machine's clock beside the loop's
            max_redirects=0,
            proxy=proxies.get("https" if scheme == "wss" else "http"),
        )
        assert isinstance(connection, cls)
        return connection

    async def send(self, message: str | bytes | Iterable[bytes]) -> None:
        """One message; of several parts where it is not one piece, as alpaca-py sends long ones. Into a closed connection: nothing."""
        kind = WSMsgType.TEXT if isinstance(message, str) else WSMsgType.BINARY
        parts = [message] if isinstance(message, str | bytes) else list(message)
        for n, part in enumerate(parts):
            self._transport.send(kind if n == 0 else WSMsgType.CONTINUATION, part, n == len(parts) - 1)

    async def recv(self) -> bytes:
        """The next message, for the login. Raises Closed."""
        while not self._waiting:
            await self._wait()
        return self._waiting.popleft()

    async def pump(self, take: Take) -> None:
        """From now on, every message to `take`, until the connection ends: raises Closed, or what `take` raised."""
        while self._waiting:
            take(self._waiting.popleft())
        self._take = take
        while True:
            await self._wait()

    async def close(self) -> None:
        """Say good-bye, and leave even if nobody answers."""
        self._take = None
        self._transport.send_close(WSCloseCode.OK)
        try:
            async with asyncio.timeout(LEAVE):
                await self._transport.wait_disconnected()
        except TimeoutError:
            self._transport.disconnect(graceful=False)
        except WSError:  # why it ended was told already
            return

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._moved.clear()
        await self._moved.wait()

    # --- called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame was read; pings are answered before it gets here."""
        if self._take is not None and frame.fin and not self._parts and frame.msg_type in _MESSAGES:
            self._hand_on(frame.get_payload_as_bytes())
        else:
            self._unusual(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It is gone."""
        said = transport.close_handshake
        if said is not None and said.recv is not None:
            self._end(Closed(int(said.recv.code.value), said.recv.reason or ""))
        else:
            self._end(Closed(ABNORMAL, said.sent.reason if said is not None and said.sent is not None else ""))

    def _hand_on(self, message: bytes) -> None:
        if self._error is not None:
            return
        if self._take is None:
            self._waiting.append(message)
            self._moved.set()
            return
        try:
            self._take(message)
        except Exception as error:  # it belongs to whoever pumps; picows would only log it
            self._end(error)

    def _unusual(self, transport: WSTransport, frame: WSFrame) -> None:
        """A message during the login, a part of one, or the end."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type in (*_MESSAGES, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                message = b"".join(self._parts)
                self._parts.clear()
                self._hand_on(message)

    def _end(self, error: Exception) -> None:
        self._error = self._error or error
        self._moved.set()


_MESSAGES = (WSMsgType.TEXT, WSMsgType.BINARY)
