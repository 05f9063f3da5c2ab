"""The decision engine: `process(event)` returns decisions, a plain function of state and event.

Live, replay and backtest differ only in who feeds it events and who carries out its decisions. It asks nobody for the time, draws no
random number, does no I/O and logs nothing; so the same events give the same decisions, every time.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from pipelines.core.briefing import Briefing
from pipelines.core.market.bars import MINUTE, Bar
from pipelines.core.market.indicators import Indicators
from pipelines.core.risk.checks import Book, Check, Code, senseless
from pipelines.core.risk.gate import widen
from pipelines.core.risk.limits import Limits
from pipelines.core.risk.peers import Correlations
from pipelines.core.risk.usage import usage
from pipelines.core.trading import events
from pipelines.core.trading.account import Account
from pipelines.core.trading.commands import MANUAL, Close, Flatten, Manage, Note, Open, Reduce, Release, Resume, Stand
from pipelines.core.trading.decisions import Decision, Kept, Noticed, Refused, StateChanged, TradingState
from pipelines.core.trading.entries import Plan, Wish, nonsense, plan
from pipelines.core.trading.events import AccountState, Command, Event, MarketBar
from pipelines.core.trading.instruments import Instrument
from pipelines.core.trading.portfolio import Portfolio
from pipelines.core.trading.seats import Allocation, Seat
from pipelines.core.trading.strategy import Adjust, Enter, Intent, Leave, View, understood
from pipelines.core.trading.trades import Trade

RANK = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class Engine:
    """One session of one account. Feed it every event in order; act on what it returns before the next one."""

    def __init__(
        self,
        briefing: Briefing,
        limits: Limits,
        strategies: Sequence[Allocation],
        *,
        run: str,
        ready: Mapping[str, Iterator[Indicators]] | None = None,
    ) -> None:
        """`run` makes order ids unique to this run of the session; `ready` are indicators of the coming bars, computed all at once beforehand."""
        self.briefing, self.limits = briefing, limits
        self.hours = briefing.hours
        self.state = TradingState.REDUCING
        self.account = Account(limits, strategies)
        self.instruments = {s: Instrument(b, (ready or {}).get(s)) for s, b in briefing.symbols.items()}
        self.feeds: dict[str, bool] = {}
        seated = [(seat, seat.allocation.strategy) for seat in self.account.seats.values() if seat.allocation is not None]
        self._on_bars = [(seat, strategy.on_bar) for seat, strategy in seated]
        self._on_trades = [(seat, strategy.on_trade) for seat, strategy in seated if strategy.needs.trades]
        self.run = run
        self.prefix = f"{briefing.session:%Y%m%d}-{run}"
        self._day = (briefing.session - date(1970, 1, 1)).days
        self._open, self._close = self.hours.open, self.hours.close
        self._deadline = self._close - limits.market_close_buffer * MINUTE
        self._floor = -1.0
        self._peers = Correlations.of({s: b.returns for s, b in briefing.symbols.items()})
        self._opened = 0
        self._commands: set[str] = set()
        self._over = self._lost = False
        self._handlers: dict[type[Any], Callable[[Any], list[Decision]]] = {
            MarketBar: self._on_bar,
            events.MarketTrade: self._on_trade,
            events.MarketQuote: self._on_quote,
            events.RevisedBar: self._on_revision,
            events.Halt: self._on_halt,
            events.Band: self._on_band,
            events.Taint: self._on_taint,
            events.Alarm: lambda event: [Noticed(event.code, event.detail, event.at)],
            events.Tick: self._on_tick,
            events.OrderUpdate: self.account.update,
            events.Answer: self.account.answer,
            Command: self._on_command,
            events.FeedStatus: self._on_feed,
            AccountState: self._on_account,
        }

    def process(self, event: Event) -> list[Decision]:
        """All that follows from one event, in the order in which it has to be done."""
        decisions = self._handlers[type(event)](event)
        at, account = event.at, self.account
        portfolio = account.portfolio
        # Equity, without a call an event.
        if portfolio is not None and (at >= self._deadline or portfolio.start + portfolio.realised + portfolio.open_profit <= self._floor):
            decisions = decisions + self._keep_deadlines(at, portfolio)
        if account.restless:
            decisions = decisions + account.advance(at)
        if decisions:
            account.count(decisions, at)
        return decisions

    @property
    def portfolio(self) -> Portfolio | None:
        """Positions and profit; None before the account is known."""
        return self.account.portfolio

    @property
    def trades(self) -> dict[str, Trade]:
        """Open trades by id."""
        return self.account.trades

    @property
    def flat(self) -> bool:
        """Nothing of ours held and nothing working, as far as we know."""
        return not self.account.trades

    def book(self, at: int) -> Book:
        """The account as the gate sees it at this moment."""
        return self.account.book(at, self.state, self.feeds)

    def usage(self, at: int) -> list[Check]:
        """How much of each limit is in use now."""
        return usage(self.book(at), self.briefing, self.limits, self._peers.between, at)

    def preview(self, wish: Open, at: int) -> Plan | None:
        """What an entry by hand would come to now; nothing changes by asking. None: the symbol is not in the briefing."""
        instrument = self.instruments.get(wish.symbol)
        return None if instrument is None else self._plan(self._by_hand(wish, "preview"), instrument, "preview", at)

    # --- the market

    def _on_bar(self, event: MarketBar) -> list[Decision]:
        bar = event.bar
        symbol, start = bar.symbol, bar.start
        instrument = self.instruments.get(symbol)
        if instrument is None:
            return []
        values = instrument.step(bar, self._day, self._open)
        if event.late or not self._open <= start < self._close:
            return []
        last, instrument.last_close = instrument.last_close, bar.close
        if start >= instrument.seen:
            instrument.price, instrument.seen = bar.close, start
            self.account.mark(symbol, bar.close)
        made: list[Decision] = []
        for seat, on_bar in self._on_bars:
            view = self._view(seat, bar, last, values)
            try:
                intent = on_bar(view)
                wish = None if intent is None else understood(intent)
            except Exception as error:  # a strategy's mistake is not the end of everybody's session
                made += seat.fail(error, symbol, event.at)
                continue
            if wish is not None:
                made += self._intend(seat, instrument, wish, event.feed, event.at)
        return made

    def _view(self, seat: Seat, bar: Bar, last: float | None, values: Indicators) -> View:
        symbol = bar.symbol
        entries, trade = seat.entries.get(symbol, 0), seat.trades.get(symbol)
        if trade is None:
            return View(bar, last, values, self.hours, 0, 0.0, entries)
        average = trade.paid / trade.entered if trade.entered else 0.0
        return View(bar, last, values, self.hours, trade.held * trade.side.sign, average, entries)

    def _on_trade(self, event: events.MarketTrade) -> list[Decision]:
        trade = event.trade
        instrument = self.instruments.get(trade.symbol)
        if instrument is None or not instrument.trade(trade):
            return []
        self.account.mark(trade.symbol, trade.price)
        bar, values = instrument.bar, instrument.values
        if bar is None or values is None or not self._open <= trade.at < self._close:
            return []
        made: list[Decision] = []
        for seat, on_trade in self._on_trades:
            view = self._view(seat, bar, instrument.last_close, values)
            try:
                intent = on_trade(view, trade)
                wish = None if intent is None else understood(intent)
            except Exception as error:  # as in a bar
                made += seat.fail(error, trade.symbol, event.at)
                continue
            if wish is not None:
                made += self._intend(seat, instrument, wish, event.feed, event.at)
        return made

    def _on_quote(self, event: events.MarketQuote) -> list[Decision]:
        instrument = self.instruments.get(event.quote.symbol)
        if instrument is not None and (instrument.quote is None or event.quote.at >= instrument.quote.at):
            instrument.quote = event.quote
        return []

    def _on_revision(self, event: events.RevisedBar) -> list[Decision]:
        instrument = self.instruments.get(event.bar.symbol)
        if instrument is None or instrument.revise(event.bar, self._day, self._open):
            return []
        detail = f"{event.bar.symbol}: a bar was corrected after the next one had come; its indicators stand on the first word"
        return [Noticed("REVISED_TOO_LATE", detail, event.at, {"bar": float(event.bar.start)})]

    def _on_halt(self, event: events.Halt) -> list[Decision]:
        instrument = self.instruments.get(event.symbol)
        if instrument is None:
            return []
        instrument.halt(event.reason or "halted" if event.halted else "")
        word = "halted" if event.halted else "trades again"
        return [Noticed("HALTED" if event.halted else "RESUMED", f"{event.symbol} {word}: {event.reason}", event.at)]

    def _on_band(self, event: events.Band) -> list[Decision]:
        instrument = self.instruments.get(event.symbol)
        if instrument is not None:
            instrument.low, instrument.high = event.low, event.high
        return []

    def _on_taint(self, event: events.Taint) -> list[Decision]:
        concerned = [self.instruments.get(event.symbol)] if event.symbol else self.instruments.values()
        news = [instrument.taint(event.detail, event.until, event.at) for instrument in concerned if instrument is not None]
        return [Noticed("TAINTED", f"{event.symbol or 'all symbols'}: {event.detail}", event.at)] if any(news) else []

    def _on_tick(self, event: events.Tick) -> list[Decision]:
        self.account.restless.update((name, trade) for name, trade in self.account.trades.items() if not trade.settled)
        return []

    # --- wishes

    def _intend(self, seat: Seat, instrument: Instrument, intent: Intent, feed: str, at: int) -> list[Decision]:
        symbol = instrument.brief.symbol
        trade = seat.trades.get(symbol)
        if isinstance(intent, Enter):
            price, sign = instrument.price, intent.side.sign
            if (no := nonsense(intent)) is not None:
                return [Refused(symbol, intent.side, 0, price, seat.name, intent.reason, no, at)]
            stop = None if intent.stop is None else price - sign * intent.stop
            target = None if intent.target is None else price + sign * intent.target
            version = seat.allocation.version if seat.allocation is not None else ""
            wish = Wish(seat.name, version, symbol, intent.side, intent.reason, None, intent.limit, stop, target)
            return self._enter(seat, instrument, wish, feed, at)
        if trade is None:
            return []
        if isinstance(intent, Leave):
            self.account.close(trade, intent.reason)
        else:
            return self._adjust([trade], intent, intent.reason, at)
        return []

    def _plan(self, wish: Wish, instrument: Instrument, feed: str, at: int) -> Plan:
        return plan(wish, instrument, self.book(at), self.briefing, self.limits, self._peers, feed=feed, at=at)

    def _enter(self, seat: Seat, instrument: Instrument, wish: Wish, feed: str, at: int) -> list[Decision]:
        """Turn a wish into an order, or into a refusal with its numbers."""
        if self.account.portfolio is None:
            return []
        made = self._plan(wish, instrument, feed, at)
        if made.refused is not None:
            known = math.isfinite(made.price)  # JSON has no number for one that is not: the journal could not be read again
            asked = (wish.symbol, wish.side, made.wanted, made.price if known else 0.0, seat.name, wish.reason)
            return [Refused(*asked, made.refused, at, made.lineage if known else None, made.stop or None, made.target)]
        self._opened += 1
        name = f"{self.prefix}-{self._opened:04d}"
        trade = Trade(name, seat.name, wish.symbol, wish.side, made.quantity, made.stop, made.target, made.lineage, made.limit)
        if wish.model:
            self.account.modelled(wish.model, made.quantity * made.price)
        return [self.account.open(seat, trade, made.reason, at)]

    def _adjust(self, trades: Sequence[Trade], change: Adjust | Manage, reason: str, at: int) -> list[Decision]:
        """Move exits and sell a part. A stop that goes further away adds risk and passes the gate; else only what has no sense is refused."""
        asked: dict[str, float | None] = {name: getattr(change, name) for name in ("stop", "target", "trail", "scale_out")}
        made: list[Decision] = []
        for name, check in senseless(**asked).items():
            asked[name] = None
            made += [Kept(t.id, t.symbol, t.strategy, name, check.value, reason, check, at) for t in trades]
        stop, share, stay = asked["stop"], asked["scale_out"], set[str]()
        if stop is not None and (wider := [trade for trade in trades if trade.further(stop)]):
            check = widen(self.book(at), self.briefing, self.limits, self.account.widened(wider, stop))
            if not check.passed:
                stay = {trade.id for trade in wider}
                made += [Kept(t.id, t.symbol, t.strategy, "stop", stop, reason, check, at) for t in wider]
        for trade in trades:
            trade.move(None if trade.id in stay else stop, asked["target"], asked["trail"])
            if share is not None:
                trade.scale_out(share, reason)
            self.account.restless[trade.id] = trade
        return made

    # --- the broker's account, and the feeds

    def _on_account(self, event: AccountState) -> list[Decision]:
        if not event.equity > 0:
            return [Noticed("NO_EQUITY", f"expected an account with equity, found {event.equity:,.2f}", event.at)]
        doubts = [Noticed("DOUBTED", doubt, event.at) for doubt in self.briefing.doubts] if self.portfolio is None else []
        noticed = self.account.told(event)
        self._floor = self.account.book_open.start * (1 - self.limits.max_daily_loss)
        if noticed and self.account.external:
            return [*doubts, *noticed, *self._lower(TradingState.REDUCING, f"positions differ from the broker's: {noticed[0].detail}", event.at)]
        return [*doubts, *noticed]

    def _on_feed(self, event: events.FeedStatus) -> list[Decision]:
        self.feeds[event.feed] = event.healthy
        return [Noticed("FEED", f"{event.feed} {'healthy' if event.healthy else 'unhealthy'}: {event.detail}", event.at)]

    # --- people

    def _on_command(self, event: Command) -> list[Decision]:
        if event.id in self._commands:
            return []
        self._commands.add(event.id)
        at, who = event.at, event.origin
        match event.instruction:
            case Flatten():
                self._flatten(f"flatten by {who}")
                return self._lower(TradingState.HALTED, f"flatten by {who}", at)
            case Stand():
                return self._lower(TradingState.HALTED, f"halt by {who}", at)
            case Reduce():
                return self._lower(TradingState.REDUCING, f"reduced by {who}", at)
            case Resume():
                return self._resume(f"resume by {who}", at)
            case Release(strategy):
                return [self._release(strategy, who, at)]
            case Open() as wish:
                return self._open_by_hand(wish, who, at)
            case Close(symbol, strategy):
                return self._to_all(symbol, strategy, at, lambda trades: self._close_all(trades, f"closed by {who}"))
            case Note() as note:
                return [Noticed("RECORDED", f"{note.event} {note.symbol}: {note.detail} (by {who})", at, note.numbers)]
            case Manage() as change:
                return self._to_all(change.symbol, change.strategy, at, lambda trades: self._adjust(trades, change, f"managed by {who}", at))

    def _to_all(self, symbol: str, strategy: str | None, at: int, do: Callable[[list[Trade]], list[Decision]]) -> list[Decision]:
        """Something to the open trades in the symbol; that there is none is said, and is no error."""
        found = self.account.of(symbol, strategy)
        return do(found) if found else [Noticed("NOTHING_HELD", f"{symbol} is flat", at)]

    def _open_by_hand(self, wish: Open, who: str, at: int) -> list[Decision]:
        seat, instrument = self._seat(wish), self.instruments.get(wish.symbol)
        if (no := nonsense(wish)) is not None:
            return [Refused(wish.symbol, wish.side, wish.quantity or 0, 0.0, seat.name, wish.reason, no, at)]
        if instrument is None:
            check = Check(Code.BRIEFING, 0, 1, False, f"{wish.symbol} is not in the briefing", f"briefing {self.briefing.version}")
            return [Refused(wish.symbol, wish.side, wish.quantity or 0, wish.limit or 0.0, seat.name, wish.reason, check, at)]
        return self._enter(seat, instrument, self._by_hand(wish, who), who, at)

    def _by_hand(self, wish: Open, who: str) -> Wish:
        return Wish(self._seat(wish).name, who, wish.symbol, wish.side, wish.reason, wish.quantity, wish.limit, wish.stop, wish.target, wish.model)

    def _seat(self, wish: Open) -> Seat:
        """Whose the trade will be: a person may trade for a strategy; a name that nobody has is a person's."""
        return self.account.seats.get(wish.strategy, self.account.seats[MANUAL])

    def _release(self, strategy: str, who: str, at: int) -> Noticed:
        seat = self.account.seats.get(strategy)
        if seat is None:
            return Noticed("UNKNOWN_STRATEGY", f"expected one of {sorted(self.account.seats)}, found {strategy}", at)
        seat.release()
        return Noticed("RELEASED", f"{strategy} may enter again, by {who}", at)

    def _resume(self, reason: str, at: int) -> list[Decision]:
        """Up again, by a person's word; refused while the account is unknown, after the daily loss, and when the day is over."""
        why = "the account is not known yet" if self.portfolio is None else "the daily loss was reached" if self._lost else ""
        why = why or ("the trading day is over" if self._over else "")
        if why:
            return [Noticed("RESUME_REFUSED", why, at)]
        if self.state is TradingState.ACTIVE:
            return []
        before, self.state = self.state, TradingState.ACTIVE
        return [StateChanged(before, TradingState.ACTIVE, reason, at)]

    # --- what has to be true at every moment

    def _keep_deadlines(self, at: int, portfolio: Portfolio) -> list[Decision]:
        """The daily loss, and the end of the day."""
        decisions: list[Decision] = []
        if portfolio.equity <= self._floor and not self._lost:
            self._lost = True
            reason = f"daily loss {1 - portfolio.equity / portfolio.start:.2%} reached {self.limits.max_daily_loss:.2%}"
            decisions += self._lower(TradingState.HALTED, reason, at)
            self._flatten(reason)
        if at >= self._deadline and not self._over:
            self._over = True
            reason = f"{self.limits.market_close_buffer} minutes before the close"
            decisions += self._lower(TradingState.REDUCING, reason, at)
            self._flatten(reason)
        return decisions

    def _flatten(self, reason: str) -> None:
        self._close_all(self.account.trades.values(), reason)

    def _close_all(self, trades: Iterable[Trade], reason: str) -> list[Decision]:
        for trade in trades:
            self.account.close(trade, reason)
        return []

    def _lower(self, state: TradingState, reason: str, at: int) -> list[Decision]:
        if RANK[state] <= RANK[self.state]:
            return []
        before, self.state = self.state, state
        return [StateChanged(before, state, reason, at)]
