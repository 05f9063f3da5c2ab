"""Sessions as whole days: short ones, clock changes, over midnight, the next one, a machine that slept; in virtual time, by the venue's books."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from days import Life, live_through

from live import journal
from live.sim.clock import SECOND, local
from live.sim.worlds.generated import GeneratedWorld
from pipelines.core.market.bars import MINUTE
from pipelines.core.trading.events import MarketBar, Taint
from pipelines.vendors.calendar import session_of

SYMBOLS = ("AAPL", "KO")
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)


def bought(life: Life) -> list[str]:
    return [str(f["symbol"]) for f in life.last.raw["fills"] if f["side"] == "buy"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("session", "close"),
    [(date(2026, 11, 27), "18:00"), (date(2026, 3, 9), "20:00"), (date(2026, 11, 2), "21:00")],
    ids=["half day", "after the clocks went forward", "after the clocks went back"],
)
def test_it_goes_home_flat_before_that_days_own_close(tmp_path: Path, session: date, close: str) -> None:
    """`close` is UTC. Only the day's edges are lived through: from 25 minutes before the close."""
    hours = session_of(session)

    async def play(life: Life) -> None:
        await life.begin(session)
        await life.clock.sleep(90)
        await life.buy("KO", 10, "one")
        assert life.books.positions == {"KO": 10}
        assert life.protected("KO")
        await life.clock.sleep((hours.close - 14 * MINUTE - life.clock.now()) / SECOND)
        assert life.books.positions == {}, "fifteen minutes before this day's close"
        await life.buy("KO", 10, "late")
        await life.over(within=20 * 60)
        assert 0 <= life.clock.now() - (hours.close + MINUTE) < 5 * SECOND

    life = live_through(tmp_path / "home", GeneratedWorld(day=session, seed=7), hours.close - 25 * MINUTE, play, symbols=SYMBOLS)
    assert bought(life) == ["KO"]
    assert life.refused == ["STATE"]
    sold = [f["transaction_time"] if "transaction_time" in f else f["at"] for f in life.last.raw["fills"] if f["side"] == "sell"]  # type: ignore[attr-defined]
    hour, minute = map(int, close.split(":"))
    assert all(f"T{hour - 1}:{45 + minute:02d}" <= at[10:16] < f"T{close}" for at in sold)


def test_started_in_the_evening_it_waits_over_midnight_for_its_session(tmp_path: Path) -> None:
    """The night before the first Monday after the clocks went back."""
    session = date(2026, 11, 2)

    async def play(life: Life) -> None:
        await life.begin(session)
        await life.until(session, 0, 10)
        await life.buy("KO", 10, "too early")
        assert life.books.raw["orders"] == []
        life.sleep_through(9.2 * 3600)
        await life.until(session, 9, 40)
        assert life.runner.engine.feeds == {"sip": True}
        await life.buy("KO", 10, "in time")
        assert life.protected("KO")

    world = GeneratedWorld(day=session, seed=7)
    life = live_through(tmp_path / "home", world, local(session - timedelta(days=1), 23, 50), play, symbols=SYMBOLS)
    assert bought(life) == ["KO"]
    assert life.states[0] == "active"
    assert set(life.codes) <= {"FEED", "STALLED", "TAINTED", "TIME_AGREES"}, "a night without a market is no fault"
    assert len(life.refused) == 1


@pytest.mark.parametrize("awake", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["suspended", "awake"])
def test_what_could_not_be_sold_before_the_close_is_held_over_midnight_and_sold_at_the_next_open(tmp_path: Path, awake: bool) -> None:
    async def play(life: Life) -> None:
        await life.begin(FRIDAY - timedelta(days=1))
        await life.clock.sleep(90)
        await life.buy("KO", 10, "one")
        stuck = life.hosted.inject(kind="match.none", symbol="KO", side="sell")
        await life.until(FRIDAY - timedelta(days=1), 16, 10)
        assert not life.runner.over
        assert life.books.positions == {"KO": 10}
        assert "NOT_FLAT" in life.codes
        life.hosted.relent(str(stuck["id"]))
        if not awake:
            life.sleep_through(7.7 * 3600)
        await life.until(FRIDAY, 0, 5)
        assert not life.runner.over
        if not awake:
            life.sleep_through(9.3 * 3600)
        await life.until(FRIDAY, 9, 29)
        assert life.books.positions == {"KO": 10}
        await life.over(within=20 * 60)
        assert 0 <= life.clock.now() - local(FRIDAY, 9, 30) < 3 * MINUTE

    start = local(FRIDAY - timedelta(days=1), 15, 40)
    life = live_through(tmp_path / "home", GeneratedWorld(day=FRIDAY, seed=7), start, play, symbols=SYMBOLS)
    assert life.last.positions == {}  # type: ignore[attr-defined]
    assert life.last.open == []  # type: ignore[attr-defined]
    assert [c.quantity for c in life.closed] == [10]
    *_, last = journal.read(journal.latest(life.settings.journals))
    assert (last.kind, last.data["flat"], last.data["kept"], last.data["error"]) == ("end", True, ["KO"], None)


def test_the_next_days_session_knows_nothing_of_the_last_ones_orders(tmp_path: Path) -> None:
    before = FRIDAY - timedelta(days=1)

    async def play(life: Life) -> None:
        await life.begin(before)
        await life.clock.sleep(90)
        await life.buy("KO", 10, "one")
        await life.over(within=30 * 60)
        await life.until(FRIDAY, 9, 29)
        await life.begin(FRIDAY)
        await life.until(FRIDAY, 9, 40)
        await life.buy("KO", 20, "one")
        assert life.books.positions == {"KO": 20}
        assert life.protected("KO")
        assert set(life.codes) <= {"FEED"}

    life = live_through(tmp_path / "home", GeneratedWorld(day=FRIDAY, seed=7), local(before, 15, 38), play, symbols=SYMBOLS)
    names = [order["client_order_id"] for order in life.last.raw["orders"]]  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    assert sorted(name[:8] for name in names if name.endswith("-entry")) == ["20261119", "20261120"]


def test_a_machine_that_slept_for_five_minutes_fetches_them_and_enters_nothing_blind(tmp_path: Path) -> None:
    async def play(life: Life) -> None:
        await life.begin(FRIDAY)
        await life.until(FRIDAY, 9, 45, 20)
        await life.buy("KO", 10, "before")
        life.sleep_through(300)
        await life.clock.sleep(1)
        await life.buy("AAPL", 1, "blind")
        assert life.books.positions == {"KO": 10}
        assert life.protected("KO")
        await life.until(FRIDAY, 9, 56, 20)
        await life.buy("AAPL", 1, "seeing")

    life = live_through(tmp_path / "home", GeneratedWorld(day=FRIDAY, seed=7), local(FRIDAY, 9, 29), play, symbols=SYMBOLS)
    assert bought(life) == ["KO", "AAPL"]
    assert "STALLED" in life.codes
    assert any(isinstance(event, Taint) and "+300.00 s" in event.detail for event in life.events)
    for symbol in SYMBOLS:
        starts = [event.bar.start for event in life.events if isinstance(event, MarketBar) and event.bar.symbol == symbol]
        assert starts == sorted(set(starts))
        missing = set(range(starts[0], starts[-1], MINUTE)) - set(starts)
        assert not missing, f"{len(missing)} minutes of {symbol} were never fetched"
    late = {event.bar.start for event in life.events if isinstance(event, MarketBar) and event.late}
    assert late >= {local(FRIDAY, 9, minute) for minute in (46, 47, 48)}
