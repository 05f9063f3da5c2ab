"""The venue's books: every order ever sent, which of them are open, and the one door through which their states change and become known."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from live.sim.venue.account import Account, Fill, held_quantity
from live.sim.venue.agenda import Agenda
from live.sim.venue.orders import ZERO, Group, Order
from live.sim.worlds.halts import Change
from live.sim.worlds.slips import Slip
from live.sim.worlds.tape import Print
from live.sim.worlds.world import Bars

if TYPE_CHECKING:  # faults know the venue, which only knows that there may be some; feeds speak to an audience
    from live.sim.faults.points import Meddler
    from live.sim.venue.feed import Feed

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EVENTS = {"partially_filled": "partial_fill", "filled": "fill"}


class Audience(Protocol):
    """Who hears of the market and of order events; it must copy what it needs at once, orders go on changing."""

    def hears(self, feed: "Feed") -> bool:
        """Whether anybody listens to it at all."""
        ...

    def watches(self, feed: "Feed", symbol: str) -> bool:
        """Whether anybody wants single trades or quotes of it."""
        ...

    def bars(self, feed: "Feed", rows: list[tuple[str, Bars, int]]) -> None: ...
    def trade(self, feed: "Feed", symbol: str, trade: Print) -> None: ...
    def halt(self, symbol: str, change: Change) -> None: ...
    def band(self, symbol: str, prices: tuple[int, int]) -> None:
        """Lower and upper price band, out of turn."""
        ...

    def amend(self, feed: "Feed", symbol: str, slip: Slip, bars: Bars, row: int) -> None:
        """What was told of that minute at first was wrong; `bars` hold what is right."""
        ...

    def update(self, event: str, event_id: str, order: Order, fill: Fill | None, *, at: int) -> None: ...


class Desk:
    """Orders and account of the one client."""

    def __init__(self, account: Account, agenda: Agenda, *, seed: int) -> None:
        self.account = account
        self.agenda = agenda
        self.seed = seed
        self.orders: dict[str, Order] = {}
        self.by_client: dict[str, Order] = {}
        self.audience: Audience | None = None
        self.meddler: Meddler | None = None
        self._open: dict[str, dict[str, Order]] = {}
        self._ids = Random(f"{seed}:ids")
        self._numbered = 0

    def id(self) -> str:
        """The next id of the seeded series, in the form of a version 4 UUID."""
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    def draws(self) -> Random:
        """Each order draws its latencies and pieces from its own series: what one does never shifts another's."""
        return Random(f"{self.seed}:order:{self._numbered}")

    def number(self) -> int:
        """Orders are numbered as they arrive, legs after their parent."""
        self._numbered += 1
        return self._numbered

    def open(self, symbol: str | None = None) -> Iterator[Order]:
        """Open orders in order of arrival within a symbol; a copy, so that orders may end meanwhile."""
        if symbol is not None:
            return iter(list(self._open.get(symbol, {}).values()))
        return iter([order for orders in self._open.values() for order in orders.values()])

    def working(self, symbol: str) -> bool:
        return any(order.working for order in self._open.get(symbol, {}).values())

    def free(self, symbol: str, *, apart: Group | None = None) -> Decimal:
        """Shares of the position that no open exit holds, but for those of one group; without sign."""
        position = self.account.position(symbol)
        exits = (order for order in self.open(symbol) if apart is None or order.group is not apart)
        return abs(position) - held_quantity(symbol, position, exits)

    def enter(self, order: Order, status: str, *, live: bool = True) -> None:
        """Put a new order on the books. `live` is False for a replacement that has not replaced anything yet."""
        self.orders[order.id] = order
        self.by_client[order.client_order_id] = order
        order.move(status, self.agenda.now)
        if live:
            self.expose(order)

    def expose(self, order: Order) -> None:
        """From now on the order counts: it holds shares and reserves buying power."""
        self._open.setdefault(order.symbol, {})[order.id] = order

    def move(self, order: Order, status: str, *, silent: bool = False) -> None:
        """Change a state and tell it under the event of the same name."""
        order.move(status, self.agenda.now)
        if order.final:
            self._open.get(order.symbol, {}).pop(order.id, None)
        if not silent:
            self.tell(_EVENTS.get(status, status), order)

    def fill(self, order: Order, qty: Decimal, price: Decimal) -> Fill:
        """Book an execution and tell it. While a cancel or replace travels, the state stays until the order is full."""
        at = self.agenda.now
        order.filled_qty += qty
        order.filled_value += qty * price
        position = self.account.book(order, qty, price)
        done = not order.remaining
        if done or order.status not in ("pending_cancel", "pending_replace"):
            self.move(order, "filled" if done else "partially_filled", silent=True)
        else:
            order.updated_at = at
        fill = Fill(self.id(), order, at, price, qty, position, order.status, order.filled_qty, max(order.remaining, ZERO))
        self.account.fills.append(fill)
        self.tell("fill" if done else "partial_fill", order, fill)
        return fill

    def tell(self, event: str, order: Order, fill: Fill | None = None) -> None:
        event_id = self._ulid()
        if self.audience is not None:
            self.audience.update(event, event_id, order, fill, at=self.agenda.now)
        if self.meddler is not None:
            self.meddler.told(event, order)

    def group(self, kind: str) -> Group:
        return Group(self.id(), kind)

    def _ulid(self) -> str:
        value = (self.agenda.now // 1_000_000) << 80 | self._ids.getrandbits(80)
        return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -5, -5))
