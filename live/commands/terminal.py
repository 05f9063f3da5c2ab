"""What every command shares: where it prints, which home it works on, and how an error becomes a message."""

import logging
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import ValidationError
from rich.console import Console

from pipelines.core.errors import DaybotError, SettingsError
from pipelines.core.risk.limits import Limits
from pipelines.secrecy import conceal
from pipelines.settings import Settings, load

console = Console()
errors = Console(stderr=True)

Home = Annotated[Path | None, typer.Option("--home", help="Folder of lake, snapshots and journals; DAYBOT_HOME otherwise.")]


@contextmanager
def told() -> Iterator[None]:
    """Turn our errors into a message and exit code 1."""
    try:
        yield
    except DaybotError as error:
        errors.print(f"[red]{type(error).__name__}[/]: {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted")
        raise typer.Exit(130) from None


def settings_of(home: Path | None) -> Settings:
    """The settings, with this home if one was given. From here on the process writes no secret of theirs down."""
    found = load(daybot_home=home) if home else load()
    conceal(found)
    # Always: a library that finds no handler brings its own, which prints tracebacks past us.
    level = logging.DEBUG if found.debug_mode else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return found


def other_limits(limits: Limits, path: Path) -> Limits:
    """These limits with what a TOML file says differently; names in either case."""
    try:
        changes = {name.lower(): value for name, value in tomllib.loads(path.read_text()).items()}
        return Limits.model_validate({**limits.model_dump(), **changes})
    except OSError as error:
        raise SettingsError(f"expected limits in {path}, found: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"expected TOML in {path}, such as max_sector_exposure = 0.03, found: {error}") from None
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}, found {e['input']!r}" for e in error.errors())
        raise SettingsError(f"expected limits in {path}, found {lines}; `daybot limits` lists them") from None


def call(settings: Settings, method: str, path: str, body: dict[str, str] | None = None) -> Any:
    """Ask the running runner through its socket."""
    transport = httpx.HTTPTransport(uds=str(settings.socket))
    try:
        with httpx.Client(transport=transport, base_url="http://daybot", timeout=10.0) as client:
            answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        text = f"expected a running session at {settings.socket}, found {type(error).__name__}; start one with `daybot live`, or use `--direct`"
        raise SettingsError(text) from None
    if answer.is_error:
        raise SettingsError(f"the runner answered HTTP {answer.status_code}: {answer.text[:300]}")
    return answer.json()
