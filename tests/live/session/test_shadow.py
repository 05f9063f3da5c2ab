"""Shadow sessions: everything is decided and journaled, nothing reaches the broker; and sessions that end before the market does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import now, world
from floor import Floor, play
from typer.testing import CliRunner

from live import journal
from live.brokers.shadow import ShadowBroker
from live.cli import app
from live.clock import SECOND
from live.sim.embedded import Exchange
from pipelines.core.backtest.replay import replay
from pipelines.core.errors import OrderRejected
from pipelines.core.journal import Record
from pipelines.core.trading.decisions import TradingState
from pipelines.settings import Settings

MINUTES = 390


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """10:00; AAA rises by a dollar a minute from 10:10 on, BBB stands at 100 dollars."""
    rising = [100.0 + max(n - 40, 0) for n in range(MINUTES)]
    with Exchange(world(tmp_path, {"AAA": rising, "BBB": [100.0] * MINUTES}), stepped=True, partial_rate=0.0, rate_limit=0) as running:
        running.step_to(10, 0)
        yield running


def same_again(known: Settings) -> list[Record]:
    path = journal.latest(known.journals)
    journal.verify(path)
    records = list(journal.read(path))
    assert replay(records, ()).difference is None
    return records


def untouched(floor: Floor) -> None:
    """By the venue's books: no order, no fill, and nothing was configured."""
    books: dict[str, Any] = floor.books.raw
    assert (books["orders"], books["fills"], books["positions"]) == ([], [], [])


def test_a_shadow_session_trades_its_own_book_and_nothing_is_sent(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        floor.buy("AAA", 100, stop=95.0, target=110.0)
        floor.buy("BBB", 50, stop=95.0, target=110.0)
        await floor.step(3)
        portfolio = floor.runner.engine.portfolio
        assert portfolio is not None
        assert {s: p.quantity for s, p in portfolio.positions.items()} == {"AAA": 100, "BBB": 50}
        assert portfolio.positions["AAA"].average > 100.0, "half the spread and a footprint are paid"
        found = await floor.runner.broker.standing()
        assert {row.symbol for row in found.resting if row.stop} == {"AAA", "BBB"}
        assert found.equity == pytest.approx(portfolio.equity)
        await floor.step(25 * 60, by=2)
        assert [c.symbol for c in floor.closed] == ["AAA"]
        assert floor.closed[0].reason == "target"
        assert floor.closed[0].exit == pytest.approx(110.0, abs=1.01)
        floor.flatten()
        await floor.step(5)

    floor = play(exchange, known, act, shadow=True)
    untouched(floor)
    assert floor.runner.engine.flat
    assert floor.runner.oversight.flat
    assert "NAKED" not in floor.codes
    assert "POSITIONS_DIFFER" not in floor.codes
    same_again(known)


def test_it_is_flat_before_the_close_by_itself(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        floor.buy("BBB")
        await floor.step(3)
        await floor.step_to(15, 44, by=600)
        await floor.step(120, by=5)
        assert floor.runner.engine.flat

    floor = play(exchange, known, act, shadow=True)
    untouched(floor)
    assert [c.quantity for c in floor.closed] == [100]
    same_again(known)


def test_nothing_but_reading_passes_the_wire_whoever_asks(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        assert isinstance(floor.runner.broker, ShadowBroker)
        for call in (
            lambda route: route.cancel_orders(),
            lambda route: route.close_all_positions(cancel_orders=True),
            lambda route: route.post("/orders", {"symbol": "AAA"}),
            lambda route: route.patch("/account/configurations", {"suspend_trade": True}),
        ):
            with pytest.raises(OrderRejected, match="SHADOW: nothing is sent"):
                await floor.runner.broker.urgently(call)

    untouched(play(exchange, known, act, shadow=True))


@pytest.mark.parametrize("shadow", [False, True])
def test_a_session_with_an_end_of_its_own_closes_everything_and_goes(exchange: Exchange, known: Settings, shadow: bool) -> None:
    async def act(floor: Floor) -> None:
        floor.buy("BBB")
        await floor.step(3)
        assert not floor.runner.over
        await floor.step(60)
        assert floor.runner.over

    floor = play(exchange, known, act, shadow=shadow, until=now(exchange) + 90 * SECOND)
    assert floor.books.positions == {}
    assert floor.books.open == []
    assert [c.quantity for c in floor.closed] == [100]
    assert floor.state is TradingState.HALTED
    records = same_again(known)
    assert records[-1].data["flat"] is True
    assert sum(r.kind == "event" and r.data["kind"] == "command" and r.data["origin"] == "--until" for r in records) == 1


def test_an_end_that_the_broker_does_not_confirm_is_waited_for(exchange: Exchange, known: Settings) -> None:
    async def act(floor: Floor) -> None:
        await floor.held("BBB")
        stuck = exchange.inject(kind="match.none", symbol="BBB", side="sell")
        await floor.step(90)
        assert floor.books.positions == {"BBB": 100}
        assert not floor.runner.over
        exchange.relent(stuck["id"])
        await floor.step(90)
        assert floor.runner.over

    floor = play(exchange, known, act, until=now(exchange) + 90 * SECOND)
    assert floor.books.positions == {}
    same_again(known)


def test_help_says_what_shadow_and_until_do() -> None:
    told = " ".join(CliRunner().invoke(app, ["live", "--help"], env={"COLUMNS": "200"}).output.split())
    assert "send nothing" in told
    assert "everything is closed and the session ends" in told
    assert "New York" in told
