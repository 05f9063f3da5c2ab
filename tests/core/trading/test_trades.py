"""One trade through every order of events that a broker can come up with: what is held is protected, and it always ends flat."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipelines.core.market.bars import SECOND
from pipelines.core.trading.decisions import Cancel, Decision, Lineage, Replace, Submit, TradeClosed
from pipelines.core.trading.events import OrderUpdate
from pipelines.core.trading.orders import Order, Role, Shape, Side, Status
from pipelines.core.trading.trades import AGAIN, PATIENCE, Stage, Trade

LINEAGE = Lineage("s", "v", "b", "iex", 0, 100.0, 2.0, {}, (), ())


@dataclass
class Member:
    """One order as the broker has it."""

    order: str
    role: Role
    side: Side
    quantity: int
    group: str
    status: Status = Status.WORKING
    filled: int = 0
    held: bool = False
    price: float | None = None


@dataclass
class Broker:
    """Alpaca's rules for groups, and nothing else: legs wait for the complete fill, one exit cancels the other, a cancel takes the group."""

    orders: dict[str, Member] = field(default_factory=dict)

    def take(self, order: Order, role: Role) -> None:
        prices = {Role.TARGET: order.target, Role.STOP: order.stop}
        waiting = order.shape in {Shape.BRACKET, Shape.OTO}
        for name, what, side in order.members(role):
            self.orders[name] = Member(name, what, side, order.quantity, order.id, held=waiting and what is not role, price=prices.get(what))

    @property
    def position(self) -> int:
        return sum(o.side.sign * o.filled for o in self.orders.values())

    def fill(self, member: Member, shares: int) -> None:
        member.filled += shares
        if member.filled < member.quantity:
            if member.role is Role.TARGET:
                for other in self.group(member):
                    other.quantity -= shares
            return
        member.status = Status.FILLED
        for other in self.group(member):
            if member.role is Role.ENTRY:
                other.held = False
            else:
                other.status = Status.CANCELED

    def cancel(self, member: Member) -> None:
        for one in (member, *self.group(member)):
            one.status = Status.CANCELED

    def group(self, member: Member) -> list[Member]:
        return [o for o in self.orders.values() if o.group == member.group and o is not member and not o.status.final]

    @property
    def fillable(self) -> list[Member]:
        return [o for o in self.orders.values() if not o.status.final and not o.held]


class AnyDay(RuleBasedStateMachine):
    """Fills in pieces, lost updates, brokers that cancel, closes at any moment; a poll now and then tells the truth."""

    @initialize(side=st.sampled_from(Side), quantity=st.integers(1, 9), aimed=st.booleans())
    def enter(self, side: Side, quantity: int, aimed: bool) -> None:
        self.now = SECOND
        self.broker = Broker()
        stop, target = (97.0, 106.0) if side is Side.BUY else (103.0, 94.0)
        self.trade = Trade("t", "s", "AAPL", side, quantity, stop, target if aimed else None, LINEAGE)
        self.closed: list[TradeClosed] = []
        self.replacements = 0
        self.act([self.trade.enter("test", self.now)])
        self.act(self.trade.advance(self.now))

    def act(self, decisions: list[Decision]) -> None:
        """Carry out what was decided; the broker refuses a cancel of what is final, without harm."""
        for decision in decisions:
            if isinstance(decision, Submit):
                self.broker.take(decision.order, decision.role)
            elif isinstance(decision, Cancel):
                member = self.broker.orders[decision.id]
                if not member.status.final:
                    self.broker.cancel(member)
            elif isinstance(decision, Replace):
                self.replace(decision)
            elif isinstance(decision, TradeClosed):
                self.closed.append(decision)

    def replace(self, decision: Replace) -> None:
        """Now and then the broker refuses, or says nothing."""
        member = self.broker.orders[decision.id]
        self.replacements += 1
        assert decision.role is member.role
        if self.replacements % 3 == 0:
            return
        accepted = self.replacements % 3 == 1 and not member.status.final
        if accepted:
            member.price = decision.price
        self.trade.moved(decision.id, accepted)

    def tell(self, member: Member) -> None:
        average = 100.0 if member.filled else None
        word = (member.order, "AAPL", member.side, member.status, member.filled, average, self.now, member.order, "update", member.price)
        self.trade.update(OrderUpdate(*word))

    def poll(self) -> None:
        """Every order as the broker has it, then whatever follows, until nothing follows."""
        for _ in range(6):
            for member in list(self.broker.orders.values()):
                self.tell(member)
            self.act(self.trade.advance(self.now))

    @precondition(lambda self: self.broker.fillable)
    @rule(data=st.data(), heard=st.booleans())
    def some_shares_fill(self, data: st.DataObject, heard: bool) -> None:
        member = data.draw(st.sampled_from(self.broker.fillable))
        # The shares that an exit pair holds are held once: neither leg can sell more than is there.
        room = member.quantity - member.filled if member.role is Role.ENTRY else min(member.quantity - member.filled, abs(self.broker.position))
        if room < 1:
            return
        self.broker.fill(member, data.draw(st.integers(1, room)))
        if heard:
            self.tell(member)
            self.act(self.trade.advance(self.now))

    @rule(data=st.data())
    def the_broker_cancels_something(self, data: st.DataObject) -> None:
        alive = [o for o in self.broker.orders.values() if not o.status.final]
        if alive:
            member = data.draw(st.sampled_from(alive))
            self.broker.cancel(member)
            self.tell(member)
            self.act(self.trade.advance(self.now))

    @rule(data=st.data())
    def an_update_comes_twice(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(list(self.broker.orders.values())))
        before = self.trade.held
        self.tell(member)
        known = self.trade.held
        self.tell(member)
        assert self.trade.held == known
        assert abs(known - before) <= member.quantity
        self.act(self.trade.advance(self.now))

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.act(self.trade.advance(self.now))

    @rule(share=st.floats(0, 1))
    def a_part_is_to_be_sold(self, share: float) -> None:
        self.trade.scale_out(share, "test")
        self.act(self.trade.advance(self.now))

    @rule(away=st.floats(0.5, 5), aim=st.floats(0.5, 8), trail=st.one_of(st.none(), st.floats(0.5, 3)))
    def the_exits_are_moved(self, away: float, aim: float, trail: float | None) -> None:
        sign = self.trade.side.sign
        self.trade.move(100 - sign * away, 100 + sign * aim, trail)
        self.act(self.trade.advance(self.now))

    @rule(price=st.floats(95, 105))
    def the_price_moves(self, price: float) -> None:
        before = self.trade.stop
        moved = self.trade.mark(price)
        assert (self.trade.stop - before) * self.trade.side.sign >= 0
        assert moved == (self.trade.stop != before)
        self.act(self.trade.advance(self.now))

    @rule()
    def it_is_to_be_closed(self) -> None:
        self.trade.close("test")
        self.act(self.trade.advance(self.now))

    @rule()
    def the_truth_is_asked_for(self) -> None:
        self.poll()

    @rule()
    def after_the_patience_and_a_poll_what_is_held_is_protected_or_on_its_way_out(self) -> None:
        for _ in range(4):
            self.now += PATIENCE + AGAIN
            self.poll()
        held = self.broker.position * self.trade.side.sign
        assert held >= 0
        if held and self.trade.stage is Stage.OPEN:
            stops = [o for o in self.broker.orders.values() if o.role is Role.STOP and not o.status.final and not o.held]
            leaving = [o for o in self.broker.orders.values() if o.role is Role.EXIT and not o.status.final]
            assert sum(o.quantity - o.filled for o in (*stops, *leaving)) == held
            assert [o.price for o in stops] == [self.trade.stop] * len(stops)

    @invariant()
    def exits_never_exceed_what_was_bought(self) -> None:
        if hasattr(self, "broker"):
            assert self.broker.position * self.trade.side.sign >= 0

    def teardown(self) -> None:
        """Close it, let everything that works fill, and look: flat, and closed once."""
        if not hasattr(self, "trade"):
            return
        self.trade.close("end")
        for _ in range(8):
            self.now += PATIENCE + AGAIN
            self.poll()
            for member in [m for m in self.broker.fillable if m.role is Role.EXIT]:
                self.broker.fill(member, member.quantity - member.filled)
        self.poll()
        assert self.broker.position == 0
        assert self.trade.stage is Stage.CLOSED
        assert len(self.closed) == (1 if self.trade.entered else 0)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = settings(max_examples=150, stateful_step_count=25)
