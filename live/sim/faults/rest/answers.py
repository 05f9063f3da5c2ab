"""Answers that say something else than the books: hidden and stale orders, missing fields, strange values, blocked accounts, a clock that is off."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from live.sim.alpaca.trading.days import clock_json, stamp
from live.sim.clock import DAY, new_york, parse
from live.sim.faults.fault import Fault
from live.sim.faults.fields import change, remove
from live.sim.faults.rest.stale import rewound
from live.sim.venue.venue import Venue


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that has not been sent yet, with what was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def says(self, content: Any, status: int = 200) -> "Shown":
        return replace(self, status=status, body=encoded(content), headers=[(b"content-type", b"application/json")])

    @property
    def content(self) -> Any:
        """The JSON it holds; None when it is none, or an error."""
        if self.status >= 300 or not self.body:
            return None
        with contextlib.suppress(ValueError):
            return json.loads(self.body)
        return None


def encoded(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _hidden(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    """404 while the order is younger than that; in lists it is missing."""
    content, since = shown.content, venue.now - fault.seconds()
    if isinstance(content, list):
        return shown.says([row for row in content if not _young(row, since)], shown.status)
    if not _young(content, since):
        return shown
    name = shown.query.get("client_order_id", [shown.path.rsplit("/", 1)[-1]])[0]
    return shown.says({"code": 40410000, "message": f"order not found for {name}"}, 404)


def _young(row: Any, since: int) -> bool:
    with contextlib.suppress(ValueError):  # another fault may have spoiled it
        return isinstance(row, dict) and isinstance(row.get("created_at"), str) and parse(row["created_at"]) > since
    return False


def _stale(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    content = shown.content
    if content is None:
        return shown
    status, limit = shown.query.get("status", ["open"])[0], shown.query.get("limit", ["50"])[0]
    return shown.says(rewound(content, venue, venue.now - fault.seconds(), status=status, limit=int(limit) if limit.isdigit() else 50))


def _empty(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    content = shown.content
    if isinstance(content, dict) and shown.path.startswith("/v2/positions/"):
        return shown.says({"code": 40410000, "message": "position does not exist"}, 404)
    return shown.says([] if isinstance(content, list) else {})


def _remove(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    content = shown.content
    remove(content, fault.give["field"])
    return shown if content is None else shown.says(content, shown.status)


def _set(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    content = shown.content
    change(content, fault.give["field"], fault.give["to"])
    return shown if content is None else shown.says(content, shown.status)


def _blocked(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    """The account says so itself, except when it is closing only: then only its status does."""
    content = shown.content
    if shown.path != "/v2/account" or not isinstance(content, dict):
        return shown
    flags: dict[str, dict[str, Any]] = {
        "account": {"account_blocked": True, "trading_blocked": True},
        "trading": {"trading_blocked": True},
        "closing": {"status": "LIMITED"},
    }
    return shown.says({**content, **flags[fault.give["mode"]]})


def _skew(fault: Fault, shown: Shown, venue: Venue) -> Shown:
    """All four fields as they would be at the wrong time; the newer clock of several markets stays right."""
    if shown.content is None or shown.path != "/v2/clock":
        return shown
    sessions = venue.world.calendar.sessions
    now = min(max(venue.now + fault.seconds(), sessions[0].midnight), sessions[-2].midnight)
    return shown.says(clock_json(venue.world.calendar, now))


def _closed(fault: Fault | None, shown: Shown, venue: Venue) -> Shown:
    """After an unscheduled close: the clock says closed until the next session, the calendar names the minute."""
    content, session = shown.content, venue.session
    if shown.path == "/v2/clock" and isinstance(content, dict) and session.close <= venue.now < session.midnight + DAY:
        following = venue.world.calendar.after(session.date)
        return shown.says({**content, "is_open": False, "next_open": stamp(following.open), "next_close": stamp(following.close)})
    if shown.path == "/v2/calendar" and isinstance(content, list):
        rows = [{**row, "close": f"{new_york(session.close):%H:%M}"} if row.get("date") == session.date.isoformat() else row for row in content]
        return shown.says(rows)
    return shown


ANSWERS: dict[str, Callable[[Any, Shown, Venue], Shown]] = {
    "rest.hidden": _hidden,
    "rest.stale": _stale,
    "rest.empty": _empty,
    "rest.remove": _remove,
    "rest.set": _set,
    "rest.blocked": _blocked,
    "clock.skew": _skew,
    "clock.close": _closed,
}
