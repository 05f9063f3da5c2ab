"""What a running session looks like in a terminal: state, equity, positions with their stops, orders and how fast the
broker answers them, feeds, refusals, the newest decisions.

Reads the engine and changes nothing; everything on it follows from the events that went by.
"""

from collections import Counter, deque
from statistics import median

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from live.metrics import Answered
from live.runner import Runner
from pipelines.core.market.bars import MINUTE, SECOND
from pipelines.core.market.session import new_york
from pipelines.core.trading.decisions import Decision, Kept, Noticed, Refused, StateChanged, Submit, TradeClosed, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Event, MarketBar
from pipelines.core.trading.orders import Role
from pipelines.core.trading.trades import Trade

COLOURS = {TradingState.ACTIVE: "green", TradingState.REDUCING: "yellow", TradingState.HALTED: "bold red"}
LABELS = {"SIM": "cyan", "SHADOW": "magenta", "PAPER": "yellow", "LIVE": "bold red"}
NEWEST, LEADING, LIVE = 6, 6, 8
"""Decisions, refusing limits and live orders that are shown."""

WAITS = 100
"""Answers that the latency is of."""


class Screen:
    """A watch that can be drawn. `label` says whose money it is, in its title, so that nobody takes paper for money."""

    def __init__(self, label: str, account: str) -> None:
        self._label, self._account = label, account
        self._newest: deque[tuple[int, str, str]] = deque(maxlen=NEWEST)
        self._refused: Counter[str] = Counter()
        self._bars = self._entries = 0
        self._lag = 0.0
        self._answered = Answered()
        self._waits: deque[float] = deque(maxlen=WAITS)
        """Seconds from a decision to the broker's answer."""

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine."""
        if isinstance(event, MarketBar) and not event.late:
            self._bars += 1
            self._lag = (event.at - event.bar.start - MINUTE) / SECOND
        wait = self._answered.watch(event, decisions)
        if wait is not None:
            self._waits.append(wait)
        for decision in decisions:
            self._entries += isinstance(decision, Submit) and decision.role is Role.ENTRY
            if isinstance(decision, Refused):
                self._refused[decision.check.code.value] += 1
            words = _words(decision)
            if words is not None:
                self._newest.append((event.at, *words))

    def panel(self, runner: Runner) -> RenderableType:
        """The session as of now."""
        engine = runner.engine
        title = f"[{LABELS[self._label]}]{self._label}[/] {self._account} · {engine.briefing.session} · briefing {engine.briefing.version}"
        beside = Table.grid(padding=(0, 4))
        beside.add_row(_orders(engine), self._feeds(engine), self._refusals())
        parts: list[RenderableType] = [self._head(runner), Text(), _positions(engine), Text(), beside, Text(), self._news()]
        return Panel(Group(*parts), title=title, title_align="left", border_style=LABELS[self._label], padding=(0, 1))

    def _head(self, runner: Runner) -> Text:
        engine, portfolio = runner.engine, runner.engine.portfolio
        line = Text(f"{new_york(runner.clock.now()):%a %H:%M:%S} New York  ", style="bold").append(engine.state.upper(), style=COLOURS[engine.state])
        if portfolio is None:
            return line.append("  the account is not known yet", style="dim")
        profit = portfolio.equity - portfolio.start
        line.append(f"  equity {portfolio.equity:,.2f}  ", style="not bold")
        line.append(f"{profit:+,.2f} ({profit / portfolio.start:+.2%})", style="green" if profit >= 0 else "red")
        heat = sum(e.heat for e in engine.book(runner.clock.now()).exposures) / portfolio.equity
        line.append(f"  realised {portfolio.realised:+,.2f}  heat {heat:.2%} of {engine.limits.max_portfolio_heat:.2%}", style="not bold")
        answers = f", answered in {median(self._waits):.2f} s, {max(self._waits):.2f} s at most" if self._waits else ""
        return line.append(f"  {self._bars:,} bars, newest {self._lag:.1f} s after its minute; {self._entries} entries{answers}", style="dim")

    def _feeds(self, engine: Engine) -> Table:
        table = Table("feed", "", box=None, header_style="cyan", padding=(0, 2, 0, 0))
        for feed, healthy in sorted(engine.feeds.items()):
            table.add_row(feed, "[green]healthy[/]" if healthy else "[red]unhealthy[/]")
        return table

    def _refusals(self) -> Table:
        table = Table(f"refused {self._refused.total()}", "", box=None, header_style="cyan", padding=(0, 2, 0, 0))
        for code, count in self._refused.most_common(LEADING):
            table.add_row(code, str(count))
        return table

    def _news(self) -> Table:
        table = Table("newest", "", "", box=None, header_style="cyan", padding=(0, 2, 0, 0))
        for at, what, words in reversed(self._newest):
            table.add_row(f"{new_york(at):%H:%M:%S}", what, Text(words, no_wrap=True, overflow="ellipsis"))
        return table


def _positions(engine: Engine) -> Table:
    """Open trades by symbol: what is held, where it is protected, what it has made."""
    table = Table(box=None, header_style="cyan", padding=(0, 2, 0, 0))
    for name in ("symbol", "by", "side", "shares", "paid", "price", "stop", "target", "profit", "stage"):
        table.add_column(name, justify="left" if name in {"symbol", "by", "side", "stage"} else "right")
    for trade in sorted(engine.trades.values(), key=lambda trade: (trade.symbol, trade.id)):
        table.add_row(*_row(engine, trade))
    for holding in engine.account.external.values():
        table.add_row(holding.symbol, "[yellow]external[/]", "", f"{holding.quantity:+d}", f"{holding.average:.2f}", "", "", "", "", "not ours")
    if not table.row_count:
        table.add_row("[dim]nothing held[/]", *[""] * 9)
    return table


def _orders(engine: Engine) -> Table:
    """What may still fill, the oldest first."""
    live = [(trade.symbol, order) for trade in engine.trades.values() for order in trade.orders.values() if order.live]
    table = Table(f"orders {len(live)}", *[""] * 4, box=None, header_style="cyan", padding=(0, 2, 0, 0))
    for symbol, order in sorted(live, key=lambda row: row[1].since)[:LIVE]:
        price = "" if order.price is None else f"{order.price:.2f}"
        table.add_row(symbol, order.role.value, f"{order.side} {order.left}", price, order.status.value)
    return table


def _row(engine: Engine, trade: Trade) -> tuple[str, ...]:
    instrument = engine.instruments[trade.symbol]
    paid = trade.paid / trade.entered if trade.entered else 0.0
    profit = trade.profit(instrument.price) if trade.entered else 0.0
    colour = "green" if profit >= 0 else "red"
    target = "" if trade.target is None else f"{trade.target:.2f}"
    side = "long" if trade.side.sign > 0 else "short"
    shares = f"{trade.held}/{trade.quantity}" if trade.held != trade.quantity else str(trade.held)
    numbers = (shares, f"{paid:.2f}", f"{instrument.price:.2f}", f"{trade.stop:.2f}", target, f"[{colour}]{profit:+,.2f}[/]")
    return (trade.symbol, trade.strategy, side, *numbers, trade.stage.value)


def _words(decision: Decision) -> tuple[str, str] | None:
    """What a person wants to read of a decision as it goes by."""
    match decision:
        case Submit() if decision.role is Role.ENTRY:
            return "[bold]entry[/]", f"{decision.order.side} {decision.order.quantity} {decision.order.symbol}: {decision.reason}"
        case TradeClosed():
            return f"[{'green' if decision.profit >= 0 else 'red'}]{decision.profit:+,.2f}[/]", f"{decision.symbol} closed: {decision.reason}"
        case Refused():
            return "[dim]refused[/]", f"{decision.symbol} by {decision.check.code}: {decision.check.detail}"
        case Kept():
            return "[dim]kept[/]", f"{decision.symbol}'s {decision.what}, not {decision.wanted:g} by {decision.check.code}: {decision.check.detail}"
        case StateChanged():
            return f"[{COLOURS[decision.after]}]{decision.after}[/]", decision.reason
        case Noticed():
            return "[yellow]noticed[/]", f"{decision.code}: {decision.detail}"
    return None
