"""`daybot check-strategy`: does a strategy use what it cannot know yet, remember what it should not, or throw dice?"""

import ast
import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from live.commands.shown import STYLE, printed, stop_unless
from live.commands.terminal import Json, console, told

BANNED = frozenset({"random", "secrets", "time", "datetime", "uuid", "os", "socket", "threading", "asyncio", "requests", "httpx"})
"""Modules by which a strategy would answer differently the next time, or from outside."""

CUTS = 6


def check_strategy(
    name: Annotated[str, typer.Argument(help="An installed strategy: momentum, orb, reversion, or one of a package of yours.")],
    parameters: Annotated[list[str] | None, typer.Option("--set", help="A parameter, such as volume=1.5; repeat for more.")] = None,
    world: Annotated[Path | None, typer.Option(help="Minute bars (Parquet or CSV) to examine it on; an invented day otherwise.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the invented day and of the moments at which it is cut.")] = 7,
    as_json: Json = False,
) -> None:
    """Cut a day short, change its future, tell it twice, tell it symbol by symbol: the strategy has to wish the same. Exit code 3 if not."""
    from pipelines import roster
    from pipelines.core.backtest.lookahead import examine
    from pipelines.research import invented

    with told():
        given = invented.parameters(parameters or [])
        strategy = roster.allocate(name, given).strategy
        briefing, bars = invented.day(seed) if world is None else invented.recorded(world)
        cuts = invented.cuts(bars, seed, CUTS)
        findings = examine(lambda _: roster.allocate(name, given).strategy, briefing, bars, cuts)
        banned = imports(type(strategy))
        words = f"imports {', '.join(banned)}" if banned else "no clock, no dice, no network"
        rows = [*((finding.examination, finding.passed, finding.detail) for finding in findings), ("source", not banned, words)]
        passed = all(row[1] for row in rows)
        symbols = len({bar.symbol for bar in bars})
        names = ("examination", "passed", "detail")
        found = {"strategy": name, "passed": passed, "examinations": [dict(zip(names, row, strict=True)) for row in rows]}
        if not printed(found | {"session": f"{briefing.session}", "bars": len(bars), "symbols": symbols}, as_json):
            table = Table("examination", "", "found", **STYLE)
            for examination, fine, detail in rows:
                table.add_row(examination, "[green]passed[/]" if fine else "[red]failed[/]", detail)
            console.print(table)
            console.print(f"[dim]{len(bars):,} bars of {symbols} symbols on {briefing.session}[/]")
    stop_unless(passed)


def imports(kind: type[Any]) -> list[str]:
    """Modules among `BANNED` that the strategy's own module imports."""
    source = inspect.getsource(sys.modules[kind.__module__])
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return sorted(found & BANNED)
