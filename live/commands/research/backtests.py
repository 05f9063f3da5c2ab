"""`daybot backtest`: the engine over recorded sessions, and what it came to in a terminal, as JSON and as a page."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from live.commands.terminal import Home, console, errors, other_limits, settings_of, told
from pipelines.core.errors import SettingsError

if TYPE_CHECKING:
    import polars as pl

    from pipelines.core.backtest.costs import Costs
    from pipelines.core.backtest.report import Report
    from pipelines.core.backtest.run import Step
    from pipelines.core.backtest.session import Played
    from pipelines.core.journal import Manifest
    from pipelines.research.backtest import Setup, Watch
    from pipelines.research.market import Market
    from pipelines.settings import Settings

STYLE: dict[str, Any] = {"box": None, "title_justify": "left", "title_style": "bold", "header_style": "cyan", "padding": (0, 1, 0, 0)}
SHOWN = 12
"""Rows of a table in the terminal; the page and the JSON have all."""

TABLES = {
    "strategy": ("By strategy", ("strategy", "trades", "net", "win_rate", "profit_factor", "average_r", "spread", "impact", "fees")),
    "hour": ("By hour of the entry, New York", ("hour", "trades", "net", "win_rate", "average_r")),
    "symbol": ("By symbol", ("symbol", "trades", "net", "win_rate", "average_r")),
    "sessions": ("By session", ("session", "end", "profit", "fees", "trades", "refused", "return", "benchmark")),
    "refused": ("Refused: the first limit that stopped each entry", ("code", "times", "value", "limit", "by_strategy", "example")),
    "notices": ("What people would have heard of", ("code", "times", "example")),
}
NUMBERS = (
    *("start", "end", "return", "benchmark", "net", "profit", "spread", "impact", "fees", "trades", "win_rate", "profit_factor", "average_r"),
    *("max_drawdown", "exposure", "max_exposure", "annual_return", "volatility", "sharpe", "sortino", "beta", "alpha"),
)


def backtest(
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session; the first with minutes otherwise.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session; the last with minutes otherwise.")] = None,
    strategies: Annotated[str | None, typer.Option(help="Who trades, with budgets: momentum:0.6,orb:0.4. STRATEGIES otherwise.")] = None,
    home: Home = None,
    world: Annotated[list[Path] | None, typer.Option(help="Your own minutes (Parquet or CSV) instead of the home's lake; repeat for more.")] = None,
    history: Annotated[list[Path] | None, typer.Option(help="Daily bars for them: ATR, regime and betas need some; repeat for more.")] = None,
    actions: Annotated[Path | None, typer.Option(help="Splits and dividends for them; then the daily bars count as raw.")] = None,
    ticks: Annotated[list[Path] | None, typer.Option(help="Trades inside their minutes (symbol, timestamp, price, size): they decide fills.")] = None,
    halts: Annotated[Path | None, typer.Option(help="Halts (symbol, timestamp, halted, reason): nothing fills meanwhile.")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="momentum.volume=1.5 or costs.participation=0.05; repeat for more.")] = None,
    limits: Annotated[Path | None, typer.Option(help="TOML with limits that differ from the settings, such as max_sector_exposure = 0.1.")] = None,
    equity: Annotated[float, typer.Option(min=1, help="Dollars to begin with.")] = 100_000.0,
    watchlist: Annotated[int | None, typer.Option(min=1, max=1000, help="Symbols of a session, best first. WATCHLIST_SIZE otherwise.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Make every briefing again, also where one was published for that morning.")] = False,
    cache: Annotated[bool, typer.Option(help="Answer from the home's results where code, data and configuration are the same.")] = True,
    html: Annotated[Path | None, typer.Option(help="Write the tear sheet: one page that needs nothing else.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Write journals as live ones: a folder, or a .jsonl file for a single session.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON on standard output.")] = False,
) -> None:
    """Run the engine over recorded sessions: the code that trades live, with a written rule for fills, and costs.

    Each session knows what was known on its morning and nothing later: its published briefing, or one made of the days before it. Equity is
    carried on, everything is flat overnight. An order decided on a bar fills in a later minute; where a bar reaches stop and target, the stop
    came first. Costs are each symbol's spread, our footprint and the regulatory fees. Try it on a demo's home:

        daybot demo && daybot backtest --home .daybot/demo/generated-2026-11-20 --html sheet.html
    """
    from pipelines.research import backtest as research
    from pipelines.research import cache as results

    with told():
        settings = settings_of(home)
        if watchlist is not None:
            settings = settings.model_copy(update={"watchlist_size": watchlist})
        setup = _setup(settings, strategies, change or [], limits, equity)
        files = (world or [], history or [], actions, ticks or [], halts)
        market = market_of(settings, *files, anew=anew or watchlist is not None)
        sessions = research.chosen(market, day_of(first), day_of(last))
        if journal is not None and journal.suffix == ".jsonl" and len(sessions) > 1:
            raise SettingsError(f"expected a folder for the journals of {len(sessions)} sessions, found {journal}; a file holds one session")
        name = research.key(market, sessions, setup, settings)
        report = results.find(settings, name) if cache and journal is None else None
        found = report is not None
        if report is None:
            report = _run(market, sessions, setup, name, settings, journal)
            results.keep(settings, name, report)
        _show(report, as_json=as_json, cached=found)
        if html is not None:
            from pipelines.research.sheet import html as page

            html.write_text(page(report))
            errors.print(f"tear sheet: {html}", soft_wrap=True)


def _run(market: "Market", sessions: Sequence[date], setup: "Setup", name: str, settings: "Settings", journal: Path | None) -> "Report":
    """All sessions, with a bar of progress on standard error."""
    from pipelines.research.backtest import backtest as run

    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("sessions", total=len(sessions), note="")
        profit, trades = 0.0, 0

        def show(session: date, played: "Played | None") -> None:
            nonlocal profit, trades
            if played is not None:
                profit += played.end - played.start
                trades += played.tables["trades"].height
                progress.advance(task)
            progress.update(task, note=f"{session} · {profit:+,.2f} · {trades} trades")

        def record(head: "Manifest") -> AbstractContextManager["Watch | None"]:
            return nullcontext() if journal is None else recorded(head, journal)

        return run(market, sessions, setup, name, settings.benchmark, show=show, record=record)


@contextmanager
def recorded(head: "Manifest", target: Path) -> Iterator["Watch"]:
    """A journal of one session as the live runner writes it, but for its durability: what was not sent need not survive a power cut."""
    from live.journal import Journal

    path = target if target.suffix == ".jsonl" else target / f"{head.session}-01-{head.run}.jsonl"
    latest: list[Step] = []
    with Journal(path) as journal:
        journal.append("session", head.briefing.hours.open, head)

        def watch(step: "Step") -> None:
            latest[:] = [step]
            journal.append("event", step.event.at, step.event)
            for decision in step.decisions:
                journal.append("decision", step.event.at, decision)
            if journal.seq % 1000 == 0:
                journal.flush()

        yield watch
        journal.append("end", latest[0].event.at if latest else head.briefing.hours.close, {"backtest": True, "error": None})


def market_of(
    settings: "Settings",
    world: list[Path],
    history: list[Path],
    actions: Path | None,
    ticks: list[Path],
    halts: Path | None,
    *,
    anew: bool,
) -> "Market":
    from pipelines.research.files import Files
    from pipelines.research.market import Home as Lake

    if world:
        return Files(settings, world, history, actions=actions, trades=ticks, halts=halts)
    if history or actions or ticks or halts:
        raise SettingsError("expected --world with the minutes that --history, --actions, --ticks and --halts belong to, found none")
    return Lake(settings, anew=anew)


def _setup(settings: "Settings", strategies: str | None, changes: list[str], limits: Path | None, equity: float) -> "Setup":
    from pipelines import roster
    from pipelines.research.backtest import Setup

    given = _changes(changes)
    costs, wanted = costs_of(given.pop("costs", {})), strategies or settings.strategies
    employed = roster.employ(wanted, given)
    strangers = given.keys() - {allocation.strategy.name for allocation in employed}
    if strangers:
        raise SettingsError(f"expected --set for costs or for a strategy that trades ({wanted}), found {', '.join(sorted(strangers))}")
    return Setup(employed, settings.limits if limits is None else other_limits(settings.limits, limits), costs, equity)


def _changes(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`momentum.volume=1.5` and the like by name; values as TOML has them, anything else is text."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        owner, dot, parameter = name.strip().partition(".")
        if not (equals and dot and owner and parameter):
            raise SettingsError(f"expected --set like momentum.volume=1.5 or costs.spread=0.0005, found {text!r}")
        try:
            found.setdefault(owner, {})[parameter] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found.setdefault(owner, {})[parameter] = None if value.strip() in {"", "none"} else value.strip()
    return found


def costs_of(changes: Mapping[str, Any]) -> "Costs":
    from pydantic import ValidationError

    from pipelines.core.backtest.costs import Costs

    try:
        return Costs.model_validate(changes)
    except ValidationError as error:
        lines = "; ".join(f"costs.{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors())
        raise SettingsError(f"expected costs among {', '.join(Costs.model_fields)}, found {lines}") from None


def day_of(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _show(report: "Report", *, as_json: bool, cached: bool) -> None:
    from pipelines.core.analytics.returns import ENOUGH

    if as_json:
        typer.echo(json.dumps({"cached": cached, **report.plain()}))
        return
    words = report.words
    console.rule(f"[bold]Backtest[/] {words['strategies']} · {words['sessions']}", style="cyan")
    for name, text in words.items():
        if name not in {"strategies", "sessions"}:
            console.print(f"[dim]{name}[/] {text}", highlight=False, soft_wrap=True)
    console.print(_numbers(report.numbers))
    for name, (title, columns) in TABLES.items():
        if report.tables[name].height:
            console.print(_table(title, report.tables[name], columns))
    if (report.numbers["sessions"] or 0) < ENOUGH:
        console.print(f"[yellow]{report.numbers['sessions']:.0f} sessions say little:[/] ratios of risk are told from {ENOUGH} on.")
    if cached:
        console.print(f"[green]from the cache[/] (result {words['result']}): code, data and configuration are the same; --no-cache runs it again.")


def _numbers(values: Mapping[str, float | None]) -> Table:
    """Two columns side by side."""
    from pipelines.research.sheet import label, shown

    table = Table(show_header=False, **STYLE)
    for justify in ("left", "right", "left", "right"):
        table.add_column(justify=justify)
    cells = [(label(name), shown(name, values[name])) for name in NUMBERS if values[name] is not None]
    half = (len(cells) + 1) // 2
    for i in range(half):
        right = cells[half + i] if half + i < len(cells) else ("", "")
        table.add_row(*cells[i], "   " + right[0], right[1])
    return table


def _table(title: str, frame: "pl.DataFrame", columns: Sequence[str]) -> Table:
    from pipelines.research.sheet import heading, shown

    table = Table(title=title, **STYLE)
    for name in columns:
        table.add_column(heading(name), justify=_side(frame, name))
    for row in frame.head(SHOWN).iter_rows(named=True):
        table.add_row(*(shown(name, row[name]) for name in columns))
    if frame.height > SHOWN:
        table.caption = f"the first {SHOWN} of {frame.height}; --html and --json have all"
    return table


def _side(frame: "pl.DataFrame", name: str) -> Any:
    return "right" if frame.schema[name].is_numeric() else "left"
