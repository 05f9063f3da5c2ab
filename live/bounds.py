"""`daybot limits`: every limit, what it answers to, and how much of it is in use."""

from typing import Annotated

import typer
from rich.table import Table

from live.terminal import Home, call, console, settings_of, told
from pipelines.core.errors import SettingsError
from pipelines.core.risk.limits import Limits, source_of


def limits(
    home: Home = None,
    used: Annotated[bool, typer.Option("--used", help="Only what the running session uses of them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For pipes.")] = False,
) -> None:
    """Every limit with its value and the rule that it answers to; beside a running session, how much of each is in use."""
    with told():
        settings = settings_of(home)
        try:
            checks = call(settings, "GET", "/limits")
        except SettingsError:
            if used:
                raise
            checks = []
        if as_json:
            rows = [{"name": name, "value": getattr(settings, name), "source": source_of(name)} for name in Limits.model_fields]
            console.print_json(data={"limits": rows, "used": checks})
            return
        if not used:
            console.print(_limits(settings.limits))
        if checks:
            console.print(_used(checks))
        elif not used:
            console.print("[dim]no session is running in this home: nothing is in use[/]")


def _limits(known: Limits) -> Table:
    table = Table("limit", "value", "default", "answers to", "meaning", box=None, header_style="cyan", padding=(0, 2, 0, 0))
    for name, field in Limits.model_fields.items():
        value = getattr(known, name)
        shown = str(value) or "(none)"
        changed = "" if value == field.default else str(field.default) or "(none)"
        table.add_row(name.upper(), f"[bold]{shown}[/]" if changed else shown, changed, source_of(name), field.description or "")
    return table


def _used(checks: list[dict[str, object]]) -> Table:
    table = Table("limit", "in use", "of", "", "what", box=None, header_style="cyan", padding=(0, 2, 0, 0), title="In use now", title_justify="left")
    for check in checks:
        value, limit = float(str(check["value"])), float(str(check["limit"]))
        share = value / limit if limit else 0.0
        colour = "green" if share < 0.75 else "yellow" if check["passed"] else "red"
        table.add_row(str(check["code"]), f"{value:,.4g}", f"{limit:,.4g}", f"[{colour}]{share:.0%}[/]", str(check["detail"]))
    return table
