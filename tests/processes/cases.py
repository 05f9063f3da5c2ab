"""What each tool is asked in tests, whatever the door: what is done, refused with numbers, not understood; and why some are never refused."""

import re
from typing import Any, NamedTuple

import httpx
from manned import Manned

from live.tools.catalogue import Entry

BUY = {"symbol": "AAA", "side": "buy", "quantity": 100, "stop_loss_price": 95.0, "take_profit_price": 110.0}


class Case(NamedTuple):
    """What a tool is asked: a request that is done, one that is refused (status, code and, of a limit, its numbers), one that makes no sense."""

    done: dict[str, Any]
    answered: dict[str, Any]
    """What the answer holds."""
    bad: dict[str, Any]
    refused: dict[str, Any] | None = None
    no: tuple[int, str] | None = None
    held: bool = False
    """It needs a position first."""


PERIOD = {"start_date": "yesterday"}
CASES: dict[str, Case] = {
    "scan_symbols": Case({"limit": 5}, {"symbols": []}, {"limit": 0}, {"market_cap_min": 1.0}, (422, "NO_MARKET_CAP")),
    "enter_trade": Case(
        BUY, {"outcome": "approved", "quantity": 100, "broker": "accepted"}, BUY | {"stop_price": 95.0}, BUY | {"quantity": 20_000},
        (409, "POSITION_SIZE"),
    ),
    "manage_trade": Case(
        {"symbol": "AAA", "action": "adjust_stop", "new_stop_price": 97.0}, {"outcome": "done", "stop": 97.0},
        {"symbol": "AAA", "action": "adjust_stop", "trail_amount": 1.0}, {"symbol": "BBB", "action": "trail_stop", "trail_amount": 1.0},
        (404, "NOTHING_HELD"), held=True,
    ),
    "close_symbol": Case({"symbol": "BBB"}, {"flat": "yes", "symbols": []}, {"symbol": "A" * 40}, {"symbol": "AAA", "quantity": 500},
                         (422, "MORE_THAN_HELD"), held=True),
    "flat_all": Case({}, {"flat": "yes"}, {"wait": 1000}),
    "record_trade": Case({"event_type": "note", "symbol": "AAA", "reason": "seen"}, {"detail": "in the journal"}, {"symbol": "AAA"}),
    "halt": Case({}, {"state": "halted"}, {"wait": -1}),
    "resume": Case({}, {"state": "active"}, {"wait": "soon"}),
    "release": Case({"strategy": "manual"}, {"outcome": "done"}, {}, {"strategy": "nobody"}, (404, "UNKNOWN_STRATEGY")),
    "healthcheck": Case({}, {"ok": True, "account": "PA"}, {"x": 1}),
    "risk_status": Case({}, {"state": "active", "max_daily_loss": 0.05}, {"x": 1}),
    "positions": Case({}, {"positions": []}, {"x": 1}),
    "orders": Case({"status": "all"}, {}, {"status": "some"}),
    "explain": Case({"id": "AAA"}, {}, {"id": "§"}, {"id": "ZZZ"}, (404, "NOT_FOUND"), held=True),
    "candidates": Case({"outcome": "entered"}, {"running": True}, {"outcome": "some"}),
    "account": Case({}, {"number": "PA"}, {"x": 1}),
    "trade_log": Case({"limit": 2}, {}, {"cursor": "first"}),
    "limits": Case({}, {}, {"x": 1}),
    "preview": Case(BUY, {"outcome": "approved", "quantity": 100}, BUY | {"side": "up"}, BUY | {"symbol": "ZZZ"}, (404, "BRIEFING")),
    "feeds": Case({}, {"leading": "sip"}, {"x": 1}),
    "events": Case({"after": 0, "limit": 3}, {"missed": False}, {"after": -1}),
    "performance": Case({}, {}, PERIOD),
    "risk": Case({}, {}, PERIOD),
    "execution": Case({}, {}, PERIOD),
    "optimization": Case({}, {}, PERIOD),
    "strategy": Case({"strategy": "manual"}, {}, {"strategy": "manual"} | PERIOD, {"strategy": "nobody"}, (404, "UNKNOWN_STRATEGY")),
    "trades": Case({"symbol": "AAA"}, {}, {"limit": 5000}),
    "sync": Case({}, {"snapshot": None}, {"x": 1}),
}  # fmt: skip

UNREFUSED: dict[str, str] = {
    "flat_all": "what reduces risk is never refused",
    "halt": "what reduces risk is never refused",
    "resume": "only after the daily loss, before the account is known and after the close: a session of its own tests that",
    "record_trade": "a note changes nothing",
} | dict.fromkeys(
    (
        "healthcheck", "risk_status", "positions", "orders", "account", "trade_log", "candidates", "limits", "feeds", "events", "performance", "risk",
        "execution", "optimization", "trades", "sync",
    ),
    "it looks at what there is, and nothing is an answer too",
)  # fmt: skip
"""Tools without a refusal, and why."""


def asked(client: httpx.Client, entry: Entry, request: dict[str, Any], key: str | None = None) -> httpx.Response:
    """Ask a tool: parts of its path, then query or body."""
    names = re.findall(r"{(\w+)", entry.path)
    path = re.sub(r"{(\w+)(:path)?}", lambda found: str(request[found[1]]), entry.path)
    rest = {name: value for name, value in request.items() if name not in names}
    if entry.method == "GET":
        return client.get(path, params=rest)
    return client.post(path, json=rest, headers={"Idempotency-Key": key} if key else {})


def prepared(session: Manned, case: Case) -> None:
    if case.held:
        assert session.post("/tools/enter_trade", BUY).json()["outcome"] == "approved"
        session.step(3)
        assert session.books.positions["AAA"] == 100
