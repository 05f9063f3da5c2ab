"""The rules behind the failover by themselves: order, hysteresis, pauses, silence. Pure objects, any sequence of events."""

import asyncio
from datetime import date
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.clock import SteppedClock
from live.feeds.compare import Comparison
from live.feeds.conditions import counts, counts_by_number
from live.feeds.health import Allowed, Health
from live.feeds.lead import Lead, Suspensions
from live.feeds.lines import Line
from live.feeds.supervisor import BROKEN, RESTS, Supervisor
from live.feeds.vendor import Cause, Ending
from pipelines.core.market.bars import MINUTE, SECOND, Bar
from pipelines.core.market.session import Session
from pipelines.core.trading.events import MarketBar
from pipelines.vendors.calendar import session_of

HOURS: Session = session_of(date(2026, 11, 20))


def bar(start: int, close: float = 10.0, symbol: str = "AAPL") -> Bar:
    return Bar(symbol, start, close, close, close, close, 100.0, close, 1)


# --- one symbol's bars


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(0, 12)),
        st.tuples(st.just("lack"), st.integers(0, 12)),
        st.tuples(st.just("filled"), st.integers(0, 12)),
        st.tuples(st.just("up"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_however_bars_gaps_and_answers_come_no_minute_is_handed_on_twice_or_out_of_turn(steps: list[tuple[str, int]]) -> None:
    line, out, at = Line("AAPL"), list[MarketBar](), 20 * MINUTE
    line.prime(-MINUTE, at)
    for what, n in steps:
        start = n * MINUTE
        if what == "live" and not line.knows(start):
            out += line.offer(MarketBar(bar(start), "sip", at), at)
        elif what == "lack":
            line.lack([start], at)
        elif what == "filled":
            out += line.filled([bar(start)], "sip", [start], at)
        elif what == "up":
            out += line.give_up(at)
        assert not out or line.last == out[-1].bar.start
        assert all(event.bar.start not in line.missing for event in out)
        assert all(event.bar.start < min(line.missing, default=2**63) for event in out)
    starts = [event.bar.start for event in out]
    assert starts == sorted(set(starts))


def test_a_bar_behind_a_gap_waits_and_one_that_waited_too_long_is_late() -> None:
    line = Line("AAPL")
    assert line.offer(MarketBar(bar(3 * MINUTE), "sip", 4 * MINUTE), 4 * MINUTE) == [], "the day so far is not known"
    line.lack([2 * MINUTE], 5 * MINUTE)
    assert line.prime(MINUTE, 4 * MINUTE) == []
    one, two = line.filled([bar(2 * MINUTE)], "sip", [2 * MINUTE], 4 * MINUTE + SECOND)
    assert (one.bar.start, one.late) == (2 * MINUTE, True)
    assert (two.bar.start, two.late, two.at) == (3 * MINUTE, False, 4 * MINUTE + SECOND)
    line.lack([4 * MINUTE], 9 * MINUTE)
    assert line.offer(MarketBar(bar(5 * MINUTE), "sip", 6 * MINUTE), 6 * MINUTE) == []
    (old,) = line.give_up(7 * MINUTE)
    assert old.late, "by then another minute was over"


# --- who leads


@given(st.lists(st.tuples(st.integers(1, 200), st.booleans()), max_size=200))
def test_the_first_vendor_leads_again_only_after_its_time_without_fault(spells: list[tuple[int, bool]]) -> None:
    """Any pattern of faults of the first vendor, the second one sound."""
    lead, at, well_since, backs = Lead(["one", "two"], 120.0), 0, 0, list[int]()
    faulty = False
    for seconds, faulty in spells:
        for _ in range(seconds):
            at += SECOND
            if faulty:
                well_since = at + SECOND
            switch = lead.choose({"one": "silent" if faulty else "", "two": ""}, at)
            assert not (faulty and lead.name == "one"), "never with a vendor that is at fault"
            if switch is not None and switch.taken == "one":
                assert at - well_since >= 120 * SECOND
                backs.append(at)
    assert all(later - earlier > 120 * SECOND for earlier, later in pairwise(backs))


def test_each_leave_within_an_hour_doubles_what_the_first_vendor_has_to_prove() -> None:
    lead, at, waits = Lead(["one", "two"], 60.0), 0, list[int]()
    for _ in range(6):
        assert lead.choose({"one": "lost", "two": ""}, at) is not None
        began = at
        while lead.choose({"one": "", "two": ""}, at) is None:
            at += SECOND
        waits.append((at - began) // SECOND)
        at += SECOND
    assert waits == [60, 120, 240, 480, 480, 480]
    at += 3600 * SECOND
    lead.choose({"one": "lost", "two": ""}, at)
    assert lead.patience(at) == 60 * SECOND


def test_with_both_at_fault_nobody_is_changed_for_worse() -> None:
    lead = Lead(["one", "two"], 60.0)
    assert lead.choose({"one": "lost", "two": "silent"}, 0) is None
    assert lead.name == "one"
    switch = lead.choose({"one": "lost", "two": ""}, 1)
    assert switch is not None and switch.taken == "two"


def test_a_suspended_vendor_comes_back_after_sound_minutes_in_a_row() -> None:
    suspended = Suspensions(back=180.0)
    assert suspended.suspend("AAPL", "one", "why")
    assert not suspended.suspend("AAPL", "one", "again")
    said = [suspended.judge("AAPL", sound=sound) for sound in (True, True, False, True, True, True)]
    assert said == [None, None, None, None, None, "one"]
    assert suspended.of("AAPL") is None


# --- one vendor


def health(*, thin: bool = False) -> Health:
    made = Health("one", thin=thin, hours=HOURS, allowed=Allowed(silence=15, lag=3))
    made.connected(frozenset({"AAPL"}), HOURS.open - MINUTE)
    return made


def test_a_canary_that_stops_is_silence_after_so_many_seconds_but_a_thin_one_is_given_its_usual_pause() -> None:
    for pause, noticed in ((0.1, 15), (4, 48)):
        quick = health()
        for n in range(3):  # bars go on: only the canary stops
            quick.bar(bar(HOURS.open + n * MINUTE), HOURS.open + (n + 1) * MINUTE)
        for n in range(20):
            quick.canary(HOURS.open + round(n * pause * SECOND))
        last = HOURS.open + round(19 * pause * SECOND)
        assert quick.fault(last + noticed * SECOND) is None
        found = quick.fault(last + noticed * SECOND + SECOND)
        assert found is not None and found[0] == "silent"


def test_a_minute_without_a_bar_is_silence_and_one_venue_is_given_one_more() -> None:
    due = HOURS.open + MINUTE
    for thin, more in ((False, 0), (True, 60)):
        made = health(thin=thin)
        assert made.fault(due + (14 + more) * SECOND) is None
        found = made.fault(due + (15 + more) * SECOND)
        assert found is not None and found[0] == "silent"
        assert "no bar of 09:30" in found[1]
    after = health()
    after.bar(bar(HOURS.close - MINUTE), HOURS.close)
    assert after.fault(HOURS.close + 60 * MINUTE) is None, "after the close nothing has to come"


def test_one_slow_minute_is_an_accident_two_are_a_fault_and_one_quick_one_ends_it() -> None:
    made = health()
    for n, (lag, kind) in enumerate([(9, None), (1, None), (9, None), (9, "slow"), (0.5, None)]):
        start = HOURS.open + n * MINUTE
        made.bar(bar(start), start + MINUTE + round(lag * SECOND))
        made.settle(start, 0, 1)
        found = made.fault(start + MINUTE + 14 * SECOND)
        assert (found[0] if found else None) == kind


def test_bars_that_the_other_vendor_had_are_holes_of_a_whole_market_and_none_of_one_venue() -> None:
    for thin in (False, True):
        made = health(thin=thin)
        for n in range(2):
            start = HOURS.open + n * MINUTE
            made.bar(bar(start), start + MINUTE)
            made.settle(start, 30, 41)
        found = made.fault(HOURS.open + 2 * MINUTE + 5 * SECOND)
        assert (found is None) == thin
        assert thin or (found is not None and "30 of 41 bars of 09:31 missing" in found[1])


def test_a_comparison_row_has_the_lag_and_the_distance_of_each_copy() -> None:
    compared = Comparison(["one", "two"], ["AAPL", "KO"])
    compared.add("one", bar(0, 100.0), MINUTE + SECOND)
    compared.add("two", bar(0, 100.5), MINUTE + 2 * SECOND)
    compared.add("one", bar(0, 100.0, "KO"), MINUTE)
    told = compared.summary(0, {"one": frozenset({"AAPL", "KO"}), "two": frozenset({"AAPL", "KO"})})
    assert told["rows"] == [("one", "AAPL", 1.0, -49.75), ("one", "KO", 0.0, None), ("two", "AAPL", 2.0, 50.0), ("two", "KO", None, None)]
    assert told["vendors"]["two"] == {"bars": 1, "missing": 1, "lag": 2.0, "bp": 50.0}


def test_a_session_that_begins_late_asks_nobody_for_the_minutes_before_and_a_reconnection_for_all_since() -> None:
    health, late = Health("one", thin=False, hours=HOURS, allowed=Allowed(silence=15, lag=3)), HOURS.open + 10 * MINUTE + 40 * SECOND
    assert health.asked(HOURS.open) == frozenset()
    health.connected(frozenset({"AAPL"}), late)
    assert [bool(health.asked(HOURS.open + n * MINUTE)) for n in (0, 9, 10, 11)] == [False, False, True, True]
    health.lost("gone", late + 5 * MINUTE)
    assert health.asked(HOURS.open + 12 * MINUTE) == frozenset()
    health.connected(frozenset({"AAPL"}), late + 6 * MINUTE)
    assert health.asked(HOURS.open + 12 * MINUTE) == {"AAPL"}, "a mute one that was cut off owes what it did not say"


# --- one connection after the other


class Ends:
    """A vendor whose connections all end at once."""

    name, feed, thin, received = "one", "one", False, 0

    def __init__(self, endings: list[Ending]) -> None:
        self._endings = iter(endings)

    async def once(self) -> Ending:
        found = next(self._endings, None)
        if found is None:
            await asyncio.get_running_loop().create_future()
        assert found is not None
        return found


def pauses(endings: list[Ending], *, seed: int = 1) -> list[float]:
    """Seconds between the tries."""

    async def work() -> list[float]:
        clock, found = SteppedClock(0), list[float]()
        supervisor = Supervisor(Ends(endings), clock, Random(seed), ended=lambda _, __, pause: found.append(pause), note=lambda *_: None)
        task = asyncio.create_task(supervisor.follow())
        while len(found) < len(endings):
            for _ in range(10):
                await asyncio.sleep(0)
            clock.set(clock.now() + SECOND)
        task.cancel()
        return found

    return asyncio.run(work())


def test_lost_connections_are_tried_again_slower_and_slower_until_the_breaker_opens() -> None:
    found = pauses([Ending(Cause.LOST, "")] * (BROKEN + 2))
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(found[:5]))
    assert all(15 <= pause <= 30 for pause in found[5 : BROKEN - 1])
    assert all(RESTS / 2 <= pause <= RESTS for pause in found[BROKEN - 1 :])
    assert found == pauses([Ending(Cause.LOST, "")] * (BROKEN + 2)), "by a seeded generator"
    assert found != pauses([Ending(Cause.LOST, "")] * (BROKEN + 2), seed=2)


def test_a_full_account_is_given_time_and_refused_keys_open_the_breaker_at_once() -> None:
    crowded = pauses([Ending(Cause.LIMIT, "")] * 5)
    assert all(low <= pause <= 2 * low for low, pause in zip((7.5, 15, 30, 60, 60), crowded, strict=True))
    assert all(pause >= RESTS / 2 for pause in pauses([Ending(Cause.REFUSED, "")] * 2))


@pytest.mark.parametrize(("letters", "tape", "makes"), [("@", "C", True), ("@F", "A", True), ("@I", "C", False), ("B", "C", True), ("B", "A", False)])
def test_conditions_of_trades(letters: str, tape: str, makes: bool) -> None:
    assert counts(tuple(letters), tape) is makes


def test_polygons_numbers_say_the_same() -> None:
    assert counts_by_number((14, 41)) is False, "an unknown one forbids it"
    assert counts_by_number((0, 14)) and counts_by_number(())
    assert not counts_by_number((37,))
    assert not counts_by_number((12,))
