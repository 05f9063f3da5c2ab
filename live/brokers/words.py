"""What Alpaca says of orders, as events. Any single word may be lost, repeated or come late: the sum of them says the same.

The broker names orders by ids of its own. Ours are the client order ids of what we sent, `<id>/target` and `<id>/stop` for the legs; an order that
was replaced hands its name on to its successor.
"""

from collections.abc import Iterable
from typing import Any

from live.brokers.forms import STOPS
from live.clock import Clock
from pipelines.core.trading.events import Action, Answer, Event, OrderUpdate, Outcome
from pipelines.core.trading.orders import Order, Role, Side, Status, leg

STATUSES = {
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
    "replaced": Status.CANCELED,
    "expired": Status.EXPIRED,
    "done_for_day": Status.EXPIRED,
    "rejected": Status.REJECTED,
}
"""Alpaca's final statuses; every other, also one that we have never heard of, means that the order lives."""

REPLACE_FAILED = "order_replace_rejected"

Body = dict[str, Any]
"""An order as Alpaca's JSON has it."""


class Words:
    """The names of orders, and what was last heard of each. Raises KeyError, TypeError or ValueError for what cannot be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.sent: dict[str, Order] = {}
        """Every order of this session that was or may have been sent, by our id."""
        self.symbols: set[str] = set()
        """What they are in."""
        self._names: dict[str, str] = {}  # broker's id -> ours
        self._ids: dict[str, str] = {}  # ours -> broker's id of the order that carries it now
        self._followed: set[str] = set()  # broker's ids of orders that were replaced
        self._clients_of_ours: set[str] = set()  # client order ids that the broker gave to legs and successors of ours
        self._clients: dict[str, str] = {}  # broker's id -> client order id, of every order
        self._newest: dict[str, str] = {}  # broker's id -> when it was last changed, of what was heard
        self._told: dict[str, tuple[object, ...]] = {}  # broker's id -> what was last told of it

    def expect(self, order: Order) -> None:
        """This order is about to be sent, or was by a run that died."""
        self.sent[order.id] = order
        self.symbols.add(order.symbol)

    def is_ours(self, client_id: str) -> bool:
        """Whether an order with this client order id is one of ours, a leg of one, or a successor."""
        return client_id in self.sent or client_id in self._clients_of_ours

    def id_of(self, name: str) -> str | None:
        """The broker's id of what carries our name; None where the broker has not been heard of it."""
        return self._ids.get(name)

    def holder(self, broker_id: str) -> str | None:
        """Whose order this is: our name for it, or the client order id; None where it was never heard of."""
        return self._names.get(broker_id) or self._clients.get(broker_id)

    def knows(self, broker_id: str) -> bool:
        """Whether an order of this id was heard of, ours or not."""
        return broker_id in self._newest

    def ours(self, body: Body) -> str | None:
        """Our name for an order: by its id, by the id that we gave it, or by that of the order that it replaces."""
        if body["id"] in self._names:
            return self._names[body["id"]]
        if body["client_order_id"] in self.sent:
            return str(body["client_order_id"])
        return self._names.get(body.get("replaces") or "")

    def tell(self, body: Body, event: str) -> Iterable[Event]:
        """All that an order with its legs says that is news."""
        yield from self._one(body, event)
        for member in body.get("legs") or []:
            yield from self._one(member, event)

    def name(self, body: Body) -> None:
        """Learn the broker's ids of an order of ours and of its legs."""
        ours = self.ours(body)
        if ours is None:
            return
        self._bind(ours, body)
        for member in body.get("legs") or []:
            is_stop = member["type"] in STOPS
            self._bind(leg(ours, Role.STOP if is_stop else Role.TARGET), member)

    def successor(self, name: str, body: Body) -> None:
        """A replacement was taken: its order carries the name from now on, unless that is taken back."""
        before = self._ids.get(name)
        if before is not None and before != body["id"]:
            self._followed.add(before)
        self._names[body["id"]], self._ids[name] = name, body["id"]

    def _bind(self, name: str, body: Body) -> None:
        """`name` belongs to this order, or belonged to it before a replacement."""
        known = body["id"] in self._names
        self._names[body["id"]] = name
        if body["status"] == "replaced":
            self._followed.add(body["id"])
            if body.get("replaced_by") and self._ids.get(name, body["id"]) == body["id"]:
                self._names[body["replaced_by"]], self._ids[name] = name, body["replaced_by"]
        elif name not in self._ids:
            self._ids[name] = body["id"]
        elif not known and body.get("replaces") == self._ids[name]:
            self.successor(name, body)

    def _one(self, body: Body, event: str) -> Iterable[Event]:
        self.name({**body, "legs": None})
        changed = _stamp(body["updated_at"]) if body.get("updated_at") else self._newest.get(body["id"], "")
        if changed < self._newest.get(body["id"], "") and event != REPLACE_FAILED:
            return  # said before something that was heard already
        self._newest[body["id"]] = changed
        self._clients[body["id"]] = body["client_order_id"]
        name = self._names.get(body["id"])
        if name is not None:
            self._clients_of_ours.add(body["client_order_id"])
        if name is None:
            yield from self._update(body, body["client_order_id"], event)
        elif body["id"] == self._ids[name]:
            yield from self._current(body, name, event)
        elif body["id"] in self._followed:
            yield from self._former(body, name, event)

    def _current(self, body: Body, name: str, event: str) -> Iterable[Event]:
        """Of the order that carries the name. A successor that was refused gives it back."""
        if body["status"] == "replaced":
            return
        before = body.get("replaces")
        if body["status"] == "rejected" and before in self._followed:
            yield from self._back(str(before), name, event)
            return
        yield from self._update(body, name, event)

    def _former(self, body: Body, name: str, event: str) -> Iterable[Event]:
        """Of an order that was to be replaced: what it has filled counts, and it may have outlived its replacement."""
        ended = body["status"] in STATUSES and body["status"] != "replaced"
        if ended or event == REPLACE_FAILED:
            yield from self._back(body["id"], name, event)
            yield from self._update(body, name, event)
        elif int(float(body["filled_qty"])):
            yield from self._update({**body, "status": "pending_replace", "stop_price": None, "limit_price": None}, name, event)

    def _back(self, broker_id: str, name: str, event: str) -> Iterable[Event]:
        """The name goes back to the order that had it before."""
        self._followed.discard(broker_id)
        self._ids[name] = broker_id
        yield Answer(name, Action.REPLACE, Outcome.REJECTED, self._clock.now(), message=f"{event}: the old order lives on or has ended by itself")

    def _update(self, body: Body, name: str, event: str) -> Iterable[Event]:
        average = body.get("filled_avg_price")
        update = OrderUpdate(
            id=name,
            symbol=body["symbol"],
            side=Side(body["side"]),
            status=STATUSES.get(body["status"], Status.WORKING),
            filled=int(float(body["filled_qty"] or 0)),
            average=float(average) if average is not None else None,
            at=self._clock.now(),
            broker_id=body["id"],
            event=event,
            price=_resting(body),
        )
        news = (update.status, update.filled, update.average, update.price)
        if self._told.get(body["id"]) != news:
            self._told[body["id"]] = news
            yield update


def _resting(body: Body) -> float | None:
    """The price that an order rests at: a stop's trigger, a limit order's limit."""
    price = body.get("stop_price") or body.get("limit_price")
    return float(price) if price is not None else None


def _stamp(text: str) -> str:
    """RFC 3339 in UTC with a fraction of any length, so that texts compare as their times do."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
