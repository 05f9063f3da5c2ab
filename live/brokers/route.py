"""One connection to Alpaca's trading API: alpaca-py's client with a time-out, our errors, and no retry of its own."""

import json
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from alpaca.trading.client import TradingClient
from requests import Request, Session
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import HTTPError

from pipelines.core.errors import OrderRejected, Unreachable
from pipelines.settings import Mode, Settings

TIMEOUT = Timeout(connect=3.05, read=10.0)
"""Seconds; alpaca-py has none of its own."""

RETRY_AFTER = "retry_after"
"""Where a refusal for haste keeps the seconds that the broker named, in `OrderRejected.extra`."""

Tap = Callable[[dict[str, Any]], None]
"""Told of every request and what came of it, without its headers: those hold the keys."""

Heed = Callable[[Mapping[str, str]], None]
"""Told of every answer's headers: they say how much of the rate limit is left."""


class Route(TradingClient):
    """alpaca-py repeats even a POST when it gets 429 or 504; here only the broker's own code repeats, and only what may be."""

    heed: Heed | None = None
    tap: Tap | None = None
    silent: str = ""
    """Why nothing may be asked of the broker but to read; empty where everything may."""
    sent: int = 0
    """Requests that went out: a call of ours may be several, as a list has pages."""
    _wire: "_Wire | None" = None

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        if self.silent and method.upper() != "GET":
            raise OrderRejected(0, None, self.silent)
        sent, place = {"method": method, "url": url, "body": opts.get("json") or opts.get("params")}, url.partition("?")[0]
        self._wire = self._wire or _Wire(self._session, url)
        self.sent += 1
        try:
            response, seconds = self._wire.exchange(method, url, opts)
        except HTTPError as error:
            self._tell({**sent, "error": type(error).__name__})
            raise Unreachable(f"{method} {place}: no answer ({type(error).__name__})") from None
        status, text = response.status, response.data.decode(errors="replace")
        self._tell({**sent, "status": status, "seconds": seconds, "answer": text})
        if self.heed is not None:
            self.heed(response.headers)
        if 300 <= status < 400 or status >= 500:
            raise Unreachable(f"{method} {place}: HTTP {status}; what became of it is unknown")
        if status >= 400:
            raise _refusal(response, text)
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise Unreachable(f"{method} {place}: HTTP {status} with a body that is not JSON") from None

    def _tell(self, told: dict[str, Any]) -> None:
        if self.tap is not None:
            self.tap(told)


class _Wire:
    """The connection that alpaca-py's `requests` session would use, asked without it: to prepare a request takes that 0.4 ms, and this 0.06.

    Certificates and proxies are those of the session, looked up once instead of with every request.
    """

    def __init__(self, session: Session, url: str) -> None:
        known = session.merge_environment_settings(url, {}, None, None, None)
        adapter: Any = session.get_adapter(url)  # typeshed's says nothing of what requests 2.32 made public
        self._pool: HTTPConnectionPool = adapter.get_connection_with_tls_context(
            Request("GET", url).prepare(), known["verify"], known["proxies"], known["cert"]
        )
        self._headers = {str(name): str(value) for name, value in session.headers.items()}
        parts = urlsplit(url)
        proxied = self._pool.proxy is not None and parts.scheme == "http"
        self._skip = 0 if proxied else len(f"{parts.scheme}://{parts.netloc}")
        """What is left out of an address: a proxy that reads the request wants all of it."""

    def exchange(self, method: str, url: str, opts: Mapping[str, Any]) -> tuple[BaseHTTPResponse, float]:
        """The answer to one request, and the seconds that it took. Nothing is sent twice. Raises urllib3's HTTPError."""
        headers, body = self._headers | opts["headers"], None
        if opts.get("json") is not None:
            headers["Content-Type"], body = "application/json", json.dumps(opts["json"], allow_nan=False).encode()
        if asked := {name: value for name, value in (opts.get("params") or {}).items() if value is not None}:
            url = f"{url}?{urlencode(asked, doseq=True)}"
        known: dict[str, Any] = {"body": body, "headers": headers, "retries": False, "redirect": False, "assert_same_host": False, "timeout": TIMEOUT}
        begin = perf_counter()
        response = self._pool.urlopen(method, url[self._skip :], **known)
        return response, perf_counter() - begin


def connect(settings: Settings) -> Route:
    """A connection to the settings' account. Answers are plain JSON: alpaca-py's models fail on values that they do not know."""
    key, secret = settings.keys
    return Route(key, secret, paper=settings.daybot_mode is not Mode.LIVE, raw_data=True, url_override=settings.alpaca_base_url)


def _refusal(response: BaseHTTPResponse, text: str) -> OrderRejected:
    """The broker's refusal, whatever its body is: JSON with a code, JSON without, or a proxy's HTML page."""
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    code = body.get("code")
    extra = {k: v for k, v in body.items() if k not in {"code", "message"}}
    if response.status == 429:
        extra[RETRY_AFTER] = _seconds(response.headers.get("Retry-After"))
    return OrderRejected(response.status, code if isinstance(code, int) else None, str(body.get("message", text[:200])), extra)


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # RFC 9110 allows a date as well
        return 0.0
