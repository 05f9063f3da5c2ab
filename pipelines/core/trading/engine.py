"""The decision engine: `process(event)` returns decisions, a plain function of state and event.

Live, replay and backtest differ only in who feeds it events and who carries out its decisions. It asks nobody for the time, draws no
random number, does no I/O and logs nothing; so the same events give the same decisions, every time.
"""

import math
from datetime import date

from pipelines.core.briefing import Briefing, SymbolBrief
from pipelines.core.market import indicators
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk.limits import Book, Check, Code, Denied, Exposure, Limits, Proposal, Reduced, admit
from pipelines.core.risk.peers import Correlations
from pipelines.core.risk.sizing import Size, size
from pipelines.core.trading.decisions import Decision, Lineage, Noticed, Refused, StateChanged, TradingState
from pipelines.core.trading.events import (
    AccountState,
    Action,
    Answer,
    Command,
    Event,
    FeedStatus,
    MarketBar,
    OrderUpdate,
    Outcome,
    Tick,
)
from pipelines.core.trading.orders import Status, on_tick
from pipelines.core.trading.portfolio import Portfolio
from pipelines.core.trading.strategy import Enter, Leave, Strategy, View
from pipelines.core.trading.trades import Stage, Trade

RANK = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class Engine:
    """One session of one account. Feed it every event in order; act on what it returns before the next one."""

    def __init__(self, briefing: Briefing, limits: Limits, strategy: Strategy, *, run: str, version: str) -> None:
        """`run` makes order ids unique to this run of the session, `version` names code and parameters in every order's lineage."""
        self.briefing, self.limits, self.strategy, self.version = briefing, limits, strategy, version
        self.hours = briefing.hours
        self.state = TradingState.REDUCING
        self.portfolio: Portfolio | None = None
        self.trades: dict[str, Trade] = {}
        self._prefix = f"{briefing.session:%Y%m%d}-{run}"
        self._day = (briefing.session - date(1970, 1, 1)).days
        self._correlations = Correlations.of({s: b.returns for s, b in briefing.symbols.items()})
        self._indicators = {s: list(b.seed) if b.seed else indicators.fresh() for s, b in briefing.symbols.items()}
        self._last: dict[str, float] = {}
        self._entries: dict[str, int] = {}
        self._owner: dict[str, Trade] = {}
        self._opened = 0
        self._commands: set[str] = set()
        self._feeds: dict[str, bool] = {}
        self._buying_power = 0.0
        self._closed_for_day = False

    def process(self, event: Event) -> list[Decision]:
        """All that follows from one event, in the order in which it has to be done."""
        match event:
            case MarketBar():
                decisions = self._on_bar(event)
            case OrderUpdate():
                decisions = self._on_update(event)
            case Answer():
                decisions = self._on_answer(event)
            case Command():
                decisions = self._on_command(event)
            case FeedStatus():
                decisions = self._on_feed(event)
            case AccountState():
                decisions = self._on_account(event)
            case Tick():
                decisions = []
        return decisions + self._keep_deadlines(event.at) + self._advance(event.at)

    @property
    def flat(self) -> bool:
        """Nothing held and nothing working, as far as we know."""
        return not self.trades

    @property
    def pending(self) -> bool:
        """Something is between two resting states: an entry filling, an exit on its way."""
        return any(t.stage in {Stage.ENTERING, Stage.CLOSING} for t in self.trades.values())

    def book(self) -> Book:
        """The account as the gate sees it: working and unknown orders count as if filled."""
        portfolio = self._portfolio()
        exposures = {t.symbol: self._exposure(t) for t in self.trades.values()}
        used = sum(e.value for e in exposures.values())
        return Book(
            equity=portfolio.equity,
            start=portfolio.start,
            buying_power=max(self._buying_power - used, 0.0),
            active=self.state is TradingState.ACTIVE,
            state=self.state,
            feed_healthy=any(self._feeds.values()) or not self._feeds,
            exposures=exposures,
        )

    # --- events

    def _on_bar(self, event: MarketBar) -> list[Decision]:
        bar = event.bar
        state = self._indicators.get(bar.symbol)
        if state is None:
            return []
        minute = self.hours.minute(bar.start)
        values = indicators.step(state, self._day, minute, bar.high, bar.low, bar.close, bar.volume, bar.vwap)
        if event.late:
            return []
        if self.portfolio:
            self.portfolio.prices[bar.symbol] = bar.close
        last = self._last.get(bar.symbol)
        if not self.hours.contains(bar.start):
            return []
        self._last[bar.symbol] = bar.close
        held = self.portfolio.quantity(bar.symbol) if self.portfolio else 0
        wish = self.strategy.on_bar(View(bar, last, values, self.hours, held, self._entries.get(bar.symbol, 0)))
        if isinstance(wish, Enter):
            return self._enter(event, wish, values)
        if isinstance(wish, Leave) and bar.symbol in self.trades:
            self.trades[bar.symbol].close(wish.reason, event.at)
        return []

    def _on_update(self, event: OrderUpdate) -> list[Decision]:
        trade = self._owner.get(event.id)
        if trade is None:
            return [Noticed("FOREIGN_ORDER", f"{event.symbol}: order {event.broker_id} ({event.id}) {event.event} is not ours", event.at)]
        role = trade.orders[event.id].role
        shares, price = trade.update(event)
        if not shares:
            return []
        side = trade.side if role == "entry" else trade.side.opposite
        self._portfolio().fill(trade.symbol, side.sign * shares, price)
        if trade.stage is Stage.CLOSED and trade.held:
            trade.stage = Stage.OPEN
            self.trades[trade.symbol] = trade
            return [Noticed("FILL_AFTER_CLOSE", f"{trade.symbol}: {shares} shares filled after the trade was thought closed", event.at)]
        return []

    def _on_answer(self, event: Answer) -> list[Decision]:
        trade = self._owner.get(event.id)
        if trade is None or event.request == "cancel":
            return []
        order = trade.orders[event.id]
        if event.outcome is Outcome.REJECTED:
            trade.refuse(event.id, event.at)
            return [Noticed("ORDER_REJECTED", f"{trade.symbol}: {event.id} refused: {event.message}", event.at, {"code": float(event.code or 0)})]
        if event.outcome is Outcome.UNKNOWN and order.status is Status.SENT:
            order.status = Status.UNKNOWN
            return [Noticed("ORDER_UNKNOWN", f"{trade.symbol}: no answer for {event.id}: {event.message}", event.at)]
        return []

    def _on_command(self, event: Command) -> list[Decision]:
        if event.id in self._commands:
            return []
        self._commands.add(event.id)
        reason = f"{event.action} by {event.origin}"
        if event.action is Action.RESUME:
            return self._resume(reason, event.at)
        changed = self._lower(TradingState.HALTED, reason, event.at)
        if event.action is Action.FLATTEN:
            self._flatten(reason, event.at)
        return changed

    def _on_feed(self, event: FeedStatus) -> list[Decision]:
        self._feeds[event.feed] = event.healthy
        return [Noticed("FEED", f"{event.feed} {'healthy' if event.healthy else 'unhealthy'}: {event.detail}", event.at)]

    def _on_account(self, event: AccountState) -> list[Decision]:
        self._buying_power = event.buying_power + sum(self._exposure(t).value for t in self.trades.values())
        if not event.equity > 0:
            return [Noticed("NO_EQUITY", f"expected an account with equity, found {event.equity:,.2f}", event.at)]
        if self.portfolio is None:
            self.portfolio = Portfolio(start=event.equity)
        ours = {s: p.quantity for s, p in self.portfolio.positions.items()}
        theirs = {h.symbol: h.quantity for h in event.holdings}
        differing = sorted(s for s in ours.keys() | theirs.keys() if ours.get(s, 0) != theirs.get(s, 0))
        if not differing or self.pending:
            return []
        detail = ", ".join(f"{s}: ours {ours.get(s, 0)}, broker's {theirs.get(s, 0)}" for s in differing)
        lowered = self._lower(TradingState.REDUCING, f"positions differ from the broker's: {detail}", event.at)
        return [Noticed("POSITIONS_DIFFER", detail, event.at), *lowered]

    # --- entering

    def _enter(self, event: MarketBar, wish: Enter, values: Indicators) -> list[Decision]:
        """Size the wish, pass it through the gate, and turn it into an order or a refusal with its numbers."""
        if self.portfolio is None:
            return []
        bar, at = event.bar, event.at
        brief = self.briefing.symbols[bar.symbol]
        sized = self._size(brief, bar.close)
        proposal = Proposal(bar.symbol, wish.side.sign, sized.quantity, bar.close, sized.stop, bar.start, at)
        verdict = admit(proposal, self.book(), self.briefing, self.limits, self._correlations.between)
        lineage = self._lineage(event, brief, values, sized, verdict.checks)
        if isinstance(verdict, Denied):
            return [Refused(bar.symbol, wish.side, sized.quantity, bar.close, self.strategy.name, wish.reason, verdict.by, at, lineage)]
        if verdict.quantity < 1:
            tightest = min(sized.steps, key=lambda step: step.shares)
            check = Check(Code.QUANTITY, 0.0, 1.0, False, f"less than one share: {tightest.detail}")
            return [Refused(bar.symbol, wish.side, 0, bar.close, self.strategy.name, wish.reason, check, at, lineage)]
        reason = wish.reason
        if isinstance(verdict, Reduced):
            reason += f"; {verdict.wanted} cut to {verdict.quantity} by {verdict.by.code}: {verdict.by.detail}"
        return [self._open(bar, wish, sized, verdict.quantity, lineage).enter(reason, at)]

    def _open(self, bar: Bar, wish: Enter, sized: Size, quantity: int, lineage: Lineage) -> Trade:
        sign = wish.side.sign
        # A stop is rounded towards the price (less risk than planned, never more), a target too (sooner, never later).
        stop = on_tick(bar.close - sign * sized.stop, toward=sign)
        target = on_tick(bar.close + sign * sized.target, toward=-sign)
        self._opened += 1
        trade = Trade(f"{self._prefix}-{self._opened:04d}", bar.symbol, wish.side, quantity, stop, target, lineage)
        self.trades[bar.symbol] = trade
        self._entries[bar.symbol] = self._entries.get(bar.symbol, 0) + 1
        return trade

    def _size(self, brief: SymbolBrief, price: float) -> Size:
        """The size, or nothing to size: without ATR the gate refuses, and says so."""
        if brief.atr is None:
            return Size(0, 0.0, 0.0, ())
        equity = self._portfolio().equity
        return size(equity=equity, price=price, atr=brief.atr, adv=brief.adv, regime=self.briefing.regime, limits=self.limits)

    def _lineage(self, event: MarketBar, brief: SymbolBrief, values: Indicators, sized: Size, checks: tuple[Check, ...]) -> Lineage:
        finite = {name: value for name, value in values._asdict().items() if math.isfinite(value)}
        bar = event.bar
        return Lineage(
            strategy=self.strategy.name,
            version=self.version,
            briefing=self.briefing.version,
            feed=event.feed,
            bar=bar.start,
            arrival=bar.close,
            atr=brief.atr or 0.0,
            indicators=finite,
            sizing=sized.steps,
            checks=checks,
        )

    # --- what has to be true at every moment

    def _keep_deadlines(self, at: int) -> list[Decision]:
        """The daily loss, and the end of the day."""
        if self.portfolio is None:
            return []
        decisions: list[Decision] = []
        portfolio, limit = self.portfolio, self.limits.max_daily_loss
        if self.state is not TradingState.HALTED and portfolio.equity <= portfolio.start * (1 - limit):
            reason = f"daily loss {1 - portfolio.equity / portfolio.start:.2%} reached {limit:.2%}"
            decisions += self._lower(TradingState.HALTED, reason, at)
            self._flatten(reason, at)
        if not self._closed_for_day and at >= self.hours.close - self.limits.market_close_buffer * MINUTE:
            self._closed_for_day = True
            reason = f"{self.limits.market_close_buffer} minutes before the close"
            decisions += self._lower(TradingState.REDUCING, reason, at)
            self._flatten(reason, at)
        return decisions

    def _advance(self, at: int) -> list[Decision]:
        """Let every trade do what it has to do, and forget those that are over."""
        decisions: list[Decision] = []
        for symbol, trade in list(self.trades.items()):
            decisions += trade.advance(at)
            for order_id in trade.orders:
                self._owner[order_id] = trade
            if trade.stage is Stage.CLOSED:
                del self.trades[symbol]
        return decisions

    def _flatten(self, reason: str, at: int) -> None:
        for trade in self.trades.values():
            trade.close(reason, at)

    def _lower(self, state: TradingState, reason: str, at: int) -> list[Decision]:
        if RANK[state] <= RANK[self.state]:
            return []
        before, self.state = self.state, state
        return [StateChanged(before, state, reason, at)]

    def _resume(self, reason: str, at: int) -> list[Decision]:
        """Up again, by a person's word; refused while the account is unknown or the day is over."""
        if self.portfolio is None or self._closed_for_day:
            return [Noticed("RESUME_REFUSED", "the account is not known yet" if self.portfolio is None else "the trading day is over", at)]
        if self.state is TradingState.ACTIVE:
            return []
        before, self.state = self.state, TradingState.ACTIVE
        return [StateChanged(before, TradingState.ACTIVE, reason, at)]

    def _exposure(self, trade: Trade) -> Exposure:
        price = self._portfolio().prices.get(trade.symbol, trade.lineage.arrival)
        shares = abs(trade.worst)
        return Exposure(trade.symbol, shares * price, shares * max((price - trade.stop) * trade.side.sign, 0.0))

    def _portfolio(self) -> Portfolio:
        if self.portfolio is None:
            raise RuntimeError("the engine needs an AccountState event before anything can be traded")
        return self.portfolio
