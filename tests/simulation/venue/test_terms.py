"""What the account and the plan allow: margin, borrowing, switches, own orders, symbol limits and feeds."""

import json
from datetime import date
from pathlib import Path

import pytest
from websockets.sync.client import connect

from live.sim.alpaca.streams.market import PLANS
from live.sim.worlds import listing
from live.sim.worlds.recorded import RecordedWorld

DAY = date(2026, 11, 20)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}


def refused(trader, symbol, side, **body) -> tuple[int, int, str]:
    answer = trader.raw.post("/v2/orders", json={"symbol": symbol, "side": side, "qty": 1, "type": "market", "time_in_force": "day", **body})
    return answer.status_code, answer.json()["code"], answer.json()["message"]


@pytest.mark.parametrize(("multiplier", "power", "shorts"), [(1, "100000", False), (2, "200000", True), (4, "400000", True)])
def test_the_multiplier_sets_buying_power_and_whether_one_may_short(client, market, multiplier, power, shorts):
    trader = client(market({"AAA": [100.0] * 30}), multiplier=multiplier, start=(9, 35))
    account = trader.raw.get("/v2/account").json()
    assert (account["multiplier"], account["buying_power"], account["shorting_enabled"]) == (str(multiplier), power, shorts)
    trader.raw.patch("/v2/account/configurations", json={"max_margin_multiplier": "2"})
    assert trader.raw.get("/v2/account").json()["multiplier"] == str(min(multiplier, 2))
    if not shorts:
        assert refused(trader, "AAA", "sell") == (403, 40310000, "account is not allowed to short")


def test_configuration_is_judged_as_a_whole_and_obeyed(client, market):
    trader = client(market({"AAA": [100.0] * 30}), start=(9, 35))
    before = trader.raw.get("/v2/account/configurations").json()
    for wrong in ({"no_shorting": "yes"}, {"max_margin_multiplier": "3"}, {"trade_confirm_email": "some"}, {"max_options_trading_level": 9}):
        answer = trader.raw.patch("/v2/account/configurations", json={"suspend_trade": True, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert trader.raw.get("/v2/account/configurations").json() == before
    trader.raw.patch("/v2/account/configurations", json={"no_shorting": True, "pdt_check": "both"})
    assert refused(trader, "AAA", "sell")[:2] == (403, 40310000)
    trader.raw.patch("/v2/account/configurations", json={"suspend_trade": True})
    assert trader.raw.get("/v2/account").json()["trade_suspended_by_user"] is True
    assert refused(trader, "AAA", "buy")[:2] == (403, 40310000)


def test_assets_can_be_kept_from_shorting_from_trading_and_from_fractions(client, minutes, tmp_path: Path):
    (tmp_path / "assets.csv").write_text(
        "symbol,exchange,shortable,easy_to_borrow,fractionable,tradable\nAAA,NYSE,false,,,\nBBB,,,false,,\nCCC,,,,false,\nDDD,ARCA,,,,false\n"
    )
    prices = {symbol: [100.0] * 30 for symbol in ("AAA", "BBB", "CCC", "DDD")}
    trader = client(RecordedWorld(minutes=[minutes(prices)], assets=listing.read(tmp_path / "assets.csv")), start=(9, 35))
    shown = {row["symbol"]: row for row in trader.raw.get("/v2/assets").json()}
    assert [shown[symbol]["borrow_status"] for symbol in shown] == ["not_shortable", "hard_to_borrow", "easy_to_borrow", "easy_to_borrow"]
    assert refused(trader, "AAA", "sell") == (403, 40310000, 'asset "AAA" cannot be sold short')
    assert refused(trader, "BBB", "sell") == (403, 40310000, 'asset "BBB" cannot be sold short')
    assert refused(trader, "CCC", "buy", qty=0.5) == (422, 42210000, 'asset "CCC" is not fractionable')
    assert refused(trader, "DDD", "buy") == (422, 42210000, "asset DDD is not tradable")
    assert trader.raw.get("/v2/stocks/AAA/trades/latest").json()["trade"]["z"] == "A"
    assert trader.raw.get("/v2/stocks/DDD/trades/latest").json()["trade"]["z"] == "B"


def test_fractions_are_for_plain_day_orders_of_a_dollar_at_least(client, market):
    trader = client(market({"AAA": [100.0] * 30}), start=(9, 35))
    for body in ({"time_in_force": "gtc"}, {"time_in_force": "opg"}, {"type": "trailing_stop", "trail_price": 1}):
        assert refused(trader, "AAA", "buy", **{"qty": 0.5, **body})[:2] == (422, 40010001)
    assert refused(trader, "AAA", "sell", qty=0.5)[0] in (403, 422)
    assert refused(trader, "AAA", "buy", qty=0.005) == (403, 40310000, "cost basis must be >= minimal amount of order 1")
    for kind, more in (("limit", {"limit_price": 101}), ("stop", {"stop_price": 101}), ("stop_limit", {"stop_price": 101, "limit_price": 102})):
        trader.send("AAA", "buy", 0.5, type=kind, **more)


def test_a_trailing_stop_that_is_replaced_starts_its_mark_again(client, market):
    trader = client(market({"AAA": [100.0, 110.0, 105.0, 105.0, 104.0]}), start=(9, 30))
    trader.send("AAA", "buy", 1)
    trader.exchange.step(30)
    stop = trader.send("AAA", "sell", 1, type="trailing_stop", trail_percent=10)
    trader.exchange.step_to(9, 33)
    before = trader.raw.get(f"/v2/orders/{stop['id']}").json()
    assert (before["hwm"], before["stop_price"], before["status"]) == ("110", "99", "new")
    after = trader.raw.patch(f"/v2/orders/{stop['id']}", json={"trail": 8}).json()
    chain = trader.raw.patch(f"/v2/orders/{after['id']}", json={"trail": 7})
    assert (chain.status_code, chain.json()["message"]) == (422, "order chain not fully replaced")
    trader.exchange.step(5)
    found = trader.raw.get(f"/v2/orders/{after['id']}").json()
    assert (found["hwm"], found["stop_price"], found["trail_percent"]) == ("105", "96.6", "8")


def test_closing_everything_races_its_own_cancels(client, market):
    """Cancels travel: the shares of an order that is still on its way out cannot be sold yet, and the row says so."""
    prices = {f"A{n:02d}": [100.0] * 30 for n in range(20)}
    trader = client(market(prices), start=(9, 35), cash=10**6)
    for symbol in prices:
        trader.send(symbol, "buy", 1)
    trader.exchange.step(10)
    for symbol in prices:
        trader.send(symbol, "sell", 1, type="limit", limit_price=200, time_in_force="gtc")
    trader.exchange.step(10)
    rows = trader.raw.delete("/v2/positions?cancel_orders=true").json()
    states = [row["status"] for row in rows]
    assert set(states) == {200, 403}
    assert states.count(200) > states.count(403)
    late = next(row for row in rows if row["status"] == 403)
    assert (late["body"]["code"], late["body"]["held_for_orders"]) == (40310000, "1")
    trader.exchange.step(10)
    assert trader.raw.get("/v2/orders").json() == []
    rows = trader.raw.delete("/v2/positions?cancel_orders=true").json()
    assert {row["status"] for row in rows} == {200}
    trader.exchange.step(10)
    assert trader.raw.get("/v2/positions").json() == []
    assert trader.raw.delete("/v2/positions").json() == []


def ask(socket, **message) -> dict:
    socket.send(json.dumps(message))
    return json.loads(socket.recv(timeout=5))[0]


def test_the_basic_plan_has_thirty_symbols_and_no_recent_sip(opened, client, generated):
    trader = client(generated, plan=PLANS["basic"], start=(10, 0))
    names = list(generated.assets)
    with connect(trader.exchange.stream, additional_headers=KEYS, proxy=None) as socket:
        socket.recv(timeout=5)
        socket.recv(timeout=5)
        echo = ask(socket, action="subscribe", bars=["*"], trades=names[:20], quotes=names[:10])
        assert (len(echo["trades"]), len(echo["quotes"])) == (20, 10)
        assert ask(socket, action="subscribe", quotes=[names[20]]) == {"T": "error", "code": 405, "msg": "symbol limit exceeded"}
        assert ask(socket, action="subscribe", trades=["*"])["code"] == 405
        assert ask(socket, action="unsubscribe", trades=[names[0]])["quotes"] == sorted(names[:10])
        assert ask(socket, action="subscribe", imbalances=["AAPL"])["code"] == 410
        assert ask(socket, action="subscribe", news=["*"])["code"] == 410
    with connect(trader.exchange.stream.replace("iex", "sip"), additional_headers=KEYS, proxy=None) as socket:
        socket.recv(timeout=5)
        assert json.loads(socket.recv(timeout=5)) == [{"T": "error", "code": 409, "msg": "insufficient subscription"}]
        assert ask(socket, action="subscribe", bars=["*"])["code"] == 401
    recent = {"timeframe": "1Min", "symbols": "SPY"}
    answer = trader.raw.get("/v2/stocks/bars", params={**recent, "feed": "sip"})
    assert (answer.status_code, answer.json()) == (403, {"message": "subscription does not permit querying recent SIP data"})
    old = trader.raw.get("/v2/stocks/bars", params={**recent, "feed": "sip", "end": "2026-11-20T14:44:00Z"}).json()["bars"]["SPY"]
    assert len(old) == 15
    assert len(trader.raw.get("/v2/stocks/bars", params={**recent, "feed": "iex"}).json()["bars"]["SPY"]) == 30
    assert trader.raw.get("/v2/stocks/SPY/quotes/latest?feed=sip").status_code == 403


def test_the_other_feeds_delay_invent_or_stay_silent(client, generated):
    trader = client(generated, start=(9, 30))
    base = trader.exchange.url.replace("http", "ws", 1)
    with (
        connect(base + "/v2/test", additional_headers=KEYS, proxy=None, max_queue=None) as test,
        connect(base + "/v1beta1/news", additional_headers=KEYS, proxy=None) as news,
        connect(base + "/v2/delayed_sip", additional_headers=KEYS, proxy=None, max_queue=None) as delayed,
    ):
        for socket in (test, delayed):
            assert [json.loads(socket.recv(timeout=5))[0]["msg"] for _ in range(2)] == ["connected", "authenticated"]
        assert json.loads(news.recv(timeout=5))[0]["msg"] == "connected"
        assert json.loads(news.recv(timeout=5))[0]["code"] == 406
        ask(test, action="subscribe", trades=["FAKEPACA"], bars=["*"])
        ask(delayed, action="subscribe", bars=["SPY"])
        trader.exchange.step_to(9, 46, 1)
        rows = [json.loads(delayed.recv(timeout=5))[0] for _ in range(1)]
        assert rows[0]["t"] == "2026-11-20T14:30:00Z"
        seen = [row for _ in range(61) for row in json.loads(test.recv(timeout=5))]
    assert {row["S"] for row in seen} == {"FAKEPACA"}
    assert [row["T"] for row in seen].count("b") == 1


def test_news_is_a_stream_of_its_own_with_one_channel(opened, generated):
    exchange = opened(generated)
    with connect(exchange.url.replace("http", "ws", 1) + "/v1beta1/news", additional_headers=KEYS, proxy=None) as socket:
        socket.recv(timeout=5)
        socket.recv(timeout=5)
        assert ask(socket, action="subscribe", news=["*"]) == {"T": "subscription", "news": ["*"]}
        assert ask(socket, action="subscribe", bars=["*"])["code"] == 410
