"""A session in numbers for Prometheus: what the exposition at `/metrics` says. Counted from outside, as every watch does."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipelines.core.market.bars import SECOND
from pipelines.core.trading.decisions import Decision, Refused, StateChanged, Submit, TradeClosed, TradingState
from pipelines.core.trading.engine import Engine
from pipelines.core.trading.events import Answer, Event, FeedStatus, MarketBar, OrderUpdate, Outcome
from pipelines.core.trading.orders import Role

STATES = {TradingState.HALTED: 0, TradingState.REDUCING: 1, TradingState.ACTIVE: 2}


class Answered:
    """How long the broker takes: from the decision to order until its answer. Where it is not known how a request ended, it was not answered."""

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}

    def watch(self, event: Event, decisions: list[Decision]) -> float | None:
        """One step of the engine. Seconds of the session's clock, where this event is the answer to an order."""
        sent = self._sent.pop(event.id, None) if isinstance(event, Answer) and event.outcome is not Outcome.UNKNOWN else None
        self._sent |= {decision.order.id: decision.at for decision in decisions if isinstance(decision, Submit)}
        return None if sent is None else (event.at - sent) / SECOND


class Metrics:
    """One registry a session, so that two in one process do not mix."""

    def __init__(self, engine: Engine, label: str) -> None:
        """`label` says whose money it is: SIM, PAPER, LIVE or SHADOW."""
        self._engine = engine
        self._registry = CollectorRegistry()
        registry = self._registry
        session = Gauge("daybot_session", "1, with whose money it is and which session.", ["label", "session"], registry=registry)
        session.labels(label, engine.briefing.session.isoformat()).set(1)
        self._events = Counter("daybot_events_total", "Events that the engine processed.", ["kind"], registry=registry)
        self._decisions = Counter("daybot_decisions_total", "Decisions that it made.", ["kind"], registry=registry)
        self._refusals = Counter("daybot_refusals_total", "Entries refused, by the first limit that stopped them.", ["code"], registry=registry)
        self._entries = Counter("daybot_entries_total", "Entries sent.", ["strategy"], registry=registry)
        self._answers = Counter("daybot_answers_total", "How requests to the broker ended.", ["request", "outcome"], registry=registry)
        self._updates = Counter("daybot_order_updates_total", "The broker's words on orders.", ["status"], registry=registry)
        self._profit = Counter("daybot_trades_total", "Round trips that ended.", ["strategy", "result"], registry=registry)
        self._lag = Histogram(
            "daybot_bar_lag_seconds",
            "From a minute's end to its bar's receipt.",
            ["feed"],
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60),
            registry=registry,
        )
        self._answered = Answered()
        self._waits = Histogram(
            "daybot_answer_seconds",
            "From the decision to order to the broker's answer: the journal on the disk, the way there and back.",
            buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=registry,
        )
        self._feeds = Gauge("daybot_feed_healthy", "1 where a market data source is healthy.", ["feed"], registry=registry)
        self._state = Gauge("daybot_trading_state", "0 halted, 1 reducing, 2 active.", registry=registry)
        self._equity = Gauge("daybot_equity_dollars", "Start of the day plus realised plus open profit.", registry=registry)
        self._realised = Gauge("daybot_realised_dollars", "Profit of closed positions, before fees.", registry=registry)
        self._open = Gauge("daybot_open_dollars", "Profit of open positions at the last prices.", registry=registry)
        self._positions = Gauge("daybot_positions", "Symbols held.", registry=registry)

    def watch(self, event: Event, decisions: list[Decision]) -> None:
        """One step of the engine."""
        self._events.labels(event.kind).inc()
        wait = self._answered.watch(event, decisions)
        if wait is not None:
            self._waits.observe(wait)
        match event:
            case MarketBar() if not event.late:
                self._lag.labels(event.feed).observe(max(event.at - event.bar.start - 60 * SECOND, 0) / SECOND)
            case Answer():
                self._answers.labels(event.request, event.outcome).inc()
            case OrderUpdate():
                self._updates.labels(event.status).inc()
            case FeedStatus():
                self._feeds.labels(event.feed).set(event.healthy)
        for decision in decisions:
            self._count(decision)

    def exposition(self) -> bytes:
        """The numbers as Prometheus reads them; the gauges as of now."""
        portfolio = self._engine.portfolio
        self._state.set(STATES[self._engine.state])
        if portfolio is not None:
            self._equity.set(portfolio.equity)
            self._realised.set(portfolio.realised)
            self._open.set(portfolio.open_profit)
            self._positions.set(len(portfolio.positions))
        return generate_latest(self._registry)

    def _count(self, decision: Decision) -> None:
        self._decisions.labels(decision.kind).inc()
        match decision:
            case Submit() if decision.role is Role.ENTRY and decision.lineage is not None:
                self._entries.labels(decision.lineage.strategy).inc()
            case Refused():
                self._refusals.labels(decision.check.code).inc()
            case TradeClosed():
                self._profit.labels(decision.strategy, "gain" if decision.profit > 0 else "loss").inc()
            case StateChanged():
                self._state.set(STATES[decision.after])
