"""A position without a working stop is impossible for more than a few seconds while the broker answers.

Checked against the broker's own positions and open orders, by code that shares nothing with the code that places stops. First it tells the engine
to close; where that does not help in time, it acts at the broker by itself, and a record `guard` of each act is on the disk before. It never
believes our own books.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Literal, Protocol

from alpaca.trading.enums import OrderClass, OrderSide, OrderType, PositionIntent, TimeInForce
from alpaca.trading.requests import ClosePositionRequest, LimitOrderRequest, StopLossRequest, TakeProfitRequest

from live.brokers.hearing import Emit, Note
from live.brokers.reading import Held, Resting, Standing
from live.brokers.refusals import is_held
from live.brokers.route import Route
from live.brokers.unknown import is_duplicate
from live.clock import SECOND
from pipelines.core.errors import BrokerError, OrderRejected, Unreachable
from pipelines.core.trading.commands import Close
from pipelines.core.trading.events import Alarm, Command
from pipelines.core.trading.orders import Side, on_tick

ALARM, ACT, ORPHAN = 10 * SECOND, 20 * SECOND, 15 * SECOND
"""How long a position may be naked until the engine is told to close it and until this acts by itself; how long an exit may rest without shares."""

FAR = 0.5
"""Distance of the target that goes with a guard's stop, fraction of the price: as a pair the stop is no wash trade with any other order."""

PREFIX = "guard-"

Policy = Literal["leave", "protect", "close"]


class Broker(Protocol):
    """What the guard needs of a broker."""

    async def urgently(self, call: Callable[[Route], Any]) -> Any:
        """One request past all others; raises BrokerError."""


class Guard:
    """Of one session of one account. `ours` tells the symbols that this session has sent orders in, `external` the shares that are others'."""

    def __init__(
        self,
        broker: Broker,
        *,
        session: date,
        run: str,
        policy: Policy,
        distance: float,
        emit: Emit,
        record: Note,
        ours: Callable[[str], bool],
        external: Callable[[], Mapping[str, int]],
    ) -> None:
        """`distance` of a stop from the price, fraction of it. `record` has what it is told on the disk when it returns."""
        self._broker, self._policy, self._distance = broker, policy, distance
        self._emit, self._record, self._ours, self._external = emit, record, ours, external
        self._name = f"{PREFIX}{session:%Y%m%d}-{run}"
        self._naked: dict[str, int] = {}
        self._surplus: dict[str, int] = {}
        self._told: set[str] = set()
        self._made: dict[str, int] = {}

    async def check(self, found: Standing) -> None:
        """Look at one reading of the account, and do what has to be done about it."""
        gaps = {symbol: gap for symbol in found.held if (gap := self._gap(found, symbol)) > 0}
        self._naked = {symbol: self._naked.get(symbol, found.at) for symbol in gaps}
        self._told &= gaps.keys()
        for symbol, gap in gaps.items():
            await self._naked_for(found, symbol, gap, found.at - self._naked[symbol])
        await self._release(found)

    async def close_out(self, found: Standing, symbol: str, shares: int | None = None) -> None:
        """Cancel what holds the shares, and sell them at the market. Asked again while the position is there: shares are free a moment later."""
        held = found.quantity(symbol)
        for row in found.resting:
            if row.symbol == symbol and row.type != "market" and (row.side is _out(held) or not held):
                await self._cancel(row)
        if held and not any(r.symbol == symbol and r.type == "market" and r.side is _out(held) for r in found.resting):
            part = shares is not None and shares < abs(held)
            how = ClosePositionRequest(qty=str(shares)) if part else None
            await self._try(lambda route: route.close_position(symbol, how), "close", symbol, shares=shares if part else abs(held))

    async def liquidate(self) -> None:
        """The whole account: cancel every order, close every position. Raises BrokerError."""
        await self._act(lambda route: route.close_all_positions(cancel_orders=True), "liquidate")

    def own(self, found: Standing, symbol: str) -> int:
        """Signed shares of this session: without what others hold in the same symbol."""
        return found.quantity(symbol) - self._external().get(symbol, 0) if self._ours(symbol) else 0

    def _gap(self, found: Standing, symbol: str) -> int:
        """Shares that neither a working stop protects nor an order is selling, of those that are our business."""
        held = found.quantity(symbol)
        mine = self.own(found, symbol) if self._policy == "leave" else held
        return abs(mine) - protected(found, symbol, _out(mine)) if mine * held > 0 else 0  # others may hold more of the other side

    async def _naked_for(self, found: Standing, symbol: str, gap: int, age: int) -> None:
        held = found.held[symbol]
        if not self._ours(symbol):
            if age > 0:  # seen twice
                await (self.close_out(found, symbol) if self._policy == "close" else self._protect(found, held, gap))
            return
        if age >= ALARM and symbol not in self._told:
            self._told.add(symbol)
            self._emit(Alarm("NAKED", f"{symbol}: {gap} of {held.quantity} shares have had no working stop for {age // SECOND} s", found.at))
            self._emit(Command(f"naked-{symbol}-{found.at}", Close(symbol), "protection", found.at))
        if age >= ACT:
            await self._protect(found, held, gap)

    async def _protect(self, found: Standing, held: Held, gap: int) -> None:
        """A stop of its own. Where the broker refuses it for good, as when the price is beyond it already, the shares are sold."""
        number = self._made.get(held.symbol, 0) + 1
        name = f"{self._name}-{held.symbol}-{number}"
        try:
            await self._act(lambda route: route.submit_order(pair(name, held, gap, self._distance)), "protect", held.symbol, id=name, shares=gap)
            self._made[held.symbol] = number
            self._emit(Alarm("GUARDED", f"{held.symbol}: {gap} shares got a stop from the guard, {name}", found.at))
        except Unreachable as silence:
            self._emit(Alarm("UNGUARDED", f"{held.symbol}: no answer to the guard's stop: {silence}", found.at))
        except OrderRejected as refusal:
            if is_duplicate(refusal):
                self._made[held.symbol] = number
                return
            self._emit(Alarm("UNGUARDED", f"{held.symbol}: the guard's stop was refused: {refusal.message}", found.at))
            if not is_held(refusal) and refusal.status != 429:
                await self.close_out(found, held.symbol, gap)

    async def _release(self, found: Standing) -> None:
        """Never more is on its way out than is held: exits beyond that are cancelled, the guard's own first."""
        exits = [r for r in found.resting if r.closes and r.armed and r.type != "market" and (self._ours(r.symbol) or r.client_id.startswith(PREFIX))]
        over = {r.symbol for r in exits if leaving(found, r.symbol, r.side) > max(_position(found, r), 0)}
        self._surplus = {symbol: self._surplus.get(symbol, found.at) for symbol in over}
        for symbol, since in self._surplus.items():
            rows = [r for r in exits if r.symbol == symbol]
            guards = [r for r in rows if r.client_id.startswith(PREFIX)]
            if found.at - since < ORPHAN:
                continue
            self._emit(Alarm("OVERPROTECTED", f"{symbol}: exits for more shares than are held ({found.quantity(symbol)})", found.at))
            for row in guards or (rows if not found.quantity(symbol) else []):
                await self._cancel(row)

    async def _cancel(self, row: Resting) -> None:
        await self._try(lambda route: route.cancel_order_by_id(row.id), "cancel", row.symbol, order=row.id, id=row.client_id)

    async def _try(self, call: Callable[[Route], Any], act: str, symbol: str, **more: object) -> None:
        """What is refused now is asked again at the next reading."""
        try:
            await self._act(call, act, symbol, **more)
        except BrokerError as error:
            self._record("guard", {"act": act, "symbol": symbol, "error": str(error)})

    async def _act(self, call: Callable[[Route], Any], act: str, symbol: str = "", **more: object) -> None:
        """One request at the broker, written down before. Raises BrokerError."""
        self._record("guard", {"act": act, "symbol": symbol, **more})
        await self._broker.urgently(call)


def protected(found: Standing, symbol: str, out: Side) -> int:
    """Shares with a working stop, and shares that are being sold already."""
    rows = [r for r in found.resting if r.symbol == symbol and r.side is out and r.armed and r.status != "pending_cancel"]
    return sum(r.left for r in rows if r.stop or r.type == "market")


def leaving(found: Standing, symbol: str, out: Side) -> int:
    """Shares that would go if every exit filled; of a pair only one does."""
    pairs: dict[str, int] = {}
    for row in found.resting:
        if row.symbol == symbol and row.side is out and row.closes and row.armed:
            pairs[row.pair] = max(pairs.get(row.pair, 0), row.left)
    return sum(pairs.values())


def pair(name: str, held: Held, shares: int, distance: float) -> LimitOrderRequest:
    """A stop at a distance below (above, for a short) the price, and far away a target to go with it."""
    sign = 1 if held.quantity > 0 else -1
    stop = on_tick(held.price * (1 - sign * distance), toward=sign)
    target = on_tick(held.price * (1 + sign * FAR), toward=-sign)
    side = _out(held.quantity)
    return LimitOrderRequest(
        symbol=held.symbol,
        qty=shares,
        side=OrderSide(side.value),
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.OCO,
        limit_price=target,
        client_order_id=name,
        position_intent=PositionIntent(f"{side}_to_close"),
        take_profit=TakeProfitRequest(limit_price=target),
        stop_loss=StopLossRequest(stop_price=stop),
    )


def _out(held: int) -> Side:
    """The side that closes a position."""
    return Side.SELL if held > 0 else Side.BUY


def _position(found: Standing, row: Resting) -> int:
    """Shares that an exit may take; below zero where it would open a position."""
    return -found.quantity(row.symbol) * row.side.sign
