"""The running session through its own door: where it stands, and what a person tells it. HTTP on the runner's socket, nothing else of it is known."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from pipelines.core.errors import DaybotError, SettingsError
from pipelines.settings import Settings

LOOK, ACT = 2.0, 15.0
"""Wall seconds that an answer may take: to a look, which is repeated anyway, and to a command."""

WAIT = 5.0
"""Seconds in which the runner is to say what became of a command, before it says that it goes on."""

CLIENT = "dashboard"
"""Who gives its commands, as the journal has it."""


class Silent(DaybotError):
    """The runner's door is there and nobody answered in time: what was asked may have been done."""


@dataclass(frozen=True)
class Door:
    """The socket of one home's runner."""

    settings: Settings

    def ask(self, path: str) -> Any:
        """The answer as JSON; None where no session runs. `Silent` where one does and does not answer, `SettingsError` for a definite no."""
        return self._call("GET", path, LOOK)

    def post(self, path: str, body: dict[str, object]) -> Any:
        """The answer to a question that takes a body and changes nothing."""
        return self._call("POST", path, ACT, body)

    def tell(self, action: str, key: str, *, wait: float = WAIT) -> Any:
        """Give a command under a key, and wait so many seconds for what became of it: the same key twice is the same command.

        The runner's answer, `outcome` done or unknown. None where no session runs.
        """
        return self._call("POST", f"/tools/{action}", ACT, {"wait": wait}, {"Idempotency-Key": key})

    def _call(self, method: str, path: str, patience: float, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Any:
        if not self.settings.socket.exists():
            return None
        transport = httpx.HTTPTransport(uds=str(self.settings.socket))
        try:
            with httpx.Client(transport=transport, base_url="http://daybot", timeout=patience) as client:
                answer = client.request(method, path, json=body, headers={"X-Client": CLIENT} | (headers or {}))
        except httpx.ConnectError:
            return None  # a runner that was killed leaves its socket
        except httpx.HTTPError as error:
            raise Silent(
                f"expected the runner's answer to {method} {path} within {patience:.0f} s, found {type(error).__name__}; it may have been done"
            ) from None
        if answer.is_error:
            raise SettingsError(_said(answer))
        return answer.json()


def key() -> str:
    """A new command's name."""
    return f"{CLIENT}-{uuid.uuid4().hex[:10]}"


def _said(answer: httpx.Response) -> str:
    """The runner's own words for its no: problem+json's detail where it gave one."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    known = told if isinstance(told, dict) else {}
    numbers = "".join(f", {name} {known[name]:,.6g}" for name in ("value", "limit") if known.get(name) is not None)
    code = f" ({known['code']}{numbers})" if known.get("code") else ""
    return f"the runner said no (HTTP {answer.status_code}): {known.get('detail') or answer.text[:300]}{code}"
