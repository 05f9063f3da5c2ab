"""Whatever a client does in whatever market, money and shares are conserved, states change legally and exits never exceed what they protect."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rough import FIRST, LAST, SYMBOLS, rough

from live.sim.alpaca.trading.wire import order_json
from live.sim.clock import MINUTE, SECOND, local
from live.sim.errors import Refusal
from live.sim.venue.fees import NONE, REGULATORY
from live.sim.venue.venue import Venue

REFUSALS = {(403, 40310000), (404, 40410000), (422, 40010001), (422, 42210000)}
REFUSALS = {(403, 40310000), (404, 40410000), (422, 40010001), (422, 42210000)}
FINAL = {"filled", "canceled", "expired", "replaced", "rejected"}
ENDS = {"canceled", "expired"}
LEGAL = {
    None: {"accepted", "pending_new", "held"},
    "accepted": {"pending_new", "new", "pending_cancel", *ENDS},
    "pending_new": {"new", "held", "pending_cancel", "rejected", *ENDS},
    "held": {"new", "pending_cancel", "pending_replace", *ENDS},
    "new": {"partially_filled", "filled", "pending_cancel", "pending_replace", *ENDS},
    "partially_filled": {"filled", "pending_cancel", "pending_replace", *ENDS},
    "pending_cancel": {"filled", *ENDS},
    "pending_replace": {"new", "held", "partially_filled", "filled", "replaced", *ENDS},
}
"""What Alpaca documents of an order's life. What is final leads nowhere."""
TELLS = {
    "accepted": {"accepted"}, "pending_new": {"pending_new"}, "new": {"new"}, "held": {"held"}, "fill": {"filled"},
    "partial_fill": {"partially_filled", "pending_cancel", "pending_replace"}, "canceled": {"canceled"}, "expired": {"expired"},
    "rejected": {"rejected"}, "replaced": {"replaced"}, "pending_cancel": {"pending_cancel"}, "pending_replace": {"pending_replace"},
    "order_cancel_rejected": FINAL, "order_replace_rejected": FINAL | {"new", "held", "partially_filled"},
    "restated": {"new", "held", "pending_cancel", "pending_replace"},
}  # fmt: skip
"""The state an order has when an event is told."""
WAITS = st.sampled_from((0.02, 0.05, 0.1, 0.4, 2.0, 30.0, 200.0, 900.0))
UNTOLD = ("legs", "updated_at", "hwm", "stop_price", "subtag", "source")
"""What may differ from the last event: lists have legs, and a trailing stop follows the market in silence."""


class Ear:
    """Hears what the venue tells; checks each execution against the market of its moment, as long as that is at hand."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.last: dict[str, tuple[str, dict[str, Any]]] = {}
        self.told: dict[str, list[Decimal]] = defaultdict(list)
        venue.desk.audience = self

    def hears(self, *_: Any) -> bool:
        return False

    def watches(self, *_: Any) -> bool:
        return False

    def bars(self, *_: Any) -> None: ...
    def trade(self, *_: Any) -> None: ...
    def halt(self, *_: Any) -> None: ...
    def band(self, *_: Any) -> None: ...
    def amend(self, *_: Any) -> None: ...

    def update(self, event: str, event_id: str, order: Any, fill: Any, *, at: int) -> None:
        assert order.status in TELLS[event], (event, order.status)
        assert (fill is not None) == (event in ("fill", "partial_fill"))
        self.last[order.id] = (event, order_json(order))
        if fill is None:
            return
        self.told[order.id].append(fill.qty)
        assert fill.qty > 0
        assert sum(self.told[order.id]) <= order.filled_qty
        self._inside(order, fill.price, at)

    def _inside(self, order: Any, price: Decimal, at: int) -> None:
        """In its hours, not halted, never beyond the order's limit, and between the lowest bid and the highest ask of the minute traded last."""
        tape, session = self._venue.tape, self._venue.session
        assert order.limit_price is None or (order.limit_price - price) * order.sign >= 0
        assert not tape.halted(order.symbol, at)
        if not order.auction:
            assert session.regular(at) or (order.extended_hours and session.extended(at))
        newest = tape.last(order.symbol, at)
        seen = [trade for trade in tape.path(order.symbol, newest.at - newest.at % MINUTE) if trade.at <= at]
        assert newest.at >= session.early
        assert min(trade.bid for trade in seen) <= price * 10_000 <= max(trade.ask for trade in seen)


class Client(RuleBasedStateMachine):
    """Does anything a client may do, in a market that does not care."""

    @initialize(
        seed=st.integers(0, 3),
        hour=st.sampled_from(((8, 0), (9, 35), (15, 40))),
        pieces=st.sampled_from((0.0, 0.5, 1.0)),
        share=st.sampled_from((None, None, 0.05, 0.5)),
        multiplier=st.sampled_from((1, 2, 4, 4)),
        fees=st.sampled_from((REGULATORY, NONE)),
    )
    def open(self, seed: int, hour: tuple[int, int], pieces: float, share: float | None, multiplier: int, fees: Any) -> None:
        self.venue = Venue(
            rough(seed),
            start=local(FIRST, *hour),
            cash=Decimal(200_000),
            partial_rate=pieces,
            participation=share,
            multiplier=multiplier,
            pays=True,
            fees=fees,
        )
        self.ear = Ear(self.venue)
        self.names = 0

    def _try(self, act: Any, *given: Any, **named: Any) -> None:
        """A refusal is an answer."""
        try:
            act(*given, **named)
        except Refusal as refusal:
            assert (refusal.status, refusal.code) in REFUSALS

    def _near(self, symbol: str, off: float) -> str:
        last = float(self.venue.gate.price(symbol) or 10)
        price = last * (1 + off / 1000)
        return f"{max(price, 0.0001):.{2 if price >= 1 else 4}f}"

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(("buy", "sell")),
        kind=st.sampled_from(("market", "limit", "limit", "stop", "stop_limit", "trailing_stop")),
        family=st.sampled_from(("", "", "bracket", "bracket", "oco", "oto")),
        force=st.sampled_from(("day", "day", "day", "gtc", "gtc", "ioc", "fok", "opg", "cls")),
        amount=st.sampled_from(("1", "3", "10", "100", "470", "0.5", "2.25", "notional")),
        offs=st.tuples(*[st.integers(-30, 30)] * 3),
        wild=st.sampled_from((False, False, False, False, False, False, True)),
        then=WAITS,
    )
    def submit(self, symbol: str, side: str, kind: str, family: str, force: str, amount: str, offs: tuple[int, ...], wild: bool, then: float) -> None:
        """Mostly what can be accepted; `wild` is not."""
        held = self.venue.desk.account.position(symbol)
        if not wild:
            family = family if family != "oco" or held else ""
            side = side if family != "oco" else "sell" if held > 0 else "buy"
            kind = "limit" if family == "oco" or (family and kind != "market") else kind
            amount = amount if not family or amount.isdigit() else "7"
            force = "day" if not amount.isdigit() or (force not in ("day", "gtc") and (family or kind not in ("market", "limit"))) else force
        extended = kind == "limit" and not family and offs[2] > 20 and force in ("day", "gtc")
        sign = (1 if side == "buy" else -1) * (-1 if family == "oco" else 1)
        self.names += 1
        body: dict[str, Any] = {"symbol": symbol, "side": side, "type": kind, "time_in_force": force, "client_order_id": f"own-{self.names}"}
        body |= {"notional": "500"} if amount == "notional" else {"qty": amount}
        if kind in ("limit", "stop_limit"):
            body["limit_price"] = self._near(symbol, offs[0])
        if kind in ("stop", "stop_limit"):
            body["stop_price"] = self._near(symbol, offs[1])
        if kind == "trailing_stop":
            body |= {"trail_percent": "1.5"} if offs[0] > 0 else {"trail_price": "0.05"}
        if extended:
            body["extended_hours"] = True
        if family:
            body |= {"order_class": family, "stop_loss": {"stop_price": self._near(symbol, -sign * (3 + abs(offs[1])))}}
            if offs[2] > 15:
                body["stop_loss"]["limit_price"] = self._near(symbol, -sign * (5 + abs(offs[1])))
            if family != "oto" or offs[2] < -15:
                body["take_profit"] = {"limit_price": self._near(symbol, sign * (3 + abs(offs[2])))}
        self._try(self.venue.submit, body)
        self.wait(then)

    @precondition(lambda self: self.venue.desk.orders)
    @rule(which=st.integers(0, 10), action=st.sampled_from(("cancel", "replace", "replace")), off=st.integers(-30, 30), qty=st.integers(0, 200))
    def amend(self, which: int, action: str, off: int, qty: int) -> None:
        """Of one of the newest orders, whatever its state."""
        among = list(self.venue.desk.orders.values())[-11:] + list(self.venue.desk.open())[-11:]
        order = among[-1 - which % len(among)]
        if action == "cancel":
            self._try(self.venue.cancel, order)
            return
        body: dict[str, Any] = {"qty": qty} if qty and off > 10 else {}
        for field in ("limit_price", "stop_price"):
            if getattr(order, field) is not None and off % 2 and order.type != "trailing_stop":
                body[field] = self._near(order.symbol, off)
        body |= {"trail": "0.08"} if order.type == "trailing_stop" else {"time_in_force": "gtc"} if off < -20 else {}
        self._try(self.venue.replace, order, body)

    @precondition(lambda self: self.venue.desk.account.positions)
    @rule(symbol=st.sampled_from(SYMBOLS), part=st.sampled_from((None, None, 30, 100)))
    def close(self, symbol: str, part: int | None) -> None:
        self._try(self.venue.close, symbol, percentage=None if part is None else Decimal(part))

    @rule(everything=st.booleans())
    def cancel_all(self, everything: bool) -> None:
        self.venue.drop() if everything else self.venue.cancel_all()

    @rule(name=st.sampled_from(("no_shorting", "suspend_trade", "fractional_trading")), on=st.booleans())
    def configure(self, name: str, on: bool) -> None:
        self.venue.configure({"no_shorting": False, "suspend_trade": False, "fractional_trading": True, name: on})

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.venue.advance(self.venue.now + round(seconds * SECOND))

    @rule(moment=st.sampled_from(("open", "open", "open", "close", "settled")))
    def pass_time(self, moment: str) -> None:
        """To just after a turn of the day; over midnight when today's has passed."""
        session = self.venue.session
        at = {"open": session.open, "close": session.close, "late": session.late, "settled": session.late + 16 * MINUTE}[moment]
        if at < self.venue.now and session.date < LAST:
            at = self.venue.world.calendar.after(session.date).open
        self.venue.advance(max(at + SECOND, self.venue.now))

    @invariant()
    def money_and_shares_are_those_of_executions_and_entries(self) -> None:
        account = self.venue.desk.account
        cash, held = account.start, defaultdict(Decimal)
        for fill in account.fills:
            sign = 1 if fill.order.side == "buy" else -1
            cash -= sign * fill.qty * fill.price
            held[fill.order.symbol] += sign * fill.qty
        for entry in account.entries:
            cash += entry.cash
            held[entry.symbol] += entry.qty
        assert cash == account.cash
        assert {symbol: qty for symbol, qty in held.items() if qty} == {symbol: found.qty for symbol, found in account.positions.items()}
        worth = sum((found.qty * (self.venue.gate.price(symbol) or found.average) for symbol, found in account.positions.items()), Decimal(0))
        assert self.venue.gate.valuation().equity == cash + worth
        account.audit()

    @invariant()
    def states_follow_the_documented_graph(self) -> None:
        for order in self.venue.desk.orders.values():
            before = None
            for _, status in order.history:
                assert status in LEGAL.get(before, set()), (before, status)
                before = status
            assert order.status == before
            own = sum(self.ear.told[order.id])
            inherited = order.filled_qty - own and self.venue.desk.orders[order.replaces].filled_qty
            assert order.filled_qty == own + inherited
            assert order.status != "filled" or order.filled_qty == order.qty
            assert order.qty is None or order.filled_qty <= order.qty

    @invariant()
    def exits_never_exceed_what_they_protect(self) -> None:
        account, closing, groups = self.venue.desk.account, defaultdict(Decimal), {}
        for order in self.venue.desk.open():
            if order.group is not None:
                groups[order.group.id] = order.group
            elif order.closing:
                closing[order.symbol, order.sign] += order.claim
        for group in groups.values():
            exits = [order for order in group.exits if order.status not in FINAL]
            sold = sum((order.filled_qty for order in group.exits), Decimal(0))
            if group.entry is not None:
                assert sold <= group.entry.filled_qty
                if group.entry.status != "filled":
                    assert all(not order.working and not order.filled_qty for order in exits)
                    continue
            if exits:
                closing[exits[0].symbol, exits[0].sign] += max(order.claim for order in exits)
        for (symbol, sign), claimed in closing.items():
            assert claimed <= max(-sign * account.position(symbol), Decimal(0)), (symbol, sign, claimed, account.position(symbol))
        for symbol in SYMBOLS:
            assert 0 <= self.venue.desk.free(symbol) <= abs(account.position(symbol))

    @invariant()
    def the_last_event_of_an_order_says_what_a_query_says(self) -> None:
        for order_id, (_, told) in self.ear.last.items():
            shown = order_json(self.venue.desk.orders[order_id])
            assert list(shown) == list(told)
            different = {name for name in shown if shown[name] != told[name]} - set(UNTOLD)
            assert not different, (different, told["status"], shown["status"])

    @invariant()
    def what_is_open_is_listed_and_what_is_over_is_not(self) -> None:
        listed = {order.id for order in self.venue.desk.open()}
        under_way = {order.successor.id for order in self.venue.desk.orders.values() if order.successor is not None}
        assert {order.id for order in self.venue.desk.orders.values() if order.status not in FINAL} == listed | under_way

    def teardown(self) -> None:
        """After the last day nothing that was for a day is left, and the fees are paid."""
        if not hasattr(self, "venue"):
            return
        self.venue.advance(local(LAST, 20, 16))
        self.money_and_shares_are_those_of_executions_and_entries()
        self.states_follow_the_documented_graph()
        self.exits_never_exceed_what_they_protect()
        due = [order for order in self.venue.desk.orders.values() if order.time_in_force != "gtc" and order.expires_at <= self.venue.now]
        assert all(order.status in FINAL for order in due)
        assert self.venue.desk.account.fees.owed == 0


TestClient = Client.TestCase
TestClient.settings = settings(max_examples=40, stateful_step_count=40, derandomize=True)


def play(exchange, client) -> tuple[dict, dict]:
    exchange.step_to(9, 31)
    client.send("AAPL", "buy", 100, client_order_id="a")
    client.send("MSFT", "sell", 20, type="limit", limit_price=1, client_order_id="b")
    exchange.step(0.4)
    body = {"order_class": "bracket", "take_profit": {"limit_price": 2000}, "stop_loss": {"stop_price": 1}}
    client.send("TSLA", "buy", 30, **body)
    for _ in range(20):
        exchange.step(41.5)
    client.raw.delete("/v2/orders")
    exchange.step(3)
    client.raw.delete("/v2/positions?cancel_orders=true")
    exchange.step(5)
    bars = client.raw.get("/v2/stocks/bars?symbols=AAPL,TSLA&timeframe=1Min").json()
    return exchange.books(), bars


def test_two_exchanges_with_the_same_seed_and_requests_agree_to_the_byte(client, generated):
    first, second = (client(generated, partial_rate=0.5) for _ in range(2))
    assert play(first.exchange, first) == play(second.exchange, second)
    assert first.raw.get("/sim/books").content == second.raw.get("/sim/books").content
