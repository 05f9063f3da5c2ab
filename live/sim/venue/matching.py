"""How orders meet the market: arrival, triggers, fills in one piece or several, and what each of these does to the rest of a group.

What crosses the quote is filled at the quote, what rests is filled at its own limit. The displayed size is not looked at; where participation is
limited, an order takes no more than its share of the trade that made the quote it arrived at, and of every later one at prices it could trade at.
"""

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from functools import partial

from live.sim.clock import MILLISECOND
from live.sim.venue.agenda import ORDER, Agenda
from live.sim.venue.desk import Desk
from live.sim.venue.orders import ZERO, Group, Order
from live.sim.worlds.tape import Print, Tape, dollars, ticks

_COLLARED = Decimal("1.04"), Decimal("1.025")  # a buy stop executes at most this far above: below and from 50 dollars


def cushion(price: Decimal) -> Decimal:
    """How much a buy stop may pay, and a market buy reserves, beyond the known price."""
    return price * (_COLLARED[0] if price < 50 else _COLLARED[1])


class Matching:
    """Works on orders that have arrived; session rules decide when they may trade."""

    def __init__(
        self, desk: Desk, tape: Tape, agenda: Agenda, *, partial_rate: float, participation: Decimal | None, show: Callable[[str], None]
    ) -> None:
        """`participation` is the share of printed volume an order may take, None all it wants.

        `show` asks for the trades of a symbol's running minute: an order that starts to work must see them.
        """
        self._desk = desk
        self._tape = tape
        self._agenda = agenda
        self._partial_rate = partial_rate
        self._participation = participation
        self._show = show

    def latency(self, order: Order) -> int:
        """20 ms to about 300 ms, with a heavy tail up to 3 s."""
        draw = 20 + 25 * order.rng.random() + 25 * (order.rng.paretovariate(1.6) - 1)
        return int(min(draw, 3_000) * MILLISECOND)

    def arrive(self, order: Order) -> None:
        """The venue has the order: acknowledge it and look at the book once."""
        if order.final or order.working:
            return
        if order.status in ("accepted", "pending_new"):
            self._desk.move(order, "new")
        if order.auction:
            return
        order.working = True
        if self._desk.meddler is not None:
            self._desk.meddler.arrives(order)
        self._show(order.symbol)
        last = self._tape.last(order.symbol, self._agenda.now)
        self._earn(order, last)
        self.observe(order, last)
        if order.type == "market" and not order.ready_at:
            self._later(order, self.latency(order))
        else:
            self.attempt(order)

    def auction(self, order: Order, price: float | None) -> None:
        """Fill at the official price, all of it or nothing: what the price does not reach ends here."""
        if order.final:
            return
        if order.status in ("accepted", "pending_new"):
            self._desk.move(order, "new")
        official = None if price is None else dollars(ticks(price))
        if official is None or (order.limit_price is not None and (order.limit_price - official) * order.sign < 0):
            self.end(order, "canceled")
        else:
            self._desk.fill(order, order.remaining, official)

    def touched(self, symbol: str, high: int, low: int) -> bool:
        """Whether a minute between these prices can matter to any working order; most minutes of most symbols cannot."""
        return any(order.working and _within_reach(order, high, low) for order in self._desk.open(symbol))

    def trade(self, symbol: str, trade: Print) -> None:
        for order in self._desk.open(symbol):
            if order.working:
                self._earn(order, trade)
                self.observe(order, trade)
                self.attempt(order, trade)

    def observe(self, order: Order, trade: Print | None) -> None:
        """Let a trade move a trailing stop and trigger a stop; stops know regular hours only."""
        if not _waiting(order) or trade is None or not self._tape.session.regular(self._agenda.now):
            return
        price = dollars(trade.price)
        if order.type == "trailing_stop":
            _trail(order, price)
        if order.stop_price is not None and (price - order.stop_price) * order.sign >= 0:
            self._trigger(order)

    def attempt(self, order: Order, trade: Print | None = None) -> None:
        """Fill what can be filled now."""
        now = self._agenda.now
        if order.final or not order.working or now < order.ready_at:
            return
        if self._desk.meddler is not None and self._desk.meddler.blocks(order):
            return
        if not self._tradable(order):
            if order.time_in_force in ("ioc", "fok"):
                self.end(order, "canceled")
            return
        if _waiting(order):
            return
        trade = trade or self._tape.last(order.symbol, now)
        price = None if trade is None or trade.at < self._tape.session.early else self._price(order, trade)
        if price is None:
            order.resting = order.resting or (trade is not None and trade.at >= self._tape.session.early)
            if order.time_in_force in ("ioc", "fok"):
                self.end(order, "canceled")
            return
        self._execute(order, price)

    def end(self, order: Order, status: str) -> None:
        """Finish an order and with it the rest of its group."""
        if not order.final:
            self._desk.move(order, status)
        if order.group is None:
            return
        for member in order.group.members:
            if not member.final:
                armed = order.group.entry is not None and order.group.entry.status == "filled"
                together = status == "expired" and (armed or order.group.kind == "oco")
                self._desk.move(member, "expired" if together else "canceled")

    def _execute(self, order: Order, price: Decimal) -> None:
        if order.qty is None:
            order.qty = ((order.notional or ZERO) / price).quantize(Decimal("1e-9"), ROUND_DOWN)
        if self._desk.meddler is not None and self._desk.meddler.touches(order):
            return
        if order.pieces is None:
            order.pieces = self._split(order)
        planned = order.pieces.pop(0) if order.pieces else order.remaining
        taken = self._allowed(order, planned)
        if taken < planned:
            order.pieces.insert(0, planned - taken)
        if taken:
            self.force(order, taken, price)
        if order.final:
            return
        if order.time_in_force in ("ioc", "fok"):
            self.end(order, "canceled")
        elif taken:
            self._later(order, int(order.rng.uniform(150, 1_800)) * MILLISECOND)

    def _earn(self, order: Order, trade: Print | None) -> None:
        """A trade that happened at a price the order could have traded at lets it take its share of it."""
        if self._participation is None or trade is None or trade.at < self._tape.session.early or _waiting(order):
            return
        if order.limit_price is None or (order.limit_price - dollars(trade.price)) * order.sign >= 0:
            order.budget += self._participation * trade.size

    def _allowed(self, order: Order, wanted: Decimal) -> Decimal:
        """Whole shares of a whole order; all or nothing of a fill-or-kill."""
        if self._participation is None:
            return wanted
        unit = Decimal(1) if wanted == wanted.to_integral_value() else Decimal("1e-9")
        taken = min(order.budget.quantize(unit, ROUND_DOWN), wanted)
        if order.time_in_force == "fok" and taken < wanted:
            return ZERO
        order.budget -= taken
        return taken

    def force(self, order: Order, qty: Decimal, price: Decimal) -> None:
        """One execution, with what it does to the rest of the group."""
        self._desk.fill(order, min(qty, order.remaining), price)
        self._consequences(order)

    def _split(self, order: Order) -> list[Decimal]:
        """About one order in ten comes in two to four pieces, over some hundred milliseconds to seconds."""
        total = order.remaining
        whole = total == total.to_integral_value() and total >= 2 and order.time_in_force != "fok"
        if order.rng.random() >= self._partial_rate or not whole:
            return [total]
        count = min(order.rng.randint(2, 4), int(total))
        cuts = sorted(order.rng.sample(range(1, int(total)), count - 1))
        return [Decimal(last - first) for first, last in zip([0, *cuts], [*cuts, int(total)], strict=True)]

    def _consequences(self, order: Order) -> None:
        """Exits come alive with the complete entry; one exit's fill shrinks or ends the other."""
        group = order.group
        if group is None:
            return
        if order is group.entry:
            if order.status == "filled":
                self._fit(group)
                self._agenda.at(self._agenda.now + self.latency(order), ORDER, partial(self._protect, order))
            return
        for other in group.exits:
            if other is order or other.final:
                continue
            if self._desk.meddler is not None and order.status == "filled" and self._desk.meddler.spares(order, other):
                continue
            if order.status == "filled" or order is group.stop_loss:
                self._desk.move(other, "canceled")
            else:
                self._restate(other, order.remaining)

    def _fit(self, group: Group) -> None:
        """Exits protect what is there: some of it may have been sold while the entry was not complete yet."""
        for order in group.exits:
            left = self._desk.free(order.symbol, apart=group)
            if order.final or order.remaining <= left:
                continue
            if left:
                self._restate(order, left)
            else:
                self._desk.move(order, "canceled")

    def _restate(self, order: Order, remaining: Decimal) -> None:
        order.qty = order.filled_qty + remaining
        order.updated_at = self._agenda.now
        self._desk.tell("restated", order)

    def _protect(self, entry: Order) -> None:
        group = entry.group
        if group is not None:
            for order in group.exits:
                self.activate(order)

    def activate(self, order: Order) -> None:
        """A leg starts to work: a stop that shares its shares with a take-profit stays `held` until it is reached."""
        if order.final or order.working:
            return
        paired = order.group is not None and len(order.group.exits) == 2
        if order.status == "held" and not (paired and order.role == "stop_loss"):
            self._desk.move(order, "new")
        self.arrive(order)

    def _trigger(self, order: Order) -> None:
        order.triggered, order.resting = True, False
        if order.status == "held":
            self._desk.move(order, "new")
        if order.type == "stop_limit":
            return
        if order.group is not None and order.group.take_profit is not None and order is order.group.stop_loss:
            order.group.take_profit.working = False  # both exits at the market at once could sell the shares twice
        self._later(order, self.latency(order))

    def _later(self, order: Order, delay: int) -> None:
        order.ready_at = self._agenda.now + delay
        self._agenda.at(order.ready_at, ORDER, partial(self.attempt, order))

    def _tradable(self, order: Order) -> bool:
        session, now = self._tape.session, self._agenda.now
        if self._tape.halted(order.symbol, now):
            return False
        return session.regular(now) or (order.extended_hours and session.extended(now))

    def _price(self, order: Order, trade: Print) -> Decimal | None:
        """What the order would trade at against that quote; None when it is not marketable, or when nobody quotes the other side."""
        quote = dollars(trade.ask if order.side == "buy" else trade.bid)
        limit = order.limit_price
        through = limit is not None and trade.traded and (ticks(limit) - trade.price) * order.sign > 0
        if not quote:
            return limit if through and order.resting else None
        if order.type == "stop" and order.side == "buy" and order.stop_price is not None:
            return quote if quote <= cushion(order.stop_price) else None
        if limit is None:
            return quote
        if (limit - quote) * order.sign < 0 and not through:
            return None
        better = min(quote, limit) if order.side == "buy" else max(quote, limit)
        return self._passed(order, limit) if order.resting else better

    def _passed(self, order: Order, limit: Decimal) -> Decimal:
        """What rests is filled at its own limit, unless the market jumped over it: then at the worst price the minute has shown so far."""
        lowest, highest = self._tape.span(order.symbol, self._agenda.now)
        return min(limit, dollars(highest)) if order.side == "buy" else max(limit, dollars(lowest))


def _within_reach(order: Order, high: int, low: int) -> bool:
    """A quote never lies inside the trade it stands beside: a buy needs the low at its limit, a sell the high."""
    if _waiting(order):
        if order.type == "trailing_stop" or order.stop_price is None:
            return True
        stop = ticks(order.stop_price)
        return high >= stop if order.side == "buy" else low <= stop
    if order.limit_price is None:
        return True
    limit = ticks(order.limit_price)
    return low <= limit if order.side == "buy" else high >= limit


def _waiting(order: Order) -> bool:
    """A stop that has not been reached."""
    return order.type in ("stop", "stop_limit", "trailing_stop") and not order.triggered


def _trail(order: Order, price: Decimal) -> None:
    """`hwm` is the best price since the order arrived; the stop follows it and never goes back."""
    best = price if order.hwm is None else (max if order.side == "sell" else min)(order.hwm, price)
    if best == order.hwm:
        return
    order.hwm = best
    distance = order.trail_price if order.trail_price is not None else best * (order.trail_percent or ZERO) / 100
    order.stop_price = (best + distance * order.sign).quantize(Decimal("0.01"))
