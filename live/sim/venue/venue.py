"""The exchange itself: its day, and what a client may ask of it. All of it runs in venue time, from one agenda, without a wall clock."""

import dataclasses
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from functools import partial
from typing import Any

from live.sim.clock import MILLISECOND, MINUTE
from live.sim.errors import Refusal, malformed, missing, unacceptable
from live.sim.venue.account import Account
from live.sim.venue.agenda import EXPIRY, ORDER, Agenda
from live.sim.venue.day import Day
from live.sim.venue.desk import Desk
from live.sim.venue.drafts import Drafts
from live.sim.venue.feed import Feed
from live.sim.venue.fees import REGULATORY, Fees, Rates
from live.sim.venue.gate import Gate, tradable, unchangeable
from live.sim.venue.matching import Matching
from live.sim.venue.orders import ZERO, Order
from live.sim.venue.ticket import read
from live.sim.worlds.sessions import Session
from live.sim.worlds.slips import Slips
from live.sim.worlds.tape import Tape
from live.sim.worlds.thin import ThinWorld
from live.sim.worlds.world import Asset, World

_AWAITED = 100 * MILLISECOND  # what closing all positions waits for the cancels it asked for
_DELAY = 15 * MINUTE  # of the consolidated feed that costs nothing
_CONFIRMS = ("all", "none")


class Venue:
    """One market, one account. Times are venue nanoseconds."""

    def __init__(
        self,
        world: World,
        *,
        start: int,
        cash: Decimal,
        partial_rate: float = 0.1,
        participation: float | None = None,
        multiplier: int = 4,
        slip_rate: float = 0.0,
        pays: bool = False,
        fees: Rates = REGULATORY,
    ) -> None:
        """`participation` is the share of printed volume an order may take; None, as on a paper account, is all it wants.

        `slip_rate` is the share of minutes told wrongly at first; `pays` books cash dividends, which a paper account does not.
        """
        self.world = world
        self.agenda = Agenda(start)
        session = world.calendar.on(start) or world.calendar.upcoming(start)
        self.tape = Tape(world, session)
        account = Account("", "", start, cash, cash, cash, multiplier=multiplier, fees=Fees(fees))
        self.desk = Desk(account, self.agenda, seed=world.seed)
        account.id, account.number = self.desk.id(), f"PA{world.seed % 1000:03d}SIMULATED"
        share = None if participation is None else Decimal(str(participation))
        self.matching = Matching(self.desk, self.tape, self.agenda, partial_rate=partial_rate, participation=share, show=self.watch)
        self.gate = Gate(self.desk, self.tape)
        self.slips = Slips(self.tape, seed=world.seed, rate=slip_rate)
        self.feeds = self._feeds()
        feeds = list(dict.fromkeys(self.feeds.values()))
        self.day = Day(world, self.tape, self.desk, self.gate, feeds=feeds, pays=pays, arrive=self._arrive_later)
        self._drafts = Drafts(self.desk, self.tape, world)
        self.day.start(self.matching)

    def _feeds(self) -> dict[str, Feed]:
        """By the names that clients use. What is the same is one feed; the first is the whole market."""
        market = Feed("sip", self.world, self.tape, self.slips, self.desk)
        found = {"sip": market, "iex": market, "delayed_sip": Feed("delayed_sip", self.world, self.tape, self.slips, self.desk, lag=_DELAY)}
        if self.world.thin:
            thin = ThinWorld(self.world)
            tape = Tape(thin, self.session)
            found["iex"] = Feed("iex", thin, tape, Slips(tape, seed=self.world.seed, rate=self.slips.rate), self.desk)
        return found

    @property
    def now(self) -> int:
        return self.agenda.now

    @property
    def session(self) -> Session:
        return self.tape.session

    def advance(self, until: int) -> None:
        """Run everything due up to that moment."""
        self.agenda.run(until)

    def asset(self, name: str) -> Asset | None:
        """By symbol or id."""
        found = self.world.assets.get(name)
        return found or next((asset for asset in self.world.assets.values() if asset.id == name), None)

    def order(self, order_id: str) -> Order:
        order = self.desk.orders.get(order_id)
        if order is None:
            raise missing(f"order not found for {order_id}")
        return order

    # What a client asks

    def submit(self, body: Mapping[str, Any]) -> Order:
        """Take a new order or refuse it. It acts in the market only after its latency, never in this call."""
        ticket = read(body)
        asset = tradable(self.asset(ticket.symbol), ticket)
        ticket = dataclasses.replace(ticket, symbol=asset.symbol)
        if ticket.client_order_id is not None and ticket.client_order_id in self.desk.by_client:
            raise malformed("client_order_id must be unique")
        intent = self.gate.intent(ticket)
        self.gate.admit(ticket, asset, intent)
        order = self._drafts.order(ticket, asset, intent)
        if ticket.notional is not None and order.closing:
            order.qty = self.gate.portion(asset.symbol, ticket.notional)
        live = self._live(order.extended_hours)
        self.desk.enter(order, "pending_new" if live else "accepted")
        for leg in order.legs:
            self.desk.enter(leg, "held")
        self.desk.tell(order.status, order)
        self._expire_later(order)
        if live:
            self._arrive_later(order)
        return order

    def cancel(self, order: Order) -> None:
        """Ask for the end of an order; it may still be filled until the request has travelled."""
        if order.final or order.status == "pending_replace":
            raise unacceptable(f'order is already in "{order.status}" state')
        if order.status == "pending_cancel":
            return
        order.cancel_requested_at = self.now
        self.desk.move(order, "pending_cancel")
        order.cancel_delay = self.matching.latency(order)
        if self.desk.meddler is not None:
            order.cancel_delay = self.desk.meddler.cancels(order, order.cancel_delay)
        self.agenda.at(self.now + order.cancel_delay, ORDER, partial(self._cancelled, order))

    def cancel_all(self) -> list[tuple[Order, Refusal | None]]:
        """Every open order; a group counts once, by its parent or, when that is done, by its exits' first."""
        done: list[tuple[Order, Refusal | None]] = []
        seen: set[str] = set()
        for order in sorted(self.desk.open(), key=lambda order: order.number):
            if order.group is not None and order.group.id in seen:
                continue
            if order.group is not None:
                seen.add(order.group.id)
            try:
                self.cancel(order)
                done.append((order, None))
            except Refusal as refusal:
                done.append((order, refusal))
        return done

    def replace(self, old: Order, body: Mapping[str, Any]) -> Order:
        """A successor that takes the old order's place once the request has travelled, if the old one still stands then."""
        refusal = unchangeable(old)
        if refusal is not None:
            raise refusal
        new = self._drafts.successor(old, body)
        self.gate.admit_replacement(old, new)
        old.successor = new
        before = old.status
        self.desk.enter(new, "pending_new", live=False)
        self.desk.move(old, "pending_replace")
        self.agenda.at(self.now + self.matching.latency(new), ORDER, partial(self._replaced, old, new, before))
        return new

    def close(self, symbol: str, *, qty: Decimal | None = None, percentage: Decimal | None = None) -> Order:
        """A market order over the position or a part of it; a part of whole shares is a whole number."""
        asset = self.asset(symbol)
        held = self.desk.account.position(asset.symbol) if asset else ZERO
        if asset is None or not held:
            raise missing("position does not exist")
        if qty is not None and percentage is not None:
            raise malformed("only one of qty or percentage is accepted")
        wanted = abs(held) if qty is None else qty
        if percentage is not None:
            if not 0 < percentage <= 100:
                raise malformed("percentage must be between 0 and 100")
            unit = Decimal(1) if held == held.to_integral_value() else Decimal("1e-9")
            wanted = (abs(held) * percentage / 100).quantize(unit, ROUND_DOWN)
        side = "sell" if held > 0 else "buy"
        return self.submit({"symbol": asset.symbol, "qty": str(wanted), "side": side, "type": "market", "time_in_force": "day"})

    def drop(self) -> None:
        """Ask for the end of everything. What has a short way is gone at once, the rest is still there when positions are closed next."""
        for order, _ in self.cancel_all():
            if order.status == "pending_cancel" and order.cancel_delay <= _AWAITED:
                self._cancelled(order)

    def configure(self, changes: Mapping[str, Any]) -> None:
        """All changes or, when one of them is refused, none."""
        settings = self.desk.account.settings
        wanted = {name: value for name, value in changes.items() if name in settings and value is not None}  # clients still send retired switches
        for name, value in wanted.items():
            if isinstance(settings[name], bool) and not isinstance(value, bool):
                raise malformed(f"{name} must be a boolean")
            if name == "max_margin_multiplier" and str(value) not in ("1", "2", "4"):
                raise malformed("max_margin_multiplier must be 1, 2 or 4")
            if name == "trade_confirm_email" and value not in _CONFIRMS:
                raise malformed("trade_confirm_email must be all or none")
            if name == "max_options_trading_level" and (isinstance(value, bool) or value not in (0, 1, 2, 3)):
                raise malformed("max_options_trading_level must be 0, 1, 2 or 3")
        settings.update({name: str(value) if isinstance(settings[name], str) else value for name, value in wanted.items()})

    def watch(self, symbol: str, feed: str = "sip") -> None:
        """Somebody wants this symbol's trades from now on."""
        self.feeds[feed].watch(symbol)

    # The life of an order

    def _live(self, extended: bool) -> bool:
        return self.session.regular(self.now) or (extended and self.session.extended(self.now))

    def _arrive_later(self, order: Order) -> None:
        """Route it, also one that waited for its session."""
        if order.status == "accepted":
            self.desk.move(order, "pending_new")
        self.agenda.at(self.now + self.matching.latency(order), ORDER, partial(self._arrive, order))

    def _arrive(self, order: Order) -> None:
        self.matching.arrive(order)
        if order.group is not None and order.group.entry is None:
            for leg in order.group.exits:
                self.matching.activate(leg)

    def _cancelled(self, order: Order) -> None:
        if not order.final:
            self.matching.end(order, "canceled")
        elif order.status == "filled":
            self.desk.tell("order_cancel_rejected", order)

    def _replaced(self, old: Order, new: Order, before: str) -> None:
        old.successor = None
        if self.desk.meddler is not None and self.desk.meddler.rejects(old):
            self._unreplaced(old, new, before)
            return
        stop = old.group.stop_loss if old.group is not None else None
        if old.group is not None:
            new.qty = old.qty  # which may have shrunk meanwhile
        lost = old.final or old.triggered != new.triggered or (stop is not None and stop.triggered) or (new.qty or ZERO) <= old.filled_qty
        if lost or new.final:
            self._unreplaced(old, new, before)
            return
        working = old.working
        new.filled_qty, new.filled_value = old.filled_qty, old.filled_value
        if old.group is not None:
            old.group.swap(old, new)
        old.replaced_by = new.id
        self.desk.move(old, "replaced")
        self.desk.expose(new)
        self._expire_later(new)
        if before == "held":
            if new.status == "pending_new":
                self.desk.move(new, "held")
            if working:
                self.matching.activate(new)
        else:
            self._arrive(new)

    def _unreplaced(self, old: Order, new: Order, before: str) -> None:
        """The old order ended first and the successor with it; or the client took the successor back, and meant the order."""
        if new.parent is not None:
            new.parent.legs.remove(new)
        if new.final and not old.final:
            self.matching.end(old, "canceled")
            return
        if not new.final:
            self.desk.move(new, "canceled" if new.status == "pending_cancel" else "rejected")
        if not old.final:
            self.desk.move(old, "partially_filled" if old.filled_qty else before, silent=True)
        self.desk.tell("order_replace_rejected", old)

    def _expire_later(self, order: Order) -> None:
        self.agenda.at(order.expires_at, EXPIRY, partial(self._expire, order))

    def _expire(self, order: Order) -> None:
        """A filled entry's exits end with its day too."""
        if not order.final or (order.group is not None and order.status in ("filled", "replaced")):
            self.matching.end(order, "expired")
