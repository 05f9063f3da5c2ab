"""One round trip of one strategy in one symbol, from the entry to flat, whatever the broker does in between.

`advance` looks at what is and says what is missing; it is called after every update and on every tick, so a lost message, a refused order
or a restart need no path of their own. What it keeps true: shares held are protected by a working stop or are being sold, and never more
is on the way out than is held. A bracket's legs are dead until the entry has filled completely, and die with any member of their group:
shares of a half-filled entry are protected here, by exits for exactly what was filled.

    ENTERING --filled, or what there is--> OPEN --wanted 0--> CLOSING --flat--> CLOSED
        +--nothing filled------------------------------------------------------^
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.core.market.bars import SECOND
from pipelines.core.trading.decisions import Cancel, Decision, Lineage, Noticed, Replace, Submit, TradeClosed
from pipelines.core.trading.events import OrderUpdate
from pipelines.core.trading.orders import PACE, Order, Role, Shape, Side, Status, Working, bare, covered, leg, on_tick, tick

PATIENCE = 8 * SECOND
"""How long an entry may stay partly filled, naked, before the rest is cancelled and what is there gets its own protection."""

WAIT = 120 * SECOND
"""How long a limit entry may wait for its first share."""

AGAIN = 5 * SECOND
"""How long a cancel, a replacement or a failed exit may take before it is asked for again."""

TRIES = 3
"""Refused replacements after which an exit stays where it is, and exits of a part in vain after which it stays held."""

STEP = 0.1
"""A trailing stop moves by at least this share of its distance: every move is a request."""


class Stage(StrEnum):
    """Where a trade stands."""

    ENTERING = "entering"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(slots=True)
class Trade:
    """A round trip. Prices are on the tick, quantities are unsigned shares in the trade's direction. `target` None: there is none."""

    id: str
    strategy: str
    symbol: str
    side: Side
    quantity: int
    stop: float
    target: float | None
    lineage: Lineage
    limit: float | None = None
    trail: float | None = None
    """Distance at which the stop follows the best price, dollars; None: it stays."""
    stage: Stage = Stage.ENTERING
    wanted: int = -1
    """Shares that it wants to hold once the entry is over."""
    orders: dict[str, Working] = field(default_factory=dict)
    entered: int = 0
    paid: float = 0.0
    left: int = 0
    received: float = 0.0
    risk: float = 0.0
    """Dollars a share from the planned entry to the stop at the entry: what R is measured in."""
    best: float = 0.0
    opened: int = 0
    touched: int = 0
    """When shares last moved."""
    asked: int | None = None
    """When a cancel was last asked for, since the last order was sent."""
    protected: int = -PACE
    """When exits were last asked for that the entry had not brought; long ago for shares that have had none."""
    patient: int = 0
    """An exit that the broker refused, or ended at once, is not repeated before this."""
    vain: int = 0
    """Exits in a row that ended without a share."""
    generation: int = 0
    exit_reason: str = ""
    settled: bool = False
    """Protected as it should be when it last looked: until something happens to it, time alone changes nothing."""

    def __post_init__(self) -> None:
        if self.wanted < 0:
            self.wanted = self.quantity
        self.risk = self.risk or abs(self.lineage.arrival - self.stop)
        self.best = self.best or self.lineage.arrival

    @property
    def held(self) -> int:
        """Shares in the trade's direction; below zero only if both exits filled."""
        return self.entered - self.left

    @property
    def worst(self) -> int:
        """Shares if everything that still adds risk fills."""
        return self.held + sum(o.left for o in self.orders.values() if o.role is Role.ENTRY and o.live)

    def profit(self, price: float) -> float:
        """Dollars so far, what is held counted at this price."""
        return (self.received - self.paid + self.held * price) * self.side.sign

    def further(self, stop: float) -> bool:
        """Whether a stop there would be further away than the one that it has, so that more may be lost."""
        return (self.stop - stop) * self.side.sign > 0

    # --- what others ask of it

    def enter(self, reason: str, at: int) -> Submit:
        """The order that opens the trade, with its exits."""
        shape = Shape.OTO if self.target is None else Shape.BRACKET
        order = Order(f"{self.id}-entry", self.symbol, self.side, self.quantity, shape, self.limit, self.target, self.stop)
        self._track(order, Role.ENTRY, at)
        return Submit(order, Role.ENTRY, self.id, reason, at, self.lineage)

    def close(self, reason: str) -> None:
        """From now on the trade wants to be flat."""
        if self.stage in {Stage.ENTERING, Stage.OPEN}:
            self.stage, self.wanted, self.exit_reason = Stage.CLOSING, 0, reason
            self.patient = 0  # what became of an exit of a part is nothing that the way out waits for

    def scale_out(self, share: float, reason: str) -> int:
        """Sell this share (0 to 1) of what is held, whole shares, at least one; all of it closes the trade. The shares that will go."""
        if self.stage is not Stage.OPEN:
            return 0
        going = min(max(round(self.held * share), 1), self.held)
        self.wanted, self.vain = self.held - going, 0
        if self.wanted == 0:
            self.close(reason)
        return going

    def move(self, stop: float | None, target: float | None, trail: float | None) -> None:
        """Where the exits should be from now on; None leaves one as it is."""
        if stop is not None:
            self.stop = on_tick(stop, toward=self.side.sign)
        if target is not None and self.target is not None:
            self.target = on_tick(target, toward=-self.side.sign)
        if trail is not None:
            self.trail = trail

    def mark(self, price: float) -> bool:
        """The symbol's newest price; whether it moved the stop."""
        if self.trail is None or self.stage is not Stage.OPEN:
            return False
        sign = self.side.sign
        self.best = max(self.best * sign, price * sign) * sign
        far = self.best - sign * self.trail
        if not far > 0:
            return False
        following = on_tick(far, toward=sign)
        if (following - self.stop) * sign < max(STEP * self.trail, tick(price)):
            return False
        self.stop = following
        return True

    # --- what the broker says

    def update(self, update: OrderUpdate) -> tuple[int, float]:
        """Take in the broker's word; the newly filled shares (unsigned) and their price. Stale and repeated words change nothing."""
        order = self.orders[update.id]
        shares, price = update.since(order.filled, order.average)
        if shares:
            order.filled, order.average = update.filled, update.average or 0.0
            self._book(order, shares, price, update.at)
        if order.live:
            order.status = update.status
            if update.price is not None and order.moving is None:
                order.price = update.price
            if order.status is Status.REJECTED:  # taken at first, and thrown out by the venue
                self.refuse(order.id, update.at)
            elif order.role is Role.EXIT and order.status.final:
                self._back(order, order.since + PACE)
        if order.role is Role.ENTRY and order.status.final and order.status is not Status.FILLED:
            self._bury(order.group)
        return shares, price

    def taken(self, shares: int, price: float, why: str, at: int) -> None:
        """Somebody else closed so many shares of it. Our exits for them have to go; what is left goes on."""
        self.left += shares
        self.received += shares * price
        self.touched = at
        if self.held == 0 or self.stage is Stage.ENTERING:
            self.close(why)
        self.wanted = min(self.wanted, max(self.held, 0))

    def refuse(self, order_id: str, at: int) -> None:
        """The broker refused this order for good."""
        order = self.orders[order_id]
        order.status = Status.REJECTED
        self._bury(order.group)
        if order.role is Role.EXIT:
            self._back(order, at + AGAIN)
        if order.role in {Role.TARGET, Role.STOP}:
            self.close("protection refused")

    def moved(self, order_id: str, accepted: bool) -> None:
        """A replacement was taken or refused; one that was taken may still be taken back."""
        order = self.orders[order_id]
        if order.moving is None:
            return
        if accepted:
            order.price, order.refusals = order.moving[1], 0
        else:
            order.refusals += 1
        order.moving = None

    # --- what is missing

    def advance(self, at: int, net: int | None = None) -> list[Decision]:
        """What has to be done now to bring the trade where it should be; nothing where it is already under way.

        `net` are the symbol's signed shares at the broker, None where all are this trade's; asked only of one that sold too much.
        """
        self.settled = False
        if self.stage is Stage.ENTERING:
            return self._entering(at)
        if self.stage is Stage.CLOSED:
            return []
        if self.held == 0:
            return self._flat(at)
        if self.held < 0:
            return self._overshot(self.held if net is None else net * self.side.sign, at)
        exits = [o for o in self.orders.values() if o.live and o.role is Role.EXIT]
        leaving = sum(o.left for o in exits)
        if leaving > self.held:
            return self._cancel(exits, f"{leaving} shares on their way out, {self.held} held", at)
        staying = self.held - leaving
        if staying > self.wanted and self.stage is Stage.OPEN and self.vain >= TRIES:
            return [self._keep(staying, at), *self._guard(staying, at)]
        if staying > self.wanted and (self.stage is Stage.CLOSING or at >= self.patient):
            return self._reduce(staying - self.wanted, at)
        return self._guard(staying, at)

    def _entering(self, at: int) -> list[Decision]:
        entry = next(o for o in self.orders.values() if o.role is Role.ENTRY)
        if entry.live:
            waiting, patience = (self.opened, PATIENCE) if self.entered else (entry.since, PATIENCE if self.limit is None else WAIT)
            return self._cancel([entry], "entry not filled in time", at) if at - waiting >= patience else []
        if not self.entered:
            self.stage = Stage.CLOSED
            return []
        self.stage, self.wanted = Stage.OPEN, self.held
        return self.advance(at)

    def _flat(self, at: int) -> list[Decision]:
        live = [o for o in self.orders.values() if o.live]
        if not live:
            self.stage = Stage.CLOSED
            return self._closed(at) if self.entered else []
        if self.stage is Stage.CLOSING and not self.entered:
            return self._cancel(live, self.exit_reason, at)
        # The other half of the pair is dying by itself; only if it does not is it cancelled.
        return self._cancel(live, "its pair has filled", at) if at - self.touched >= AGAIN else []

    def _overshot(self, net: int, at: int) -> list[Decision]:
        """More was sold than held: both exits filled before one could cancel the other. At the broker no order crosses zero."""
        live = [o for o in self.orders.values() if o.live]
        noticed: list[Decision] = []
        if self.stage is not Stage.CLOSING:
            self.close("both exits filled")
            noticed = [Noticed("BOTH_EXITS_FILLED", f"{self.symbol}: {-self.held} shares on the wrong side", at)]
        if any(o.side is self.side for o in live):
            return noticed  # on its way back
        if live:
            return [*noticed, *self._cancel(live, self.exit_reason, at)]
        back = min(-self.held, -net) if net < 0 else -self.held
        return noticed if at < self.patient else [*noticed, self._exit(back, self.side, at)]

    def _reduce(self, excess: int, at: int) -> list[Decision]:
        """Sell so many shares. Exits that hold them go first, and what stays is protected anew in the same breath."""
        holding = [o for o in self.orders.values() if o.live and o.role is not Role.EXIT]
        safe = covered(holding)
        if safe > self.wanted or bare(holding):
            return self._cancel(holding, self.exit_reason or "to sell a part", at)
        if at < self.patient:
            return []
        kept: list[Decision] = [self._protect(self.wanted - safe, at)] if self.wanted > safe else []
        return [*kept, self._exit(excess, self.side.opposite, at)]

    def _keep(self, shares: int, at: int) -> Noticed:
        """Give up selling a part: each try takes the stop away for a moment. A new wish tries anew; the way out of everything never gives up."""
        excess, self.wanted, self.vain = shares - self.wanted, shares, 0
        words = f"{excess} of {self.held} shares were to be sold and stay, protected: {TRIES} exits were refused or came to nothing"
        return Noticed("PART_NOT_SOLD", f"{self.symbol}: {words}", at, {"shares": float(excess), "held": float(self.held)})

    def _guard(self, shares: int, at: int) -> list[Decision]:
        """Have exactly so many shares protected, at the prices that are wanted. A first stop waits for nothing."""
        exits = [o for o in self.orders.values() if o.live and o.role in {Role.TARGET, Role.STOP}]
        if alone := bare(exits):
            return self._cancel(alone, "a target without its stop", at)
        safe = covered(exits)
        if safe < shares and at - self.protected >= PACE:
            return [self._protect(shares - safe, at)]
        if safe > shares and at - self.touched >= AGAIN:
            return self._cancel(exits, f"the stop is for {safe} of {shares} shares", at)
        moves = [move for o in exits for move in self._place(o, at)]
        resting = not moves and all(o.status is Status.WORKING and o.moving is None and self._wish(o) is None for o in exits)
        self.settled = resting and safe == shares == self.held
        return moves

    def _wish(self, order: Working) -> float | None:
        """Where a resting exit should be instead of where it is; None where it is right, or not known."""
        wish = self.stop if order.role is Role.STOP else self.target
        return None if wish is None or (order.price is not None and abs(wish - order.price) < tick(wish) / 2) else wish

    def _place(self, order: Working, at: int) -> list[Decision]:
        """Ask for a resting exit to be where it should be."""
        wish = self._wish(order)
        if wish is None or order.price is None or order.status is not Status.WORKING:
            return []
        if order.refusals >= TRIES:
            if order.role is Role.STOP:
                self.stop, self.trail = order.price, None
            else:
                self.target = order.price
            order.refusals = 0
            return [Noticed("EXIT_NOT_MOVED", f"{self.symbol}: the {order.role} stays at {order.price:.2f}, {TRIES} replacements were refused", at)]
        if at - order.replaced < (PACE if order.moving is None else AGAIN):
            return []
        order.moving, order.replaced = (at, wish), at
        return [Replace(order.id, self.symbol, self.id, order.role, wish, f"{order.role} from {order.price:.2f} to {wish:.2f}", at)]

    # --- orders

    def _protect(self, shares: int, at: int) -> Submit:
        self.generation, self.protected = self.generation + 1, at
        shape = Shape.STOP if self.target is None else Shape.OCO
        name = f"{self.id}-protect{self.generation}"
        order = Order(name, self.symbol, self.side.opposite, shares, shape, None, self.target, self.stop)
        self._track(order, Role.STOP, at)
        return Submit(order, Role.STOP, self.id, f"protect {shares} shares held without a stop", at)

    def _exit(self, shares: int, side: Side, at: int) -> Submit:
        self.generation += 1
        order = Order(f"{self.id}-exit{self.generation}", self.symbol, side, shares, Shape.SIMPLE)
        self._track(order, Role.EXIT, at)
        return Submit(order, Role.EXIT, self.id, self.exit_reason or "scaled out", at)

    def _cancel(self, orders: list[Working], reason: str, at: int) -> list[Decision]:
        """Cancel groups, each by its first member that can be cancelled, and every member again while that has not helped."""
        if self.asked is not None and at - self.asked < AGAIN:
            return []
        again, self.asked = self.asked is not None, at
        if again:
            return [Cancel(o.id, self.symbol, self.id, f"{reason} (again)", at) for o in orders]
        order = {Role.ENTRY: 0, Role.TARGET: 1, Role.STOP: 2, Role.EXIT: 3}
        heads = {o.group: o for o in sorted(orders, key=lambda o: order[o.role], reverse=True)}
        return [Cancel(head.id, self.symbol, self.id, reason, at) for head in heads.values()]

    def _track(self, order: Order, role: Role, at: int) -> None:
        prices = {Role.STOP: order.stop, Role.TARGET: order.target, Role.ENTRY: order.limit}
        for name, what, side in order.members(role):
            self.orders[name] = Working(name, what, side, order.quantity, at, order.id, prices.get(what))
        self.asked = None

    # --- accounts

    def _closed(self, at: int) -> list[Decision]:
        entry, out = self.paid / self.entered, self.received / self.left
        profit = (self.received - self.paid) * self.side.sign
        r = profit / (self.risk * self.entered) if self.risk > 0 else None
        reason = self.exit_reason or " and ".join(sorted({o.role.value for o in self.orders.values() if o.filled and o.role is not Role.ENTRY}))
        who = (self.id, self.symbol, self.strategy, self.side, self.entered)
        return [TradeClosed(*who, entry, out, profit, r, reason, self.opened, at)]

    def _book(self, order: Working, shares: int, price: float, at: int) -> None:
        self.touched = at
        if order.role is Role.ENTRY:
            self.opened = self.opened or at
            self.entered += shares
            self.paid += shares * price
            self.protected = -PACE
            if self.stage is Stage.OPEN:
                self.wanted += shares
            return
        out = shares if order.side is not self.side else -shares  # an exit on the trade's own side brings back what was sold too much
        self.left += out
        self.received += out * price
        self.wanted = min(self.wanted, max(self.held, 0)) if order.role is not Role.EXIT else self.wanted
        if order.role is Role.TARGET:
            # The broker takes from the stop what its target has sold.
            stop = self.orders.get(leg(order.group, Role.STOP))
            if stop is not None and stop.live:
                stop.quantity -= shares

    def _back(self, order: Working, until: int) -> None:
        """An exit's shares are back: it is not repeated for a moment, and meanwhile their stop waits for nothing."""
        self.patient, self.protected = max(self.patient, until), -PACE
        self.vain = 0 if order.filled else self.vain + 1

    def _bury(self, group: str) -> None:
        """A group dies as a whole: its members will never fill, whether or not the broker says so."""
        for other in self.orders.values():
            if other.group == group and other.live and other.role is not Role.ENTRY:
                other.status = Status.CANCELED
