"""A whole session over both vendors' streams, conducted, with the fault injected: what the venue's books say of it."""

import asyncio
from pathlib import Path
from typing import Any

from homes import SYMBOLS, home_of
from staged import MINUTE, OPEN, at

from live import journal
from live.clock import SteppedClock
from live.commands.demo import sim_settings
from live.session.assemble import assemble
from live.session.conduct import Conductor
from live.sim.embedded import Exchange
from pipelines.core.journal import Record, decision_of, event_of
from pipelines.core.trading.commands import Open
from pipelines.core.trading.decisions import Refused
from pipelines.core.trading.events import FeedStatus, MarketBar
from pipelines.core.trading.orders import Side
from pipelines.settings import Settings


def played(home: Path, plan: dict[int, Any], *, end: int) -> tuple[dict[str, Any], list[Record]]:
    """A session from 09:29 on; `plan` says what to do at which time. The venue's books and the journal."""

    async def run(exchange: Exchange, settings: Settings) -> None:
        session = assemble(settings, watch=lambda event, decisions: None)
        assert isinstance(session.clock, SteppedClock)
        conductor, due = Conductor(exchange.url, session.clock), dict(plan)
        running = asyncio.create_task(session.runner.run(session.manifest, session.history, conducted=True))

        def progress(now: int) -> None:
            for moment in sorted(moment for moment in due if moment <= now):
                due.pop(moment)(exchange, session.runner)
            if now >= end:
                session.runner.stop()

        try:
            await asyncio.wait_for(session.runner.armed.wait(), 20)
            await conductor.play(session, progress)
        finally:
            session.runner.stop()
            await running
            await conductor.close()
            session.lock.release()

    with Exchange(stepped=True, start=(9, 29), partial_rate=0.0) as exchange:
        settings = sim_settings(exchange.url, home, strategies="momentum", feed_canary="")
        home_of(settings)
        asyncio.run(run(exchange, settings))
        return exchange.books(), list(journal.read(journal.latest(settings.journals)))


def buy(symbol: str, name: str) -> Any:
    return lambda _, runner: runner.command(Open(symbol, Side.BUY, quantity=5), "a person", name)


def test_with_both_feeds_mute_nothing_is_entered_and_after_them_the_day_is_whole_again(tmp_path: Path) -> None:
    def mute(exchange: Exchange, _: Any) -> None:
        for stream in ("market", "polygon"):
            exchange.inject(kind="stream.mute", stream=stream, for_=300)

    plan = {at(9, 40, 30): mute, at(9, 43, 30): buy("AAPL", "blind"), at(9, 55, 30): buy("AAPL", "seeing")}
    books, records = played(tmp_path / "home", plan, end=at(10, 5))
    decisions = [decision_of(record) for record in records if record.kind == "decision"]
    refusals = [d.check.code.value for d in decisions if isinstance(d, Refused) and d.symbol == "AAPL" and at(9, 43) <= d.at < at(9, 45)]
    assert len(refusals) == 1
    assert refusals[0] in {"FEED", "STALE_DATA"}, "both are true; the first that fails is told"
    events = [event_of(record) for record in records if record.kind == "event"]
    entries = [order for order in books["orders"] if order["side"] == "buy" and order["symbol"] == "AAPL"]
    assert len(entries) == 1, "only the one that was asked for when somebody could see"
    assert entries[0]["history"][0]["at"] >= "2026-11-20T14:55:30"
    bars = [event for event in events if isinstance(event, MarketBar)]
    for symbol in SYMBOLS:
        starts = [(event.bar.start - OPEN) // MINUTE for event in bars if event.bar.symbol == symbol]
        assert starts == sorted(set(starts))
        assert starts[-30:] == list(range(starts[-1] - 29, starts[-1] + 1)), "no minute is missing"
    late = {(event.bar.start - OPEN) // MINUTE for event in bars if event.late}
    assert {11, 12, 13} <= late <= set(range(10, 17))
    health = [(event.feed, event.healthy) for event in events if isinstance(event, FeedStatus)]
    assert {("sip", False), ("polygon", False)} <= set(health)


def test_a_vendor_that_dies_changes_nothing_for_the_books(tmp_path: Path) -> None:
    """The same orders at the same moments, whether one vendor is there or both."""

    def kill(exchange: Exchange, _: Any) -> None:
        exchange.inject(kind="stream.refuse", stream="market", code=402, times=0)
        exchange.inject(kind="stream.close", stream="market", code=1000)

    plan = {at(9, 45, 30): buy("MSFT", "one"), at(9, 52, 30): buy("AAPL", "two")}
    clean, _ = played(tmp_path / "clean", plan, end=at(10, 0))
    faulty, records = played(tmp_path / "faulty", {at(9, 40, 30): kill, **plan}, end=at(10, 0))
    assert [told(order) for order in faulty["orders"]] == [told(order) for order in clean["orders"]]
    assert len(clean["orders"]) >= 6
    assert [(fill["symbol"], fill["qty"]) for fill in faulty["fills"]] == [(fill["symbol"], fill["qty"]) for fill in clean["fills"]]
    assert [(p["symbol"], p["qty"]) for p in faulty["positions"]] == [(p["symbol"], p["qty"]) for p in clean["positions"]]
    assert [record.data["taken"] for record in records if record.kind == "switch"] == ["polygon"]


def told(order: dict[str, Any]) -> tuple[Any, ...]:
    return order["symbol"], order["side"], order["qty"], order["type"], order["status"]
