"""`daybot snapshots`: what was published, what is in it, what changed between two, and the way back to an earlier one.

What reads snapshots is imported by the commands that do, as in `cli.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from live.clock import SystemClock
from live.commands.shown import STYLE, printed
from live.commands.terminal import Home, Json, console, settings_of, told
from pipelines.core.errors import DataError
from pipelines.core.market.session import NEW_YORK, moment

if TYPE_CHECKING:
    from pipelines.core.briefing import Briefing
    from pipelines.core.changes import Change, Changes, Value
    from pipelines.publish import Snapshot
    from pipelines.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Published snapshots: immutable, versioned; the current one is what everybody reads.")

SHOWN = 15
"""Rows of a section before the rest is only counted."""

BEYOND = 0.10
"""What a trader would look at twice. In ATR 14 a day counts 1/14: ten per cent in one night takes a true range of 2.4 times the ATR."""

ABOUT = "The version, an unmistakable beginning of it, or `current`."


@app.command("list")
def listed(home: Home = None, as_json: Json = False) -> None:
    """Every snapshot that is kept, newest first, with its age and what it is for."""
    from pipelines import publish

    with told():
        settings = settings_of(home)
        rows = [_row(one, _current(settings)) for one in publish.published(settings)]
        if printed(rows, as_json):
            return
        if not rows:
            console.print(f"none in {settings.snapshots}; {publish.HOW_TO_MAKE}", soft_wrap=True)
            return
        table = Table("", "version", "made", "regime", "names", "checks", **STYLE)
        for row in rows:
            made = _ago(row["made"]) if row["made"] else "[red]unreadable[/]"
            version = f"[green]{row['version']}[/]" if row["current"] else row["version"]
            table.add_row("*" if row["current"] else "", version, made, *(_cell(row[name]) for name in ("regime", "watched", "checks")))
        for column in table.columns[:3]:
            column.no_wrap = True
        console.print(table)
        for row in rows:
            if row["error"]:
                console.print(f"[red]{row['version']}[/]: {row['error']}", soft_wrap=True)


@app.command()
def show(version: Annotated[str, typer.Argument(help=ABOUT)] = "current", home: Home = None, as_json: Json = False) -> None:
    """One snapshot: what its briefing is for and from, how old it is, its checks, and the rows of every table."""
    from pipelines import publish

    with told():
        settings = settings_of(home)
        found = publish.named(settings, version)
        made, rows = found.briefing(), found.rows()
        told_of = made.model_dump(mode="json", exclude={"symbols"}) | {"symbols": sorted(made.symbols)}
        if printed({**_row(found, _current(settings)), "briefing": told_of, "tables": rows}, as_json):
            return
        console.print(_headline(found, made, _current(settings)), soft_wrap=True)
        failed = [check for check in made.checks if not check.passed]
        console.print(f"checks: {len(made.checks) - len(failed)} of {len(made.checks)} passed")
        for check in failed:
            console.print(f"  [red]failed[/] {check.asset}.{check.name}: {check.detail}", soft_wrap=True)
        names = " ".join(line.symbol for line in made.watchlist[:SHOWN])
        console.print(f"watchlist: {len(made.watchlist)} symbols, first {names}" if names else "watchlist: empty", soft_wrap=True)
        table = Table("table", "rows", "input", **STYLE)
        for name, count in rows.items():
            table.add_row(name, f"{count:,}", made.inputs.get(name, "")[:12])
        console.print(table)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help=ABOUT)],
    after: Annotated[str, typer.Argument(help=ABOUT)] = "current",
    beyond: Annotated[float, typer.Option(min=0.0, help="Least change told: of ATR and ADV a fraction, of beta absolute.")] = BEYOND,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What changed from one briefing to another: regime, watchlist, ATR, ADV, beta, sectors, checks, inputs and rows."""
    from pipelines import publish
    from pipelines.core.changes import compare, counted

    with told():
        settings = settings_of(home)
        old, new = publish.named(settings, before), publish.named(settings, after)
        ours, theirs = old.briefing(), new.briefing()
        changes: Changes = {**compare(ours, theirs, beyond=beyond), "tables": counted(old.rows(), new.rows())}
        plain = {section: [change._asdict() for change in found] for section, found in changes.items()}
        if printed({"before": old.version, "after": new.version, "beyond": beyond, "changes": plain}, as_json):
            return
        console.print(f"from {_headline(old, ours, _current(settings))}\nto   {_headline(new, theirs, _current(settings))}", soft_wrap=True)
        for section, found in changes.items():
            if found:
                console.print(_section(section, found))
        if same := [section for section, found in changes.items() if not found]:
            console.print(f"no change: {', '.join(same)}", soft_wrap=True)


@app.command()
def use(version: Annotated[str, typer.Argument(help=ABOUT)], home: Home = None, as_json: Json = False) -> None:
    """Make an earlier snapshot the current one (or a later one again); the next publication for its session or a later one moves on."""
    from pipelines import publish

    with told():
        settings = settings_of(home)
        before = _current(settings)
        found = publish.use(settings, version)
        if printed({"before": before, "current": found.version}, as_json):
            return
        if found.version == before:
            console.print(f"{found.version} is the current one already; nothing was changed", soft_wrap=True)
            return
        console.print(f"was  {before or 'no snapshot that could be read'}\nnow  {_headline(found, found.briefing(), found.version)}", soft_wrap=True)
        said = "Readers take it from now on, until one for its session or a later one is published. A session that is running keeps its briefing."
        console.print(said, soft_wrap=True)


def _current(settings: "Settings") -> str | None:
    """The version that the pointer names; None where there is none or it names nothing."""
    from pipelines import publish

    try:
        return publish.current(settings).version
    except DataError:
        return None


def _row(snapshot: "Snapshot", current: str | None) -> dict[str, Any]:
    """A line of the list; what cannot be read is None and `error` says why."""
    row: dict[str, Any] = {"version": snapshot.version, "current": snapshot.version == current, "bytes": snapshot.path.stat().st_size}
    try:
        made = snapshot.briefing()
    except DataError as error:
        return row | dict.fromkeys(("session", "made", "regime", "watched", "checks")) | {"error": str(error)}
    checks = f"{sum(check.passed for check in made.checks)}/{len(made.checks)}"
    told_of = {"session": str(made.session), "made": made.created_at.isoformat(), "regime": made.regime.name.value, "watched": len(made.watchlist)}
    return row | told_of | {"checks": checks, "error": None}


def _headline(snapshot: "Snapshot", made: "Briefing", current: str | None) -> str:
    mark = " [green]current[/]" if snapshot.version == current else ""
    origin = {"generated": " · SIMULATED", "recorded": " · RECORDED"}.get(made.origin.value, "")
    return (
        f"[bold]{snapshot.version}[/]{mark} for {made.session} from the data of {made.data_session} (feed {made.feed}){origin} · "
        f"made {_made(made.created_at.isoformat())} · regime {made.regime.name.value}"
    )


def _section(title: str, changes: "Sequence[Change]") -> Table:
    table = Table("", "before", "after", "", title=f"{title} ({len(changes)})", **STYLE)
    for change in changes[:SHOWN]:
        table.add_row(change.what, _short(title, change.before), _short(title, change.after), change.note)
    if len(changes) > SHOWN:
        table.caption = f"{len(changes) - SHOWN} more; --json has all"
    return table


def _short(section: str, value: "Value") -> str:
    """A cell; hashes by their beginning, verdicts in words."""
    if section == "inputs" and isinstance(value, str):
        return value[:12]
    if section == "checks" and value is not None:
        return "[green]passed[/]" if value else "[red]failed[/]"
    return _cell(value)


def _cell(value: "Value") -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else value


def _made(text: str) -> str:
    """The moment in New York, and how long ago that is."""
    return f"{datetime.fromisoformat(text).astimezone(NEW_YORK):%Y-%m-%d %H:%M} ({_ago(text)})"


def _ago(text: str) -> str:
    """By the machine's clock, which is the person's that asks."""
    minutes = (moment(SystemClock().now()) - datetime.fromisoformat(text)).total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min ago"
    return f"{minutes / 60:.0f} h ago" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days ago"
