"""Recorded trades and quotes: the tape's rules make the minutes, the best quote of all venues stands around the trades."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from alpaca.data.requests import StockBarsRequest, StockLatestQuoteRequest, StockQuotesRequest, StockSnapshotRequest, StockTradesRequest
from alpaca.data.timeframe import TimeFrame
from recorded import recorded

from live.sim.clock import MINUTE, local
from live.sim.errors import WorldError
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.recording.conditions import Rule, rule

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)

TRADES = [
    # seconds after the open, price, size, venue, conditions
    (-1_800.0, 99.50, 50, "P", "TI"),  # extended hours, an odd lot: no bar
    (-1_790.0, 99.60, 200, "P", "T"),
    (0.2, 100.00, 5_000, "N", "O"),
    (0.2, 100.00, 5_000, "N", "Q"),  # the official open repeats the auction
    (5.0, 100.02, 100, "K", "F"),
    (9.0, 109.99, 7, "D", "I"),  # odd lot far away: volume only
    (20.0, 100.05, 300, "N", ""),
    (30.0, 90.00, 400, "D", "4 B"),  # average price: volume only
    (40.0, 99.95, 200, "N", ""),
    (50.0, 99.90, 100, "D", "Z"),  # sold out of sequence: an extreme, not the close
    (65.0, 100.50, 30, "K", "FI"),  # a minute of odd lots only has no bar
    (130.0, 99.97, 100, "N", ""),
]
QUOTES = [
    # seconds after the open, venue, bid, bid lots, ask, ask lots
    (-1_800.0, "P", 99.40, 1, 99.70, 1),
    (0.1, "N", 99.98, 3, 100.03, 2),
    (0.1, "K", 99.99, 1, 100.04, 9),
    (10.0, "Y", 80.00, 1, 130.00, 1),  # a stub: never the best
    (12.0, "K", 100.03, 2, 100.06, 2),  # crosses what N asked before: that is stale
    (15.0, "K", 0.0, 0, 100.06, 2),  # no bid any more: N's stands again
    (22.0, "Z", 100.10, 1, 100.00, 1),  # crossed with itself: not a quote
    (60.0, "N", 0.0, 0, 0.0, 0),
    (61.0, "P", 0.0, 0, 0.0, 0),
    (62.0, "Y", 0.0, 0, 130.0, 1),
    (63.0, "K", 0.0, 0, 0.0, 0),  # only a stub ask is left
    (120.0, "N", 99.96, 2, 99.98, 4),
]


def stamped(rows: list[tuple], names: list[str]) -> pl.DataFrame:
    table = pl.DataFrame([("AAA", OPEN + timedelta(seconds=row[0]), *row[1:]) for row in rows], schema=["symbol", "timestamp", *names], orient="row")
    return table.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC")))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    last = (CLOSE - OPEN).total_seconds()
    closing = [(last - 30, 100.10, 100, "N", ""), (last + 7, 100.20, 9_000, "N", "6"), (last + 7, 100.20, 9_000, "N", "M")]
    stamped(TRADES + closing, ["price", "size", "exchange", "conditions"]).write_parquet(tmp_path / "trades.parquet")
    stamped(QUOTES, ["exchange", "bid", "bid_size_lots", "ask", "ask_size_lots"]).write_parquet(tmp_path / "quotes.parquet")
    return [tmp_path / "trades.parquet", tmp_path / "quotes.parquet"]


@pytest.mark.parametrize(
    ("letters", "tape", "regular", "may"),
    [
        ("", "A", True, Rule(True, True, True)),
        ("@", "C", True, Rule(True, True, True)),
        ("F I", "A", True, Rule(False, False, True)),
        ("B", "A", True, Rule(False, False, True)),
        ("B", "C", True, Rule(True, True, True)),
        ("T", "A", True, Rule(False, False, True)),
        ("T", "A", False, Rule(True, True, True)),
        ("TI", "A", False, Rule(False, False, True)),
        ("U", "A", False, Rule(False, False, True)),
        ("Z", "A", True, Rule(False, True, True)),
        ("6", "A", False, Rule(True, True, True)),
        ("M", "A", False, Rule(False, False, False)),
        ("9", "C", False, Rule(True, True, False)),
        ("?", "A", True, Rule(False, False, True)),
    ],
)
def test_conditions_decide_what_a_trade_moves(letters, tape, regular, may):
    assert rule(letters, tape=tape, regular=regular) == may


def test_minutes_are_made_of_the_trades_that_may_make_them(files):
    bars = RecordedWorld(ticks=files).day(DAY)["AAA"]
    starts = [int(start - local(DAY, 9, 30)) // MINUTE for start in bars.t]
    assert starts == [-30, 0, 2, 389, 390]
    first = starts.index(0)
    assert (bars.o[first], bars.h[first], bars.l[first], bars.c[first]) == (100.00, 100.05, 99.90, 99.95)
    assert (bars.v[first], bars.n[first]) == (5_000 + 100 + 7 + 300 + 400 + 200 + 100, 7)
    assert (bars.c[-1], bars.v[-1], bars.n[-1]) == (100.20, 9_000, 1)
    worth = (5_000 * 100 + 100 * 100.02 + 7 * 109.99 + 300 * 100.05 + 400 * 90 + 200 * 99.95 + 100 * 99.90) / 6_107
    assert bars.vw[first] == round(worth, 4)


def test_the_day_ends_with_the_closing_auction_counted_once_and_not_before_it_printed(client, files):
    trader = client(RecordedWorld(ticks=files), start=(15, 58))
    volume = sum(size for at, _, size, _, letters in TRADES if at >= 0 and letters != "Q" and at != 65.0) + 100
    for second, close, shares in ((0, 100.10, volume), (6.9, 100.10, volume), (7, 100.20, volume + 9_000)):
        trader.exchange.step_to(16, 0, second)
        day = trader.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAA"))["AAA"].daily_bar
        assert (day.open, day.close, day.volume) == (100.00, close, shares)


def test_the_best_quote_is_of_all_venues_without_stale_crossed_and_stub_ones(client, files):
    trader = client(RecordedWorld(ticks=files), start=(9, 29))
    trader.exchange.step_to(9, 33)
    request = StockQuotesRequest(symbol_or_symbols="AAA", start=OPEN, end=OPEN + timedelta(minutes=3))
    shown = [
        ((quote.timestamp - OPEN).total_seconds(), quote.bid_price, int(quote.bid_size), quote.bid_exchange, quote.ask_price, int(quote.ask_size))
        for quote in trader.data.get_stock_quotes(request).data["AAA"]
    ]
    assert shown[-1] == (120.0, 99.96, 200, "N", 99.98, 400)
    by_time = {row[0]: row for row in shown}
    assert by_time[0.1][1:5] == (99.99, 100, "K", 100.03)
    assert by_time[12.0][1:5] == (100.03, 200, "K", 100.06)
    assert by_time[15.0][1:5] == (99.98, 300, "N", 100.06)
    assert 10.0 not in by_time
    assert 22.0 not in by_time
    assert by_time[63.0][1] == 0.0
    assert by_time[63.0][4] == 130.0
    assert all(bid < ask for _, bid, _, _, ask, _ in shown if bid and ask)


def test_streams_and_rest_tell_the_recorded_trades_and_quotes(client, files, listening):
    trader = client(RecordedWorld(ticks=files), start=(9, 29))

    def subscribe(stream, hear):
        stream.subscribe_trades(hear, "AAA")
        stream.subscribe_quotes(hear, "AAA")
        stream.subscribe_bars(hear, "AAA")

    heard = listening(trader.exchange, subscribe)
    sent = trader.exchange.step_to(9, 33, 1)["sent"]["market"]
    messages = heard.take(heard.market, sent)
    trades = [each for each in messages if type(each).__name__ == "Trade"]
    expected = [row for row in TRADES if row[0] >= 0]
    assert [((each.timestamp - OPEN).total_seconds(), each.price, each.size, each.exchange) for each in trades] == [row[:4] for row in expected]
    assert [each.conditions for each in trades] == [list(row[4].replace(" ", "")) or [" "] for row in expected]
    assert {each.tape for each in trades} == {"A"}  # its auctions are on the New York Stock Exchange
    window = {"start": OPEN, "end": OPEN + timedelta(minutes=3)}
    rest = trader.data.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAA", **window)).data["AAA"]
    assert [(each.id, each.timestamp, each.price, each.conditions) for each in rest] == [
        (each.id, each.timestamp, each.price, each.conditions) for each in trades
    ]
    quotes = trader.data.get_stock_quotes(StockQuotesRequest(symbol_or_symbols="AAA", **window)).data["AAA"]
    assert [(each.timestamp, each.bid_price, each.ask_price, each.bid_size) for each in quotes] == [
        (each.timestamp, each.bid_price, each.ask_price, each.bid_size) for each in messages if type(each).__name__ == "Quote"
    ]
    bars = trader.data.get_stock_bars(StockBarsRequest(symbol_or_symbols="AAA", timeframe=TimeFrame.Minute, **window)).data["AAA"]
    assert [(each.timestamp, each.close, each.volume) for each in messages if type(each).__name__ == "Bar"] == [
        (each.timestamp, each.close, each.volume) for each in bars
    ]
    assert [each.timestamp.minute for each in bars] == [30, 32]
    known = trader.raw.get("/v3/trades/AAA", params={"apiKey": "K", "order": "asc", "timestamp.gte": "2026-11-20T14:30:00Z"}).json()["results"]
    assert [row["price"] for row in known] == [each.price for each in trades]
    latest = trader.raw.get("/v2/last/trade/AAA?apiKey=K").json()["results"]
    assert (latest["p"], latest["s"]) == (99.97, 100)


def test_orders_meet_the_recorded_quote_and_only_trades_that_count(client, files):
    trader = client(RecordedWorld(ticks=files), start=(9, 30))
    trader.exchange.step(1)
    stop = trader.send("AAA", "buy", 1, type="stop", stop_price=101)  # the odd lot at 109.99 does not trigger it
    cheap = trader.send("AAA", "buy", 1, type="limit", limit_price=91)  # nor does the average price of 90.00 fill this
    now = trader.send("AAA", "buy", 1)
    trader.exchange.step(4.5)
    assert float(trader.raw.get(f"/v2/orders/{now['id']}").json()["filled_avg_price"]) == 100.03
    trader.exchange.step_to(9, 31, 4)
    assert [trader.status(each["id"]) for each in (stop, cheap)] == ["new"] * 2
    trader.raw.delete("/v2/orders")
    trader.exchange.step(5)
    nobody = trader.send("AAA", "sell", 1)
    trader.exchange.step(30)
    assert trader.status(nobody["id"]) == "new"  # there is no bid
    shown = trader.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAA"))["AAA"]
    assert (shown.bid_price, shown.ask_price) == (0.0, 130.0)
    trader.exchange.step_to(9, 33)
    assert float(trader.raw.get(f"/v2/orders/{nobody['id']}").json()["filled_avg_price"]) == 99.96


def test_auction_orders_get_the_recorded_auctions(client, files):
    trader = client(RecordedWorld(ticks=files), start=(9, 20))
    opened = trader.send("AAA", "buy", 2, time_in_force="opg")
    closed = trader.send("AAA", "buy", 1, time_in_force="cls")
    trader.exchange.step_to(16, 1)
    rows = [trader.raw.get(f"/v2/orders/{each['id']}").json() for each in (opened, closed)]
    assert [float(row["filled_avg_price"]) for row in rows] == [100.00, 100.20]
    assert rows[0]["filled_at"] == "2026-11-20T14:30:00.2Z"


@pytest.mark.parametrize("unit", ["ns", "us", "text"])
def test_csv_and_whole_numbers_as_times_are_read_like_parquet(files, tmp_path, unit):
    for path in files:
        table = pl.read_parquet(path)
        at = pl.col("timestamp")
        text = at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        table.with_columns(text if unit == "text" else at.dt.timestamp(unit)).write_csv(tmp_path / f"{path.stem}.csv")
    ours, theirs = RecordedWorld(ticks=files), RecordedWorld(ticks=[tmp_path / f"{path.stem}.csv" for path in files])
    minute = local(DAY, 9, 30)
    assert theirs.ticks(DAY)["AAA"].path(minute) == ours.ticks(DAY)["AAA"].path(minute)
    assert np.array_equal(theirs.day(DAY)["AAA"].vw, ours.day(DAY)["AAA"].vw)


def test_bad_ticks_say_what_is_wrong(files, tmp_path):
    trades = pl.read_parquet(files[0])
    trades.drop("size").write_parquet(tmp_path / "lacking.parquet")
    trades.with_columns(price=pl.lit(-1.0)).write_parquet(tmp_path / "negative.parquet")
    trades.with_columns(pl.col("symbol").replace("AAA", None)).write_parquet(tmp_path / "gap.parquet")
    for names, words in (
        ([tmp_path / "lacking.parquet"], "Trades need symbol, timestamp, price, size"),
        ([tmp_path / "negative.parquet"], "a price or a size <= 0"),
        ([tmp_path / "gap.parquet"], "with a gap"),
        ([tmp_path / "none.parquet"], "found nothing"),
        (files[1:], "only quotes were given"),
    ):
        with pytest.raises(WorldError, match=words):
            RecordedWorld(ticks=names)


@pytest.fixture(scope="module")
def real() -> RecordedWorld:
    return RecordedWorld(ticks=sorted(recorded("ticks").glob("*.parquet")))


def test_a_real_day_of_a_new_york_stock_is_what_the_tape_says(client, real):
    day = date(2018, 1, 2)
    trades = pl.concat([pl.read_parquet(path) for path in recorded("ticks").glob("trades*.parquet")])
    trader = client(real, day=day, start=(9, 29))
    trader.exchange.step_to(9, 31)
    bought = trader.send("XXX", "buy", 10)
    trader.exchange.step(10)
    sold = trader.send("XXX", "sell", 10, time_in_force="cls")
    trader.exchange.step_to(16, 1)
    window = {"start": "2018-01-02T14:30:00Z", "end": "2018-01-02T20:59:59Z", "limit": 10_000}
    bars = trader.raw.get("/v2/stocks/XXX/bars", params={**window, "timeframe": "1Min"}).json()["bars"]
    assert len(bars) == 390
    regular = trades.filter(
        pl.col("timestamp").is_between(datetime(2018, 1, 2, 14, 30, tzinfo=UTC), datetime(2018, 1, 2, 21, tzinfo=UTC), closed="left")
    )
    official = regular.filter(pl.col("conditions").str.contains("[QM]"))["size"].sum()
    assert sum(bar["v"] for bar in bars) == regular["size"].sum() - official
    daily = trader.raw.get("/v2/stocks/XXX/snapshot").json()["dailyBar"]
    assert (daily["c"], daily["v"]) == (157.04, sum(bar["v"] for bar in bars) + 443_901)
    moves = regular.filter(~pl.col("conditions").str.contains("[ITUBQM47]"))
    assert (daily["h"], daily["l"]) == (moves["price"].max(), moves["price"].min())
    assert trader.raw.get("/v2/assets/XXX").json()["exchange"] == "NYSE"
    filled = [float(trader.raw.get(f"/v2/orders/{each['id']}").json()["filled_avg_price"]) for each in (bought, sold)]
    assert filled[1] == 157.04
    assert abs(filled[0] - 158.41) < 0.3
    quotes = trader.raw.get("/v2/stocks/XXX/quotes", params=window).json()["quotes"]
    assert all(row["bp"] < row["ap"] and row["bs"] % 100 == row["as"] % 100 == 0 for row in quotes if row["bp"] and row["ap"])
    spreads = [row["ap"] - row["bp"] for row in quotes if row["bp"] and row["ap"]]
    assert 0.01 <= np.median(spreads) <= 0.10  # of the morning
