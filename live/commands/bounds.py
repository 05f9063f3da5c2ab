"""`daybot limits`: every limit, what it answers to, and how much of it is in use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Column, Table

from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, call, console, settings_of, told
from live.commands.values import measured
from pipelines.core.errors import SettingsError
from pipelines.core.market.session import new_york

if TYPE_CHECKING:
    from pipelines.core.backtest.peaks import Peak
    from pipelines.core.risk.limits import Limits


def limits(
    home: Home = None,
    journal: Annotated[Path | None, typer.Option(help="A journal: how near that session came to each of its limits.")] = None,
    used: Annotated[bool, typer.Option("--used", help="Only what the running session uses of them.")] = False,
    as_json: Json = False,
) -> None:
    """Every limit with its value and the rule that it answers to; beside a running session, how much of each is in use."""
    from pipelines.core.risk.limits import Limits, source_of

    with told():
        if journal is not None:
            _print_peaks(journal, as_json=as_json)
            return
        settings = settings_of(home)
        try:
            checks = call(settings, "GET", "/limits")["used"]
        except SettingsError:
            if used:
                raise
            checks = []
        rows = [{"name": name, "value": getattr(settings, name), "source": source_of(name)} for name in Limits.model_fields]
        if printed({"limits": rows, "used": checks}, as_json):
            return
        if not used:
            console.print(_limits(settings.limits))
        if checks:
            console.print(_used(checks))
        elif not used:
            console.print("[dim]no session is running in this home: nothing is in use[/]")


def _print_peaks(path: Path, *, as_json: bool) -> None:
    from live import journal as journals
    from pipelines import roster
    from pipelines.core.backtest.peaks import peaks
    from pipelines.core.journal import manifest

    records = list(journals.read(path))
    found = peaks(records, roster.restored(manifest(records[0])))
    if not printed(msgspec.to_builtins(found), as_json):
        console.print(_peaks(found))


def _peaks(found: "list[Peak]") -> Table:
    numbers = (_whole(name, right=True) for name in ("at most", "of", ""))
    table = _table(_whole("limit"), *numbers, _whole("at"), _whole("at end", right=True), "what")
    for peak in found:
        check = peak.check
        last = "" if peak.last is None else measured(check.code.value, peak.last)
        at = f"{new_york(peak.at):%H:%M:%S}"
        table.add_row(
            check.code.value,
            measured(check.code.value, check.value),
            measured(check.code.value, check.limit),
            _share(check.value, check.limit, check.passed),
            at,
            last,
            escape(check.detail),
        )
    return table


def _table(*columns: Column | str, title: str | None = None) -> Table:
    return Table(*columns, title=title, **STYLE)


def _whole(name: str, *, right: bool = False) -> Column:
    """A column whose values are never broken: on a narrow terminal the words beside it are."""
    return Column(name, no_wrap=True, justify="right" if right else "left")


def _share(value: float, limit: float, passed: bool) -> str:
    share = value / limit if limit else 0.0
    colour = "green" if share < 0.75 else "yellow" if passed else "red"
    return f"[{colour}]{share:z.0%}[/]"


def _limits(known: "Limits") -> Table:
    from pipelines.core.risk.limits import source_of

    table = _table(_whole("limit"), _whole("value", right=True), "meaning [dim](and the rule that it answers to)[/]")
    for name, field in type(known).model_fields.items():
        value, default = (_shown(value) for value in (getattr(known, name), field.default))
        changed = f"[bold]{value}[/]\n[dim]default {default}[/]"
        table.add_row(name.upper(), value if value == default else changed, f"{escape(field.description or '')} [dim]{escape(source_of(name))}[/]")
    return table


def _shown(value: object) -> str:
    """A limit's value as people read it; a list, which may be long, one a line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else escape(str(value)).replace(",", "\n") or "(none)"


def _used(checks: list[dict[str, object]]) -> Table:
    table = _table(_whole("limit"), *(_whole(name, right=True) for name in ("in use", "of", "")), "what", title="In use now")
    for check in checks:
        value, limit = float(str(check["value"])), float(str(check["limit"]))
        share = _share(value, limit, bool(check["passed"]))
        code = str(check["code"])
        table.add_row(code, measured(code, value), measured(code, limit), share, escape(str(check["detail"])))
    return table
