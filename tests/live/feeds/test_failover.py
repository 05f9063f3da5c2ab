"""Two vendors, one stream: real clients on real sockets of the simulated exchange, with the fault injected, in virtual time."""

import json
from itertools import pairwise
from pathlib import Path

import msgpack
import pytest
from staged import DAY, MINUTE, OPEN, SYMBOLS, Stage, at, staged, world

from pipelines.core.market.bars import SECOND, Bar
from pipelines.core.trading.events import Band, FeedStatus, Halt, MarketBar, MarketQuote, MarketTrade, RevisedBar, Taint


def official(symbol: str) -> dict[int, float]:
    """The market's own closes, by minutes after the open."""
    bars = world().day(DAY)[symbol]
    return {(int(t) - OPEN) // MINUTE: float(c) for t, c in zip(bars.t, bars.c, strict=True)}


def in_order(stage: Stage) -> bool:
    """No minute twice, none before an earlier one."""
    return all(stage.starts(symbol) == sorted(set(stage.starts(symbol))) for symbol in SYMBOLS)


def test_of_two_sound_vendors_each_minute_comes_once_and_the_copies_are_compared(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 36, 30)

    stage = staged(tmp_path, play)
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-6:] == [0, 1, 2, 3, 4, 5]
        assert {event.late for event in stage.of(symbol)} == {False}
    assert in_order(stage)
    assert stage.taints == []
    assert stage.switches == []
    assert (stage.health("sip"), stage.health("polygon")) == ([True], [True])
    rows = [dict(zip(note["columns"], row, strict=True)) for note in stage.noted("compare") for row in note["rows"]]
    assert len(rows) == 6 * 2 * len(SYMBOLS), "a minute, a vendor and a symbol each"
    assert {row["bp"] for row in rows} == {0.0}
    assert all(0 <= row["lag"] < 1 for row in rows)


def test_every_frame_of_both_vendors_is_handed_out_raw_and_says_all_that_the_market_did(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)

    stage = staged(tmp_path, play)
    alpaca = [message for vendor, frame, _ in stage.frames if vendor == "sip" for message in msgpack.unpackb(frame)]
    polygon = [message for vendor, frame, _ in stage.frames if vendor == "polygon" for message in json.loads(frame)]
    bars = {symbol: {float(message["c"]) for message in alpaca if message["T"] == "b" and message["S"] == symbol} for symbol in SYMBOLS}
    assert bars == {symbol: {message["c"] for message in polygon if message["ev"] == "AM" and message["sym"] == symbol} for symbol in SYMBOLS}
    assert all(len(closes) >= 3 for closes in bars.values())
    assert [at for *_, at in stage.frames] == sorted(at for *_, at in stage.frames)


def test_a_mute_vendor_is_left_with_its_numbers_reconnected_and_led_by_again_only_after_a_while(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 35, 30)
        stage.inject("stream.mute", stream="market", for_=100)
        await stage.until(9, 45, 30)

    stage = staged(tmp_path, play)
    assert stage.health("sip") == [True, False, True] or stage.health("sip")[:2] == [True, False]
    assert stage.switches == ["polygon", "sip"]
    left, back = [event for event in stage.events if isinstance(event, FeedStatus) and "instead of" in event.detail]
    assert "no bar of 09:35 15.0 s after it, the last was of 09:34" in left.detail
    assert left.at == at(9, 36, 15)
    assert back.at >= at(9, 35, 30 + 100) + 110 * SECOND
    assert stage.tries("sip") >= 1, "a mute socket is cut, not waited for"
    unwell = [event.detail for event in stage.events if isinstance(event, FeedStatus) and not event.healthy]
    assert any(detail == "4 of 4 symbols, but connected again after a silence and nothing has come yet" for detail in unwell), unwell
    assert in_order(stage)
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-15:] == list(range(15)), "the other vendor went on"
        assert not any(event.late for event in stage.of(symbol))


def test_what_a_single_vendor_missed_comes_by_rest_marked_late_in_order_and_before_later_bars(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.mute", stream="market", for_=130)
        await stage.until(9, 42, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert stage.health("sip")[:2] == [True, False]
    assert stage.health("sip")[-1] is True
    for symbol in SYMBOLS:
        closes = official(symbol)
        assert stage.starts(symbol)[-12:] == list(range(12))
        late = [(event.bar.start - OPEN) // MINUTE for event in stage.of(symbol) if event.late]
        assert late == sorted(late)
        assert late, "minutes of the silence"
        assert set(late) <= {3, 4, 5, 6}, "only what was missing"
        assert all(event.bar.close == closes[(event.bar.start - OPEN) // MINUTE] for event in stage.of(symbol))
    asked = stage.noted("backfill")
    assert {note["vendor"] for note in asked} == {"sip"}
    assert stage.taints == []


@pytest.mark.parametrize("code", [1000, 1006, 1011])
@pytest.mark.parametrize("stream", ["market", "polygon"])
def test_a_closed_connection_comes_back_and_nothing_is_lost(tmp_path: Path, stream: str, code: int) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 59)
        stage.inject("stream.close", stream=stream, code=code)
        await stage.until(9, 37, 30)

    stage = staged(tmp_path, play)
    vendor = {"market": "sip", "polygon": "polygon"}[stream]
    assert stage.health(vendor) == [True, False, True]
    assert stage.tries(vendor) == 1
    assert in_order(stage)
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-7:] == list(range(7))


def test_a_connection_limit_is_waited_for_and_not_stormed(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33)
        stage.inject("stream.refuse", stream="market", code=406, times=0, for_=90)
        stage.inject("stream.close", stream="market", code=1006)
        await stage.until(9, 38)

    stage = staged(tmp_path, play)
    assert stage.health("sip") == [True, False, True]
    assert 3 <= stage.tries("sip") <= 6
    assert any("406: another connection uses these keys" in note["detail"] for note in stage.noted("connection") if "detail" in note)
    assert stage.switches[0] == "polygon"
    assert in_order(stage)


def test_a_limit_that_no_dead_connection_of_ours_explains_is_an_alarm(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.refuse", stream="market", code=406, times=0)
        await stage.until(9, 34)

    stage = staged(tmp_path, play, start=(9, 25))
    assert any("not a dead one of ours" in event.detail for event in stage.events if isinstance(event, FeedStatus))
    assert stage.tries("sip") <= 8


@pytest.mark.parametrize("vendor", ["sip", "polygon"])
def test_refused_keys_are_not_tried_again_for_minutes(tmp_path: Path, vendor: str) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.refuse", stream="market" if vendor == "sip" else "polygon", code=402, times=0)
        await stage.until(9, 34, 30)

    stage = staged(tmp_path, play)
    assert stage.tries(vendor) <= 3, "alpaca-py by itself makes eighteen in that time"
    assert stage.health(vendor) == [False]
    other = {"sip": "polygon", "polygon": "sip"}[vendor]
    assert stage.feed.lead == other
    assert stage.starts("AAPL")[-4:] == [0, 1, 2, 3]


def test_a_vendor_that_denies_the_handshake_is_said_with_its_status(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        for stream in ("market", "polygon"):
            stage.inject("stream.deny", stream=stream, status=429, times=2)
        await stage.until(9, 31)

    stage = staged(tmp_path, play)
    details = [note.get("detail", "") for note in stage.noted("connection")]
    assert sum("HTTP 429" in detail for detail in details) == 4
    assert {note["vendor"] for note in stage.noted("connection") if note["cause"] == "subscribed"} == {"sip", "polygon"}


def test_a_symbol_that_one_vendor_leaves_out_is_followed_at_the_other(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.ack", stream="market", missing=["AAPL"], times=0)
        await stage.until(9, 33, 30)

    stage = staged(tmp_path, play)
    assert stage.starts("AAPL")[-3:] == [0, 1, 2]
    assert {event.feed for event in stage.of("AAPL")} == {"polygon"}
    assert stage.taints == []


def test_a_symbol_that_nobody_grants_is_not_to_be_entered(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.ack", stream="market", missing=["AAPL"], times=0)
        await stage.until(9, 33, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert stage.starts("AAPL") == []
    assert {taint.symbol for taint in stage.taints} == {"AAPL"}
    assert stage.taints[0].at == at(9, 29, 5)
    assert all(later.at < taint.until for taint, later in pairwise(stage.taints)), "without a moment in between"
    assert stage.taints[-1].until > at(9, 33, 30)
    assert stage.starts("MSFT")[-3:] == [0, 1, 2]


def test_a_refused_subscription_falls_back_to_bars(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.ack", stream="market", code=405, times=1)
        await stage.until(9, 33, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert any("405: more symbols than the plan allows" in event.detail for event in stage.events if isinstance(event, FeedStatus))
    assert any(event.detail.endswith("bars only: no halts, bands or revisions") for event in stage.events if isinstance(event, FeedStatus))
    assert stage.starts("AAPL")[-3:] == [0, 1, 2]
    assert stage.health("sip")[-1] is True


def test_vendors_that_contradict_each_other_keep_entries_away_and_the_wrong_one_is_left_in_that_symbol(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.scale", stream="market", symbol="AAPL", type="b", percent=2, times=0, for_=180)
        await stage.until(9, 42, 30)

    stage = staged(tmp_path, play)
    assert {taint.symbol for taint in stage.taints} == {"AAPL"}
    assert len(stage.taints) == 3, "each minute of it says so anew"
    assert "+200 bp" in stage.taints[0].detail or "-196 bp" in stage.taints[0].detail
    said = [note for note in stage.noted("switch") if note.get("symbol") == "AAPL"]
    assert [(note["doubted"], note["left"], note["taken"]) for note in said] == [
        ("sip", "sip", "polygon"),
        ("sip", "polygon", "sip"),
    ], "left, and followed again"
    closes = official("AAPL")
    handed = {(event.bar.start - OPEN) // MINUTE: event.bar.close for event in stage.of("AAPL")}
    revised = {(event.bar.start - OPEN) // MINUTE: event.bar.close for event in stage.events if isinstance(event, RevisedBar)}
    assert all((handed | revised)[minute] == closes[minute] for minute in range(11)), "what was wrong was put right at once"
    assert stage.switches == [], "one symbol is no reason to leave the vendor"


def test_a_vendor_caught_wrong_in_a_symbol_is_not_believed_there_because_the_other_one_dies(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.scale", stream="market", symbol="AAPL", type="b", percent=2, times=0)
        await stage.until(9, 36, 30)
        stage.inject("stream.refuse", stream="polygon", code=402, times=0)
        stage.inject("stream.close", stream="polygon", code=1000)
        await stage.until(9, 45, 30)

    stage = staged(tmp_path, play)
    assert stage.taints[-1].detail == "only sip grants it, which is not believed"
    assert {taint.symbol for taint in stage.taints} == {"AAPL"}
    doubts = [taint for taint in stage.taints if taint.at >= at(9, 36)]
    assert all(later.at < max(taint.until for taint in doubts[: n + 1]) for n, later in enumerate(doubts[1:]))
    assert stage.taints[-1].until > at(9, 45, 30)


def test_a_slow_vendor_stops_leading_and_its_bars_are_not_waited_for(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.slow", stream="market", seconds=5, for_=300)
        await stage.until(9, 44)

    stage = staged(tmp_path, play)
    assert stage.switches == ["polygon", "sip"]
    assert "s are allowed" in next(event.detail for event in stage.events if isinstance(event, FeedStatus) and "instead of" in event.detail)
    assert all(event.at - event.bar.start - MINUTE < SECOND for event in stage.bars)
    assert in_order(stage)


def test_a_vendor_that_loses_bars_and_is_neither_mute_nor_slow_is_left_as_a_whole(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 35, 30)
        for symbol in SYMBOLS[1:]:
            stage.inject("stream.drop", stream="market", symbol=symbol, type="b", times=0, for_=180)
        await stage.until(9, 44, 30)

    stage = staged(tmp_path, play)
    assert stage.switches == ["polygon", "sip"]
    left, back = [event for event in stage.events if isinstance(event, FeedStatus) and "instead of" in event.detail]
    assert "3 of 4 bars of 09:36 missing that the other had, for 2 minutes in a row" in left.detail
    assert (left.at, stage.tries("sip")) == (at(9, 37, 15), 0), "it is left, not cut"
    assert back.at >= at(9, 38, 30) + 120 * SECOND
    assert stage.starts(SYMBOLS[0])[-14:] == list(range(14)), "its own bars came all the time"
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-14:] == list(range(14))
        assert not any(event.late for event in stage.of(symbol))


def test_a_vendor_that_flaps_does_not_make_us_flap(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33)
        for n in range(10):
            stage.inject("stream.close", stream="market", code=1011, at=30 * n)
        await stage.until(9, 45, 30)

    stage = staged(tmp_path, play)
    assert stage.tries("sip") >= 8
    assert stage.switches == ["polygon", "sip"]
    assert in_order(stage)
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-15:] == list(range(15))
    assert stage.taints == []


def test_beside_the_whole_market_one_venue_is_followed_alone_while_it_leads(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 40, 30)
        stage.inject("stream.mute", stream="market", for_=600)
        await stage.until(9, 46)

    stage = staged(tmp_path, play, feed="iex", symbols=("AAPL", "KO", "MSFT", "SPY", "DUK", "AMT"), feed_canary="")
    before = [event for event in stage.bars if event.bar.start < at(9, 40)]
    assert {event.feed for event in before} == {"iex"}, "volumes of one venue and of all do not compare"
    assert all(event.bar.close != 0 for event in before)
    assert stage.noted("backfill") == [], "a minute without a trade at one venue is no gap"
    assert stage.switches == ["polygon"]
    after = [event for event in stage.bars if event.bar.start >= at(9, 42)]
    assert {event.feed for event in after} == {"polygon"}
    assert all(stage.starts(s) == sorted(set(stage.starts(s))) for s in ("AAPL", "KO", "MSFT", "SPY", "DUK", "AMT"))
    missed = {(event.bar.symbol, (event.bar.start - OPEN) // MINUTE) for event in stage.bars if event.feed == "polygon"}
    assert {("AAPL", 11), ("AAPL", 12)} <= missed, "what the other had said meanwhile was used when it began to lead"
    assert stage.taints == [], "their prices agree"


def test_a_bar_that_a_single_vendor_lost_is_fetched_before_the_next_one_is_trusted(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.drop", stream="market", symbol="AAPL", type="b")
        await stage.until(9, 37, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert stage.starts("AAPL")[-7:] == list(range(7))
    assert [(event.bar.start - OPEN) // MINUTE for event in stage.of("AAPL") if event.late] == [3]
    assert not any(event.late for event in stage.of("MSFT"))


def test_a_late_bar_in_a_lost_ones_place_is_taken_once(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        stage.inject("stream.delay", stream="market", symbol="AAPL", type="b", seconds=90)
        stage.inject("stream.duplicate", stream="market", symbol="MSFT", type="b", copies=2, seconds=20)
        await stage.until(9, 38, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert stage.starts("AAPL")[-8:] == list(range(8))
    assert stage.starts("MSFT")[-8:] == list(range(8))


def test_a_gap_that_nobody_can_fill_is_given_up_after_a_while_and_keeps_entries_away(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("rest.status", path="/v2/stocks*", method="GET", status=500, times=0)
        await stage.until(9, 33, 30)
        stage.inject("stream.drop", stream="market", symbol="AAPL", type="b")
        await stage.until(9, 37, 30)

    stage = staged(tmp_path, play, polygon=False)
    assert stage.starts("AAPL")[-6:] == [0, 1, 2, 4, 5, 6]
    (taint,) = stage.taints
    assert (taint.symbol, taint.until - taint.at) == ("AAPL", 20 * MINUTE)
    held = next(event for event in stage.of("AAPL") if event.bar.start == OPEN + 4 * MINUTE)
    assert held.at == taint.at
    assert at(9, 35, 10) <= held.at <= at(9, 35, 12), "ten seconds after it came"


def test_when_the_first_vendors_history_is_down_the_others_fills_the_gap(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("rest.status", path="/v2/stocks*", method="GET", status=500, times=0)
        await stage.until(9, 33, 30)
        for stream in ("market", "polygon"):
            stage.inject("stream.mute", stream=stream, for_=100)
        await stage.until(9, 40, 30)

    stage = staged(tmp_path, play)
    assert {note["vendor"] for note in stage.noted("backfill") if "error" not in note} == {"polygon"}
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-10:] == list(range(10))
    assert in_order(stage)


def test_with_both_vendors_silent_none_is_healthy(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 33, 30)
        for stream in ("market", "polygon"):
            stage.inject("stream.mute", stream=stream)
        await stage.until(9, 34, 30)

    stage = staged(tmp_path, play)
    last = {event.feed: event.healthy for event in stage.events if isinstance(event, FeedStatus)}
    assert last == {"sip": False, "polygon": False}


def test_bad_messages_cost_only_themselves(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 32, 30)
        for stream, kind in (("market", "b"), ("polygon", "AM")):
            stage.inject("stream.corrupt", stream=stream, symbol="AAPL", type=kind, value="nan")
            stage.inject("stream.corrupt", stream=stream, symbol="MSFT", type=kind, value="inverted")
            stage.inject("stream.remove", stream=stream, symbol="KO", type=kind, field="c")
        await stage.until(9, 34, 30)
        stage.inject("stream.malformed", stream="market")
        stage.inject("stream.malformed", stream="polygon")
        await stage.until(9, 38, 30)

    stage = staged(tmp_path, play)
    assert len(stage.refused) == 8
    for symbol in SYMBOLS:
        assert stage.starts(symbol)[-8:] == list(range(8))
    assert stage.tries("sip") + stage.tries("polygon") == 0
    assert in_order(stage)


def test_everything_else_that_the_vendors_tell_becomes_events(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        await stage.until(9, 31, 30)
        stage.inject("stream.correct", stream="market", symbol="AAPL", percent=1)
        stage.inject("stream.bust", stream="market", symbol="MSFT")
        stage.inject("stream.revise", stream="market", symbol="SPY", percent=0.1)
        stage.inject("match.luld", symbol="KO", percent=3)
        stage.inject("match.halt", symbol="KO", lasts=120, seconds=30)
        await stage.until(9, 36, 30)

    stage = staged(tmp_path, play, feed_trades=True, feed_quotes=True)
    trades = [event for event in stage.events if isinstance(event, MarketTrade)]
    quotes = [event for event in stage.events if isinstance(event, MarketQuote)]
    assert {event.feed for event in [*trades, *quotes]} == {"sip"}, "one vendor's at a time: both would count each trade twice"
    assert all(event.quote.usable for event in quotes)
    assert {trade.trade.symbol for trade in trades} == set(SYMBOLS)
    corrected, busted = (next(t for t in stage.taints if t.symbol == symbol) for symbol in ("AAPL", "MSFT"))
    assert "was corrected to" in corrected.detail
    assert "was taken back" in busted.detail
    (revised,) = [event for event in stage.events if isinstance(event, RevisedBar)]
    assert revised.bar.symbol == "SPY"
    assert [event.halted for event in stage.events if isinstance(event, Halt)] == [True, False]
    bands = [event for event in stage.events if isinstance(event, Band) and event.symbol == "KO"]
    assert bands
    assert all(0 < band.low < band.high for band in bands)
    assert not any(event.late for event in stage.of("KO")), "minutes of a halt are no gap"
    assert stage.noted("backfill") == []


def test_a_session_that_starts_in_the_middle_knows_the_day_so_far_and_fetches_what_came_since(tmp_path: Path) -> None:
    def history(symbol: str) -> list[Bar]:
        bars = world().day(DAY)[symbol]
        rows = zip(bars.t, bars.o, bars.h, bars.l, bars.c, bars.v, strict=True)
        return [Bar(symbol, int(t), o, h, l, c, float(v), c, 1) for t, o, h, l, c, v in rows if OPEN <= t < at(9, 59)]  # noqa: E741

    async def play(stage: Stage) -> None:
        await stage.until(10, 1, 30)
        assert stage.bars == [], "no live bar is handed on before the day so far is known"
        stage.feed.begin([bar for bar in history("AAPL") if bar.start > at(9, 50)] + history("KO"), {"AAPL": at(9, 50)})
        await stage.until(10, 3, 30)

    stage = staged(tmp_path, play, start=(9, 59), begin=False, symbols=("AAPL", "KO"))
    assert stage.starts("AAPL") == list(range(21, 33)), "an earlier run has seen the others"
    assert stage.starts("KO") == list(range(33))
    assert [event.late for event in stage.of("KO")] == [True] * 30 + [False] * 3, "10:00 was the newest still when it began"
    assert stage.noted("backfill") == []
    assert [note["minute"] for note in stage.noted("compare")] == [at(9, 59), at(10, 0), at(10, 1), at(10, 2)], (
        "what ended before it nobody can have heard"
    )


def test_a_whole_day_of_both_vendors_is_the_same_every_time(tmp_path: Path) -> None:
    async def play(stage: Stage) -> None:
        stage.inject("stream.mute", stream="market", from_="11:00", for_=120)
        stage.inject("stream.close", stream="polygon", code=1000, at="13:00")
        stage.inject("stream.slow", stream="polygon", seconds=4, from_="14:00", for_=300)
        await stage.until(16, 1)

    one, two = (staged(tmp_path, play, symbols=tuple(world().assets)[:10], feed_canary="") for _ in range(2))
    assert one.events == two.events
    assert one.notes == two.notes
    assert len(one.bars) == len({(event.bar.symbol, event.bar.start) for event in one.bars})
    assert all(isinstance(event, MarketBar) and not event.late for event in one.bars)
    counted = {symbol: sum(0 <= n < 390 for n in one.starts(symbol)) for symbol in tuple(world().assets)[:10]}
    assert set(counted.values()) <= {390 - n for n in range(60)}
    assert isinstance(one.taints, list) and not [taint for taint in one.taints if isinstance(taint, Taint)]
