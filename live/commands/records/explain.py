"""`daybot explain`: why this order, this trade, or this refusal, back to the bars that sized it.

The running session answers where there is one, else its journal is read: by the same function, so the answer is the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from live.commands.shown import STYLE, checks, mode, printed, under
from live.commands.terminal import Declined, Home, Json, call, console, settings_of, told
from live.commands.values import clock, measured
from pipelines.core.errors import SettingsError

if TYPE_CHECKING:
    from live.tools.asks import ExplainRequest
    from live.tools.explaining import Source
    from live.tools.reports import Told

SHOWN = 40
"""Walks in a terminal; `--json` has all."""

ROOMY = 110
"""Columns of a terminal from which the numbers have columns of their own; the words say them anyway."""


def explain(
    wanted: Annotated[str, typer.Argument(help="An order, a trade, a symbol or a record's number; nothing lists the candidates.")] = "",
    outcome: Annotated[Literal["all", "entered", "reduced", "refused"], typer.Option(help="Of the list: only these.")] = "all",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Of the list: rows at most, the newest first.")] = 40,
    cursor: Annotated[str | None, typer.Option(help="Of the list: where the page before ended.")] = None,
    journal: Annotated[Path | None, typer.Option(help="This journal; otherwise the running session, and where none runs the latest one.")] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Why each trade and each non-trade: the decision, what it stands on, sizes, every control, the bars, and what became of it."""
    with told():
        if wanted:
            ask = _named(wanted)
            answer = _asked(home, journal, f"/orders/{quote(ask.id)}/explain", {}, lambda source: _walks(source, ask))
        else:
            page = {"outcome": outcome, "limit": limit} | ({"cursor": cursor} if cursor else {})
            answer = _asked(home, journal, "/candidates", page, lambda source: _page(source, page))
        if printed(answer, as_json):
            return
        if not wanted:
            console.print(_candidates(answer))
            return
        for walk in answer["walks"][:SHOWN]:
            console.print(_walk(walk, answer))
        if len(answer["walks"]) > SHOWN:
            console.print(f"[dim]{len(answer['walks']) - SHOWN} more; ask for one by its record's number[/]")
        console.print(_origin(answer))


def _asked(home: Path | None, journal: Path | None, path: str, query: dict[str, Any], read: "Callable[[Source], Told]") -> Any:
    """The running session's answer, or the same from a journal; as JSON has it."""
    settings = settings_of(home)
    if journal is None and settings.socket.exists():
        try:
            return call(settings, "GET", path, query=query)
        except SettingsError:
            pass  # a session that died has left its socket: its journal has all that it knew
    from live import journal as journals
    from live.problems import ToolError
    from live.tools.explaining import written

    try:
        return read(written(journal or journals.latest(settings.journals))).model_dump(mode="json")
    except ToolError as no:
        raise Declined(no.problem.model_dump()) from None


def _named(wanted: str) -> "ExplainRequest":
    from live.tools.asks import ExplainRequest

    try:
        return ExplainRequest(id=wanted)
    except ValidationError:
        raise typer.BadParameter(f"expected an order, a trade, a symbol or a record's number, found {wanted[:80]!r}") from None


def _walks(source: "Source", ask: "ExplainRequest") -> "Told":
    from live.tools.explaining import explained

    return explained(source, ask)


def _page(source: "Source", page: dict[str, Any]) -> "Told":
    from live.tools import explaining
    from live.tools.asks import CandidatesRequest

    return explaining.wanted(source, CandidatesRequest(**page))


def _origin(answer: dict[str, Any]) -> str:
    """Who has answered."""
    who = "told by the running session" if answer["running"] else "no session answers: read"
    return f"[dim]{who} from {escape(answer['journal'])}[/]"


def _candidates(answer: dict[str, Any]) -> Group:
    counts = ", ".join(f"{count:,} {name}" for name, count in answer["counts"].items())
    names = ["record", "at", "symbol", "strategy", "side", "wanted", "got", "by", "value", "limit", "why"]
    shown = [name for name in names if console.width >= ROOMY or name not in {"strategy", "value", "limit"}]
    if not answer["candidates"]:
        return under(f"{mode(answer)} {answer['session']} · candidates: none", None, _origin(answer))
    made = Table(*shown, **STYLE)
    for column in made.columns[:-1]:
        column.no_wrap = True
    for row in answer["candidates"]:
        colour = {"entered": "green", "reduced": "yellow", "refused": "red"}[row["outcome"]]
        numbers = ["" if row["code"] is None else measured(row["code"], row[name]) for name in ("value", "limit")]
        got = f"[{colour}]{row['quantity']:,}[/]"
        words = escape(row["detail"] or row["reason"])
        ours = [str(row["seq"]), clock(row["at"]), row["symbol"], escape(row["strategy"]), row["side"], f"{row['wanted']:,}", got]
        made.add_row(*(text for name, text in zip(names, [*ours, row["code"] or "", *numbers, words], strict=True) if name in shown))
    more = f"more: --cursor {answer['next']}" if answer["next"] else ""
    return under(f"{mode(answer)} {answer['session']} · {counts}", made, more, _origin(answer))


def _walk(walk: dict[str, Any], answer: dict[str, Any]) -> Group:
    parts: list[RenderableType] = [_heading(walk, answer)]
    if walk["briefing"] is not None:
        parts += [_stands_on(walk, answer["code"]), _sizing(walk["sizing"]), checks("control", walk["checks"])]
    parts.append(_bars(walk["bars"]))
    if walk["order"] is not None:
        parts.append(_deeds(walk))
    return Group(*parts, "")


def _heading(walk: dict[str, Any], answer: dict[str, Any]) -> str:
    if walk["order"] is not None:
        prices = "".join(f", {name} {walk[name]:,.2f}" for name in ("limit", "stop", "target") if walk[name] is not None)
        what = f"[bold green]{walk['side']} {walk['quantity']:,} {walk['symbol']}[/] as {walk['shape']}{prices}"
        what += f" · order {walk['order']}, trade {walk['trade']}"
    else:
        no = walk["refused"]
        what = f"[bold red]refused: {walk['side']} {walk['wanted'] or ''} {walk['symbol']}[/] by {no['code']}: {escape(no['detail'])}"
        what += f" (value {measured(no['code'], no['value'])}, limit {measured(no['code'], no['limit'])} from {escape(no['source'])})"
    return f"{mode(answer)} {what}\n{answer['session']} {clock(walk['at'])} New York, record {walk['record']}\n{escape(walk['reason'])}"


def _stands_on(walk: dict[str, Any], code: str) -> Table:
    made = Table("stands on", "", **STYLE)
    rows = {
        "strategy": f"{walk['strategy']} {walk['version']}",
        "code": code,
        "briefing": walk["briefing"],
        "feed": walk["feed"],
        "deciding bar": "none yet" if walk["bar"] is None else f"{clock(walk['bar'])[:5]} New York",
        "price": "none yet" if walk["arrival"] is None else f"{walk['arrival']:,.4f}",
        "daily ATR 14": "not known" if walk["atr"] is None else f"{walk['atr']:,.4f}",
        "indicators": ", ".join(f"{name} {value:,.4g}" for name, value in walk["indicators"].items()) or "none yet",
    }
    if walk["feed"] == walk["version"]:
        del rows["feed"]  # a person's wish names him in both
    for name, value in rows.items():
        made.add_row(name, escape(value))
    return made


def _sizing(steps: list[dict[str, Any]]) -> Table:
    made = Table("size by", "shares", "because", **STYLE)
    for step in steps:
        made.add_row(step["bound"], f"{step['shares']:,}", escape(step["detail"]))
    return made


def _bars(bars: list[dict[str, Any]]) -> RenderableType:
    if not bars:
        return Text("no bars before it")
    made = Table("bar", "record", "open", "high", "low", "close", "volume", "", **STYLE)
    for bar in bars:
        prices = [f"{bar[name]:,.2f}" for name in ("open", "high", "low", "close")]
        made.add_row(clock(bar["start"])[:5], str(bar["record"]), *prices, f"{bar['volume']:,.0f}", "late" if bar["late"] else "")
    return made


def _deeds(walk: dict[str, Any]) -> Table:
    made = Table("then", "record", "order", "", **STYLE)
    for deed in walk["deeds"]:
        made.add_row(clock(deed["at"]), str(deed["record"]), deed["order"], escape(deed["words"]))
    closed = walk["closed"]
    if closed is not None:
        r = "" if closed["r"] is None else f", {closed['r']:+.2f} R"
        words = f"{closed['quantity']:,} in at {closed['entry']:,.4f}, out at {closed['exit']:,.4f}: {closed['profit']:+,.2f}{r}; {closed['reason']}"
        made.add_row(clock(closed["at"]), "", walk["trade"], f"[bold]{escape(words)}[/]")
    return made
