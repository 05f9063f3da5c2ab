"""Market data by REST: pages, point in time, latest values and snapshots, with alpaca-py's client and on the raw wire."""

from datetime import UTC, datetime

import pytest
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest, StockLatestTradeRequest, StockSnapshotRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

BAR = {"t", "o", "h", "l", "c", "v", "n", "vw"}


def test_daily_history_ends_with_the_session_before_until_the_market_trades(client, generated):
    trader = client(generated)
    request = StockBarsRequest(
        symbol_or_symbols=["AAPL", "SPY"], timeframe=TimeFrame.Day, start=datetime(2025, 1, 1), feed=DataFeed.IEX, adjustment=Adjustment.ALL
    )
    bars = trader.data.get_stock_bars(request).data
    assert len(bars["AAPL"]) == len(bars["SPY"]) >= 400
    assert bars["AAPL"][-1].timestamp == datetime(2026, 11, 19, 5, tzinfo=UTC)
    trader.exchange.step_to(9, 31)
    running = trader.data.get_stock_bars(request).data["AAPL"][-1]
    assert running.timestamp == datetime(2026, 11, 20, 5, tzinfo=UTC)
    minute = trader.raw.get("/v2/stocks/AAPL/bars/latest?feed=iex").json()
    assert (minute["symbol"], minute["bar"]["c"], minute["bar"]["v"]) == ("AAPL", running.close, running.volume)


def test_nothing_after_the_venues_clock_is_served(client, generated):
    trader = client(generated)
    trader.exchange.step_to(10, 0, 30)
    now = "2026-11-20T15:00:30Z"
    minutes = {"timeframe": "1Min", "start": "2026-11-20T14:00:00Z", "end": "2026-12-31T00:00:00Z", "limit": 10_000}
    bars = trader.raw.get("/v2/stocks/AAPL/bars", params=minutes).json()["bars"]
    assert (bars[0]["t"], bars[-1]["t"], len(bars)) == ("2026-11-20T14:30:00Z", "2026-11-20T14:59:00Z", 30)
    for kind in ("trades", "quotes"):
        rows = trader.raw.get(f"/v2/stocks/AAPL/{kind}", params={**minutes, "timeframe": None}).json()[kind]
        assert rows
        assert max(row["t"] for row in rows) <= now
        latest = trader.raw.get(f"/v2/stocks/{kind}/latest?symbols=AAPL").json()[kind]["AAPL"]
        assert latest["t"] <= now
    high = max(bar["h"] for bar in bars)
    day = trader.raw.get("/v2/stocks/AAPL/snapshot").json()["dailyBar"]
    assert (day["h"], day["v"]) == (high, sum(bar["v"] for bar in bars))
    quarter = trader.raw.get("/v2/stocks/AAPL/bars", params={**minutes, "timeframe": "15Min"}).json()["bars"]
    assert [bar["t"][11:16] for bar in quarter] == ["14:30", "14:45"]
    assert quarter[0]["o"] == bars[0]["o"]
    assert quarter[1]["c"] == bars[-1]["c"]


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_run_symbol_by_symbol_and_lose_and_repeat_nothing(client, generated, sort):
    trader = client(generated)
    trader.exchange.step_to(9, 40)
    query = {"symbols": "MSFT,AAPL,NOPE,SPY", "timeframe": "1Min", "sort": sort, "start": "2026-11-19", "limit": 10_000}
    whole = trader.raw.get("/v2/stocks/bars", params=query).json()
    assert whole["next_page_token"] is None
    assert list(whole["bars"]) == ["AAPL", "MSFT", "SPY"]
    rows = [(symbol, bar["t"]) for symbol, bars in whole["bars"].items() for bar in bars]
    assert len(rows) == 3 * 400
    seen, token, pages = [], None, 0
    while token or not pages:
        page = trader.raw.get("/v2/stocks/bars", params={**query, "limit": 170, "page_token": token}).json()
        assert set(page) == {"bars", "next_page_token"}
        found = [(symbol, bar["t"]) for symbol, bars in page["bars"].items() for bar in bars]
        assert len(found) <= 170
        seen += found
        token, pages = page["next_page_token"], pages + 1
    assert seen == rows
    assert pages == 8


def test_trades_are_paged_without_loss(client, generated):
    trader = client(generated)
    trader.exchange.step_to(9, 35)
    query = {"start": "2026-11-20", "limit": 10_000}
    whole = trader.raw.get("/v2/stocks/AAPL/trades", params=query).json()["trades"]
    seen, token = [], ""
    while token is not None:
        page = trader.raw.get("/v2/stocks/AAPL/trades", params={**query, "limit": 11, "page_token": token}).json()
        seen += page["trades"]
        token = page["next_page_token"]
    assert seen == whole
    assert set(whole[0]) == {"t", "x", "p", "s", "c", "i", "z"}


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_end_inside_one_moment_and_go_on(client, generated, sort):
    """A trade that was corrected stands twice at the same time."""
    trader = client(generated, slip_rate=1.0)
    trader.exchange.step_to(9, 39)
    query = {"symbols": "AAPL", "start": "2026-11-20T14:36:00Z", "end": "2026-11-20T14:37:30Z", "sort": sort, "feed": "sip"}
    whole = [row for rows in trader.raw.get("/v2/stocks/trades", params=query).json()["trades"].values() for row in rows]
    assert len({row["t"] for row in whole}) < len(whole)
    seen, token = [], ""
    while token is not None and len(seen) <= len(whole):
        page = trader.raw.get("/v2/stocks/trades", params={**query, "limit": 1, "page_token": token}).json()
        seen += [row for rows in page["trades"].values() for row in rows]
        token = page["next_page_token"]
    assert seen == whole


def test_bars_are_json_numbers_with_every_field(client, generated):
    trader = client(generated)
    trader.exchange.step_to(9, 31)
    body = trader.raw.get("/v2/stocks/AAPL/bars", params={"timeframe": "1Min"}).json()
    assert set(body) == {"bars", "symbol", "next_page_token"}
    (bar,) = body["bars"]
    assert set(bar) == BAR
    assert all(isinstance(bar[name], int | float) for name in BAR - {"t"})


def test_unknown_symbols_are_absent_and_bad_parameters_refused(client, generated):
    trader = client(generated)
    assert trader.raw.get("/v2/stocks/bars?symbols=NOPE&timeframe=1Day").json() == {"bars": {}, "next_page_token": None}
    assert trader.raw.get("/v2/stocks/snapshots?symbols=NOPE").json() == {}
    assert trader.raw.get("/v2/stocks/quotes/latest?symbols=NOPE").json() == {"quotes": {}}
    for query in ("timeframe=1Min", "symbols=SPY", "symbols=SPY&timeframe=60Min", "symbols=SPY&timeframe=1Day&limit=10001"):
        assert trader.raw.get(f"/v2/stocks/bars?{query}").status_code == 400
    for query in ("start=soon", "page_token=xyz", "feed=none", "sort=up"):
        answer = trader.raw.get(f"/v2/stocks/bars?symbols=SPY&timeframe=1Day&{query}")
        assert answer.status_code == 400
        assert set(answer.json()) == {"message"}


def test_latest_values_and_snapshots_through_the_real_client(client, generated):
    trader = client(generated)
    trader.exchange.step_to(11)
    quote = trader.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
    trade = trader.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert quote.bid_price <= trade.price <= quote.ask_price
    assert 0 < quote.ask_price - quote.bid_price < 0.1
    shown = trader.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=["AAPL", "SPY"]))
    assert shown["SPY"].previous_daily_bar.timestamp == datetime(2026, 11, 19, 5, tzinfo=UTC)
    assert shown["AAPL"].latest_trade.price == trade.price


def test_coarse_frames_aggregate_days(client, generated):
    trader = client(generated)
    weeks = trader.data.get_stock_bars(
        StockBarsRequest(symbol_or_symbols="SPY", timeframe=TimeFrame(1, TimeFrameUnit.Week), start=datetime(2026, 11, 2), end=datetime(2026, 11, 20))
    ).data["SPY"]
    days = trader.data.get_stock_bars(
        StockBarsRequest(symbol_or_symbols="SPY", timeframe=TimeFrame.Day, start=datetime(2026, 11, 2), end=datetime(2026, 11, 7))
    ).data["SPY"]
    assert [bar.timestamp.date().isoformat() for bar in weeks] == ["2026-11-02", "2026-11-09", "2026-11-16"]
    assert (weeks[0].open, weeks[0].close) == (days[0].open, days[-1].close)
    assert weeks[0].volume == sum(day.volume for day in days)
    hours = trader.raw.get("/v2/stocks/SPY/bars", params={"timeframe": "1Hour", "start": "2026-11-19", "end": "2026-11-19"}).json()["bars"]
    assert [bar["t"][11:16] for bar in hours] == ["14:00", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00"]


def test_corporate_actions_are_empty(client, generated):
    trader = client(generated)
    assert trader.raw.get("/v1/corporate-actions?symbols=AAPL").json() == {"corporate_actions": {}, "next_page_token": None}
