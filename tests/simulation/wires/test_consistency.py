"""Over the sockets: whatever is sent, REST and the stream of events tell the same story, in the documented shapes."""

import json
from collections import defaultdict
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import httpx
import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rough import FIRST, rough
from websockets.sync.client import connect

from live.sim.embedded import Exchange

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
SILENT = {"legs", "hwm", "stop_price", "subtag", "source"}
"""Lists have no legs, and a trailing stop follows the market without a word."""
CODES = {(403, 40310000), (404, 40410000), (422, 40010001), (422, 42210000)}


class Conversation(RuleBasedStateMachine):
    """One exchange, one REST client and one listener."""

    @initialize(seed=st.integers(0, 3), pieces=st.sampled_from((0.0, 1.0)))
    def open(self, seed: int, pieces: float) -> None:
        self.stack = ExitStack()
        self.exchange = self.stack.enter_context(Exchange(rough(seed), day=FIRST, start=(9, 40), partial_rate=pieces))
        self.rest = self.stack.enter_context(httpx.Client(base_url=self.exchange.url, headers=KEYS, trust_env=False))
        self.socket = self.stack.enter_context(connect(self.exchange.trading_stream, proxy=None))
        for message, answer in (
            ({"action": "auth", "key": "SIM", "secret": "SIM"}, "authorization"),
            ({"action": "listen", "data": {"streams": ["trade_updates"]}}, "listening"),
        ):
            self.socket.send(json.dumps(message))
            assert json.loads(self.socket.recv(timeout=5))["stream"] == answer
        self.heard = 0
        self.last: dict[str, dict[str, Any]] = {}
        self.bought: dict[str, Decimal] = defaultdict(Decimal)
        self.executions: list[str] = []

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = self.rest.request(method, path, json=body)
        assert answer.status_code in (200, 204, 207) or (answer.status_code, answer.json()["code"]) in CODES, answer.text

    @rule(
        side=st.sampled_from(("buy", "sell")),
        kind=st.sampled_from(("market", "limit", "stop", "trailing_stop", "bracket", "bracket", "oto")),
        force=st.sampled_from(("day", "gtc", "ioc")),
        qty=st.integers(1, 50),
        off=st.integers(-20, 20),
        seconds=st.sampled_from((0.1, 2.0, 120.0)),
    )
    def submit(self, side: str, kind: str, force: str, qty: int, off: int, seconds: float) -> None:
        quote = self.rest.get("/v2/stocks/AAA/trades/latest").json()["trade"]["p"]
        sign = 1 if side == "buy" else -1
        body: dict[str, Any] = {"symbol": "AAA", "side": side, "qty": qty, "type": "market", "time_in_force": force}
        if kind in ("limit", "stop"):
            body |= {"type": kind, f"{kind}_price": f"{quote * (1 + off / 1000):.2f}"}
        if kind == "trailing_stop":
            body |= {"type": kind, "trail_percent": "1"}
        if kind in ("bracket", "oto"):
            body |= {"order_class": kind, "stop_loss": {"stop_price": f"{quote * (1 - sign * (5 + abs(off)) / 1000):.2f}"}}
        if kind == "bracket":
            body["take_profit"] = {"limit_price": f"{quote * (1 + sign * (5 + abs(off)) / 1000):.2f}"}
        self._ask("POST", "/v2/orders", body)
        self.exchange.step(seconds)

    @rule(which=st.integers(0, 9), action=st.sampled_from(("DELETE", "PATCH")), off=st.integers(-20, 20))
    def amend(self, which: int, action: str, off: int) -> None:
        rows = self.rest.get("/v2/orders", params={"limit": 10, "status": "open" if off % 3 else "all"}).json()
        if not rows:
            return
        row = rows[which % len(rows)]
        price = next((name for name in ("limit_price", "stop_price") if row[name] is not None), "limit_price")
        change = {"trail": "1.2"} if row["type"] == "trailing_stop" else {price: f"{float(row[price] or 100) * (1 + off / 1000):.2f}"}
        self._ask(action, f"/v2/orders/{row['id']}", change if action == "PATCH" else None)

    @rule(path=st.sampled_from(("/v2/positions/AAA", "/v2/positions?cancel_orders=true", "/v2/orders")))
    def end(self, path: str) -> None:
        self._ask("DELETE", path)

    @rule(seconds=st.sampled_from((0.05, 0.3, 5.0, 600.0, 30_000.0)))
    def step(self, seconds: float) -> None:
        self.exchange.step(seconds)

    @invariant()
    def events_and_queries_agree(self) -> None:
        count = self.exchange.step(0)["sent"]["trading"]
        for _ in range(count - self.heard):
            self._hear(json.loads(self.socket.recv(timeout=5)))
        self.heard = count
        rows = {row["id"]: row for row in self.rest.get("/v2/orders", params={"status": "all", "limit": 500}).json()}
        for order_id, told in self.last.items():
            shown = rows[order_id]
            assert list(shown) == [*list(told)[:33], "subtag", "source", *[name for name in list(told)[33:] if name != "cancel_requested_at"]]
            assert {name for name in shown if name not in SILENT and shown[name] != told[name]} == set()
        assert {row["id"] for row in rows.values() if row["status"] not in ("held", "pending_new")} <= set(self.last)
        fills = self.rest.get("/v2/account/activities/FILL").json()
        assert [row["id"].partition("::")[2] for row in fills] == self.executions[::-1][:100]
        shares = {row["symbol"]: Decimal(row["qty"]) for row in self.rest.get("/v2/positions").json()}
        assert shares == {symbol: qty for symbol, qty in self.bought.items() if qty}

    def _hear(self, message: dict[str, Any]) -> None:
        data = message["data"]
        order = data["order"]
        self.last[order["id"]] = order
        assert order["legs"] is None
        if data["event"] in ("fill", "partial_fill"):
            self.executions.append(data["execution_id"])
            self.bought[order["symbol"]] += Decimal(data["qty"]) * (1 if order["side"] == "buy" else -1)
            assert Decimal(data["position_qty"]) == self.bought[order["symbol"]]

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=5, stateful_step_count=20, derandomize=True)
