"""`daybot explain`: why this order, this trade, or this refusal, back to the bars that sized it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from live.commands.terminal import Home, console, settings_of, told
from pipelines.core.market.session import NEW_YORK, new_york
from pipelines.core.trading.decisions import Submit

if TYPE_CHECKING:
    from pipelines.core.analytics.session.explain import Journaled, Walk
    from pipelines.core.trading.decisions import Lineage

STYLE: dict[str, Any] = {"box": None, "title_justify": "left", "title_style": "bold", "header_style": "cyan", "padding": (0, 2, 0, 0)}

SHOWN = 40
"""Candidates and walks in a terminal; `--json` has all."""

ROOMY = 110
"""Columns of a terminal from which the numbers have columns of their own; the words say them anyway."""


def explain(
    wanted: Annotated[str, typer.Argument(help="An order, a trade, a symbol or a record's number; nothing lists every candidate.")] = "",
    journal: Annotated[Path | None, typer.Option(help="A journal; the latest one otherwise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For pipes.")] = False,
    home: Home = None,
) -> None:
    """Why each trade and each non-trade: the decision, what it stands on, sizes, every control, the bars, and what became of it."""
    from live import journal as journals
    from pipelines.core.analytics.session.explain import candidates, explained

    with told():
        path = journal or journals.latest(settings_of(home).journals)
        found = explained(journals.read(path))
        if not wanted:
            rows = candidates(found)
            if as_json:
                console.print_json(rows.write_json())
            else:
                console.print(_candidates(rows.rows(named=True)))
            return
        walks = found.of(wanted)
        if as_json:
            console.print_json(msgspec.json.encode(walks).decode())
            return
        for walk in walks[:SHOWN]:
            console.print(_walk(walk, found))
        if len(walks) > SHOWN:
            console.print(f"[dim]{len(walks) - SHOWN} more; ask for one by its record's number[/]")


def _candidates(rows: list[dict[str, Any]]) -> Table:
    counts = {name: sum(row["outcome"] == name for row in rows) for name in ("entered", "reduced", "refused")}
    title = ", ".join(f"{count} {name}" for name, count in counts.items())
    names = ["record", "at", "symbol", "strategy", "side", "wanted", "got", "by", "value", "limit", "why"]
    shown = [name for name in names if console.width >= ROOMY or name not in {"strategy", "value", "limit"}]
    table = Table(*shown, title=title, **STYLE)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in rows[-SHOWN:]:
        numbers = [("" if row[name] is None else f"{row[name]:,.4g}") for name in ("value", "limit")]
        colour = {"entered": "green", "reduced": "yellow", "refused": "red"}[row["outcome"]]
        got = f"[{colour}]{row['quantity']}[/]"
        at = f"{row['at'].astimezone(NEW_YORK):%H:%M:%S}"
        words = escape(row["detail"] or row["reason"])
        cells = [str(row["seq"]), at, row["symbol"], row["strategy"], row["side"], str(row["wanted"]), got, row["code"] or "", *numbers, words]
        table.add_row(*(cell for name, cell in zip(names, cells, strict=True) if name in shown))
    if len(rows) > SHOWN:
        table.caption = f"the last {SHOWN} of {len(rows)}; --json has all"
    return table


def _walk(walk: "Walk", found: "Journaled") -> Group:
    decision, lineage = walk.decision, walk.lineage
    parts: list[RenderableType] = [_heading(walk)]
    if lineage is not None:
        parts += [_stands_on(lineage, found), _sizing(lineage), _checks(lineage)]
    parts.append(_bars(walk))
    if isinstance(decision, Submit):
        parts.append(_deeds(walk))
    return Group(*parts, "")


def _heading(walk: "Walk") -> str:
    decision = walk.decision
    when = f"{new_york(decision.at):%Y-%m-%d %H:%M:%S} New York, record {walk.seq}"
    if isinstance(decision, Submit):
        order = decision.order
        prices = ", ".join(f"{n} {p:.2f}" for n, p in (("limit", order.limit), ("stop", order.stop), ("target", order.target)) if p is not None)
        what = f"[bold green]{order.side} {order.quantity} {order.symbol}[/] as {order.shape}, {prices} · order {order.id}, trade {decision.trade}"
    else:
        check = decision.check
        numbers = f"value {check.value:,.6g}, limit {check.limit:,.6g} from {check.origin}"
        what = (
            f"[bold red]refused: {decision.side} {decision.wanted} {decision.symbol}[/] by {check.code}: {escape(check.detail)} ({escape(numbers)})"
        )
    return f"{what}\n{when}\n{escape(decision.reason)}"


def _stands_on(lineage: "Lineage", found: "Journaled") -> Table:
    table = Table("stands on", "", **STYLE)
    atr = "not known" if lineage.atr is None else f"{lineage.atr:.4f}"
    rows = {
        "strategy": f"{lineage.strategy} {lineage.version}",
        "code": found.head.code,
        "briefing": lineage.briefing,
        "feed": lineage.feed,
        "deciding bar": f"{new_york(lineage.bar):%H:%M} New York",
        "price": f"{lineage.arrival:.4f}",
        "daily ATR 14": atr,
        "indicators": ", ".join(f"{name} {value:,.4g}" for name, value in lineage.indicators.items()) or "none yet",
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _sizing(lineage: "Lineage") -> Table:
    table = Table("size by", "shares", "because", **STYLE)
    for step in lineage.sizing:
        table.add_row(step.bound, f"{step.shares:,}", escape(step.detail))
    return table


def _checks(lineage: "Lineage") -> Table:
    table = Table("control", "", "value", "limit", "from", "in words", **STYLE)
    for check in lineage.checks:
        mark = "[green]ok[/]" if check.passed else "[red]no[/]"
        table.add_row(check.code.value, mark, f"{check.value:,.6g}", f"{check.limit:,.6g}", escape(check.origin), escape(check.detail))
    return table


def _bars(walk: "Walk") -> Table:
    table = Table("bar", "record", "open", "high", "low", "close", "volume", "", **STYLE)
    for seen in walk.bars:
        bar = seen.bar
        prices = [f"{price:.2f}" for price in (bar.open, bar.high, bar.low, bar.close)]
        table.add_row(f"{new_york(bar.start):%H:%M}", str(seen.seq), *prices, f"{bar.volume:,.0f}", "late" if seen.late else "")
    return table


def _deeds(walk: "Walk") -> Table:
    table = Table("then", "record", "order", "", **STYLE)
    for deed in walk.deeds:
        table.add_row(f"{new_york(deed.at):%H:%M:%S}", str(deed.seq), deed.order, escape(deed.words))
    closed = walk.closed
    if closed is not None:
        r = "" if closed.r is None else f", {closed.r:+.2f} R"
        words = f"{closed.quantity} in at {closed.entry:.4f}, out at {closed.exit:.4f}: {closed.profit:+,.2f}{r}; {closed.reason}"
        table.add_row(f"{new_york(closed.at):%H:%M:%S}", "", closed.trade, f"[bold]{escape(words)}[/]")
    return table
