"""A broker that nothing is sent to: the session decides as if it traded, and its orders fill by the backtest's rule on what the streams say.

The rule is `pipelines.core.backtest.fills`: a market order takes at the symbol's last price, half its spread and its footprint worse; what rests
fills by the bars, or by the trades where those are followed. The book begins empty, with the account's equity and buying power as they are; what the
account really holds is not looked at. Whatever else would ask the broker for something is stopped on the wire: only reading goes through.
"""

import asyncio
from collections.abc import Callable, Iterable

from live.brokers.alpaca import AlpacaBroker
from live.brokers.hearing import Emit, Note
from live.brokers.lanes import Raw
from live.brokers.reading import Held, Resting, Standing
from live.clock import Clock
from pipelines.core.backtest.fills import Ticket, Venue
from pipelines.core.briefing import Briefing
from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.decisions import Request, Submit
from pipelines.core.trading.events import Answer, Band, Event, Halt, MarketBar, MarketTrade, OrderUpdate, Tick
from pipelines.core.trading.portfolio import Portfolio
from pipelines.settings import Settings

NOTHING = "SHADOW: nothing is sent"


class ShadowBroker(AlpacaBroker):
    """Of one session. `witness` every event before the engine does; what it says comes as events, as any broker's words."""

    def __init__(
        self,
        settings: Settings,
        *,
        briefing: Briefing,
        trades: bool,
        emit: Emit,
        heard: Callable[[], None],
        clock: Clock,
        note: Note | None = None,
        raw: Raw | None = None,
    ) -> None:
        """`trades`: single trades are followed, and decide what fills."""
        super().__init__(settings, emit=emit, heard=heard, clock=clock, note=note, raw=raw)
        for routes in self.lanes.routes.values():
            for route in routes:
                route.silent = NOTHING
        self._hours, self._trades = briefing.hours, trades
        self._venue = Venue(briefing=briefing)
        self._account: Standing | None = None
        self._book = Portfolio(0.0)
        self._filled: dict[str, tuple[int, float]] = {}
        """Shares of each order so far, and their average price."""
        self._fresh = self._over = False
        """There is something new to fill at the last price; the day's orders have expired."""
        self._minute = 0

    async def run(self) -> None:
        """Until cancelled. There is no stream of updates: all words come from here."""
        self.updates.listening.set()
        await asyncio.Event().wait()

    def send(self, request: Request) -> None:
        """Take a request as the market would."""
        if isinstance(request, Submit):
            self.words.expect(request.order)
            self._fresh = True
        self._say(self._venue.take(request, self._clock.now()))

    def witness(self, event: Event) -> None:
        """What the market does to the orders that are there: before the engine decides on it, so that nothing fills in its own past."""
        venue = self._venue
        match event:
            case MarketBar(bar) if self._hours.contains(bar.start):
                self._fresh = self._fresh or bar.start > self._minute
                self._minute = max(self._minute, bar.start)
                known = venue.last.get(bar.symbol)
                if known is not None and bar.start <= known.start:
                    return
                self._book.mark(bar.symbol, bar.close)
                if self._trades and not event.late:
                    venue.last[bar.symbol] = bar
                else:
                    self._say(venue.trade(bar, event.at))
            case MarketTrade(trade) if self._trades and self._hours.contains(trade.at - trade.at % MINUTE):
                last = venue.last.get(trade.symbol)
                self._book.mark(trade.symbol, trade.price)
                self._say(venue.print(trade, last.volume if last is not None else trade.size))
            case Halt():
                venue.halt(event.symbol, event.halted)
            case Band():
                venue.bands[event.symbol] = (event.low, event.high)
            case Tick(at):
                self._tick(at)

    def _tick(self, at: int) -> None:
        if at >= self._hours.close and not self._over:
            self._over = True
            self._say(self._venue.close(at))
        elif self._fresh and not self._over:
            self._fresh = False
            self._say(self._venue.open({}, at))

    # --- asking

    async def catch_up(self, since: int) -> None:
        """There is nothing that could have been missed."""

    async def audit(self, since: int) -> None:
        """The same."""

    async def standing(self) -> Standing:
        """The pretended account: the real one's equity when it was first asked, and what came of the orders since. Raises BrokerError."""
        if self._account is None:
            self._account = await super().standing()
            self._book.start = self._book.peak = self._account.equity
        known, book, now = self._account, self._book, self._clock.now()
        held = {s: Held(s, p.quantity, p.average, book.prices[s]) for s, p in sorted(book.positions.items())}
        worth = sum(p.quantity * book.prices[s] for s, p in book.positions.items())
        power = max(known.power * book.equity / known.equity - sum(abs(h.quantity) * h.price for h in held.values()), 0.0)
        return Standing(known.number, book.equity, book.equity - worth, power, (), held, tuple(self._resting()), now)

    def _resting(self) -> Iterable[Resting]:
        for tickets in self._venue.waiting.values():
            yield from (_row(ticket, ticket.id, closes=ticket.brings is None) for ticket in tickets)
        for pairs in self._venue.exits.values():
            for exits in pairs:
                yield from (_row(ticket, exits.stop.id, closes=True, stop=ticket is exits.stop) for ticket in exits.tickets)

    # --- saying

    def _say(self, words: Iterable[Answer | OrderUpdate]) -> None:
        for word in words:
            if isinstance(word, OrderUpdate):
                self._count(word)
            self._emit(word)

    def _count(self, word: OrderUpdate) -> None:
        before = self._filled.get(word.id, (0, 0.0))
        shares, price = word.since(*before)
        if shares:
            self._filled[word.id] = (word.filled, word.average or price)
            self._book.fill(word.symbol, word.side.sign * shares, price)


def _row(ticket: Ticket, pair: str, *, closes: bool, stop: bool = False) -> Resting:
    kind = "stop" if stop else "market" if ticket.price is None else "limit"
    return Resting(ticket.id, ticket.id.partition("/")[0], ticket.symbol, ticket.side, kind, "new", ticket.left, pair, armed=True, closes=closes)
