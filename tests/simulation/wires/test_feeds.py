"""One market, several feeds: IEX thin, the consolidated one whole, its free copy a quarter of an hour late; each says the same on stream and REST."""

import json
from datetime import UTC, datetime

import pytest
from alpaca.data.enums import DataFeed
from alpaca.data.requests import StockBarsRequest, StockLatestTradeRequest, StockSnapshotRequest
from alpaca.data.timeframe import TimeFrame
from websockets.sync.client import connect

from live.sim.alpaca.streams.market import PLANS
from live.sim.worlds.recorded import RecordedWorld

KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
THIN = ["EQIX", "COST", "AMT", "SPY"]


def told(bar) -> tuple:
    return bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trade_count, bar.vwap


def wanting(*channels):
    def subscribe(stream, hear):
        for channel in channels:
            getattr(stream, f"subscribe_{channel}")(hear, *THIN)

    return subscribe


@pytest.mark.parametrize("slips", [0.0, 0.5])
def test_iex_bars_are_the_same_on_stream_and_rest_and_thin(client, generated, listening, slips):
    """With half of the minutes told wrongly at first: the bar that REST shows in the end is the one last told."""
    trader = client(generated, start=(9, 30), slip_rate=slips)
    heard = listening(trader.exchange, wanting("bars", "updated_bars"), feed="iex")
    sent = trader.exchange.step_to(10, 0, 40)["sent"]["market"]
    seen = {(bar.symbol, bar.timestamp): told(bar) for bar in heard.take(heard.market, sent)}
    query = {"symbol_or_symbols": THIN, "timeframe": TimeFrame.Minute, "start": datetime(2026, 11, 20, 14, 30, tzinfo=UTC)}
    shown = {feed: trader.data.get_stock_bars(StockBarsRequest(**query, feed=feed)).data for feed in (DataFeed.IEX, DataFeed.SIP)}
    assert seen == {(bar.symbol, bar.timestamp): told(bar) for bars in shown[DataFeed.IEX].values() for bar in bars}
    for symbol in THIN:
        whole = {bar.timestamp: bar for bar in shown[DataFeed.SIP][symbol]}
        thin = shown[DataFeed.IEX][symbol]
        assert len(whole) == 30
        assert all(bar.volume <= whole[bar.timestamp].volume for bar in thin if not slips)
        assert 0.01 < sum(bar.volume for bar in thin) / sum(bar.volume for bar in whole.values()) < 0.05
    assert 0 < len(shown[DataFeed.IEX]["EQIX"]) < 22
    if slips:
        assert sent > len(seen)
    else:
        assert sent == len(seen)


def test_iex_trades_and_quotes_add_up_to_its_bars_and_happen_on_iex(client, generated, listening):
    trader = client(generated, start=(9, 30))
    heard = listening(trader.exchange, wanting("trades", "quotes", "daily_bars"), feed="iex")
    sent = trader.exchange.step_to(9, 40)["sent"]["market"]
    messages = heard.take(heard.market, sent)
    kinds = {kind: [each for each in messages if type(each).__name__ == kind] for kind in ("Trade", "Quote", "Bar")}
    window = {"feed": "iex", "start": "2026-11-20T14:30:00Z", "end": "2026-11-20T14:39:59Z", "limit": 10_000}
    for symbol in THIN:
        trades = [trade for trade in kinds["Trade"] if trade.symbol == symbol]
        minutes = trader.raw.get(f"/v2/stocks/{symbol}/bars", params={**window, "timeframe": "1Min"}).json()["bars"]
        for bar in minutes:
            inside = [trade for trade in trades if f"{trade.timestamp:%Y-%m-%dT%H:%M:00Z}" == bar["t"]]
            prices = [trade.price for trade in inside]
            assert (prices[0], max(prices), min(prices), prices[-1]) == (bar["o"], bar["h"], bar["l"], bar["c"])
            assert sum(trade.size for trade in inside) == bar["v"]
        assert len({f"{trade.timestamp:%H:%M}" for trade in trades}) == len(minutes)
        rest = trader.raw.get(f"/v2/stocks/{symbol}/trades", params=window).json()["trades"]
        assert [(row["p"], row["s"], row["i"]) for row in rest] == [(trade.price, trade.size, trade.id) for trade in trades]
        assert {row["x"] for row in rest} == {"V"}
        day = next(bar for bar in reversed(kinds["Bar"]) if bar.symbol == symbol)
        snapshot = trader.raw.get(f"/v2/stocks/{symbol}/snapshot?feed=iex").json()
        assert (snapshot["dailyBar"]["v"], snapshot["dailyBar"]["n"]) == (day.volume, day.trade_count)
        assert day.volume == sum(bar["v"] for bar in minutes)
        assert snapshot["latestTrade"]["i"] == trades[-1].id
    assert all(quote.bid_price < quote.ask_price and quote.bid_exchange == quote.ask_exchange == "V" for quote in kinds["Quote"])


def test_a_day_of_iex_is_the_sum_of_its_minutes_and_its_history_is_thin(client, generated):
    trader = client(generated)
    days = trader.raw.get("/v2/stocks/bars", params={"symbols": "EQIX,SPY", "timeframe": "1Day", "start": "2026-09-01", "feed": "iex"}).json()["bars"]
    whole = trader.raw.get("/v2/stocks/bars", params={"symbols": "EQIX,SPY", "timeframe": "1Day", "start": "2026-09-01"}).json()["bars"]
    for symbol, bars in days.items():
        assert [bar["t"] for bar in bars] == [bar["t"] for bar in whole[symbol]]
        assert all(0.015 < thin["v"] / full["v"] < 0.04 for thin, full in zip(bars, whole[symbol], strict=True))
        assert all(full["l"] <= thin["l"] <= thin["h"] <= full["h"] for thin, full in zip(bars, whole[symbol], strict=True))
        window = {"timeframe": "1Min", "start": "2026-11-19", "end": "2026-11-19", "feed": "iex", "limit": 1_000}
        minutes = trader.raw.get(f"/v2/stocks/{symbol}/bars", params=window).json()["bars"]
        last = bars[-1]
        assert last["t"][:10] == "2026-11-19"
        assert (last["o"], last["c"]) == (minutes[0]["o"], minutes[-1]["c"])
        assert (last["h"], last["l"]) == (max(bar["h"] for bar in minutes), min(bar["l"] for bar in minutes))
        assert (last["v"], last["n"]) == (sum(bar["v"] for bar in minutes), sum(bar["n"] for bar in minutes))


def test_without_a_feed_the_best_one_of_the_plan_answers(client, generated):
    for plan, feed in (("unlimited", DataFeed.SIP), ("basic", DataFeed.IEX)):
        trader = client(generated, plan=PLANS[plan], start=(10, 0))
        plain = trader.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="EQIX"))["EQIX"]
        named = trader.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="EQIX", feed=feed))["EQIX"]
        assert plain == named
        assert trader.raw.get("/v2/stocks/EQIX/bars/latest").json()["bar"]["v"] == named.minute_bar.volume
    assert trader.exchange.stream.endswith("/v2/iex")  # of the basic plan
    old = trader.raw.get("/v2/stocks/EQIX/bars", params={"timeframe": "1Min", "limit": 1_000}).json()["bars"]
    assert old[-1]["t"] == "2026-11-20T14:45:00Z"


def test_the_delayed_feed_shows_the_market_of_a_quarter_of_an_hour_ago(client, generated):
    trader = client(generated, start=(10, 0))
    late = trader.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="SPY", feed=DataFeed.DELAYED_SIP))["SPY"]
    assert datetime(2026, 11, 20, 14, 44, tzinfo=UTC) < late.timestamp <= datetime(2026, 11, 20, 14, 45, tzinfo=UTC)
    assert trader.raw.get("/v2/stocks/SPY/bars/latest?feed=delayed_sip").json()["bar"]["t"] == "2026-11-20T14:44:00Z"
    url = trader.exchange.url.replace("http", "ws", 1) + "/v2/delayed_sip"
    with connect(url, additional_headers=KEYS, proxy=None) as socket:
        for _ in range(2):
            socket.recv(timeout=5)
        socket.send(json.dumps({"action": "subscribe", "bars": ["SPY"], "trades": ["SPY"], "dailyBars": ["SPY"]}))
        socket.recv(timeout=5)
        sent = trader.exchange.step_to(10, 1)["sent"]["market"]
        messages = []
        while len(messages) < sent:
            messages += json.loads(socket.recv(timeout=5))
    window = {"start": "2026-11-20T14:45:00Z", "end": "2026-11-20T14:45:59.999Z"}
    trades = trader.raw.get("/v2/stocks/SPY/trades", params=window).json()["trades"]
    bar = [message for message in messages if message["T"] == "b"][-1]
    (shown,) = trader.raw.get("/v2/stocks/SPY/bars", params={**window, "timeframe": "1Min"}).json()["bars"]
    assert (bar["t"], bar["v"], bar["c"]) == (shown["t"], shown["v"], shown["c"])
    assert [message["i"] for message in messages if message["T"] == "t"] == [trade["i"] for trade in trades]
    day = [message for message in messages if message["T"] == "d"][-1]
    whole = trader.raw.get("/v2/stocks/SPY/bars", params={"start": "2026-11-20", "end": window["end"], "timeframe": "1Min"}).json()["bars"]
    assert day["v"] == sum(each["v"] for each in whole)


def test_feeds_of_other_markets_are_silent(client, generated):
    trader = client(generated, start=(10, 0))
    for feed in ("otc", "boats", "overnight"):
        assert trader.raw.get(f"/v2/stocks/bars?symbols=SPY&timeframe=1Min&feed={feed}").json() == {"bars": {}, "next_page_token": None}
        assert trader.raw.get(f"/v2/stocks/trades/latest?symbols=SPY&feed={feed}").json() == {"trades": {}}
        assert trader.raw.get(f"/v2/stocks/SPY/trades/latest?feed={feed}").status_code == 404


def test_a_recording_is_what_every_feed_shows_unless_it_is_to_be_thinned(client, minutes, history):
    files = {"minutes": [minutes({"AAA": [100.0 + n / 10 for n in range(60)]})], "history": [history({"AAA": 100.0})]}
    for thin in (False, True):
        trader = client(RecordedWorld(**files, thin=thin), start=(10, 30))
        query = {"timeframe": "1Min", "start": "2026-11-20T14:30:00Z"}
        whole, seen = (trader.raw.get("/v2/stocks/AAA/bars", params={**query, "feed": feed}).json()["bars"] for feed in ("sip", "iex"))
        days = trader.raw.get("/v2/stocks/AAA/bars", params={"timeframe": "1Day", "start": "2026-11-01", "feed": "iex"}).json()["bars"]
        assert len(whole) == 60
        if thin:
            assert 5 < len(seen) < 30
            assert all(10_000 < day["v"] < 40_000 for day in days[:-1])
            assert days[-1]["v"] == sum(bar["v"] for bar in seen)
        else:
            assert seen == whole
            assert {day["v"] for day in days[:-1]} == {1_000_000}


def test_a_jump_of_the_market_moves_the_thin_feed_with_it(client, generated):
    trader = client(generated, start=(9, 45))
    trader.exchange.inject(kind="match.jump", symbol="SPY", percent=-10)
    trader.exchange.step_to(9, 50)
    query = {"timeframe": "1Min", "start": "2026-11-20T14:30:00Z", "feed": "iex"}
    bars = trader.raw.get("/v2/stocks/SPY/bars", params=query).json()["bars"]
    whole = trader.raw.get("/v2/stocks/SPY/bars", params={**query, "feed": "sip"}).json()["bars"]
    limits = {bar["t"]: bar for bar in whole}
    assert all(limits[bar["t"]]["l"] <= bar["l"] <= bar["h"] <= limits[bar["t"]]["h"] for bar in bars)
    assert bars[-1]["c"] < 0.92 * bars[0]["o"]
