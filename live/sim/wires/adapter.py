"""Requests of python clients answered in process: an adapter for a `requests` session, such as alpaca-py's `client._session`."""

import asyncio
import io
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from starlette.types import ASGIApp, Message
from urllib3 import BaseHTTPResponse, HTTPResponse
from urllib3.exceptions import ProtocolError

from live.sim.errors import SimulationError


class InProcess(BaseAdapter):
    """Mounted on a session it takes the place of the network: `session.mount("http://", InProcess(app, loop))`.

    Called from code that runs on the loop, the answer comes before anything else happens, at the same venue time; called from another
    thread, the loop answers it in its turn. No time passes on the way: of a fault that stalls or slows an answer only the outcome shows.
    """

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._app = app
        self._loop = loop

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Raises `requests.ConnectionError` where the exchange ended the connection instead of answering."""
        exchange = _Exchange(request)
        _finish(exchange.run(self._app), self._loop)
        if exchange.status is None:
            raise requests.ConnectionError("the simulated exchange ended the connection without an answer", request=request)
        return exchange.response()

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> "_Pool":
        """For a client that asks the connection beneath the adapter, by urllib3."""
        return _Pool(self, str(request.url))

    def close(self) -> None:
        """There is nothing to close."""


class _Pool:
    """What such a client asks of it."""

    proxy = None

    def __init__(self, adapter: InProcess, url: str) -> None:
        self._adapter, self._url = adapter, url

    def urlopen(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], **_: Any) -> BaseHTTPResponse:
        """Raises `urllib3.exceptions.ProtocolError` where the exchange ended the connection instead of answering."""
        asked = requests.Request(method, urljoin(self._url, url), data=body, headers=dict(headers)).prepare()
        try:
            answer = self._adapter.send(asked)
        except requests.ConnectionError as error:
            raise ProtocolError(str(error)) from None
        return HTTPResponse(answer.raw, answer.headers, answer.status_code)


class _Exchange:
    """One request and its answer, as ASGI wants them."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        self._request = request
        self._asked = False
        self._parts: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self.status: int | None = None

    async def run(self, app: ASGIApp) -> None:
        url = urlsplit(str(self._request.url))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": unquote(url.path),
            "raw_path": url.path.encode(),
            "root_path": "",
            "query_string": url.query.encode(),
            "headers": [(b"host", url.netloc.encode()), *self._sent()],
            "client": None,
            "server": (url.hostname, url.port),
        }
        await app(scope, self._receive, self._send)

    def _sent(self) -> list[tuple[bytes, bytes]]:
        found = self._request.headers.items()
        return [(_bytes(name).lower(), _bytes(value)) for name, value in found]

    async def _receive(self) -> Message:
        """The body, and after it that the client has gone: nothing may wait for it."""
        if self._asked:
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": _bytes(self._request.body or b""), "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], list(message.get("headers", []))
        else:
            self._parts.append(message.get("body", b""))

    def response(self) -> requests.Response:
        answer = requests.Response()
        answer.status_code = self.status or 0
        answer.headers = CaseInsensitiveDict({name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers})
        answer.encoding = requests.utils.get_encoding_from_headers(answer.headers)
        answer.raw = io.BytesIO(b"".join(self._parts))
        answer.url = str(self._request.url)
        answer.request = self._request
        return answer


def _finish(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
    """Run to the end: by hand in the loop's own thread, where no other task can be waited for, and by the loop from any other."""
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not loop:
        asyncio.run_coroutine_threadsafe(work, loop).result()
        return
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise SimulationError("a request that has to wait cannot be answered in process: use `inject` and `relent`, or the socket")


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else bytes(text)
