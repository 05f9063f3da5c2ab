"""`daybot journal`: is a session's journal whole, what is in it, out of it as tables, and its upkeep."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from live.commands.shown import printed
from live.commands.terminal import Home, Json, console, settings_of, told
from pipelines.core.market.session import new_york

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True, help="The session journals: append-only, hash-chained, one file a session.")

Chosen = Annotated[Path | None, typer.Argument(help="A journal; the latest one otherwise.")]


@app.command()
def verify(path: Chosen = None, as_json: Json = False, home: Home = None) -> None:
    """Check every hash of a journal and of its raw frames: altered, removed, moved or cut-off records are found. Exit code 1 where one is."""
    from live import journal, raw

    with told():
        found, heads = _chosen(path, home), settings_of(home).journal_heads
        last, sealed = journal.verify(found, Path(heads) if heads else None), raw.verify(found)
        if printed({"journal": str(found), "records": last.seq, "last": new_york(last.at).isoformat(), "raw": asdict(sealed)}, as_json):
            return
        console.print(f"[green]intact[/] {found}: {last.seq:,} records, the last one {new_york(last.at):%Y-%m-%d %H:%M:%S} New York", soft_wrap=True)
        gone = f"; {sealed.gone:,} blocks are not kept any more (RAW_KEPT)" if sealed.gone else ""
        console.print(f"raw: {sealed.frames:,} frames in {sealed.blocks:,} blocks intact{gone}", soft_wrap=True)


@app.command()
def show(
    path: Chosen = None,
    kind: Annotated[
        str, typer.Option(help="session, event, decision, refused, raw, compare, guard, direct, resume or end; empty for all.")
    ] = "decision",
    of: Annotated[str, typer.Option(help="Only events or decisions of these kinds, such as submit,cancel,closed.")] = "",
    symbol: Annotated[str, typer.Option(help="Only what names this symbol.")] = "",
    frames: Annotated[bool, typer.Option("--raw", help="What was on the wire instead; --of sip,polygon,trading,broker chooses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For pipes: a record a line.")] = False,
    home: Home = None,
) -> None:
    """Print a journal's records, a line each."""
    from live import journal
    from pipelines.core.journal import encode

    kinds = set(filter(None, of.split(",")))
    with told():
        if frames:
            _show_raw(_chosen(path, home), kinds, symbol, as_json=as_json)
            return
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
    frames: Annotated[bool, typer.Option("--raw", help="Also what was on the wire, as the table raw: at, source, text.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Write a journal as tables, the same ones that the night puts into DuckDB."""
    from live import journal
    from pipelines.core.analytics.session import ledger

    with told():
        found = _chosen(path, home)
        tables = ledger.tables(journal.read(found)) | ({"raw": _raw_table(found)} if frames else {})
        target.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            if csv:
                frame.write_csv(target / f"{name}.csv")
            else:
                frame.write_parquet(target / f"{name}.parquet")
        if printed({"journal": str(found), "folder": str(target), "rows": {name: frame.height for name, frame in tables.items()}}, as_json):
            return
        for name, frame in tables.items():
            console.print(f"{name:<10} {frame.height:>8,} rows")


@app.command()
def repair(path: Chosen = None, as_json: Json = False, home: Home = None) -> None:
    """Cut off a torn last record, as a crash leaves one; what was cut is kept beside it. Anything else that is wrong is refused."""
    from live import journal

    with told():
        found = _chosen(path, home)
        mended = journal.repair(found)
        if printed({"journal": str(found), "records": mended.seq, "cut": mended.cut}, as_json):
            return
        words = f"{mended.cut} torn bytes cut off and kept" if mended.cut else "nothing was torn"
        console.print(f"{found}: {words}; {mended.seq:,} whole records", soft_wrap=True)


@app.command()
def tidy(as_json: Json = False, home: Home = None) -> None:
    """Pack journals beyond JOURNAL_PLAIN, remove raw frames beyond RAW_KEPT and journals beyond JOURNAL_KEPT. Each new session does it too.

    Packed journals are a tenth of their size, and can be read, verified and replayed as before.
    """
    from live.retention import tidy

    with told():
        done = tidy(settings_of(home))
        if as_json:
            printed(list(done), as_json)
            return
        for line in done:  # as it goes: a large journal takes a while
            console.print(line, soft_wrap=True)


def _chosen(path: Path | None, home: Path | None) -> Path:
    from live import journal

    return path or journal.latest(settings_of(home).journals)


def _show_raw(path: Path, sources: set[str], symbol: str, *, as_json: bool) -> None:
    from live import raw
    from pipelines.core.journal import encode

    for frame in raw.frames(path):
        text = raw.text(frame)
        if (sources and frame.source not in sources) or symbol not in text:
            continue
        if as_json:
            typer.echo(encode({"at": frame.at, "source": frame.source, "text": text}).decode())
        else:
            console.print(f"{new_york(frame.at):%H:%M:%S.%f} {frame.source:<12}", text, soft_wrap=True, markup=False, highlight=False)


def _raw_table(path: Path) -> "pl.DataFrame":
    import polars as pl

    from live import raw

    rows = [(frame.at, frame.source, raw.text(frame)) for frame in raw.frames(path)]
    frame = pl.DataFrame(rows, schema={"at": pl.Int64, "source": pl.String, "text": pl.String}, orient="row")
    return frame.with_columns(pl.from_epoch("at", "ns").dt.replace_time_zone("UTC"))


def _values(data: Any) -> Iterator[Any]:
    """Every plain value inside."""
    if isinstance(data, dict):
        data = data.values()
    elif not isinstance(data, list):
        yield data
        return
    for value in data:
        yield from _values(value)
