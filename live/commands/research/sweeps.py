"""`daybot sweep`: one strategy with many parameters over recorded sessions, and what to believe of the best."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from live.clock import SystemClock
from live.commands.research.backtests import STYLE, costs_of, day_of, market_of
from live.commands.terminal import Home, console, errors, other_limits, settings_of, told
from pipelines.core.errors import SettingsError
from pipelines.core.market.session import moment

if TYPE_CHECKING:
    from pipelines.core.backtest.costs import Costs
    from pipelines.core.sweep.ranking import Ranking
    from pipelines.core.sweep.run import Swept, Variant
    from pipelines.research.market import Market
    from pipelines.settings import Settings

SHOWN = 20
"""Rows in the terminal; --csv and --json have all."""

MONEY = {"net", "later_net"}


def sweep(
    strategy: Annotated[str, typer.Option(help="Whose parameters are tried.")],
    change: Annotated[list[str], typer.Option("--set", help="volume=1:2:0.2 (first:last:step), stop_atr=1,1.5,2 or costs.spread=0.0005; repeat.")],
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session; the first with minutes otherwise.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session; the last with minutes otherwise.")] = None,
    home: Home = None,
    world: Annotated[list[Path] | None, typer.Option(help="Your own minutes (Parquet or CSV) instead of the home's lake; repeat for more.")] = None,
    history: Annotated[list[Path] | None, typer.Option(help="Daily bars for them: ATR, regime and betas need some; repeat for more.")] = None,
    limits: Annotated[Path | None, typer.Option(help="TOML with limits that differ from the settings.")] = None,
    equity: Annotated[float, typer.Option(min=1, help="Dollars that each set begins with.")] = 100_000.0,
    aside: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the sessions, the last ones, kept out of the ranking.")] = 0.3,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Sets that run side by side.")] = 2,
    csv: Annotated[Path | None, typer.Option(help="Write the whole table.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Table, warnings and sessions as JSON on standard output.")] = False,
) -> None:
    """Try every combination of the values over recorded sessions: compiled, with the trades that `daybot backtest` makes.

    A name is a parameter of the strategy or a limit. Each set is a portfolio of its own, under every limit and cost. It is sorted by the plateau:
    the median Sharpe ratio of a set and its neighbours. The last sessions are kept out of the ranking and shown beside it.

        daybot sweep --strategy momentum --set volume=1:2:0.2 --set stop_atr=1,1.5,2
    """
    from pipelines.core.sweep.ranking import ranked

    with told():
        settings = settings_of(home)
        variants, costs = _tried(strategy, change, settings.limits if limits is None else other_limits(settings.limits, limits))
        market = market_of(settings, world or [], history or [], None, [], None, anew=False)
        swept = _run(market, variants, costs, day_of(first), day_of(last), equity, workers)
        ranking = ranked(swept, variants, aside)
        _keep(settings, swept, ranking, variants, change)
        _show(swept, ranking, variants, csv, as_json=as_json)


def _tried(strategy: str, changes: Sequence[str], limits: Any) -> "tuple[list[Variant], Costs]":
    from pipelines import roster
    from pipelines.core.sweep.run import grid
    from pipelines.research.sweep import values

    given: dict[str, tuple[float, ...]] = {}
    costs: dict[str, float] = {}
    for text in changes:
        name, equals, wanted = text.partition("=")
        if not equals:
            raise SettingsError(f"expected --set like volume=1:2:0.2, found {text!r}")
        found = values(wanted)
        owner, dot, cost = name.strip().partition(".")
        if owner == "costs" and dot:
            if len(found) > 1:
                raise SettingsError(f"expected one value of {name}, found {len(found)}; costs are the same for all sets")
            costs[cost] = found[0]
        else:
            given[name.strip()] = found
    if not given:
        raise SettingsError("expected a parameter or a limit to try, such as --set volume=1:2:0.2, found none")
    return grid(roster.allocate(strategy, {}).strategy, limits, given), costs_of(costs)


def _run(
    market: "Market", variants: "Sequence[Variant]", costs: "Costs", first: date | None, last: date | None, equity: float, workers: int
) -> "Swept":
    """All sessions, with a bar of progress on standard error."""
    from pipelines.core.sweep.run import sweep as run
    from pipelines.research.backtest import chosen
    from pipelines.research.sweep import days

    sessions = chosen(market, first, last)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("sessions", total=len(sessions), note=f"{len(variants)} sets")

        def watch(session: date) -> None:
            progress.update(task, advance=1, note=f"{session} · {len(variants)} sets")

        return run(days(market, sessions, costs), variants, costs, equity=equity, workers=workers, watch=watch)


def _keep(settings: "Settings", swept: "Swept", ranking: "Ranking", variants: "Sequence[Variant]", change: Sequence[str]) -> None:
    """For the dashboard's Research page."""
    from pipelines.research import sweeps

    days = swept.sessions["session"].unique().sort()
    words = {
        "strategy": variants[0].strategy.name, "set": list(change), "sets": ranking.tried, "first": f"{days[0]}", "last": f"{days[-1]}",
        "earlier": ranking.earlier, "later": ranking.later, "expected_best": ranking.expected, "warnings": ranking.warnings,
    }  # fmt: skip
    sweeps.keep(settings, words, tuple(variants[0].changes), ranking.table, moment(SystemClock().now()))


def _show(swept: "Swept", ranking: "Ranking", variants: "Sequence[Variant]", csv: Path | None, *, as_json: bool) -> None:
    if csv is not None:
        ranking.table.write_csv(csv)
        errors.print(f"table: {csv}", soft_wrap=True)
    by_engine = swept.sessions["engine"].sum()
    if as_json:
        told_ = {"tried": ranking.tried, "sessions": {"earlier": ranking.earlier, "later": ranking.later}, "expected_best": ranking.expected}
        days = swept.sessions.with_columns(swept.sessions["session"].dt.to_string("iso")).to_dicts()
        typer.echo(json.dumps({**told_, "by_engine": by_engine, "warnings": ranking.warnings, "table": ranking.table.to_dicts(), "days": days}))
        return
    console.rule(
        f"[bold]Sweep[/] {variants[0].strategy.name} · {ranking.tried} sets · {ranking.earlier} sessions, {ranking.later} kept aside", style="cyan"
    )
    console.print(_table(ranking, list(variants[0].changes)))
    for warning in ranking.warnings:
        console.print(f"[yellow]{warning}[/]", highlight=False, soft_wrap=True)
    if by_engine:
        console.print(f"{by_engine} of {swept.sessions.height} days were run by the engine itself: compiled code does not model what happened there.")


def _table(ranking: "Ranking", changes: Sequence[str]) -> Table:
    table = Table(**STYLE)
    varied = [name for name in changes if ranking.table[name].n_unique() > 1]
    names = ["rank", *varied, "trades", "net", "sharpe", "plateau", "deflated", "later_net", "later_sharpe"]
    for name in names:
        table.add_column(name.replace("later_", "later ").replace("_", " "), justify="right", no_wrap=name in MONEY)
    for row in ranking.table.head(SHOWN).iter_rows(named=True):
        table.add_row(*(_cell(name, row[name], exact=name in changes) for name in names))
    if ranking.table.height > SHOWN:
        table.caption = f"the first {SHOWN} of {ranking.table.height}; --csv and --json have all"
    return table


def _cell(name: str, value: float | None, *, exact: bool) -> str:
    if value is None:
        return "–"
    if exact or isinstance(value, int):
        return f"{value:g}"
    return f"{value:+,.2f}" if name in MONEY else f"{value:.2f}"
