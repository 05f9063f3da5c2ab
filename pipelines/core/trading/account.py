"""The account as we know it: what is held, what is on its way, by whom, and what that may come to at worst.

The broker is the truth about positions; here is what we make of its words. Only the engine changes it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.core.market.bars import MINUTE
from pipelines.core.risk.checks import Book, Exposure
from pipelines.core.risk.limits import Limits
from pipelines.core.trading.commands import MANUAL
from pipelines.core.trading.decisions import Cancel, Decision, Noticed, Replace, Submit, TradeClosed
from pipelines.core.trading.events import AccountState, Action, Answer, Holding, OrderUpdate, Outcome
from pipelines.core.trading.orders import Role, Side, Status
from pipelines.core.trading.portfolio import Portfolio
from pipelines.core.trading.seats import Allocation, Seat, Streak, rest
from pipelines.core.trading.strategy import Fill
from pipelines.core.trading.trades import Stage, Trade

EXTERNAL = "external"
"""The owner of what the account holds and nobody here has bought."""


class Account:
    """Trades, seats and the portfolio of one session."""

    def __init__(self, limits: Limits, strategies: Sequence[Allocation]) -> None:
        self.limits = limits
        self.portfolio: Portfolio | None = None
        self.external: dict[str, Holding] = {}
        self.trades: dict[str, Trade] = {}
        """Open ones by id."""
        self._within: dict[str, dict[str, Trade]] = {}
        """The same of each symbol."""
        self.seats = {a.strategy.name: Seat(a.strategy.name, a) for a in strategies}
        self.seats[MANUAL] = Seat(MANUAL, None)
        self.restless: dict[str, Trade] = {}
        """Trades that something happened to since they last looked at what is missing."""
        self.models: dict[str, tuple[int, float]] = {}
        """Entries that models have opened today and their value in dollars, by program."""
        self._owner: dict[str, Trade] = {}
        self._losing: dict[str, Streak] = {}
        self._asked: deque[int] = deque()
        self._strange: dict[str, tuple[int, float]] = {}
        """Orders that are not ours, by the broker's id: shares filled so far and their average price."""
        self._buying_power = 0.0

    @property
    def book_open(self) -> Portfolio:
        """The portfolio; an error where no AccountState has come yet."""
        if self.portfolio is None:
            raise RuntimeError("the engine needs an AccountState event before anything can be traded")
        return self.portfolio

    @property
    def pending(self) -> bool:
        """Something is between two resting states: an entry filling, an exit on its way."""
        return any(t.stage in {Stage.ENTERING, Stage.CLOSING} for t in self.trades.values())

    def of(self, symbol: str, strategy: str | None = None) -> list[Trade]:
        """Open trades in a symbol, of one owner or of all."""
        return [trade for trade in self._within.get(symbol, {}).values() if strategy in (None, trade.strategy)]

    def mark(self, symbol: str, price: float) -> None:
        """The symbol's newest price, for the book and for stops that follow it."""
        portfolio = self.portfolio
        if portfolio is None:
            return
        if symbol not in portfolio.positions:
            portfolio.prices[symbol] = price
            return
        portfolio.mark(symbol, price)
        for trade in self._within[symbol].values():
            if trade.mark(price):
                self.restless[trade.id] = trade

    def open(self, seat: Seat, trade: Trade, reason: str, at: int) -> Submit:
        """A trade begins."""
        self._keep(trade)
        seat.entered(trade, self.limits)
        order = trade.enter(reason, at)
        self._owner.update(dict.fromkeys(trade.orders, trade))
        return order

    def modelled(self, model: str, value: float) -> None:
        """A model has opened so much (dollars). It is not given back when the trade ends."""
        count, before = self.models.get(model, (0, 0.0))
        self.models[model] = count + 1, before + value

    def close(self, trade: Trade, reason: str) -> None:
        """A trade has to end."""
        trade.close(reason)
        self.restless[trade.id] = trade

    def advance(self, at: int) -> list[Decision]:
        """Let every restless trade do what it has to do, and forget those that are over."""
        restless, self.restless = list(self.restless.values()), {}
        decisions: list[Decision] = []
        for trade in restless:
            made = trade.advance(at) if trade.held >= 0 else trade.advance(at, self._net(trade.symbol))
            if made:
                decisions += made
                self._owner.update(dict.fromkeys(trade.orders, trade))
            if trade.stage is Stage.CLOSED:
                self._forget(trade, made, at)
        return decisions

    def _net(self, symbol: str) -> int:
        """Signed shares of the symbol at the broker, whoever owns them."""
        holding = self.external.get(symbol)
        return self.book_open.quantity(symbol) + (holding.quantity if holding is not None else 0)

    def count(self, decisions: Iterable[Decision], at: int) -> None:
        """Requests count against the broker's rate."""
        self._asked.extend(at for d in decisions if isinstance(d, Submit | Cancel | Replace))

    def book(self, at: int, state: str, feeds: Mapping[str, bool]) -> Book:
        """The account as the gate sees it: working and unknown orders count as if filled."""
        portfolio = self.book_open
        exposures = tuple(self._exposures())
        while self._asked and self._asked[0] <= at - MINUTE:
            self._asked.popleft()
        streaks = {**self._losing, **{name: seat.streak for name, seat in self.seats.items()}}
        return Book(
            equity=portfolio.equity,
            start=portfolio.start,
            peak=portfolio.peak,
            buying_power=max(self._buying_power - _ours(exposures), 0.0),
            state=state,
            feeds=feeds,
            exposures=exposures,
            budgets={n: s.allocation.budget for n, s in self.seats.items() if s.allocation is not None and s.allocation.budget is not None},
            stopped={name: seat.stopped for name, seat in self.seats.items() if seat.stopped},
            resting={who: (streak.reached, streak.until) for who, streak in streaks.items()},
            entries={name: seat.count for name, seat in self.seats.items()},
            requests=len(self._asked),
            models=dict(self.models),
        )

    # --- the broker's words

    def update(self, event: OrderUpdate) -> list[Decision]:
        """What became of an order. Applying the same word twice changes nothing."""
        trade = self._owner.get(event.id)
        if trade is None:
            return self._foreign(event)
        self.restless[trade.id] = trade
        role = trade.orders[event.id].role
        shares, price = trade.update(event)
        if not shares:
            return []
        made: list[Decision] = [*self._book(trade, event.side, shares, price, event.at)]
        if trade.stage is Stage.CLOSED and trade.held:
            made.append(self._reopen(trade, self.seats[trade.strategy], shares, role, event.at))
        return made

    def _book(self, trade: Trade, side: Side, shares: int, price: float, at: int) -> list[Noticed]:
        """Shares of a trade moved: the portfolio and its strategy hear of it."""
        self.book_open.fill(trade.symbol, side.sign * shares, price)
        seat = self.seats[trade.strategy]
        if seat.allocation is not None:
            try:
                seat.allocation.strategy.on_fill(Fill(trade.symbol, side, shares, price, at, trade.held * trade.side.sign))
            except Exception as error:  # a strategy's mistake is not the end of everybody's session
                return seat.fail(error, trade.symbol, at)
        return []

    def _foreign(self, event: OrderUpdate) -> list[Decision]:
        """An order that is not ours: somebody works in the broker's own window, or a guard beside the engine. It may close what we hold."""
        filled, average = self._strange.get(event.broker_id, (-1, 0.0))
        shares, price = event.since(max(filled, 0), average)
        self._strange[event.broker_id] = (max(event.filled, filled, 0), event.average or average)
        made: list[Decision] = []
        if filled < 0:
            made.append(Noticed("FOREIGN_ORDER", f"{event.symbol}: order {event.broker_id} ({event.id}) {event.event} is not ours", event.at))
        others = self.external.get(event.symbol)
        if others is not None and others.quantity * event.side.sign < 0:
            shares -= abs(others.quantity)  # it closes what is not ours, first
        for trade in self.of(event.symbol):
            going = min(shares, trade.held) if trade.side is not event.side else 0
            if going > 0:
                shares -= going
                trade.taken(going, price, f"closed by order {event.id}, which is not ours", event.at)
                self.restless[trade.id] = trade
                made += self._book(trade, event.side, going, price, event.at)
                made.append(
                    Noticed("CLOSED_OUTSIDE", f"{event.symbol}: {going} shares of ours left by order {event.id}, which is not ours", event.at)
                )
        return made

    def answer(self, event: Answer) -> list[Decision]:
        """How a request ended. What is unknown stays as it is, and counts as live."""
        trade = self._owner.get(event.id)
        if trade is None or event.request is Action.CANCEL:
            return []
        self.restless[trade.id] = trade
        if event.request is Action.REPLACE:
            if event.outcome is not Outcome.UNKNOWN:
                trade.moved(event.id, event.outcome is Outcome.ACCEPTED)
            return []
        if event.outcome is Outcome.REJECTED:
            trade.refuse(event.id, event.at)
            detail = f"{trade.symbol}: {event.id} refused: {event.message}"
            return [Noticed("ORDER_REJECTED", detail, event.at, {"code": float(event.code or 0)})]
        order = trade.orders[event.id]
        if event.outcome is Outcome.UNKNOWN and order.status is Status.SENT:
            order.status = Status.UNKNOWN
            return [Noticed("ORDER_UNKNOWN", f"{trade.symbol}: no answer for {event.id}: {event.message}", event.at)]
        return []

    def told(self, event: AccountState) -> list[Noticed]:
        """Equity, buying power and positions as the broker has them. A difference in positions is noticed once, when it appears or changes."""
        self._buying_power = event.buying_power + _ours(self._exposures())
        if self.portfolio is None:
            self.portfolio = Portfolio(start=event.equity)
        if self.pending:
            return []  # while something is under way the two may differ for a moment
        found = self._differences(event)
        if {s: h.quantity for s, h in found.items()} == {s: h.quantity for s, h in self.external.items()}:
            return []
        self.external = found
        ours = self.portfolio.quantity
        detail = ", ".join(f"{s}: ours {ours(s)}, broker's {ours(s) + h.quantity}" for s, h in found.items()) or "they agree again"
        return [Noticed("POSITIONS_DIFFER" if found else "POSITIONS_AGREE", detail, event.at)]

    def _differences(self, event: AccountState) -> dict[str, Holding]:
        """Shares that the broker has more (or fewer) than we do, by symbol."""
        theirs = {h.symbol: h for h in event.holdings}
        found = {}
        for symbol in sorted(self.book_open.positions.keys() | theirs.keys()):
            has = theirs.get(symbol, Holding(symbol, 0, 0.0))
            more = has.quantity - self.book_open.quantity(symbol)
            if more:
                found[symbol] = Holding(symbol, more, has.average)
        return found

    def _reopen(self, trade: Trade, seat: Seat, shares: int, role: Role, at: int) -> Noticed:
        """Shares moved after the trade was thought over: it is on again, and wants to be flat."""
        trade.stage = Stage.OPEN
        trade.close("filled after it was thought closed")
        self._keep(trade)
        seat.trades.setdefault(trade.symbol, trade)
        return Noticed("FILL_AFTER_CLOSE", f"{trade.symbol}: {shares} shares of its {role} filled after the trade was thought closed", at)

    def _keep(self, trade: Trade) -> None:
        self.trades[trade.id] = trade
        self._within.setdefault(trade.symbol, {})[trade.id] = trade

    def _forget(self, trade: Trade, made: Iterable[Decision], at: int) -> None:
        self.trades.pop(trade.id, None)
        self._within[trade.symbol].pop(trade.id, None)
        seat = self.seats[trade.strategy]
        if seat.trades.get(trade.symbol) is trade:
            del seat.trades[trade.symbol]
        for closed in made:
            if isinstance(closed, TradeClosed):
                self._losing.setdefault(trade.symbol, Streak()).closed(closed.profit, self.limits.symbol_losses, rest(self.limits), at)
                seat.streak.closed(closed.profit, self.limits.strategy_losses, rest(self.limits), at)

    def _exposures(self) -> Iterator[Exposure]:
        prices = self.portfolio.prices if self.portfolio is not None else {}
        for trade in self.trades.values():
            price = prices.get(trade.symbol, trade.lineage.arrival)
            shares, sign = trade.worst, trade.side.sign
            yield Exposure(trade.strategy, trade.symbol, shares * price * sign, abs(shares) * _away(trade, price, trade.stop))
        for holding in self.external.values():
            value = holding.quantity * prices.get(holding.symbol, holding.average)
            # Nobody here knows its stop: it counts as if it had the default one.
            yield Exposure(EXTERNAL, holding.symbol, value, abs(value) * self.limits.default_stop_loss)

    def widened(self, trades: Iterable[Trade], stop: float) -> float:
        """Dollars more at risk with the stops of these trades at this price."""
        prices = self.book_open.prices
        known = ((trade, prices.get(trade.symbol, trade.lineage.arrival)) for trade in trades)
        return sum(abs(t.worst) * (_away(t, price, stop) - _away(t, price, t.stop)) for t, price in known)


def _away(trade: Trade, price: float, stop: float) -> float:
    """What a share loses from this price to that stop, dollars; nothing where the stop is on the winning side."""
    return max((price - stop) * trade.side.sign, 0.0)


def _ours(exposures: Iterable[Exposure]) -> float:
    return sum(abs(e.value) for e in exposures if e.strategy != EXTERNAL)
