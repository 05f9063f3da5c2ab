"""Every setting with its default, bounds and meaning."""

from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipelines.core.risk.limits import Limits
from pipelines.settings import Settings
from reference.markdown import code, page, table

INTRO = """
Settings are environment variables; `.env` in the folder that you start in is read as well, and what is in the environment wins. `.env.example`
has the same list to copy. A value that cannot be is refused at the start, with what was expected and what was found. Secrets are never printed.
"""


def write() -> str:
    """The page."""
    limits = [row(name, field) for name, field in Settings.model_fields.items() if name in Limits.model_fields]
    others = [row(name, field) for name, field in Settings.model_fields.items() if name not in Limits.model_fields]
    header = ("setting", "default", "allowed", "meaning")
    words = "Fractions are of equity unless the text says otherwise. [Limits](limits.md) has the rule that each answers to."
    return page("Settings", INTRO, "## Accounts, data, machine", table(header, others), "## Limits", words, table(header, limits))


def row(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    """One setting."""
    return code(name.upper()), code(default(field)), allowed(field), field.description or ""


def default(field: FieldInfo) -> str:
    """As it would be written into `.env`."""
    value: Any = field.default
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def allowed(field: FieldInfo) -> str:
    """The choices, or the bounds."""
    kind: Any = field.annotation
    if get_origin(kind) is Literal:
        return ", ".join(code(choice) if choice else "empty" for choice in get_args(kind))
    if kind is bool:
        return "`true`, `false`"
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [f"{sign} {getattr(bound, name):g}" for bound in field.metadata for name, sign in signs.items() if hasattr(bound, name)]
    if bounds:
        return " and ".join(bounds)
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return ", ".join(code(member.value) for member in kind)  # type: ignore[attr-defined]  # a str enum
    return "secret" if kind is SecretStr else ""
