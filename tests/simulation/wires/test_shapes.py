"""Every answer and every stream message, key by key: order, JSON types and null rules as Alpaca's protocol states them, on raw JSON.

Types: d decimal string, s string, t time in UTC, o time with New York's offset, y date, u uuid, n number, i whole number, b boolean,
null only null, x anything. A `?` after a type allows null; a key that ends in `?` may be absent.
"""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgpack
import polars as pl
import pytest
from websockets.sync.client import connect

from live.sim.alpaca.streams.market import Plan
from live.sim.embedded import Exchange
from live.sim.venue.fees import NONE
from live.sim.worlds.actions import read
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld

DAY = date(2026, 11, 20)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
DECIMAL = re.compile(r"^-?\d+(\.\d*[1-9])?$")
UTC = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")
OFFSET = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?-0[45]:00$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def uuid(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


TYPES: dict[str, Any] = {
    "d": lambda value: isinstance(value, str) and DECIMAL.match(value),
    "s": lambda value: isinstance(value, str),
    "t": lambda value: isinstance(value, str) and UTC.match(value),
    "o": lambda value: isinstance(value, str) and OFFSET.match(value),
    "y": lambda value: isinstance(value, str) and DATE.match(value),
    "u": uuid,
    "n": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "i": whole,
    "b": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "x": lambda value: True,
}


def columns(text: str) -> dict[str, Any]:
    """`a b:d c:s?` is a of the type before it ... every key carries its type after a colon."""
    return {key: kind for key, _, kind in (part.rpartition(":") for part in text.split())}


def faults(shape: Any, value: Any, where: str = "$") -> list[str]:
    """What is wrong with a value, by path. A list shape holds the shape of every row, and wants one at least."""
    if isinstance(shape, str):
        if value is None and shape.endswith("?"):
            return []
        return [] if TYPES[shape.rstrip("?")](value) else [f"{where}: {value!r} is no {shape}"]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: {value!r} is no filled array"]
        return [fault for n, row in enumerate(value) for fault in faults(shape[0], row, f"{where}[{n}]")]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    if "*" in shape:  # any keys, one shape
        return [fault for key, row in value.items() for fault in faults(shape["*"], row, f"{where}.{key}")] or ([] if value else [f"{where}: empty"])
    expected = [key.rstrip("?") for key in shape if not key.endswith("?") or key.rstrip("?") in value]
    wrong = [] if list(value) == expected else [f"{where}: keys {list(value)} instead of {expected}"]
    return wrong + [
        fault for key, each in shape.items() if key.rstrip("?") in value for fault in faults(each, value[key.rstrip("?")], f"{where}.{key}")
    ]


ACCOUNT = columns(
    "id:u account_number:s status:s crypto_status:s currency:s created_at:t balance_asof:y cash:d equity:d last_equity:d portfolio_value:d"
    " accrued_fees:d pending_transfer_in:d pending_reg_taf_fees:d intraday_adjustments:d buying_power:d effective_buying_power:d"
    " regt_buying_power:d non_marginable_buying_power:d options_buying_power:d multiplier:d long_market_value:d short_market_value:d"
    " position_market_value:d initial_margin:d maintenance_margin:d last_maintenance_margin:d sma:d trading_blocked:b transfers_blocked:b"
    " account_blocked:b trade_suspended_by_user:b shorting_enabled:b options_approved_level:i options_trading_level:i crypto_tier:i"
    " admin_configurations:x user_configurations:null"
)
SETTINGS = columns(
    "disable_overnight_trading:b fractional_trading:b max_margin_multiplier:s no_shorting:b suspend_trade:b trade_confirm_email:s"
    " ptp_no_exception_entry:b max_options_trading_level:i"
)
ASSET = columns(
    "id:u class:s exchange:s symbol:s name:s status:s tradable:b marginable:b shortable:b easy_to_borrow:b fractionable:b borrow_status:s"
    " maintenance_margin_requirement:n margin_requirement_long:d margin_requirement_short:d attributes:x"
)
ORDER = columns(
    "id:u client_order_id:s created_at:t updated_at:t submitted_at:t filled_at:t? expired_at:t? canceled_at:t? failed_at:t? replaced_at:t?"
    " replaced_by:u? replaces:u? asset_id:u symbol:s asset_class:s notional:d? qty:d? filled_qty:d filled_avg_price:d? order_class:s"
    " order_type:s type:s side:s position_intent:s time_in_force:s limit_price:d? stop_price:d? status:s extended_hours:b legs:null"
    " trail_percent:d? trail_price:d? hwm:d? subtag:null source:null expires_at:t"
)
MEMBER = {**ORDER, "group_id": "u", "group_role": "s"}
FAMILY = {**MEMBER, "legs": [MEMBER]}
ANY_ORDER = {**ORDER, "legs": "x", "group_id?": "u", "group_role?": "s"}
POSITION = columns(
    "asset_id:u symbol:s exchange:s asset_class:s asset_marginable:b qty:d qty_available:d avg_entry_price:d side:s market_value:d cost_basis:d"
    " unrealized_pl:d unrealized_plpc:d unrealized_intraday_pl:d unrealized_intraday_plpc:d current_price:d lastday_price:d change_today:d"
)
FILL = columns("id:s activity_type:s transaction_time:t type:s price:d qty:d side:s symbol:s leaves_qty:d order_id:u cum_qty:d order_status:s")
HISTORY = {
    "timestamp": ["i"], "equity": ["n?"], "profit_loss": ["n?"], "profit_loss_pct": ["n?"], "base_value": "n", "base_value_asof": "y?",
    "timeframe": "s", "cashflow": "x",
}  # fmt: skip
CLOCK = columns("timestamp:o is_open:b next_open:o next_close:o")
CALENDAR = columns("date:y open:s close:s session_open:s session_close:s settlement_date:y")
MARKET = columns("mic:s acronym:s name:s timezone:s")
CLOCK3 = {"market": MARKET, **columns("timestamp:o is_market_day:b next_market_open:o next_market_close:o phase:s phase_until:o")}
DAY3 = columns("date:y core_start:o core_end:o pre_start:o pre_end:o post_start:o post_end:o")
LIST = columns("id:u account_id:u created_at:t updated_at:t name:s")
BAR = columns("t:t o:n h:n l:n c:n v:i n:i vw:n")
TRADE = {**columns("t:t x:s p:n s:i"), "c": ["s"], **columns("i:i z:s")}
QUOTE = {**columns("t:t ax:s ap:n as:i bx:s bp:n bs:i"), "c": ["s"], "z": "s"}
SNAPSHOT = {"latestTrade": TRADE, "latestQuote": QUOTE, "minuteBar": BAR, "dailyBar": BAR, "prevDailyBar": BAR}
ACTIVE = columns("symbol:s volume:i trade_count:i")
MOVER = columns("symbol:s percent_change:n change:n price:n")
ERROR = columns("code:i message:s")
PLAIN = {"message": "s"}
TOKEN = {"next_page_token": "s?"}

ANSWERS: list[tuple[str, int, Any]] = [
    ("GET /v2/account", 200, ACCOUNT),
    ("GET /v2/account/configurations", 200, SETTINGS),
    ("PATCH /v2/account/configurations {}", 200, SETTINGS),
    ("GET /v2/account/portfolio/history", 200, HISTORY),
    ("GET /v2/account/portfolio/history?period=1D&timeframe=5Min&pnl_reset=no_reset&intraday_reporting=extended_hours", 200, HISTORY),
    ("GET /v2/account/activities", 200, [FILL]),
    ("GET /v2/account/activities/FILL", 200, [FILL]),
    ("GET /v2/clock", 200, CLOCK),
    ("GET /v2/calendar?start=2026-11-20&end=2026-11-30", 200, [CALENDAR]),
    ("GET /v3/clock?markets=NYSE", 200, {"clocks": [CLOCK3]}),
    ("GET /v3/calendar/NYSE", 200, {"market": MARKET, "calendar": [DAY3]}),
    ("GET /v2/assets", 200, [ASSET]),
    ("GET /v2/assets/AAPL", 200, ASSET),
    ("GET /v2/positions", 200, [POSITION]),
    ("GET /v2/positions/AAPL", 200, POSITION),
    ("GET /v2/orders?status=all", 200, [{**ANY_ORDER, "legs": "null"}]),
    ("GET /v2/orders?status=all&nested=true", 200, [ANY_ORDER]),
    ("GET /v2/orders:by_client_order_id?client_order_id=plain", 200, ORDER),
    ('POST /v2/orders {"symbol":"KO","qty":1,"side":"buy","type":"limit","time_in_force":"day","limit_price":1}', 200, ORDER),
    ('POST /v2/orders {"symbol":"KO","notional":5,"side":"buy","type":"market","time_in_force":"day"}', 200, ORDER),
    (
        'POST /v2/orders {"symbol":"KO","qty":1,"side":"buy","type":"limit","time_in_force":"gtc","limit_price":2,"order_class":"bracket",'
        '"take_profit":{"limit_price":9},"stop_loss":{"stop_price":1}}',
        200,
        FAMILY,
    ),
    ("POST /v2/orders nonsense", 400, ERROR),
    ("POST /v2/orders {}", 422, ERROR),
    ('POST /v2/orders {"symbol":"NOPE","qty":1,"side":"buy","type":"market","time_in_force":"day"}', 422, ERROR),
    (
        'POST /v2/orders {"symbol":"SPY","qty":100000,"side":"buy","type":"market","time_in_force":"day"}',
        403,
        {**ERROR, "buying_power": "d", "cost_basis": "d"},
    ),
    (
        'POST /v2/orders {"symbol":"AAPL","qty":500,"side":"sell","type":"market","time_in_force":"day"}',
        403,
        {**ERROR, "symbol": "s", "existing_qty": "d", "held_for_orders": "d", "available": "d", "related_orders": "x"},
    ),
    (
        'POST /v2/orders {"symbol":"GE","qty":1,"side":"sell","type":"market","time_in_force":"day"}',
        403,
        {**ERROR, "existing_order_id": "u", "reject_reason": "s"},
    ),
    (
        'POST /v2/orders {"symbol":"DUK","qty":1,"side":"buy","type":"limit","time_in_force":"day","limit_price":50,"order_class":"bracket",'
        '"take_profit":{"limit_price":49},"stop_loss":{"stop_price":40}}',
        422,
        {**ERROR, "base_price": "d"},
    ),
    ("GET /v2/orders/none", 404, ERROR),
    ("DELETE /v2/orders/none", 404, ERROR),
    ("GET /v2/positions/KO", 404, ERROR),
    ("GET /v2/assets/NOPE", 404, ERROR),
    ("GET /v2/nothing", 404, ERROR),
    ("PUT /v2/account", 405, ERROR),
    ('POST /v2/watchlists {"name":"mine","symbols":["AAPL","KO"]}', 200, {**LIST, "assets": [ASSET]}),
    ("GET /v2/watchlists", 200, [LIST]),
    ("GET /v2/watchlists:by_name?name=mine", 200, {**LIST, "assets": [ASSET]}),
    ("GET /v2/watchlists/none", 404, ERROR),
    ("GET /v2/stocks/bars?symbols=AAPL,KO&timeframe=1Min", 200, {"bars": {"*": [BAR]}, **TOKEN}),
    ("GET /v2/stocks/AAPL/bars?timeframe=1Min", 200, {"bars": [BAR], "symbol": "s", **TOKEN}),
    ("GET /v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=1&currency=USD", 200, {"bars": {"*": [BAR]}, "next_page_token": "s", "currency": "s"}),
    ("GET /v2/stocks/trades?symbols=AAPL,KO", 200, {"trades": {"*": [TRADE]}, **TOKEN}),
    ("GET /v2/stocks/AAPL/trades", 200, {"trades": [TRADE], "symbol": "s", **TOKEN}),
    ("GET /v2/stocks/quotes?symbols=AAPL,KO", 200, {"quotes": {"*": [QUOTE]}, **TOKEN}),
    ("GET /v2/stocks/AAPL/quotes", 200, {"quotes": [QUOTE], "symbol": "s", **TOKEN}),
    ("GET /v2/stocks/bars/latest?symbols=AAPL", 200, {"bars": {"*": BAR}}),
    ("GET /v2/stocks/trades/latest?symbols=AAPL", 200, {"trades": {"*": TRADE}}),
    ("GET /v2/stocks/quotes/latest?symbols=AAPL", 200, {"quotes": {"*": QUOTE}}),
    ("GET /v2/stocks/AAPL/bars/latest", 200, {"symbol": "s", "bar": BAR}),
    ("GET /v2/stocks/AAPL/trades/latest", 200, {"symbol": "s", "trade": TRADE}),
    ("GET /v2/stocks/AAPL/quotes/latest", 200, {"symbol": "s", "quote": QUOTE}),
    ("GET /v2/stocks/snapshots?symbols=AAPL,KO", 200, {"*": SNAPSHOT}),
    ("GET /v2/stocks/AAPL/snapshot", 200, {"symbol": "s", **SNAPSHOT}),
    ("GET /v2/stocks/bars?symbols=AAPL", 400, PLAIN),
    ("GET /v2/stocks/bars?symbols=AAPL&timeframe=1Day&adjustment=none", 400, PLAIN),
    ("GET /v2/stocks/NOPE/trades/latest", 404, PLAIN),
    ("GET /v2/stocks/meta/exchanges", 200, {"*": "s"}),
    ("GET /v2/stocks/meta/conditions/trade?tape=A", 200, {"*": "s"}),
    ("GET /v2/stocks/meta/conditions/quote?tape=C", 200, {"*": "s"}),
    ("GET /v2/stocks/meta/conditions/trade", 400, PLAIN),
    ("GET /v1beta1/screener/stocks/most-actives?by=trades&top=3", 200, {"most_actives": [ACTIVE], "last_updated": "t"}),
    ("GET /v1beta1/screener/stocks/movers", 200, {"gainers": [MOVER], "losers": [MOVER], "market_type": "s", "last_updated": "t"}),
    ("GET /v1beta1/news?symbols=AAPL&limit=50", 200, {"news": "x", "next_page_token": "null"}),
    ("GET /v1beta1/news?limit=51", 400, PLAIN),
    ("GET /v1/corporate-actions?symbols=AAPL", 200, {"corporate_actions": "x", "next_page_token": "null"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def wire(generated):
    """An exchange with a long, a short and a fractional position, resting orders and a minute of executions."""
    with Exchange(generated, day=DAY, partial_rate=0.0) as exchange, httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False) as raw:
        exchange.step_to(9, 31)
        for symbol, side, qty, more in (
            ("AAPL", "buy", 10, {"client_order_id": "plain"}),
            ("MSFT", "sell", 2, {}),
            ("JPM", "buy", 0.5, {}),
            ("GE", "buy", 1, {"type": "limit", "limit_price": 1}),
        ):
            body = {"symbol": symbol, "side": side, "qty": qty, "type": "market", "time_in_force": "day", **more}
            assert raw.post("/v2/orders", json=body).status_code == 200
        exchange.step_to(9, 40)
        yield raw


@pytest.mark.parametrize(
    ("call", "status", "shape"), ANSWERS, ids=[f"{n}-{call.partition('{')[0].strip()[:70]}" for n, (call, _, _) in enumerate(ANSWERS)]
)
def test_answers_have_exactly_the_documented_keys_types_and_nulls(wire, call, status, shape):
    method, path, *rest = call.split(" ", 2)
    answer = wire.request(method, path, content=rest[0] if rest else None)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"]
    assert faults(shape, answer.json()) == []


def test_rate_limit_headers_are_on_every_answer(wire):
    for path in ("/v2/account", "/v2/stocks/AAPL/snapshot", "/v2/nothing"):
        headers = wire.get(path).headers
        assert all(headers[f"x-ratelimit-{name}"].isdigit() for name in ("limit", "remaining", "reset"))


def test_answers_without_a_body_and_answers_in_rows(client, market):
    trader = client(market({"AAA": [100.0] * 60, "BBB": [50.0] * 60}))
    trader.exchange.step_to(9, 31)
    for symbol in ("AAA", "BBB"):
        trader.send(symbol, "buy", 4)
    trader.exchange.step(5)
    held = trader.send("AAA", "sell", 4, type="limit", limit_price=200, time_in_force="gtc")
    trader.exchange.step(5)
    assert faults([{"id": "u", "status": "i"}], trader.raw.delete("/v2/orders").json()) == []
    trader.exchange.step(5)
    one = trader.send("AAA", "sell", 4, type="limit", limit_price=200)
    trader.exchange.step(5)
    moved = trader.raw.patch(f"/v2/orders/{one['id']}", json={"limit_price": 201})
    assert (moved.status_code, faults(ORDER, moved.json())) == (200, [])
    closed = trader.raw.delete("/v2/positions")
    assert closed.status_code == 207
    refused, done = closed.json()
    assert faults({"symbol": "s", "status": "i", "body": ORDER}, done) == []
    assert (refused["symbol"], refused["status"], refused["body"]["code"]) == ("AAA", 403, 40310000)
    gone = trader.raw.delete(f"/v2/orders/{held['id']}")
    assert (gone.status_code, faults(ERROR, gone.json())) == (422, [])
    trader.exchange.step(5)
    ended = trader.raw.delete(f"/v2/orders/{moved.json()['id']}")
    assert (ended.status_code, ended.content) == (204, b"")
    trader.exchange.step(5)
    assert faults(ORDER, trader.raw.delete("/v2/positions/AAA").json()) == []


TIMED = columns("T:s S:s o:n h:n l:n c:n v:i n:i vw:n t:t")
MESSAGES: dict[str, Any] = {
    "t": {**columns("T:s S:s i:i x:s p:n s:i t:t"), "c": ["s"], "z": "s"},
    "q": {**columns("T:s S:s bx:s bp:n bs:i ax:s ap:n as:i t:t"), "c": ["s"], "z": "s"},
    "b": TIMED,
    "u": TIMED,
    "d": TIMED,
    "s": columns("T:s S:s sc:s sm:s rc:s rm:s t:t z:s"),
    "l": columns("T:s S:s u:n d:n i:s t:t z:s"),
    "c": {**columns("T:s S:s x:s oi:i op:n os:i"), "oc": ["s"], **columns("ci:i cp:n cs:i"), "cc": ["s"], "t": "t", "z": "s"},
    "x": columns("T:s S:s i:i x:s p:n s:i a:s t:t z:s"),
}
EVERYTHING = {name: ["*"] for name in ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")}


@pytest.fixture(scope="module")
def lively():
    """A generated market with a halt before eleven, and the day it happens on."""
    for ahead in range(200):
        day = DAY + timedelta(days=ahead)
        world = GeneratedWorld(day=day, seed=7, halts=True)
        session = world.calendar.find(day)
        if session is not None and any(halt.end < session.open + 90 * 60 * 10**9 for halt in world.halts(day)):
            return world, day
    raise AssertionError("no halt in two hundred days")


@pytest.mark.parametrize("packed", [False, True])
def test_stream_messages_have_exactly_the_documented_keys_and_types(opened, lively, packed):
    world, day = lively
    exchange = opened(world, day=day, slip_rate=0.05, plan=Plan(connections=0), start=(9, 29))
    seen: dict[str, dict[str, Any]] = {}
    headers = {"Content-Type": "application/msgpack"} if packed else {}
    with connect(exchange.stream, additional_headers={**KEYS, **headers}, proxy=None, max_size=None) as socket:
        for expected in ("connected", "authenticated"):
            (said,) = decoded(socket.recv(timeout=5), packed=packed)
            assert said == {"T": "success", "msg": expected}
        names = {**EVERYTHING, "trades": ["AAPL", "SPY"], "quotes": ["AAPL"]}
        socket.send(json.dumps({"action": "subscribe", **names}))
        (echo,) = decoded(socket.recv(timeout=5), packed=packed)
        assert list(echo) == ["T", *EVERYTHING, "corrections", "cancelErrors"]
        assert echo["corrections"] == echo["cancelErrors"] == echo["trades"] == ["AAPL", "SPY"]
        socket.send(json.dumps({"action": "subscribe", "corrections": ["*"], "cancelErrors": ["*"]}))
        socket.recv(timeout=5)
        for minute in range(90):
            if len(seen) == len(MESSAGES):
                break
            sent = exchange.clock()["sent"]["market"]
            wanted = exchange.step_to(9 + (31 + minute) // 60, (31 + minute) % 60)["sent"]["market"] - sent
            while wanted:
                rows = decoded(socket.recv(timeout=5), packed=packed)
                wanted -= len(rows)
                for row in rows:
                    assert faults(MESSAGES[row["T"]], row) == []
                    seen.setdefault(row["T"], row)
    assert set(seen) == set(MESSAGES)


def decoded(frame: str | bytes, *, packed: bool) -> Any:
    """As JSON would show it; a msgpack frame must be binary and carry timestamps of its own type."""
    if not packed:
        assert isinstance(frame, str)
        return json.loads(frame)
    assert isinstance(frame, bytes)
    rows = msgpack.unpackb(frame, timestamp=0)
    for row in rows:
        if "t" in row:
            assert isinstance(row["t"], msgpack.Timestamp)
            row["t"] = row["t"].to_datetime().isoformat().replace("+00:00", "Z")
    return rows


UPDATE = {**columns("event:s event_id:s execution_id:u at:t timestamp:t price?:d qty?:d position_qty?:d settle_date?:y")}
UPDATED = {key: kind for key, kind in ANY_ORDER.items() if key not in ("subtag", "source", "group_id?", "group_role?")}
UPDATED = {**UPDATED, "legs": "null", "group_id?": "u", "group_role?": "s", "cancel_requested_at": "t?"}


def test_order_events_have_exactly_the_documented_keys_and_types(opened, market):
    exchange = opened(market({"AAA": [100.0] * 30}))
    with connect(exchange.trading_stream, proxy=None) as socket, httpx.Client(base_url=exchange.url, headers=KEYS, trust_env=False) as raw:
        socket.send(json.dumps({"action": "auth", "key": "SIM", "secret": "SIM"}))
        assert json.loads(socket.recv(timeout=5)) == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        socket.recv(timeout=5)
        exchange.step_to(9, 31)
        body = {"symbol": "AAA", "side": "buy", "qty": 2, "type": "market", "time_in_force": "day", "order_class": "bracket"}
        raw.post("/v2/orders", json={**body, "take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}})
        exchange.step(5)
        raw.delete("/v2/orders")
        count = exchange.step(5)["sent"]["trading"]
        events = [json.loads(socket.recv(timeout=5)) for _ in range(count)]
    assert [event["data"]["event"] for event in events] == ["pending_new", "new", "fill", "new", "pending_cancel", "canceled", "canceled"]
    for event in events:
        assert faults({"stream": "s", "data": {**UPDATE, "order": UPDATED}}, event) == []
        priced = {"price", "qty", "position_qty", "settle_date"} & set(event["data"])
        assert len(priced) == (4 if event["data"]["event"] == "fill" else 0)


def test_corporate_actions_and_what_they_leave_on_the_account(client, minutes, tmp_path: Path):
    pl.DataFrame(
        {"symbol": ["AAA", "AAA", "BBB"], "type": ["split", "dividend", "split"], "ex_date": ["2026-11-23"] * 3,
         "new_rate": ["4", "", "1"], "old_rate": ["1", "", "8"], "rate": ["", "0.25", ""]}
    ).write_csv(tmp_path / "actions.csv")  # fmt: skip
    files = [minutes({"AAA": [100.0] * 5, "BBB": [2.0] * 5}), minutes({"AAA": [25.0] * 5, "BBB": [16.0] * 5}, day=date(2026, 11, 23), name="next")]
    trader = client(RecordedWorld(minutes=files, actions=read(tmp_path / "actions.csv")), dividends=True, fees=NONE)
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 8)
    trader.exchange.step(10)
    trader.exchange.step(to="2026-11-23T15:00:00Z")
    found = trader.raw.get("/v1/corporate-actions?start=2026-11-01").json()
    days = columns("ex_date:y process_date:y record_date:y")
    rates = columns("new_rate:n old_rate:n")
    assert faults([{**columns("id:u symbol:s cusip:s"), **rates, **days, "payable_date": "y"}], found["corporate_actions"]["forward_splits"]) == []
    assert faults([{**columns("id:u symbol:s old_cusip:s new_cusip:s"), **rates, **days}], found["corporate_actions"]["reverse_splits"]) == []
    paid = {**columns("id:u symbol:s cusip:s rate:n special:b foreign:b"), **days, "payable_date": "y"}
    assert faults([paid], found["corporate_actions"]["cash_dividends"]) == []
    rows = trader.raw.get("/v2/account/activities?category=non_trade_activity").json()
    entry = columns("id:s activity_type:s date:y created_at:t net_amount:d description:s symbol:s qty:d per_share_amount?:d status:s currency:s")
    assert faults([entry], rows) == []
    assert {row["activity_type"] for row in rows} == {"SPLIT", "DIV"}
