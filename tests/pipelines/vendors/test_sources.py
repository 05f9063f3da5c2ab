"""Alpaca and Polygon behind one interface: their real clients against the simulated exchange, whole answers and bent ones."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pytest

from live.sim.embedded import Exchange
from live.sim.polygon.terms import Terms
from live.sim.worlds.generated import GeneratedWorld
from pipelines.core.briefing import Origin
from pipelines.core.errors import Unreachable
from pipelines.defs.resources import DayBot
from pipelines.vendors import calendar
from pipelines.vendors.alpaca import Alpaca
from pipelines.vendors.polygon import Industry, Polygon
from pipelines.vendors.source import ACTIONS, ASSETS, BARS, MALFORMED, TRADES, whole

TODAY = date(2026, 11, 20)
LAST = date(2026, 11, 19)
VENDORS = ["alpaca", "polygon"]


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with Exchange(GeneratedWorld(day=TODAY, seed=7, splits=True), day=TODAY, start=(9, 35)) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange) -> Iterator[Exchange]:
    yield running
    running.relent()


@pytest.fixture
def make(exchange: Exchange, tools: Callable[..., DayBot]) -> Callable[[str], Alpaca | Polygon]:
    keys = {"alpaca_api_key": "SIM", "alpaca_secret_key": "SIM", "polygon_api_key": "SIM"}
    quick = {"vendor_retries": 2, "vendor_backoff": 0.01, "alpaca_rate": 10_000, "polygon_rate": 10_000}
    # The consolidated feed: one venue's share of the minutes has to be drawn for every day first.
    settings = tools(daybot_mode="sim", alpaca_feed="sip", alpaca_base_url=exchange.url, polygon_base_url=exchange.url, **keys, **quick).settings

    def source(name: str) -> Alpaca | Polygon:
        return Alpaca(settings) if name == "alpaca" else Polygon(settings)

    return source


def bar(name: str, **changes: Any) -> dict[str, Any]:
    """One true-looking bar on the vendor's wire."""
    start = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
    stamp: Any = "2026-11-19T15:00:00Z" if name == "alpaca" else round(start.timestamp() * 1000)
    return {"t": stamp, "o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5, "v": 100, "n": 7, "vw": 10.2, **changes}


def bend(exchange: Exchange, name: str, rows: Any, symbol: str = "AAPL") -> None:
    """Whatever is asked about bars of that symbol, these are its rows."""
    path = "/v2/stocks/bars" if name == "alpaca" else f"/v2/aggs/ticker/{symbol}/*"
    exchange.inject(kind="rest.set", path=path, field=f"bars.{symbol}" if name == "alpaca" else "results", to=rows, times=0)


@pytest.mark.parametrize("name", VENDORS)
def test_every_symbol_is_answered_for_on_every_session(make: Callable[[str], Alpaca | Polygon], name: str) -> None:
    source = make(name)
    assert source.origin is Origin.GENERATED
    assert source.feed == {"alpaca": "generated", "polygon": "polygon-generated"}[name], "invented prices never look like real ones"
    assets = source.assets()
    assert assets.schema == ASSETS
    symbols = assets["symbol"].to_list()
    window = calendar.trailing(LAST, 300)
    chunks = list(source.daily([*symbols, "ZZZZ"], window[0], window[-1]))
    found = whole(chunks)
    assert found.rows.schema == BARS
    assert found.rows.height == 300 * len(symbols), "and more than Alpaca's page"
    assert (set(found.symbols), list(found.sessions)) == ({*symbols, "ZZZZ"}, window)
    assert found.malformed.is_empty()
    dates = found.rows["timestamp"].dt.convert_time_zone("America/New_York")
    assert set(dates.dt.time()) == {time(0)}
    assert found.rows["feed"].unique().to_list() == [source.feed]


def test_one_session_of_the_whole_market_costs_polygon_one_request_and_says_the_same(make: Callable[[str], Alpaca | Polygon]) -> None:
    source = make("polygon")
    assert source.feed == "polygon-generated", "which the exchange had to be asked for"
    before = source.traffic
    together = whole(source.daily(["MSFT", "AAPL"], LAST, LAST)).rows.sort("symbol")
    assert source.traffic.since(before).requests == 1
    alone = [whole(source.daily([symbol], LAST, LAST)).rows for symbol in ("AAPL", "MSFT")]
    assert source.traffic.since(before).requests == 3
    assert together.equals(pl.concat(alone))


@pytest.mark.parametrize("name", VENDORS)
def test_recent_minutes_are_those_that_start_in_the_span_and_no_others(make: Callable[[str], Alpaca | Polygon], name: str) -> None:
    start, end = datetime(2026, 11, 20, 14, 31, tzinfo=UTC), datetime(2026, 11, 20, 14, 34, tzinfo=UTC)
    found = make(name).recent(["SPY", "AAPL"], start, end)
    assert set(found.symbols) == {"AAPL", "SPY"}
    rows = found.rows.sort("symbol", "timestamp")
    expected = [(symbol, minute) for symbol in ("AAPL", "SPY") for minute in (31, 32, 33)]
    assert list(zip(rows["symbol"], rows["timestamp"].dt.minute(), strict=True)) == expected
    assert set(rows["timestamp"].dt.date()) == {TODAY}


@pytest.mark.parametrize("name", VENDORS)
def test_minutes_are_of_their_session(make: Callable[[str], Alpaca | Polygon], name: str) -> None:
    found = whole(make(name).minutes(["SPY", "AAPL"], date(2026, 11, 18), LAST))
    days = found.rows["timestamp"].dt.convert_time_zone("America/New_York").dt.date()
    assert sorted(set(days)) == [date(2026, 11, 18), LAST]
    assert set(found.symbols) == {"SPY", "AAPL"}
    assert 380 < found.rows.filter((pl.col("symbol") == "SPY") & (days == LAST)).height <= 390


@pytest.mark.parametrize("name", VENDORS)
def test_actions_are_those_of_the_world(make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str) -> None:
    source, first = make(name), date(2025, 11, 20)
    symbols = source.assets()["symbol"].to_list()
    found = source.actions(symbols, first, TODAY)
    assert found.schema == ACTIONS
    told = [action for action in exchange.world.actions.rows if first <= action.ex_date <= TODAY]
    expected = {
        (a.symbol, "dividend", a.ex_date, 1.0, float(a.rate)) if a.rate else (a.symbol, "split", a.ex_date, float(a.ratio), 0.0) for a in told
    }
    assert set(found.drop("source").rows()) == expected
    assert {kind for _, kind, *_ in expected} == {"split", "dividend"}
    some = symbols[:2]
    assert source.actions(some, first, TODAY).equals(found.filter(pl.col("symbol").is_in(some)))


@pytest.mark.parametrize("name", VENDORS)
def test_trades_come_in_order_with_nanoseconds(make: Callable[[str], Alpaca | Polygon], name: str) -> None:
    chunks = list(make(name).trades(["AAPL", "ZZZZ"], TODAY))
    found = whole(chunks, TRADES)
    assert found.rows.schema == TRADES
    assert found.rows.height > 50
    assert found.rows["timestamp"].is_sorted()
    assert found.rows.select("price", "size").min().row(0) > (0.0, 0.0)
    assert found.rows["conditions"].list.len().min() == 1
    assert set(found.symbols) == {"AAPL", "ZZZZ"}


JUNK: dict[str, tuple[Callable[[str], Any], str]] = {
    "no close": (lambda name: {key: value for key, value in bar(name).items() if key != "c"}, "c: Field required"),
    "null": (lambda name: bar(name, h=None), "h: Input should be a valid number, found null"),
    "text": (lambda name: bar(name, o="10.0"), 'o: Input should be a valid number, found "10.0"'),
    "truth": (lambda name: bar(name, l=True), "l: Input should be a valid number, found true"),
    "count": (lambda name: bar(name, n="many"), 'n: Input should be a valid integer, found "many"'),
    "no row": (lambda name: "<html>", "Input should be a valid dictionary"),
    "nothing": (lambda name: None, "Input should be a valid dictionary"),
    "list": (lambda name: [1, 2], "Input should be a valid dictionary"),
    "time": (lambda name: bar(name, t="2026-13-45T99:00:00Z" if name == "alpaca" else -1), "t"),
    "far": (lambda name: bar(name, t="soon" if name == "alpaca" else 10**18), "t"),
}


@pytest.mark.parametrize("name", VENDORS)
def test_one_bad_row_never_loses_its_page(make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str) -> None:
    later = {"t": "2026-11-19T15:01:00Z"} if name == "alpaca" else {"t": bar(name)["t"] + 60_000}
    bend(exchange, name, [bar(name), *(junk(name) for junk, _ in JUNK.values()), bar(name, **later, n=None, vw=None)])
    found = whole(make(name).minutes(["AAPL", "MSFT"], LAST, LAST))
    apple = found.rows.filter(pl.col("symbol") == "AAPL")
    assert apple["timestamp"].to_list() == [datetime(2026, 11, 19, 15, minute, tzinfo=UTC) for minute in (0, 1)]
    assert apple.select("close", "trades", "vwap").rows() == [(10.5, 7, 10.2), (10.5, None, None)]
    assert found.rows.filter(pl.col("symbol") == "MSFT").height > 300
    assert found.malformed.schema == MALFORMED
    assert set(found.malformed["symbol"]) == {"AAPL"}
    assert found.malformed.height == len(JUNK)
    told = found.malformed["reason"].to_list()
    assert [reason for _, reason in JUNK.values() if not any(reason in each for each in told)] == []
    assert found.malformed["timestamp"].drop_nulls().unique().to_list()[-1] == datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
    assert '"10.0"' in "".join(found.malformed["raw"])
    assert set(found.symbols) == {"AAPL", "MSFT"}, "the answer was whole"


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("junk", ["text", 7, {"AAPL": 1}], ids=str)
def test_a_symbol_whose_rows_are_no_list_is_not_answered_for(
    make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str, junk: object
) -> None:
    bend(exchange, name, junk)
    found = whole(make(name).minutes(["AAPL", "MSFT"], LAST, LAST))
    assert (found.symbols, found.malformed["symbol"].to_list()) == (("MSFT",), ["AAPL"])
    assert found.rows["symbol"].unique().to_list() == ["MSFT"]


@pytest.mark.parametrize("name", VENDORS)
def test_a_page_of_html_is_asked_for_again_and_then_set_aside_without_an_answer(
    make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str
) -> None:
    source = make(name)
    assert source.feed, "asked before"
    path = "/v2/stocks/bars" if name == "alpaca" else "/v2/aggs/*"
    fault = exchange.inject(kind="rest.status", status=200, body="html", path=path, times=0)
    before = source.traffic
    found = whole(source.minutes(["AAPL"], LAST, LAST))
    assert source.traffic.since(before)[:2] == (3, 2)
    assert (found.rows.height, found.symbols) == (0, ())
    assert "<html>" in found.malformed["raw"].item()
    exchange.relent(fault["id"])
    assert whole(source.minutes(["AAPL"], LAST, LAST)).symbols == ("AAPL",)


@pytest.mark.parametrize("name", VENDORS)
def test_a_reset_in_the_middle_costs_another_try_and_nothing_else(make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str) -> None:
    source = make(name)
    whole_answer = whole(source.minutes(["AAPL"], LAST, LAST)).rows
    path = "/v2/stocks/bars" if name == "alpaca" else "/v2/aggs/*"
    exchange.inject(kind="rest.reset", path=path, times=2)
    before = source.traffic
    assert whole(source.minutes(["AAPL"], LAST, LAST)).rows.equals(whole_answer)
    assert source.traffic.since(before).retries == 2


def test_a_bad_action_is_told_and_the_others_stay(make: Callable[[str], Alpaca | Polygon], exchange: Exchange) -> None:
    rows = [{"symbol": "AAPL", "ex_date": "2026-11-02", "new_rate": 2, "old_rate": 1}, {"symbol": "MSFT", "ex_date": "2026-11-02", "new_rate": 2}]
    exchange.inject(kind="rest.set", path="/v1/corporate-actions", field="corporate_actions.forward_splits", to=rows, times=0)
    stock = [{"symbol": "AAPL", "ex_date": "2026-11-03", "rate": 0.05}]
    exchange.inject(kind="rest.set", path="/v1/corporate-actions", field="corporate_actions.stock_dividends", to=stock, times=0)
    source = make("alpaca")
    found = source.actions(["AAPL", "MSFT"], date(2026, 11, 1), TODAY).filter(pl.col("kind") == "split")
    assert found.select("symbol", "ratio").rows() == [("AAPL", 2.0), ("AAPL", 1.05)]
    assert source.malformed.select("symbol", "reason").rows() == [("MSFT", "old_rate: Field required")]


def test_a_dividend_in_another_currency_is_told_apart(make: Callable[[str], Alpaca | Polygon], exchange: Exchange) -> None:
    paid = {"ticker": "AAPL", "ex_dividend_date": "2026-11-02", "cash_amount": 1.5}
    exchange.inject(kind="rest.set", path="/v3/reference/dividends", field="results", to=[{**paid, "currency": "CAD"}, paid], times=0)
    source = make("polygon")
    found = source.actions(["AAPL"], date(2026, 11, 1), TODAY).filter(pl.col("kind") == "dividend")
    assert found["cash"].to_list() == [1.5]
    assert source.malformed["reason"].to_list() == ["expected a dividend in USD, found CAD"]


def test_an_industry_is_the_four_digits_of_the_sec_or_nothing(make: Callable[[str], Alpaca | Polygon]) -> None:
    source = make("polygon")
    assert isinstance(source, Polygon)
    assert source.industry("AAPL") == Industry("3571", "ELECTRONIC COMPUTERS")
    assert source.industry("SPY") == Industry("", "")
    assert source.industry("ZZZZ") == Industry("", "")


def test_an_answer_that_breaks_off_in_the_middle_is_no_answer(make: Callable[[str], Alpaca | Polygon], exchange: Exchange) -> None:
    source, window = make("alpaca"), calendar.trailing(LAST, 300)
    symbols = source.assets()["symbol"].to_list()
    exchange.inject(kind="rest.status", status=200, body="html", path="/v2/stocks/bars", skip=1, times=0)
    found = whole(source.daily(symbols, window[0], window[-1]))
    assert (found.rows.height, found.symbols) == (0, ()), "of the second page nothing is known, not even whose it is"
    assert found.malformed["reason"].to_list() == ["expected JSON, found another text"]


def test_a_bad_row_of_the_whole_market_is_the_symbol_s_it_names(make: Callable[[str], Alpaca | Polygon], exchange: Exchange) -> None:
    source = make("polygon")
    rows = [bar("polygon", T="AAPL"), bar("polygon", T="MSFT", c=None), bar("polygon", T=None), bar("polygon", T="NOBODY", c=None), "row"]
    exchange.inject(kind="rest.set", path="/v2/aggs/grouped/*", field="results", to=rows, times=0)
    found = whole(source.daily(["AAPL", "MSFT"], LAST, LAST))
    assert found.rows["symbol"].to_list() == ["AAPL"]
    assert found.rows["timestamp"].to_list() == [datetime(2026, 11, 19, 5, 0, tzinfo=UTC)], "stamped in the afternoon, kept at midnight in New York"
    assert sorted(found.malformed["symbol"]) == ["", "", "MSFT"], "and rows of others are nobody's business"
    assert found.malformed.filter(pl.col("symbol") == "MSFT")["timestamp"].to_list() == [datetime(2026, 11, 19, 5, 0, tzinfo=UTC)]


@pytest.mark.parametrize("name", VENDORS)
def test_trades_that_cannot_be_read_are_set_aside_or_not_answered_for(make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str) -> None:
    path, field = ("/v2/stocks/trades", "trades.AAPL") if name == "alpaca" else ("/v3/trades/AAPL", "results")
    good = {"t": "2026-11-20T14:31:00.123456789Z", "p": 10.5, "s": 100, "sip_timestamp": 1795185060123456789, "price": 10.5, "size": 100}
    wrong = {**good, "p": "10.5", "price": "10.5"}
    fault = exchange.inject(kind="rest.set", path=path, field=field, to=[good, wrong, {**good, "u": "canceled"}], times=0)
    found = whole(make(name).trades(["AAPL"], TODAY), TRADES)
    assert found.rows["timestamp"].dt.timestamp("ns")[0] == 1795185060123456789
    assert (found.rows.height, found.malformed.height) == ((1, 2) if name == "alpaca" else (2, 1))
    assert found.symbols == ("AAPL",)
    exchange.relent(fault["id"])
    exchange.inject(kind="rest.set", path=path, field=field, to=7, times=0)
    found = whole(make(name).trades(["AAPL"], TODAY), TRADES)
    assert (found.symbols, found.malformed["symbol"].to_list()) == ((), ["AAPL"])


@pytest.mark.parametrize(
    ("name", "path", "field"),
    [
        ("alpaca", "/v1/corporate-actions", "corporate_actions.forward_splits"),
        ("alpaca", "/v1/corporate-actions", "corporate_actions"),
        ("polygon", "/v3/reference/splits", "results"),
    ],
)
def test_splits_that_cannot_be_read_are_an_error_for_half_of_them_would_fake_returns(
    make: Callable[[str], Alpaca | Polygon], exchange: Exchange, name: str, path: str, field: str
) -> None:
    exchange.inject(kind="rest.set", path=path, field=field, to="unavailable", times=0)
    with pytest.raises(Unreachable, match="expected"):
        make(name).actions(["AAPL", "MSFT"], date(2025, 11, 20), TODAY)


def test_a_vendor_that_refuses_for_its_limit_is_asked_again_and_loses_nothing(tools: Callable[..., DayBot]) -> None:
    """The exchange counts a venue minute, here half a second; what is refused all the same is asked again."""
    with Exchange(speed=120, stepped=False, day=TODAY, polygon=Terms(rate_limit=3)) as exchange:
        keys = {"polygon_api_key": "LIMITED", "vendor_retries": 5, "vendor_backoff": 0.1, "polygon_rate": 1000}
        settings = tools(daybot_mode="sim", alpaca_base_url=exchange.url, polygon_base_url=exchange.url, **keys).settings
        source = Polygon(settings)
        found = whole(source.minutes([f"S{i}" for i in range(8)], LAST, LAST))
        assert len(found.symbols) == 8
        assert source.traffic.retries > 0
