"""The runner over its own shoulder: a queue that fills up, a clock that is off, a loop that stands still; over real sockets, by the venue's books."""

import asyncio
import re
import time
from pathlib import Path

import pytest
from desk import now, world
from floor import Floor, floor_settings, play

from live import journal
from live.clock import ScaledClock
from live.session.vigil import AHEAD
from live.sim.embedded import Exchange
from pipelines.core.backtest.replay import replay
from pipelines.core.risk.checks import Code
from pipelines.core.trading.commands import Resume
from pipelines.core.trading.decisions import Noticed, Refused, TradingState
from pipelines.core.trading.events import MarketTrade, Taint
from pipelines.settings import Settings


def refusals(floor: Floor) -> list[Code]:
    return [d.check.code for d in floor.decisions if isinstance(d, Refused)]


def same_again(known: Settings) -> None:
    path = journal.latest(known.journals)
    journal.verify(path)
    assert replay(list(journal.read(path)), ()).difference is None


def test_f48_a_burst_halts_the_entries_and_the_reading_and_loses_nothing(exchange: Exchange, tmp_path: Path) -> None:
    known = floor_settings(exchange.url, tmp_path / "home", feed_trades=True, feed_queue=1000)
    sent = 30_000

    async def act(floor: Floor) -> None:
        await floor.held()
        before = floor.runner.feed.received
        await asyncio.to_thread(exchange.burst, sent, per_frame=64)
        async with asyncio.timeout(60):
            while "DRAINED" not in floor.codes:
                await asyncio.sleep(0.01)
        assert floor.codes.count("OVERFLOW") == 1
        assert floor.state is TradingState.HALTED
        heard = sum(isinstance(event, MarketTrade) for event in floor.events)
        assert floor.runner.feed.received - before >= 1000
        assert floor.runner.queue.most < sent // 3, "what the socket had taken in already is heard to the end, and no more is read"
        assert heard >= 1000
        floor.buy("BBB")
        await floor.step(8, heard=False)
        assert floor.protected()
        floor.tell(Resume(), "looked")
        await floor.step(150, by=2, heard=False)  # a minute of the new connection
        floor.buy("BBB", name="again")
        await floor.step(5, heard=False)
        floor.flatten()
        await floor.step(20, heard=False)

    floor = play(exchange, known, act)
    assert refusals(floor) == [Code.STATE]
    assert floor.books.positions == {}
    assert floor.books.open == []
    bought = [f["symbol"] for f in floor.books.raw["fills"] if f["side"] == "buy"]
    assert bought == ["AAA", "BBB"], "nothing while it was halted, one after a person resumed"
    same_again(known)


@pytest.mark.parametrize(("doubt", "bought"), [("alarm", {"BBB": 100}), ("taint", {}), ("reduce", {})])
def test_f44_a_clock_off_the_brokers_is_treated_as_the_settings_say(exchange: Exchange, tmp_path: Path, doubt: str, bought: dict[str, int]) -> None:
    known = floor_settings(exchange.url, tmp_path / "home", time_doubt=doubt)

    skew = exchange.inject(kind="clock.skew", seconds=-7)

    async def act(floor: Floor) -> None:
        assert "CLOCK_DRIFT" in floor.codes
        floor.buy("BBB")
        await floor.step(3)
        assert floor.books.positions == bought
        exchange.relent(skew["id"])
        await floor.step(200, by=2)
        floor.buy("BBB", name="later")
        await floor.step(3)

    floor = play(exchange, known, act)
    assert (floor.state is TradingState.REDUCING) is (doubt == "reduce")
    assert refusals(floor) == {"alarm": [Code.DUPLICATE], "taint": [Code.TAINTED], "reduce": [Code.STATE, Code.STATE]}[doubt]
    assert floor.books.positions == ({} if doubt == "reduce" else {"BBB": 100}), "a doubt that is over keeps nobody away"
    same_again(known)


def test_a_doubt_that_stays_is_told_once_and_again_where_it_changes_and_counted(exchange: Exchange, known: Settings) -> None:
    """It wrote four lines a minute for half an hour."""
    skew = exchange.inject(kind="clock.skew", seconds=-7)

    async def act(floor: Floor) -> None:
        nonlocal skew
        await floor.step(600, by=5)
        assert (floor.codes.count("CLOCK_DRIFT"), floor.codes.count("TAINTED")) == (1, 1)
        floor.buy("BBB")
        await floor.step(3)
        exchange.relent(skew["id"])
        skew = exchange.inject(kind="clock.skew", seconds=30)
        await floor.step(240, by=5)
        assert (floor.codes.count("CLOCK_DRIFT"), floor.codes.count("TAINTED")) == (2, 2)
        exchange.relent(skew["id"])
        await floor.step(240, by=5)

    floor = play(exchange, known, act)
    assert refusals(floor) == [Code.TAINTED], "renewed without a word"
    taints = [e for e in floor.events if isinstance(e, Taint)]
    assert [bool(taint.until) for taint in taints] == [True, False, True, False], "once, again where it changed, and taken back"
    told = [d for d in floor.decisions if isinstance(d, Noticed) and d.code in {"CLOCK_DRIFT", "TIME_AGREES"}]
    assert [d.code for d in told] == ["CLOCK_DRIFT", "CLOCK_DRIFT", "TIME_AGREES"]
    assert re.search(r"\+30\.00 s .* times since", told[1].detail)
    assert re.search(r"CLOCK_DRIFT for 2 minutes no more: 1\d times since 10:0\d New York, by 30\.00 s at most", told[2].detail)
    same_again(known)


def test_f45_a_loop_that_stands_still_keeps_entries_away(tmp_path: Path) -> None:
    """On the exchange's own time: one second of ours is one of the market's."""
    quotes = world(tmp_path, {"AAA": [100.0] * 390, "BBB": [100.0] * 390})
    with Exchange(quotes, stepped=False, speed=1.0, start=(10, 0), partial_rate=0.0) as exchange:
        known = floor_settings(exchange.url, tmp_path / "home")

        async def run() -> Floor:
            floor = Floor(exchange, known, clock=ScaledClock(now(exchange), 1.0))
            await floor.open()
            await asyncio.sleep(0.5)
            time.sleep(2.0)
            async with asyncio.timeout(10):
                while "STALLED" not in floor.codes:
                    await asyncio.sleep(0.01)
            floor.runner.stop()
            assert floor.task is not None
            await floor.task
            return floor

        floor = asyncio.run(run())
    (taint,) = [event for event in floor.events if isinstance(event, Taint)]
    assert (taint.symbol, taint.until - taint.at) == ("", AHEAD), "or until the doubt is over"
    assert "the event loop stood still for" in taint.detail
    same_again(known)


def test_a_broker_that_tells_no_account_is_told_with_its_own_words_and_nothing_is_entered(exchange: Exchange, known: Settings) -> None:
    """The one look is refused, the next one waits for a minute, as the broker asks it to: it does not fail, and is noticed all the same."""

    async def act(floor: Floor) -> None:
        await floor.held()
        exchange.inject(kind="rest.limit", method="GET", path="/v2/orders", times=1, retry_after=60)
        await floor.step(50)
        floor.buy("BBB")
        await floor.step(30)
        floor.buy("BBB", name="later")
        await floor.step(5)

    floor = play(exchange, known, act)
    (told,) = [d.detail for d in floor.decisions if isinstance(d, Noticed) and d.code == "BROKER_SILENT"][:1]
    assert "has not told the account for 3" in told
    assert "HTTP 429" in told
    assert "no answer" not in told
    assert floor.codes.count("BROKER_ANSWERS") == 1
    bought = [f["symbol"] for f in floor.books.raw["fills"] if f["side"] == "buy"]
    assert bought == ["AAA", "BBB"]
    assert refusals(floor) == [Code.TAINTED]
