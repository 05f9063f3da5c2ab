"""A broker that keeps Alpaca's rules and otherwise does whatever brokers do: for tests that no engine should fail.

What it keeps: a bracket's legs wait for the complete fill of their entry, one exit cancels the other, a cancel takes its group, shares
that one exit holds are not there for another. What it does: refuses, says nothing, answers late, tells twice, in another order or not at all,
fills what is being cancelled, takes replacements back. Which of it when is a script of small numbers; 0 is always the ordinary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.core.market.bars import SECOND
from pipelines.core.trading.decisions import Cancel, Replace, Request, Submit
from pipelines.core.trading.events import Action, Answer, Event, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status

SLOW = 10 * SECOND
"""How long the broker may take to tell what became of a request that nobody answered."""


class Fate:
    """A script, walked round and round."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers, self.at = numbers, -1

    def next(self) -> int:
        self.at += 1
        return self.numbers[self.at % len(self.numbers)]


@dataclass
class Member:
    """One order as the broker has it."""

    id: str
    symbol: str
    role: Role
    side: Side
    quantity: int
    group: str
    price: float | None
    waits: bool
    """A leg whose entry has not filled completely."""
    status: Status = Status.WORKING
    filled: int = 0
    value: float = 0.0

    @property
    def left(self) -> int:
        return self.quantity - self.filled

    @property
    def live(self) -> bool:
        return not self.status.final


@dataclass
class Broker:
    """`take` carries out a request; what it says is in the returned events, in `later`, or never said until it is asked (`poll`)."""

    submits: Fate
    cancels: Fate
    moves: Fate
    words: Fate
    orders: dict[str, Member] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    """Signed shares that were there before."""
    later: list[Event] = field(default_factory=list)
    silent: list[tuple[Order, Role, int]] = field(default_factory=list)
    """Requests without an answer, and when one comes."""
    dying: list[str] = field(default_factory=list)
    excess: list[str] = field(default_factory=list)
    """Exits refused because their shares were not there."""
    refused: dict[str, int] = field(default_factory=dict)
    """When the last request in a symbol was refused, or left without an answer."""
    honest: bool = False
    """No more tricks."""

    # --- what is so

    def position(self, symbol: str) -> int:
        return self.outside.get(symbol, 0) + sum(o.side.sign * o.filled for o in self.orders.values() if o.symbol == symbol)

    def group(self, member: Member) -> list[Member]:
        return [o for o in self.orders.values() if o.group == member.group and o is not member and o.live]

    def leaving(self, symbol: str, side: Side) -> int:
        """Shares that live exits on this side may still move; a pair holds its shares once."""
        groups: dict[str, int] = {}
        for o in self.orders.values():
            if o.symbol == symbol and o.side is side and o.live and not o.waits and o.role is not Role.ENTRY:
                groups[o.group] = max(groups.get(o.group, 0), o.left)
        return sum(groups.values())

    @property
    def fillable(self) -> list[Member]:
        return [o for o in self.orders.values() if o.live and not o.waits]

    # --- requests

    def take(self, request: Request, at: int) -> list[Event]:
        if isinstance(request, Submit):
            return self._submit(request.order, request.role, at)
        if isinstance(request, Cancel):
            return self._cancel(request.id, at)
        return self._replace(request, at)

    def _submit(self, order: Order, role: Role, at: int) -> list[Event]:
        fate = 0 if self.honest else self.submits.next()
        if order.shape in {Shape.SIMPLE, Shape.OCO, Shape.STOP}:
            position = self.position(order.symbol)
            there = abs(position) - self.leaving(order.symbol, order.side)
            if position * order.side.sign < 0 and there < order.quantity:
                self.excess.append(f"{order.id}: {order.quantity} of {there} free shares of {position} {order.symbol}")
                fate = 7
        if fate in {7, 8, 9, 10}:
            self.refused[order.symbol] = at
        if fate == 7:
            return [Answer(order.id, Action.SUBMIT, Outcome.REJECTED, at, 40310000, "refused")]
        if fate in {8, 9}:
            if fate == 8:
                self._list(order, role)
            self.silent.append((order, role, at + SLOW))
            return [Answer(order.id, Action.SUBMIT, Outcome.UNKNOWN, at, message="no answer")]
        members = self._list(order, role)
        said: list[Event] = [Answer(order.id, Action.SUBMIT, Outcome.ACCEPTED, at)]
        if fate == 10:  # taken first, and thrown out by the venue a moment later
            for member in members:
                member.status = Status.REJECTED
        return said + [word for member in members for word in self.tell(member, at)]

    def _list(self, order: Order, role: Role) -> list[Member]:
        prices = {Role.TARGET: order.target, Role.STOP: order.stop, Role.ENTRY: order.limit}
        pending = order.shape in {Shape.BRACKET, Shape.OTO}
        made = []
        for name, what, side in order.members(role):
            assert name not in self.orders, f"{name} was sent twice"
            self.orders[name] = Member(name, order.symbol, what, side, order.quantity, order.id, prices.get(what), pending and what is not role)
            made.append(self.orders[name])
        return made

    def _cancel(self, order_id: str, at: int) -> list[Event]:
        member = self.orders.get(order_id)
        if member is None or any(order.id == member.group for order, _, _ in self.silent):
            return [Answer(order_id, Action.CANCEL, Outcome.REJECTED, at, message="not acknowledged yet")]
        if not member.live:
            return [Answer(order_id, Action.CANCEL, Outcome.REJECTED, at, 42210000, "final already"), self.word(member, at)]
        fate = 0 if self.honest else self.cancels.next()
        if fate in {8, 9}:
            answer = Answer(order_id, Action.CANCEL, Outcome.UNKNOWN, at)
            self.refused[member.symbol] = at
            return [answer, *(self._kill(member, at) if fate == 8 else [])]
        answer = Answer(order_id, Action.CANCEL, Outcome.ACCEPTED, at)
        if fate == 7 and not member.waits:  # it fills first
            return [answer, *self.fill(member, member.left, 100.0, at)]
        if fate == 10:
            self.dying.append(order_id)
            return [answer]
        return [answer, *self._kill(member, at)]

    def _replace(self, wish: Replace, at: int) -> list[Event]:
        member = self.orders[wish.id]
        fate = 0 if self.honest else self.moves.next()
        if not member.live or fate == 7:
            return [Answer(wish.id, Action.REPLACE, Outcome.REJECTED, at, 42210000, "cannot be replaced"), self.word(member, at)]
        before = member.price
        if fate != 9:
            member.price = wish.price
        if fate in {8, 9}:
            return [Answer(wish.id, Action.REPLACE, Outcome.UNKNOWN, at)]
        said: list[Event] = [Answer(wish.id, Action.REPLACE, Outcome.ACCEPTED, at)]
        if fate == 10:  # taken back
            member.price = before
            said.append(Answer(wish.id, Action.REPLACE, Outcome.REJECTED, at, message="the old order lives on"))
        return said + self.tell(member, at)

    # --- what the market and the broker do by themselves

    def fill(self, member: Member, shares: int, price: float, at: int, *, both: bool = False) -> list[Event]:
        """Shares at this price. `both`: the other half of a pair is not stopped by it."""
        member.filled += shares
        member.value += shares * price
        others = self.group(member)
        if member.left == 0:
            member.status = Status.FILLED
        if member.role is Role.ENTRY and member.left == 0:
            for other in others:
                other.waits = False
        elif member.role is Role.TARGET and member.left and not both:
            for other in others:
                other.quantity -= shares
        elif member.role in {Role.STOP, Role.TARGET} and not both:
            for other in others:
                other.status = Status.CANCELED
        return [word for one in (member, *others) for word in self.tell(one, at)]

    def drop(self, member: Member, status: Status, at: int) -> list[Event]:
        """The broker ends an order, and with it its group, unasked."""
        return self._kill(member, at, status)

    def _kill(self, member: Member, at: int, status: Status = Status.CANCELED) -> list[Event]:
        ended = [member, *self.group(member)]
        for one in ended:
            one.status = status
        return [word for one in ended for word in self.tell(one, at)]

    def time_passes(self, at: int) -> list[Event]:
        """Slow cancels happen, and requests without an answer get one."""
        said: list[Event] = []
        dying, self.dying = self.dying, []
        for name in dying:
            if self.orders[name].live:
                said += self._kill(self.orders[name], at)
        due = [s for s in self.silent if s[2] <= at]
        self.silent = [s for s in self.silent if s[2] > at]
        for order, role, _ in due:
            if order.id not in self.orders:
                if self.honest or self.submits.next() % 2:
                    said.append(Answer(order.id, Action.SUBMIT, Outcome.REJECTED, at, 404, "it never reached the broker"))
                    continue
                self._list(order, role)  # sent once more
            said.append(Answer(order.id, Action.SUBMIT, Outcome.ACCEPTED, at))
            said += [self.word(o, at) for o in self.orders.values() if o.group == order.id]
        return said

    # --- what is said

    def word(self, member: Member, at: int) -> OrderUpdate:
        average = member.value / member.filled if member.filled else None
        return OrderUpdate(member.id, member.symbol, member.side, member.status, member.filled, average, at, member.id, "update", member.price)

    def tell(self, member: Member, at: int) -> list[Event]:
        """The stream's word on an order: said, said twice, kept back, or lost."""
        if any(order.id == member.group for order, _, _ in self.silent):
            return []  # nobody knows its name yet
        fate = 0 if self.honest else self.words.next()
        word = self.word(member, at)
        if fate == 8:
            self.later.append(word)
        return [word, word] if fate == 7 else [word] if fate < 7 else []

    def poll(self, at: int) -> list[Event]:
        """Every order as it is, of those whose names are known."""
        hidden = {order.id for order, _, _ in self.silent}
        return [self.word(o, at) for o in self.orders.values() if o.group not in hidden]
