"""Faults that happen at a moment, or when an order event is told: halts, jumps, closes, orders of somebody else, words out of turn."""

import dataclasses
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

from live.sim.clock import DAY, rfc3339
from live.sim.errors import Refusal
from live.sim.faults.bent import Bend, BentWorld
from live.sim.faults.points import Point, facts_of
from live.sim.faults.registry import Active, Registry
from live.sim.polygon.markets import PLACES, first, market
from live.sim.polygon.streams.messages import band
from live.sim.venue.orders import Order
from live.sim.venue.venue import Venue
from live.sim.worlds.halts import Halt

if TYPE_CHECKING:  # they ask each other
    from live.sim.faults.streams.taps import Tap

_OPEN_END = 2**62
_REASONS = {
    "T1": "Halt - News Pending",
    "T2": "Halt - News Dissemination",
    "T5": "Single Stock Trading Pause",
    "T12": "Halt - Additional Information Requested",
    "LUDP": "Volatility Trading Pause",
    "LUDS": "Volatility Trading Pause - Straddle Condition",
    "M": "Volatility Trading Pause",
}
"""Words of the reason codes of a halt."""
FIRST = -1  # in the agenda: before anything else of that moment


@dataclasses.dataclass(frozen=True, slots=True)
class _Standing:
    """A halt that has not ended."""

    bend: Bend
    halts: list[Halt]


class Timed:
    """Over one venue, its world and the lines that are open."""

    def __init__(self, venue: Venue, world: BentWorld, registry: Registry) -> None:
        self._venue = venue
        self._world = world
        self._registry = registry
        self._halts: dict[str, _Standing] = {}
        self._since = venue.now  # from when on prices can be changed
        self.taps: list[Tap] = []
        self.closed: Callable[[], None] = lambda: None
        """Told when the market has closed unscheduled."""

    def plan(self, active: Active) -> None:
        """Enter a fault's moment into the agenda: `at`, the begin of its window, or now."""
        when = active.fault.when
        if active.fault.points == (Point.MOMENT,):
            self._enter(active, next((at for at in (when.at, when.start) if at is not None), self._venue.now))

    def follow(self, active: Active, order: Order) -> None:
        """Act `seconds` after an event, on that very order where the kind is about orders."""
        delay = active.fault.seconds()
        self._venue.agenda.at(self._venue.now + delay, FIRST, partial(self._do, active, order, early=delay > 0))

    def end(self, active: Active) -> None:
        """A fault was removed: what it began ends."""
        if active.id in self._halts:
            self._resume(active, early=False)

    def _enter(self, active: Active, at: int) -> None:
        self._venue.agenda.at(at, FIRST, partial(self._moment, active))

    def _moment(self, active: Active) -> None:
        now, when = self._venue.now, active.fault.when
        if self._registry.acts(active, Point.MOMENT, {name: ",".join(patterns) for name, patterns in active.fault.where.items()}):
            delay = active.fault.seconds()
            if delay:
                self._venue.agenda.at(now + delay, FIRST, partial(self._do, active, None, early=True))
            else:
                self._do(active, None, early=now > active.added)
        again = now + when.every
        if when.every and active.alive and not active.spent and (when.until is None or again < when.until):
            self._enter(active, again)

    def _do(self, active: Active, order: Order | None, *, early: bool) -> None:
        """`early` when nothing else of this moment has happened: a minute that starts now can still be changed."""
        self._since = self._venue.now if early else self._venue.now + 1
        _ACTIONS[active.fault.name](self, active, order)

    def _symbols(self, active: Active, order: Order | None) -> tuple[str, ...]:
        """Those it is aimed at: all without an aim, the order's own after its event."""
        return (order.symbol,) if order is not None else active.fault.where.get("symbol", ("*",))

    def _each(self, symbols: tuple[str, ...]) -> list[str]:
        return [symbol for symbol in self._world.assets if any(fnmatchcase(symbol, pattern) for pattern in symbols)]

    # Orders

    def cancel(self, active: Active, order: Order | None) -> None:
        """Only this order, whatever group it is in, unless its family is to go with it."""
        give = active.fault.give
        for found in [order] if order is not None else self._aimed(active):
            victim = getattr(found.group, give["leg"]) if give["leg"] and found.group is not None else found
            if victim is None or victim.final or victim.status == "pending_replace":
                continue
            if give["family"]:
                self._venue.matching.end(victim, "canceled")
            else:
                self._venue.desk.move(victim, "canceled", silent=give["silent"])
            self._registry.note(active, Point.MOMENT, {"order": victim.id, "symbol": victim.symbol})

    def _aimed(self, active: Active) -> list[Order]:
        return [order for order in self._venue.desk.open() if active.fault.fits(facts_of(order))]

    def manual(self, active: Active, order: Order | None) -> None:
        """Refusals are entered in the log: somebody else's order is checked like ours."""
        for _ in range(active.fault.give["copies"]):
            try:
                sent = self._venue.submit(dict(active.fault.give["order"]))
                self._registry.note(active, Point.MOMENT, {"order": sent.id, "symbol": sent.symbol})
            except Refusal as refusal:
                self._registry.note(active, Point.MOMENT, {"refused": refusal.message})

    # The market

    def jump(self, active: Active, order: Order | None) -> None:
        self._move(self._symbols(active, order), active.fault.give["percent"])

    def _move(self, symbols: tuple[str, ...], percent: float) -> None:
        self._bend(Bend(symbols, self._since, 1 + percent / 100))

    def _bend(self, bend: Bend) -> None:
        self._world.bend(bend)
        self._venue.day.recast()

    def halt(self, active: Active, order: Order | None) -> None:
        """Fills stop at once, the tape with the running minute."""
        if active.id in self._halts:
            return
        symbols, lasts = self._each(self._symbols(active, order)), active.fault.seconds("lasts")
        bend = Bend(tuple(symbols), self._since, None)
        halts = [Halt(symbol, self._venue.now, _OPEN_END, volatile=False) for symbol in symbols]
        self._halts[active.id] = _Standing(bend, halts)
        self._venue.tape.halts = [*self._venue.tape.halts, *halts]
        self._bend(bend)
        self._status(symbols, ("H", "2"), "Trading Halt", active.fault.give["reason"])
        if lasts:
            self._venue.agenda.at(self._venue.now + lasts, FIRST, partial(self._resume, active, early=True))

    def _resume(self, active: Active, *, early: bool) -> None:
        standing = self._halts.pop(active.id, None)
        if standing is None:
            return
        self._since = self._venue.now if early else self._venue.now + 1
        self._world.straighten(standing.bend, self._since)
        self._venue.tape.halts = [halt for halt in self._venue.tape.halts if halt not in standing.halts]
        if active.fault.give["gap"]:
            self._move(standing.bend.symbols, active.fault.give["gap"])
        self._venue.day.recast()
        self._status(standing.bend.symbols, ("T", "3"), "Trading Resumption", active.fault.give["reason"])
        self._registry.note(active, Point.MOMENT, {"symbols": list(standing.bend.symbols)}, did="resumed")

    def _status(self, symbols: Sequence[str], codes: tuple[str, str], text: str, reason: str) -> None:
        """The code of a Nasdaq listing (tape C), and that of all others. Polygon has no such message."""
        for symbol in symbols:
            tape = self._world.assets[symbol].tape
            said = {"sc": codes[0] if tape == "C" else codes[1], "sm": text, "rc": reason, "rm": _REASONS.get(reason, "")}
            self._tell("market", {"T": "s", "S": symbol, **said, "t": rfc3339(self._venue.now), "z": tape})

    def luld(self, active: Active, order: Order | None) -> None:
        now, width = self._venue.now, active.fault.give["percent"] / 100
        for symbol in self._each(self._symbols(active, order)):
            price, asset = self._venue.gate.price(symbol), self._world.assets[symbol]
            if price is None:
                continue
            up, down = round(float(price) * (1 + width), 2), round(float(price) * (1 - width), 2)
            self._tell("market", {"T": "l", "S": symbol, "u": up, "d": down, "i": "B", "t": rfc3339(now), "z": asset.tape})
            number = first(self._venue.session.midnight, now) + PLACES - 1
            self._tell("polygon", band(symbol, market(asset), high=up, low=down, moment=now, number=number))

    def close(self, active: Active, order: Order | None) -> None:
        """The session ends now: day orders expire, nothing trades until the next one."""
        session, now = self._venue.session, self._venue.now
        if not session.regular(now):
            return
        self._venue.tape.session = dataclasses.replace(session, close=now)
        self._bend(Bend(("*",), self._since, None, session.midnight + DAY))
        for open_order in self._venue.desk.open():
            if not open_order.final and now < open_order.expires_at <= session.late:
                self._venue.matching.end(open_order, "expired")
        self.closed()

    # Streams

    def say(self, active: Active, order: Order | None) -> None:
        for tap in self._reached(active):
            if tap.hears(active.fault.give["message"]):
                tap.say(dict(active.fault.give["message"]))

    def hang_up(self, active: Active, order: Order | None) -> None:
        for tap in self._reached(active):
            tap.end(active.fault)

    def _tell(self, stream: str, message: dict[str, Any]) -> None:
        """Market data to those who asked for its kind; other faults may strike it."""
        self.taps = [tap for tap in self.taps if tap.open]
        for tap in self.taps:
            if tap.stream == stream and tap.hears(message):
                tap.tell(message)

    def _reached(self, active: Active) -> "list[Tap]":
        self.taps = [tap for tap in self.taps if tap.open]
        patterns = active.fault.where.get("stream", ("*",))
        return [tap for tap in self.taps if any(fnmatchcase(tap.stream, pattern) for pattern in patterns)]


_ACTIONS: dict[str, Callable[[Timed, Active, Order | None], None]] = {
    "match.cancel": Timed.cancel,
    "match.manual": Timed.manual,
    "match.jump": Timed.jump,
    "match.halt": Timed.halt,
    "match.luld": Timed.luld,
    "clock.close": Timed.close,
    "stream.say": Timed.say,
    "stream.close": Timed.hang_up,
}
