"""Whole days of the real runner under random faults; what the venue's books may never say, whatever goes wrong. One seed is one day.

`make soak` plays these; `DAYBOT_SEEDS=100-120` plays others. A seed that failed once stays in the list.
"""

import os
from datetime import date
from pathlib import Path

import pytest
from faulted import Lived, live_day, scenario
from recorded import recorded

from live.sim.worlds.generated import GeneratedWorld
from live.sim.worlds.recorded import RecordedWorld
from live.sim.worlds.world import World

pytestmark = pytest.mark.soak

SEEDS = [11, 23, 25]
"""23: positions shown as empty for half a minute made the guard cancel every stop. Recorded 24: the exchange's own stale orders lost the stops."""

SYMBOLS = ("AAPL", "HD", "JPM", "KO", "MSFT", "NEE", "SPY", "TSLA", "V", "XOM")
DAY = date(2026, 11, 20)

NAKED = 30.0
"""Seconds that a position may be without a working stop while the broker answers and trading in it goes on: the guard acts by itself after twenty."""


def seeds() -> list[int]:
    first, dash, last = os.environ.get("DAYBOT_SEEDS", "").partition("-")
    return list(range(int(first), int(last if dash else first) + 1)) if first else SEEDS


def held(lived: Lived) -> None:
    """All that has to be true of any day."""
    told = "\n".join(map(str, lived.faults))
    assert lived.error == "", told
    assert lived.books["positions"] == [], told
    assert [o for o in lived.books["orders"] if o["status"] in {"new", "held", "accepted", "partially_filled", "pending_cancel"}] == [], told
    assert {symbol: naked for symbol, naked in lived.naked.items() if naked[0] > NAKED} == {}, told
    turned = {"match.both", "match.cancel_fill"} & {fault["kind"] for fault in lived.faults}  # the venue's own doing: undone, not prevented
    assert turned or lived.wrong == [], told
    names = [order["client_order_id"] for order in lived.books["orders"]]
    assert len(set(names)) == len(names), told
    wished = {r.data["order"]["id"] for r in lived.records if r.kind == "decision" and r.data["kind"] == "submit"}
    assert {order["client_order_id"] for order in lived.entries} <= wished, told
    assert lived.difference is None, told


@pytest.mark.parametrize("seed", seeds())
def test_a_generated_day_under_random_faults(tmp_path: Path, seed: int) -> None:
    held(live_day(tmp_path, GeneratedWorld(day=DAY, seed=seed), DAY, SYMBOLS, scenario(seed, DAY, SYMBOLS), seed=seed))


@pytest.mark.parametrize(
    ("minutes", "days", "day", "seed"),
    [
        ("minute/us_2019-02-11_15.parquet", "daily/sp500_a_c_2018_2021.parquet", date(2019, 2, 14), 21),
        ("minute/us_2019-02-11_15.parquet", "daily/sp500_a_c_2018_2021.parquet", date(2019, 2, 14), 24),
        ("minute/us_2023-05-24_26_extended.parquet", "daily/us_2022_2024.parquet", date(2023, 5, 25), 22),
    ],
)
def test_a_recorded_day_under_random_faults(tmp_path: Path, minutes: str, days: str, day: date, seed: int) -> None:
    world: World = RecordedWorld(minutes=[recorded(minutes)], history=[recorded(days)], day=day)
    symbols = sorted(world.day(day))
    held(live_day(tmp_path, world, day, symbols, scenario(seed, day, symbols), seed=seed))


def test_the_same_seed_is_the_same_day(tmp_path: Path) -> None:
    """Every record of the journal but those that seal raw frames, which hold the port and measured seconds; and every fill in the venue's books."""
    first, second = (
        live_day(tmp_path / name, GeneratedWorld(day=DAY, seed=5), DAY, SYMBOLS[:4], scenario(5, DAY, SYMBOLS[:4]), seed=5) for name in "ab"
    )
    ours = [[(r.seq, r.at, r.kind, r.data) for r in lived.records if r.kind != "raw"] for lived in (first, second)]
    assert len(ours[0]) > 10_000
    assert ours[0] == ours[1]
    fills = [[(f["symbol"], f["side"], f["qty"], f["price"], f["at"]) for f in lived.books["fills"]] for lived in (first, second)]
    assert fills[0]
    assert fills[0] == fills[1]
