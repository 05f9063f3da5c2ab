"""Both websockets with alpaca-py's own streams, and on raw sockets where the exact frames matter."""

import json

import msgpack
import pytest
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

CHANNELS = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
AUTH = json.dumps({"action": "auth", "key": "SIM", "secret": "SIM"})


def said(socket: ClientConnection) -> object:
    return json.loads(socket.recv(timeout=5))


def test_minute_bars_reach_the_real_client_when_the_minute_is_over(client, generated, listening):
    trader = client(generated)
    heard = listening(trader.exchange, lambda stream, hear: stream.subscribe_bars(hear, "*"))
    trader.exchange.step_to(9, 30, 59.9)
    assert trader.exchange.clock()["sent"]["market"] == 0
    after = trader.exchange.step_to(9, 31)
    assert after["sent"]["market"] == 41
    bars = {bar.symbol: bar for bar in heard.take(heard.market, 41)}
    assert set(bars) == set(generated.assets)
    shown = trader.raw.get("/v2/stocks/AAPL/bars", params={"timeframe": "1Min"}).json()["bars"]
    assert len(shown) == 1
    assert (bars["AAPL"].timestamp.isoformat(), bars["AAPL"].close) == ("2026-11-20T14:30:00+00:00", shown[0]["c"])
    assert bars["AAPL"].volume == shown[0]["v"]


def test_trades_add_up_to_the_bar_and_quotes_stand_around_them(client, generated, listening):
    trader = client(generated)

    def subscribe(stream, hear):
        stream.subscribe_trades(hear, "AAPL")
        stream.subscribe_quotes(hear, "AAPL")
        stream.subscribe_daily_bars(hear, "AAPL")

    heard = listening(trader.exchange, subscribe)
    trader.exchange.step_to(9, 31)
    count = trader.exchange.clock()["sent"]["market"]
    messages = heard.take(heard.market, count)
    trades = [message for message in messages if type(message).__name__ == "Trade"]
    quotes = [message for message in messages if type(message).__name__ == "Quote"]
    (day,) = [message for message in messages if type(message).__name__ == "Bar"]
    bar = trader.raw.get("/v2/stocks/bars/latest?symbols=AAPL").json()["bars"]["AAPL"]
    prices = [trade.price for trade in trades]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (bar["o"], bar["h"], bar["l"], bar["c"])
    assert sum(trade.size for trade in trades) == bar["v"] == day.volume
    assert all(quote.bid_price <= price <= quote.ask_price for quote, price in zip(quotes, prices, strict=True))
    assert day.timestamp.isoformat() == "2026-11-20T05:00:00+00:00"


def test_minutes_without_a_trade_have_no_bar(client, minutes, history, listening):
    from live.sim.worlds.recorded import RecordedWorld

    files = [minutes({"AAA": [100.0, 101.0]}), minutes({"BBB": [50.0, 50.0]}, name="silent", volume=0)]
    trader = client(RecordedWorld(minutes=files, history=[history({"AAA": 100.0})]))
    heard = listening(trader.exchange, lambda stream, hear: stream.subscribe_bars(hear, "*"))
    trader.exchange.step_to(9, 35)
    assert trader.exchange.clock()["sent"]["market"] == 2
    assert [bar.symbol for bar in heard.take(heard.market, 2)] == ["AAA", "AAA"]


def test_order_events_tell_the_life_of_an_order(client, market, listening):
    trader = client(market({"AAA": [100.0] * 30}))
    heard = listening(trader.exchange, updates=True)
    trader.exchange.step_to(9, 31)
    order = trader.trading.submit_order(MarketOrderRequest(symbol="AAA", qty=3, side="buy", time_in_force="day"))
    sent = trader.exchange.step(5)["sent"]["trading"]
    updates = heard.take(heard.updates, 3)
    assert sent == 3
    assert [update.event for update in updates] == ["pending_new", "new", "fill"]
    assert {update.order.id for update in updates} == {order.id}
    assert (updates[2].position_qty, updates[2].qty, updates[2].order.status.value) == (3.0, 3.0, "filled")
    assert updates[0].price is None
    resting = trader.trading.submit_order(LimitOrderRequest(symbol="AAA", qty=1, side="buy", time_in_force="day", limit_price=90))
    trader.exchange.step(5)
    trader.trading.cancel_order_by_id(resting.id)
    trader.exchange.step(5)
    assert [update.event for update in heard.take(heard.updates, 4)] == ["pending_new", "new", "pending_cancel", "canceled"]


def test_trading_stream_speaks_only_when_spoken_to_and_in_binary_json(client, market):
    trader = client(market({"AAA": [100.0] * 30}))
    with connect(trader.exchange.trading_stream + "/", proxy=None) as socket, connect(trader.exchange.trading_stream, proxy=None) as other:
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert said(socket) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": "SIM", "secret_key": "SIM"}}))
        frame = socket.recv(timeout=5)
        assert isinstance(frame, bytes)
        assert json.loads(frame) == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates", "nonsense"]}}))
        assert said(socket) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        other.send(AUTH)
        assert said(other) == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
        other.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        said(other)
        trader.exchange.step_to(9, 31)
        trader.send("AAA", "buy", 1, order_class="bracket", take_profit={"limit_price": 110}, stop_loss={"stop_price": 90})
        trader.exchange.step(5)
        for listener in (socket, other):
            events = [said(listener)["data"] for _ in range(4)]
            assert [event["event"] for event in events] == ["pending_new", "new", "fill", "new"]
            assert all(event["order"]["legs"] is None for event in events)
            assert "subtag" not in events[0]["order"]
            assert "cancel_requested_at" in events[0]["order"]
            assert "price" not in events[0]
            assert (events[2]["qty"], events[2]["position_qty"], events[2]["settle_date"]) == ("1", "1", "2026-11-23")
            ids = [event["event_id"] for event in events]
            assert all(len(event_id) == 26 for event_id in ids)
            assert [event_id[:10] for event_id in ids] == sorted(event_id[:10] for event_id in ids)
        socket.send(json.dumps({"action": "listen", "data": {"streams": []}}))
        assert said(socket) == {"stream": "listening", "data": {"streams": []}}


def test_trading_stream_refuses_a_wrong_key(client, generated):
    trader = client(generated, key="K", secret="S")
    with connect(trader.exchange.trading_stream, proxy=None) as socket:
        socket.send(AUTH)
        assert said(socket) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}


def test_data_stream_echoes_the_full_subscription_every_time(client, generated):
    with connect(client(generated).exchange.stream, proxy=None) as socket:
        assert said(socket) == [{"T": "success", "msg": "connected"}]
        socket.send(json.dumps({"action": "subscribe", "bars": ["AAPL"]}))
        assert said(socket) == [{"T": "error", "code": 401, "msg": "not authenticated"}]
        socket.send(AUTH)
        assert said(socket) == [{"T": "success", "msg": "authenticated"}]
        socket.send(AUTH)
        assert said(socket)[0]["code"] == 403
        socket.send(json.dumps({"action": "subscribe", "trades": ["AAPL"], "bars": ["*"], "statuses": ["*"]}))
        (echo,) = said(socket)
        assert list(echo) == ["T", *CHANNELS]
        assert (echo["trades"], echo["bars"], echo["corrections"], echo["cancelErrors"]) == (["AAPL"], ["*"], ["AAPL"], ["AAPL"])
        socket.send(json.dumps({"action": "unsubscribe", "trades": ["AAPL"]}))
        (echo,) = said(socket)
        assert (echo["trades"], echo["bars"], echo["corrections"], echo["statuses"]) == ([], ["*"], [], ["*"])
        socket.send("nonsense")
        assert said(socket) == [{"T": "error", "code": 400, "msg": "invalid syntax"}]
        socket.send(json.dumps({"action": "subscribe", "news": ["*"]}))
        assert said(socket) == [{"T": "error", "code": 410, "msg": "invalid subscribe action for this feed"}]
        socket.send(iter(('{"action":"unsub', 'scribe","bars":["*"]}')))  # alpaca-py sends fragments
        assert said(socket)[0]["bars"] == []


def test_only_one_data_connection_is_allowed(client, generated):
    trader = client(generated)
    with connect(trader.exchange.stream, proxy=None) as first, connect(trader.exchange.stream, proxy=None) as second:
        for socket in (first, second):
            said(socket)
            socket.send(AUTH)
        assert said(first) == [{"T": "success", "msg": "authenticated"}]
        assert said(second) == [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
        with pytest.raises(ConnectionClosed):
            second.recv(timeout=5)
    with connect(trader.exchange.stream, proxy=None) as third:
        said(third)
        third.send(AUTH)
        assert said(third)[0]["T"] in ("success", "error")


def test_a_wrong_key_is_told_and_closed(client, generated):
    trader = client(generated, key="K", secret="S")
    with connect(trader.exchange.stream, proxy=None) as socket:
        said(socket)
        socket.send(AUTH)
        assert said(socket) == [{"T": "error", "code": 402, "msg": "auth failed"}]
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)


def test_msgpack_frames_have_timestamps_t_first_and_whole_numbers(client, generated):
    trader = client(generated)
    headers = {"Content-Type": "application/msgpack", "APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
    with connect(trader.exchange.stream, additional_headers=headers, proxy=None) as socket:
        assert msgpack.unpackb(socket.recv(timeout=5)) == [{"T": "success", "msg": "connected"}]
        assert msgpack.unpackb(socket.recv(timeout=5)) == [{"T": "success", "msg": "authenticated"}]
        socket.send(msgpack.packb({"action": "subscribe", "bars": ["AAPL"], "trades": ["AAPL"], "quotes": ["AAPL"]}))
        assert msgpack.unpackb(socket.recv(timeout=5))[0]["bars"] == ["AAPL"]
        trader.exchange.step_to(9, 31)
        count = trader.exchange.clock()["sent"]["market"]
        messages = []
        while len(messages) < count:
            messages += msgpack.unpackb(socket.recv(timeout=5))
    assert {next(iter(message)) for message in messages} == {"T"}
    assert {type(message["t"]).__name__ for message in messages} == {"Timestamp"}
    found = {message["T"]: message for message in messages}
    assert all(isinstance(found["b"][name], int) for name in "vn")
    assert all(isinstance(found["t"][name], int) for name in "is")
    assert all(isinstance(found["q"][name], int) for name in ("bs", "as"))


def test_json_bars_on_the_stream_have_numbers_and_nanosecond_times(client, generated):
    trader = client(generated)
    with connect(trader.exchange.url.replace("http", "ws") + "/v2/sip", proxy=None) as socket:
        said(socket)
        socket.send(AUTH)
        said(socket)
        socket.send(json.dumps({"action": "subscribe", "bars": ["SPY"]}))
        said(socket)
        trader.exchange.step_to(9, 31)
        (bar,) = said(socket)
    assert list(bar) == ["T", "S", "o", "h", "l", "c", "v", "n", "vw", "t"]
    assert (bar["T"], bar["S"], bar["t"]) == ("b", "SPY", "2026-11-20T14:30:00Z")
