"""What all commands have in common: `--help` without a type beside what is only there or not, and errors in the form that `--json` promises."""

from typing import Any

from typer import Typer
from typer.core import TyperCommand, TyperGroup

from live.commands.terminal import piped


class _Shared:
    def get_params(self, ctx: Any) -> list[Any]:
        """As in typer, which says `<bool>` of a flag."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of the class beside it
        for parameter in found:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return found

    def invoke(self, ctx: Any) -> Any:
        """As in typer; `told` learns how it has to tell."""
        piped.set(bool(ctx.params.get("as_json")))
        return super().invoke(ctx)  # type: ignore[misc]  # of the class beside it


class Command(_Shared, TyperCommand):
    """One command."""


class Group(_Shared, TyperGroup):
    """Commands under one name."""


def quieten(app: Typer) -> None:
    """All commands and groups of `app`."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance is not None:
            quieten(group.typer_instance)
