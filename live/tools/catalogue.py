"""Every tool in one table: the function, what it is asked and answers, the scope that it needs, what it does to the account, and where HTTP has it.

HTTP routes, MCP tools and commands are made from, or checked against, this table.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from live.doors.tokens import Scope
from live.tools import answers, asks, explaining, figures, reading, reports, scanning, trading

Tool = Callable[..., Awaitable[answers.Answer]]
"""`(desk, ask)`; one that acts also takes `who` and `key` by name, one that weighs an entry `who`."""


class Entry(NamedTuple):
    """One tool."""

    name: str
    run: Tool
    ask: type[asks.Ask]
    answer: type[answers.Answer]
    scope: Scope
    method: str
    path: str
    acts: bool = False
    """It is a command: journaled, waited for, named by a key."""
    destructive: bool = False
    """It takes something away: positions, orders, permission to trade."""
    idempotent: bool = True
    """Asking twice without a key comes to the same as asking once."""
    urgent: bool = False
    """It reduces risk: no rate limit holds it back."""
    weighs: bool = False
    """It puts an entry to the gate without an order: who asks matters, because models have limits of their own."""
    example: dict[str, Any] | None = None
    """A request, as in the documents."""

    @property
    def about(self) -> str:
        """What it does, in the words of its function."""
        return " ".join((self.run.__doc__ or "").split())


def _look(name: str, run: Tool, ask: type[asks.Ask], answer: type[answers.Answer], path: str, method: str = "GET", **more: Any) -> Entry:
    return Entry(name, run, ask, answer, Scope.READ, method, path, **more)


def _act(name: str, run: Tool, ask: type[asks.Ask], answer: type[answers.Answer], scope: Scope = Scope.TRADE, **more: Any) -> Entry:
    return Entry(name, run, ask, answer, scope, "POST", f"/tools/{name}", acts=True, **more)


ENTER = {
    "symbol": "AAPL", "side": "buy", "quantity": 10, "order_type": "market", "stop_loss_price": 145.0, "take_profit_price": 155.0,
}  # fmt: skip

CATALOGUE: tuple[Entry, ...] = (
    _look("scan_symbols", scanning.scan_symbols, asks.ScanRequest, answers.Scan, "/tools/scan_symbols", "POST", example={"limit": 10}),
    _act("enter_trade", trading.enter_trade, asks.EnterRequest, answers.Entered, idempotent=False, example=ENTER),
    _act("manage_trade", trading.manage_trade, asks.ManageRequest, answers.Managed, destructive=True, idempotent=False,
         example={"symbol": "AAPL", "action": "adjust_stop", "new_stop_price": 146.0}),
    _act("close_symbol", trading.close_symbol, asks.CloseRequest, answers.Closed, destructive=True, urgent=True, example={"symbol": "AAPL"}),
    _act("flat_all", trading.flat_all, asks.FlatRequest, answers.Closed, destructive=True, urgent=True, example={}),
    _act("record_trade", trading.record_trade, asks.RecordRequest, answers.Recorded, idempotent=False,
         example={"event_type": "note", "symbol": "AAPL", "price": 150.0, "quantity": 10, "side": "buy", "reason": "bought elsewhere"}),
    _act("halt", trading.halt, asks.HaltRequest, answers.Accepted, urgent=True, destructive=True, example={}),
    _act("resume", trading.resume, asks.ResumeRequest, answers.Accepted, Scope.ADMIN, example={}),
    _act("release", trading.release, asks.ReleaseRequest, answers.Accepted, Scope.ADMIN, example={"strategy": "momentum"}),
    _look("healthcheck", reading.healthcheck, asks.Empty, answers.Health, "/tools/healthcheck"),
    _look("risk_status", reading.risk_status, asks.Empty, answers.RiskStatus, "/tools/risk_status"),
    _look("positions", reading.positions, asks.Empty, answers.Positions, "/positions"),
    _look("orders", reading.orders, asks.OrdersRequest, answers.Orders, "/orders"),
    _look("explain", explaining.explain, asks.ExplainRequest, reports.Explained, "/orders/{id:path}/explain"),
    _look("candidates", explaining.candidates, asks.CandidatesRequest, reports.Candidates, "/candidates"),
    _look("account", reading.account, asks.Empty, answers.Account, "/account"),
    _look("trade_log", reading.trade_log, asks.LogRequest, reports.TradeLog, "/trade_log"),
    _look("limits", reading.limits, asks.Empty, answers.LimitsAnswer, "/limits"),
    _look("preview", reading.preview, asks.PreviewRequest, answers.Previewed, "/preview", "POST", weighs=True, example=ENTER),
    _look("feeds", reading.feeds, asks.Empty, answers.Feeds, "/feeds"),
    _look("events", reading.events, asks.EventsRequest, reports.EventsAnswer, "/events/since"),
    _look("performance", figures.performance_figures, asks.PeriodRequest, reports.Figures, "/analytics/performance"),
    _look("risk", figures.risk_figures, asks.PeriodRequest, reports.Figures, "/analytics/risk"),
    _look("execution", figures.execution_figures, asks.PeriodRequest, reports.Figures, "/analytics/execution"),
    _look("optimization", figures.optimization_figures, asks.PeriodRequest, reports.Figures, "/analytics/optimization"),
    _look("strategy", figures.strategy_figures, asks.StrategyRequest, reports.Figures, "/analytics/strategy/{strategy}"),
    _look("trades", figures.trade_figures, asks.TradesRequest, reports.Trips, "/analytics/trades"),
    _look("sync", figures.sync, asks.Empty, reports.Synced, "/analytics/sync", "POST", example={}),
)  # fmt: skip

TOOLS: dict[str, Entry] = {entry.name: entry for entry in CATALOGUE}
"""By name."""
