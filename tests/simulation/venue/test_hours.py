"""What depends on the time of day: auctions, extended hours, early closes, clock changes, orders that outlive a session, halts."""

import json
from datetime import date, timedelta

import pytest
from websockets.sync.client import connect

from live.sim.clock import MINUTE, local, new_york
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld

DAY = date(2026, 11, 20)
KEYS = {"APCA-API-KEY-ID": "SIM", "APCA-API-SECRET-KEY": "SIM"}
FAMILY = {"order_class": "bracket", "take_profit": {"limit_price": 120}, "stop_loss": {"stop_price": 80}}


def order(trader, order_id) -> dict:
    return trader.raw.get(f"/v2/orders/{order_id}").json()


def refused(trader, **body) -> tuple[int, int]:
    answer = trader.raw.post("/v2/orders", json={"side": "buy", "qty": 1, "type": "market", "time_in_force": "day", **body})
    return answer.status_code, answer.json()["code"]


def test_opening_orders_get_the_first_price_or_nothing(client, market):
    trader = client(market({"AAA": [100.0, 103.0, 103.0]}))
    wanted = trader.send("AAA", "buy", 3, time_in_force="opg")
    enough = trader.send("AAA", "buy", 2, time_in_force="opg", type="limit", limit_price=100.5)
    low = trader.send("AAA", "buy", 2, time_in_force="opg", type="limit", limit_price=99)
    assert wanted["status"] == "accepted"
    trader.exchange.step_to(9, 29)
    assert refused(trader, symbol="AAA", time_in_force="opg") == (422, 40010001)
    assert order(trader, wanted["id"])["status"] == "accepted"
    trader.exchange.step_to(9, 31)
    assert (order(trader, wanted["id"])["status"], order(trader, wanted["id"])["filled_avg_price"]) == ("filled", "100")
    assert order(trader, enough["id"])["filled_avg_price"] == "100"
    assert order(trader, low["id"])["status"] == "canceled"


def test_closing_orders_get_the_last_price_or_nothing(client, market):
    trader = client(market({"AAA": [100.0] * 389 + [104.0]}), start=(9, 35))
    wanted = trader.send("AAA", "buy", 3, time_in_force="cls")
    low = trader.send("AAA", "buy", 2, time_in_force="cls", type="limit", limit_price=103)
    trader.exchange.step_to(15, 45)
    assert order(trader, wanted["id"])["status"] == "new"
    trader.exchange.step_to(15, 51)
    assert refused(trader, symbol="AAA", time_in_force="cls") == (422, 40010001)
    trader.exchange.step_to(16)
    assert (order(trader, wanted["id"])["status"], order(trader, wanted["id"])["filled_avg_price"]) == ("filled", "104")
    assert order(trader, low["id"])["status"] == "canceled"
    trader.exchange.step_to(19, 1)
    assert trader.send("AAA", "buy", 1, time_in_force="opg")["status"] == "accepted"


def test_auction_deadlines_follow_an_early_close(client, minutes):
    half = date(2026, 11, 27)
    trader = client(RecordedWorld(minutes=[minutes({"AAA": [100.0] * 210}, day=half)]), day=half, start=(9, 35))
    late = trader.send("AAA", "buy", 1, time_in_force="cls")
    day = trader.send("AAA", "buy", 1, type="limit", limit_price=50)
    trader.exchange.step_to(12, 51)
    assert refused(trader, symbol="AAA", time_in_force="cls") == (422, 40010001)
    trader.exchange.step_to(13, 0, 1)
    assert order(trader, late["id"])["status"] == "filled"
    assert (order(trader, day["id"])["status"], order(trader, day["id"])["expires_at"]) == ("expired", "2026-11-27T18:00:00Z")
    assert trader.raw.get("/v2/clock").json()["next_open"] == "2026-11-30T09:30:00-05:00"


@pytest.mark.parametrize(("day", "opens", "closes"), [(date(2026, 11, 2), 14, 21), (date(2026, 3, 9), 13, 20), (date(2026, 11, 27), 14, 18)])
def test_sessions_open_at_half_past_nine_whatever_the_clocks_do(client, day, opens, closes):
    trader = client(GeneratedWorld(day=day, seed=7), day=day)
    trader.exchange.step_to(9, 31)
    bars = trader.raw.get("/v2/stocks/SPY/bars", params={"timeframe": "1Min"}).json()["bars"]
    assert [bar["t"] for bar in bars] == [f"{day}T{opens}:30:00Z"]
    (row,) = trader.raw.get("/v2/calendar", params={"start": str(day), "end": str(day)}).json()
    assert (row["open"], row["close"]) == ("09:30", f"{closes - opens + 9}:00")
    days = trader.raw.get("/v2/stocks/SPY/bars", params={"timeframe": "1Day", "start": str(day - timedelta(days=5))}).json()["bars"]
    assert all(new_york(local(date.fromisoformat(bar["t"][:10]), 0)).hour == 0 and bar["t"][11:13] in ("04", "05") for bar in days)


def test_orders_good_till_cancelled_live_over_night_and_brackets_with_them(client, minutes):
    files = [minutes({"AAA": [100.0] * 390}), minutes({"AAA": [100.0, 125.0, 125.0]}, day=date(2026, 11, 23), name="monday")]
    trader = client(RecordedWorld(minutes=files), start=(15, 50))
    held = trader.send("AAA", "buy", 2, time_in_force="gtc", **FAMILY)
    rests = trader.send("AAA", "buy", 1, type="limit", limit_price=50, time_in_force="gtc")
    trader.exchange.step_to(20)
    legs = trader.raw.get(f"/v2/orders/{held['id']}?nested=true").json()["legs"]
    assert [leg["status"] for leg in legs] == ["new", "held"]
    assert order(trader, rests["id"])["status"] == "new"
    assert order(trader, rests["id"])["expires_at"] > "2027-02"
    trader.exchange.step(to="2026-11-23T14:35:00Z")
    assert [order(trader, leg["id"])["status"] for leg in legs] == ["filled", "canceled"]
    assert order(trader, legs[0]["id"])["filled_at"].startswith("2026-11-23")


def test_extended_hours_orders_are_limits_and_act_before_the_open(client):
    world = GeneratedWorld(day=DAY, seed=7, extended=True)
    trader = client(world)
    assert refused(trader, symbol="SPY", extended_hours=True) == (422, 40010001)
    assert refused(trader, symbol="SPY", extended_hours=True, type="limit", limit_price=1, **FAMILY) == (422, 40010001)
    early = trader.send("SPY", "buy", 1, type="limit", limit_price=5_000, extended_hours=True)
    plain = trader.send("SPY", "buy", 1, type="limit", limit_price=5_000)
    assert (early["status"], plain["status"]) == ("pending_new", "accepted")
    assert (early["expires_at"], plain["expires_at"]) == ("2026-11-21T01:00:00Z", "2026-11-20T21:00:00Z")
    trader.exchange.step_to(9, 29)
    assert [order(trader, each["id"])["status"] for each in (early, plain)] == ["filled", "accepted"]
    trader.exchange.step_to(16, 30)
    late = trader.send("SPY", "sell", 1, type="limit", limit_price=5_000, time_in_force="gtc", extended_hours=True)
    trader.exchange.step_to(20, 1)
    assert order(trader, late["id"])["status"] == "new"
    points = trader.raw.get("/v2/account/portfolio/history?period=1D&timeframe=1H&intraday_reporting=extended_hours").json()["timestamp"]
    assert points[-1] == local(DAY, 19) // 10**9


def test_hours_around_the_session_are_thin_and_leave_the_session_as_it_was(generated):
    world = GeneratedWorld(day=DAY, seed=7, extended=True)
    session = world.calendar.find(DAY)
    for symbol, bars in world.day(DAY).items():
        first, last = bars.t.searchsorted([session.open, session.close])
        plain = generated.day(DAY)[symbol]
        assert all((getattr(bars.cut(first, last), name) == getattr(plain, name)).all() for name in ("t", "o", "h", "l", "c", "v"))
        assert 5 < first < 200
        assert bars.t[0] >= session.early
        assert bars.t[-1] < session.late
        assert bars.v[:first].mean() < plain.v.mean() / 5
        assert ((bars.h >= bars.o) & (bars.h >= bars.c) & (bars.l <= bars.o) & (bars.l <= bars.c)).all()


@pytest.fixture(scope="module")
def halted():
    """A world, a day and a halt on it."""
    for ahead in range(200):
        day = DAY + timedelta(days=ahead)
        world = GeneratedWorld(day=day, seed=7, halts=True)
        if world.halts(day):
            return world, day, world.halts(day)[0]
    raise AssertionError("no halt in two hundred days")


def test_nothing_trades_during_a_halt_and_orders_wait_for_its_end(client, halted):
    world, day, halt = halted
    trader = client(world, day=day, start=(9, 31))
    starts = world.day(day)[halt.symbol].t
    assert not ((starts >= halt.start) & (starts < halt.end)).any()
    with connect(trader.exchange.stream, additional_headers=KEYS, proxy=None) as socket:
        socket.recv(timeout=5)
        socket.recv(timeout=5)
        socket.send(json.dumps({"action": "subscribe", "statuses": [halt.symbol]}))
        socket.recv(timeout=5)
        trader.exchange.step(to=new_york(halt.start + MINUTE).isoformat())
        waits = trader.send(halt.symbol, "buy", 1)
        asks = trader.send(halt.symbol, "buy", 1, type="limit", limit_price=10_000, time_in_force="ioc")
        trader.exchange.step(to=new_york(halt.end - 1_000).isoformat())
        assert (order(trader, waits["id"])["status"], order(trader, asks["id"])["status"]) == ("new", "canceled")
        trader.exchange.step(60)
        assert order(trader, waits["id"])["status"] == "filled"
        said = [json.loads(socket.recv(timeout=5))[0] for _ in range(3)]
    assert [message["sc"] for message in said] in (["2", "5", "3"], ["P", "Q", "T"], ["H", "Q", "T"])
    assert said[0]["rc"] in ("LUDP", "T1")


def test_the_default_session_has_no_halt_no_slip_and_no_action(generated):
    assert generated.halts(DAY) == []
    assert generated.actions.rows == []
