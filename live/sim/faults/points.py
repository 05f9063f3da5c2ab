"""Where faults reach into the exchange: every injection point, and what the venue lets a meddler decide.

| point     | called from                         | an occurrence is                           | facts, beside those of the order |
|-----------|-------------------------------------|--------------------------------------------|-------------------------|
| handshake | server, before a websocket opens    | one connection attempt                     | stream                  |
| entry     | tap, the answer to credentials      | one authentication that would succeed      | stream, type            |
| subscribe | tap, the answer to a subscription   | one acknowledgement                        | stream, type            |
| frame     | tap, on `Line.put`                  | one message to one client                  | stream, type            |
| request   | server, before the route runs       | one REST request that has been let in      | method, path            |
| answer    | server, after the route ran         | the answer to one REST request             | method, path            |
| arrival   | matching, an order reaches the book | one order                                  | type                    |
| attempt   | matching, before any fill           | one order, however often it is looked at   | type                    |
| touch     | matching, a price was found         | the first time an order would be filled    | type                    |
| pair      | matching, one exit was filled       | the other exit, about to be cancelled      | type                    |
| cancel    | venue, a cancel was accepted        | one cancel request                         | type                    |
| replace   | venue, a replacement lands          | one replace request                        | type                    |
| event     | desk, an order event is told        | one order event                            | type, event             |
| moment    | agenda                              | the time `at`, and `every` after it        |                         |

Facts of the order: symbol, client_order_id, role, side, state; of a request that names one too.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from live.sim.venue.orders import Order


class Point(StrEnum):
    """Names of the table above."""

    HANDSHAKE = "handshake"
    ENTRY = "entry"
    SUBSCRIBE = "subscribe"
    FRAME = "frame"
    REQUEST = "request"
    ANSWER = "answer"
    TOUCH = "touch"
    ARRIVAL = "arrival"
    ATTEMPT = "attempt"
    PAIR = "pair"
    CANCEL = "cancel"
    REPLACE = "replace"
    EVENT = "event"
    MOMENT = "moment"


class Meddler(Protocol):
    """What the venue asks while at least one fault concerns orders; without one it asks nobody."""

    def blocks(self, order: "Order") -> bool:
        """Whether the order must not be filled now."""
        ...

    def arrives(self, order: "Order") -> None: ...

    def touches(self, order: "Order") -> bool:
        """The market would fill it: True when its executions are dictated instead."""
        ...

    def spares(self, order: "Order", other: "Order") -> bool:
        """Whether the pair's other exit stays although this one was filled."""
        ...

    def cancels(self, order: "Order", delay: int) -> int:
        """Nanoseconds until the cancel lands."""
        ...

    def rejects(self, old: "Order") -> bool:
        """Whether a replacement that was accepted fails."""
        ...

    def told(self, event: str, order: "Order") -> None: ...


def facts_of(order: "Order") -> dict[str, str]:
    """What faults of matching can be aimed by."""
    facts = {"symbol": order.symbol, "client_order_id": order.client_order_id, "side": order.side, "state": order.status, "type": order.type}
    return {**facts, "role": order.role} if order.role else facts
