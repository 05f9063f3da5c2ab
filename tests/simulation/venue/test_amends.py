"""What is put right afterwards: late, wrong and cancelled trades of a minute, and prices before a split or a dividend."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from websockets.sync.client import connect

from live.sim.errors import WorldError
from live.sim.venue.fees import NONE
from live.sim.worlds.actions import read
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld

DAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}


def heard(socket, count: int) -> list[dict]:
    rows: list[dict] = []
    while len(rows) < count:
        rows += json.loads(socket.recv(timeout=5))
    return rows


def test_a_slip_is_put_right_half_a_minute_later_and_rest_shows_what_was_known(client, generated):
    trader = client(generated, slip_rate=1.0, start=(9, 30))
    kinds = set()
    with connect(trader.exchange.stream, additional_headers=KEYS, proxy=None, max_size=None) as socket:
        socket.recv(timeout=5)
        socket.recv(timeout=5)
        socket.send(json.dumps({"action": "subscribe", "trades": ["AAPL"], "bars": ["AAPL"], "updatedBars": ["AAPL"]}))
        socket.recv(timeout=5)
        early: list[dict] = []  # trades of the running minute that came with the amends of the one before
        for minute in range(31, 51):
            count = trader.exchange.clock()["sent"]["market"]
            told = heard(socket, trader.exchange.step_to(9, minute)["sent"]["market"] - count)
            (bar,) = [row for row in told if row["T"] == "b"]
            first = early + [row for row in told if row["T"] == "t"]
            assert sum(row["s"] for row in first) == bar["v"]
            assert (max(row["p"] for row in first), min(row["p"] for row in first)) == (bar["h"], bar["l"])
            assert shown(trader) == {key: bar[key] for key in "tohlcv"}
            count = trader.exchange.clock()["sent"]["market"]
            later = heard(socket, trader.exchange.step_to(9, minute, 30)["sent"]["market"] - count)
            early = [row for row in later if row["T"] == "t" and row["t"][14:16] == f"{minute:02d}"]
            (right,) = [row for row in later if row["T"] == "u"]
            (change,) = [row for row in later if row["T"] != "u" and row not in early]
            kinds.add(change["T"])
            assert right["t"] == bar["t"]
            truth = generated.day(DAY)["AAPL"]
            row = minute - 31
            assert (right["v"], right["h"], right["l"], right["vw"]) == (truth.v[row], truth.h[row], truth.l[row], truth.vw[row])
            assert shown(trader) == {key: right[key] for key in "tohlcv"}
    assert kinds == {"t", "c", "x"}
    flags = {row.get("u") for row in trader.raw.get("/v2/stocks/AAPL/trades?limit=10000").json()["trades"]}
    assert flags == {None, "incorrect", "corrected", "canceled"}
    trader.exchange.step_to(16, 30)
    day = trader.raw.get("/v2/stocks/AAPL/snapshot").json()["dailyBar"]
    assert day["v"] == generated.day(DAY)["AAPL"].v.sum()


def shown(trader) -> dict:
    bar = trader.raw.get("/v2/stocks/AAPL/bars/latest").json()["bar"]
    return {key: bar[key] for key in "tohlcv"}


def test_trades_of_earlier_sessions_are_answered_and_the_same_every_time(client, generated):
    trader = client(generated, start=(9, 35))
    query = {"start": "2026-11-19T14:30:00Z", "end": "2026-11-19T14:31:59Z", "limit": 10_000}
    trades = trader.raw.get("/v2/stocks/AAPL/trades", params=query).json()["trades"]
    bars = trader.raw.get("/v2/stocks/AAPL/bars", params={**query, "timeframe": "1Min"}).json()["bars"]
    assert sum(row["s"] for row in trades) == sum(bar["v"] for bar in bars)
    assert (trades[0]["p"], trades[-1]["p"]) == (bars[0]["o"], bars[-1]["c"])
    assert trader.raw.get("/v2/stocks/AAPL/trades", params={**query, "sort": "desc"}).json()["trades"] == trades[::-1]
    assert len(trader.raw.get("/v2/stocks/AAPL/quotes", params=query).json()["quotes"]) == len(trades)


def actions(tmp_path: Path, rows: list[dict]) -> Path:
    path = tmp_path / "actions.csv"
    pl.DataFrame([{"new_rate": None, "old_rate": None, "rate": None, **row} for row in rows]).cast(pl.String).write_csv(path)
    return path


@pytest.fixture
def split(minutes, history, tmp_path):
    """Four for one on Monday, with half a dollar paid on the same day."""
    path = actions(
        tmp_path,
        [
            {"symbol": "AAA", "type": "split", "ex_date": "2026-11-23", "new_rate": "4", "old_rate": "1"},
            {"symbol": "AAA", "type": "dividend", "ex_date": "2026-11-23", "rate": "0.5"},
        ],
    )
    files = [minutes({"AAA": [100.0] * 390}), minutes({"AAA": [25.0, 25.5, 26.0] * 10}, day=MONDAY, name="monday")]
    return RecordedWorld(minutes=files, history=[history({"AAA": 100.0})], actions=read(path))


def test_a_split_changes_shares_not_worth_and_ends_orders_of_the_old_price(client, split):
    trader = client(split, start=(15, 50), fees=NONE)
    trader.send("AAA", "buy", 3)
    trader.exchange.step(10)
    rests = trader.send("AAA", "sell", 3, type="limit", limit_price=150, time_in_force="gtc")
    trader.exchange.step(10)
    before = trader.raw.get("/v2/account").json()
    trader.exchange.step(to="2026-11-23T14:20:00Z")
    after = trader.raw.get("/v2/account").json()
    position = trader.raw.get("/v2/positions/AAA").json()
    assert trader.status(rests["id"]) == "canceled"
    assert (position["qty"], position["avg_entry_price"], position["lastday_price"], position["change_today"]) == ("12", "25.0025", "25", "0")
    assert (after["equity"], after["cash"]) == (before["equity"], before["cash"])
    (row,) = trader.raw.get("/v2/account/activities/SPLIT").json()
    assert (row["qty"], row["net_amount"], row["date"]) == ("9", "0", "2026-11-23")
    assert trader.exchange.books()["positions"][0]["qty"] == "12"
    trader.exchange.step_to(9, 31)
    movers = trader.raw.get("/v1beta1/screener/stocks/movers").json()
    assert movers["gainers"] == movers["losers"] == []


def test_dividends_are_paid_only_where_that_was_asked_for_and_flow_into_the_history(client, split):
    for pays, cash in ((False, Decimal(0)), (True, Decimal("6.00"))):
        trader = client(split, start=(15, 50), dividends=pays, fees=NONE)
        trader.send("AAA", "buy", 3)
        trader.exchange.step(10)
        before = Decimal(trader.raw.get("/v2/account").json()["cash"])
        trader.exchange.step(to="2026-11-23T14:40:00Z")
        gained = Decimal(trader.raw.get("/v2/account").json()["cash"]) - before
        rows = trader.raw.get("/v2/account/activities/DIV").json()
        assert (gained > 0) == bool(rows) == pays
        history = trader.raw.get("/v2/account/portfolio/history?timeframe=1D&cashflow_types=DIV").json()
        assert history["cashflow"]["DIV"][-1] == float(gained)
        assert len(history["cashflow"]["DIV"]) == len(history["timestamp"]) == 2
        assert gained in (cash, cash / 4)


def test_adjusted_bars_are_on_the_scale_of_now_and_raw_ones_as_they_were(client, split):
    trader = client(split, start=(15, 50))
    query = {"timeframe": "1Day", "start": "2026-11-16", "end": "2026-11-23"}

    def closes(adjustment: str) -> tuple[list[float], list[int]]:
        bars = trader.raw.get("/v2/stocks/AAA/bars", params={**query, "adjustment": adjustment}).json()["bars"]
        return [bar["c"] for bar in bars], [bar["v"] for bar in bars]

    assert closes("all") == closes("raw")  # nothing is known on Friday of what happens on Monday
    trader.exchange.step(to="2026-11-23T21:30:00Z")
    assert closes("raw")[0] == [100.0] * 5 + [26.0]
    assert closes("split")[0] == [25.0] * 5 + [26.0]
    assert closes("split")[1][0] == 4 * closes("raw")[1][0]
    assert closes("dividend")[0] == [99.5] * 5 + [26.0]
    assert closes("split,dividend") == closes("all")
    assert closes("all")[0][0] == 24.875
    assert trader.raw.get("/v2/stocks/AAA/bars", params={**query, "adjustment": "raw,split"}).status_code == 400
    minute = {"timeframe": "1Min", "start": "2026-11-20", "end": "2026-11-20", "adjustment": "split", "limit": 1}
    assert trader.raw.get("/v2/stocks/AAA/bars", params=minute).json()["bars"][0]["c"] == 25.0


def test_generated_splits_move_raw_prices_and_leave_adjusted_ones_smooth(client):
    world = GeneratedWorld(day=DAY, seed=7, splits=True)
    plain = GeneratedWorld(day=DAY, seed=7)
    found = next(row for row in world.actions.rows if not row.rate and date(2026, 1, 5) < row.ex_date < DAY)
    raw, same = world.daily(found.symbol, DAY), plain.daily(found.symbol, DAY)
    jumps = np.abs(np.diff(np.log(raw.c)))
    assert jumps.max() > 0.4
    trader = client(world)
    query = {"timeframe": "1Day", "start": "2025-11-20", "limit": 10_000}
    adjusted = [bar["c"] for bar in trader.raw.get(f"/v2/stocks/{found.symbol}/bars", params={**query, "adjustment": "split"}).json()["bars"]]
    assert np.abs(np.diff(np.log(adjusted))).max() < 0.25
    smooth = np.diff(np.log(same.c))[-200:]
    assert np.corrcoef(smooth, np.diff(np.log(adjusted))[-200:])[0, 1] > 0.999
    shown = trader.raw.get("/v1/corporate-actions", params={"symbols": found.symbol, "types": f"{found.kind[:-1]}", "start": "2026-01-01"}).json()
    assert found.ex_date.isoformat() in [row["ex_date"] for row in shown["corporate_actions"][found.kind]]


def test_a_bad_file_of_actions_says_what_is_wrong(tmp_path: Path):
    for row, words in (
        ({"symbol": "AAA", "type": "gift", "ex_date": "2026-11-23"}, "type 'gift' is unknown"),
        ({"symbol": "AAA", "type": "split", "ex_date": "2026-11-23", "new_rate": "0", "old_rate": "1"}, "new_rate 0"),
        ({"symbol": "AAA", "type": "dividend", "ex_date": "soon", "rate": "1"}, "soon"),
        ({"symbol": "AAA", "ex_date": "2026-11-23"}, "lacks type"),
    ):
        with pytest.raises(WorldError, match=words):
            read(actions(tmp_path, [row]))
