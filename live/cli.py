"""`daybot`: the command line. Errors become one clear message and an exit code here, and nowhere else.

Each command imports what it needs: alpaca-py, numba and the calendar take seconds, and `daybot --help` should not.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from live.commands.acts import close, enter, halt, manage, preview, record, release, resume
from live.commands.bounds import limits
from live.commands.doors.approve import approve
from live.commands.doors.mcp import mcp
from live.commands.doors.tokens import app as tokens
from live.commands.helped import quieten
from live.commands.looks import account, events, execution, feeds, health, log, optimization, orders, performance, positions, risk, scan, sync, trades
from live.commands.records.explain import explain
from live.commands.records.journals import app as journals
from live.commands.records.snapshots import app as snapshots
from live.commands.research.backtests import backtest
from live.commands.research.proofs import check_strategy
from live.commands.research.scorers import scorers
from live.commands.research.sweeps import sweep
from live.commands.research.weights import weights
from live.commands.safety import flat, suspend, watchdog
from live.commands.shown import STYLE, printed, stop_unless, table
from live.commands.terminal import REFUSED, Home, Json, call, console, errors, other_limits, settings_of, told
from live.commands.values import cell
from live.sim.command.exchange import exchange
from live.sim.faults.command import app as faults
from pipelines.core.errors import SettingsError
from pipelines.core.market.bars import MINUTE
from pipelines.core.market.session import NEW_YORK, nanoseconds
from pipelines.core.words import counted

if TYPE_CHECKING:
    from live.session.assemble import Session
    from pipelines.settings import Settings

app = typer.Typer(
    name="daybot",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # tracebacks with locals show secrets
    help="US-equity day trading from research to live on one set of definitions.\n\nStart with [bold]daybot demo[/]: "
    "no account and no keys needed. Exit codes: 0 done, 1 failed with a message, 2 wrong usage, 3 a check or the gate said no.",
)
HOUR = 60 * MINUTE


def demo(
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Session to trade; 2026-11-20 for a generated market.")] = None,
    world: Annotated[list[Path] | None, typer.Option("--world", help="Recorded minute bars (Parquet or CSV) to trade; repeat for more.")] = None,
    history: Annotated[list[Path] | None, typer.Option("--history", help="Recorded daily bars for the night before; repeat for more.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the generated market: the same seed is the same market.")] = 7,
    scenario: Annotated[Path | None, typer.Option(help="Faults of that day, as `daybot exchange --scenario` takes them.")] = None,
    home: Home = None,
) -> None:
    """Run the whole chain once against the simulated exchange: night, accelerated day, night, summary. No account needed, no real money."""
    from live.commands import demo as demonstration

    if world and day is None:
        raise typer.BadParameter("a recorded world needs --date: the session to trade")
    played = demonstration.World(day.date() if day else date(2026, 11, 20), tuple(world or ()), tuple(history or ()), seed, scenario)
    label = f"recorded-{played.day}" if world else f"generated-{played.day}"
    with told():
        demonstration.run(played, home or Path(".daybot") / "demo" / label, console)


def live(
    home: Home = None,
    strategies: Annotated[str | None, typer.Option(help="Which trade today, such as momentum:0.6,orb:0.4; STRATEGIES otherwise.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Decide and journal, send nothing: orders fill by the backtest's rule.")] = False,
    until: Annotated[
        datetime | None, typer.Option(formats=["%H:%M"], help="New York time at which everything is closed and the session ends; else at the close.")
    ] = None,
    listen: Annotated[bool, typer.Option("--listen", help="Serve the tools on SERVER_HOST:SERVER_PORT too, with tokens (`daybot token`).")] = False,
) -> None:
    """Trade the next session with the account in the settings: paper unless DAYBOT_MODE says otherwise. Ctrl-C stops and keeps protection.

    That is today's until its close, and from then on the next one: started in the evening it waits for the morning, and goes over to the newest
    briefing before the open. What an earlier run left of the session is gone on with. Before arming it looks at what `daybot doctor` does and says
    which limits hold. Exit code 3 where something had to be held over night.
    """
    from live.commands import arming
    from live.runner import summary
    from live.session.attend import Attended
    from pipelines.settings import Mode

    with told():
        settings = settings_of(home)
        if strategies is not None:
            settings = settings.model_copy(update={"strategies": strategies})
        if listen:
            settings = settings.model_copy(update={"server_listen": True})
        if settings.daybot_mode is Mode.LIVE and not shadow:
            _ask_for_real_money(settings)
        start = secrets.token_hex(16)
        while True:
            arming.check(settings, console)
            attended = Attended(settings, shadow=shadow, until=until.time() if until else None, start=start)
            arming.echo(attended.session.manifest.limits, console)
            console.print(_banner(settings, attended.session))
            asyncio.run(attended.run(console))
            if not attended.session.runner.ending.renewed:
                break
            console.print(f"{attended.session.runner.morning.newer} was released: the session begins again with it", soft_wrap=True)
        runner = attended.session.runner
        console.print(_state(summary(runner.engine, attended.session.manifest.label)))
        sealed = runner.journal  # its head, where nobody who gets at the journal can alter it: on paper, or in the supervisor's own log
        console.print(f"[dim]journal[/] {sealed.path.name} ends with record {sealed.seq:,}, hash {sealed.head}", soft_wrap=True, highlight=False)
        if runner.ending.kept:
            errors.print(
                f"[yellow]held over night[/]: {', '.join(runner.ending.kept)} could not be sold before the close; `daybot journal show` says why"
            )
            raise typer.Exit(REFUSED)


def status(home: Home = None, as_json: Json = False) -> None:
    """Where the running session stands."""
    with told():
        answer = call(settings_of(home), "GET", "/status")
        if not printed(answer, as_json):
            console.print(_state(answer))


def replay(
    path: Annotated[Path | None, typer.Argument(help="A journal; the latest one otherwise.")] = None,
    limits: Annotated[Path | None, typer.Option(help="TOML of other limits (max_sector_exposure = 0.03): what would they have done?")] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Feed a recorded session to the engine again and compare every decision. Exit code 3 if one differs."""
    from live import journal
    from live.commands.records import report
    from pipelines import roster
    from pipelines.core.backtest.replay import replay as replayed
    from pipelines.core.backtest.whatif import whatif
    from pipelines.core.journal import manifest

    with told():
        found = path or journal.latest(settings_of(home).journals)
        records = list(journal.read(found))
        head = manifest(records[0])
        strategies = roster.restored(head)
        if limits is not None:
            was, other = whatif(records, strategies, other_limits(head.limits, limits))
            if not printed({"journal": found.name, **report.plain(was, other)}, as_json):
                console.print(report.compared(was, other))
            return
        result = replayed(records, strategies)
        outcome = {"journal": found.name, "events": result.events, "decisions": result.decisions, "difference": None}
        if result.difference:
            outcome["difference"] = {"record": result.difference.seq, "recorded": result.difference.recorded, "replayed": result.difference.replayed}
        if printed(outcome, as_json):
            stop_unless(result.difference is None)
            return
        console.print(f"{found.name}: {counted(result.events, 'event')}, {counted(result.decisions, 'decision')} compared")
        if result.difference:
            errors.print(f"[red]differs[/] after record {result.difference.seq}:")
            errors.print_json(data={"recorded": result.difference.recorded, "replayed": result.difference.replayed})
            raise typer.Exit(REFUSED)
        console.print("[green]identical[/]")


def doctor(home: Home = None, as_json: Json = False) -> None:
    """Check settings, keys, clock, disk, calendar, feeds and database, and say what to do about each failure. Exit code 3 if one failed."""
    from live.commands.doctor import examine

    results = examine(home)
    if not printed([asdict(result) for result in results], as_json):
        made = Table("", "check", "found", *(["what to do"] if any(result.remedy for result in results) else []), **STYLE)
        for result in results:
            made.add_row("[green]ok[/]" if result.passed else "[red]no[/]", result.name, escape(result.found), escape(result.remedy))
        console.print(made)
    if not all(result.passed for result in results):
        raise typer.Exit(REFUSED)


def dashboard(home: Home = None, port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8501) -> None:
    """Open the Streamlit dashboard on this home's published snapshot."""
    from pipelines.secrecy import without

    with told():
        page = Path(__file__).parent.parent / "dashboards" / "app.py"
        command = [sys.executable, "-m", "streamlit", "run", str(page), "--server.port", str(port)]
        raise typer.Exit(subprocess.run(command, env=without(os.environ) | {"DAYBOT_HOME": str(settings_of(home).daybot_home.absolute())}).returncode)


def dagster(
    home: Home = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Only show: nobody can start a run. The one to put behind a proxy.")] = False,
) -> None:
    """Open the Dagster UI on this home: assets, checks, runs, backfills, schedules."""
    from live.commands.demo import dagster_ui, environment

    with told():
        command = [sys.executable, "-m", *dagster_ui(port, read_only=read_only)]
        raise typer.Exit(subprocess.run(command, env=environment(settings_of(home))).returncode)


def notebook(home: Home = None) -> None:
    """Open the notebooks in JupyterLab on this home's published snapshot."""
    from pipelines.secrecy import variables, without

    with told():
        folder = Path(__file__).parent.parent / "notebooks"
        command = [sys.executable, "-m", "jupyterlab", str(folder), "--ip", "127.0.0.1"]
        # Kernels work in the notebooks' folder: a project's `.env` reaches them as variables.
        raise typer.Exit(subprocess.run(command, env=without(os.environ) | variables(settings_of(home))).returncode)


def up(
    seed: Annotated[int, typer.Option(help="Seed of the generated market.")] = 7,
    speed: Annotated[float, typer.Option(help="Market seconds a wall second.")] = 60.0,
    home: Home = None,
) -> None:
    """Run exchange, Dagster, live runner and dashboard together until Ctrl-C. Simulated, no account needed."""
    from live.commands import up as together
    from live.commands.demo import World

    with told():
        together.run(World(date(2026, 11, 20), seed=seed), home or Path(".daybot") / "up", speed, console)


def _banner(settings: "Settings", session: "Session") -> str:
    from live.session.screen import LABELS
    from pipelines.settings import Mode

    label, brief = session.manifest.label, session.briefing
    whose = f"nothing is sent; {settings.daybot_mode.value} account" if session.manifest.shadow else "account"
    made = f"made {brief.created_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M} New York"
    if settings.daybot_mode is not Mode.SIM:  # a simulated exchange has a clock of its own
        made += f", {(session.clock.now() - nanoseconds(brief.created_at)) / HOUR:.1f} hours ago"
    doubts = "".join(f"\n[yellow]starts in REDUCING[/], no entries until a person resumes: {escape(doubt)}" for doubt in brief.doubts)
    return (
        f"[{LABELS[label]}]{label}[/] {whose} {session.manifest.account} · session {brief.session} "
        f"· briefing {brief.version}, {made} · regime {brief.regime.name} "
        f"· {len(brief.watchlist)} symbols · journal {session.runner.journal.path}{_door(settings)}{doubts}"
    )


def _door(settings: "Settings") -> str:
    """Where the tools are served over TCP, if they are."""
    if not settings.server_listen:
        return ""
    from live.doors.tokens import Tokens

    scheme = "https" if settings.server_tls_cert else "http"
    kept = Tokens(settings.tokens)
    known = sum(not token.start and kept.alive(token) for token in kept.all())
    tokens = f"tokens that outlive a start: {known}" if known else "no token yet"
    tokens += "; `daybot token create NAME` makes one for this start"
    return f"\ntools on {scheme}://{settings.server_host}:{settings.server_port} · {tokens}"


def _state(state: dict[str, Any]) -> Group:
    rows = [{"symbol": symbol, **held, "stage": state["trades"].get(symbol, "")} for symbol, held in state["positions"].items()]
    doubts = "\n".join(
        [f"started in REDUCING: {escape(doubt)}" for doubt in state["doubts"]]
        + [f"{escape(name)} is not healthy: `daybot feeds` says more" for name, healthy in state["feeds"].items() if not healthy]
    )
    title = f"{state['state']} · equity {cell(state['equity'], 'equity')} · held"
    return table(state | {"mode": state["label"]}, title, rows, ("symbol", "quantity", "average", "price", "stage"), doubts)


def _ask_for_real_money(settings: "Settings") -> None:
    phrase = f"trade real money in {settings.alpaca_account}"
    if typer.prompt(f"This is real money. Type «{phrase}» to go on") != phrase:
        raise SettingsError("expected the phrase that arms live trading, found something else; nothing was started")


PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Begin": (demo, up, doctor),
    "A session": (live, status, health, halt, resume, release, flat, suspend, watchdog),
    "Trade": (scan, preview, enter, manage, close, record, approve),
    "Look": (positions, orders, account, trades, log, events, risk, limits, feeds, explain),
    "Measure": (performance, execution, optimization, scorers, weights, replay, sync),
    "Research": (backtest, sweep, check_strategy, notebook),
    "Serve": (dashboard, dagster, mcp, exchange),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
for name, group in {"journal": journals, "snapshots": snapshots, "token": tokens, "fault": faults}.items():
    app.add_typer(group, name=name, rich_help_panel="Keep")
quieten(app)


def main() -> None:
    """The console script. Whatever it and its children write is their owner's alone; told to end by SIGTERM, it ends as by Ctrl-C."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job has it ignored, and asyncio would leave it so
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()


if __name__ == "__main__":
    main()
