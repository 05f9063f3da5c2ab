"""What worlds promise: generated ones repeat and add up, recorded ones say only what was recorded."""

import os
import subprocess
import sys
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from live.sim.errors import WorldError
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.tape import CENT, Tape, ticks
from live.sim.worlds.thin import ThinWorld
from live.sim.worlds.world import Bars

DAY = date(2026, 11, 20)
COLUMNS = ("t", "o", "h", "l", "c", "v", "n", "vw")


def same(left: Bars, right: Bars) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in COLUMNS)


def test_same_seed_gives_the_same_past_whatever_day_it_is_opened_on(generated):
    later = GeneratedWorld(day=date(2027, 3, 1), seed=7)
    assert all(same(bars, later.day(DAY)[symbol]) for symbol, bars in generated.day(DAY).items())
    other = GeneratedWorld(day=DAY, seed=8)
    assert not same(generated.day(DAY)["AAPL"], other.day(DAY)["AAPL"])


@pytest.mark.parametrize("day", [date(2026, 11, 19), date(2025, 11, 28), date(2026, 6, 1)])
def test_a_generated_day_is_exactly_the_sum_of_its_minutes(generated, day):
    session = generated.calendar.find(day)
    for symbol, bars in generated.day(day).items():
        daily = generated.daily(symbol, date.fromordinal(day.toordinal() + 1))
        assert daily.t[-1] == session.midnight
        assert len(bars) == session.minutes
        assert (daily.o[-1], daily.h[-1], daily.l[-1], daily.c[-1]) == (bars.o[0], bars.h.max(), bars.l.min(), bars.c[-1])
        assert daily.v[-1] == bars.v.sum()


def test_generated_prices_look_like_large_caps(generated):
    spy = np.diff(np.log(generated.daily("SPY", DAY).c))
    for symbol in generated.assets:
        daily = generated.daily(symbol, DAY)
        moves = np.diff(np.log(daily.c))
        assert len(daily) >= 400
        assert 0.006 < moves.std() < 0.03
        assert 3e5 < daily.v.mean() < 8e7
        assert (daily.l <= np.minimum(daily.o, daily.c)).all()
        assert (daily.h >= np.maximum(daily.o, daily.c)).all()
        assert np.array_equal(daily.c, np.round(daily.c, 2))
        assert np.corrcoef(spy, moves)[0, 1] > 0.15
    minutes = generated.day(DAY)["AAPL"]
    assert minutes.v[:30].mean() > 2 * minutes.v[150:210].mean()


def test_every_path_touches_its_bar_and_its_sizes_add_up(generated):
    session = generated.calendar.find(DAY)
    tape = Tape(generated, session)
    for symbol in ("AAPL", "PFE", "EQIX"):
        bars = generated.day(DAY)[symbol]
        for row in range(0, len(bars), 13):
            path = tape.path(symbol, int(bars.t[row]))
            prices = [trade.price for trade in path]
            expected = tuple(ticks(float(column[row])) for column in (bars.o, bars.h, bars.l, bars.c))
            assert (prices[0], max(prices), min(prices), prices[-1]) == expected
            assert sum(trade.size for trade in path) == bars.v[row]
            assert all(trade.bid <= trade.price <= trade.ask and trade.bid < trade.ask for trade in path)
            assert [trade.at for trade in path] == sorted(trade.at for trade in path)


def test_generated_spreads_are_a_cent_or_about_a_basis_point_and_trades_happen_within_them(generated):
    tape = Tape(generated, generated.calendar.find(DAY))
    for symbol, bars in generated.day(DAY).items():
        prints = [trade for minute in bars.t[::60].tolist() for trade in tape.path(symbol, minute)]
        spreads = np.array([trade.ask - trade.bid for trade in prints])
        price = float(bars.c.mean()) * 10_000
        assert (spreads >= CENT).all()
        assert (spreads <= max(CENT, 2e-4 * price)).all()
        assert (spreads % CENT == 0).all()
        at_bid = np.mean([trade.price - trade.bid < trade.ask - trade.price for trade in prints])
        assert 0.3 < at_bid < 0.7


def test_generated_sessions_open_with_gaps(generated):
    gaps = {}
    for symbol in generated.assets:
        days = generated.daily(symbol, DAY)
        gaps[symbol] = np.abs(np.log(days.o[1:] / days.c[:-1]))
    assert 0.001 < np.median(gaps["SPY"]) < 0.005
    wide = {symbol: float((found > 0.015).mean()) for symbol, found in gaps.items()}
    assert 0.01 < np.mean(list(wide.values())) < 0.15
    assert max(found.max() for found in gaps.values()) > 0.03


def test_a_half_day_is_half_a_day_of_the_same_market(generated):
    half, whole = (generated.day(day)["SPY"] for day in (date(2025, 11, 28), DAY))
    assert (len(half), len(whole)) == (210, 390)
    assert half.v[:15].mean() > 2 * half.v[90:120].mean()
    assert half.v[-15:].mean() > 1.2 * half.v[90:120].mean()


def test_halts_are_rare_and_leave_no_trade_and_no_thin_one_either():
    world = GeneratedWorld(day=DAY, seed=7, halts=True)
    thin, days = ThinWorld(world), [session.date for session in world.calendar.since(date(2026, 10, 1), DAY)]
    halts = [(day, halt) for day in days for halt in world.halts(day)]
    assert 0.005 < len(halts) / len(days) / len(world.assets) < 0.05
    assert {halt.volatile for _, halt in halts} == {True, False}
    for day, halt in halts[:5]:
        for view in (world, thin):
            starts = view.day(day)[halt.symbol].t
            assert not ((starts >= halt.start) & (starts < halt.end)).any()


WORLD = """
import hashlib, sys
from datetime import date
from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.slips import Slips
from live.sim.worlds.tape import Tape
from live.sim.worlds.thin import ThinWorld
day = date(2026, 11, 20)
world = GeneratedWorld(day=day, seed=int(sys.argv[1]), extended=True, halts=True, splits=True)
thin, found = ThinWorld(world), hashlib.sha256()
for view in (world, thin):
    tape = Tape(view, view.calendar.find(day))
    slips = Slips(tape, seed=view.seed, rate=0.5)
    for symbol, bars in sorted(view.day(day).items()):
        for column in (bars.t, bars.o, bars.h, bars.l, bars.c, bars.v, bars.n, bars.vw):
            found.update(column.tobytes())
        for row in range(0, len(bars), 97):
            found.update(repr((tape.path(symbol, int(bars.t[row])), slips.find(symbol, bars, row))).encode())
    days = view.daily("EQIX", day, date(2026, 11, 2))
    found.update(days.v.tobytes() + days.c.tobytes())
found.update(repr((world.actions.rows, world.halts(day))).encode())
print(found.hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_every_process():
    """Whatever order Python's sets and dictionaries of strings have there."""
    processes = [
        subprocess.Popen([sys.executable, "-c", WORLD, world], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": seed})
        for world, seed in (("7", "0"), ("7", "4711"))
    ]
    first, again = (process.communicate(timeout=120)[0].strip() for process in processes)
    assert len(first) == 64
    assert first == again


def test_a_generated_world_far_away_is_refused():
    with pytest.raises(WorldError, match="2021-01-04 to 2034-12-29"):
        GeneratedWorld(day=date(1999, 1, 4), seed=7)


def test_symbols_without_history_have_no_days_and_the_union_is_listed(minutes, history):
    world = RecordedWorld(minutes=[minutes({"AAA": [100.0, 101.0], "NEW": [5.0, 5.1]})], history=[history({"AAA": 100.0, "OLD": 7.0})])
    assert list(world.assets) == ["AAA", "NEW", "OLD"]
    assert len(world.daily("NEW", date(2026, 11, 30))) == 0
    assert len(world.daily("AAA", DAY)) == 5
    after = world.daily("AAA", date(2026, 11, 21))
    assert (len(after), after.o[-1], after.c[-1], after.v[-1]) == (6, 100.0, 101.0, 2000)
    assert world.day(DAY)["NEW"].vw[1] == round((5.1 + 5.0 + 5.1) / 3, 4)


def test_daily_history_adjusted_for_a_later_split_is_brought_back_to_the_scale_of_the_minutes(minutes, history):
    path = minutes({"AAA": [400.0, 401.0], "BBB": [50.0, 50.5], "CCC": [10.0, 14.0]}, day=date(2026, 11, 19))
    world = RecordedWorld(minutes=[path], history=[history({"AAA": 100.25, "BBB": 50.5, "CCC": 10.0})])
    assert world.rescaled == {"AAA": 4.0}
    assert set(world.daily("AAA", DAY).c.tolist()) == {401.0}
    assert set(world.daily("AAA", DAY).v.tolist()) == {250_000}
    assert set(world.daily("BBB", DAY).c.tolist()) == {50.5}
    assert set(world.daily("CCC", DAY).c.tolist()) == {10.0}  # 1.4 is no split: left as recorded


def test_extended_hours_stream_but_do_not_count_for_the_day_nor_fill_market_orders(client, minutes, history):
    files = [
        minutes({"AAA": [90.0] * 10}, hour=8, minute=30, name="early"),
        minutes({"AAA": [100.0] * 20}),
    ]
    trader = client(RecordedWorld(minutes=files, history=[history({"AAA": 95.0})]))
    waiting = trader.send("AAA", "buy", 1)
    limit = trader.send("AAA", "buy", 1, type="limit", limit_price=91, extended_hours=True)
    trader.exchange.step_to(8, 45)
    assert len(trader.raw.get("/v2/stocks/AAA/bars?timeframe=1Min").json()["bars"]) == 10
    assert (trader.status(waiting["id"]), trader.status(limit["id"])) == ("accepted", "filled")
    assert trader.raw.get("/v2/stocks/AAA/snapshot").json()["dailyBar"]["c"] == 95.0
    trader.exchange.step_to(9, 40)
    assert trader.status(waiting["id"]) == "filled"
    day = trader.raw.get("/v2/stocks/AAA/snapshot").json()["dailyBar"]
    assert (day["o"], day["l"]) == (100.0, 100.0)
    assert trader.raw.get("/v2/clock").headers["X-DayBot-Simulated"] == "recorded"


def test_csv_is_read_like_parquet(minutes, tmp_path):
    path = minutes({"AAA": [100.0, 101.0, 99.5]})
    table = pl.read_parquet(path)
    table.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(tmp_path / "minutes.csv")
    assert same(RecordedWorld(minutes=[path]).day(DAY)["AAA"], RecordedWorld(minutes=[tmp_path / "minutes.csv"]).day(DAY)["AAA"])


def test_bad_files_say_what_is_wrong_and_what_to_do(minutes, tmp_path):
    path = minutes({"AAA": [100.0]})
    table = pl.read_parquet(path)
    table.drop("volume").write_parquet(tmp_path / "lacking.parquet")
    table.with_columns(low=pl.lit(-1.0)).write_parquet(tmp_path / "negative.parquet")
    table.with_columns(timestamp=pl.lit(datetime(2026, 11, 22, 15)).dt.replace_time_zone("UTC")).write_parquet(tmp_path / "sunday.parquet")
    (tmp_path / "broken.parquet").write_text("no parquet")
    for name, words in (
        ("lacking.parquet", "lacks volume"),
        ("negative.parquet", "price <= 0"),
        ("sunday.parquet", "2026-11-22"),
        ("broken.parquet", "cannot be read"),
        ("absent.parquet", "found nothing"),
    ):
        with pytest.raises(WorldError, match=words):
            RecordedWorld(minutes=[tmp_path / name])
    with pytest.raises(WorldError, match="Sessions there are: 2026-11-20"):
        RecordedWorld(minutes=[path], day=date(2026, 11, 19))
