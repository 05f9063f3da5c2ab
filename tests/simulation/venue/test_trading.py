"""The trading API beside orders: shapes of every object as they are on the wire, and what a client sees before it may do anything."""

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.requests import GetAssetsRequest, GetCalendarRequest, GetPortfolioHistoryRequest

from live.sim.venue.fees import NONE

ACCOUNT_STRINGS = [
    "id",
    "account_number",
    "status",
    "crypto_status",
    "currency",
    "created_at",
    "balance_asof",
    "cash",
    "equity",
    "last_equity",
    "portfolio_value",
    "accrued_fees",
    "pending_transfer_in",
    "pending_reg_taf_fees",
    "intraday_adjustments",
    "buying_power",
    "effective_buying_power",
    "regt_buying_power",
    "non_marginable_buying_power",
    "options_buying_power",
    "multiplier",
    "long_market_value",
    "short_market_value",
    "position_market_value",
    "initial_margin",
    "maintenance_margin",
    "last_maintenance_margin",
    "sma",
]
ORDER_KEYS = [
    "id",
    "client_order_id",
    "created_at",
    "updated_at",
    "submitted_at",
    "filled_at",
    "expired_at",
    "canceled_at",
    "failed_at",
    "replaced_at",
    "replaced_by",
    "replaces",
    "asset_id",
    "symbol",
    "asset_class",
    "notional",
    "qty",
    "filled_qty",
    "filled_avg_price",
    "order_class",
    "order_type",
    "type",
    "side",
    "position_intent",
    "time_in_force",
    "limit_price",
    "stop_price",
    "status",
    "extended_hours",
    "legs",
    "trail_percent",
    "trail_price",
    "hwm",
    "subtag",
    "source",
    "expires_at",
]
POSITION_KEYS = [
    "asset_id",
    "symbol",
    "exchange",
    "asset_class",
    "asset_marginable",
    "qty",
    "qty_available",
    "avg_entry_price",
    "side",
    "market_value",
    "cost_basis",
    "unrealized_pl",
    "unrealized_plpc",
    "unrealized_intraday_pl",
    "unrealized_intraday_plpc",
    "current_price",
    "lastday_price",
    "change_today",
]


def test_account_shows_money_as_strings_and_no_pattern_day_trader_fields(client, generated):
    account = client(generated).raw.get("/v2/account").json()
    assert all(isinstance(account[name], str) for name in ACCOUNT_STRINGS)
    assert {"pattern_day_trader", "daytrade_count", "daytrading_buying_power"} & set(account) == set()
    money = {name: account[name] for name in ("cash", "equity", "buying_power", "regt_buying_power", "non_marginable_buying_power", "multiplier")}
    assert money == {
        "cash": "100000",
        "equity": "100000",
        "buying_power": "400000",
        "regt_buying_power": "200000",
        "non_marginable_buying_power": "100000",
        "multiplier": "4",
    }
    assert account["shorting_enabled"] is True
    assert account["user_configurations"] is None


def test_order_and_position_have_every_key_with_strings_and_nulls(client, market):
    trader = client(market({"AAA": [100.0] * 30}))
    trader.exchange.step_to(9, 31)
    order = trader.send("AAA", "buy", 10.0, limit_price=None)
    assert list(order) == ORDER_KEYS
    assert {order[name] for name in ("filled_at", "limit_price", "legs", "notional", "filled_avg_price", "hwm")} == {None}
    assert (order["qty"], order["filled_qty"], order["order_class"], order["order_type"]) == ("10", "0", "", "market")
    trader.exchange.step(5)
    position = trader.raw.get("/v2/positions/AAA").json()
    assert sorted(position) == sorted(POSITION_KEYS)
    assert all(isinstance(value, str) for name, value in position.items() if name != "asset_marginable")
    assert (position["qty"], position["qty_available"], position["side"]) == ("10", "10", "long")
    family = trader.send("AAA", "buy", 1, order_class="bracket", take_profit={"limit_price": "110"}, stop_loss={"stop_price": "90"})
    assert set(family) == {*ORDER_KEYS, "group_id", "group_role"}
    assert [leg["group_role"] for leg in family["legs"]] == ["take_profit", "stop_loss"]
    assert {leg["group_id"] for leg in family["legs"]} == {family["group_id"]}


def test_positions_are_found_by_symbol_and_id_and_404_when_flat(client, market):
    trader = client(market({"AAA": [100.0] * 30, "BBB": [50.0] * 30}))
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 10)
    trader.exchange.step(5)
    by_id = trader.trading.get_open_position(trader.trading.get_asset("AAA").id)
    assert by_id.symbol == "AAA"
    answer = trader.raw.get("/v2/positions/BBB")
    assert (answer.status_code, answer.json()) == (404, {"code": 40410000, "message": "position does not exist"})


def test_clock_and_calendar_know_early_closes_and_use_their_own_notations(client, generated):
    trader = client(generated)
    raw = trader.raw.get("/v2/clock").json()
    assert raw == {
        "timestamp": "2026-11-20T08:00:00-05:00",
        "is_open": False,
        "next_open": "2026-11-20T09:30:00-05:00",
        "next_close": "2026-11-20T16:00:00-05:00",
    }
    trader.exchange.step_to(10)
    clock = trader.trading.get_clock()
    assert clock.is_open
    assert clock.next_open.isoformat() == "2026-11-23T09:30:00-05:00"
    days = trader.raw.get("/v2/calendar", params={"start": "2026-11-25T00:00:00Z", "end": "2026-11-30"}).json()
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2026-11-25", "09:30", "16:00"),
        ("2026-11-27", "09:30", "13:00"),
        ("2026-11-30", "09:30", "16:00"),
    ]
    assert (days[1]["session_open"], days[1]["settlement_date"]) == ("0400", "2026-11-30")
    assert len(trader.trading.get_calendar(GetCalendarRequest(start="2026-11-16", end="2026-11-20"))) == 5


def test_assets_are_listed_and_found_by_symbol_and_id(client, generated):
    trader = client(generated)
    assets = trader.trading.get_all_assets(GetAssetsRequest(status="active", asset_class="us_equity"))
    assert len(assets) == 41
    apple = trader.trading.get_asset("AAPL")
    assert (apple.name, apple.exchange.value, apple.tradable) == ("Apple Inc. Common Stock", "NASDAQ", True)
    assert trader.trading.get_asset(str(apple.id)).symbol == "AAPL"
    assert trader.raw.get("/v2/assets/AAPL").json()["class"] == "us_equity"
    answer = trader.raw.get("/v2/assets/NOPE")
    assert (answer.status_code, answer.json()) == (404, {"code": 40410000, "message": "asset not found for NOPE"})


def test_configurations_are_changed_and_obeyed(client, market):
    trader = client(market({"AAA": [100.0] * 30}))
    settings = trader.trading.get_account_configurations()
    settings.suspend_trade = True
    assert trader.trading.set_account_configurations(settings).suspend_trade
    assert trader.trading.get_account().trade_suspended_by_user
    refused = trader.raw.post("/v2/orders", json={"symbol": "AAA", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"})
    assert (refused.status_code, refused.json()["code"]) == (403, 40310000)
    trader.raw.patch("/v2/account/configurations", json={"suspend_trade": False, "max_margin_multiplier": "1"})
    assert trader.trading.get_account().buying_power == "100000"
    assert trader.raw.patch("/v2/account/configurations", json={"max_margin_multiplier": "3"}).status_code == 422


def test_every_execution_is_an_activity_newest_first_in_pages(client, market):
    trader = client(market({"AAA": [100.0] * 30}), partial_rate=1.0)
    trader.exchange.step_to(9, 31)
    order = trader.send("AAA", "buy", 100)
    trader.exchange.step(20)
    rows = trader.raw.get("/v2/account/activities/FILL").json()
    assert 2 <= len(rows) <= 4
    assert rows[0]["cum_qty"] == "100"
    assert [row["type"] for row in rows] == ["fill"] + ["partial_fill"] * (len(rows) - 1)
    assert sum(int(row["qty"]) for row in rows) == 100
    assert rows[0]["id"].startswith("202611200931")
    assert {row["order_id"] for row in rows} == {order["id"]}
    first = trader.raw.get("/v2/account/activities", params={"page_size": 1}).json()
    rest = trader.raw.get("/v2/account/activities", params={"page_token": first[0]["id"]}).json()
    assert first + rest == rows
    assert trader.raw.get("/v2/account/activities/DIV").json() == []


def test_portfolio_history_follows_equity(client, market):
    trader = client(market({"AAA": [100.0] * 5 + [110.0] * 25}))
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 100)
    trader.exchange.step_to(9, 45)
    shown = trader.trading.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="1Min"))
    assert len(shown.timestamp) == len(shown.equity) == len(shown.profit_loss) == len(shown.profit_loss_pct) == 15
    assert shown.equity[0] == 100_000
    assert shown.equity[-1] == pytest.approx(101_000, abs=2)
    assert shown.timestamp[0] == 1795185000


def test_money_of_yesterday_is_carried_into_the_next_session(client, market, minutes):
    trader = client(market({"AAA": [100.0] * 5 + [110.0] * 385}), fees=NONE)
    trader.exchange.step_to(9, 31)
    trader.send("AAA", "buy", 100)
    trader.exchange.step(to="2026-11-23T14:00:00Z")
    position = trader.raw.get("/v2/positions/AAA").json()
    account = trader.raw.get("/v2/account").json()
    assert account["last_equity"] == account["equity"]
    assert position["lastday_price"] == "110"
    assert (position["unrealized_intraday_pl"], position["change_today"]) == ("0", "0")
    assert float(position["unrealized_pl"]) == pytest.approx(1000, abs=2)
    assert trader.exchange.clock()["session"] == "2026-11-23"


def test_requests_without_keys_are_refused_in_each_hosts_words(client, generated, opened):
    trader = client(generated, key="K", secret="S")
    trading = trader.raw.get("/v2/account")
    data = trader.raw.get("/v2/stocks/snapshots?symbols=SPY")
    assert (trading.status_code, trading.json()) == (401, {"code": 40110000, "message": "request is not authorized"})
    assert (data.status_code, data.json()) == (401, {"message": "unauthorized."})
    assert trader.raw.get("/v2/account", headers={"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}).status_code == 200
    with pytest.raises(APIError):
        TradingClient("SIM", "wrong", url_override=trader.exchange.url).get_account()
    assert trader.raw.get("/sim/clock").status_code == 200


def test_bad_requests_get_json_errors(client, generated):
    trader = client(generated)
    malformed = trader.raw.post("/v2/orders", content=b'{"symbol": ')
    assert (malformed.status_code, malformed.json()) == (400, {"code": 40010000, "message": "request body format is invalid"})
    assert trader.raw.post("/v2/orders", content=b"[]").status_code == 400
    unknown = trader.raw.get("/v2/nothing")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 40410000)
    assert trader.raw.get("/v2/account/").status_code == 404
    assert trader.raw.get("/v2/orders?status=odd").status_code == 422
    assert trader.raw.get("/v2/orders?limit=501").status_code == 422
    assert trader.raw.get("/v2/orders?after=yesterday").status_code == 422
    assert trader.raw.post("/sim/clock/step", json={}).status_code == 422
    assert trader.raw.post("/sim/clock/step", json={"seconds": -5}).status_code == 422


def test_rate_limit_counts_requests_of_a_venue_minute(client, generated):
    trader = client(generated, rate_limit=5)
    answers = [trader.raw.get("/v2/clock") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["X-RateLimit-Limit"] == "5"
    assert answers[0].headers["X-RateLimit-Remaining"] == "4"
    assert answers[0].headers["X-RateLimit-Reset"] == "1795179660"
    assert answers[0].headers["X-Request-ID"]
    assert answers[0].headers["X-DayBot-Simulated"] == "generated"
    assert answers[5].json()["code"] == 42910000
    assert trader.raw.get("/v2/stocks/snapshots?symbols=SPY").status_code == 200
    trader.exchange.step(60)
    assert trader.raw.get("/v2/clock").status_code == 200


def test_time_moves_by_steps_only_when_stepped(client, generated):
    stepped = client(generated)
    assert stepped.exchange.step(1.5)["now"] == "2026-11-20T13:00:01.5Z"
    assert stepped.exchange.step_to(9, 30)["now"] == "2026-11-20T14:30:00Z"
    running = client(generated, stepped=False, speed=1000)
    answer = running.raw.post("/sim/clock/step", json={"seconds": 1})
    assert answer.status_code == 409
    assert running.exchange.clock()["mode"] == "speed"
    first = running.exchange.clock()["now"]
    assert running.exchange.clock()["now"] > first
