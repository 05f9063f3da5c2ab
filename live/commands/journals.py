"""`daybot journal`: is a session's journal whole, what is in it, out of it as tables, and its upkeep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from live.commands.terminal import Home, console, settings_of, told
from pipelines.core.market.session import new_york

app = typer.Typer(no_args_is_help=True, help="The session journals: append-only, hash-chained, one file a session.")

Chosen = Annotated[Path | None, typer.Argument(help="A journal; the latest one otherwise.")]


@app.command()
def verify(path: Chosen = None, home: Home = None) -> None:
    """Check every hash of a journal: altered, removed, moved or cut-off records are found. Exit code 1 where one is."""
    from live import journal

    with told():
        found = _chosen(path, home)
        last = journal.verify(found)
        console.print(f"[green]intact[/] {found}: {last.seq:,} records, the last one {new_york(last.at):%Y-%m-%d %H:%M:%S} New York", soft_wrap=True)


@app.command()
def show(
    path: Chosen = None,
    kind: Annotated[str, typer.Option(help="session, event, decision, refused, response or end; empty for all.")] = "decision",
    of: Annotated[str, typer.Option(help="Only events or decisions of these kinds, such as submit,cancel,closed.")] = "",
    symbol: Annotated[str, typer.Option(help="Only what names this symbol.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For pipes: a record a line.")] = False,
    home: Home = None,
) -> None:
    """Print a journal's records, a line each."""
    from live import journal
    from pipelines.core.journal import encode

    kinds = set(filter(None, of.split(",")))
    with told():
        for record in journal.read(_chosen(path, home)):
            names = {str(value) for value in _values(record.data)}
            if (kind and record.kind != kind) or (kinds and record.data.get("kind") not in kinds) or (symbol and symbol not in names):
                continue
            if as_json:
                typer.echo(encode(record).decode())
            else:
                console.print(f"{record.seq:>7} {new_york(record.at):%H:%M:%S}", record.data, soft_wrap=True)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="Folder for the tables: orders, fills, decisions, trades, equity, runs.")],
    path: Chosen = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of Parquet.")] = False,
    home: Home = None,
) -> None:
    """Write a journal as tables, the same ones that the night puts into DuckDB."""
    from live import journal
    from pipelines.core.analytics import ledger

    with told():
        tables = ledger.tables(journal.read(_chosen(path, home)))
        target.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            if csv:
                frame.write_csv(target / f"{name}.csv")
            else:
                frame.write_parquet(target / f"{name}.parquet")
            console.print(f"{name:<10} {frame.height:>8,} rows")


@app.command()
def repair(path: Chosen = None, home: Home = None) -> None:
    """Cut off a torn last record, as a crash leaves one; what was cut is kept beside it. Anything else that is wrong is refused."""
    from live import journal

    with told():
        found = _chosen(path, home)
        mended = journal.repair(found)
        words = f"{mended.cut} torn bytes cut off and kept" if mended.cut else "nothing was torn"
        console.print(f"{found}: {words}; {mended.seq:,} whole records", soft_wrap=True)


@app.command()
def compress(
    home: Home = None,
    keep: Annotated[int, typer.Option(min=0, help="Newest journals that stay as they are.")] = 5,
) -> None:
    """Pack older journals to about a tenth of their size. They can be read, verified and replayed as before."""
    from live import journal

    with told():
        plain = [path for path in journal.sessions(settings_of(home).journals) if path.suffix == ".jsonl"]
        for path in plain[: max(len(plain) - keep, 0)]:
            before = path.stat().st_size
            packed = journal.compress(path)
            console.print(f"{packed.name}: {before / 1e6:.1f} MB to {packed.stat().st_size / 1e6:.1f} MB")


def _chosen(path: Path | None, home: Path | None) -> Path:
    from live import journal

    return path or journal.latest(settings_of(home).journals)


def _values(data: Any) -> Iterator[Any]:
    """Every plain value inside."""
    if isinstance(data, dict):
        data = data.values()
    elif not isinstance(data, list):
        yield data
        return
    for value in data:
        yield from _values(value)
