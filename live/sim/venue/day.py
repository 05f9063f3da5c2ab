"""The day of the market: its minutes, open and close, auctions, halts, and midnight, when one session follows another."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from live.sim.clock import MINUTE
from live.sim.venue.agenda import BOUNDARY, ORDER, SESSION, Agenda
from live.sim.venue.desk import Desk
from live.sim.venue.feed import Feed
from live.sim.venue.gate import Gate
from live.sim.venue.matching import Matching
from live.sim.venue.orders import Order
from live.sim.worlds.halts import Change
from live.sim.worlds.recording.conditions import CLOSING, OPENING
from live.sim.worlds.sessions import Session
from live.sim.worlds.tape import Print, Tape
from live.sim.worlds.world import Bars, World

_SETTLES = 15 * MINUTE  # after the extended hours; a paper account was charged between 20:06 and 20:17 New York


class Day:
    """Enters what a session holds into the agenda. `arrive` sends an order that waited for its session on its way.

    The first of the `feeds` is the market itself: it has every minute that another one has.
    """

    def __init__(
        self, world: World, tape: Tape, desk: Desk, gate: Gate, *, feeds: Sequence[Feed], pays: bool, arrive: Callable[[Order], None]
    ) -> None:
        self._world = world
        self._tape = tape
        self._desk = desk
        self._gate = gate
        self._feeds = feeds
        self._pays = pays
        self._arrive = arrive
        self._agenda: Agenda = desk.agenda
        self._matching: Matching | None = None
        self.equity: list[tuple[int, Decimal]] = []  # at each minute's end, for the portfolio history
        self._closing: tuple[Decimal, Decimal] | None = None

    def start(self, matching: Matching) -> None:
        self._matching = self._feeds[0].matching = matching
        self._plan(self._tape.session)

    def _plan(self, session: Session) -> None:
        """Enter a session's moments into the agenda."""
        now = self._agenda.now
        for feed in self._feeds:
            feed.forget()
        moments = sorted({edge for start in self._feeds[0].starts for edge in (start, start + MINUTE)})
        for feed in self._feeds:
            feed.plan(moments)
        for at in moments:
            if at >= now:
                self._agenda.at(at, BOUNDARY, partial(self._value, at))
        turns = (session.early, self._early), (session.open, self._open), (session.close, self._close), (session.late + _SETTLES, self._settle)
        for at, action in turns:
            if at >= now:
                self._agenda.at(at, SESSION, action)
        for halt in self._tape.halts:
            for change in halt.changes(self._world.assets[halt.symbol].tape):
                if change.at >= now:
                    self._agenda.at(change.at, SESSION, partial(self._halt, halt.symbol, change))
        if session.ordinal + 2 < len(self._world.calendar.sessions):
            following = self._world.calendar.after(session.date)
            self._agenda.at(following.midnight, SESSION, partial(self._turn, following))

    def recast(self) -> None:
        """The minutes after the running one have changed: take them anew."""
        for feed in self._feeds:
            feed.tape.reread(self._agenda.now)
            feed.forget()

    def _value(self, at: int) -> None:
        """What the account is worth at the end of a minute that counts."""
        session = self._tape.session
        if session.early < at <= session.late and (session.open < at <= session.close or self._desk.account.positions):
            self.equity.append((at, self._gate.valuation().equity))

    def _halt(self, symbol: str, change: Change) -> None:
        if self._desk.audience is not None:
            self._desk.audience.halt(symbol, change)

    def _early(self) -> None:
        for order in self._desk.open():
            if order.status == "accepted" and order.extended_hours:
                self._arrive(order)

    def _open(self) -> None:
        """Orders that waited go to the market; those that rested overnight may meet a better price than their limit."""
        for order in self._desk.open():
            order.resting = False
            if order.status == "accepted" and order.time_in_force != "opg":
                self._arrive(order)
        for symbol in dict.fromkeys(order.symbol for order in self._desk.open() if order.time_in_force == "opg"):
            bars, auction = self._regular(symbol), self._recorded(symbol, OPENING)
            first = self._tape.path(symbol, int(bars.t[0]))[0].at if len(bars) else self._tape.session.close
            price = float(bars.o[0]) if len(bars) else None
            at, official = (first, price) if auction is None else (auction.at, auction.price / 10_000)
            self._agenda.at(at, ORDER, partial(self._auction, symbol, "opg", official))

    def _close(self) -> None:
        found = self._gate.valuation()
        self._closing = (found.equity, found.maintenance)
        for symbol in dict.fromkeys(order.symbol for order in self._desk.open() if order.time_in_force == "cls"):
            bars, auction = self._regular(symbol), self._recorded(symbol, CLOSING)
            price = float(bars.c[-1]) if len(bars) else None
            official = price if auction is None else auction.price / 10_000
            self._agenda.at(self._agenda.now, ORDER, partial(self._auction, symbol, "cls", official))

    def _settle(self) -> None:
        """The day's fees are charged."""
        self._desk.account.charge(self._desk.id, self._agenda.now, self._tape.session.date.isoformat())

    def _auction(self, symbol: str, force: str, price: float | None) -> None:
        """The official opening or closing price, and every order that asked for it; without a trade there is none."""
        for order in self._desk.open(symbol):
            if order.time_in_force == force and order.expires_at <= self._tape.session.close and self._matching is not None:
                self._matching.auction(order, price)

    def _recorded(self, symbol: str, letter: str) -> Print | None:
        """The auction as it was recorded, if ticks are played. The closing one is executed at the close, some seconds before its print."""
        played = self._tape.ticks.get(symbol)
        return None if played is None else played.auction(letter)

    def _regular(self, symbol: str) -> Bars:
        """Minutes of the regular session; the venue alone may look ahead in them."""
        session, bars = self._tape.session, self._tape.columns.get(symbol)
        if bars is None:
            return self._world.daily(symbol, self._world.first).cut(0, 0)
        first, last = (int(at) for at in bars.t.searchsorted([session.open, session.close]))
        return bars.cut(first, last)

    def _turn(self, session: Session) -> None:
        """Midnight in New York: what was today's becomes yesterday's."""
        account = self._desk.account
        found = self._gate.valuation()
        account.last_equity, account.last_maintenance = self._closing or (found.equity, found.maintenance)
        self._closing = None
        for tape in {id(feed.tape): feed.tape for feed in self._feeds}.values():
            tape.turn(session)
        self._actions(session)
        for symbol, held in account.positions.items():
            close = self._gate.price(symbol)
            held.today = held.qty * close if close is not None else held.cost
        self._plan(session)

    def _actions(self, session: Session) -> None:
        """Splits change shares and end the orders that were priced in the old ones; dividends are paid only where that was asked for."""
        for action in self._world.actions.on(session.date):
            if action.rate:
                if self._pays:
                    self._desk.account.pay(action, self._desk.id(), self._agenda.now)
                continue
            for order in self._desk.open(action.symbol):
                if not order.final and self._matching is not None:
                    self._matching.end(order, "canceled")
            self._desk.account.split(action, self._desk.id(), self._agenda.now)
