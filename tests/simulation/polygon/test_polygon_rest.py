"""Polygon's REST side: the real client with its pages, the raw shapes, refusals, and nothing before its time."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from polygon import RESTClient
from polygon.exceptions import BadResponse

from live.sim.clock import local
from live.sim.embedded import Exchange
from live.sim.polygon.industries import industry
from live.sim.polygon.markets import Mark, mark, sides
from live.sim.polygon.markets import market as market_of
from live.sim.polygon.rest.reading import Reading
from live.sim.polygon.rest.trades import Trades
from live.sim.polygon.terms import Terms
from live.sim.server import Exchange as Core
from live.sim.server import Options
from live.sim.worlds.actions import Action, Actions
from live.sim.worlds.tape import Print, Record
from live.sim.worlds.universe import listings
from live.sim.worlds.world import Asset

AGGREGATE = {"v", "vw", "o", "c", "h", "l", "t", "n"}
OPEN = int(datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp() * 1_000)
MINUTE = 60_000


class Asker:
    """Polygon's own client and a raw one over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.client = RESTClient("POLY", base=exchange.url, retries=0)
        self.http = httpx.Client(base_url=exchange.url, headers={"Authorization": "Bearer POLY"}, trust_env=False)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def asker(opened: Callable[..., Exchange]) -> Iterator[Callable[..., Asker]]:
    made: list[Asker] = []

    def ask(world: Any, **options: Any) -> Asker:
        made.append(Asker(opened(world, **options)))
        return made[-1]

    yield ask
    for each in made:
        each.client.client.clear()
        each.http.close()


def test_minutes_are_those_of_the_other_wire(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(10, 0, 30)
    bars = list(desk.client.list_aggs("AAPL", 1, "minute", OPEN, "2026-11-20"))
    keys = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
    query = {"timeframe": "1Min", "start": "2026-11-20T14:30:00Z", "limit": 1000, "feed": "sip"}
    other = desk.http.get("/v2/stocks/AAPL/bars", params=query, headers=keys).json()["bars"]
    assert len(bars) == len(other) == 30
    for ours, theirs in zip(bars, other, strict=True):
        assert datetime.fromtimestamp(ours.timestamp / 1_000, UTC) == datetime.fromisoformat(theirs["t"])
        assert (ours.open, ours.high, ours.low, ours.close) == (theirs["o"], theirs["h"], theirs["l"], theirs["c"])
        assert (ours.volume, ours.vwap, ours.transactions) == (theirs["v"], theirs["vw"], theirs["n"])


def test_an_answer_has_exactly_the_stated_keys_and_kinds(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(9, 32)
    body = desk.get(f"/v2/aggs/ticker/AAPL/range/1/minute/{OPEN}/{OPEN + 9 * MINUTE}", adjusted="true", sort="asc", limit=50_000)
    assert list(body) == ["ticker", "queryCount", "resultsCount", "adjusted", "status", "request_id", "count", "results"]
    assert (body["queryCount"], body["resultsCount"], body["count"], body["adjusted"], body["status"]) == (2, 2, 2, True, "OK")
    assert [row["t"] for row in body["results"]] == [OPEN, OPEN + MINUTE]
    for row in body["results"]:
        assert set(row) == AGGREGATE
        assert all(isinstance(row[name], int) for name in ("v", "t", "n"))
        assert all(isinstance(row[name], float) for name in ("o", "h", "l", "c", "vw"))


def test_no_match_is_ok_without_results(asker, generated):
    desk = asker(generated)
    for path in ("/v2/aggs/ticker/NOPE/range/1/day/2026-01-01/2026-11-19", "/v2/aggs/ticker/AAPL/range/1/minute/2026-11-20/2026-11-20"):
        path = path if "NOPE" in path else f"/v2/aggs/ticker/AAPL/range/1/minute/{OPEN}/2026-11-20"
        body = desk.get(path)
        assert "results" not in body
        assert (body["status"], body["resultsCount"], body["queryCount"]) == ("OK", 0, 0)
    assert list(desk.client.list_aggs("NOPE", 1, "day", "2026-01-01", "2026-11-19")) == []


@pytest.mark.parametrize(("amount", "unit", "limit"), [(1, "minute", 37), (5, "minute", 37), (1, "hour", 100), (7, "minute", 1), (1, "day", 3)])
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_by_next_url_lose_and_repeat_nothing(asker, generated, sort, amount, unit, limit):
    desk = asker(generated)
    desk.exchange.step_to(10, 7)
    bounds = ("2026-11-18", "2026-11-20") if unit != "day" else ("2026-11-01", "2026-11-20")
    whole = list(desk.client.list_aggs("MSFT", amount, unit, *bounds, sort=sort, limit=50_000))
    paged = list(desk.client.list_aggs("MSFT", amount, unit, *bounds, sort=sort, limit=limit))
    assert [vars(bar) for bar in paged] == [vars(bar) for bar in whole]
    times = [bar.timestamp for bar in whole]
    assert times == sorted(set(times), reverse=sort == "desc")


def test_the_limit_counts_base_bars_and_no_window_is_cut(asker, generated):
    """Two hours are asked for with room for 100 minutes: only the first hour is whole."""
    desk = asker(generated)
    desk.exchange.step_to(13, 0)
    path = f"/v2/aggs/ticker/AAPL/range/1/hour/{OPEN + 30 * MINUTE}/{OPEN + 149 * MINUTE}"
    page = desk.get(path, limit=100)
    assert (page["queryCount"], page["resultsCount"], page["results"][0]["t"]) == (60, 1, OPEN + 30 * MINUTE)
    assert page["next_url"].startswith(f"{desk.exchange.url}{path}?cursor=")
    assert "POLY" not in page["next_url"]
    following = desk.http.get(page["next_url"]).json()
    assert (following["resultsCount"], following["results"][0]["t"]) == (1, OPEN + 90 * MINUTE)
    assert "next_url" not in following


def test_windows_begin_where_the_unit_begins(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(12)

    def starts(unit: str, amount: int, first: str, last: str) -> list[str]:
        rows = desk.get(f"/v2/aggs/ticker/SPY/range/{amount}/{unit}/{first}/{last}")["results"]
        return [datetime.fromtimestamp(row["t"] / 1_000, UTC).isoformat()[:16] for row in rows]

    assert starts("week", 1, "2026-11-10", "2026-11-19") == ["2026-11-08T05:00", "2026-11-15T05:00"]  # Sundays
    assert starts("month", 1, "2026-09-20", "2026-11-19") == ["2026-09-01T04:00", "2026-10-01T04:00", "2026-11-01T04:00"]
    assert starts("quarter", 1, "2026-05-20", "2026-11-19") == ["2026-04-01T04:00", "2026-07-01T04:00", "2026-10-01T04:00"]
    assert starts("year", 1, "2025-05-20", "2026-11-19")[-1] == "2026-01-01T05:00"
    assert starts("day", 2, "2026-11-16", "2026-11-19") == ["2026-11-16T05:00", "2026-11-18T05:00"]
    assert "2026-11-20T15:00" in starts("hour", 1, "2026-11-20", "2026-11-20")
    half = starts("minute", 30, str(OPEN), str(OPEN + 60 * MINUTE))
    assert half == ["2026-11-20T14:30", "2026-11-20T15:00", "2026-11-20T15:30"]


def test_larger_windows_add_up(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(10, 15, 20)
    minutes = desk.get(f"/v2/aggs/ticker/AAPL/range/1/minute/{OPEN}/2026-11-20")["results"]
    (five, *_), (day,) = (
        desk.get(f"/v2/aggs/ticker/AAPL/range/5/minute/{OPEN}/2026-11-20")["results"],
        desk.get("/v2/aggs/ticker/AAPL/range/1/day/2026-11-20/2026-11-20")["results"],
    )
    assert (five["o"], five["c"], five["v"]) == (minutes[0]["o"], minutes[4]["c"], sum(row["v"] for row in minutes[:5]))
    assert (day["o"], day["c"], day["v"]) == (minutes[0]["o"], minutes[-1]["c"], sum(row["v"] for row in minutes))
    seconds = desk.get(f"/v2/aggs/ticker/AAPL/range/1/second/{OPEN}/{OPEN + MINUTE - 1}")["results"]
    assert all(row["t"] % 1_000 == 0 for row in seconds)
    assert (seconds[0]["o"], seconds[-1]["c"], sum(row["v"] for row in seconds)) == (minutes[0]["o"], minutes[0]["c"], minutes[0]["v"])
    assert (max(row["h"] for row in seconds), min(row["l"] for row in seconds)) == (minutes[0]["h"], minutes[0]["l"])


def test_nothing_after_the_venues_clock_is_served(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(10, 0, 30)
    now = OPEN + 30 * MINUTE + 30_000
    for unit, end in (("minute", MINUTE), ("second", 1_000)):
        rows = desk.get(f"/v2/aggs/ticker/AAPL/range/1/{unit}/{OPEN}/2027-01-01", limit=50_000)["results"]
        assert rows[-1]["t"] + end <= now
    for kind in ("trades", "quotes"):
        rows = desk.get(f"/v3/{kind}/AAPL", limit=50_000)["results"]
        assert len(rows) > 300
        assert max(row["sip_timestamp"] for row in rows) <= now * 1_000_000
    for path in ("/v2/last/trade/AAPL", "/v2/last/nbbo/AAPL"):
        assert desk.get(path)["results"]["t"] <= now * 1_000_000
    shown = desk.get("/v2/snapshot/locale/us/markets/stocks/tickers/AAPL")["ticker"]
    assert shown["updated"] <= now * 1_000_000
    assert shown["min"]["t"] + MINUTE <= now
    assert desk.http.get("/v1/open-close/AAPL/2026-11-20").status_code == 404
    assert "results" not in desk.get("/v2/aggs/grouped/locale/us/market/stocks/2026-11-23")


def test_the_day_before_the_whole_market_and_open_close(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(9, 45)
    (before,) = desk.client.get_previous_close_agg("AAPL")
    everything = desk.client.get_grouped_daily_aggs("2026-11-19")
    assert {bar.ticker for bar in everything} == set(generated.assets)
    same = next(bar for bar in everything if bar.ticker == "AAPL")
    day = desk.client.get_daily_open_close_agg("AAPL", "2026-11-19")
    assert (before.ticker, before.open, before.close, before.volume) == ("AAPL", same.open, same.close, same.volume)
    assert (day.open, day.high, day.low, day.close, day.volume) == (same.open, same.high, same.low, same.close, same.volume)
    flat = desk.get("/v1/open-close/AAPL/2026-11-19")
    assert set(flat) == {"status", "from", "symbol", "open", "high", "low", "close", "volume", "afterHours", "preMarket"}
    assert (flat["status"], flat["from"], flat["symbol"]) == ("OK", "2026-11-19", "AAPL")
    row = desk.get("/v2/aggs/ticker/AAPL/prev")["results"][0]
    assert set(row) == {"T", *AGGREGATE}


def test_last_trade_quote_and_snapshots_agree(asker, generated):
    desk = asker(generated)
    desk.exchange.step_to(11)
    trade, quote = desk.client.get_last_trade("AAPL"), desk.client.get_last_quote("AAPL")
    assert quote.bid_price <= trade.price <= quote.ask_price
    assert trade.sip_timestamp == quote.sip_timestamp
    shown = desk.client.get_snapshot_ticker("stocks", "AAPL")
    assert (shown.last_trade.price, shown.last_quote.ask_price) == (trade.price, quote.ask_price)
    assert shown.todays_change == pytest.approx(trade.price - shown.prev_day.close)
    assert shown.day.volume >= shown.min.volume > 0
    everything = desk.client.get_snapshot_all("stocks")
    assert [each.ticker for each in everything] == sorted(generated.assets)
    assert [each.ticker for each in desk.client.get_snapshot_all("stocks", tickers=["SPY", "NOPE", "V"])] == ["SPY", "V"]
    gained = [each.todays_change_percent for each in desk.client.get_snapshot_direction("stocks", "gainers")]
    assert gained == sorted(gained, reverse=True)
    raw = desk.get("/v2/last/trade/AAPL")["results"]
    assert set(raw) - {"r", "f"} == {"T", "p", "s", "x", "c", "i", "t", "y", "q", "z", "e"}
    assert set(desk.get("/v2/last/nbbo/AAPL")["results"]) == {"T", "p", "s", "x", "P", "S", "X", "t", "y", "q", "z"}
    whole = {"ticker", "day", "prevDay", "min", "lastTrade", "lastQuote", "todaysChange", "todaysChangePerc", "updated"}
    assert set(desk.get("/v2/snapshot/locale/us/markets/stocks/tickers/AAPL")["ticker"]) == whole


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_trades_of_the_session_are_paged_and_bounded(asker, generated, order):
    desk = asker(generated)
    desk.exchange.step_to(9, 40)
    start, end = (OPEN + 2 * MINUTE) * 1_000_000, (OPEN + 5 * MINUTE) * 1_000_000
    whole = list(desk.client.list_trades("AAPL", timestamp_gte=start, timestamp_lt=end, order=order, limit=50_000))
    paged = list(desk.client.list_trades("AAPL", timestamp_gte=start, timestamp_lt=end, order=order, limit=5))
    assert [vars(trade) for trade in paged] == [vars(trade) for trade in whole]
    assert all(start <= trade.sip_timestamp < end for trade in whole)
    numbers = [trade.sequence_number for trade in whole]
    assert numbers == sorted(set(numbers), reverse=order == "desc")
    minutes = desk.get(f"/v2/aggs/ticker/AAPL/range/1/minute/{OPEN + 2 * MINUTE}/{OPEN + 4 * MINUTE}")["results"]
    assert sum(trade.size for trade in whole) == sum(row["v"] for row in minutes)
    raw = desk.get("/v3/trades/AAPL", **{"timestamp.gt": start, "timestamp.lte": end, "limit": 50_000})["results"]
    keys = {"conditions", "exchange", "id", "participant_timestamp", "price", "sequence_number", "sip_timestamp", "size", "tape"}
    assert {frozenset(row) for row in raw} == {frozenset(keys), frozenset(keys | {"trf_id", "trf_timestamp"})}
    quotes = list(desk.client.list_quotes("AAPL", timestamp="2026-11-20", limit=50_000))
    assert all(quote.bid_price < quote.ask_price for quote in quotes)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_trades_and_seconds_of_earlier_sessions_add_up_to_their_days(asker, generated, order):
    desk = asker(generated)
    desk.exchange.step_to(9, 31)
    bounds = {"timestamp_gte": "2026-11-18", "timestamp_lt": "2026-11-20"}
    trades = list(desk.client.list_trades("MSFT", **bounds, order=order, limit=1_000))
    days = {bar.timestamp: bar.volume for bar in desk.client.list_aggs("MSFT", 1, "day", "2026-11-18", "2026-11-19")}
    seconds = list(desk.client.list_aggs("MSFT", 1, "second", "2026-11-18", "2026-11-19", sort=order, limit=1_000))
    times = [trade.sip_timestamp for trade in trades]
    assert times == sorted(times, reverse=order == "desc")
    assert len({(trade.sip_timestamp, trade.sequence_number) for trade in trades}) == len(trades) > 5_000
    for start, volume in days.items():
        inside = [trade.size for trade in trades if start <= trade.sip_timestamp // 1_000_000 < start + 86_400_000]
        assert sum(inside) == volume == sum(bar.volume for bar in seconds if start <= bar.timestamp < start + 86_400_000)


def test_a_plan_without_real_time_is_late_and_says_so(asker, generated):
    desk = asker(generated, polygon=Terms(realtime=False))
    desk.exchange.step_to(10, 0, 30)
    body = desk.get(f"/v2/aggs/ticker/AAPL/range/1/minute/{OPEN}/2026-11-20")
    assert (body["status"], [row["t"] for row in body["results"]][-1]) == ("DELAYED", OPEN + 14 * MINUTE)
    for path in ("/v2/last/trade/AAPL", "/v3/trades/AAPL", "/v3/quotes/AAPL", "/v2/snapshot/locale/us/markets/stocks/tickers/AAPL"):
        assert desk.get(path)["status"] == "DELAYED"
    assert desk.get("/v2/last/trade/AAPL")["results"]["t"] <= (OPEN + 15 * MINUTE + 30_000) * 1_000_000
    assert desk.get("/v3/reference/tickers/AAPL")["status"] == "OK"


@pytest.mark.parametrize(
    ("listed", "venue", "letters", "exchange", "conditions", "off"),
    [
        ("NYSE", "N", ("O",), 10, [25], False),
        ("NYSE", "D", ("4", "B"), 4, [10, 2], True),
        ("NASDAQ", "D", ("B",), 4, [4], True),
        ("NASDAQ", "V", ("@", "I"), 15, [0, 37], False),
        ("NASDAQ", "K", (), 7, [0], False),
        ("ARCA", "", (" ",), 11, [0], False),
    ],
)
def test_recorded_trades_are_told_in_polygons_numbers(listed, venue, letters, exchange, conditions, off):
    asset = Asset(symbol="AAA", name="AAA", exchange=listed)
    found = Print(0, 1_000_000, 100, 0, 0, Record(77, quote=False, counts=True, venue=venue, conditions=letters))
    assert mark(market_of(asset), found, 5) == Mark(exchange, "77", conditions, off)
    quoted = replace(found, record=Record(78, quote=True, counts=False, bid_venue="Z", ask_venue="P"))
    assert sides(market_of(asset), quoted) == (19, 11)


def test_every_generated_company_has_an_industry_of_its_sector(asker, generated):
    sectors = {"Information Technology": ("35", "36", "73"), "Communication Services": ("73", "78", "79"), "Consumer Staples": ("20", "28", "53")}
    sectors |= {"Consumer Discretionary": ("37", "52", "58", "59"), "Health Care": ("28", "63"), "Financials": ("60", "62", "73")}
    sectors |= {"Energy": ("13", "29")}
    sectors |= {"Industrials": ("35", "37", "40"), "Materials": ("10", "28"), "Utilities": ("49",), "Real Estate": ("67",)}
    for row in listings():
        found = industry(row.symbol, row.sector)
        assert (found is None) == (not row.sector)
        assert found is None or found.code.startswith(sectors[row.sector])
    for sector, codes in sectors.items():
        assert industry("NEW", sector).code.startswith(codes)
    desk = asker(generated)
    apple, fund = desk.client.get_ticker_details("AAPL"), desk.client.get_ticker_details("SPY")
    assert (apple.sic_code, apple.sic_description, apple.cik, apple.type) == ("3571", "ELECTRONIC COMPUTERS", "0000320193", "CS")
    assert (apple.primary_exchange, apple.currency_name, apple.active, apple.locale) == ("XNAS", "usd", True, "us")
    assert apple.market_cap > 1e11
    assert (fund.type, fund.sic_code) == ("ETF", None)


def test_tickers_are_listed_in_pages(asker, generated):
    desk = asker(generated)
    assert [row.ticker for row in desk.client.list_tickers(limit=7)] == sorted(generated.assets)
    assert [row.ticker for row in desk.client.list_tickers(ticker_gte="UNH", ticker_lt="V", limit=1000)] == ["UNH", "UNP"]
    assert [row.ticker for row in desk.client.list_tickers(search="apple", limit=1000)] == ["AAPL"]
    assert [row.ticker for row in desk.client.list_tickers(type="ETF", limit=1000)] == ["SPY"]
    assert len(desk.get("/v3/reference/tickers", limit=2, order="desc")["results"]) == 2


def test_recorded_symbols_have_no_industry(asker, market):
    desk = asker(market({"AAA": [100.0, 101.0]}))
    body = desk.get("/v3/reference/tickers/AAA")["results"]
    assert not {"sic_code", "sic_description", "market_cap", "cik"} & set(body)
    desk.exchange.step_to(9, 33)
    rows = desk.get(f"/v2/aggs/ticker/AAA/range/1/minute/{OPEN}/2026-11-20")["results"]
    assert [row["c"] for row in rows] == [100.0, 101.0]


@pytest.mark.parametrize(
    ("at", "word", "early", "late"),
    [
        ((3, 30), "closed", False, False),
        ((8, 0), "extended-hours", True, False),
        ((9, 30), "open", False, False),
        ((16, 0), "extended-hours", False, True),
    ],
)
def test_the_market_status_follows_the_venues_clock(asker, generated, at, word, early, late):
    desk = asker(generated, start=at)
    found = desk.client.get_market_status()
    assert (found.market, found.early_hours, found.after_hours) == (word, early, late)
    assert found.exchanges.nyse == found.exchanges.nasdaq == word
    assert found.server_time == f"2026-11-20T{at[0]:02d}:{at[1]:02d}:00-05:00"


def test_splits_scale_what_came_before_and_only_once_they_are_in_force(asker, market, monkeypatch):
    world = market({"AAA": [50.0, 51.0]})
    split = Action("AAA", date(2026, 11, 20), new=2, old=1)
    coming = Action("AAA", date(2026, 12, 1), new=5, old=1)
    paid = Action("AAA", date(2026, 11, 18), rate=1)
    monkeypatch.setattr(world, "actions", Actions([split, coming, paid]))
    desk = asker(world)
    desk.exchange.step_to(9, 40)
    path = "/v2/aggs/ticker/AAA/range/1/day/2026-11-01/2026-11-20"
    raw, adjusted = (desk.get(path, adjusted=flag)["results"] for flag in ("false", "true"))
    assert [row["c"] for row in raw] == [50.0] * 5 + [51.0]
    assert [row["c"] for row in adjusted] == [25.0] * 5 + [51.0]
    assert [row["v"] for row in adjusted] == [2 * row["v"] for row in raw[:5]] + [raw[5]["v"]]
    (told,) = desk.client.list_splits(ticker="AAA")
    assert (told.execution_date, told.split_from, told.split_to) == ("2026-11-20", 1, 2)
    (dividend,) = desk.client.list_dividends(ticker="AAA")
    assert (dividend.ex_dividend_date, dividend.cash_amount) == ("2026-11-18", 1.0)


def test_keys_come_by_header_or_query_and_wrong_ones_are_refused(asker, generated):
    desk = asker(generated, polygon=Terms(key="RIGHT"))
    path = f"{desk.exchange.url}/v2/aggs/ticker/AAPL/prev"
    for query, error in (({}, "API Key was not provided"), ({"apiKey": "WRONG"}, "Unknown API Key")):
        refused = httpx.get(path, params=query, trust_env=False)
        assert refused.status_code == 401
        assert set(refused.json()) == {"status", "request_id", "error"}
        assert (refused.json()["status"], refused.json()["error"]) == ("ERROR", error)
    assert httpx.get(path, params={"apiKey": "RIGHT"}, trust_env=False).status_code == 200
    assert httpx.get(path, headers={"Authorization": "Bearer RIGHT"}, trust_env=False).status_code == 200
    with pytest.raises(BadResponse, match="Unknown API Key"):
        desk.client.get_previous_close_agg("AAPL")


def test_refusals_have_polygons_bodies(asker, generated):
    desk = asker(generated)
    for path in ("/v2/aggs/ticker/O:AAPL261218C00200000/prev", "/v3/trades/X:BTCUSD"):
        answer = desk.http.get(path)
        assert (answer.status_code, answer.json()["status"]) == (403, "NOT_AUTHORIZED")
        assert answer.json()["message"].startswith("You are not entitled to this data")
    snapshot = "/v2/snapshot/locale/us/markets/stocks/tickers/NOPE"
    for path in ("/v3/reference/tickers/NOPE", "/v2/last/trade/NOPE", "/v3/reference/nothing", snapshot, "/vX/x"):
        answer = desk.http.get(path)
        assert (answer.status_code, answer.json()["status"]) == (404, "NOT_FOUND")
    assert desk.http.post("/v2/aggs/ticker/AAPL/prev").status_code == 404
    bad = ["range/0/minute/2026-11-19/2026-11-20", "range/1/fortnight/2026-11-19/2026-11-20", "range/1/day/soon/2026-11-20"]
    bad += ["range/1/day/2026-11-20/2026-11-19", "range/1/day/9999999999999999999999/2026-11-19"]
    queries = ("limit=50001", "limit=x", "sort=up", "adjusted=maybe", "cursor=%00", "cursor=e30x")
    bad += [f"range/1/day/2026-11-01/2026-11-20?{query}" for query in queries]
    for path in bad:
        answer = desk.http.get(f"/v2/aggs/ticker/AAPL/{path}")
        assert answer.status_code == 400, path
        assert set(answer.json()) == {"status", "request_id", "error"}
    many = "9" * 5_000
    deep = base64.urlsafe_b64encode(b"[" * 5_000).decode()
    day = "/v2/aggs/ticker/AAPL/range/1/day/2026-11-01/2026-11-20"
    far = ["/v2/aggs/ticker/AAPL/range/1/year/2026-11-01/9999-12-31", "/v2/aggs/ticker/AAPL/range/1/day/0001-01-01/2026-11-01"]
    for path in (f"/v2/aggs/ticker/AAPL/range/{many}/day/2026-11-01/2026-11-20", f"{day}?limit={many}", f"{day}?cursor={deep}", *far):
        assert desk.http.get(path).status_code == 400
    for query in ("timestamp=soon", f"timestamp.gte={many}", "limit=50001", "order=up", "sort=price"):
        assert desk.http.get(f"/v3/trades/AAPL?{query}").status_code == 400


def test_the_rate_limit_counts_a_venue_minute_and_key(asker, generated):
    desk = asker(generated, polygon=Terms(rate_limit=5))
    answers = [desk.http.get("/v1/marketstatus/now").status_code for _ in range(7)]
    assert answers == [200] * 5 + [429] * 2
    refused = desk.http.get("/v1/marketstatus/now").json()
    assert set(refused) == {"status", "request_id", "error"}
    assert refused["error"].startswith("You've exceeded the maximum requests per minute")
    assert desk.http.get("/v1/marketstatus/now", headers={"Authorization": "Bearer OTHER"}).status_code == 200
    desk.exchange.step(60)
    assert desk.http.get("/v1/marketstatus/now").status_code == 200


def test_a_repeated_run_gives_the_same_answers(opened, generated):
    def run() -> list[str]:
        exchange = opened(generated)
        exchange.step_to(9, 50, 10)
        host = exchange.url
        paths = [f"/v2/aggs/ticker/V/range/1/minute/{OPEN}/2026-11-20?limit=9", "/v3/trades/V?limit=20"]
        paths += ["/v2/snapshot/locale/us/markets/stocks/tickers"]
        return [httpx.get(host + path, headers={"Authorization": "Bearer K"}, trust_env=False).text.replace(host, "") for path in paths]

    assert run() == run()


def test_a_request_over_years_is_answered_in_pages(asker, generated):
    desk = asker(generated)
    pages = json.loads(desk.client.list_aggs("SPY", 1, "minute", "2026-06-01", "2026-11-19", limit=5_000, raw=True).data)
    assert pages["queryCount"] == pages["resultsCount"] == 5_000
    assert "next_url" in pages
    days = list(desk.client.list_aggs("SPY", 1, "day", date(2026, 11, 20) - timedelta(days=365), date(2026, 11, 19), limit=100))
    assert len(days) > 248


def test_a_trade_that_is_told_late_is_not_known_before(generated):
    """With every minute told wrongly at first, each answer repeats what had been said by then."""
    core = Core(generated, Options(start=local(date(2026, 11, 20), 9, 30), slip_rate=1.0))
    at = OPEN * 1_000_000 + 60_000_000_000
    core.advance(at)
    slips = {symbol: core.venue.slips.of(symbol, OPEN * 1_000_000) for symbol in generated.assets}
    late = next(symbol for symbol, slip in slips.items() if slip is not None and slip.kind == "late")
    trades = Trades(core.venue.feeds["sip"])
    opened = OPEN * 1_000_000
    before = [found for _, _, found in trades.between(late, opened, at, newest=False)]
    core.advance(slips[late].known)
    after = [found for _, _, found in trades.between(late, opened, at, newest=False)]
    assert [found for found in after if found not in before] == [slips[late].trade]
    reading = Reading(core.venue.feeds["sip"])
    assert sum(found.size for found in after) == int(reading.minutes(late).v[-1])
