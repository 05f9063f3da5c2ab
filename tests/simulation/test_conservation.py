"""Whatever a client does, money and shares are conserved, states change legally and exits never exceed what they protect; and it repeats exactly."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.sim.clock import SECOND, local
from live.sim.errors import Refusal
from live.sim.venue.orders import FINAL
from live.sim.venue.venue import Venue
from live.sim.worlds.recorded import RecordedWorld

DAY = date(2026, 11, 20)
SYMBOLS = ("AAA", "BBB")


@pytest.fixture(scope="session")
def jumpy(tmp_path_factory):
    """Two symbols that cross their orders' prices all the time."""
    begin = datetime(2026, 11, 20, 9, 30, tzinfo=ZoneInfo("America/New_York"))
    rows = []
    for rank, symbol in enumerate(SYMBOLS):
        last = 100.0
        for n in range(390):
            close = 100.0 + ((n * (7 + rank * 4)) % 13 - 6) * 0.37
            rows.append((symbol, begin + timedelta(minutes=n), last, max(last, close) + 0.2, min(last, close) - 0.2, close, 900 + n))
            last = close
    names = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    path = tmp_path_factory.mktemp("jumpy") / "minutes.parquet"
    pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").dt.convert_time_zone("UTC")).write_parquet(path)
    return RecordedWorld(minutes=[path])


SUBMIT = st.tuples(
    st.just("submit"),
    st.sampled_from(SYMBOLS),
    st.sampled_from(("buy", "sell")),
    st.sampled_from(("market", "limit", "stop", "stop_limit", "trailing_stop")),
    st.sampled_from(("", "bracket", "oco", "oto")),
    st.integers(1, 300),
    st.integers(-30, 30),
    st.sampled_from(("day", "gtc", "ioc", "fok", "cls")),
)
ACT = st.tuples(st.sampled_from(("cancel", "replace", "close", "cancel_all", "drop")), st.integers(0, 40), st.integers(-30, 30))
STEP = st.tuples(st.just("step"), st.sampled_from((0.02, 0.1, 0.5, 3.0, 45.0, 300.0)))


def perform(venue: Venue, action: tuple) -> None:
    """One action of a client; refusals are answers too."""
    try:
        if action[0] == "step":
            venue.advance(venue.now + round(action[1] * SECOND))
        elif action[0] == "submit":
            venue.submit(ticket(*action[1:]))
        elif action[0] == "cancel_all":
            venue.cancel_all()
        elif action[0] == "drop":
            venue.drop()
        elif action[0] == "close":
            venue.close(SYMBOLS[action[1] % 2], percentage=Decimal(50) if action[2] > 0 else None)
        elif venue.desk.orders:
            order = list(venue.desk.orders.values())[action[1] % len(venue.desk.orders)]
            if action[0] == "cancel":
                venue.cancel(order)
            else:
                field = "limit_price" if order.limit_price is not None else "stop_price"
                venue.replace(order, {field: str(100 + action[2] * 0.1)[:6], "client_order_id": None})
    except Refusal:
        pass


def ticket(symbol: str, side: str, kind: str, family: str, qty: int, offset: int, force: str) -> dict:
    near = Decimal(100) + Decimal(offset) / 10
    sign = 1 if side == "buy" else -1
    body: dict = {"symbol": symbol, "side": side, "type": kind, "qty": qty, "time_in_force": force}
    if kind in ("limit", "stop_limit"):
        body["limit_price"] = str(near)
    if kind in ("stop", "stop_limit"):
        body["stop_price"] = str(near)
    if kind == "trailing_stop":
        body["trail_price"] = "0.8"
    if family:
        away = Decimal("1.3") * (sign if family != "oco" else -sign)
        body |= {"order_class": family, "type": "limit" if family == "oco" else kind}
        body["stop_loss"] = {"stop_price": str(near - away)}
        if family != "oto":
            body["take_profit"] = {"limit_price": str(near + away)}
    return body


def check(venue: Venue) -> None:
    account = venue.desk.account
    account.audit()
    account.recount()
    venue.gate.valuation()
    for symbol in SYMBOLS:
        assert 0 <= venue.desk.free(symbol) <= abs(account.position(symbol))
    for order in venue.desk.orders.values():
        assert order.qty is None or 0 <= order.filled_qty <= order.qty
        assert (order.status == "filled") == (order.filled_qty == order.qty) or order.status in ("replaced", "canceled", "rejected")
        assert order.status in FINAL or order.status in {
            "accepted", "pending_new", "new", "held", "partially_filled", "pending_cancel", "pending_replace",
        }  # fmt: skip
        group = order.group
        if group is not None and group.entry is not None:
            sold = sum((member.filled_qty for member in group.exits), Decimal(0))
            assert sold <= group.entry.filled_qty
            if group.entry.status != "filled":
                assert all(member.filled_qty == 0 for member in group.exits)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.one_of(SUBMIT, SUBMIT, STEP, ACT), min_size=5, max_size=40), rate=st.sampled_from((0.0, 0.5, 1.0)))
def test_books_balance_and_groups_never_exceed_their_entry(jumpy, actions, rate):
    venue = Venue(jumpy, start=local(DAY, 9, 35), cash=Decimal(200_000), partial_rate=rate)
    for action in actions:
        perform(venue, action)
        check(venue)
    venue.advance(local(DAY, 16, 0) + SECOND)
    check(venue)
    assert all(order.time_in_force == "gtc" or order.status in FINAL for order in venue.desk.orders.values())


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
