"""One connection to Alpaca's trading API: alpaca-py's client with a time-out, our errors, and no retry of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import requests
from alpaca.trading.client import TradingClient

from pipelines.core.errors import OrderRejected, Unreachable
from pipelines.settings import Mode, Settings

TIMEOUT = (3.05, 10.0)
"""Seconds to connect and to read; alpaca-py has none of its own."""

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

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:
        if self.silent and method.upper() != "GET":
            raise OrderRejected(0, None, self.silent)
        sent = {"method": method, "url": url, "body": opts.get("json") or opts.get("params")}
        try:
            response = self._session.request(method, url, timeout=TIMEOUT, **opts)
        except requests.RequestException as error:
            self._tell({**sent, "error": type(error).__name__})
            raise Unreachable(f"{method} {url.partition('?')[0]}: no answer ({type(error).__name__})") from None
        self._tell({**sent, "status": response.status_code, "seconds": response.elapsed.total_seconds(), "answer": response.text})
        if self.heed is not None:
            self.heed(response.headers)
        if response.status_code >= 500:
            raise Unreachable(f"{method} {url.partition('?')[0]}: HTTP {response.status_code}; what became of it is unknown")
        if response.status_code >= 400:
            raise _refusal(response)
        try:
            return response.json() if response.text else None
        except ValueError:
            raise Unreachable(f"{method} {url.partition('?')[0]}: HTTP {response.status_code} with a body that is not JSON") from None

    def _tell(self, told: dict[str, Any]) -> None:
        if self.tap is not None:
            self.tap(told)


def connect(settings: Settings) -> Route:
    """A connection to the settings' account. Answers are plain JSON: alpaca-py's models fail on values that they do not know."""
    key, secret = settings.keys
    return Route(key, secret, paper=settings.daybot_mode is not Mode.LIVE, raw_data=True, url_override=settings.alpaca_base_url)


def _refusal(response: requests.Response) -> OrderRejected:
    """The broker's refusal, whatever its body is: JSON with a code, JSON without, or a proxy's HTML page."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    code = body.get("code")
    extra = {k: v for k, v in body.items() if k not in {"code", "message"}}
    if response.status_code == 429:
        extra[RETRY_AFTER] = _seconds(response.headers.get("Retry-After"))
    return OrderRejected(response.status_code, code if isinstance(code, int) else None, str(body.get("message", response.text[:200])), extra)


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # RFC 9110 allows a date as well
        return 0.0
