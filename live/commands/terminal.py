"""What every command shares: where it prints, which home it works on, and how an error becomes a message."""

import json
import logging
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from pipelines.core.errors import DaybotError, SettingsError

if TYPE_CHECKING:
    import httpx

    from pipelines.core.risk.limits import Limits
    from pipelines.settings import Settings

REFUSED = 3
"""Exit code: a check, or the gate, said no."""

PATIENCE = 40.0
"""Wall seconds that an answer may take; a command waits up to 30 for its outcome."""

WITHOUT = "without one `flat`, `close`, `positions`, `orders` and `account` take `--direct`, and `daybot dashboard` has the past"
"""What there is to do where no session runs."""


class Screen(Console):
    """A terminal that others' words move nothing on: what they would steer it with is left out."""

    def render_str(self, text: str, **more: Any) -> Text:
        """As in rich."""
        return super().render_str("".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"}), **more)


console = Screen()
errors = Screen(stderr=True)

piped: ContextVar[bool] = ContextVar("piped", default=False)
"""Whether the command that runs was asked for `--json`."""

Home = Annotated[Path | None, typer.Option("--home", help="Folder of lake, snapshots and journals; DAYBOT_HOME otherwise.")]
Json = Annotated[bool, typer.Option("--json", help="For pipes; a refusal or an error too: code, detail, value, limit.")]


@contextmanager
def told() -> Iterator[None]:
    """Turn our errors into a message and exit code 1, a refusal by the gate into exit code 3; for pipes the message is the problem as HTTP has it."""
    try:
        yield
    except Declined as no:
        refused = no.problem["status"] == 409
        _say(no.problem, "refused" if refused else "not possible", str(no))
        raise typer.Exit(REFUSED if refused else 1) from None
    except DaybotError as error:
        from live.problems import problem  # pydantic takes a while

        _say(problem(error).model_dump(mode="json", exclude_none=True), type(error).__name__, str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted")
        raise typer.Exit(130) from None


def _say(found: dict[str, Any], word: str, text: str) -> None:
    if piped.get():
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        errors.print(f"[red]{word}[/]: {escape(text)}", soft_wrap=True)


def settings_of(home: Path | None) -> "Settings":
    """The settings, with this home if one was given. From here on the process writes no secret of theirs down."""
    from pipelines.secrecy import conceal
    from pipelines.settings import load

    found = load(daybot_home=home) if home else load()
    conceal(found)
    # Always: a library that finds no handler brings its own, which prints tracebacks past us.
    level = logging.DEBUG if found.debug_mode else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.setLevel(level)  # libraries whose own level `conceal` has set do not ask the root's
    return found


def other_limits(limits: "Limits", path: Path) -> "Limits":
    """These limits with what a TOML file says differently; names in either case."""
    from pydantic import ValidationError

    try:
        changes = {name.lower(): value for name, value in tomllib.loads(path.read_text()).items()}
        return type(limits).model_validate({**limits.model_dump(), **changes})
    except OSError as error:
        raise SettingsError(f"expected limits in {path}, found: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"expected TOML in {path}, such as max_sector_exposure = 0.03, found: {error}") from None
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}, found {e['input']!r}" for e in error.errors())
        raise SettingsError(f"expected limits in {path}, found {lines}; `daybot limits` lists them") from None


class Declined(DaybotError):
    """The runner's definite no, with the problem as it stated it."""

    def __init__(self, problem: dict[str, Any]) -> None:
        numbers = _numbers(problem) if problem.get("source") else ""
        source = f" from {problem['source']}" if problem.get("source") else ""
        code = f" ({problem['code']}{numbers}{source})" if problem.get("code") else ""
        super().__init__(f"{problem.get('detail', problem)}{code}")
        self.problem = problem


def _numbers(problem: dict[str, Any]) -> str:
    from live.commands.values import UNKNOWN, measured

    told = {name: measured(problem["code"], problem.get(name)) for name in ("value", "limit")}
    return "".join(f", {name} {said}" for name, said in told.items() if said != UNKNOWN)


def door(settings: "Settings", patience: float) -> "httpx.Client":
    """The running session's local socket, to be closed by the caller; `SettingsError` where there is none. `patience` in wall seconds."""
    import httpx

    if not settings.socket.exists():
        raise SettingsError(f"expected a running session at {settings.socket}, found none; start one with `daybot live`; {WITHOUT}")
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(settings.socket)), base_url="http://daybot", timeout=patience)


def call(
    settings: "Settings", method: str, path: str, body: dict[str, Any] | None = None, *, key: str | None = None, query: dict[str, Any] | None = None
) -> Any:
    """Ask the running runner through its socket. `key` names a command: the same one twice is one command.

    Raises `Declined` for its no, and `SettingsError` where none answers. A command without an answer may have been taken: the error says so.
    """
    import httpx

    headers = {"X-Client": "command line"} | ({"Idempotency-Key": key} if key else {})
    try:
        with door(settings, PATIENCE) as client:
            answer = client.request(method, path, json=body, headers=headers, params=query)
    except httpx.ConnectError as error:
        text = f"expected a running session at {settings.socket}, found {type(error).__name__}; start one with `daybot live`; {WITHOUT}"
        raise SettingsError(text) from None
    except httpx.HTTPError as error:
        again = f"; whether it was taken is UNKNOWN: ask again with `--id {key}`, which does nothing twice" if key else ""
        raise SettingsError(f"expected an answer of the session at {settings.socket}, found {type(error).__name__}{again}") from None
    if answer.is_error:
        raise Declined(_problem(answer))
    return answer.json()


def _problem(answer: "httpx.Response") -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = {}
    return found if isinstance(found, dict) and "status" in found else {"status": answer.status_code, "detail": answer.text[:300]}
