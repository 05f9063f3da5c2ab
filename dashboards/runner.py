"""The running session through its own door: where it stands, and what a person tells it. HTTP on the runner's socket, or with a token over TCP."""

import uuid
from dataclasses import dataclass
from pathlib import Path
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
    """The socket of one home's runner; with `RUNNER_URL` a runner elsewhere, over TCP."""

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
        elsewhere = self.settings.runner_url
        if not elsewhere and not self.settings.socket.exists():
            return None
        transport = None if elsewhere else httpx.HTTPTransport(uds=str(self.settings.socket))
        shown = {"X-Client": CLIENT} | (self._token() if elsewhere else {}) | (headers or {})
        try:
            with httpx.Client(transport=transport, base_url=elsewhere or "http://daybot", timeout=patience, trust_env=False) as client:
                answer = client.request(method, path, json=body, headers=shown)
        except httpx.HTTPError as error:
            if isinstance(error, httpx.ConnectError) and (not elsewhere or _refused(error)):
                return None  # a runner that was killed leaves its socket; one elsewhere listens while its session runs
            raise Silent(
                f"expected the runner's answer to {method} {path} within {patience:.0f} s, found {type(error).__name__}; it may have been done"
            ) from None
        if answer.is_error:
            raise SettingsError(_said(answer))
        return answer.json()

    def _token(self) -> dict[str, str]:
        """Read at each call: a token has an end, and the next one is put into the same file."""
        path = Path(self.settings.runner_token_file)
        try:
            return {"Authorization": f"Bearer {path.read_text(encoding='utf-8').strip()}"}
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise SettingsError(f"expected the token for RUNNER_URL in the file that RUNNER_TOKEN_FILE names, found {path}: {why}") from None


def _refused(error: BaseException | None) -> bool:
    """Whether the other machine is there, and nobody listens on it."""
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None


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
