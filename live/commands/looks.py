"""The commands that look at the running session, as tables or JSON; with `--direct` some of them ask the broker where the runner is dead."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from live.commands.acts import Direct
from live.commands.shown import checks, pairs, printed, stop_unless, table
from live.commands.terminal import Home, Json, call, console, door, settings_of, told
from live.commands.values import cell, clock
from pipelines.core.errors import SettingsError
from pipelines.core.words import counted

if TYPE_CHECKING:
    from pipelines.settings import Settings

Rows = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Rows at most.")]
Cursor = Annotated[str | None, typer.Option(help="Where the page before ended.")]
Of = Annotated[str | None, typer.Option("--symbol", help="Only this symbol.")]
First = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")]
ROOMY = 140
"""Columns of a terminal from which a scan shows every reason."""
REASONS = 3

Strategy = Annotated[str | None, typer.Option(help="Only this strategy.")]


def look(home: Path | None, path: str, **query: Any) -> Any:
    """Ask the runner; what is None is not asked."""
    return call(settings_of(home), "GET", path, query={name: value for name, value in query.items() if value is not None})


def scan(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Lines at most.")] = 20,
    price_min: Annotated[float | None, typer.Option(help="Least price, dollars.")] = None,
    price_max: Annotated[float | None, typer.Option(help="Highest price, dollars.")] = None,
    volume_min: Annotated[float | None, typer.Option(help="Least average daily volume, shares.")] = None,
    sector: Annotated[str | None, typer.Option(help="Only this GICS sector.")] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """The symbols worth watching as of now, with reasons, and what keeps each from being entered."""
    with told():
        body = {"limit": limit, "price_min": price_min, "price_max": price_max, "volume_min": volume_min, "sector": sector}
        answer = call(settings_of(home), "POST", "/tools/scan_symbols", {n: v for n, v in body.items() if v is not None})
        if not printed(answer, as_json):
            columns = ("rank", "symbol", "score", "price", "change", "relative_volume", "rsi", "atr", "held", "blocked", "reasons")
            roomy = console.width >= ROOMY
            rows = answer["symbols"] if roomy else [row | {"reasons": row["reasons"][:REASONS]} for row in answer["symbols"]]
            note = "" if roomy else f"the first {REASONS} reasons of each; --json has all"
            spare = ("held", "relative_volume", "atr", "rsi", *(() if any(row["blocked"] for row in rows) else ("blocked",)))
            console.print(table(answer, f"scan of {answer['candidates']} candidates", rows, columns, note, spare))


def positions(break_glass: Direct = False, as_json: Json = False, home: Home = None) -> None:
    """All that is held: each owner's shares with stop and target, and whether the broker says the same."""
    with told():
        if break_glass:
            found = _standing(settings_of(home))
            rows = [{"symbol": h.symbol, "quantity": h.quantity, "average": h.average, "price": h.price} for h in found["held"]]
            _direct(found, rows, ("symbol", "quantity", "average", "price"), "positions at the broker", as_json)
            return
        answer = look(home, "/positions")
        if not printed(answer, as_json):
            columns = ("symbol", "owner", "quantity", "average", "price", "value", "profit", "stop", "target", "trail", "stage")
            words = {True: "the broker says the same", False: f"[red]the broker says {answer['broker']}[/]", None: "the broker was not read since"}
            spare = ("trail", "stage", "value", "average")
            console.print(table(answer, "positions", answer["positions"], columns, words[answer["agree"]], spare))


def orders(
    status: Annotated[Literal["open", "closed", "all"], typer.Option(help="Which.")] = "open",
    symbol: Of = None,
    limit: Rows = 50,
    cursor: Cursor = None,
    break_glass: Direct = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Orders, the newest first: this session's, and other people's that are open."""
    with told():
        if break_glass:
            found = _standing(settings_of(home))
            rows = [
                {"id": r.client_id, "symbol": r.symbol, "side": r.side.value, "type": r.type, "left": r.left, "status": r.status}
                for r in found["resting"]
                if symbol in (None, r.symbol)
            ]
            _direct(found, rows, ("id", "symbol", "side", "type", "left", "status"), "open orders at the broker", as_json)
            return
        answer = look(home, "/orders", status=status, symbol=symbol, limit=limit, cursor=cursor)
        if not printed(answer, as_json):
            columns = ("id", "symbol", "side", "role", "quantity", "filled", "average", "price", "status", "updated_at", "reason")
            spare = ("reason", "average", "updated_at", "filled", "side")
            console.print(table(answer, f"{status} orders", answer["orders"], columns, spare=spare))


def account(break_glass: Direct = False, as_json: Json = False, home: Home = None) -> None:
    """The account by the broker's last word, and the session's own count."""
    with told():
        if break_glass:
            found = _standing(settings_of(home))
            rows = [{name: found[name] for name in ("number", "equity", "cash", "buying_power")}]
            _direct(found, rows, ("number", "equity", "cash", "buying_power"), "account at the broker", as_json)
            return
        answer = look(home, "/account")
        if not printed(answer, as_json):
            console.print(pairs(answer, "account", {n: v for n, v in answer.items() if n not in {"mode", "session", "at"}}))


def trades(
    symbol: Of = None, strategy: Strategy = None, first: First = None, last: Last = None, limit: Rows = 50, cursor: Cursor = None,
    as_json: Json = False, home: Home = None,
) -> None:  # fmt: skip
    """Round trips, the newest first: published sessions and today."""
    with told():
        answer = look(
            home, "/analytics/trades", symbol=symbol, strategy=strategy, start_date=_day(first), end_date=_day(last), limit=limit, cursor=cursor
        )
        if not printed(answer, as_json):
            columns = ("session", "opened_at", "closed_at", "symbol", "strategy", "side", "quantity", "entry", "exit", "profit", "r", "reason")
            spare = ("strategy", "opened_at", "reason", "session")
            console.print(table(answer, f"round trips ({answer['of']['trades']})", answer["trades"], columns, "dollars before fees", spare))


def log(
    kind: Annotated[
        Literal["all", "submit", "replace", "cancel", "refused", "kept", "state", "closed", "noticed"], typer.Option(help="Only these decisions.")
    ] = "all",
    symbol: Of = None, limit: Rows = 30, cursor: Cursor = None, as_json: Json = False, home: Home = None,
) -> None:  # fmt: skip
    """What the session has decided, the newest first: orders, refusals with value and limit, changes of state, notes."""
    with told():
        answer = look(home, "/trade_log", kind=kind, symbol=symbol, limit=limit, cursor=cursor)
        if not printed(answer, as_json):
            columns = ("seq", "at", "kind", "symbol", "code", "value", "limit", "detail")
            console.print(table(answer, "decisions", answer["entries"], columns, spare=("limit", "value")))


def risk(
    past: Annotated[bool, typer.Option("--past", help="Of all sessions instead: value at risk, drawdowns, heat, exposure.")] = False,
    strategy: Strategy = None, first: First = None, last: Last = None, as_json: Json = False, home: Home = None,
) -> None:  # fmt: skip
    """Profit and loss of the day, drawdown, heat, and how much of each limit is in use."""
    if past:
        _figures(home, "risk", strategy, first, last, as_json)
        return
    with told():
        answer = look(home, "/tools/risk_status")
        if not printed(answer, as_json):
            skipped = {"mode", "session", "at", "usage"}
            console.print(pairs(answer, "risk", {n: v for n, v in answer.items() if n not in skipped}))
            console.print(checks("control", answer["usage"]))


def health(as_json: Json = False, home: Home = None) -> None:
    """Account, clock, connections, each as it stands. Exit code 3 where one is not as it should be."""
    with told():
        answer = look(home, "/tools/healthcheck")
        if not printed(answer, as_json):
            console.print(table(answer, f"account {answer['account']} · {answer['state']}", answer["checks"], ("name", "ok", "detail")))
        stop_unless(answer["ok"])


def feeds(as_json: Json = False, home: Home = None) -> None:
    """Where prices come from: who leads, who is healthy, how late they are."""
    with told():
        answer = look(home, "/feeds")
        if not printed(answer, as_json):
            columns = ("name", "leads", "healthy", "symbols", "newest", "lag", "detail")
            console.print(table(answer, "feeds", answer["feeds"], columns, spare=("newest", "lag")))


def events(
    after: Annotated[int, typer.Option(min=0, help="Only what came after this record.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C or the end of the session.")] = False,
    limit: Rows = 100,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """What happened, oldest first, a line each in New York time: decisions, the broker's words, commands, feeds. Bars and ticks are too many."""
    with told():
        if follow:
            for one in _stream(settings_of(home), after):
                _line(one, as_json)
            return
        answer = look(home, "/events/since", after=after, limit=limit)
        for one in answer["events"]:
            _line(one, as_json)


def performance(strategy: Strategy = None, first: First = None, last: Last = None, as_json: Json = False, home: Home = None) -> None:
    """What was earned over published sessions and today: returns, ratios, drawdowns, by strategy, symbol, hour."""
    _figures(home, f"strategy/{strategy}" if strategy else "performance", None, first, last, as_json)


def execution(strategy: Strategy = None, first: First = None, last: Last = None, as_json: Json = False, home: Home = None) -> None:
    """What orders cost against the price that they were decided at, how fast they filled, what was never sent and why."""
    _figures(home, "execution", strategy, first, last, as_json)


def optimization(strategy: Strategy = None, first: First = None, last: Last = None, as_json: Json = False, home: Home = None) -> None:
    """What limits took away and what that would have earned; hours and symbols that cost money."""
    _figures(home, "optimization", strategy, first, last, as_json)


def sync(as_json: Json = False, home: Home = None) -> None:
    """Have the runner read every journal into the tables of its analytics, also those that the night has not published. Nothing is counted twice."""
    with told():
        answer = call(settings_of(home), "POST", "/analytics/sync", {})
        if not printed(answer, as_json):
            columns = ("journal", "session", "run", "rows", "published", "added", "error")
            rows = [row | {"rows": sum(row["rows"].values())} for row in answer["journals"]]
            console.print(table(answer, f"journals read anew: {answer['added']}", rows, columns, spare=("run", "session", "error")))


def _figures(home: Path | None, name: str, strategy: str | None, first: datetime | None, last: datetime | None, as_json: bool) -> None:
    with told():
        answer = look(home, f"/analytics/{name}", strategy=strategy, start_date=_day(first), end_date=_day(last))
        if printed(answer, as_json):
            return
        of = answer["of"]
        today = ", today among them" if of["today"] else ""
        console.print(pairs(answer, f"{counted(of['sessions'], 'session')}, {counted(of['trades'], 'round trip')}{today}", answer["metrics"]))
        for title, rows in answer["tables"].items():
            if rows:
                columns = list(rows[0])
                console.print(table(answer, title.replace("_", " "), rows[:20], columns, spare=columns[:0:-1]))
        for note in answer["notes"]:
            console.print(f"[dim]{escape(note)}[/]")


def _line(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(one))
    else:
        said = {n: v for n, v in one["data"].items() if n not in {"kind", "at"} and not isinstance(v, dict | list) and v not in (None, "")}
        words = ", ".join(f"{name.replace('_', ' ')} {cell(value, name)}" for name, value in said.items())
        console.print(f"{one['id']:>7} {clock(one['at'])} [bold]{one['kind']}[/] {words}", soft_wrap=True, highlight=False)


def _stream(settings: "Settings", after: int) -> Iterator[dict[str, Any]]:
    """The runner's stream, taken up again where it was cut off, until the session is over."""
    import httpx

    try:
        with door(settings, 60.0) as client, client.stream("GET", "/events", params={"after": after}) as answer:
            for line in answer.iter_lines():
                if line == "event: over":
                    return
                if line.startswith("data: {") and '"kind"' in line:
                    yield json.loads(line[len("data: ") :])
    except httpx.HTTPError as error:
        raise SettingsError(f"expected the stream of a running session at {settings.socket}, found {type(error).__name__}") from None


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d}"


def _standing(settings: "Settings") -> dict[str, Any]:
    """The broker's own account, asked without the runner."""
    from live.brokers import reading
    from live.brokers.route import connect

    found = reading.standing(connect(settings), 0)
    return {
        "mode": settings.daybot_mode.value.upper(), "session": "without the runner", "number": found.number, "equity": found.equity,
        "cash": found.cash, "buying_power": found.power, "held": list(found.held.values()), "resting": list(found.resting),
    }  # fmt: skip


def _direct(found: dict[str, Any], rows: list[dict[str, Any]], columns: tuple[str, ...], title: str, as_json: bool) -> None:
    if not printed({"mode": found["mode"], "direct": True, "rows": rows}, as_json):
        console.print(table(found, title, rows, columns))
