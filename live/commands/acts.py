"""The commands that act on the running session: what HTTP and MCP can do, at a terminal. Each waits for what became of it, and says it."""

import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from live.commands.shown import checks, printed, say
from live.commands.terminal import REFUSED, Home, Json, call, console, errors, settings_of, told
from live.commands.values import cell, measured
from pipelines.core.errors import BrokerError

Name = Annotated[str | None, typer.Option("--id", help="Name of this command; asking twice with one name does nothing twice.")]
Wait = Annotated[float, typer.Option(min=0, max=30, help="Seconds to wait for what becomes of it.")]
Direct = Annotated[bool, typer.Option("--direct", help="Talk to the broker without the runner: for when it is dead.")]
Symbol = Annotated[str, typer.Argument(help="Symbol.")]
Owner = Annotated[str | None, typer.Option("--strategy", help="Only this owner's trade; left out: every owner's.")]
Side = Annotated[Literal["buy", "sell"], typer.Argument(help="buy opens a long position, sell a short one.")]
Quantity = Annotated[int | None, typer.Argument(min=1, help="Whole shares; left out: by risk per trade.")]
Limit = Annotated[float | None, typer.Option(help="Limit price; left out: a market order.")]
Stop = Annotated[float | None, typer.Option(help="Stop price; left out: by ATR.")]
Target = Annotated[float | None, typer.Option(help="Target price; left out: by ATR.")]
Risk = Annotated[float | None, typer.Option(help="Fraction of equity at risk at the stop, in place of RISK_PER_TRADE.")]


def act(home: Path | None, tool: str, body: dict[str, Any], name: str | None) -> Any:
    """Give a command; the answer."""
    return call(settings_of(home), "POST", f"/tools/{tool}", {n: v for n, v in body.items() if v is not None}, key=name or uuid.uuid4().hex[:12])


def entry(
    symbol: str, side: str, quantity: int | None, limit: float | None, stop: float | None, target: float | None, risk: float | None
) -> dict[str, Any]:
    """The body of an entry, as of its preview."""
    body = {"symbol": symbol, "side": side, "quantity": quantity, "stop_loss_price": stop, "take_profit_price": target, "risk_percent": risk}
    body |= {"order_type": "limit", "entry_price": limit} if limit is not None else {}
    return {n: v for n, v in body.items() if v is not None}


def enter(
    symbol: Symbol,
    side: Side,
    quantity: Quantity = None,
    limit: Limit = None,
    stop: Stop = None,
    target: Target = None,
    risk: Risk = None,
    strategy: Annotated[str | None, typer.Option(help="Whose trade it is; left out: yours.")] = None,
    reason: Annotated[str | None, typer.Option(help="For the journal.")] = None,
    wait: Wait = 5.0,
    command_id: Name = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Open a position with its stop and target, through the gate. Exit code 3 where a limit refuses it."""
    with told():
        body = entry(symbol, side, quantity, limit, stop, target, risk) | {"strategy": strategy, "reason": reason, "wait": wait}
        answer = act(home, "enter_trade", body, command_id)
        if printed(answer, as_json):
            return
        cut = answer["cut"]
        if cut:
            allowed = f"limit {measured(cut['code'], cut['limit'])} from {cut['source']}"
            console.print(f"[yellow]reduced[/] from {answer['wanted']:,} by {cut['code']}: {escape(cut['detail'])} ({allowed})", soft_wrap=True)
        say(answer, {"approved": "green", "reduced": "yellow", "unknown": "red"}[answer["outcome"]], answer["outcome"])
        if answer["order"]:
            exits = f"stop {cell(answer['stop'], 'stop')}, target {cell(answer['target'], 'target')}"
            console.print(f"{exits}; why: `daybot explain {answer['order']}`", soft_wrap=True)


def manage(
    symbol: Symbol,
    stop: Annotated[float | None, typer.Option(help="Move the stop to this price.")] = None,
    target: Annotated[float | None, typer.Option(help="Move the target to this price.")] = None,
    trail: Annotated[float | None, typer.Option(help="Let the stop follow this many dollars behind the best price.")] = None,
    sell: Annotated[int | None, typer.Option(min=1, help="Take so many shares off.")] = None,
    fraction: Annotated[float | None, typer.Option(min=0, max=1, help="Take this share of it off.")] = None,
    strategy: Owner = None,
    wait: Wait = 5.0,
    command_id: Name = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Change an open trade: one of --stop, --target, --trail, --sell, --fraction."""
    ways = {
        "adjust_stop": ("new_stop_price", stop),
        "adjust_target": ("new_target_price", target),
        "trail_stop": ("trail_amount", trail),
        "partial_exit": ("exit_quantity", sell) if sell is not None else ("exit_fraction", fraction),
    }
    given = {action: field for action, field in ways.items() if field[1] is not None}
    if len(given) != 1 or (sell is not None and fraction is not None):
        raise typer.BadParameter("expected one of --stop, --target, --trail, --sell and --fraction")
    with told():
        (action, (field, value)), *_ = given.items()
        body = {"symbol": symbol, "action": action, field: value, "strategy": strategy, "wait": wait}
        answer = act(home, "manage_trade", body, command_id)
        if not printed(answer, as_json):
            say(answer, "green" if answer["outcome"] == "done" else "red", answer["outcome"])


def close(
    symbol: Symbol,
    quantity: Annotated[int | None, typer.Argument(min=1, help="Only so many shares; left out: all.")] = None,
    strategy: Owner = None,
    break_glass: Direct = False,
    wait: Wait = 5.0,
    command_id: Name = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Close what is held in a symbol, and say whether the broker's own books show it flat. Closing what is flat does nothing."""
    with told():
        if break_glass:
            _close_directly(home, symbol.upper(), quantity, as_json=as_json)
            return
        answer = act(home, "close_symbol", {"symbol": symbol, "quantity": quantity, "strategy": strategy, "wait": wait}, command_id)
        if not printed(answer, as_json):
            closed(answer)


def closed(answer: dict[str, Any]) -> None:
    """What became of closing."""
    colour = {"yes": "green", "pending": "yellow", "no": "yellow"}[answer["flat"]]
    say(answer, colour, f"flat: {answer['flat']}")
    if answer["flat"] == "pending":
        console.print(f"accepted as {answer['id']}; the same with `--id {answer['id']}` asks how far it is")


def _close_directly(home: Path | None, symbol: str, quantity: int | None, *, as_json: bool) -> None:
    from live.guards.direct import flatten

    if quantity is not None:
        raise typer.BadParameter("--direct closes all of a symbol")
    settings = settings_of(home)
    progress = errors if as_json else console
    left = flatten(settings, progress, mine=lambda found: {symbol} & (found.held.keys() | {row.symbol for row in found.resting}))
    if left:
        raise BrokerError(f"expected {symbol} to be flat, found {left}; ask again, or close it at the broker")
    printed({"mode": settings.daybot_mode.value.upper(), "direct": True, "symbol": symbol, "flat": "yes"}, as_json)


def record(
    symbol: Symbol,
    reason: Annotated[str, typer.Argument(help="What to write down.")],
    event: Annotated[str, typer.Option(help="What it is: entry, exit, note.")] = "note",
    side: Annotated[Literal["buy", "sell"] | None, typer.Option(help="Which way, of a trade.")] = None,
    price: Annotated[float | None, typer.Option(help="Dollars.")] = None,
    quantity: Annotated[int | None, typer.Option(help="Shares.")] = None,
    pnl: Annotated[float | None, typer.Option(help="Dollars gained or lost.")] = None,
    command_id: Name = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Write a note into the session's journal: a trade made elsewhere, an observation. It changes nothing else."""
    with told():
        body = {"event_type": event, "symbol": symbol, "side": side, "price": price, "quantity": quantity, "pnl": pnl, "reason": reason}
        answer = act(home, "record_trade", body, command_id)
        if not printed(answer, as_json):
            say(answer, "green", f"record {answer['record']}")


def halt(wait: Wait = 5.0, command_id: Name = None, as_json: Json = False, home: Home = None) -> None:
    """No more entries; what is held keeps its protection. `daybot resume` takes it back."""
    with told():
        _accepted(act(home, "halt", {"wait": wait}, command_id), as_json)


def resume(wait: Wait = 5.0, command_id: Name = None, as_json: Json = False, home: Home = None) -> None:
    """Let a session trade that stands in REDUCING or HALTED: a person's word, given after a look at why. Refused after the daily loss."""
    with told():
        _accepted(act(home, "resume", {"wait": wait}, command_id), as_json)


def release(
    strategy: Annotated[str, typer.Argument(help="Name of the strategy.")],
    wait: Wait = 5.0,
    command_id: Name = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Let a strategy enter again that a throttle or a losing streak has stopped."""
    with told():
        _accepted(act(home, "release", {"strategy": strategy, "wait": wait}, command_id), as_json)


def preview(
    symbol: Symbol,
    side: Side,
    quantity: Quantity = None,
    limit: Limit = None,
    stop: Stop = None,
    target: Target = None,
    risk: Risk = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """The gate without the order: what an entry would come to now, with every control. Exit code 3 where it would be refused."""
    with told():
        answer = call(settings_of(home), "POST", "/preview", entry(symbol, side, quantity, limit, stop, target, risk))
        if not printed(answer, as_json):
            console.print(checks("control", answer["checks"]))
            say(answer, {"approved": "green", "reduced": "yellow", "refused": "red"}[answer["outcome"]], answer["outcome"])
            if answer["outcome"] != "refused":
                price, sell, win, risked = (cell(answer[name], "price") for name in ("price", "stop", "target", "risk"))
                of = f"{answer['quantity']:,} of {answer['wanted']:,} shares"
                console.print(f"{of} at {price}, stop {sell}, target {win}, {risked} dollars at risk", soft_wrap=True)
        if answer["outcome"] == "refused":
            raise typer.Exit(REFUSED)


def _accepted(answer: dict[str, Any], as_json: bool) -> None:
    if not printed(answer, as_json):
        say(answer, "green" if answer["outcome"] == "done" else "red", f"trading is {answer['state']}")
